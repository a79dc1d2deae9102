"""Every helper with input that Hypothesis makes up, good and bad."""

from copy import deepcopy
import importlib
import inspect
import pkgutil
import re
from typing import Any, NamedTuple

import aehelpers
from aehelpers import checks, claims, data, metrics, models, playground, plots, progress, training
from aehelpers import sweep as sweeps
from hypothesis import find, given, Phase, settings
from hypothesis import strategies as st
import keras
from made_up import (
    arrays,
    assert_same,
    content,
    dense,
    differ,
    grids,
    MADE_UP,
    measured,
    pairs,
    reals,
    seeds,
    small,
    trained,
    units,
)
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

mpl.use("agg")
pytestmark = pytest.mark.usefixtures("alone")


# ---- Good arguments ----


def pictures(n=3):
    """Pictures of 784 pixels; drawn from a seed, since drawing each pixel takes long."""
    return seeds.map(lambda seed: np.random.default_rng(seed).random((n, 784), np.float32))


def sets(**others):
    """Training and other images with as many pixels, and further arguments."""
    return small.flatmap(
        lambda pixels: st.fixed_dictionaries(
            {"train": arrays((4, pixels)), "images": arrays((2, pixels)), **others}
        )
    )


class History(NamedTuple):
    """What `train` returns, as far as a plot looks at it."""

    history: dict


losses = st.lists(reals, min_size=2, max_size=4)
histories = st.fixed_dictionaries({"loss": losses}, optional={"val_loss": losses}).map(History)
labels = st.text("abc $", max_size=3)


def tables(shape):
    return st.dictionaries(labels, arrays(shape), min_size=1, max_size=3)


class Sizes(tuple):
    """Those of the layers of a network, which is built for the call: drawing may not use a seed."""


def two_inputs():
    inputs = [keras.Input((6,)), keras.Input((6,))]
    model = keras.Model(inputs, keras.layers.Add()(inputs))
    model.compile(loss="mse")
    return model


def branching(units):
    image = keras.Input((784,))
    code = keras.layers.Dense(units)(image)
    return keras.Model(image, code + keras.layers.Dense(units)(image))


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


# ---- What a call draws ----


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


# ---- Bad arguments: for a good one the bad ones ----


ANYTHING = []  # words that are shown, not read, and what only our own code passes
NO_POSITIVE = [0, -1, 2.5, "2", None, True, np.nan, np.inf, [3]]
NO_SEED = [-1, 0.0, "0", None, False, np.nan, 2**32]
NO_SIZES = [5, None, iter([4]), "ab", b"ab", {4}, {4: 5}, [0], [4, -1], [2.5], np.array(3)]
NO_WEIGHT = [-1, -0.1, "1", None, True, np.nan, np.inf]
NO_DICT = [{}, None, 3, [1], "x"]
NO_REFERENCES = [0, 3, [], [1], "", np.ones(2), {"a": "b"}, {"a": np.nan}, {"a": [1, 2]}]
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
    models.used_again: Helper(
        good(model=st.tuples(small, small, small).map(Sizes)), dict(model=ANYTHING), examples=3
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
                *(dense(784, 2, use_bias=False), with_weights(dense(784, 2), np.nan), branching(2)),
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
        dict(
            model=lambda _: [
                *(*no_model(), models.convolutional_autoencoder(seed=0).autoencoder),
                *(branching(2), branching(784)),  # the latter's layers would fit in a row
            ]
        ),
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
