"""What importing the package does to the process."""

import json
import subprocess
import sys

from conftest import ROOT
import pytest

NOISY = "import os\nos.write(2, b'Could not find cuda drivers\\n')\n"
PROGRAM = """
import gc, json, os, sys
import aehelpers
assert gc.isenabled(), "Python no longer frees what refers to itself"
print(json.dumps(dict(os.environ)))
print("a warning of ours", file=sys.stderr)
"""
SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@pytest.mark.parametrize("given", [{}, {"OMP_NUM_THREADS": "3"}, dict.fromkeys(SETTINGS, "5")])
def test_it_sets_what_is_not_set_yet_and_silences_tensorflow_and_nothing_else(tmp_path, given):
    (tmp_path / "tensorflow.py").write_text(NOISY)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"} | given,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout)
    assert {name: found[name] for name in SETTINGS} == SETTINGS | given
    assert run.stderr == "a warning of ours\n"
