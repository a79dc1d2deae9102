"""Measure how far outputs move under other conditions: `python tools/spread.py [notebook ...]`.

Compares with the stored outputs, so `make refresh` comes first. Writes benchmarks/spread.csv; with
--write also the tolerances in the cells' metadata.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal, ROUND_UP
import sys

import joblib
import nbformat
from outputs import (
    code_cells,
    decode_picture,
    is_picture,
    parts,
    picture_distances,
    split_numbers,
    Tolerance,
)
from refresh import execute, notebook_arguments, read_table, replace_table, ROOT, write

_NEWER_THAN_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR"


def _threads(number):
    return {
        "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": number,
        "OPENBLAS_NUM_THREADS": number,
        "OMP_NUM_THREADS": number,
    }


# The oldest processors on which TensorFlow as it is published runs, of 2011 and 2012.
_AVX = {
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX",
    "ONEDNN_MAX_CPU_ISA": "AVX",
    "OPENBLAS_CORETYPE": "Sandybridge",
    "NPY_DISABLE_CPU_FEATURES": f"X86_V3 {_NEWER_THAN_AVX2}",
}
# Exponentials and their like from formulas that every processor shares; what else one may tell
# the compiler, such as the width of vectors, changed no digit.
_OTHER_FUNCTIONS = "--xla_cpu_enable_platform_dependent_math=false"

# Environment variables of each condition, on top of those that aehelpers sets. AVX2 and AVX imitate
# older processors, in code from TensorFlow's compiler, TensorFlow's matrix products and
# convolutions, NumPy's matrix products and its elementary functions. NumPy and oneDNN ignore values
# that they do not know; TensorFlow's compiler ends with an error.
CONDITIONS = {
    "two threads": _threads("2"),
    "AVX2": {
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": _NEWER_THAN_AVX2,
    },
    # Both at once take the time of one.
    "AVX, other functions": _AVX | {"XLA_FLAGS": f"{_AVX['XLA_FLAGS']} {_OTHER_FUNCTIONS}"},
}

# Tolerances are not set by these: tools/portable.py checks that they hold there all the same.
UNSEEN = {
    "four threads": _threads("4"),
    "oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "AVX": _AVX,
    "other functions": {"XLA_FLAGS": _OTHER_FUNCTIONS},
}

# The conditions are a few of those that readers have, and the largest of a few deviations falls
# short of the largest there is.
SAFETY_FACTOR = 2

SPREAD = ROOT / "benchmarks" / "spread.csv"
_COLUMNS = ["notebook", "cell", "condition", "kind", "deviation"]


@dataclass
class Movement:
    """How the outputs of a cell moved from one run to another.

    Parameters
    ----------
    numbers : list of (Decimal, Decimal)
        Each number in the first run and in the second.
    distances : list of dict of str to float
        `picture_distances` of each picture in the first run to that in the second.
    changes : list of str
        Places where more than numbers and pictures differs.
    """

    numbers: list = field(default_factory=list)
    distances: list = field(default_factory=list)
    changes: list = field(default_factory=list)

    @classmethod
    def between(cls, outputs, others):
        """Compare two lists of a cell's outputs."""
        movement = cls()
        was, now = parts(outputs), parts(others)
        movement.changes += sorted(was.keys() ^ now.keys())
        for place in sorted(was.keys() & now.keys()):
            movement._compare(place, was[place], now[place])
        return movement

    def _compare(self, place, was, now):
        if is_picture(place):
            pictures = decode_picture(was), decode_picture(now)
            if pictures[0].size == pictures[1].size:
                self.distances.append(picture_distances(*pictures))
            else:
                self.changes.append(place)
            return
        (words, numbers), (other_words, other_numbers) = split_numbers(was), split_numbers(now)
        if words == other_words:
            self.numbers += zip(numbers, other_numbers, strict=True)
        else:
            self.changes.append(place)

    def largest(self):
        """Largest deviation of each kind that the cell's outputs can show, as a dict."""
        deviations = {}
        if self.numbers:
            deviations["absolute"] = max(abs(now - was) for was, now in self.numbers)
            deviations["relative"] = max(_relative(was, now) for was, now in self.numbers)
        if self.distances:
            for kind in self.distances[0]:
                deviations[kind] = Decimal(max(distance[kind] for distance in self.distances))
        return deviations


def _relative(was, now):
    if was == now:
        return Decimal(0)
    return abs(now / was - 1) if was else Decimal("inf")


