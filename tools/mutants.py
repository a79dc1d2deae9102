"""Change the helpers in small ways and see whether their tests notice: `make mutants`.

Cosmic Ray makes the mutants of each module, one at a time, in a copy of the repository, and the
module's own tests have to fail. What came of it goes into benchmarks/mutants.csv, and each mutant
that the tests let live into benchmarks/mutants-survivors.csv, where a person says why it is no
fault. Ends with an error if that is missing.
"""

import argparse
from contextlib import closing
import os
from pathlib import Path
import random
import socket
import sqlite3
import subprocess
import sys
from tempfile import TemporaryDirectory

from files import read_table, replace_table, ROOT
from suite import copy_repository

TABLE = ROOT / "benchmarks" / "mutants.csv"
SURVIVORS = ROOT / "benchmarks" / "mutants-survivors.csv"
SESSIONS = ROOT / "_build" / "mutants"
COSMIC_RAY = ROOT / ".venv-mutants" / "bin" / "cosmic-ray"

_COLUMNS = ["module", "mutants", "run", "killed", "survived", "share killed"]
_SURVIVOR_COLUMNS = ["module", "function", "code", "mutant", "why it is no fault"]

# Of the ways to replace an operator those that say something else of the same kind: a sum is a
# difference, a bound is moved by one or turned around. Of the others most end with a TypeError.
_REPLACEMENTS = {
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div", "Mod_Mul", "Pow_Mul"),
    *("BitOr_BitAnd", "BitAnd_BitOr", "USub_UAdd", "Delete_Not", "Delete_Invert"),
    *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is", "In_NotIn", "NotIn_In"),
    *("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt"),
}

_CONFIG = """\
[cosmic-ray]
module-path = "aehelpers/{module}.py"
timeout = 3600.0
excluded-modules = []
test-command = "{python} -IS {client} {address}"

[cosmic-ray.distributor]
name = "local"
"""

# Asks the process that has the tests ready; all that Cosmic Ray has to start for each mutant.
_CLIENT = """\
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
sys.exit(server.recv(1) != b"1")
"""


def module_names():
    """Name the modules of the package.

    Returns
    -------
    list of str
    """
    return sorted(path.stem for path in (ROOT / "aehelpers").glob("*.py"))


def run(module, most=None, resume=False):
    """Make the mutants of a module and run its tests on each.

    Parameters
    ----------
    module : str
    most : int, optional
        If there are more mutants, as many are drawn, always the same; a run that is resumed keeps
        those that it has.
    resume : bool
        If the module is as it was, keep what the last run killed; run what it did not come to and,
        if it was done, the survivors.

    Returns
    -------
    session : Path
        Cosmic Ray's database. Beside it stands what the tests said, in a log.

    Raises
    ------
    subprocess.CalledProcessError
        If Cosmic Ray ends with an error.
    RuntimeError
        If the tests do not pass as they are, or their process ends before the last mutant; names
        the log.
    """
    SESSIONS.mkdir(parents=True, exist_ok=True)
    session = SESSIONS / f"{module}.sqlite"
    with TemporaryDirectory() as folder:
        copy, config, client = (Path(folder, name) for name in ("copy", "config", "client"))
        copy_repository(ROOT, copy)
        client.write_text(_CLIENT)
        address = Path(folder, "socket")
        config.write_text(
            _CONFIG.format(module=module, python=sys.executable, client=client, address=address)
        )
        if resume and _is_newer(session, ROOT / "aehelpers" / f"{module}.py"):
            _forget_survivors(session)
        else:
            begun = session.with_suffix(".unfinished")
            begun.unlink(missing_ok=True)
            _cosmic_ray(copy, "init", config, begun)
            thin_out(begun, most)
            begun.replace(session)
        log = session.with_suffix(".log")
        with _warm_tests(module, copy, address, log) as tests:
            try:
                if _cosmic_ray(copy, "baseline", config, check=False):
                    raise RuntimeError(f"{module}: the tests fail as they are, see {log}")
                _cosmic_ray(copy, "exec", config, session)
                if tests.poll() is not None:  # those after that do not count as killed
                    session.unlink()
                    raise RuntimeError(f"{module}: the tests' process is gone, see {log}")
            finally:
                tests.terminate()
    return session


def _is_newer(path, other):
    return path.exists() and path.stat().st_mtime > other.stat().st_mtime


def _cosmic_ray(folder, *arguments, check=True):
    return subprocess.run([COSMIC_RAY, *arguments], cwd=folder, check=check).returncode


