"""List the licences of all locked packages in licences.csv: `python tools/licences.py`.

Ends with an error if a package that the book needs has a licence that is not in the list of those
allowed here.
"""

from importlib.metadata import distributions
import re
import sys

from files import replace_table, ROOT

TABLE = ROOT / "licences.csv"


def _installed_in(environment):
    return sorted(ROOT.glob(f"{environment}/lib/*/site-packages"))


# What packages are needed for, the lock that names them, and where they are installed. The locked
# oldest versions are of packages of the book.
PURPOSES = {
    "book": ("requirements.txt", sys.path),
    "benchmark": ("benchmarks/requirements.txt", _installed_in(".venv-bench")),
    "mutants": ("benchmarks/requirements-mutants.txt", _installed_in(".venv-mutants")),
}

# Each lets anyone use, change and pass on the package; MPL asks that changes to its own files stay
# free. Whoever adds one that asks for more has to see that the book may do what it asks.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT"),
    *("MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "ZPL-2.1", "Zlib", "public domain"),
}
# What packages call licences that have a shorter name.
_NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "LicenseRef-NVIDIA-Proprietary",
    "Other/Proprietary License": "LicenseRef-NVIDIA-Proprietary",
    "Python Software Foundation License": "PSF-2.0",
}
# Read in the packages themselves, where their descriptions say nothing or too much.
_READ = {
    "axe-playwright-python": "MIT AND MPL-2.0",  # axe-core is what is under the second
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
    # GPL is the licence of an Emacs mode, which is not installed.
    "docutils": "public domain AND BSD-2-Clause AND BSD-3-Clause AND ZPL-2.1",
    "namex": "Apache-2.0",
    # Only on other systems, and so not installed where the table is made.
    "appnope": "BSD-2-Clause",
    "colorama": "BSD-3-Clause",
    "pywinpty": "MIT",
}


def locked_packages(lock):
    """Name the packages that a file locks, for all systems.

    Parameters
    ----------
    lock : str
        The file, from the root of the repository.

    Returns
    -------
    list of str
        Each once, though there may be a version for each system.
    """
    text = (ROOT / lock).read_text(encoding="utf-8")
    return list(dict.fromkeys(re.findall(r"^([\w.-]+)==", text, re.MULTILINE)))


def licence(package, path):
    """Find the licence of a package in what it says of itself.

    Parameters
    ----------
    package : str
        Its name.
    path : list of path
        Where it is installed.

    Returns
    -------
    str
        An expression such as "MIT OR Apache-2.0"; "unknown" if the package says nothing.
    """
    if package in _READ:
        return _READ[package]
    about = next((found.metadata for found in distributions(name=package, path=path)), None)
    if about is None:
        return "unknown"
    if about.get("License-Expression"):
        return about["License-Expression"]
    said = about.get("License") or "unknown"
    said = _NAMES.get(said, said)
    classifiers = [
        name.rpartition(" :: ")[2]
        for name in about.get_all("Classifier", [])
        if name.startswith("License :: ")
    ]
    if classifiers and refused(said):  # mostly since it is the licence's whole text
        return " AND ".join(_NAMES.get(name, name) for name in classifiers)
    return said.partition("\n")[0]


def refused(expression):
    """Name the parts of a licence expression that are not allowed, those of a choice, too.

    Parameters
    ----------
    expression : str

    Returns
    -------
    list of str
    """
    return [part for part in re.split(" AND | OR ", expression) if part not in ALLOWED]


def rows():
    """Find what stands in the table.

    Returns
    -------
    list of (str, str, str)
        Each package, its licence, and the first of the purposes that it is needed for.
    """
    found = {}
    for purpose, (lock, path) in PURPOSES.items():
        for package in locked_packages(lock):
            found.setdefault(package, (package, licence(package, path), purpose))
    return list(found.values())


def main():
    """Write the table; exit with 1 if the book needs a licence in it that is not allowed."""
    missing = [purpose for purpose, (_, path) in PURPOSES.items() if not path]
    if missing:
        sys.exit(f"What is needed for {', '.join(missing)} is not installed; call make audit")
    listed = rows()
    replace_table(TABLE, [("package", "licence", "needed for"), *listed])
    problems = [row for row in listed if row[2] == "book" and refused(row[1])]
    for package, found, _ in problems:
        print(f"{package}: the licence {found!r} is not among those that tools/licences.py allows")
    print(f"licences of {len(listed)} packages: see {TABLE.name}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
