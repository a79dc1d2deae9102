"""Re-execute notebooks and store their outputs: `python tools/refresh.py [notebook ...]`."""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
import time

from compilations import kept_in
from files import replace, ROOT
import joblib
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
import nbformat
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager
from outputs import drop_empty

_KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


CHAPTERS = sorted(ROOT.glob("book/*.ipynb"))


def notebook_arguments(description, usual):
    """Make a parser of command lines that name notebooks.

    Parameters
    ----------
    description : str
    usual : list of Path
        The notebooks if none is named.

    Returns
    -------
    argparse.ArgumentParser
        Its `notebooks` are a list of Path; a name that is no notebook ends the program with a
        message.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("notebooks", nargs="*", type=_notebook, default=usual)
    return parser


def _notebook(name):
    path = Path(name)
    if path.suffix != ".ipynb" or not path.is_file():
        raise argparse.ArgumentTypeError(f"expected an existing .ipynb file, got {name!r}")
    return path.resolve()


def execute(path, environment=None):
    """Run a notebook from its own folder in a kernel of this interpreter.

    Parameters
    ----------
    path : Path
        The file is only read.
    environment : dict of str to str, optional
        Variables to set for the kernel on top of this process's.

    Returns
    -------
    NotebookNode
        With new outputs, and nothing in it that changes from one run to the next or from one
        version of Python to another.

    Raises
    ------
    RuntimeError
        If a cell raises; names the cell and the error.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        # nbval's way to this very interpreter; a kernel that a user installed may hide it.
        km=AsyncKernelManager(
            kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager()
        ),
        resources={"metadata": {"path": str(path.parent)}},
        # Kernels side by side would lock one history file.
        extra_arguments=["--HistoryManager.hist_file=:memory:"],
        timeout=None,
        coalesce_streams=True,
        store_widget_state=False,
        skip_cells_with_tag="nbval-skip",
    )
    try:
        # What a kernel logs about itself goes where nbval sends it; cells' errors are outputs.
        client.execute(
            cleanup_kc=True, env=os.environ | (environment or {}), stderr=subprocess.DEVNULL
        )
    except CellExecutionError as error:
        cell = f"In [{client.code_cells_executed}]"
        raise RuntimeError(f"{cell} raised {error.ename}: {error.evalue}") from error
    _clean(notebook)
    return notebook


def _clean(notebook):
    notebook.metadata["kernelspec"] = _KERNELSPEC
    notebook.metadata["language_info"].pop("version")
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = drop_empty(cell.outputs)


def write(notebook, path):
    """Write a notebook as a whole or not at all, and only if it changed.

    Parameters
    ----------
    notebook : NotebookNode
    path : Path

    Returns
    -------
    bool
        Whether the file changed.
    """
    text = nbformat.writes(notebook) + "\n"
    if text == path.read_text(encoding="utf-8"):
        return False
    replace(path, text)
    return True


def refresh(path, environment=None):
    """Re-execute a notebook and store its outputs, or leave the file as it is.

    It is left if a cell raises, and if somebody has saved it meanwhile.

    Parameters
    ----------
    path : Path
    environment : dict of str to str, optional
        As of `execute`.

    Returns
    -------
    succeeded : bool
    outcome : str
        One of "changed" and "unchanged", or the error.
    seconds : float
    """
    start = time.perf_counter()
    try:
        before = path.read_bytes()
        notebook = execute(path, environment)
        if path.read_bytes() != before:
            raise RuntimeError("the file was saved while it ran; it is left as it was saved")
        changed = write(notebook, path)
        succeeded, outcome = True, "changed" if changed else "unchanged"
    except Exception as error:  # whatever is wrong with one notebook, the others go on
        succeeded, outcome = False, f"failed: {error}"
    return succeeded, outcome, time.perf_counter() - start


def main():
    """Refresh the notebooks that the command line names; exit with 1 if one fails."""
    executed_by_tests = [*CHAPTERS, ROOT / "tools" / "chapter_template.ipynb"]
    notebooks = notebook_arguments(__doc__, executed_by_tests).parse_args().notebooks
    all_succeeded = True
    with TemporaryDirectory() as folder, ProcessPoolExecutor(joblib.cpu_count()) as pool:
        results = pool.map(partial(refresh, environment=kept_in(folder)), notebooks)
        for path, (succeeded, outcome, seconds) in zip(notebooks, results, strict=True):
            print(f"{path.name:30} {seconds:6.1f} s  {outcome}", flush=True)
            all_succeeded &= succeeded
    sys.exit(not all_succeeded)


if __name__ == "__main__":
    main()
