"""A pytest plugin that starts once and runs its tests often, each time in a copy of itself.

Importing TensorFlow and the rest takes longer than most tests. Here it is done once; the process
then waits, and whoever connects to its socket gets a forked process that collects and runs the
tests with our own modules as they stand in the files. The answer is one byte, 1 if they passed.
"""

from contextlib import suppress
import gc
from importlib import import_module
import os
import signal
import socket
import sys
import time

import pytest

# What tests of the package import, none of it ours but the package itself, without its modules.
PRELOADED = (
    *("aehelpers", "keras", "IPython.display", "joblib", "matplotlib.pyplot", "mlxtend.data"),
    *("nbformat", "numpy", "pandas", "PIL.ImageFont", "scipy.ndimage", "scipy.stats"),
    *("sklearn.datasets", "sklearn.decomposition", "sklearn.model_selection", "tqdm"),
)


def pytest_addoption(parser):
    """Take the file descriptor of a listening socket and the module that changes, by its name."""
    parser.addoption("--listen", type=int)
    parser.addoption("--changes")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Wait for connections; go on to the tests in a forked process for each."""
    if config.option.changes != "__init__":  # which the package itself is
        for name in PRELOADED:
            import_module(name)
    gc.freeze()  # else each forked process copies all of it when it collects its garbage
    listener = socket.socket(fileno=config.option.listen)
    limit = None
    while True:
        connection, _ = listener.accept()
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            if limit:  # not the first run, of the code as it was
                sys.dont_write_bytecode = True  # that of a change in the same second would stay
                signal.alarm(limit)  # ends a process that hangs
            listener.close()
            connection.close()
            return
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what it has started
        limit = limit or 60 + 5 * int(time.monotonic() - start)
        connection.send(b"1" if status == 0 else b"0")
        connection.close()


def pytest_collection_modifyitems(config, items):
    """Leave out what needs the rendered book, which takes a minute to build."""
    items[:] = [item for item in items if "html" not in item.fixturenames]
