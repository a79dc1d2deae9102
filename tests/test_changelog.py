"""Test that the changelog keeps up with the version."""

from importlib.metadata import version
from pathlib import Path
import re

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def test_the_newest_entry_of_the_changelog_is_the_version_of_the_package():
    newest = re.search(r"^## (\S+)", CHANGELOG.read_text(), re.MULTILINE)[1]
    assert newest == version("aehelpers")
