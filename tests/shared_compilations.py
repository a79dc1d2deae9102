"""A pytest plugin that lets the processes of a run share what XLA compiles.

Notebooks, their sweeps and the tests train few networks in many processes. The folder of compiled
code goes when the run ends, since it would serve neither another processor nor other settings.
"""

import os
from tempfile import TemporaryDirectory

from compilations import kept_in, OPTION, VARIABLE


def pytest_configure(config):
    """Name the folder to this process and to all that it starts, unless it was started by a run."""
    if OPTION not in os.environ.get(VARIABLE, ""):
        folder = TemporaryDirectory(prefix="xla-")
        config.add_cleanup(folder.cleanup)
        os.environ |= kept_in(folder.name)
