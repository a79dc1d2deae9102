"""Write files as a whole or not at all, and read what was written."""

import csv
import io
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def replace(path, text):
    """Write a file as a whole or not at all.

    Parameters
    ----------
    path : Path
    text : str
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_table(path):
    """Read the rows of a CSV file that `replace_table` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of list of str
        Without the names of the columns; empty if there is no such file yet.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def replace_table(path, rows):
    """Write a CSV file as a whole or not at all.

    Parameters
    ----------
    path : Path
    rows : iterable of sequence
        The names of the columns first.
    """
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    replace(path, table.getvalue())
