"""The helpers with damaged files, full disks, and folders that may not be written."""

from contextlib import contextmanager, suppress
import os
from pathlib import Path
import resource
import subprocess
import tempfile

from aehelpers import data
from aehelpers import sweep as sweeps
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import assert_same, content, MADE_UP, measured
import nbformat
from nbformat.v4 import new_code_cell, new_notebook
import numpy as np
import pandas as pd
import pytest
import refresh
from test_data import content as ten_digits

pytestmark = pytest.mark.usefixtures("alone")


# ---- Damaged files ----


def damaged(whole, place, byte):
    """With another byte at a place, or cut off there if there is none."""
    place %= len(whole)
    return whole[:place] + (b"" if byte is None else bytes([byte]) + whole[place + 1 :])


damages = {"place": st.integers(0, 9_999), "byte": st.none() | st.integers(0, 255)}


@settings(MADE_UP, max_examples=50)
@given(**damages)
def test_a_kept_run_that_is_damaged_anywhere_does_no_harm(place, byte):
    with tempfile.TemporaryDirectory() as folder:
        expected = sweeps.sweep(measured, {"size": [3], "rate": [0.5]}, [7], folder=folder)
        (kept,) = Path(folder).iterdir()
        kept.write_bytes(damaged(kept.read_bytes(), place, byte))
        again = sweeps.sweep(measured, {"size": [3], "rate": [0.5]}, [7], folder=folder)
    pd.testing.assert_frame_equal(again, expected)


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A file with ten digits, which are the full edition."""
    digest = data._digest(data.Digits(**ten_digits()))
    monkeypatch.setitem(data._EDITIONS, "full", data._Edition(6, 4, digest))
    np.savez(tmp_path / "mnist.npz", **ten_digits())
    return tmp_path / "mnist.npz"


@settings(MADE_UP, max_examples=50)
@given(**damages)
def test_a_named_file_that_is_damaged_anywhere_is_refused_or_holds_the_same(full, place, byte):
    named = full.with_name("named.npz")
    named.write_bytes(damaged(full.read_bytes(), place, byte))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(data.MNIST_VARIABLE, str(full))
        expected = data.load_mnist("full")
        patch.setenv(data.MNIST_VARIABLE, str(named))
        try:
            assert_same(content(data.load_mnist("full")), content(expected))
        except ValueError as error:
            message = str(error)
        else:
            return
    assert message.startswith(f"{data.MNIST_VARIABLE}: {named}: ")


# ---- A full disk, and folders that may not be written ----


@contextmanager
def full_disk(folder):
    """No room is left on the small disk of the folder."""
    if not folder.is_mount():
        pytest.skip("a disk of its own, to fill it, takes the rights of root")
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def short_files(folder):
    """Whatever is written breaks off after some bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def read_only_folder(folder):
    folder.chmod(0o555)
    try:
        with ordinary_user():
            yield
    finally:
        folder.chmod(0o755)


@contextmanager
def ordinary_user():
    """Without the right of root to read and write everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def folder():
    """A folder that all may read, on a small disk of its own where that is allowed."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        disk = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        path.chmod(0o755)
        yield path
        if disk.returncode == 0:
            subprocess.run(["umount", path], check=True)


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


surroundings = pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (full_disk, "No space left on device"),
        (short_files, "File too large"),
        (read_only_folder, "Permission denied"),
    ],
)


@surroundings
def test_a_sweep_that_cannot_keep_a_run_names_the_folder_and_goes_on_later(folder, bad, reason):
    grid = {"size": [1, 2], "rate": [0.5]}
    sweeps.sweep(measured, grid | {"size": [1]}, [0], folder=folder)
    kept = files_in(folder)
    with bad(folder), pytest.raises(OSError, match=f"{reason}: '{folder}"):
        sweeps.sweep(measured, grid, [0], folder=folder)
    assert files_in(folder) == kept
    assert sweeps.sweep(measured, grid, [0], folder=folder)["loss"].tolist() == [0.5, 1]
    assert files_in(folder).items() > kept.items()


@surroundings
def test_a_notebook_that_cannot_be_written_stays_as_it_was(folder, bad, reason, monkeypatch):
    path = folder / "old.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("x = 1", id="a")]), path)
    before = files_in(folder)
    executed = new_notebook(cells=[new_code_cell("x = 2", id="a")])
    monkeypatch.setattr(refresh, "execute", lambda *_: executed)
    with bad(folder):
        succeeded, outcome, _ = refresh.refresh(path)
    assert not succeeded
    assert outcome.startswith("failed: ")
    assert reason in outcome
    assert files_in(folder) == before


def test_a_download_that_fills_the_disk_is_an_error_and_the_next_one_mends_it(
    full, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(data, "_MNIST_URL", full.as_uri())
    with (
        short_files(tmp_path),
        pytest.raises(FileNotFoundError, match=r"three ways.*File too large"),
    ):
        data.load_mnist("full")
    assert not data.full_mnist_available()
    assert len(data.load_mnist("full").x_train) == 6
    assert capsys.readouterr().out == "MNIST full: 6 training and 4 test digits\n"


def test_a_named_file_that_may_not_be_read_is_refused_for_that(folder, monkeypatch):
    named = folder / "named.npz"
    np.savez(named, **ten_digits())
    named.chmod(0)
    monkeypatch.setenv(data.MNIST_VARIABLE, str(named))
    message = f"{data.MNIST_VARIABLE}: .*Permission denied: '{named}'"
    with ordinary_user(), pytest.raises(PermissionError, match=message):
        data.load_mnist("full")
