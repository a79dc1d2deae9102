"""Tests of the measured tolerances: which movements are seen, and what is made of them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
import csv
from decimal import Decimal
from operator import attrgetter
import os
import subprocess
import sys

from compilations import VARIABLE
from conftest import ROOT, wait_for
from files import read_table
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from outputs import code_cells, Tolerance
import pytest
from refresh import refresh
import spread

TOOLS = ROOT / "tools"


def numbers(*written):
    return [Decimal(number) for number in written]


@pytest.mark.parametrize(
    ("stored", "deviations", "expected"),
    [
        # Nothing moves.
        (["0.5"], {"absolute": "0", "relative": "0", "picture": "0", "whole_picture": "0"}, {}),
        # 2 x 0.0012 is rounded up to 0.003; relative, 2 x 0.0012 / 5 allows less: 0.0005 of 5.
        (["5"], {"absolute": "0.0012", "relative": "0.00024"}, {"relative": 0.0005}),
        # An absolute tolerance for the large number would let the small one be anything.
        (["0.001", "100"], {"absolute": "2", "relative": "0.1"}, {"relative": 0.2}),
        # The relative deviation of the small number would let the large one move by 200 %.
        (["0.1", "10"], {"absolute": "0.1", "relative": "1"}, {"absolute": 0.2}),
        # One small number that moves a lot does not set the many others free.
        (
            ["0.002", "0.84", "0.74", "0.81"],
            {"absolute": "0.01", "relative": "0.6"},
            {"absolute": 0.02},
        ),
        # A zero that moves has no relative deviation.
        (["0"], {"absolute": "0.1", "relative": "inf"}, {"absolute": 0.2}),
        (["0", "10"], {"absolute": "0.1", "relative": "inf"}, {"absolute": 0.2}),
        # Negative numbers count by their size.
        (["-7", "-1"], {"absolute": "0.7", "relative": "0.1"}, {"relative": 0.2}),
        # Pictures: 2 x 1.6 is rounded up to 4; what the default allows needs no entry.
        ([], {"picture": "1.6", "whole_picture": "0.12"}, {"picture": 4.0, "whole_picture": 0.3}),
        ([], {"picture": "0.25", "whole_picture": "0.2"}, {}),
        (
            ["1"],
            {"absolute": "1", "relative": "1", "picture": "3", "whole_picture": "1"},
            {"absolute": 2.0, "picture": 6.0, "whole_picture": 2.0},
        ),
    ],
)
def test_tolerance_is_twice_the_spread_rounded_up_in_the_kind_that_allows_less(
    stored, deviations, expected
):
    found = {kind: Decimal(deviation) for kind, deviation in deviations.items()}
    assert spread.tolerance(numbers(*stored), found) == expected
    Tolerance.from_metadata({"tolerance": expected})  # takes it


def text(words):
    return new_output("stream", text=words)


@pytest.mark.parametrize(
    ("was", "now", "absolute", "relative"),
    [
        ("0.25, 3 of 4", "0.27, 3 of 4", "0.02", "0.08"),
        ("10 and 0.2", "8 and 0.3", "2", "0.5"),  # the largest of each kind
        ("-7", "-7.7", "0.7", "0.1"),
        ("0 and 5", "0.1 and 5", "0.1", "inf"),
        ("0 and 5", "0 and 5", "0", "0"),
    ],
)
def test_numbers_are_paired_in_order_and_their_largest_deviations_found(
    was, now, absolute, relative
):
    deviations, changes = spread.compare([text(was)], [text(now)])
    assert changes == []
    assert deviations == {"absolute": Decimal(absolute), "relative": Decimal(relative)}


def test_changed_words_are_named_and_their_numbers_left_out():
    was = [
        text("C12 holds at 0.25\n"),
        new_output("display_data", {"text/plain": "yes, 1", "text/html": "<b>7</b>"}),
    ]
    now = [
        text("C12 holds at 0.25\n"),
        new_output("display_data", {"text/plain": "no, 9"}),
    ]
    deviations, changes = spread.compare(was, now)
    assert sorted(changes) == ["output 1, text/html", "output 1, text/plain"]
    assert deviations == {"absolute": 0, "relative": 0}


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


def run_spread(toy, *shifts):
    conditions = {f"by {shift}": {"SHIFT": str(shift)} for shift in shifts}
    program = (
        f"import pathlib, spread; spread.CONDITIONS = {conditions}; "
        "spread.require_newer_processor = lambda: None; "
        "spread.SPREAD = pathlib.Path('spread.csv'); spread.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, toy],
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
    run = run_spread(toy, 1, 0)
    assert (run.returncode, run.stderr) == (0, "")
    with table.open() as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [
        ("other.ipynb", "a", "one", "absolute", "0.1"),
        ("toy.ipynb", "moves", "by 1", "absolute", "0.01"),
        ("toy.ipynb", "moves", "by 1", "relative", "0.02"),
        ("toy.ipynb", "moves", "by 0", "absolute", "0"),
        ("toy.ipynb", "moves", "by 0", "relative", "0"),
        ("toy.ipynb", "draws", "by 1", "picture", "0.866"),
        ("toy.ipynb", "draws", "by 1", "whole_picture", "0.866"),
        ("toy.ipynb", "draws", "by 0", "picture", "0"),
        ("toy.ipynb", "draws", "by 0", "whole_picture", "0"),
    ]
    cells = nbformat.read(toy, as_version=4).cells
    assert [cell.metadata for cell in cells] == [
        {},
        {"tags": ["kept"], "tolerance": {"absolute": 0.02}},  # from the largest of all conditions
        {"tolerance": {"picture": 2.0, "whole_picture": 2.0}},
        {},
    ]
    assert "loss 0.5\n" in cells[1].outputs[0].text  # and the outputs stay


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SAYS, "toy.ipynb: cell says: stdout changes its words under by 2"),
        (DRAWS, "toy.ipynb: cell says: output 1, image/png changes its words under by 2"),
        ("assert not shift", "toy.ipynb: by 2: In [2] raised AssertionError"),
    ],
)
def test_words_that_change_and_cells_that_raise_end_with_an_error(toy, source, message):
    notebook = nbformat.read(toy, as_version=4)
    notebook.cells[2:] = [new_code_cell(source, id="says")]
    nbformat.write(notebook, toy)
    refresh(toy)
    before = toy.read_bytes()
    run = run_spread(toy, 2)
    assert run.returncode == 1
    assert message in run.stdout
    assert toy.read_bytes() == before
    assert not toy.with_name("spread.csv").exists()


@pytest.mark.parametrize(
    "change",
    [lambda cells: cells.append(new_code_cell("6 * 7", id="new")), lambda cells: cells.reverse()],
)
def test_a_notebook_that_is_changed_while_it_is_measured_is_told_and_left(toy, change):
    before = toy.read_text()
    begun, saved = toy.with_name("begun"), toy.with_name("saved")
    code = (
        "import os, pathlib, time\n"
        f"folder = pathlib.Path({str(toy.parent)!r})\n"
        "if os.environ.get('SHIFT'):\n"
        "    (folder / 'begun').touch()\n"
        "    while not (folder / 'saved').exists():\n"
        "        time.sleep(0.02)"
    )
    notebook = nbformat.reads(before, as_version=4)
    notebook.cells[1:] = [new_code_cell(code, id="waits"), new_code_cell("", id="other")]
    nbformat.write(notebook, toy)
    refresh(toy)

    def save():
        try:
            wait_for(begun.exists)
            nbformat.write(notebook, toy)
        finally:
            saved.touch()

    change(notebook.cells)
    with ThreadPoolExecutor() as pool:
        saving = pool.submit(save)
        run = run_spread(toy, 1)
        saving.result()
    assert run.returncode == 1
    assert "toy.ipynb: cells or outputs were changed while they ran" in run.stdout
    assert nbformat.read(toy, as_version=4) == notebook
    assert not toy.with_name("spread.csv").exists()


@pytest.mark.parametrize(
    ("found", "is_newer"),
    [
        (["X86_V3", "X86_V4", "AVX512_ICL"], True),  # as NumPy 2.4 names them
        (["SSE42", "AVX2", "AVX512_SKX"], True),  # and older ones
        (["SSE42", "AVX2", "FMA3"], False),
        (["NEON", "ASIMD"], False),
        (None, False),  # NumPy leaves out what is empty
    ],
)
def test_tolerances_are_measured_only_where_there_is_something_older_to_imitate(
    monkeypatch, found, is_newer
):
    config = {"SIMD Extensions": {"found": found} if found else {}}
    monkeypatch.setattr(spread.np, "show_config", lambda mode: config)
    told = found[-1] if found else "none"
    with nullcontext() if is_newer else pytest.raises(SystemExit, match=told):
        spread.require_newer_processor()


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


def test_tensorflow_knows_the_flags_of_all_conditions():
    flags = " ".join(found.get("XLA_FLAGS", "") for found in spread.CONDITIONS.values())
    program = (
        "import aehelpers, tensorflow as tf; "
        "tf.function(lambda x: 2 * x, jit_compile=True)(tf.constant(1.0))"
    )

    # Code that others compiled is for other flags.
    outside = {name: value for name, value in os.environ.items() if name != VARIABLE}

    def ends_with(flags):
        return subprocess.run(
            [sys.executable, "-c", program],
            env=outside | {"XLA_FLAGS": flags},
            capture_output=True,
            check=False,
        ).returncode

    assert ends_with(flags) == 0
    assert ends_with("--xla_cpu_no_such_flag=1") != 0  # an unknown one would have been seen


NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=attrgetter("name"))


@notebooks
def test_every_tolerance_is_the_one_that_the_table_gives(path):
    stored = {
        name: cell.metadata.get("tolerance", {})
        for name, cell in code_cells(nbformat.read(path, as_version=4)).items()
    }
    assert stored == spread.tolerances(path, spread.SPREAD)


@notebooks
def test_the_table_has_a_row_for_whatever_a_cell_shows_under_every_condition(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    rows = [row for row in read_table(spread.SPREAD) if row[0] == path.name]
    kinds = {name: spread.compare(cell.outputs, cell.outputs)[0] for name, cell in cells.items()}
    expected = [
        (name, condition, kind)
        for name in cells
        for condition in spread.CONDITIONS
        for kind in kinds[name]
    ]
    assert [tuple(row[1:4]) for row in rows] == expected
