"""Tests of re-execution: what is stored, that it stays the same, and that failure loses nothing."""

from contextlib import nullcontext
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from types import SimpleNamespace

from conftest import ROOT, wait_for
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
import pytest
import refresh

RICH = [
    new_markdown_cell("# Title"),
    new_code_cell(
        "import sys\nfrom pathlib import Path\n\nprint(Path('data.txt').read_text())",
        id="reads",
        execution_count=7,
        metadata={
            "execution": {"iopub.status.idle": "2020-01-01T00:00:00Z"},
            "tags": ["hide-input"],
            "tolerance": {"absolute": 0.5},
        },
        outputs=[new_output("stream", text="stale\n")],
    ),
    new_code_cell("print(sys.executable)", id="kernel"),
    new_code_cell(
        "progress = display({'text/plain': 'epoch 1'}, raw=True, display_id=True)\n"
        "print('begin', flush=True)\n"
        "print('warning', file=sys.stderr, flush=True)\n"
        "print('end')\n"
        "progress.update({}, raw=True)\n"
        "table = display({'text/plain': 'wait'}, raw=True, display_id=True)\n"
        "table.update({'text/plain': 'done'}, raw=True)",
        id="shows",
    ),
    new_code_cell(
        "import matplotlib.pyplot as plt\n\nplt.plot([0, 1])\nplt.show()",
        id="plots",
    ),
    new_code_cell(
        "1 / 0",
        id="raises",
        metadata={"tags": ["raises-exception"], "reason": "shows what happens"},
    ),
    new_code_cell("6 * 7", id="result"),
]


