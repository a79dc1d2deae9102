"""Measure how far outputs move under other conditions: `python tools/spread.py [notebook ...]`.

Compares with the stored outputs, so `make refresh` comes first. Writes benchmarks/spread.csv, and
from it the tolerances in the cells' metadata.
"""

from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal, ROUND_UP
import sys
from tempfile import TemporaryDirectory

from compilations import kept_in
from files import read_table, replace_table, ROOT
import joblib
import nbformat
import numpy as np
from outputs import (
    code_cells,
    decode_picture,
    is_picture,
    parts,
    picture_distances,
    split_numbers,
    Tolerance,
)
from refresh import CHAPTERS, execute, notebook_arguments, write

_NEWER_THAN_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR"

# Environment variables of each condition, on top of those that aehelpers sets: one thread, and none
# of oneDNN's kernels. AVX2 and AVX imitate older processors, in code from TensorFlow's compiler,
# TensorFlow's matrix products and convolutions, NumPy's matrix products and its elementary
# functions. NumPy and oneDNN ignore values that they do not know; TensorFlow's compiler ends with
# an error.
CONDITIONS = {
    "two threads": {
        "TF_NUM_INTRAOP_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
    },
    "oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "AVX2": {
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": _NEWER_THAN_AVX2,
    },
    # The oldest processors on which TensorFlow as it is published runs, of 2011 and 2012; at once,
    # which takes the time of one, exponentials and their like from formulas that every processor
    # shares. What else one may tell the compiler, such as the width of vectors, changed no digit.
    "AVX, other functions": {
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX --xla_cpu_enable_platform_dependent_math=false",
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "OPENBLAS_CORETYPE": "Sandybridge",
        "NPY_DISABLE_CPU_FEATURES": f"X86_V3 {_NEWER_THAN_AVX2}",
    },
}

# The conditions are a few of those that readers have, and the largest of a few deviations falls
# short of the largest there is.
SAFETY_FACTOR = 2

SPREAD = ROOT / "benchmarks" / "spread.csv"
_COLUMNS = ["notebook", "cell", "condition", "kind", "deviation"]


def compare(outputs, others):
    """Compare a cell's outputs with those of another run.

    Parameters
    ----------
    outputs, others : list of NotebookNode

    Returns
    -------
    deviations : dict of str to Decimal
        The largest of each kind that the outputs can show: of numbers `absolute` and `relative`, of
        pictures those of `picture_distances`.
    changes : list of str
        Places where more than numbers and pictures differs.
    """
    was, now = parts(outputs), parts(others)
    changes = sorted(was.keys() ^ now.keys())
    found = []
    for place in sorted(was.keys() & now.keys()):
        if is_picture(place):
            pictures = decode_picture(was[place]), decode_picture(now[place])
            same = pictures[0].size == pictures[1].size
            pairs, distances_of = [pictures], picture_distances
        else:
            words, numbers = split_numbers(was[place])
            other_words, other_numbers = split_numbers(now[place])
            same = words == other_words
            pairs, distances_of = zip(numbers, other_numbers, strict=True), _number_distances
        if same:
            found += [item for pair in pairs for item in distances_of(*pair).items()]
        else:
            changes.append(place)
    return _largest(found), changes


def _largest(deviations):
    """The largest of each kind, of pairs of a kind and a number, as a dict of Decimal."""
    largest = {}
    for kind, deviation in deviations:
        largest[kind] = max(Decimal(deviation), largest.get(kind, Decimal(0)))
    return largest


def _number_distances(was, now):
    difference = abs(now - was)
    if difference and not was:
        return {"absolute": difference, "relative": Decimal("inf")}
    return {"absolute": difference, "relative": difference and difference / abs(was)}


def tolerance(numbers, deviations):
    """Choose a cell's tolerance from how far its outputs moved.

    Parameters
    ----------
    numbers : list of Decimal
        Those that the cell stores.
    deviations : dict of str to Decimal
        From `compare`, the largest of all conditions.

    Returns
    -------
    dict of str to float
        An entry of numbers if one moved, absolute or relative, whichever binds the numbers more
        tightly on average; and two of pictures, if one moved further than is allowed anyway.
    """
    limits = {kind: _with_safety(value) for kind, value in deviations.items()}
    chosen = {}
    if limits.get("absolute"):
        # By which share of itself may each number move? Beyond the whole, it is free.
        freedom = dict.fromkeys(["absolute", "relative"], 0)
        for number in numbers:
            freedom["absolute"] += min(1, limits["absolute"] / abs(number)) if number else 1
            freedom["relative"] += min(1, limits["relative"])
        kind = min(freedom, key=freedom.get)
        chosen[kind] = float(limits[kind])
    if limits.get("picture", 0) > Tolerance().picture:
        chosen |= {kind: float(limits[kind]) for kind in ("picture", "whole_picture")}
    return chosen


def _numbers(outputs):
    texts = [text for place, text in parts(outputs).items() if not is_picture(place)]
    return [number for text in texts for number in split_numbers(text)[1]]


