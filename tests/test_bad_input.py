"""Every helper with input that Hypothesis makes up, good and bad, and in bad surroundings."""

from contextlib import contextmanager, suppress
from copy import deepcopy
import importlib
import inspect
from itertools import pairwise, product
import os
from pathlib import Path
import pkgutil
import re
import resource
import subprocess
import tempfile
from typing import Any, NamedTuple

import aehelpers
from aehelpers import checks, claims, data, metrics, models, playground, plots, progress, training
from aehelpers import sweep as sweeps
from bs4 import BeautifulSoup
from hypothesis import find, given, HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
import joblib
import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
from nbformat.v4 import new_code_cell, new_notebook
import numpy as np
import pandas as pd
import pytest
import refresh
from scipy.special import entr
from test_data import content as ten_digits

mpl.use("agg")
MADE_UP = settings(
    max_examples=20,
    derandomize=True,  # the same examples each time, as everything in the book
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FEW = settings(MADE_UP, max_examples=3)


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """A home without caches, sweeps in this process, and no figure left open."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (data.MNIST_VARIABLE, "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    with joblib.parallel_config("sequential"):
        yield
    plt.close("all")


# ---- Good arguments ----

small = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
units = st.floats(0, 1, width=32)
reals = st.floats(-100, 100, width=32)


def arrays(shape, elements=reals):
    """Arrays of float32, so that float64 holds the same numbers."""
    return stn.arrays(np.float32, shape, elements=elements)


def pictures(n=3):
    """Pictures of 784 pixels; drawn from a seed, since drawing each pixel takes long."""
    return seeds.map(lambda seed: np.random.default_rng(seed).random((n, 784), np.float32))


def pairs(first, second, elements):
    """Two arrays of one shape, by their names."""
    return st.tuples(small, small).flatmap(
        lambda shape: st.fixed_dictionaries(
            {first: arrays(shape, elements), second: arrays(shape, elements)}
        )
    )


def sets(**others):
    """Training and other images with as many pixels, and further arguments."""
    return small.flatmap(
        lambda pixels: st.fixed_dictionaries(
            {"train": arrays((4, pixels)), "images": arrays((2, pixels)), **others}
        )
    )


def differ(arguments):
    target = arguments["target"]
    return (target != target[0]).any()


class History(NamedTuple):
    """What `train` returns, as far as a plot looks at it."""

    history: dict


losses = st.lists(reals, min_size=2, max_size=4)
histories = st.fixed_dictionaries({"loss": losses}, optional={"val_loss": losses}).map(History)
labels = st.text("abc $", max_size=3)


def tables(shape):
    return st.dictionaries(labels, arrays(shape), min_size=1, max_size=3)


def measured(size, rate, seed):
    return {"loss": size * rate + seed, "kind": "even" if size % 2 == 0 else "odd"}


grids = st.fixed_dictionaries(
    {
        "size": st.lists(st.integers(-9, 9), min_size=1, max_size=3),
        "rate": st.lists(reals, min_size=1, max_size=2),
    }
)


class Sizes(tuple):
    """Those of the layers of a network, which is built for the call: drawing may not use a seed."""


def dense(*sizes, activation="sigmoid", optimizer="adam", loss="binary_crossentropy", **options):
    """A compiled network of dense layers in a row."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(sizes[:1])])
    for size in sizes[1:]:
        model.add(keras.layers.Dense(size, activation=activation, **options))
    model.compile(optimizer=optimizer, loss=loss)
    return model


def two_inputs():
    inputs = [keras.Input((6,)), keras.Input((6,))]
    model = keras.Model(inputs, keras.layers.Add()(inputs))
    model.compile(loss="mse")
    return model


def branching():
    image = keras.Input((784,))
    code = keras.layers.Dense(2)(image)
    return keras.Model(image, code + keras.layers.Dense(2)(image))


def with_weights(model, value):
    model.set_weights([np.full_like(weights, value) for weights in model.get_weights()])
    return model


def digits(classes=10):
    """So few that each class has one test digit."""
    x = np.random.default_rng(0).random((classes, 784), np.float32)
    y = np.arange(classes)
    return data.Digits(x, y, x, y)


# ---- The same arguments, held otherwise ----


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


ARRAYS = [
    lambda array: array.copy("F"),
    lambda array: np.repeat(array, 2, axis=0)[::2],
    lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
    lambda array: array[::-1].copy()[::-1],
    lambda array: array.astype(np.float64),
    lambda array: array.astype(array.dtype.newbyteorder(">")),
    lambda array: array.tolist(),
    read_only,
]
WHOLE = [*ARRAYS, lambda array: array.astype(np.int8), lambda array: array.astype(np.int64)]


def held_otherwise(value, draw):
    """The same value in another form: arrays, sequences and NumPy's numbers, also within others."""
    if isinstance(value, np.ndarray):
        forms = WHOLE if (value == np.rint(value)).all() else ARRAYS
        return draw(st.sampled_from(forms))(value)
    if isinstance(value, bool | float):
        return (np.bool_ if isinstance(value, bool) else np.float64)(value)
    if isinstance(value, int):
        return draw(st.sampled_from([np.int64, np.uint64]))(value) if value >= 0 else value
    if isinstance(value, data.Digits):
        x_test, y_test = (held_otherwise(array, draw) for array in (value.x_test, value.y_test))
        return value._replace(x_test=x_test, y_test=y_test)
    if type(value) in (list, tuple):
        return draw(st.sampled_from([list, tuple]))(held_otherwise(it, draw) for it in value)
    if type(value) is dict:
        return {name: held_otherwise(it, draw) for name, it in value.items()}
    return value


# ---- What a call gives, as something that can be compared ----


def content(found):
    if isinstance(found, keras.Model):
        return found.get_weights()
    if isinstance(found, keras.Layer):
        return found.get_config() | {"name": None}
    if isinstance(found, playground.PageNetwork):
        return content(found._repr_mimebundle_())
    if isinstance(found, pd.DataFrame):
        return found.to_dict("list")
    if isinstance(found, claims.Verdict):
        return found._repr_html_()
    if isinstance(found, dict):
        return {name: content(it) for name, it in found.items()}
    if isinstance(found, list | tuple):
        return [content(it) for it in found]
    if isinstance(found, np.generic):
        return found.item()
    if found is None or isinstance(found, np.ndarray | bool | int | float | str):
        return found
    return type(found).__name__


def drawn():
    """What the open figures show; closes them."""
    found = []
    for number in plt.get_fignums():
        for ax in plt.figure(number).axes:
            found += [np.asarray(image.get_array(), float) for image in ax.images]
            found += [np.array(image.get_clim(), float) for image in ax.images]
            found += [line.get_xydata() for line in ax.lines]
            found += [path.vertices for band in ax.collections for path in band.get_paths()]
            found += [np.array(bar.get_bbox().bounds) for bar in ax.patches]
            found += [text.get_text() for text in ax.texts]
    plt.close("all")
    return found


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(found, dict):
        assert list(found) == list(expected)
        found, expected = list(found.values()), list(expected.values())
    if isinstance(found, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(found, np.ndarray) and found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    elif isinstance(found, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    else:
        np.testing.assert_array_equal(found, expected)


# ---- Bad arguments: for a good one the bad ones ----


ANYTHING = []  # words that are shown, not read, and what only our own code passes
NO_POSITIVE = [0, -1, 2.5, "2", None, True, np.nan, np.inf, [3]]
NO_SEED = [-1, 0.0, "0", None, False, np.nan, 2**32]
NO_SIZES = [5, None, iter([4]), "ab", b"ab", {4}, {4: 5}, [0], [4, -1], [2.5], np.array(3)]
NO_WEIGHT = [-1, -0.1, "1", None, True, np.nan, np.inf]
NO_DICT = [{}, None, 3, [1], "x"]
NO_REFERENCES = [3, [1], {"a": "b"}, {"a": np.nan}, {"a": [1, 2]}]
UNKNOWN = ["unknown", 3, [1]]


def no_array(array):
    """Wrong shapes, wrong types, nothing at all, and values that are not finite."""
    spoilt = []
    for value in (np.nan, np.inf, -np.inf):
        spoilt.append(array.astype(np.float64))
        spoilt[-1].flat[-1] = value
    return [
        *(array[..., None], array[None, None], array[:0], array[..., :0]),
        *(array.astype(complex), array.astype(str), array.astype(object)),
        *(None, "x", {"a": 1}, [[1, 2], [3]], iter([1]), keras.Input(array.shape[1:])),
        np.ma.masked_greater_equal(array, array.min()),
        *spoilt,
    ]


def no_moderate(array):
    """No array, or of numbers whose squares are infinite."""
    return [*no_array(array), array.astype(np.float64) + 1e200]


def no_image(array):
    return [*no_array(array), array[:, :-1], array.reshape(-1, 28, 28), array[0]]


def no_unit(array):
    """Not within [0, 1], either."""
    return [*no_array(array), array + 1.5, array - 1.5]


def other_shape(array):
    return [np.concatenate([array, array]), np.concatenate([array, array], axis=1)]


def one_spoilt(spoil):
    """No dict, or one entry spoilt."""

    def bad(value):
        first = next(iter(value))
        return [*NO_DICT, *({**value, first: it} for it in spoil(value[first]))]

    return bad


def no_model(_=None):
    unbuilt = keras.Sequential([keras.layers.Dense(6)])
    return [None, 3, "model", keras.layers.Dense(6), unbuilt, two_inputs()]


class Helper(NamedTuple):
    """How a public function is called, and what it has to refuse."""

    good: st.SearchStrategy
    bad: dict[str, Any]  # for each argument bad values, or a function from the good one to them
    call: Any = None  # where the function alone is not enough to compare
    examples: int = 20  # fewer where each takes long: to build a network, to draw pictures


def good(**strategies):
    return st.fixed_dictionaries(strategies)


counted = Helper(good(n=small, seed=seeds), dict(n=NO_POSITIVE, seed=NO_SEED))


def noise_shrinks(x, rng):
    return x * np.float32(0.5)


def trained(model, **arguments):
    """Weights and losses."""
    history = training.train(model, **arguments).history
    return [*model.get_weights(), history["loss"], history.get("val_loss")]


def stepped(total, unit, text):
    with progress.Progress(total, unit) as steps:
        for _ in range(total):
            steps.step(text)
    return steps._bar.n


TRAIN = Helper(
    good(
        model=st.just(Sizes((6, 2, 6))),
        x=arrays((5, 6), units),
        y=arrays((5, 6), units),
        epochs=st.integers(1, 2),
        seed=seeds,
        batch_size=st.just(4),
        corrupt=st.sampled_from([None, noise_shrinks]),
        validation_data=st.tuples(arrays((3, 6), units), arrays((3, 6), units)),
        callbacks=st.sampled_from([(), (keras.callbacks.Callback(),)]),
    ),
    dict(
        model=lambda _: [
            *no_model(_),
            keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)]),
            *(dense(6, optimizer=None), dense(6, loss=["mse"])),
            *(dense(6, loss=loss) for loss in ({"dense": "mse"}, keras.losses.MeanSquaredError)),
        ],
        x=lambda x: [*no_array(x), x[:, :-1], x.astype(np.float64) + 1e300],
        y=[
            *(it for it in no_unit(np.ones((5, 6))) if it is not None),
            *(np.ones((5, 5)), np.ones((4, 6))),
        ],
        epochs=NO_POSITIVE,
        seed=NO_SEED,
        batch_size=NO_POSITIVE,
        corrupt=[
            *(3, "noise", lambda x, rng: x[1:], lambda x, rng: x * np.nan, lambda x, rng: None)
        ],
        validation_data=[
            *(3, np.ones((2, 6)), (np.ones((2, 6)),), (np.ones((2, 6)), np.ones((3, 6)))),
            *((np.ones((2, 5)), np.ones((2, 6))), (np.ones((2, 6)), np.full((2, 6), 1.5))),
        ],
        callbacks=[None, 3, [3], "abc", keras.callbacks.Callback()],
    ),
    trained,
    examples=3,
)
SIZED = {"code_size": small, "seed": seeds}
NOT_SIZED = {"code_size": NO_POSITIVE, "seed": NO_SEED}
PENALTIES = st.sampled_from([None, "l1", keras.regularizers.L2(0.1)])