def write(path, cells):
    metadata = {"kernelspec": {"name": "old", "display_name": "Old", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


def start(*arguments, folder, program=(ROOT / "tools" / "refresh.py",)):
    # A kernel that a user installed under the usual name must not be taken.
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True, exist_ok=True)
    spec = {"argv": ["false"], "display_name": "Other", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("PYTEST_")}
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=folder.parent,
        env=environment | {"JUPYTER_PATH": str(folder / "jupyter")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*arguments, **options):
    with start(*arguments, **options) as process:
        stdout, stderr = process.communicate()
    return SimpleNamespace(returncode=process.returncode, stdout=stdout, stderr=stderr)


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory):
    """A folder in which a rich notebook and one with an error were refreshed, and what was said."""
    folder = tmp_path_factory.mktemp("refreshed")
    (folder / "data.txt").write_text("found")
    write(folder / "rich.ipynb", RICH)
    write(folder / "error.ipynb", [new_code_cell("x = 1"), new_code_cell("x['key']")])
    (folder / "error_before.ipynb").write_bytes((folder / "error.ipynb").read_bytes())
    result = run(folder / "error.ipynb", folder / "rich.ipynb", folder=folder)
    notebook = nbformat.read(folder / "rich.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    return SimpleNamespace(folder=folder, result=result, notebook=notebook, cells=cells)


def test_outputs_come_from_the_folder_of_the_notebook(refreshed):
    assert [output.text for output in refreshed.cells["reads"].outputs] == ["found\n"]


def test_kernel_is_this_interpreter_whatever_the_user_installed(refreshed):
    assert refreshed.cells["kernel"].outputs[0].text == f"{sys.executable}\n"


def test_streams_are_joined_and_displays_have_their_final_content(refreshed):
    stdout, stderr, table = refreshed.cells["shows"].outputs
    assert (stdout.name, stdout.text) == ("stdout", "begin\nend\n")
    assert (stderr.name, stderr.text) == ("stderr", "warning\n")
    assert table.data == {"text/plain": "done"}


def test_cells_are_counted_from_one(refreshed):
    assert [cell.execution_count for cell in refreshed.cells.values()] == [1, 2, 3, 4, 5, 6]


def test_only_times_leave_the_metadata_of_cells(refreshed):
    kept = {"tags": ["hide-input"], "tolerance": {"absolute": 0.5}}
    assert refreshed.cells["reads"].metadata == kept
    assert list(refreshed.cells) == ["reads", "kernel", "shows", "plots", "raises", "result"]
    assert refreshed.cells["plots"].metadata == {}


def test_metadata_of_the_notebook_names_no_version_of_python(refreshed):
    metadata = refreshed.notebook.metadata
    assert set(metadata) == {"kernelspec", "language_info"}
    assert metadata.kernelspec == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    assert metadata.language_info.name == "python"
    assert metadata.language_info.pygments_lexer == "ipython3"
    assert sys.version.split()[0] not in (refreshed.folder / "rich.ipynb").read_text()


def test_error_is_told_with_its_cell_the_file_stays_and_other_notebooks_are_run(refreshed):
    result, folder = refreshed.result, refreshed.folder
    assert result.returncode == 1
    failed, changed = result.stdout.splitlines()
    assert failed.startswith("error.ipynb")
    assert failed.endswith("failed: In [2] raised TypeError: 'int' object is not subscriptable")
    assert changed.startswith("rich.ipynb")
    assert changed.endswith("s  changed")
    before = (folder / "error_before.ipynb").read_bytes()
    assert (folder / "error.ipynb").read_bytes() == before


def test_second_refresh_changes_nothing_and_leaves_nothing_behind(refreshed):
    before = (refreshed.folder / "rich.ipynb").stat(), list(refreshed.folder.iterdir())
    result = run(refreshed.folder / "rich.ipynb", folder=refreshed.folder)
    assert result.returncode == 0
    assert result.stdout.endswith("s  unchanged\n")
    after = (refreshed.folder / "rich.ipynb").stat(), list(refreshed.folder.iterdir())
    assert (after[0].st_mtime_ns, after[0].st_ino) == (before[0].st_mtime_ns, before[0].st_ino)
    assert after[1] == before[1]


def test_refreshed_notebook_passes_the_check(refreshed):
    options = ["-c", ROOT / "pyproject.toml", "--rootdir", refreshed.folder, "-n", "0"]
    result = run(
        *options,
        refreshed.folder / "rich.ipynb",
        folder=refreshed.folder,
        program=("-m", "pytest"),
    )
    assert result.returncode == 0, result.stdout
    assert "6 passed" in result.stdout


@pytest.mark.parametrize("name", ["missing.ipynb", "data.txt"])
def test_name_that_is_no_notebook_is_refused_before_anything_runs(refreshed, name):
    folder = refreshed.folder
    before = (folder / "rich.ipynb").stat().st_mtime_ns
    result = run(folder / "rich.ipynb", folder / name, folder=folder)
    assert result.returncode == 2
    assert f"expected an existing .ipynb file, got '{folder / name}'" in result.stderr
    assert (folder / "rich.ipynb").stat().st_mtime_ns == before


def test_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "old.ipynb"
    write(path, [new_code_cell("x = 1")])
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        refresh.write(new_notebook(cells=[new_code_cell("x = 2")]), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_written_notebook_is_formatted_as_jupyter_does(tmp_path):
    path = tmp_path / "new.ipynb"
    path.write_text("old")
    notebook = new_notebook(cells=[new_markdown_cell("# Größe")])
    assert refresh.write(notebook, path)
    nbformat.write(notebook, tmp_path / "jupyter.ipynb")
    assert path.read_bytes() == (tmp_path / "jupyter.ipynb").read_bytes()
    assert not refresh.write(notebook, path)


def test_a_kernel_that_dies_and_a_file_that_is_cut_off_are_told_and_lose_no_other(tmp_path):
    names = ("cut", "dies", "good")
    cut, dies, good = (tmp_path / f"{name}.ipynb" for name in names)
    write(dies, [new_code_cell("import os\n\nos._exit(1)")])
    write(good, [new_code_cell("6 * 7")])
    cut.write_text(good.read_text()[:-20])
    before = cut.read_bytes(), dies.read_bytes()
    result = run(cut, dies, good, folder=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    of_cut, of_dead, of_good = result.stdout.splitlines()
    assert re.match(r"cut\.ipynb .* failed: .*JSON", of_cut)
    assert re.match(r"dies\.ipynb .* failed: Kernel died", of_dead)
    assert re.match(r"good\.ipynb .* changed$", of_good)
    assert (cut.read_bytes(), dies.read_bytes()) == before


def test_a_notebook_that_is_saved_while_it_runs_stays_as_it_was_saved(tmp_path):
    path, begun, saved = (tmp_path / name for name in ("slow.ipynb", "begun", "saved"))
    code = (
        "import pathlib, time\n\n"
        "pathlib.Path('begun').touch()\n"
        "while not pathlib.Path('saved').exists():\n"
        "    time.sleep(0.02)"
    )
    write(path, [new_code_cell(code)])
    with start(path, folder=tmp_path) as process:
        wait_for(begun.exists)
        write(path, [new_code_cell(code), new_code_cell("x = 'typed meanwhile'")])
        edited = path.read_bytes()
        saved.touch()
        stdout, _ = process.communicate()
    assert process.returncode == 1
    assert "failed: the file was saved while it ran" in stdout
    assert path.read_bytes() == edited


def test_whatever_the_tests_execute_is_refreshed_if_no_notebook_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["refresh.py"])
    pool = SimpleNamespace(map=lambda _, paths: [(True, "changed", 0.0) for _ in paths])
    monkeypatch.setattr(refresh, "ProcessPoolExecutor", lambda _: nullcontext(pool))
    with pytest.raises(SystemExit):
        refresh.main()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    folders = settings["ini_options"]["testpaths"]
    executed = {path.name for folder in folders for path in (ROOT / folder).glob("*.ipynb")}
    told = re.findall(r"^(\w+\.ipynb) .*  changed$", capsys.readouterr().out, re.MULTILINE)
    assert sorted(told) == sorted(executed)


def test_an_interrupted_refresh_leaves_the_file_alone_and_no_kernel_behind(tmp_path):
    path, begun = tmp_path / "slow.ipynb", tmp_path / "begun"
    code = (
        "import os, pathlib, time\n\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "os.rename('pid', 'begun')  # now it is complete\n"
        "time.sleep(60)"
    )
    write(path, [new_code_cell(code)])
    before = path.read_bytes()
    with start(path, folder=tmp_path) as process:
        wait_for(begun.exists)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert path.read_bytes() == before
    assert {it.name for it in tmp_path.iterdir()} == {"begun", "jupyter", "slow.ipynb"}
    wait_for(lambda: not is_running(int(begun.read_text())))


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
