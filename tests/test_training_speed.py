"""Tests of the benchmark: its entries do the same work, each under its own settings."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

from aehelpers import models
from aehelpers.data import load_mnist
from conftest import ROOT, rows_of_table
import numpy as np
import pytest
import training_speed
from training_speed import Case

# In place of the program: tells what a measurement would find, once libraries have been loaded.
WITHOUT_MEASURING = """
import json, os, sys
import numpy as np

np.ones((500, 500)) @ np.ones((500, 500))  # needs the threads of OpenBLAS
threads = os.listdir("/proc/self/task")
cores = {len(os.sched_getaffinity(int(thread))) for thread in threads}
names = ["TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS", "KERAS_BACKEND"]
found = {"options": sys.argv[1:], "settings": [os.environ.get(n) for n in names]}
print(json.dumps([found | {"cores": sorted(cores)}] * int(os.environ["CASES"])))
"""


DEEP = Case("deep", images=320, epochs=2)


def results(entry, seconds, loss=0.1, case=DEEP):
    return {(case, entry): [result(second, loss) for second in seconds]}


def result(seconds, loss):
    return {
        "digits": "small",
        "epoch": seconds,
        "compiling": 2 * seconds,
        "loss": loss,
        "memory": 100 * seconds,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the images of `DEEP` are."""
    folder = tmp_path_factory.mktemp("digits")
    digits = load_mnist("small")
    np.save(folder / "320.npy", digits.x_train[:320])
    np.save(folder / "320 test.npy", digits.x_test)
    return folder


@pytest.fixture(scope="module")
def loss_of_book(folder):
    return training_speed.measure("book", DEEP, seed=0, folder=folder)["loss"]


@pytest.mark.parametrize(
    "entry", [name for name in training_speed.ENTRIES if re.match("(fit|own).* all", name)]
)
def test_every_entry_on_tensorflow_learns_as_much_as_the_book(entry, loss_of_book, folder):
    # The entries take the images in different orders, which moves the loss of 0.29 by 0.002
    # (standard deviation of 24 runs); an epoch less, or batches twice as large, by 0.04 or more.
    loss = training_speed.measure(entry, DEEP, seed=0, folder=folder)["loss"]
    assert loss == pytest.approx(loss_of_book, abs=0.015)


def test_the_floor_multiplies_each_kernel_forwards_and_backwards(monkeypatch):
    shapes = []
    multiply = np.matmul

    def note(a, b, out):
        shapes.append((a.shape, b.shape))
        return multiply(a, b, out=out)

    monkeypatch.setattr(np, "matmul", note)
    train, loss = training_speed.products_and_adam("shallow", np.zeros((33, 784)), 0)
    train(1)
    assert loss is None
    step = [
        ((32, 784), (784, 32)),
        ((784, 32), (32, 32)),
        ((32, 32), (32, 784)),
        ((32, 32), (32, 784)),
        ((32, 784), (784, 32)),
    ]
    assert shapes == 2 * step  # the second for the short batch


def test_a_convolution_counts_as_the_product_of_its_kernel_and_what_it_sees():
    model = models.convolutional_autoencoder(seed=0).autoencoder
    assert training_speed.product_shapes(model) == [
        (14 * 14, 9 * 1, 16),
        (7 * 7, 9 * 16, 32),
        (1, 7 * 7 * 32, 32),
        (1, 32, 7 * 7 * 32),
        (7 * 7, 32, 9 * 16),
        (14 * 14, 16, 9 * 1),
    ]


def test_the_floor_is_measured_with_few_images_since_its_updates_are_all_alike():
    x = np.zeros((training_speed.MANY, 784), np.float32)
    assert training_speed.products("shallow", x, 0) is None
    assert training_speed.products_and_adam("shallow", x, 0) is None


def test_memory_of_a_case_does_not_count_what_an_earlier_one_needed(monkeypatch, folder):
    needed = iter([200, 1])

    def train(epochs):
        if epochs == DEEP.epochs:
            np.ones(next(needed) * 2**17)  # of 8 bytes

    monkeypatch.setitem(training_speed.ENTRIES, "book", (lambda *_: (train, None), {}))
    large, small = (
        training_speed.measure("book", DEEP, seed=0, folder=folder)["memory"] for _ in range(2)
    )
    assert large - small == pytest.approx(199, abs=20)