HELPERS = {
    checks.check_positive: Helper(
        good(name=st.just("value"), value=small), dict(name=ANYTHING, value=NO_POSITIVE)
    ),
    checks.check_seed: Helper(good(seed=seeds), dict(seed=NO_SEED)),
    checks.check_numbers: Helper(
        good(
            name=st.just("values"),
            values=arrays((2, 3)),
            shape=st.sampled_from([("n", 3), (2, 3), ("n", "pixels")]),
            dtype=st.just(np.float64),
        ),
        dict(name=ANYTHING, values=no_array, shape=ANYTHING, dtype=ANYTHING, whose=ANYTHING),
        lambda **arguments: np.asarray(checks.check_numbers(**arguments)),
    ),
    checks.check_range: Helper(
        good(name=st.just("array"), array=pictures()),
        dict(name=ANYTHING, array=lambda good: [good - 1.5, good + 1.5, 255 * (good + 1)]),
        lambda name, array: checks.check_range(name, np.asarray(array)),
    ),
    checks.check_dict: Helper(
        good(name=st.just("value"), value=st.dictionaries(labels, small, min_size=1)),
        dict(name=ANYTHING, value=NO_DICT),
    ),
    claims.Verdict: Helper(
        good(
            claim=st.sampled_from(list(claims.CLAIMS)),
            findings=st.dictionaries(labels, st.booleans(), min_size=1, max_size=3),
        ),
        dict(
            claim=["C00", f"C{len(claims.CLAIMS) + 1}", "c01", "", None, 1, ["C01"]],
            findings=[
                *NO_DICT,
                {"a": 0.9},
                {"a": 1},
                {"a": None},
                {"a": "yes"},
                {1: True},
            ],
        ),
    ),
    data.load_mnist: Helper(
        good(size=st.just("small")),
        dict(size=["medium", "Small", "", None, 5000, ["small"]]),
    ),
    data.full_mnist_available: Helper(good(), {}),
    data.equivalent_epochs: Helper(
        good(article_epochs=small, n_images=st.integers(1, 70000)),
        dict(article_epochs=NO_POSITIVE, n_images=NO_POSITIVE),
    ),
    data.photo_patches: counted,
    data.other_digits: Helper(good(), {}),
    data.drawn_letters: counted,
    data.shuffled_pixels: Helper(good(x=pictures(), seed=seeds), dict(x=no_image, seed=NO_SEED)),
    data.uniform_noise: counted,
    metrics.bce: Helper(
        pairs("target", "reconstruction", units),
        dict(target=no_unit, reconstruction=lambda array: [*no_unit(array), *other_shape(array)]),
    ),
    metrics.mse: Helper(
        pairs("target", "reconstruction", reals),
        dict(
            target=no_moderate,
            reconstruction=lambda array: [*no_moderate(array), *other_shape(array)],
        ),
    ),
    metrics.variance_explained: Helper(
        pairs("target", "reconstruction", reals).filter(differ),
        dict(
            target=lambda array: [*no_moderate(array), np.ones_like(array), 1e-200 * array],
            reconstruction=lambda array: [*no_moderate(array), *other_shape(array)],
        ),
    ),
    metrics.bce_floor: Helper(good(images=arrays((2, 3), units)), dict(images=no_unit)),
    metrics.mean_image: Helper(
        sets(),
        dict(
            train=no_moderate,
            images=lambda array: [*no_moderate(array), other_shape(array)[1]],
        ),
    ),
    metrics.pca_reconstruction: Helper(
        sets(code_size=st.just(1)),
        dict(
            train=no_moderate,
            images=lambda array: [*no_moderate(array), other_shape(array)[1]],
            code_size=[*NO_POSITIVE, 6],
        ),
    ),
    metrics.code_statistics: Helper(good(codes=arrays((2, 3))), dict(codes=no_moderate)),
    metrics.kl_to_standard_normal: Helper(
        pairs("mean", "log_var", st.floats(-9, 9, width=32)),
        dict(
            mean=no_moderate,
            log_var=lambda array: [*no_moderate(array), *other_shape(array), array + 700],
        ),
    ),
    models.Sampling: Helper(
        good(beta=st.floats(0, 10)),
        dict(beta=NO_WEIGHT),
    ),
    models.dense_autoencoder: Helper(
        good(
            hidden=st.lists(small, max_size=2).map(tuple),
            **SIZED,
            activation=st.sampled_from(["relu", "tanh"]),
            output_activation=st.sampled_from(["sigmoid", "linear"]),
            code_penalty=PENALTIES,
            loss=st.sampled_from(["mse", "binary_crossentropy"]),
        ),
        dict(
            hidden=NO_SIZES,
            **NOT_SIZED,
            activation=UNKNOWN,
            output_activation=UNKNOWN,
            code_penalty=UNKNOWN,
            loss=[*UNKNOWN, None],
        ),
        examples=3,
    ),
    models.deep_autoencoder: Helper(good(**SIZED), NOT_SIZED, examples=3),
    models.shallow_autoencoder: Helper(
        good(**SIZED, code_penalty=PENALTIES), dict(**NOT_SIZED, code_penalty=UNKNOWN), examples=3
    ),
    models.convolutional_autoencoder: Helper(good(**SIZED), NOT_SIZED, examples=3),
    models.variational_autoencoder: Helper(
        good(latent=small, seed=seeds, beta=st.floats(0, 10)),
        dict(
            latent=NO_POSITIVE,
            seed=NO_SEED,
            beta=NO_WEIGHT,
        ),
        examples=3,
    ),
    playground.PageNetwork: Helper(
        good(
            name=st.just("tiny"),
            encoder=st.just(Sizes((784, 2))),
            decoder=st.just(Sizes((2, 784))),
            digits=st.just(digits()),
        ),
        dict(
            name=["", "Tiny", "two words", "2d", None, 3],
            encoder=lambda _: [
                *(None, 3, "model", keras.Sequential(), dense(783, 2)),
                dense(784, 2, activation="gelu"),
                *(dense(784, 2, use_bias=False), with_weights(dense(784, 2), np.nan), branching()),
            ],
            decoder=lambda _: [
                *(None, 3, "model", dense(2, 783), dense(3, 784), dense(2, 784, activation="gelu")),
                *(dense(2, 784, use_bias=False), with_weights(dense(2, 784), np.inf)),
            ],
            digits=lambda ten: [
                *(None, 3, tuple(ten), digits(classes=9), ten._replace(x_test=255 * ten.x_test)),
                *(ten._replace(x_test=x) for x in no_image(ten.x_test)),
                *(ten._replace(y_test=y) for y in (ten.y_test[1:], ten.y_test + 0.5)),
            ],
        ),
        examples=3,
    ),
    plots.image_rows: Helper(
        good(rows=st.dictionaries(labels, pictures(), min_size=1, max_size=2)),
        dict(
            rows=lambda rows: [*one_spoilt(no_image)(rows), {**rows, "longer": np.ones((4, 784))}]
        ),
        examples=3,
    ),
    plots.history: Helper(
        good(
            histories=st.dictionaries(labels, histories, min_size=1, max_size=6),
            references=st.none() | st.dictionaries(labels, reals, max_size=2),
        ),
        dict(
            histories=[
                *NO_DICT,
                {"a": 3},
                {"a": History([1])},
                *({"a": History({"loss": it})} for it in (3, None, "abc", [], [np.nan, 1])),
                {"a": History({"loss": [1], "val_loss": [[1]]})},
                {str(i): History({}) for i in range(7)},
            ],
            references=NO_REFERENCES,
        ),
    ),
    plots.by_setting: Helper(
        good(
            settings=st.just([0.5, 2, 8]),
            errors=tables(3) | tables((3, 2)),
            references=st.none() | st.dictionaries(labels, reals, max_size=2),
            xlabel=labels,
            ylabel=labels,
            log=st.just(True),
        ),
        dict(
            settings=[None, 3, [], ["a"], [[1, 2, 3]], [0, 1, 2], [1, np.nan, 2]],
            errors=one_spoilt(
                lambda array: [array[:2], array[:0], array[0, ..., None], None, "x", array * np.nan]
            ),
            references=NO_REFERENCES,
            xlabel=ANYTHING,
            ylabel=ANYTHING,
            log=ANYTHING,
        ),
        examples=10,
    ),
    plots.architecture: Helper(
        good(model=st.tuples(small, small, small).map(Sizes)),
        dict(model=lambda _: [*no_model(), models.convolutional_autoencoder(seed=0).autoencoder]),
        examples=3,
    ),
    plots.code_histograms: Helper(
        good(codes=tables((3, 2))),
        dict(codes=one_spoilt(no_array)),
        examples=3,
    ),
    plots.filters: Helper(
        good(weights=pictures().map(np.transpose)),
        dict(weights=lambda weights: [*no_array(weights), weights[:-1], weights.T, weights[:, 0]]),
        examples=3,
    ),
    progress.Progress: Helper(
        good(total=st.integers(0, 3), unit=labels, text=labels),
        dict(total=ANYTHING, unit=ANYTHING),
        stepped,
    ),
    sweeps.sweep: Helper(
        good(function=st.just(measured), grid=grids, seeds=st.lists(seeds, min_size=1)),
        dict(
            function=[None, 3, dict, lambda size, rate: {}, lambda seed: {}],
            grid=lambda grid: [
                *NO_DICT,
                grid | {"seed": [1]},
                {1: [2]},
                *(grid | {"size": it} for it in (3, "ab", [], {1}, {1: 2}, np.array(3), iter([1]))),
            ],
            seeds=[3, None, [], "12", {1}, iter([1]), *([it] for it in NO_SEED)],
            folder=[3, ["x"], b"x"],
            scheduler=[3, ["tcp://host:8786"]],
        ),
    ),
    training.train: TRAIN,
}

