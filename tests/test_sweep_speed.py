"""Tests of the benchmark of sweeps: what it measures is a sweep, and what it shows is compared."""

import csv
import sys

import sweep_speed

TAKEN = {"one core": [9, 20, 30], "all cores": [10, 2, 12], "Dask": [16, 16, 16]}


def test_the_table_is_stored_with_each_way_beside_one_core(monkeypatch, tmp_path):
    rounds = {(epochs, way): iter(taken) for epochs in (2, 4) for way, taken in TAKEN.items()}
    monkeypatch.setattr(sweep_speed, "EPOCHS", [2, 4])
    monkeypatch.setattr(sweep_speed, "run", lambda way, epochs: next(rounds[epochs, way]))
    monkeypatch.setattr(sweep_speed, "SUMMARY", tmp_path / "speed.csv")
    monkeypatch.setattr(sys, "argv", ["sweep_speed.py"])
    sweep_speed.main()
    (path,) = tmp_path.iterdir()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epochs"] for row in rows] == ["2"] * 3 + ["4"] * 3
    assert [float(row["seconds"]) for row in rows] == [20, 10, 16] * 2
    assert [float(row["times one core"]) for row in rows] == [1, 2, 1.25] * 2
    assert all(row["runs"] == "20" and row["tensorflow"] for row in rows)
