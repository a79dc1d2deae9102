"""Run one function over a grid of settings and seeds, on all cores or on a cluster."""

from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stdout
import dis
from functools import cache
import hashlib
from importlib.metadata import packages_distributions, version
import inspect
import io
import itertools
import json
import os
from pathlib import Path, PurePath
import sys
import tempfile
from threading import RLock
import traceback
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from uuid import uuid4
import warnings

import aehelpers
from aehelpers.checks import check_seed
from aehelpers.progress import Progress
import joblib
import numpy as np
import pandas as pd


class SweepError(RuntimeError):
    """Some runs of a sweep raised.

    Parameters
    ----------
    message : str
        Lists their settings and errors.
    table : pandas.DataFrame
        The runs that succeeded, as `sweep` would have returned them; an attribute, too.
    """

    def __init__(self, message, table):
        super().__init__(message)
        self.table = table

    def __reduce__(self):  # so that it may be sent between processes
        return type(self), (str(self), self.table)


def sweep(function, grid, seeds, *, folder=None, scheduler=None):
    """Call ``function(**setting, seed=seed)`` for each setting of a grid and each seed.

    The calls run side by side, one a core, in processes of their own where there are several cores;
    so a function should neither change nor count on anything outside of it. If each call seeds what
    it draws, the results do not depend on where it runs.

    Parameters
    ----------
    function : callable
        Returns a dict of numbers and words; what it prints is dropped. May be defined in a
        notebook.
    grid : dict of str to sequence
        Values of each argument; all their combinations are run.
    seeds : sequence of int
        Whole numbers from 0; each setting is run with each of them.
    folder : path, optional
        Where each result is kept as soon as it is there, so that an interrupted sweep goes on where
        it was. A run is done again if anything changes that it depends on: the function, what it
        uses from its module or notebook, its setting, or the versions of this package, Keras,
        TensorFlow and of other installed packages that the function names.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``"tcp://host:8786"``, whose workers are used in place
        of this machine's cores. Needs the package `distributed`.

    Returns
    -------
    pandas.DataFrame
        A row for each run, in the order of the grid and the seeds; columns are the setting, the
        seed and what the function returned.

    Raises
    ------
    TypeError
        If the function does not take the settings, the folder is no path or the scheduler no word,
        or, with a folder, the function or a setting uses something that cannot be told apart from
        its like, such as a model.
    ValueError
        If the grid or the seeds are empty or no sequences, the grid names the seed, a seed is not a
        whole number from 0, or the scheduler is no address.
    OSError
        If a result cannot be kept, for instance on a full disk, or no scheduler answers; those kept
        before are not lost.
    SweepError
        After all other runs are done, if some raised, did not return what they should, or ended
        their process, as happens when memory runs out.
    """
    runs = _runs(function, grid, seeds)
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder: expected a path, got {folder!r}")
    if scheduler is not None and not isinstance(scheduler, str):
        raise TypeError(f"scheduler: expected an address, got {scheduler!r}")
    identity = _versions(function) if folder is not None else None
    keep = _Kept(identity, folder) if folder is not None else None
    kept = enumerate(map(keep.read, runs)) if keep else ()
    outcomes = {i: result for i, result in kept if result is not None}
    missing = [(i, run) for i, run in enumerate(runs) if i not in outcomes]
    if not missing:  # needs neither a folder that can be written nor a scheduler
        return _table(runs, outcomes)
    if keep:
        keep.check_writable()
    with Progress(len(missing), "run") as progress, _calls(scheduler) as call_all:
        for i, outcome in call_all(function, identity, missing):
            outcomes[i] = outcome
            if keep and not isinstance(outcome, _Failure):
                keep.write(runs[i], outcome)
            progress.step(f"run {len(outcomes)} of {len(runs)}")
    return _table(runs, outcomes)


class _Failure(str):
    """What a run raised, in words, since an exception itself may not be sent between processes."""


def _runs(function, grid, seeds):
    named = isinstance(grid, dict) and grid and all(isinstance(name, str) for name in grid)
    if not named or "seed" in grid:
        raise ValueError(f"grid: expected a dict of settings without the seed, got {grid!r}")
    sequences = {f"grid[{name!r}]": values for name, values in grid.items()} | {"seeds": seeds}
    for name, values in sequences.items():
        sequence = np.iterable(values) and hasattr(values, "__getitem__")  # also an array
        other = isinstance(values, str | bytes | bytearray | dict | pd.DataFrame)
        if not sequence or other or not len(values):
            raise ValueError(f"{name}: expected a sequence of values, got {values!r}")
    seeds = [check_seed(seed) for seed in seeds]
    values = itertools.product(*grid.values())
    settings = [dict(zip(grid, combination, strict=True)) for combination in values]
    runs = [setting | {"seed": seed} for setting in settings for seed in seeds]
    try:
        inspect.signature(function).bind(**runs[0])
    except (TypeError, ValueError) as error:  # the second if it does not tell what it takes
        raise TypeError(
            f"function: expected one that takes {', '.join(runs[0])}, but: {error}"
        ) from None
    return runs