helpers = pytest.mark.parametrize("function", HELPERS, ids=lambda function: function.__name__)
bad_arguments = pytest.mark.parametrize(
    ("function", "argument"),
    [
        pytest.param(function, argument, id=f"{function.__name__}-{argument}")
        for function, helper in HELPERS.items()
        for argument, bad in helper.bad.items()
        if bad != ANYTHING
    ],
)


def built(arguments):
    return {k: dense(*it) if isinstance(it, Sizes) else it for k, it in arguments.items()}


def call(function, arguments):
    """What a call gives and what it draws."""
    plt.close("all")
    found = (HELPERS[function].call or function)(**built(arguments))
    return [content(found), drawn()]


def public_functions():
    """Functions and classes of the package, but for those that only hold what others give."""
    for module in pkgutil.iter_modules(aehelpers.__path__, "aehelpers."):
        for name, it in vars(importlib.import_module(module.name)).items():
            ours = callable(it) and it.__module__ == module.name and not name.startswith("_")
            if ours and not (isinstance(it, type) and issubclass(it, tuple | Exception)):
                yield it


def test_every_public_function_and_each_of_its_arguments_is_tried():
    taken = {
        function: [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        for function in public_functions()
    }
    assert len(taken) > 30
    assert {function: list(helper.bad) for function, helper in HELPERS.items()} == taken


@helpers
def test_the_same_numbers_held_otherwise_give_the_same(function):
    @settings(MADE_UP, max_examples=HELPERS[function].examples)
    @given(HELPERS[function].good, st.data())
    def test(arguments, draws):
        otherwise = {name: held_otherwise(it, draws.draw) for name, it in arguments.items()}
        assert_same(call(function, otherwise), call(function, arguments))

    test()


def with_arrays(value, change):
    """The same with `change` made to its arrays, but for the labels of digits."""
    if isinstance(value, np.ndarray):
        return change(value)
    if isinstance(value, data.Digits):
        return value._replace(x_test=change(value.x_test))
    if isinstance(value, dict):
        return {name: with_arrays(it, change) for name, it in value.items()}
    return tuple(with_arrays(it, change) for it in value) if type(value) is tuple else value


def takes_arrays(function):
    found = []
    first = settings(MADE_UP, phases=[Phase.generate])  # to find a smaller one takes long
    with_arrays(find(HELPERS[function].good, lambda _: True, settings=first), found.append)
    return bool(found)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float16])
