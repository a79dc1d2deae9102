"""Tests of the benchmark of sweeps: what it measures is a sweep, and what it shows is compared."""

from contextlib import nullcontext
import subprocess
import sys

from conftest import rows_of_only_table, rows_of_table
import pytest
import sweep_speed

TAKEN = {
    "one core": [9, 20, 30],
    "all cores": [10, 2, 12],
    "Dask": [16, 16, 16],
    "programs apart": [8, 8, 8],
}


def test_the_table_is_stored_with_each_way_beside_one_core(monkeypatch, tmp_path):
    rounds = {(epochs, way): iter(taken) for epochs in (2, 4) for way, taken in TAKEN.items()}
    order = []

    def run(way, epochs):
        order.append((epochs, way))
        return next(rounds[epochs, way])

    monkeypatch.setattr(sweep_speed, "EPOCHS", [2, 4])
    monkeypatch.setattr(sweep_speed, "ROUNDS", 3)
    monkeypatch.setattr(sweep_speed, "run", run)
    monkeypatch.setattr(sweep_speed, "SUMMARY", tmp_path / "speed.csv")
    monkeypatch.setattr(sys, "argv", ["sweep_speed.py"])
    sweep_speed.main()
    turns = [order[first : first + 8] for first in (0, 8, 16)]
    assert all(set(turn) == rounds.keys() for turn in turns)
    assert len(set(map(tuple, turns))) == 3
    rows = rows_of_only_table(tmp_path)
    assert [row["epochs"] for row in rows] == ["2"] * 4 + ["4"] * 4
    assert [float(row["seconds"]) for row in rows] == [20, 10, 16, 8] * 2
    assert [float(row["upper quartile"]) for row in rows] == [25, 11, 16, 8] * 2
    assert [float(row["times one core"]) for row in rows] == [1, 2, 1.25, 2.5] * 2
    runs = 4 * sweep_speed.SEEDS
    assert all(row["grid"] == "code_size 8, 32; penalty 0, 0.001" for row in rows)
    assert all((row["runs"], row["rounds"]) == (str(runs), "3") for row in rows)
    assert all(row["tensorflow"] for row in rows)


def test_the_table_on_record_is_what_the_program_measures():
    rows = rows_of_table(sweep_speed.SUMMARY)
    ways = [(str(epochs), way) for epochs in sweep_speed.EPOCHS for way in sweep_speed.WAYS]
    assert [(row["epochs"], row["way"]) for row in rows] == ways
    assert {row["rounds"] for row in rows} == {str(sweep_speed.ROUNDS)}


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("one core", [(6, [0])]),
        ("all cores", [(6, [0, 1])]),
        ("Dask", [(6, [0, 1])]),
        ("programs apart", [(3, [0]), (3, [1])]),
    ],
)
def test_every_way_trains_as_many_networks_on_the_cores_that_it_has(monkeypatch, way, expected):
    started = []

    def start(epochs, seeds, cores, *options):
        assert epochs == 5
        assert (options == ("--scheduler", "an address")) == (way == "Dask")
        started.append((seeds, list(range(2))[cores]))
        command = [sys.executable, "-c", f"print({len(started)}.5)"]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    monkeypatch.setattr(sweep_speed, "ALL", 2)
    monkeypatch.setattr(sweep_speed, "SEEDS", 6)
    monkeypatch.setattr(sweep_speed, "start", start)
    monkeypatch.setattr(
        sweep_speed, "cluster", lambda workers, threads: nullcontext(("an address", []))
    )
    # The last of several to end says how long they took.
    assert sweep_speed.run(way, 5) == len(expected) + 0.5
    assert started == expected


def test_a_program_that_fails_is_an_error():
    failed = subprocess.Popen([sys.executable, "-c", "1 / 0"], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        sweep_speed.seconds_of([failed])