def tolerance(movements):
    """Choose a cell's tolerance from how its outputs moved.

    Parameters
    ----------
    movements : list of Movement
        One for each condition.

    Returns
    -------
    dict of str to float
        An entry of numbers if one moved, absolute or relative, whichever binds the numbers more
        tightly on average; and two of pictures, if one moved further than is allowed anyway.
    """
    every = Movement(
        numbers=[pair for movement in movements for pair in movement.numbers],
        distances=[distance for movement in movements for distance in movement.distances],
    )
    limits = {kind: _with_safety(value) for kind, value in every.largest().items()}
    chosen = {}
    if limits.get("absolute"):
        # By which share of itself may each number move? Beyond the whole, it is free.
        freedom = dict.fromkeys(["absolute", "relative"], 0)
        for was, _ in every.numbers:
            freedom["absolute"] += min(1, limits["absolute"] / abs(was)) if was else 1
            freedom["relative"] += min(1, limits["relative"])
        kind = min(freedom, key=freedom.get)
        chosen[kind] = float(limits[kind])
    if limits.get("picture", 0) > Tolerance().picture:
        chosen |= {kind: float(limits[kind]) for kind in ("picture", "whole_picture")}
    return chosen


def _with_safety(deviation):
    """Enlarge a deviation by the safety factor and round it up to one significant digit."""
    limit = SAFETY_FACTOR * deviation
    if not limit or limit.is_infinite():
        return limit
    return limit.quantize(Decimal(1).scaleb(limit.adjusted()), ROUND_UP)


def measure(path, runs):
    """Compare the runs of a notebook with the outputs that it stores.

    Parameters
    ----------
    path : Path
    runs : dict of str to concurrent.futures.Future
        By condition, what `execute` returns under it.

    Returns
    -------
    dict of str to dict of str to Movement
        By the id of a code cell and the condition.

    Raises
    ------
    RuntimeError
        If a cell raises under one of the conditions; names it.
    """
    stored = code_cells(nbformat.read(path, as_version=4))
    movements = {name: {} for name in stored}
    for condition, run in runs.items():
        try:
            cells = code_cells(run.result())
        except RuntimeError as error:
            raise RuntimeError(f"{condition}: {error}") from error
        for name, cell in stored.items():
            movements[name][condition] = Movement.between(cell.outputs, cells[name].outputs)
    return movements


def record(movements, path, csv_path):
    """Put a notebook's deviations into the table in the place of its earlier ones.

    Parameters
    ----------
    movements : dict
        From `measure`.
    path : Path
        Of the notebook.
    csv_path : Path
    """
    rows = [row for row in read_table(csv_path) if row[0] != path.name]
    rows += [
        [path.name, cell, condition, kind, f"{float(deviation):.2g}"]
        for cell, by_condition in movements.items()
        for condition, movement in by_condition.items()
        for kind, deviation in movement.largest().items()
    ]
    replace_table(csv_path, [_COLUMNS, *sorted(rows, key=lambda row: row[0])])


def set_tolerances(movements, path):
    """Store each cell's tolerance in a notebook, and remove it where nothing moved.

    Parameters
    ----------
    movements : dict
        From `measure`.
    path : Path
        Of the notebook.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in code_cells(notebook).values():
        cell.metadata.pop("tolerance", None)
        if chosen := tolerance(list(movements[cell.id].values())):
            cell.metadata["tolerance"] = chosen
    write(notebook, path)


def main():
    """Measure the notebooks that the command line names; exit with 1 if a word changes."""
    parser = notebook_arguments(__doc__)
    parser.add_argument("--write", action="store_true", help="set the tolerances in the notebooks")
    arguments = parser.parse_args()
    succeeded = True
    with ProcessPoolExecutor(joblib.cpu_count()) as pool:
        started = {
            path: {name: pool.submit(execute, path, CONDITIONS[name]) for name in CONDITIONS}
            for path in arguments.notebooks
        }
        for path, runs in started.items():
            try:
                movements = measure(path, runs)
            except RuntimeError as error:
                print(f"{path.name}: {error}", flush=True)
                succeeded = False
                continue
            record(movements, path, SPREAD)
            if arguments.write:
                set_tolerances(movements, path)
            changes = [
                f"{path.name}: cell {cell}: {place} changes its words under {condition}"
                for cell, by_condition in movements.items()
                for condition, movement in by_condition.items()
                for place in movement.changes
            ]
            print(
                "\n".join(changes or [f"{path.name}: only numbers and pictures move"]), flush=True
            )
            succeeded &= not changes
    sys.exit(not succeeded)


if __name__ == "__main__":
    main()