# A Dask worker may have several threads, but they share Keras' seed: one would disturb the other.
_one_run_a_process = RLock()


def _run(function, identity, i, run):
    # What a run prints would be seen in the notebook on one core, but not on several. What a run
    # itself would have side by side takes turns: the other cores have runs of their own.
    quiet, alone = redirect_stdout(io.StringIO()), joblib.parallel_config("sequential")
    try:
        with _one_run_a_process, quiet, alone:
            # A module that changed is an older one in processes that had imported it before.
            if identity is not None and _versions(function) != identity:
                raise RuntimeError(
                    "its process has another version of the function, or of what it uses; "
                    "start the kernel, or the cluster's workers, again"
                )
            return i, _checked(function(**run), run)
    except (Exception, SystemExit) as error:  # one run may not lose the others
        # The line of the function itself, which `_run` called; it may be none but in this module.
        called = traceback.extract_tb(error.__traceback__)[1:2]
        places = [f", in line {it.lineno} of {it.name}" for it in called if it.filename != __file__]
        return i, _failure(error, *places)


def _failure(error, place=""):
    return _Failure(f"{type(error).__name__}: {error}{place}")


def _checked(result, run):
    if not isinstance(result, dict) or not result:
        raise TypeError(f"expected a dict of results, got {result!r}")
    if taken := result.keys() & run.keys():
        raise ValueError(f"expected results named unlike settings, got {', '.join(sorted(taken))}")
    found = {}
    for name, value in result.items():
        if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(name, str) or not isinstance(value, int | float | str):
            raise TypeError(f"expected numbers and words, got {name!r}: {value!r}")
        found[name] = value
    return found


@contextmanager
def _calls(scheduler):
    """Give a function that makes the calls wherever they run, and yields results as they come."""
    if scheduler is None:
        with warnings.catch_warnings():
            # A process that has grown is replaced, and what waited for it goes to the new one.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
            yield _call_on_cores
        return
    from distributed import as_completed, Client

    def call_on_cluster(function, identity, runs):
        # The function, and all data that it holds, travels once: it is the result of a call, which
        # the scheduler repeats if all workers that have it go. It is not pure, so that no result of
        # another sweep is taken for one of this.
        sent = client.submit(_itself, function, pure=False)
        calls = {client.submit(_run, sent, identity, i, run): i for i, run in runs}
        for call in as_completed(calls):
            error = call.exception()  # Dask's own, as when a run has ended several workers
            yield (calls[call], _failure(error)) if error else call.result()
            call.release()  # or it would be run again, if the worker that holds the result goes

    try:
        connected = Client(scheduler)
    except ValueError as error:
        raise ValueError(
            f"scheduler: expected an address such as tcp://host:8786, got {scheduler!r}: {error}"
        ) from error
    with connected as client, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")  # that is the function
        yield call_on_cluster


def _itself(value):
    return value


def _call_on_cores(function, identity, runs):
    def call(these):
        calls = (joblib.delayed(_run)(function, identity, i, run) for i, run in these)
        return joblib.Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1)(calls)

    left = dict(runs)
    try:
        for i, outcome in call(runs):
            del left[i]
            yield i, outcome
    except BrokenProcessPool:  # one process ended, and took the others along
        # If it was for lack of memory, there is more of it for one at a time.
        for i, run in left.items():
            try:
                yield from call([(i, run)])
            except BrokenProcessPool:
                yield i, _Failure("its process ended, perhaps for lack of memory")


def _table(runs, outcomes):
    failed = [i for i in range(len(runs)) if isinstance(outcomes[i], _Failure)]
    rows = [run | outcomes[i] for i, run in enumerate(runs) if i not in failed]
    table = pd.DataFrame(rows)
    if failed:
        listed = "\n".join(f"{_in_words(runs[i])}: {outcomes[i]}" for i in failed)
        raise SweepError(f"{len(failed)} of {len(runs)} runs failed:\n{listed}", table)
    return table


def _in_words(run):
    return ", ".join(f"{name}={value!r}" for name, value in run.items())


