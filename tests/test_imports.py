"""Tests of what imports what: as the README draws it, and every dependency by somebody."""

import ast
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
import re
import tomllib

from conftest import ROOT
import nbformat
from packaging.utils import canonicalize_name
from packaging.version import Version
import yaml

FOLDERS = ("aehelpers", "benchmarks", "book", "tests", "tools")
DRAWN_LIBRARIES = {"keras", "tensorflow"}  # slow to import, so it matters who does
# Dependencies that nothing imports and whose command has another name, with what needs them.
NEEDED_BY = {
    "flit-core": ("pyproject.toml", 'build-backend = "flit_core.buildapi"'),
    "ipykernel": ("tools/refresh.py", "Python 3 (ipykernel)"),
    "jupyterlab": ("Makefile", "/jupyter lab"),
    "pytest-xdist": ("pyproject.toml", '"-n", "auto"'),
}


def imported(path):
    """The dotted names that a Python file or a notebook imports, at its top or in a function."""
    code = path.read_text()
    if path.suffix == ".ipynb":
        cells = nbformat.reads(code, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


IMPORTED = {
    path.relative_to(ROOT).with_suffix("").as_posix(): imported(path)
    for folder in FOLDERS
    for pattern in ("*.py", "*.ipynb")
    for path in (ROOT / folder).glob(pattern)
}


def home(name, folder):
    """Our folder or module, or the drawn library, that a file in a folder imports by this name."""
    first, _, rest = name.partition(".")
    if first in DRAWN_LIBRARIES:
        return first
    if first == "aehelpers":
        if folder != "aehelpers":
            return "aehelpers"
        return f"aehelpers/{rest.partition('.')[0]}" if rest else None  # itself is there anyway
    for other in ("tools", "tests", "benchmarks"):  # are on the path of the tests and tools
        if f"{other}/{first}" in IMPORTED:
            return f"{other}/{first}" if folder == other == "tools" else other
    return None


def actual_imports():
    """By module of the package and the tools, and by other folders: what it imports."""
    graph = {}
    for file, names in IMPORTED.items():
        folder, _, module = file.partition("/")
        if module == "__init__" or folder not in ("aehelpers", "tools"):
            file = folder
        graph.setdefault(file, set()).update(home(name, folder) for name in names)
    return {file: found - {None, file} for file, found in graph.items()}


def drawn_imports():
    """The same from the README's drawing, where modules are indented below their folder."""
    text = (ROOT / "README.md").read_text()
    drawing = re.search(r"^## What imports what\n.*?```text\n(.*?)```", text, re.DOTALL | re.M)[1]
    graph = {}
    for line in filter(None, drawing.splitlines()):
        names, targets = (re.findall(r"\w+", side) for side in f"{line}→".split("→")[:2])
        if not line.startswith(" "):
            folder, prefix = names[0], ""
        else:
            prefix = f"{folder}/"
        found = {t if t in {*FOLDERS, *DRAWN_LIBRARIES} else prefix + t for t in targets}
        graph |= {prefix + name: found for name in names}
    return graph


def test_the_readme_draws_what_imports_what():
    actual = actual_imports()
    actual.setdefault("tools", set())
    assert drawn_imports() == actual


def test_imports_lead_one_way_and_the_package_knows_nothing_of_what_uses_it():
    graph = actual_imports()
    assert list(TopologicalSorter(graph).static_order())  # raises if there is a circle
    for module in graph:
        if module.startswith("aehelpers/"):
            others = {target.partition("/")[0] for target in graph[module]}
            assert others <= {"aehelpers", *DRAWN_LIBRARIES}, module
    assert graph["aehelpers/checks"] == graph["tools/outputs"] == set()


# Dependencies


def dependencies():
    """The names in pyproject.toml, those of the extras, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = sum(project["optional-dependencies"].values(), project["dependencies"])
    return sorted({canonicalize_name(re.match(r"[\w-]+", name)[0]) for name in requirements})


def imported_packages():
    """The first parts of all names that files import."""
    return {name.partition(".")[0] for names in IMPORTED.values() for name in names}


def names_in_use():
    """What files import, what commands `make` runs, and which extensions the pages need."""
    commands = re.findall(r"\$\(BIN\)/([\w-]+)", (ROOT / "Makefile").read_text())
    settings = yaml.safe_load((ROOT / "_config.yml").read_text())
    return imported_packages() | {*commands, *settings["sphinx"]["config"]["extensions"]}


def test_every_dependency_is_used():
    known_as = {name: {name} for name in dependencies()}  # the benchmark's are not installed here
    for name, packages in packages_distributions().items():
        for package in packages:
            known_as.get(canonicalize_name(package), set()).add(name)
    used = names_in_use() | NEEDED_BY.keys()
    assert [name for name, names in known_as.items() if not names & used] == []
    for file, words in NEEDED_BY.values():
        assert words in (ROOT / file).read_text()


def test_what_is_imported_is_a_dependency_of_its_own_and_not_only_of_others():
    packages = packages_distributions()
    known = {*dependencies(), "aehelpers"}
    found = imported_packages() & {*packages}
    assert len(found) > 30
    assert [
        name for name in sorted(found) if known.isdisjoint(map(canonicalize_name, packages[name]))
    ] == []


def test_the_oldest_versions_that_dependencies_may_have_are_the_locked_floors():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "tests" / "requirements-floors.txt").read_text()
    locked = {(name, Version(v)) for name, v in re.findall(r"^([\w-]+)==([\w.]+)", lock, re.M)}
    named = project["dependencies"] + project["optional-dependencies"]["book"]
    floors = {
        (canonicalize_name(name), Version(floor))
        for name, floor in (re.match(r"([\w-]+)>=([\d.]+)", line).groups() for line in named)
    }
    assert floors <= locked