def _with_safety(deviation):
    """Enlarge a deviation by the safety factor and round it up to one significant digit."""
    limit = SAFETY_FACTOR * deviation
    if not limit or limit.is_infinite():
        return limit
    return limit.quantize(Decimal(1).scaleb(limit.adjusted()), ROUND_UP)


def measure(path, stored, runs):
    """Compare the runs of a notebook with the outputs that it stores.

    Parameters
    ----------
    path : Path
    stored : dict of str to NotebookNode
        Its code cells as they were when the runs began.
    runs : dict of str to concurrent.futures.Future
        By condition, what `execute` returns under it.

    Returns
    -------
    rows : list of list
        Of the table: each cell's deviations under each condition.
    changes : list of str
        What changed its words, and where; a line each.

    Raises
    ------
    RuntimeError
        If a cell raises under one of the conditions; names it. If a code cell or an output is
        no longer as it was.
    """
    executed = {}
    for condition, run in runs.items():
        try:
            executed[condition] = code_cells(run.result())
        except RuntimeError as error:
            raise RuntimeError(f"{condition}: {error}") from error
    present = code_cells(nbformat.read(path, as_version=4))
    if _without_metadata(present) != _without_metadata(stored):
        raise RuntimeError("cells or outputs were changed while they ran; nothing is recorded")
    rows, lines = [], []
    for name, cell in stored.items():
        for condition, cells in executed.items():
            deviations, changes = compare(cell.outputs, cells[name].outputs)
            rows += [
                [path.name, name, condition, kind, f"{float(deviation):.3g}"]
                for kind, deviation in deviations.items()
            ]
            lines += [f"cell {name}: {c} changes its words under {condition}" for c in changes]
    return rows, lines


def _without_metadata(cells):
    return [(name, cell.source, cell.outputs) for name, cell in cells.items()]


def record(rows, path, csv_path):
    """Put a notebook's deviations into the table in the place of its earlier ones.

    Parameters
    ----------
    rows : list of list
        From `measure`.
    path : Path
        Of the notebook.
    csv_path : Path
    """
    others = [row for row in read_table(csv_path) if row[0] != path.name]
    replace_table(csv_path, [_COLUMNS, *sorted(others + rows, key=lambda row: row[0])])


def tolerances(path, csv_path):
    """Work out the tolerances of a notebook from the table.

    Parameters
    ----------
    path : Path
        Of the notebook.
    csv_path : Path

    Returns
    -------
    dict of str to dict of str to float
        By the id of a code cell, empty where nothing moved.
    """
    cells = code_cells(nbformat.read(path, as_version=4))
    deviations = {name: [] for name in cells}
    for notebook, name, _, *deviation in read_table(csv_path):
        if notebook == path.name and name in cells:
            deviations[name].append(deviation)
    return {
        name: tolerance(_numbers(cell.outputs), _largest(deviations[name]))
        for name, cell in cells.items()
    }


def set_tolerances(path, csv_path):
    """Store each cell's tolerance in a notebook, and remove it where nothing moved.

    Parameters
    ----------
    path : Path
        Of the notebook.
    csv_path : Path
        The table.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = code_cells(notebook)
    for name, chosen in tolerances(path, csv_path).items():
        cells[name].metadata.pop("tolerance", None)
        if chosen:
            cells[name].metadata["tolerance"] = chosen
    write(notebook, path)


def require_newer_processor():
    """End the program on a processor that is itself as old as the first that is imitated."""
    known = np.show_config("dicts").get("SIMD Extensions", {}).get("found", [])
    if not any(name.startswith(("AVX512", "X86_V4")) for name in known):
        sys.exit(
            "Expected a processor with AVX-512, so that there is something older to imitate; "
            f"this one has {', '.join(known) or 'none of what NumPy looks for'}. "
            "Tolerances from it would be too small."
        )


def main():
    """Measure the notebooks that the command line names; exit with 1 if a word changes.

    No tolerance lets words change, so such a notebook is left as it is.
    """
    notebooks = notebook_arguments(__doc__, CHAPTERS).parse_args().notebooks
    require_newer_processor()
    stored, failed = {}, False
    for path in notebooks:
        try:
            stored[path] = code_cells(nbformat.read(path, as_version=4))
        except Exception as error:  # whatever is wrong with one notebook, the others go on
            print(f"{path.name}: {error}", flush=True)
            failed = True
    with TemporaryDirectory() as folder, ProcessPoolExecutor(joblib.cpu_count()) as pool:
        environments = {
            name: variables | kept_in(f"{folder}/{number}")  # each condition compiles for itself
            for number, (name, variables) in enumerate(CONDITIONS.items())
        }
        started = {
            path: {name: pool.submit(execute, path, environments[name]) for name in environments}
            for path in stored
        }
        for path, runs in started.items():
            try:
                rows, changes = measure(path, stored[path], runs)
            except Exception as error:
                print(f"{path.name}: {error}", flush=True)
                failed = True
                continue
            if not changes:
                record(rows, path, SPREAD)
                set_tolerances(path, SPREAD)
            for line in changes or ["only numbers and pictures move"]:
                print(f"{path.name}: {line}", flush=True)
            failed |= bool(changes)
    sys.exit(failed)


if __name__ == "__main__":
    main()
