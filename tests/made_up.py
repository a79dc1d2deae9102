"""Arguments that Hypothesis makes up, and how what comes of them is compared."""

from aehelpers import claims, playground, training
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
import keras
import numpy as np
import pandas as pd
import pytest

MADE_UP = settings(
    max_examples=20,
    derandomize=True,  # the same examples each time, as everything in the book
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FEW = settings(MADE_UP, max_examples=3)

small = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
units = st.floats(0, 1, width=32)
reals = st.floats(-100, 100, width=32)


def arrays(shape, elements=reals):
    """Arrays of float32, so that float64 holds the same numbers."""
    return stn.arrays(np.float32, shape, elements=elements)


def pairs(first, second, elements):
    """Two arrays of one shape, by their names."""
    return st.tuples(small, small).flatmap(
        lambda shape: st.fixed_dictionaries(
            {first: arrays(shape, elements), second: arrays(shape, elements)}
        )
    )


def differ(arguments):
    target = arguments["target"]
    return (target != target[0]).any()


def measured(size, rate, seed):
    return {"loss": size * rate + seed, "kind": "even" if size % 2 == 0 else "odd"}


grids = st.fixed_dictionaries(
    {
        "size": st.lists(st.integers(-9, 9), min_size=1, max_size=3),
        "rate": st.lists(reals, min_size=1, max_size=2),
    }
)


def dense(*sizes, activation="sigmoid", optimizer="adam", loss="binary_crossentropy", **options):
    """A compiled network of dense layers in a row."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(sizes[:1])])
    for size in sizes[1:]:
        model.add(keras.layers.Dense(size, activation=activation, **options))
    model.compile(optimizer=optimizer, loss=loss)
    return model


def trained(model, **arguments):
    """Weights and losses."""
    history = training.train(model, **arguments).history
    return [*model.get_weights(), history["loss"], history.get("val_loss")]


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
