"""The helpers' docstrings and the page that shows them."""

import ast

from bs4 import BeautifulSoup
from conftest import ROOT
from numpydoc.validate import validate

NOT_ASKED_FOR = {
    "ES01",  # a longer description, where the first line says all
    "EX01",  # an example: the chapters use every helper
    "SA01",  # a section of what else to see
}


def public_names():
    """Name and definition of everything public, with the modules themselves."""
    for path in sorted((ROOT / "aehelpers").glob("*.py")):
        module = ".".join(["aehelpers", path.stem]).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield module, tree
        for node in tree.body:
            names = [target.id for target in getattr(node, "targets", [])]
            names += [node.name] if hasattr(node, "name") else []
            yield from ((f"{module}.{name}", node) for name in names if not name.startswith("_"))


def documented_names():
    """Those that have a docstring, and the methods of the classes among them."""
    for name, node in public_names():
        if not isinstance(node, ast.Assign):
            yield name
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                yield f"{name}.{method.name}"


def test_everything_public_has_its_entry_among_the_helpers(html):
    page = BeautifulSoup((html / "api.html").read_text(encoding="utf-8"), "html.parser")
    names = [name for name, _ in public_names() if name != "aehelpers"]
    assert len(names) > 40
    missing = [name for name in names if not page.find(id=[name, f"module-{name}"])]
    assert not missing


def test_docstrings_are_complete_by_the_rules_of_numpydoc():
    faults = [
        f"{name}: {text}"
        for name in documented_names()
        for code, text in validate(name)["errors"]
        if code not in NOT_ASKED_FOR
    ]
    assert not faults
