"""Test notebooks under conditions that readers have: `python tools/portable.py [notebook ...]`.

Writes to benchmarks/portable.csv how many cells were compared and how many failed; ends with an
error if one did.
"""

import sys

from joblib import delayed, Parallel
from refresh import notebook_arguments, read_table, replace_table, ROOT
from spread import CONDITIONS, UNSEEN
from suite import run_tests

CHECKED = CONDITIONS | UNSEEN
TABLE = ROOT / "benchmarks" / "portable.csv"
_COLUMNS = ["notebook", "condition", "cells compared", "failed"]


def record(notebook, condition, compared, failed, csv_path):
    """Put a result into the table, which is in the order of the conditions; other rows stay.

    Parameters
    ----------
    notebook : str
        The name of its file.
    condition : str
        One of `CHECKED`.
    compared, failed : int
        How many cells.
    csv_path : Path
    """
    rows = {(row[0], row[1]): row for row in read_table(csv_path)}
    rows[notebook, condition] = [notebook, condition, compared, failed]
    notebooks = sorted({name for name, _ in rows})
    known = [rows[key] for name in notebooks for c in CHECKED if (key := (name, c)) in rows]
    replace_table(csv_path, [_COLUMNS, *known])


def main():
    """Test the notebooks that the command line names; exit with 1 if a cell fails."""
    parser = notebook_arguments(__doc__)
    parser.add_argument(
        "--condition", choices=CHECKED, action="append", help="only under this one; may be repeated"
    )
    arguments = parser.parse_args()
    pairs = [(p, c) for p in arguments.notebooks for c in arguments.condition or CHECKED]
    runs = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
        delayed(run_tests)(str(path), ROOT, environment=CHECKED[condition])
        for path, condition in pairs
    )
    any_failed = False
    for (path, condition), (compared, problems) in zip(pairs, runs, strict=True):
        state = f"{len(problems)} of {compared} cells fail" if compared else "not run"
        print(f"{path.name:24} {condition:20} {state}", flush=True)
        for cell, complaint in problems:
            print(f"    {cell}: {complaint}", flush=True)
        if compared:  # a notebook may need data that this machine lacks
            record(path.name, condition, compared, len(problems), TABLE)
        any_failed |= bool(problems)
    sys.exit(any_failed)


if __name__ == "__main__":
    main()
