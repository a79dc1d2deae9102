"""Tests of the measured tolerances: which movements are seen, and what is made of them."""

import csv
from decimal import Decimal
import os
import subprocess
import sys

from conftest import ROOT
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from outputs import Tolerance
import pytest
from refresh import refresh
import spread

TOOLS = ROOT / "tools"


def movement(*pairs, distances=()):
    numbers = [(Decimal(was), Decimal(now)) for was, now in pairs]
    pairs = [dict(zip(("picture", "whole_picture"), pair, strict=True)) for pair in distances]
    return spread.Movement(numbers=numbers, distances=pairs)


@pytest.mark.parametrize(
    ("movements", "expected"),
    [
        # Nothing moves.
        ([movement(("0.5", "0.5"), distances=[(0.0, 0.0)])], {}),
        # 2 x 0.0012 is rounded up to 0.003; relative, 2 x 0.0012 / 5 allows less: 0.0005 of 5.
        ([movement(("5", "5.0012"))], {"relative": 0.0005}),
        # An absolute tolerance for the large number would let the small one be anything.
        ([movement(("0.001", "0.0011"), ("100", "102"))], {"relative": 0.2}),
        # The relative deviation of the small number would let the large one move by 200 %.
        ([movement(("0.1", "0.2"), ("10", "10"))], {"absolute": 0.2}),
        # One small number that moves a lot does not set the many others free.
        (
            [movement(("0.002", "0.0032"), ("0.84", "0.85"), ("0.74", "0.74"), ("0.81", "0.81"))],
            {"absolute": 0.02},
        ),
        # A zero has no relative deviation.
        ([movement(("0", "0.1"))], {"absolute": 0.2}),
        ([movement(("0", "0.1"), ("10", "10.1"))], {"absolute": 0.2}),
        # The largest of all conditions counts.
        (
            [movement(("10", "10.1")), movement(("10", "9.7")), movement(("10", "10"))],
            {"absolute": 0.6},
        ),
        # Negative numbers count by their size.
        ([movement(("-7", "-7.4"))], {"absolute": 0.8}),
        ([movement(("-7", "-7.7"), ("-1", "-1.1"))], {"relative": 0.2}),
        # Pictures: 2 x 1.6 is rounded up to 4; what the default allows needs no entry.
        (
            [movement(distances=[(1.6, 0.1), (0.2, 0.12)])],
            {"picture": 4.0, "whole_picture": 0.3},
        ),
        ([movement(distances=[(0.25, 0.2)])], {}),
        (
            [movement(("1", "2"), distances=[(3.0, 1.0)])],
            {"absolute": 2.0, "picture": 6.0, "whole_picture": 2.0},
        ),
    ],
)
def test_tolerance_is_twice_the_spread_rounded_up_in_the_kind_that_allows_less(movements, expected):
    assert spread.tolerance(movements) == expected
    assert Tolerance.from_metadata({"tolerance": expected})


def test_movement_pairs_numbers_in_order_and_reports_changed_words():
    was = [
        new_output("stream", text="C12 holds at 0.25, 3 of 4\n"),
        new_output("display_data", {"text/plain": "yes", "text/html": "<b>7</b>"}),
    ]
    now = [
        new_output("stream", text="C12 holds at 0.27, 3 of 4\n"),
        new_output("display_data", {"text/plain": "no"}),
    ]
    between = spread.Movement.between(was, now)
    pairs = [("0.25", "0.27"), ("3", "3"), ("4", "4")]
    assert between.numbers == [(Decimal(first), Decimal(second)) for first, second in pairs]
    assert between.changes == ["output 1, text/html", "output 1, text/plain"]
    assert between.largest() == {"absolute": Decimal("0.02"), "relative": Decimal("0.08")}


MOVES = """import os
shift = int(os.environ.get("SHIFT", 0))
print("loss", 0.5 + shift / 100)"""
DRAWS = """from PIL import Image
Image.new("L", (20 + shift // 2, 20), 100 + shift)"""
SAYS = 'print("claim", "fails" if shift == 2 else "holds")'


@pytest.fixture
def toy(tmp_path):
    """A notebook whose outputs depend on the environment variable SHIFT."""
    path = tmp_path / "toy.ipynb"
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell(MOVES, id="moves", metadata={"tags": ["kept"]}),
        new_code_cell(DRAWS, id="draws"),
        new_code_cell(SAYS, id="says", metadata={"tolerance": {"absolute": 1.0}}),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    refresh(path)
    return path


def run_spread(toy, shift, *options):
    program = (
        f"import pathlib, spread; spread.CONDITIONS = {{'shifted': {{'SHIFT': '{shift}'}}}}; "
        "spread.SPREAD = pathlib.Path('spread.csv'); spread.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *options, toy],
        cwd=toy.parent,
        env=os.environ | {"PYTHONPATH": str(TOOLS)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_measured_movements_reach_the_table_and_the_notebook(toy):
    table = toy.with_name("spread.csv")
    table.write_text(
        "notebook,cell,condition,kind,deviation\n"
        "other.ipynb,a,one,absolute,0.1\n"
        "toy.ipynb,gone,one,absolute,0.1\n"
    )
    run = run_spread(toy, 1, "--write")
    assert (run.returncode, run.stderr) == (0, "")
    with table.open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [
        ("other.ipynb", "a", "one", "absolute", "0.1"),
        ("toy.ipynb", "moves", "shifted", "absolute", "0.01"),
        ("toy.ipynb", "moves", "shifted", "relative", "0.02"),
        ("toy.ipynb", "draws", "shifted", "picture", "0.87"),
        ("toy.ipynb", "draws", "shifted", "whole_picture", "0.87"),
    ]
    cells = nbformat.read(toy, as_version=4).cells
    assert [cell.metadata for cell in cells] == [
        {},
        {"tags": ["kept"], "tolerance": {"absolute": 0.02}},
        {"tolerance": {"picture": 2.0, "whole_picture": 2.0}},
        {},
    ]
    assert "loss 0.5\n" in cells[1].outputs[0].text  # and the outputs stay


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SAYS, "toy.ipynb: cell says: stdout changes its words under shifted"),
        (DRAWS, "toy.ipynb: cell says: output 1, image/png changes its words under shifted"),
        ("assert not shift", "toy.ipynb: shifted: In [2] raised AssertionError"),
    ],
)
def test_words_that_change_and_cells_that_raise_end_with_an_error(toy, source, message):
    notebook = nbformat.read(toy, as_version=4)
    notebook.cells[2:] = [new_code_cell(source, id="says")]
    nbformat.write(notebook, toy)
    refresh(toy)
    run = run_spread(toy, 2)
    assert run.returncode == 1
    assert message in run.stdout
    assert "tolerance" not in toy.read_text()  # since --write is not given


def test_conditions_win_over_the_settings_of_aehelpers(monkeypatch):
    for condition in spread.CONDITIONS.values():
        for name, value in condition.items():
            monkeypatch.setenv(name, value)
    set_by_all = {name: os.environ[name] for one in spread.CONDITIONS.values() for name in one}
    program = f"import aehelpers, os; assert os.environ.items() >= {set_by_all}.items()"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
