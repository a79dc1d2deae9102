"""What several tests need: the pages, a browser to look at them, and patience."""

from contextlib import ExitStack
import csv
import fcntl
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import time
from urllib.parse import urlsplit

from browser import chromium, NoBrowserError
from files import ROOT
import pytest

pytest.register_assert_rewrite("made_up")  # it asserts, and is no test itself

# Show, in a browser, all that a page hides at first: solutions, code, and answers to predictions.
OPEN_ALL = """() => {
    const closed = "details:not([open]) > summary, .toggle-button, .predict input";
    document.querySelectorAll(closed).forEach(it => it.click());
}"""


def build_book(folder, source="book", toc=ROOT / "_toc.yml", config="_config.yml"):
    """The finished run of `make book`, into a folder, and the folder of its pages."""
    command = [
        Path(sys.executable).with_name("jupyter-book"),
        *("build", source, "--config", config, "--toc", toc),
        *("--path-output", folder, "--all", "-W", "-n", "--keep-going", "--quiet"),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run, folder / "_build" / "html"


@pytest.fixture(scope="session")
def build(tmp_path_factory, worker_id):
    """The book, built from nothing by the first worker that needs it, see `build_book`."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent  # which all workers of a run share
    result = folder / "book.json"
    with (folder / "book.lock").open("w") as lock:  # closing it unlocks it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            run, pages = build_book(folder / "book")
            result.write_text(json.dumps([vars(run), str(pages)], default=str))
    run, pages = json.loads(result.read_text())
    return subprocess.CompletedProcess(**run), Path(pages)


@pytest.fixture(scope="session")
def html(build):
    run, folder = build
    assert (folder / "index.html").exists(), run.stderr
    return folder


@pytest.fixture(scope="module")  # Playwright leaves an event loop running, which nbval minds
def browser():
    with ExitStack() as stack:
        yield open_browser(stack)


def open_browser(stack):
    """Chromium, which `stack` closes; without one the test is skipped, but fails in CI."""
    try:
        return stack.enter_context(chromium())
    except NoBrowserError:
        if "CI" in os.environ:
            raise
        pytest.skip("there is no Chromium; the README says how to get one")


def serve(page, html):
    """Give the page the book as if from a server, at http://localhost."""
    page.route(
        "http://localhost/**",
        lambda route: route.fulfill(path=html / urlsplit(route.request.url).path.lstrip("/")),
    )


def contrast(colour, other):
    """The contrast ratio of WCAG 2 between two opaque colours, as Chromium writes them."""

    def luminance(colour):
        form, numbers = re.fullmatch(r"(rgb|color)\((?:srgb )?([\d., ]+)\)", colour).groups()
        largest = {"rgb": 255, "color": 1}[form]
        channels = [float(number) / largest for number in re.findall(r"[\d.]+", numbers)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted([luminance(colour), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def wait_for(condition):
    """Wait until `condition()` is true, for as long as a busy machine may take."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A home without caches, sweeps in this process, and no figure left open."""
    # Not above: pytest loads this file before mutation testing changes the package's modules.
    from aehelpers.data import MNIST_VARIABLE
    import joblib
    import matplotlib.pyplot as plt

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (MNIST_VARIABLE, "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    with joblib.parallel_config("sequential"):
        yield
    plt.close("all")


def rows_of_only_table(folder):
    """Read the rows of the CSV file in a folder that holds nothing else, a list of dict."""
    (path,) = folder.iterdir()
    return rows_of_table(path)


def rows_of_table(path):
    """Read the rows of a CSV file, a list of dict."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
