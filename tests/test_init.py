"""What importing the package does to the process."""

import subprocess
import sys

from conftest import ROOT

NOISY = "import os\nos.write(2, b'Could not find cuda drivers\\n')\n"
PROGRAM = """
import gc, os, sys
import aehelpers
assert gc.isenabled(), "Python no longer frees what refers to itself"
print(os.environ["KERAS_BACKEND"], os.environ["OMP_NUM_THREADS"])
print("a warning of ours", file=sys.stderr)
"""


def test_it_sets_what_is_not_set_yet_and_silences_tensorflow_and_nothing_else(tmp_path):
    (tmp_path / "tensorflow.py").write_text(NOISY)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "tensorflow 3\n"
    assert run.stderr == "a warning of ours\n"
