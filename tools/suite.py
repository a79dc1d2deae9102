"""Run a notebook or a file of tests as `make test` does, also in a copy, and tell what failed."""

import os
from pathlib import Path
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import nbformat
from outputs import code_cells


def copy_repository(root, folder):
    """Copy what the tests need of a repository.

    Parameters
    ----------
    root, folder : Path
        Of the repository, and of the copy, which does not exist yet.
    """
    shutil.copytree(root, folder, ignore=shutil.ignore_patterns(".*", "_build", "__pycache__"))


def run_tests(target, root, *options):
    """Run a notebook or a file of tests on one core, with the package and the settings of `root`.

    Parameters
    ----------
    target : str
        The file, from `root`.
    root : Path
        Of the repository or a copy of it.
    *options : str
        Of pytest.

    Returns
    -------
    list of (str, str)
        Of each test that failed its name, of a cell its id, and the first line of what it said.

    Raises
    ------
    RuntimeError
        If pytest ends without a report; has what it said.
    """
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        run = subprocess.run(
            [sys.executable, "-m", "pytest", target, "-n0", f"--junitxml={report}", *options],
            cwd=root,
            # Without PYTHONPATH the installed package would be tested, not that of a copy, and
            # without CI the tests of pages would be skipped for want of a browser.
            env=os.environ | {"PYTHONPATH": str(root), "CI": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"{target}: pytest wrote no report: {run.stdout.strip()}")
        cases = list(ElementTree.parse(report).iter("testcase"))
    problems = [
        (case.get("name"), found.get("message").partition("\n")[0])
        for case in cases
        for found in case
        if found.tag in ("failure", "error")
    ]
    if target.endswith(".ipynb"):  # nbval counts the cells
        cells = list(code_cells(nbformat.read(root / target, as_version=4)))
        problems = [
            (cells[int(name.removeprefix("Cell "))] if name.startswith("Cell ") else name, said)
            for name, said in problems
        ]
    return problems
