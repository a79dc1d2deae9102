"""Tests of how the suite is run by other programs: what is run and told."""

from conftest import ROOT
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
import pytest
from refresh import refresh
from suite import run_tests


@pytest.fixture
def toy(tmp_path):
    """A small repository with a notebook whose outputs depend on the environment variable SHIFT."""
    plugins = ("tests/notebook_outputs.py", "tests/shared_compilations.py")
    for name in ("pyproject.toml", "tools", *plugins):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    path = tmp_path / "toy.ipynb"
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell("import os; shift = int(os.environ.get('SHIFT', 0))", id="reads"),
        new_code_cell(
            "print(f'loss {0.5 + shift / 100:.2f}')",
            id="moves",
            metadata={"tolerance": {"absolute": 0.01}},
        ),
        new_code_cell("print('claim', 'fails' if shift == 2 else 'holds')", id="says"),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    refresh(path)
    return path


@pytest.mark.parametrize(
    ("shift", "problems"),
    [
        ("1", []),  # within the tolerance
        (
            "2",
            [
                (
                    "moves",
                    "stdout: largest deviation: 0.50 became 0.52, off by 0.02; allowed: 0.01",
                ),
                ("says", "stdout: the words differ"),
            ],
        ),
    ],
)
def test_a_notebook_is_compared_and_failed_cells_are_named(toy, shift, problems, monkeypatch):
    monkeypatch.setenv("SHIFT", shift)
    assert run_tests(toy.name, toy.parent) == problems


def test_tests_that_cannot_be_run_end_with_what_pytest_said(tmp_path):
    with pytest.raises(
        RuntimeError, match=r"(?s)^test_none.py: .* no report: .*unrecognized arguments"
    ):
        run_tests("test_none.py", tmp_path, "--no-such-option")
