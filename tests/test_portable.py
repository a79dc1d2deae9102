"""Tests of the check under other conditions: what is run, counted and kept."""

import csv
import os
import subprocess
import sys

from conftest import ROOT
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
import portable
import pytest
from refresh import refresh
import spread
from suite import run_tests


def test_tolerances_are_checked_under_more_conditions_than_set_them():
    assert portable.CHECKED.items() > spread.CONDITIONS.items()
    assert len(portable.CHECKED) == len(spread.CONDITIONS) + len(spread.UNSEEN)


def test_tensorflow_knows_the_flags_of_all_conditions():
    flags = " ".join(found.get("XLA_FLAGS", "") for found in portable.CHECKED.values())
    program = (
        "import aehelpers, tensorflow as tf; "
        "tf.function(lambda x: 2 * x, jit_compile=True)(tf.constant(1.0))"
    )

    def ends_with(flags):
        return subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"XLA_FLAGS": flags},
            capture_output=True,
            check=False,
        ).returncode

    assert ends_with(flags) == 0
    assert ends_with("--xla_cpu_no_such_flag=1") != 0  # an unknown one would have been seen


@pytest.fixture
def toy(tmp_path):
    """A small repository with a notebook whose outputs depend on the environment variable SHIFT."""
    for name in ("pyproject.toml", "tools", "tests/notebook_outputs.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    path = tmp_path / "toy.ipynb"
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell("import os; shift = int(os.environ.get('SHIFT', 0))", id="reads"),
        new_code_cell(
            "print('loss', 0.5 + shift / 100)",
            id="moves",
            metadata={"tolerance": {"absolute": 0.01}},
        ),
        new_code_cell("print('claim', 'fails' if shift == 2 else 'holds')", id="says"),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    refresh(path)
    return path


@pytest.mark.parametrize(
    ("shift", "problems"),
    [
        ("1", []),  # within the tolerance
        (
            "2",
            [
                ("moves", "stdout: largest deviation: 0.5 became 0.52, off by 0.02; allowed: 0.01"),
                ("says", "stdout: the words differ"),
            ],
        ),
    ],
)
def test_a_notebook_is_compared_under_a_condition_and_failed_cells_are_named(toy, shift, problems):
    assert run_tests(toy.name, toy.parent, environment={"SHIFT": shift}) == (3, problems)


def test_tests_that_cannot_be_run_end_with_what_pytest_said(tmp_path):
    with pytest.raises(
        RuntimeError, match=r"(?s)^test_none.py: .* no report: .*unrecognized arguments"
    ):
        run_tests("test_none.py", tmp_path, "--no-such-option")


def test_the_command_stores_a_row_for_each_condition_and_tells_which_cell_fails(
    tmp_path, monkeypatch, capsys
):
    table = tmp_path / "portable.csv"
    table.write_text(
        "notebook,condition,cells compared,failed\n"
        "other.ipynb,far,7,0\n"
        "other.ipynb,gone,7,1\n"
        "toy.ipynb,near,9,9\n"
    )
    (tmp_path / "toy.ipynb").touch()
    found = {"1": (3, []), "2": (3, [("moves", "stdout: 0.5 became 0.52"), ("says", "words")])}
    monkeypatch.setattr(portable, "TABLE", table)
    monkeypatch.setattr(portable, "CHECKED", {"near": {"SHIFT": "1"}, "far": {"SHIFT": "2"}})
    monkeypatch.setattr(
        portable, "run_tests", lambda path, root, environment: found[environment["SHIFT"]]
    )

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["portable", str(tmp_path / "toy.ipynb"), *options])
        with pytest.raises(SystemExit) as end:
            portable.main()
        return end.value.code, capsys.readouterr().out

    def rows():
        return [tuple(line.split(",")) for line in table.read_text().splitlines()[1:]]

    code, said = run("--condition", "near")
    assert (code, said.split()) == (0, ["toy.ipynb", "near", "0", "of", "3", "cells", "fail"])
    assert rows() == [("other.ipynb", "far", "7", "0"), ("toy.ipynb", "near", "3", "0")]

    code, said = run()
    assert code == 1
    assert "far                  2 of 3 cells fail\n    moves: stdout: 0.5 became 0.52\n" in said
    assert rows() == [
        ("other.ipynb", "far", "7", "0"),
        ("toy.ipynb", "near", "3", "0"),
        ("toy.ipynb", "far", "3", "2"),
    ]

    found["1"] = (0, [])  # a notebook that lacks its data
    code, said = run("--condition", "near")
    assert (code, said.split()) == (0, ["toy.ipynb", "near", "not", "run"])
    assert ("toy.ipynb", "near", "3", "0") in rows()


def test_the_stored_table_has_rows_of_notebooks_and_conditions_that_there_are():
    with portable.TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert (ROOT / "book" / row["notebook"]).is_file()
        assert row["condition"] in portable.CHECKED
        assert int(row["cells compared"]) > int(row["failed"]) >= 0
