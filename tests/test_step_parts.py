"""Tests of the benchmark of a step's parts: each loop does what it says, and no more."""

from aehelpers.data import load_mnist
from aehelpers.metrics import bce
from aehelpers.models import dense_autoencoder
from conftest import rows_of_only_table
import keras
import numpy as np
import pytest
import step_parts


@pytest.fixture(scope="module")
def digits():
    return load_mnist("small").x_train[:320]


def network():
    return dense_autoencoder((16,), 4, seed=0).autoencoder


def weights(model):
    return np.concatenate([array.ravel() for array in model.get_weights()])


def test_a_loop_of_batches_sees_each_image_once(digits):
    mean = step_parts.compiled_loop(step_parts.batches, network(), digits)(1)
    assert mean == pytest.approx(digits.mean(), rel=1e-5)


def test_a_loop_of_the_loss_trains_nothing(digits):
    model = network()
    before = weights(model)
    mean = step_parts.compiled_loop(step_parts.reconstruct, model, digits)(1)
    assert mean == pytest.approx(bce(digits, np.asarray(model(digits))).mean(), rel=1e-4)
    np.testing.assert_array_equal(weights(model), before)


@pytest.mark.parametrize(("part", "name"), [("descend", "sgd"), ("adapt", "adam")])
def test_a_loop_that_trains_does_what_fit_does_with_its_optimizer(part, name, digits):
    by_loop, by_fit = network(), network()
    step_parts.compiled_loop(getattr(step_parts, part), by_loop, digits)(2)
    by_fit.compile(keras.optimizers.get(name), "binary_crossentropy")
    rng = np.random.default_rng(0)
    for _ in range(2):
        order = rng.permutation(len(digits))
        by_fit.fit(digits[order], digits[order], shuffle=False, verbose=0)
    np.testing.assert_allclose(weights(by_loop), weights(by_fit), atol=1e-5)


def test_the_table_has_what_each_part_adds_and_is_stored(monkeypatch, tmp_path):
    measured = {"batches": [1, 2, 3, 40, 0], "loss": [5, 5, 5, 6, 7], "train": [9, 9, 9, 9, 9]}
    monkeypatch.setattr(step_parts, "ROUNDS", 5)
    monkeypatch.setattr(step_parts, "measure", lambda *_: measured)
    monkeypatch.setattr(step_parts, "SUMMARY", tmp_path / "parts.csv")
    step_parts.main()
    rows = rows_of_only_table(tmp_path)
    assert [row["loop"] for row in rows] == list(measured)
    assert [float(row["epoch (s)"]) for row in rows] == [2, 5, 9]
    assert [float(row["more than before (s)"]) for row in rows] == [2, 3, 4]
    assert [float(row["lower quartile"]) for row in rows] == [1, 2, 3]
    assert [float(row["upper quartile"]) for row in rows] == [3, 4, 4]
    assert rows[0]["keras"] == keras.__version__
