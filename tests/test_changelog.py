"""Test that the changelog keeps up with the version."""

import re
import tomllib

from conftest import ROOT


def test_the_newest_entry_of_the_changelog_is_the_version_of_the_package():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert newest == project["version"]
