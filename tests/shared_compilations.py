"""A pytest plugin that lets the processes of a run share what XLA compiles.

Notebooks, their sweeps and the tests train few networks in many processes, and to compile one takes
as long as many epochs. A process loads what another has compiled from a folder that goes when the
run ends, since it would serve neither another processor nor other settings of XLA.
"""

import os
from tempfile import TemporaryDirectory

VARIABLE = "TF_XLA_FLAGS"  # TensorFlow reads it
OPTION = "--tf_xla_persistent_cache_directory="


def pytest_configure(config):
    """Name the folder to this process and to all that it starts, unless it was started by a run."""
    flags = os.environ.get(VARIABLE, "")
    if OPTION not in flags:
        folder = TemporaryDirectory(prefix="xla-")
        config.add_cleanup(folder.cleanup)
        os.environ[VARIABLE] = f"{flags} {OPTION}{folder.name}".strip()
