"""Tests of the planted faults: that the list fits the code, and what counts as caught."""

from pathlib import Path
import shutil

from conftest import rows_of_table
import faults
import pytest

LIST = faults.read_faults()


@pytest.mark.parametrize("fault", LIST, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted_and_what_should_catch_it_exists(fault, tmp_path):
    copy = tmp_path / fault.file
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(faults.ROOT / fault.file, copy)
    faults.plant(fault, tmp_path)
    assert (faults.ROOT / fault.caught_by).is_file()


def test_the_table_has_a_place_for_each_fault_of_the_list():
    rows = rows_of_table(faults.TABLE)
    assert [(row["fault"], row["caught by"]) for row in rows] == [
        (fault.name, fault.caught_by) for fault in LIST
    ]
    assert all(row["place"] for row in rows)


# A repository of one module and its test


@pytest.fixture
def root(tmp_path):
    (tmp_path / "numbers_of_ours.py").write_text("ONE = 1\nTWO = ONE + 1\n")
    (tmp_path / "test_numbers.py").write_text(
        "from numbers_of_ours import ONE, TWO\n\n\n"
        "def test_one_is_one():\n    assert ONE == 1\n\n\n"
        "def test_two_is_two():\n    assert TWO == 2\n"
    )
    return tmp_path


def fault(old, new):
    return faults.Fault("name", "Nonsense.", "numbers_of_ours.py", old, new, "test_numbers.py")


@pytest.mark.parametrize(
    ("old", "new", "place", "caught"),
    [
        ("ONE + 1", "ONE + 2", "test_two_is_two", True),
        ("ONE + 1", "ONE * 2", "", False),  # it makes no difference
        ("TWO =", "PAIR =", "test_numbers", False),  # nothing can be imported, so nothing compared
    ],
)
def test_a_fault_is_caught_by_a_comparison_that_fails_and_by_nothing_else(
    root, old, new, place, caught
):
    before = {path: path.read_bytes() for path in root.iterdir()}
    outcome = faults.see_caught(fault(old, new), root)
    assert (outcome.place, outcome.caught) == (place, caught)
    assert {path: path.read_bytes() for path in root.iterdir()} == before


@pytest.mark.parametrize(
    ("complaint", "caught"),
    [
        ("output 1, image/png: picture: 40 apart; allowed: 0.5", True),
        ("stdout: the words differ", True),
        ("AssertionError: Not equal to tolerance", True),
        ("Cell execution caused an exception", False),
        ("stderr: comes from the run, but is not stored", False),
        ("ValueError: x: expected finite numbers", False),
    ],
)
def test_an_error_is_no_comparison(complaint, caught):
    assert faults.Outcome("place", complaint, 1.0).caught == caught


def test_a_text_that_occurs_twice_or_never_is_refused_by_name(root):
    with pytest.raises(ValueError, match=r"name: old: .* numbers_of_ours.py, found it 3 times"):
        faults.plant(fault("O", "I"), root)
    with pytest.raises(ValueError, match="found it 0 times"):
        faults.plant(fault("THREE", "3"), root)


def test_planted_code_that_is_no_python_is_refused(root):
    with pytest.raises(SyntaxError):
        faults.plant(fault("ONE + 1", "ONE +"), root)


def test_the_table_follows_the_list_keeps_other_rows_and_tells_what_was_not_caught(tmp_path):
    first, second, third = LIST[:3]
    table = Path(tmp_path, "table.csv")
    faults.record(third, faults.Outcome("cell", "stdout: 1", 1.0), table)
    faults.record(second, faults.Outcome("", "nothing failed", 1.0), table)
    faults.record(first, faults.Outcome("test", "assert 1", 1.0), table)
    assert table.read_text().splitlines() == [
        "fault,caught by,place",
        f"{first.name},{first.caught_by},test",
        f"{second.name},{second.caught_by},",
        f"{third.name},{third.caught_by},cell",
    ]
