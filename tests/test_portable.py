"""Tests of the check under other conditions: what is run, counted and kept."""

import csv
import os
from pathlib import Path
import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
import portable
import pytest
from refresh import refresh
import spread
from suite import run_tests

ROOT = Path(__file__).parent.parent


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
        ("0", []),
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


def test_the_command_stores_a_row_for_each_condition_and_tells_which_cell_fails(toy):
    table = toy.with_name("portable.csv")
    table.write_text(
        "notebook,condition,cells compared,failed\n"
        "other.ipynb,far,7,0\n"
        "other.ipynb,gone,7,1\n"
        "toy.ipynb,near,9,9\n"
    )
    program = (
        "import pathlib, portable; root = pathlib.Path.cwd(); portable.ROOT = root; "
        "portable.TABLE = root / 'portable.csv'; "
        "portable.CHECKED = {'near': {'SHIFT': '1'}, 'far': {'SHIFT': '2'}}; portable.main()"
    )

    def run(*options):
        return subprocess.run(
            [sys.executable, "-c", program, toy.name, *options],
            cwd=toy.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT / "tools")},
            capture_output=True,
            text=True,
            check=False,
        )

    def rows():
        with table.open(newline="", encoding="utf-8") as file:
            return [tuple(row) for row in csv.reader(file)][1:]

    near = run("--condition", "near")
    assert (near.returncode, near.stderr) == (0, "")
    assert rows() == [("other.ipynb", "far", "7", "0"), ("toy.ipynb", "near", "3", "0")]

    both = run()
    assert (both.returncode, both.stderr) == (1, "")
    assert "2 of 3 cells fail\n    moves: stdout: largest deviation: 0.5 became 0.52" in both.stdout
    assert rows() == [
        ("other.ipynb", "far", "7", "0"),
        ("toy.ipynb", "near", "3", "0"),
        ("toy.ipynb", "far", "3", "2"),
    ]


def test_the_stored_table_has_rows_of_notebooks_and_conditions_that_there_are():
    with portable.TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert (ROOT / "book" / row["notebook"]).is_file()
        assert row["condition"] in portable.CHECKED
        assert int(row["cells compared"]) > int(row["failed"]) >= 0