def test_first_epoch_is_not_timed_but_tells_how_long_compiling_takes(monkeypatch, folder):
    clock = [0]

    def train(epochs):
        clock[0] += 2 * epochs if clock[0] else 7

    monkeypatch.setitem(training_speed.ENTRIES, "book", (lambda *_: (train, None), {}))
    monkeypatch.setattr(training_speed, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    measured = training_speed.measure("book", DEEP._replace(epochs=3), seed=0, folder=folder)
    assert measured["epoch"] == 2
    assert measured["compiling"] == 5


def test_more_images_than_there_are_come_from_repeating_them(monkeypatch, tmp_path):
    monkeypatch.setattr("aehelpers.data.full_mnist_available", lambda: False)
    editions = training_speed.save_digits(tmp_path)
    assert editions == {4_000: "small", 60_000: "small repeated"}
    x = np.load(tmp_path / "60000.npy", mmap_mode="r")
    assert x.shape == (60_000, 784)
    assert (x[:4_000] == x[56_000:]).all()
    assert (x[:4_000] == np.load(tmp_path / "4000.npy")).all()


@pytest.mark.parametrize(
    ("entry", "expected", "one_core"),
    [
        ("book", [None, None, "tensorflow"], False),
        ("JAX fit on all cores", ["0", None, "jax"], False),
        ("fit on one core", ["1", "1", "tensorflow"], True),
    ],
)
def test_settings_are_made_before_a_library_reads_them(
    entry, expected, one_core, monkeypatch, tmp_path
):
    monkeypatch.setattr(training_speed, "PROGRAM", tmp_path / "program.py")
    training_speed.PROGRAM.write_text(WITHOUT_MEASURING)
    cases = training_speed.cases_of_round(1)
    monkeypatch.setenv("CASES", str(len(cases)))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")  # not of the benchmark: does not count
    found = training_speed.run(entry, 1, tmp_path)
    assert [case for case, _ in found] == cases
    cores = 1 if one_core else len(os.sched_getaffinity(0))
    for _, result in found:
        assert result["options"] == [f"--entry={entry}", "--seed=1", f"--folder={tmp_path}"]
        assert result["settings"] == expected
        assert result["cores"] == [cores]


def test_each_round_takes_all_cases_and_another_one_first():
    rounds = [training_speed.cases_of_round(number) for number in range(training_speed.ROUNDS)]
    assert [cases[0] for cases in rounds] == training_speed.CASES[: training_speed.ROUNDS]
    for cases in rounds:
        assert sorted(cases) == sorted(training_speed.CASES)


def program(*arguments):
    return subprocess.run(
        [sys.executable, training_speed.PROGRAM, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_unknown_entry_is_an_error_that_lists_the_entries():
    failed = program("--entry", "guess")
    assert failed.returncode == 2
    assert "--entry: invalid choice: 'guess'" in failed.stderr
    assert "own loop jit on one core" in failed.stderr


def test_an_entry_alone_lacks_what_it_should_train():
    failed = program("--entry", "book", "--seed", "0")
    assert failed.returncode == 2
    assert "--entry needs --seed and --folder" in failed.stderr


def test_speed_is_compared_with_fit_as_keras_and_tensorflow_come():
    rows = training_speed.summarise(
        results("book", [1, 5, 2, 3, 40])
        | results("fit on all cores", [12] * 5)
        | results("fit on one core", [9] * 5)
        | results(training_speed.FLOORS[0], [3] * 5, loss=None)
        | results(training_speed.FLOORS[1], [2] * 5, loss=None)
    )
    assert [row["times the default"] for row in rows] == [4, 1, 1.33, 4, 6]
    assert [row["times the floor"] for row in rows] == [1.5, 6, 4.5, 1.5, 1]
    assert [row["test loss"] for row in rows] == [0.1, 0.1, 0.1, None, None]
    book = rows[0]
    assert (book["lower quartile"], book["epoch (s)"], book["upper quartile"]) == (2, 3, 5)
    assert book["compiling (s)"] == 6
    assert book["memory (MiB)"] == 100  # the least: other rounds hold what earlier cases left


def test_the_floor_of_many_images_is_that_of_few_by_the_updates_that_they_take():
    many = DEEP._replace(images=3_201)  # 101 updates in place of 10
    rows = training_speed.summarise(
        results(training_speed.FLOORS[0], [3, 3], loss=None)
        | results(training_speed.FLOORS[1], [2, 2], loss=None)
        | results("book", [30.3, 30.3], case=many)
    )
    assert [row["times the floor"] for row in rows] == [1.5, 1, 1.5]


def test_where_there_is_no_floor_there_is_no_ratio_to_it():
    (row,) = training_speed.summarise(results("fit on all cores", [2, 2]))
    assert row["times the floor"] is None


def test_table_is_stored_as_it_is_shown_with_the_machine(monkeypatch, tmp_path, capsys):
    measured = results("fit on all cores", [2, 2]) | results("fit on one core", [4, 4])
    monkeypatch.setattr(training_speed, "measure_all", lambda: measured)
    monkeypatch.setattr(
        training_speed, "machine", lambda *_: {"processor": "a new one", "cores": 3}
    )
    monkeypatch.setattr(training_speed, "SUMMARY", tmp_path / "speed.csv")
    monkeypatch.setattr(sys, "argv", ["training_speed.py"])
    training_speed.main()
    stored = rows_of_table(training_speed.SUMMARY)
    shown = [row | training_speed.machine() for row in training_speed.summarise(measured)]
    assert stored == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in shown
    ]
    assert "fit on one core" in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["speed.csv"]


def test_the_table_on_record_has_every_entry_and_all_learned_as_much_as_the_book():
    rows = rows_of_table(training_speed.SUMMARY)
    losses = {
        ((row["network"], int(row["images"])), row["entry"]): float(row["test loss"])
        for row in rows
        if not row["entry"].startswith("products")
    }
    trained = [name for name in training_speed.ENTRIES if not name.startswith("products")]
    cases = [(case.network, case.images) for case in training_speed.CASES]
    assert losses.keys() == {(case, entry) for case in cases for entry in trained}
    for (case, entry), loss in losses.items():
        # Convolutions still learn fast when the clock stops: seed and order of the images move
        # a median of three rounds by 2.7 % (standard deviation, 18 runs) with few images and by
        # 2.2 % (8 runs) with many, so the ratio of two by 3.8 and 3.1 %. An epoch less raises the
        # loss by 38 %; with many images by 8 %, which only the case of few would show.
        network, images = case
        allowed = 0.04
        if network == "convolutional":
            allowed = 0.12 if images == training_speed.FEW else 0.1
        assert loss == pytest.approx(losses[case, "book"], rel=allowed), (case, entry)
