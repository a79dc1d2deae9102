"""Tests of what may be done with the book, and of the credit it gives."""

from email.message import Message
from importlib.resources import files
import json
import re
import subprocess
import sys
import tomllib
from types import SimpleNamespace

from conftest import ROOT
from files import read_table
import licences
import pytest

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ABOUT = (ROOT / "book" / "about.md").read_text()
ADDRESS = re.compile(r"https://[^\s)]+")


def test_the_licences_are_those_that_the_project_names():
    assert PROJECT["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")
    text = (ROOT / "LICENSE-text").read_text()
    assert "Creative Commons Attribution 4.0 International Public License" in text
    assert ADDRESS.search(text)[0] in ABOUT


def test_the_photographs_have_the_whole_credit_that_scikit_learn_asks_for():
    credit = files("sklearn.datasets.images").joinpath("README.txt").read_text()
    assert len(ADDRESS.findall(credit)) == 6
    assert set(ADDRESS.findall(credit)) <= set(ADDRESS.findall(ABOUT))
    (name,) = set(re.findall("Some rights reserved by (.+) ", credit))
    notebook = json.loads((ROOT / "book" / "compression.ipynb").read_text())
    figures = (cell["metadata"].get("mystnb", {}).get("figure", {}) for cell in notebook["cells"])
    (caption,) = [figure["caption"] for figure in figures if "photograph," in str(figure)]
    for part in (name, "vultilion", "CC BY 2.0"):
        assert part in caption


# The licences of the packages that the book needs


def package(monkeypatch, **said):
    """Let every package say this of itself."""
    description = Message()
    for key, values in said.items():
        for value in values if isinstance(values, list) else [values]:
            description[key.replace("_", "-")] = value
    found = SimpleNamespace(metadata=description)
    monkeypatch.setattr(licences, "distributions", lambda name, path: iter([found]))


BSD = "License :: OSI Approved :: BSD License"
GPL = "License :: OSI Approved :: GNU General Public License (GPL)"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"License_Expression": "MIT OR GPL-3.0-only", "Classifier": BSD}, "MIT OR GPL-3.0-only"),
        ({"License": "BSD-3-Clause", "Classifier": BSD}, "BSD-3-Clause"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({"License": "Redistribution and use in source", "Classifier": BSD}, "BSD"),
        ({"Classifier": [BSD, GPL]}, "BSD AND GNU General Public License (GPL)"),
        ({"License": "Ask the author.\n        Politely."}, "Ask the author."),
        ({"Classifier": "Topic :: Software Development"}, "unknown"),
    ],
)
def test_a_licence_is_taken_from_where_the_package_names_it(monkeypatch, said, expected):
    package(monkeypatch, **said)
    assert licences.licence("some", []) == expected


def test_a_package_that_is_not_installed_has_an_unknown_licence(tmp_path):
    assert licences.licence("pip", sys.path) == "MIT"
    assert licences.licence("pip", [tmp_path]) == "unknown"


def test_each_part_of_an_expression_has_to_be_allowed():
    assert licences.refused("MIT AND BSD-3-Clause OR Apache-2.0") == []
    assert licences.refused("MIT OR GPL-3.0-only AND BSL-1.1") == ["GPL-3.0-only", "BSL-1.1"]
    assert licences.refused("unknown") == ["unknown"]


def test_the_table_has_every_locked_package_with_its_licence():
    table, found = read_table(licences.TABLE), licences.rows()
    of_the_book = [row for row in table if row[2] == "book"]
    assert of_the_book == [list(row) for row in found if row[2] == "book"]
    # The others may be missing here, and say nothing then.
    assert [[row[0], row[2]] for row in table] == [[row[0], row[2]] for row in found]
    licence = {row[0]: row[1] for row in table}
    assert licence["tensorflow"] == "Apache-2.0"
    assert licence["cosmic-ray"] == "MIT"
    assert "torch" in licence
    assert "appnope" in licence  # only macOS needs it
    assert "unknown" not in licence.values()


def test_a_table_without_what_is_not_installed_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(licences, "TABLE", tmp_path / "licences.csv")
    monkeypatch.setattr(licences, "PURPOSES", {"benchmark": ("requirements.txt", [])})
    with pytest.raises(SystemExit, match="needed for benchmark is not installed; call make audit"):
        licences.main()
    assert not licences.TABLE.exists()


def test_a_licence_that_is_not_allowed_ends_with_an_error_that_names_it(tmp_path):
    program = (
        "import licences, pathlib; licences.TABLE = pathlib.Path('licences.csv'); "
        "licences.PURPOSES = {'book': licences.PURPOSES['book']}; "
        "licences.ALLOWED -= {'MIT-CMU'}; licences.main()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tools")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, "")
    assert "pillow: the licence 'MIT-CMU' is not among those" in run.stdout
    assert "pillow,MIT-CMU,book\n" in (tmp_path / "licences.csv").read_text()