def _warm_tests(module, copy, address, log):
    """Start the tests' process, see warm_tests.py, listening."""
    with socket.socket(socket.AF_UNIX) as listener, log.open("w") as output:
        listener.bind(str(address))
        listener.listen()
        file = f"tests/test_{module.strip('_')}.py"
        options = ["-x", "-n0", "-p", "warm_tests", "-p", "no:cacheprovider"]
        options += ["-p", "no:hypothesispytest"]  # is imported anew at the end of each run
        options += [f"--listen={listener.fileno()}", f"--changes={module}"]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", file, *options],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def thin_out(session, most):
    """Drop mutants that an operator makes which is not ours, and all but a sample of the rest.

    Parameters
    ----------
    session : Path
    most : int or None
        As in `run`.
    """
    with closing(sqlite3.connect(session)) as database, database:
        database.execute("CREATE TABLE found (number INTEGER)")
        specs = database.execute(
            "SELECT job_id, operator_name FROM mutation_specs ORDER BY operator_name, occurrence"
        )
        ours = [job for job, operator in specs if _is_ours(operator)]
        database.execute("INSERT INTO found VALUES (?)", [len(ours)])
        if most is not None and len(ours) > most:
            ours = random.Random(0).sample(ours, most)
        for table in ("mutation_specs", "work_items"):
            marks = ",".join("?" * len(ours))
            database.execute(f"DELETE FROM {table} WHERE job_id NOT IN ({marks})", ours)


def _is_ours(operator):
    replacement = operator.partition("Operator_")[2]
    return not replacement or replacement in _REPLACEMENTS


def _forget_survivors(session):
    """Forget survivors, so that they are tried again, unless there are mutants left to try."""
    with closing(sqlite3.connect(session)) as database, database:
        done = database.execute(
            "SELECT (SELECT count(*) FROM work_items) = (SELECT count(*) FROM work_results)"
        )
        if not done.fetchone()[0]:
            return
        database.execute("DELETE FROM work_results WHERE test_outcome = 'SURVIVED'")


def outcome(session, module):
    """Read what came of the mutants of a module.

    Parameters
    ----------
    session : Path
    module : str

    Returns
    -------
    row : list
        The module's, as in the table.
    survivors : list of tuple of str
        Of each: the module, the function, its code and the mutant's.
    """
    with closing(sqlite3.connect(session)) as database:
        ((found,),) = database.execute("SELECT number FROM found")
        results = database.execute(
            "SELECT test_outcome, definition_name, diff FROM work_results JOIN mutation_specs "
            "USING (job_id) ORDER BY start_pos_row, start_pos_col, operator_name, occurrence"
        ).fetchall()
    killed = sum(result == "KILLED" for result, *_ in results)
    survivors = [
        (module, function or "", *_changed(diff))
        for result, function, diff in results
        if result != "KILLED"
    ]
    share = f"{killed / len(results):.1%}" if results else ""
    return [module, found, len(results), killed, len(survivors), share], survivors


def _changed(diff):
    """The lines that a difference takes away and those that it puts in their place."""
    lines = diff.splitlines()[3:]  # below the names of the files
    sides = [" ".join(line[1:] for line in lines if line.startswith(sign)) for sign in "-+"]
    return [" ".join(side.split()) for side in sides]


def record(row, survivors, table=TABLE, listed=SURVIVORS, package=ROOT / "aehelpers"):
    """Put what came of a module into the tables; explanations of the same mutants stay.

    If not all of its mutants were tried, those that lived before stay listed, too, where their code
    still stands.

    Parameters
    ----------
    row, survivors : list
        As from `outcome`.
    table, listed : Path
    package : Path
        The folder of the modules.

    Returns
    -------
    list of tuple of str
        The survivors that nobody has explained.
    """
    module = row[0]
    rows = {old[0]: old for old in read_table(table)} | {module: row}
    replace_table(table, [_COLUMNS, *(rows[name] for name in sorted(rows))])
    old = read_table(listed)
    why = {tuple(line[:4]): line[4] for line in old}
    new = [[*survivor, why.get(survivor, "")] for survivor in dict.fromkeys(survivors)]
    code = " ".join((package / f"{module}.py").read_text(encoding="utf-8").split())
    sampled = row[2] < row[1]  # those that were not drawn may still live
    others = [
        line
        for line in old
        if line[0] != module or (sampled and line[2] in code and tuple(line[:4]) not in survivors)
    ]
    replace_table(listed, [_SURVIVOR_COLUMNS, *sorted(others + new, key=lambda line: line[0])])
    return [tuple(line[:4]) for line in new if not line[4]]


def main():
    """Try the modules that the command line names, or all; exit with 1 if one is not explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module", help="such as metrics")
    parser.add_argument("--most", type=int, help="mutants a module, drawn if there are more")
    parser.add_argument("--resume", action="store_true", help="keep what was killed")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(module_names()):
        parser.error(f"no such module in aehelpers: {', '.join(sorted(unknown))}")
    if options.most is not None and options.most < 1:
        parser.error(f"--most: expected at least 1, got {options.most}")
    unexplained = []
    for module in options.modules or module_names():
        row, survivors = outcome(run(module, options.most, options.resume), module)
        print(*row, flush=True)
        unexplained += record(row, survivors)
    for survivor in unexplained:
        print("NOT EXPLAINED", *survivor, sep=" | ")
    sys.exit(bool(unexplained))


if __name__ == "__main__":
    main()