@pytest.mark.parametrize(
    "function", list(filter(takes_arrays, HELPERS)), ids=lambda function: function.__name__
)
def test_zeros_and_ones_of_any_type_give_the_same(function, dtype):
    @settings(MADE_UP, max_examples=2)
    @given(HELPERS[function].good)
    def test(arguments):
        # As on a chessboard, so that targets differ.
        plain = with_arrays(arguments, lambda it: np.indices(it.shape, np.float32).sum(axis=0) % 2)
        otherwise = with_arrays(plain, lambda it: it.astype(dtype))
        assert_same(call(function, otherwise), call(function, plain))

    test()


@helpers
def test_a_call_changes_no_argument_and_the_next_one_gives_the_same(function):
    @settings(MADE_UP, max_examples=2)
    @given(HELPERS[function].good)
    def test(arguments):
        before = deepcopy(content(arguments))
        first = call(function, arguments)
        assert_same(content(arguments), before)
        assert_same(call(function, arguments), first)

    test()


@bad_arguments
def test_a_bad_argument_is_refused_by_its_name_with_what_came(function, argument):
    tried = HELPERS[function].bad[argument]

    @settings(MADE_UP, max_examples=2)
    @given(HELPERS[function].good)
    def test(arguments):
        arguments = built(arguments)
        for bad in tried(arguments.get(argument)) if callable(tried) else tried:
            with pytest.raises((ValueError, TypeError)) as error:
                call(function, arguments | {argument: bad})
            message = str(error.value)
            names = re.findall(r"\w+", message.partition(":")[0])
            assert {argument, argument.removesuffix("s")} & set(names), message
            assert re.search(": expected .*(got|but:) ", message), message
            if bad is None or isinstance(bad, int | float | str):
                assert repr(bad) in message or "got ()" in message  # the shape of a number
            assert not plt.get_fignums()

    test()


