"""List the licences of the book's locked packages in licences.csv: `python tools/licences.py`.

Ends with an error if a package has a licence that is not in the list of those allowed here.
"""

from importlib.metadata import metadata, PackageNotFoundError
import re
import sys

from refresh import replace_table, ROOT

TABLE = ROOT / "licences.csv"

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
    "Python Software Foundation License": "PSF-2.0",
}
# Read in the packages themselves, where their descriptions say nothing or too much.
_READ = {
    "axe-playwright-python": "MIT AND MPL-2.0",  # axe-core is what is under the second
    # GPL is the licence of an Emacs mode, which is not installed.
    "docutils": "public domain AND BSD-2-Clause AND BSD-3-Clause AND ZPL-2.1",
    "namex": "Apache-2.0",
    # Only on other systems, and so not installed where the table is made.
    "appnope": "BSD-2-Clause",
    "colorama": "BSD-3-Clause",
    "pywinpty": "MIT",
}


def locked_packages():
    """Name the packages that requirements.txt locks, for all systems.

    Returns
    -------
    list of str
    """
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return re.findall(r"^([\w.-]+)==", text, re.MULTILINE)


def licence(package):
    """Find the licence of a package in what it says of itself.

    Parameters
    ----------
    package : str
        Its name.

    Returns
    -------
    str
        An expression such as "MIT OR Apache-2.0"; "unknown" if the package says nothing.
    """
    if package in _READ:
        return _READ[package]
    try:
        about = metadata(package)
    except PackageNotFoundError:
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


def main():
    """Write the table; exit with 1 if a licence in it is not allowed."""
    licences = {package: licence(package) for package in locked_packages()}
    replace_table(TABLE, [("package", "licence"), *licences.items()])
    problems = {package: found for package, found in licences.items() if refused(found)}
    for package, found in problems.items():
        print(f"{package}: the licence {found!r} is not among those that tools/licences.py allows")
    print(f"licences of {len(licences)} packages: see {TABLE.name}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
