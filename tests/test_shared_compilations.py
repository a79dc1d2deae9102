"""Tests of the plugin that lets processes share compiled code."""

import os
from pathlib import Path
import subprocess
import sys

from compilations import OPTION, VARIABLE
from conftest import ROOT

PLUGINS = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tools")])

# Two processes compile the same function one after the other; the test prints where it is kept.
TOY = f"""
import os
from pathlib import Path
import subprocess
import sys

COMPILES = '''
import tensorflow as tf
double = tf.function(lambda x: 2 * x, jit_compile=True)
assert double(tf.constant(2.0)) == 4
'''

def test_second_compiles_nothing():
    folder = Path(os.environ["{VARIABLE}"].partition("{OPTION}")[2])
    print("kept in", folder)
    written = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", COMPILES], check=True)
        written.append({{path: path.stat().st_mtime_ns for path in folder.iterdir()}})
    assert written[0]
    assert written[1] == written[0]
"""


def run_toy(folder, text, variables):
    """Run a test of this text under the plugin, in a run of its own."""
    toy = folder / "test_toy.py"
    toy.write_text(text)
    outside = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "shared_compilations", "-s", toy],
        env=outside | {"PYTHONPATH": PLUGINS} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_one_process_has_compiled_others_load_until_the_run_ends(tmp_path):
    run = run_toy(tmp_path, TOY, {})
    assert run.returncode == 0, run.stdout
    kept = Path(run.stdout.partition("kept in ")[2].partition("\n")[0])
    assert kept.is_absolute()
    assert not kept.exists()


PRINTS = f"import os\ndef test_prints(): print('flags', os.environ['{VARIABLE}'])"


def test_flags_of_somebody_are_kept(tmp_path):
    run = run_toy(tmp_path, PRINTS, {VARIABLE: "--tf_xla_max_cluster_size=7"})
    assert run.returncode == 0, run.stdout
    assert f"flags --tf_xla_max_cluster_size=7 {OPTION}/" in run.stdout


def test_a_run_within_a_run_shares_its_folder(tmp_path):
    run = run_toy(tmp_path, PRINTS, {VARIABLE: f"{OPTION}/x"})
    assert run.returncode == 0, run.stdout
    assert f"flags {OPTION}/x\n" in run.stdout