# ---- What is true of every right answer ----


@MADE_UP
@given(pairs("target", "reconstruction", units))
def test_a_cross_entropy_is_at_least_the_entropy_which_a_copy_attains(pair):
    entropy = (entr(pair["target"].astype(float)) + entr(1 - pair["target"].astype(float))).mean(1)
    assert (metrics.bce(**pair) >= entropy - 1e-12).all()
    assert metrics.bce_floor(pair["target"]) == pytest.approx(entropy.mean(), abs=3e-6)


@MADE_UP
@given(pairs("target", "reconstruction", reals))
def test_a_squared_error_is_zero_for_a_copy_alone_and_the_same_either_way(pair):
    target, other = pair.values()
    np.testing.assert_array_equal(metrics.mse(target, other), metrics.mse(other, target))
    same = (target == other).all(axis=1)
    np.testing.assert_array_equal(metrics.mse(target, other) == 0, same)


@MADE_UP
@given(arrays((4, 3)), arrays(3))
def test_no_image_alone_stands_for_the_training_images_better_than_their_mean(train, image):
    mean = metrics.mean_image(train, train)
    other = np.broadcast_to(image, train.shape)
    assert metrics.mse(train, mean).sum() <= metrics.mse(train, other).sum() + 1e-9


@MADE_UP
@given(pairs("target", "reconstruction", reals).filter(differ))
def test_the_variance_explained_is_one_less_the_share_of_the_error(pair):
    varied = (pair["target"] != pair["target"][0]).any(axis=0)
    target, other = (pair[name][:, varied].astype(float) for name in ("target", "reconstruction"))
    lost = ((target - other) ** 2).sum()
    variance = ((target - target.mean(axis=0)) ** 2).sum()
    assert 1 - metrics.variance_explained(**pair) == pytest.approx(lost / variance, 1e-6, 1e-6)


