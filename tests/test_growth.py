"""Tests of the benchmark of growth: what is trained together learns what it would alone."""

import itertools

from aehelpers.data import load_mnist
from conftest import rows_of_only_table
import growth
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def digits():
    return load_mnist("small").x_train[:320]


def weights(built):
    return [np.concatenate([w.ravel() for w in it.autoencoder.get_weights()]) for it in built]


def test_networks_trained_together_become_what_fit_makes_of_each(digits):
    built, alone = growth.networks(2, width=16, code_size=4), growth.networks(2, 16, 4)
    growth.together(built, digits)(2)
    rng = np.random.default_rng(0)  # gives both networks an order in each epoch, in turn
    orders = [rng.permutation(len(digits)) for _ in range(4)]
    for i, network in enumerate(alone):
        for order in orders[i::2]:
            network.autoencoder.fit(
                digits[order], digits[order], batch_size=growth.BATCH_SIZE, shuffle=False, verbose=0
            )
    for found, expected in zip(weights(built), weights(alone), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not np.allclose(*weights(built), atol=0.01)


def test_networks_trained_in_turn_all_learn(digits):
    built = growth.networks(2, width=16, code_size=4)
    before = weights(built)
    growth.in_turn(built, digits)(1)
    for old, new in zip(before, weights(built), strict=True):
        assert np.abs(new - old).max() > 0.003  # Adam moves a weight by about 0.001 a step


def test_one_thing_is_varied_at_a_time_and_only_networks_are_trained_together(monkeypatch):
    monkeypatch.setattr(
        growth,
        "VARIED",
        {"images": [320, 12_800], "code size": [2], "networks": [2], "narrow networks": [3]},
    )
    for way in ("in_turn", "together"):

        def note(built, x, way=way):
            (hidden,) = {it.autoencoder.get_weights()[0].shape[1] for it in built}
            (code_size,) = {it.encoder.output_shape[1] for it in built}
            return way, len(built), hidden, code_size, len(x)

        note.__name__ = way
        monkeypatch.setattr(growth, way, note)
    prepared = growth.cases()
    assert {case: run for case, (run, _) in prepared.items()} == {
        ("images", 320, "in turn"): ("in_turn", 1, 128, 32, 320),
        ("images", 12_800, "in turn"): ("in_turn", 1, 128, 32, 12_800),
        ("code size", 2, "in turn"): ("in_turn", 1, 128, 2, 4_000),
        ("networks", 2, "in turn"): ("in_turn", 2, 128, 32, 4_000),
        ("networks", 2, "together"): ("together", 2, 128, 32, 4_000),
        ("narrow networks", 3, "in turn"): ("in_turn", 3, 32, 32, 4_000),
        ("narrow networks", 3, "together"): ("together", 3, 32, 32, 4_000),
    }
    # Small cases are timed for longer, large ones for four epochs.
    assert [epochs for _, epochs in prepared.values()] == [125, 4, 10, 10, 10, 40, 40]


def test_compiling_is_not_timed(monkeypatch):
    clock, calls = itertools.accumulate(itertools.count()), []
    monkeypatch.setattr(growth.time, "perf_counter", lambda: next(clock))
    seconds = growth.measure({("width", 32, "in turn"): (calls.append, 5)})
    assert calls == [1] + [5] * growth.ROUNDS
    # The clock shows 0, 1, 3, 6, 10, ...: rounds take 1, 3, 5, 7 and 9 seconds for 5 epochs.
    assert seconds == {("width", 32, "in turn"): [0.2, 0.6, 1.0, 1.4, 1.8]}


def test_the_table_gives_the_time_of_one_network_and_is_stored(monkeypatch, tmp_path):
    measured = {
        ("narrow networks", 4, "together"): [4, 8, 12, 16, 20],
        ("width", 512, "in turn"): [1, 1, 2, 3, 3],
    }
    monkeypatch.setattr(growth, "cases", dict)
    monkeypatch.setattr(growth, "measure", lambda _: measured)
    monkeypatch.setattr(growth, "SUMMARY", tmp_path / "growth.csv")
    growth.main()
    rows = rows_of_only_table(tmp_path)
    figures = ["epoch of a network (s)", "lower quartile", "upper quartile"]
    assert [[float(row[name]) for name in figures] for row in rows] == [[3, 2, 4], [2, 1, 3]]
    assert rows[0]["keras"] == keras.__version__
    assert [row["way"] for row in rows] == ["together", "in turn"]
