"""What several tests need: the pages, built from nothing, and a browser to look at them."""

from pathlib import Path
import subprocess
import sys

import pytest
from screenshots import chromium

ROOT = Path(__file__).resolve().parents[1]


def build_book(folder, source="book", toc=ROOT / "_toc.yml"):
    """The finished run of `make book`, into a folder, and the folder of its pages."""
    command = [
        Path(sys.executable).with_name("jupyter-book"),
        *("build", source, "--config", "_config.yml", "--toc", toc),
        *("--path-output", folder, "--all", "-W", "-n", "--keep-going", "--quiet"),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return run, folder / "_build" / "html"


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """The book, built from nothing, see `build_book`."""
    return build_book(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="session")
def html(build):
    run, folder = build
    assert (folder / "index.html").exists(), run.stderr
    return folder


@pytest.fixture(scope="module")  # Playwright leaves an event loop running, which nbval minds
def browser():
    with chromium() as browser:
        yield browser