@MADE_UP
@given(arrays((6, 4)), arrays((2, 4)))
def test_each_component_lowers_the_error_until_all_of_them_give_a_copy(train, images):
    results = [metrics.pca_reconstruction(train, images, size) for size in range(1, 5)]
    errors = np.array([metrics.mse(images, result) for result in results])
    assert (np.diff(errors, axis=0) <= 1e-6).all()
    np.testing.assert_allclose(results[-1], images, atol=1e-6)
    again = metrics.pca_reconstruction(train, results[0], 1)
    np.testing.assert_allclose(again, results[0], atol=1e-6)


@MADE_UP
@given(arrays((3, 4), st.sampled_from([0, 0, -1, 2.5])))
def test_statistics_of_codes_agree_with_each_other(codes):
    found = metrics.code_statistics(codes)
    assert found["active"] == pytest.approx(4 * (1 - found["zeros"]))
    assert 0 <= found["dead"] <= 4 - found["active"]
    assert found["mean"] ** 2 + found["sd"] ** 2 == pytest.approx((codes**2).mean())


@MADE_UP
@given(pairs("mean", "log_var", st.just(0) | st.floats(-9, 9, width=32)))
def test_a_divergence_is_zero_for_the_standard_normal_and_nowhere_negative(pair):
    divergence = metrics.kl_to_standard_normal(**pair)
    assert (divergence >= -1e-12).all()
    standard = (pair["mean"] == 0).all(axis=1) & (pair["log_var"] == 0).all(axis=1)
    np.testing.assert_array_equal(divergence[standard], 0)


