"""Plant faults in copies of the repository, see each caught: `python tools/faults.py [name ...]`.

The list is tests/faults.toml. Writes what caught each into benchmarks/faults.csv; ends with an
error if a fault goes through.
"""

import argparse
import ast
from dataclasses import dataclass
from pathlib import Path
import re
import sys
from tempfile import TemporaryDirectory
import time
import tomllib

from files import read_table, replace_table, ROOT
from joblib import delayed, Parallel
import nbformat
from outputs import code_cells
from suite import copy_repository, run_tests

FAULTS = ROOT / "tests" / "faults.toml"
TABLE = ROOT / "benchmarks" / "faults.csv"
_COLUMNS = ["fault", "caught by", "place"]

# How a failed comparison begins: of a notebook's output, of values in a test, or of a page, where a
# test waits for what has to be there. Anything else, such as a cell that raises or a module that
# cannot be imported, proves no value checked.
_COMPARISON = re.compile(
    r"stdout: |output \d+, |assert |AssertionError|Failed: DID NOT RAISE"
    r"|playwright\._impl\._errors\.TimeoutError: Locator"
)


@dataclass(frozen=True)
class Fault:
    """A slip that a text with code could contain.

    Parameters
    ----------
    name : str
    teaches : str
        What readers would learn wrongly.
    file : str
        The file to plant it in, from the root of the repository.
    old, new : str
        The text that it replaces, which occurs once, and the fault.
    caught_by : str
        The notebook or the file of tests that has to fail, from the root of the repository.
    cell : str, optional
        In a notebook, the id of the cell.
    """

    name: str
    teaches: str
    file: str
    old: str
    new: str
    caught_by: str
    cell: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run with a fault came to.

    Parameters
    ----------
    place : str
        The first test, or the id of the first cell, that failed; empty if none did.
    complaint : str
        The first line of what it said.
    seconds : float
    """

    place: str
    complaint: str
    seconds: float

    @property
    def caught(self):
        """Whether a comparison failed."""
        return _COMPARISON.match(self.complaint) is not None


def read_faults():
    """Read the list of faults.

    Returns
    -------
    list of Fault
    """
    entries = tomllib.loads(FAULTS.read_text(encoding="utf-8"))
    return [Fault(name, **entry) for name, entry in entries.items()]


def plant(fault, root):
    """Change a file of a copy of the repository as a fault says.

    Parameters
    ----------
    fault : Fault
    root : Path
        Of the copy.

    Raises
    ------
    ValueError
        If there is no such cell, or the text does not occur exactly once; names the fault.
    SyntaxError
        If changed Python cannot be compiled.
    """
    path = root / fault.file
    if fault.cell is None:
        code = _replaced(fault, path.read_text(encoding="utf-8"))
        path.write_text(code, encoding="utf-8")
    else:
        notebook = nbformat.read(path, as_version=4)
        cell = code_cells(notebook).get(fault.cell)
        if cell is None:
            raise ValueError(f"{fault.name}: cell: expected one of {fault.file}, got {fault.cell}")
        code = cell.source = _replaced(fault, cell.source)
        nbformat.write(notebook, path)
    if fault.cell or path.suffix == ".py":
        ast.parse(code)


def _replaced(fault, text):
    if (count := text.count(fault.old)) != 1:
        place = f"{fault.file}, cell {fault.cell}" if fault.cell else fault.file
        raise ValueError(f"{fault.name}: old: expected it once in {place}, found it {count} times")
    return text.replace(fault.old, fault.new)


def see_caught(fault, root=ROOT):
    """Plant a fault in a copy of the repository and run what should catch it, to its first failure.

    Parameters
    ----------
    fault : Fault
    root : Path
        Of the repository, which is left alone.

    Returns
    -------
    Outcome
    """
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        copy_repository(root, copy)
        plant(fault, copy)
        problems = run_tests(fault.caught_by, copy, "-x")
    place, complaint = problems[0] if problems else ("", "nothing failed")
    return Outcome(place, complaint, time.perf_counter() - start)


def record(fault, outcome, csv_path):
    """Put an outcome into the table, which is in the order of the list; other faults' rows stay.

    Parameters
    ----------
    fault : Fault
    outcome : Outcome
        If the fault was not caught, its row gets no place.
    csv_path : Path
    """
    rows = {row[0]: row for row in read_table(csv_path)}
    rows[fault.name] = [fault.name, fault.caught_by, outcome.place if outcome.caught else ""]
    listed = [rows[fault.name] for fault in read_faults() if fault.name in rows]
    replace_table(csv_path, [_COLUMNS, *listed])


def main():
    """Plant the faults that the command line names, or all; exit with 1 if one is not caught."""
    faults = {fault.name: fault for fault in read_faults()}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="of a fault in tests/faults.toml")
    names = parser.parse_args().names or list(faults)
    if unknown := [name for name in names if name not in faults]:
        parser.error(f"no such fault in tests/faults.toml: {', '.join(unknown)}")
    chosen = [faults[name] for name in names]
    all_caught = True
    runs = Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    for fault, outcome in zip(chosen, runs(map(delayed(see_caught), chosen)), strict=True):
        state = "caught" if outcome.caught else "NOT CAUGHT"
        print(
            f"{fault.name:40} {state:10} {fault.caught_by:28} {outcome.place:30} "
            f"{outcome.seconds:5.0f} s  {outcome.complaint[:80]}",
            flush=True,
        )
        record(fault, outcome, TABLE)
        all_caught &= outcome.caught
    sys.exit(not all_caught)


if __name__ == "__main__":
    main()