class _Kept:
    """Results of one function in a folder, a file for each run."""

    def __init__(self, identity, folder):
        self.folder = Path(folder)
        self.identity = identity

    def check_writable(self):
        """Raise before hours of work are lost."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder):
            pass

    def read(self, run):
        """Return what the run returned, None if it is not kept or cannot be read."""
        path = self._path(run)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return content["result"] if content["digest"] == _digest_of(content["result"]) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def write(self, run, result):
        """Keep what the run returned: the file appears as a whole or not at all."""
        content = {"run": _in_words(run), "result": result, "digest": _digest_of(result)}
        unfinished = self.folder / f"{uuid4().hex}.unfinished"
        try:
            unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
            os.replace(unfinished, self._path(run))
        except OSError as error:
            error.filename = error.filename or str(self.folder)  # of a full disk it says nothing
            raise
        finally:
            unfinished.unlink(missing_ok=True)

    def _path(self, run):
        named = [[name, _identity(run[name])] for name in sorted(run)]
        return self.folder / f"{_digest_of([self.identity, named])}.json"


def _versions(function):
    """What a function's results depend on apart from its setting, in this process."""
    return [_CONTEXT, _identity(function)]


def _digest(data):
    return hashlib.sha256(data).hexdigest()


def _digest_of(value):
    return _digest(json.dumps(value, sort_keys=True).encode())


def _identity(value, within=()):
    """What tells a value from others in every process, as something that JSON can hold.

    The value is used by the functions `within`, the innermost last.
    """
    if value is None or isinstance(value, bool | int | float | str | bytes | PurePath):
        return [type(value).__name__, repr(value)]
    # An array of another class, such as a masked one, knows more than its numbers; not so a memmap,
    # which a large array is in the processes of a sweep.
    numbers = type(value) in (np.ndarray, np.memmap) or isinstance(value, np.generic)
    if numbers and not value.dtype.hasobject:
        return [str(value.dtype), value.shape, _digest(np.ascontiguousarray(value).tobytes())]
    if isinstance(value, list | tuple | range):
        return [type(value).__name__, *(_identity(item, within) for item in value)]
    if isinstance(value, dict):
        return [[_identity(key), _identity(item, within)] for key, item in value.items()]
    if isinstance(value, ModuleType) and _is_installed(value.__name__):
        return _module(value.__name__)
    if isinstance(value, type | BuiltinFunctionType) and _is_installed(value.__module__):
        return [value.__qualname__, *_module(value.__module__)]
    if isinstance(value, FunctionType):
        if value in within:  # it calls itself, perhaps through others
            return ["within", within.index(value)]
        module = value.__globals__.get("__name__")  # a function that wraps another has that one's
        if _is_installed(module):  # which may wrap one that is not, as a context manager's does
            wrapped = _identity(getattr(value, "__wrapped__", None), (*within, value))
            return [value.__qualname__, *_module(module), wrapped]
        return [_code(value.__code__), _identity(_used_by(value), (*within, value))]
    raise TypeError(
        f"function, grid: with a folder, expected functions and settings that use functions, "
        f"installed modules, numbers, words, paths and arrays, got one that uses {value!r}; "
        f"make it a part of the function"
    )


def _code(code):
    """What a piece of code does, wherever it stands."""
    constants = [
        _code(constant)
        if isinstance(constant, CodeType)
        else [sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)]
        for constant in code.co_consts
    ]
    numbers = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
    return [code.co_code.hex(), code.co_exceptiontable.hex(), numbers, names, constants]


def _is_installed(module):
    return str(module).partition(".")[0] in _installed()


def _module(name):
    package = _installed()[name.partition(".")[0]]
    return [name, package and version(package)]


@cache
def _installed():
    """The package that brings a module, empty for Python's own and ours, by the module's name."""
    packages = {module: min(names) for module, names in packages_distributions().items()}
    return packages | dict.fromkeys(["aehelpers", *sys.stdlib_module_names], "")


# As soon as this module is loaded, since a source that changes later is not what is run.
_CONTEXT = [
    *sys.version_info[:2],  # of Python: instructions change from one to the next
    *(version(name) for name in ("keras", "tensorflow")),
    *(_digest(path.read_bytes()) for path in sorted(Path(aehelpers.__file__).parent.glob("*.py"))),
]

# Instructions that look up a name outside of the function, the second in a class within it.
_LOOKS_UP = ("LOAD_GLOBAL", "LOAD_NAME")


def _used_by(function):
    """The names that a function uses from outside, with their values; imported ones are modules."""
    names, modules, codes = set(), set(), [function.__code__]
    while codes:
        code = codes.pop()
        for instruction in dis.get_instructions(code):
            # Not all names of the code: it also has those of attributes.
            if instruction.opname in _LOOKS_UP:
                names.add(instruction.argval)
            elif instruction.opname == "IMPORT_NAME":
                modules.add(instruction.argval)
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    used = {name: function.__globals__[name] for name in names if name in function.__globals__}
    used |= inspect.getclosurevars(function).nonlocals
    used |= {"(defaults)": function.__defaults__, "(keywords)": function.__kwdefaults__}
    used |= {f"import {module}": ModuleType(module) for module in modules}
    return {name: used[name] for name in sorted(used)}