@MADE_UP
@given(st.integers(1, 100), st.integers(1, 100_000))
def test_equivalent_epochs_take_the_articles_updates_to_half_an_epoch(epochs, n_images):
    batches = -(-n_images // 32)
    found = data.equivalent_epochs(epochs, n_images)
    assert found == 1 or abs(found * batches - epochs * 1875) <= batches / 2
    assert found <= data.equivalent_epochs(epochs + 1, n_images)


@FEW
@given(st.lists(small, max_size=3), small, seeds)
def test_networks_of_all_sizes_are_mirrored_and_composed_of_their_halves(hidden, code, seed):
    network = models.dense_autoencoder(hidden, code, seed=seed)
    sizes = [784, *hidden, code]
    kernels = [weights.shape for weights in network.autoencoder.get_weights() if weights.ndim == 2]
    there = list(pairwise(sizes))
    assert kernels == [*there, *pairwise(reversed(sizes))]
    images = np.random.default_rng(0).random((2, 784), np.float32)
    whole = np.asarray(network.autoencoder(images))
    np.testing.assert_array_equal(whole, network.decoder(network.encoder(images)))
    assert 0 <= whole.min() <= whole.max() <= 1


@FEW
@given(arrays((5, 6), units), seeds)
def test_corruption_by_nothing_trains_as_none(x, seed):
    arguments = {"x": x, "epochs": 2, "seed": seed, "batch_size": 4}
    plain = trained(dense(6, 2, 6), **arguments, y=x)
    assert_same(trained(dense(6, 2, 6), **arguments, corrupt=lambda x, rng: x), plain)
    assert len(plain[-2]) == 2


@FEW
@given(st.lists(arrays((2, 3)), min_size=1, max_size=8))
def test_each_histogram_counts_every_value_however_many_there_are(codes):
    plots.code_histograms({str(i): array for i, array in enumerate(codes)})
    counts = [sum(bar.get_height() for bar in ax.patches) for ax in plt.gcf().axes]
    plt.close("all")
    assert counts == [6] * len(codes)


@MADE_UP
@given(st.dictionaries(st.text("ab<>&\"'", min_size=1), st.booleans(), min_size=1, max_size=3))
def test_a_page_shows_each_finding_word_by_word_with_its_answer(findings):
    page = BeautifulSoup(claims.Verdict("C01", findings)._repr_html_(), "html.parser")
    shown = [item.get_text() for item in page.find_all("li")]
    assert shown == [f"{'yes' if found else 'no'} {it}" for it, found in findings.items()]


@MADE_UP
@given(grids, st.lists(seeds, min_size=1, max_size=3))
def test_a_sweep_has_each_setting_once_with_each_seed_in_their_order(grid, seeds):
    table = sweeps.sweep(measured, grid, seeds)
    runs = list(product(*grid.values(), seeds))
    assert list(table[[*grid, "seed"]].itertuples(index=False, name=None)) == runs
    losses = [measured(**dict(zip([*grid, "seed"], run, strict=True)))["loss"] for run in runs]
    assert table["loss"].tolist() == losses


# ---- What a sweep keeps ----


def returning(results):
    def function(size, seed):
        return results

    return function


words = st.text(min_size=1).filter(lambda word: word not in ("size", "seed"))
outcomes = st.dictionaries(words, st.integers() | st.floats() | st.text(), min_size=1, max_size=3)


@MADE_UP
@given(outcomes)
def test_kept_results_are_those_that_were_returned(results):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        first = sweeps.sweep(returning(results), {"size": [1]}, [0], folder=folder)
        patch.setattr(sweeps, "_run", None)  # nothing can run
        again = sweeps.sweep(returning(results), {"size": [1]}, [0], folder=folder)
    pd.testing.assert_frame_equal(again, first)
    assert_same(content(first), {"size": [1], "seed": [0]} | {k: [v] for k, v in results.items()})


def damaged(whole, place, byte):
    """With another byte at a place, or cut off there if there is none."""
    place %= len(whole)
    return whole[:place] + (b"" if byte is None else bytes([byte]) + whole[place + 1 :])


damages = {"place": st.integers(0, 9_999), "byte": st.none() | st.integers(0, 255)}


@settings(MADE_UP, max_examples=50)
@given(**damages)
def test_a_kept_run_that_is_damaged_anywhere_does_no_harm(place, byte):
    with tempfile.TemporaryDirectory() as folder:
        expected = sweeps.sweep(measured, {"size": [3], "rate": [0.5]}, [7], folder=folder)
        (kept,) = Path(folder).iterdir()
        kept.write_bytes(damaged(kept.read_bytes(), place, byte))
        again = sweeps.sweep(measured, {"size": [3], "rate": [0.5]}, [7], folder=folder)
    pd.testing.assert_frame_equal(again, expected)


# ---- A file of MNIST ----


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A file with ten digits, which are the full edition."""
    digest = data._digest(data.Digits(**ten_digits()))
    monkeypatch.setitem(data._EDITIONS, "full", data._Edition(6, 4, digest))
    np.savez(tmp_path / "mnist.npz", **ten_digits())
    return tmp_path / "mnist.npz"


@settings(MADE_UP, max_examples=50)
@given(**damages)
def test_a_named_file_that_is_damaged_anywhere_is_refused_or_holds_the_same(full, place, byte):
    named = full.with_name("named.npz")
    named.write_bytes(damaged(full.read_bytes(), place, byte))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(data.MNIST_VARIABLE, str(full))
        expected = data.load_mnist("full")
        patch.setenv(data.MNIST_VARIABLE, str(named))
        try:
            assert_same(content(data.load_mnist("full")), content(expected))
        except ValueError as error:
            message = str(error)
        else:
            return
    assert message.startswith(f"{data.MNIST_VARIABLE}: {named}: ")


# ---- A full disk, and folders that may not be written ----


@contextmanager
def full_disk(folder):
    """No room is left on the small disk of the folder."""
    if not folder.is_mount():
        pytest.skip("a disk of its own, to fill it, takes the rights of root")
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def short_files(folder):
    """Whatever is written breaks off after some bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def read_only_folder(folder):
    folder.chmod(0o555)
    try:
        with ordinary_user():
            yield
    finally:
        folder.chmod(0o755)


@contextmanager
def ordinary_user():
    """Without the right of root to read and write everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def folder():
    """A folder that all may read, on a small disk of its own where that is allowed."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        disk = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        path.chmod(0o755)
        yield path
        if disk.returncode == 0:
            subprocess.run(["umount", path], check=True)


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


surroundings = pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (full_disk, "No space left on device"),
        (short_files, "File too large"),
        (read_only_folder, "Permission denied"),
    ],
)


