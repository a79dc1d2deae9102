"""Tests of the benchmark: its entries do the same work, each under its own settings."""

import csv
import json
import os
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

import pytest
import training_speed

ROOT = Path(__file__).parent.parent

# The program with the measurement left out: it tells what a measurement would have found.
WITHOUT_MEASURING = """
import os, sys, training_speed

def measure(**_):
    print("printed on the way")
    settings = [os.environ.get(name) for name in sorted(training_speed.ALL_CORES)]
    return {"too late": "tensorflow" in sys.modules, "settings": settings}

training_speed.measure = measure
training_speed.main()
"""


def run(*arguments):
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_MEASURING, *arguments],
        env=environment | {"PYTHONPATH": str(ROOT / "benchmarks")},
        capture_output=True,
        text=True,
        check=False,
    )


def results(entry, seconds, loss=0.1):
    return {(4_000, entry): [result(second, loss) for second in seconds]}


def result(seconds, loss):
    return {"digits": "small", "epoch": seconds, "compiling": 2 * seconds, "loss": loss}


@pytest.fixture(scope="module")
def loss_of_book():
    return training_speed.measure("book", images=320, epochs=2, seed=0)["loss"]


@pytest.mark.parametrize("entry", [name for name in training_speed.ENTRIES if "all" in name])
def test_every_entry_learns_as_much_as_the_book(entry, loss_of_book):
    # The entries take the images in different orders, which moves the loss of 0.29 by 0.002
    # (standard deviation of 24 runs); an epoch less, or batches twice as large, by 0.04 or more.
    loss = training_speed.measure(entry, images=320, epochs=2, seed=0)["loss"]
    assert loss == pytest.approx(loss_of_book, abs=0.015)


def test_first_epoch_is_not_timed_but_tells_how_long_compiling_takes(monkeypatch):
    clock = [0]

    def train(epochs):
        clock[0] += 2 * epochs if clock[0] else 7

    monkeypatch.setitem(training_speed.ENTRIES, "book", (lambda model, x: train, {}))
    monkeypatch.setattr(training_speed, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    measured = training_speed.measure("book", images=1, epochs=3, seed=0)
    assert measured["epoch"] == 2
    assert measured["compiling"] == 5


def test_more_images_than_there_are_come_from_repeating_them(monkeypatch):
    seen = []

    def prepare(model, x):
        seen.append(x)
        return lambda epochs: None

    monkeypatch.setitem(training_speed.ENTRIES, "book", (prepare, {}))
    monkeypatch.setattr("aehelpers.data.full_mnist_available", lambda: False)
    measured = training_speed.measure("book", images=8_001, epochs=1, seed=0)
    assert measured["digits"] == "small repeated"
    assert len(seen[0]) == 8_001
    assert (seen[0][:4_000] == seen[0][4_000:8_000]).all()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("book", [None, None, None]),
        ("fit on all cores", ["1", "0", "0"]),
        ("fit on one thread", ["1", "1", "1"]),
    ],
)
def test_settings_are_made_before_tensorflow_reads_them(entry, expected):
    output = run("--entry", entry).stdout
    assert json.loads(output) == {"too late": False, "settings": expected}


def test_unknown_entry_is_an_error_that_lists_the_entries():
    failed = run("--entry", "guess")
    assert failed.returncode == 2
    assert "--entry: invalid choice: 'guess'" in failed.stderr
    assert "own loop jit on one thread" in failed.stderr


def test_speed_is_compared_with_fit_as_keras_and_tensorflow_come():
    rows = training_speed.summarise(
        results("book", [1, 5, 2, 3, 40])
        | results("fit on all cores", [12] * 5)
        | results("fit on one thread", [9] * 5)
    )
    assert [row["times the default"] for row in rows] == [4, 1, 1.33]
    book = rows[0]
    assert (book["lower quartile"], book["epoch (s)"], book["upper quartile"]) == (2, 3, 5)
    assert book["compiling (s)"] == 6


def test_table_is_stored_as_it_is_shown_with_the_machine(monkeypatch, tmp_path, capsys):
    measured = results("fit on all cores", [2, 2]) | results("fit on one thread", [4, 4])
    monkeypatch.setattr(training_speed, "measure_all", lambda: measured)
    monkeypatch.setattr(training_speed, "SUMMARY", tmp_path / "speed.csv")
    monkeypatch.setattr(sys, "argv", ["training_speed.py"])
    training_speed.main()
    with training_speed.SUMMARY.open(newline="") as file:
        stored = list(csv.DictReader(file))
    shown = [row | training_speed.machine() for row in training_speed.summarise(measured)]
    assert stored == [{name: str(value) for name, value in row.items()} for row in shown]
    assert "fit on one thread" in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["speed.csv"]