@surroundings
def test_a_sweep_that_cannot_keep_a_run_names_the_folder_and_goes_on_later(folder, bad, reason):
    grid = {"size": [1, 2], "rate": [0.5]}
    sweeps.sweep(measured, grid | {"size": [1]}, [0], folder=folder)
    kept = files_in(folder)
    with bad(folder), pytest.raises(OSError, match=f"{reason}: '{folder}"):
        sweeps.sweep(measured, grid, [0], folder=folder)
    assert files_in(folder) == kept
    assert sweeps.sweep(measured, grid, [0], folder=folder)["loss"].tolist() == [0.5, 1]
    assert files_in(folder).items() > kept.items()


@surroundings
def test_a_notebook_that_cannot_be_written_stays_as_it_was(folder, bad, reason, monkeypatch):
    path = folder / "old.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("x = 1", id="a")]), path)
    before = files_in(folder)
    executed = new_notebook(cells=[new_code_cell("x = 2", id="a")])
    monkeypatch.setattr(refresh, "execute", lambda _: executed)
    with bad(folder):
        succeeded, outcome, _ = refresh.refresh(path)
    assert not succeeded
    assert outcome.startswith("failed: ")
    assert reason in outcome
    assert files_in(folder) == before


def test_a_download_that_fills_the_disk_is_an_error_and_the_next_one_mends_it(
    full, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(data, "_MNIST_URL", full.as_uri())
    with (
        short_files(tmp_path),
        pytest.raises(FileNotFoundError, match=r"three ways.*File too large"),
    ):
        data.load_mnist("full")
    assert not data.full_mnist_available()
    assert len(data.load_mnist("full").x_train) == 6
    assert capsys.readouterr().out == "MNIST full: 6 training and 4 test digits\n"


def test_a_named_file_that_may_not_be_read_is_refused_for_that(folder, monkeypatch):
    named = folder / "named.npz"
    np.savez(named, **ten_digits())
    named.chmod(0)
    monkeypatch.setenv(data.MNIST_VARIABLE, str(named))
    message = f"{data.MNIST_VARIABLE}: .*Permission denied: '{named}'"
    with ordinary_user(), pytest.raises(PermissionError, match=message):
        data.load_mnist("full")
