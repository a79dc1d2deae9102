"""Sweeps: one table from all cores and from a Dask cluster alike, and nothing lost on the way."""

from collections import Counter
from contextlib import contextmanager
import functools
import importlib
import json
import os
from pathlib import Path
import pickle
import re
import signal
import sys
import tempfile
from threading import Thread
import time
from types import ModuleType

import aehelpers
from aehelpers import sweep as sweeps
from aehelpers.progress import Progress
from aehelpers.sweep import sweep, SweepError
from conftest import wait_for
import joblib
from joblib.externals.loky import get_reusable_executor
import numpy as np
import pandas as pd
import pytest
import sweep_speed

GRID = {"size": [2, 8], "rate": [0.5, 0.25]}


def product(size, rate, seed):
    return {"product": size * rate + seed, "kind": "even" if size % 2 == 0 else "odd"}


def calls(folder):
    """What the runs of `noted` have left."""
    return sorted(path.name for path in folder.iterdir())


def noted(folder):
    """Make a function whose runs leave files, since they may be in another process."""

    def function(size, seed):
        Path(folder, f"{size} {seed} {time.monotonic_ns()}").touch()
        return {"twice": 2 * size + seed}

    return function


def test_the_table_has_a_row_for_each_setting_and_seed_in_their_order():
    runs = [(size, rate, seed) for size in (2, 8) for rate in (0.5, 0.25) for seed in (1, 0)]
    expected = pd.DataFrame(
        [(*run, run[0] * run[1] + run[2], "even") for run in runs],
        columns=["size", "rate", "seed", "product", "kind"],
    )
    pd.testing.assert_frame_equal(sweep(product, GRID, [1, 0]), expected)


def test_results_may_be_numpys_numbers_and_functions_those_of_a_notebook():
    table = sweep(lambda size, seed: {"half": np.float32(size) / 2}, {"size": [1]}, [0])
    assert table["half"].tolist() == [0.5]


def test_what_runs_print_is_dropped_on_one_core_too(capsys):
    with joblib.parallel_config("sequential"):
        sweep(lambda size, seed: print("hello") or {"half": size / 2}, {"size": [1]}, [0])
    assert "hello" not in capsys.readouterr().out


@pytest.mark.skipif(joblib.cpu_count() == 1, reason="there is one core")
def test_processes_that_grow_are_replaced_without_a_word(recwarn, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # they take much memory

    def grow(size, seed):
        joblib.grown = [*getattr(joblib, "grown", []), np.ones(45_000_000)]  # stays in the process
        time.sleep(1.1)  # Joblib looks once a second
        return {"process": os.getpid()}

    table = sweep(grow, {"size": range(5)}, [0])
    assert table["process"].nunique() > 2
    assert not recwarn


@pytest.mark.skipif(joblib.cpu_count() == 1, reason="there is one core")
def test_runs_are_side_by_side_and_each_has_one_thread(tmp_path):
    def meet(size, seed):
        # Each run ends only when both have begun.
        (tmp_path / str(size)).touch()
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        return {"threads": os.environ["OMP_NUM_THREADS"]}

    assert sweep(meet, {"size": [0, 1]}, [0])["threads"].tolist() == ["1", "1"]


def test_a_run_that_raises_is_named_with_its_setting_and_loses_no_other():
    def divide(size, seed):
        return {"quotient": 6 / size}

    line = divide.__code__.co_firstlineno + 1
    with pytest.raises(SweepError) as error:
        sweep(divide, {"size": [1, 0, 2]}, [5])
    assert str(error.value) == (
        "1 of 3 runs failed:\n"
        f"size=0, seed=5: ZeroDivisionError: division by zero, in line {line} of divide"
    )
    assert error.value.table["quotient"].tolist() == [6, 3]


@pytest.mark.skipif(joblib.cpu_count() == 1, reason="the process is the caller's on one core")
@pytest.mark.parametrize(
    ("leave", "message"),
    [
        (lambda: os._exit(1), "its process ended, perhaps for lack of memory"),
        (lambda: sys.exit("enough"), "SystemExit: enough, in line .* of stop"),
    ],
)
def test_a_run_that_ends_its_process_is_named_and_loses_no_other(leave, message):
    def stop(size, seed):
        if size == 3:
            leave()
        return {"size once more": size}

    with pytest.raises(
        SweepError, match=f"1 of 6 runs failed:\nsize=3, seed=0: {message}"
    ) as error:
        sweep(stop, {"size": range(6)}, [0])
    assert error.value.table["size"].tolist() == [0, 1, 2, 4, 5]


def test_a_run_may_sweep_itself():
    def outer(width, seed):
        inner = sweep(lambda size, seed: {"product": size * width}, {"size": [1, 2]}, [0])
        return {"sum": int(inner["product"].sum())}

    assert sweep(outer, {"width": [1, 10]}, [0])["sum"].tolist() == [3, 30]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (3, "expected a dict of results, got 3"),
        ({"loss": [1, 2]}, r"expected numbers and words, got 'loss': \[1, 2\]"),
        ({"size": 1}, "expected results named unlike settings, got size"),
        ({"root": 1j}, "expected numbers and words, got 'root': 1j"),
    ],
)
def test_a_result_that_fits_no_table_is_refused(result, message):
    with pytest.raises(SweepError, match=message):
        sweep(lambda size, seed: result, {"size": [1]}, [0])


@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [
        ({}, [0], "grid: expected a dict of settings without the seed, got {}"),
        ([1], [0], r"grid: expected a dict of settings without the seed, got \[1\]"),
        ({"seed": [1]}, [0], "grid: expected a dict of settings without the seed, got"),
        ({"size": [1]}, [], r"seeds: expected a sequence of values, got \[\]"),
        ({"size": [1]}, 5, "seeds: expected a sequence of values, got 5"),
        ({"size": 1}, [0], r"grid\['size'\]: expected a sequence of values, got 1"),
        ({"size": []}, [0], r"grid\['size'\]: expected a sequence of values, got \[\]"),
        ({"size": "large"}, [0], r"grid\['size'\]: expected a sequence of values, got 'large'"),
        ({"size": [1]}, b"ab", "seeds: expected a sequence of values, got b'ab'"),
        ({"size": pd.DataFrame([1])}, [0], r"grid\['size'\]: expected a sequence of values, got "),
        ({"size": [1]}, [-1], "seed: expected a whole number from 0, got -1"),
        ({"width": [1]}, [0], "function: expected one that takes width, seed, but: .*'size'"),
    ],
)
def test_bad_arguments_are_named_before_anything_runs(tmp_path, grid, seeds, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sweep(noted(tmp_path), grid, seeds)
    assert calls(tmp_path) == []


# ---- Runs that are kept ----


@pytest.fixture
def run_with_folder(tmp_path):
    """Sweep over three sizes with kept runs; tell the table, and which runs there were anew."""
    notes, kept = tmp_path / "notes", tmp_path / "new" / "kept"
    notes.mkdir()

    def run(function=None, sizes=(1, 2, 3)):
        before = calls(notes)
        table = sweep(function or noted(str(notes)), {"size": sizes}, [0], folder=kept)
        return table, [name.split()[0] for name in calls(notes) if name not in before]

    run.notes, run.kept = notes, kept
    return run


def test_kept_runs_are_not_run_again_and_give_the_same_table(run_with_folder):
    first, ran = run_with_folder()
    assert ran == ["1", "2", "3"]
    again, ran = run_with_folder(sizes=(1, 2, 3, 4))
    assert ran == ["4"]
    pd.testing.assert_frame_equal(again[:3], first)


# joblib tells a person who interrupts it that it gives up the runs that are not done.
@pytest.mark.filterwarnings("ignore:.* tasks which were still being processed:UserWarning")
# On a busy machine its thread may just then have wanted to start one of them.
@pytest.mark.filterwarnings("ignore:Exception in thread ExecutorManagerThread")
def test_an_interrupted_sweep_goes_on_where_it_was(run_with_folder, monkeypatch):
    def interrupt(self, text):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_with_folder()
    (kept,) = run_with_folder.kept.iterdir()
    (done,) = re.findall(r"size=(\d)", kept.read_text())
    get_reusable_executor().shutdown()  # waits for runs that had begun, and lets no others begin
    table, ran = run_with_folder()
    assert ran == [size for size in "123" if size != done]
    assert table["twice"].tolist() == [2, 4, 6]


def scaled(function, factor):
    def inner(size, seed):
        return {"twice": factor * function(size, seed)["twice"]}

    return inner


def test_what_a_function_uses_is_part_of_it(run_with_folder):
    function = noted(str(run_with_folder.notes))
    run_with_folder(scaled(function, 1))
    assert run_with_folder(scaled(function, 1))[1] == []
    table, ran = run_with_folder(scaled(function, np.float32(2)))
    assert (table["twice"].tolist(), ran) == ([4, 8, 12], ["1", "2", "3"])


def wrapped(function, factor):
    return functools.wraps(function)(scaled(function, factor))


def test_functions_of_one_line_and_those_that_wrap_the_same_are_told_apart(run_with_folder):
    one, ten = lambda size, seed: {"twice": size}, lambda size, seed: {"twice": 10 * size}
    for function, factor in ((one, 1), (ten, 10), (wrapped(one, 2), 2), (wrapped(ten, 3), 30)):
        table, _ = run_with_folder(function)
        assert table["twice"].tolist() == [factor, 2 * factor, 3 * factor]
    assert len(calls(run_with_folder.kept)) == 12


def test_a_function_that_wraps_one_of_a_package_is_not_taken_for_that(run_with_folder):
    for factor in (1, 2):
        function = scaled(lambda size, seed: {"twice": size}, factor)
        function.__module__, function.__qualname__ = "numpy", "mean"  # as functools.wraps does
        table, _ = run_with_folder(function)
        assert table["twice"].tolist() == [factor, 2 * factor, 3 * factor]


@pytest.mark.parametrize("address", ["localhost", "nonsense://host:1"])
def test_what_is_no_address_of_a_scheduler_is_refused_by_name(address):
    with pytest.raises(ValueError, match=f"scheduler: expected an address .* got '{address}'"):
        sweep(lambda size, seed: {"twice": size}, {"size": [1]}, [0], scheduler=address)


def test_a_sweep_whose_runs_are_all_kept_asks_no_scheduler(run_with_folder):
    table, _ = run_with_folder()
    function, kept = noted(str(run_with_folder.notes)), run_with_folder.kept
    nobody = "tcp://127.0.0.1:1"
    again = sweep(function, {"size": [1, 2, 3]}, [0], folder=kept, scheduler=nobody)
    pd.testing.assert_frame_equal(again, table)


def test_a_function_that_one_of_a_package_wraps_is_told_apart(run_with_folder):
    for factor in (1, 2):

        @contextmanager
        def lent(factor=factor):
            yield factor

        def function(size, seed, lent=lent):
            with lent() as factor:
                return {"twice": factor * size}

        table, _ = run_with_folder(function)
        assert table["twice"].tolist() == [factor, 2 * factor, 3 * factor]


def test_where_a_function_stands_is_no_part_of_it(run_with_folder):
    for lines in range(2):
        found = {"__name__": __name__}
        exec("\n" * lines + 'def function(size, seed): return {"twice": size}', found)
        run_with_folder(found["function"])
    assert len(calls(run_with_folder.kept)) == 3


def test_what_a_function_imports_is_part_of_it(run_with_folder):
    def tenfold(size, seed):
        import decimal

        return {"twice": int(decimal.Decimal(10 * size))}

    def with_a_module_of_my_own(size, seed):
        import of_my_own

        return {"twice": of_my_own}

    assert run_with_folder(tenfold)[0]["twice"].tolist() == [10, 20, 30]
    with pytest.raises(TypeError, match="got one that uses <module 'of_my_own'>"):
        run_with_folder(with_a_module_of_my_own)


@pytest.mark.skipif(joblib.cpu_count() == 1, reason="there are no other processes")
def test_a_module_that_changed_is_not_run_as_it_was_before(run_with_folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would be that of the same second
    file = tmp_path / "experiment.py"
    file.write_text("def function(size, seed):\n    return {'twice': size}\n")
    module = importlib.import_module("experiment")
    assert run_with_folder(module.function)[0]["twice"].tolist() == [1, 2, 3]
    file.write_text("def function(size, seed):\n    return {'twice': 2 * size}\n")
    importlib.reload(module)
    failed = []
    try:
        assert run_with_folder(module.function)[0]["twice"].tolist() == [2, 4, 6]
    except SweepError as error:  # of processes that have it as it was before
        _, *failed = str(error).splitlines()
    for line in failed:
        assert "another version of the function" in line
    del sys.modules["experiment"]


defaults = 1  # a function's own are called so, too


def test_a_name_like_that_of_a_functions_own_values_is_told_apart(run_with_folder, monkeypatch):
    def function(size, seed):
        return {"twice": defaults * size}

    assert run_with_folder(function)[0]["twice"].tolist() == [1, 2, 3]
    monkeypatch.setitem(globals(), "defaults", 2)
    assert run_with_folder(function)[0]["twice"].tolist() == [2, 4, 6]


real = object()  # which cannot be kept, and has the name of an attribute


def test_the_package_is_the_one_that_was_loaded_and_another_one_is_told_apart(
    run_with_folder, monkeypatch, tmp_path
):
    with joblib.parallel_config("sequential"):
        run_with_folder()
        (tmp_path / "data.py").write_text("# edited, but not loaded yet\n")
        monkeypatch.setattr(aehelpers, "__file__", str(tmp_path / "__init__.py"))
        assert run_with_folder()[1] == []
        monkeypatch.setattr(sweeps, "_CONTEXT", ["another package"])
        assert run_with_folder()[1] == ["1", "2", "3"]


def test_a_process_that_has_loaded_another_version_of_the_package_says_so(monkeypatch):
    def function(size, seed):
        return {"twice": 2 * size}

    identity = sweeps._versions(function)
    run = (function, identity, 0, {"size": 1, "seed": 0})
    assert sweeps._run(*run) == (0, {"twice": 2})
    monkeypatch.setattr(sweeps, "_CONTEXT", ["another package"])
    _, said = sweeps._run(*run)
    assert "another version of the function, or of what it uses" in said


def test_arrays_that_hold_more_than_numbers_are_refused(run_with_folder):
    for held in (np.ma.array([1, 2], mask=[0, 1]), np.array([(1, real)], "i4, O")):

        def function(size, seed, held=held):
            return {"twice": 2 * size}

        with pytest.raises(TypeError, match="got one that uses"):
            run_with_folder(function)


@pytest.mark.skipif(joblib.cpu_count() == 1, reason="there are no other processes")
def test_a_large_array_is_the_same_in_all_processes(run_with_folder):
    held = np.arange(10**6)  # which joblib puts into a file, for the processes to share
    table, _ = run_with_folder(lambda size, seed: {"twice": int(held[2 * size])})
    assert table["twice"].tolist() == [2, 4, 6]


def test_an_attribute_is_not_taken_for_what_happens_to_have_its_name(run_with_folder):
    table, _ = run_with_folder(lambda size, seed: {"twice": 2 * size.real})
    assert table["twice"].tolist() == [2, 4, 6]
    with pytest.raises(TypeError, match="got one that uses <object"):
        run_with_folder(lambda size, seed: {"twice": str(real)})


def test_an_error_of_a_sweep_keeps_its_table_between_processes():
    error = SweepError("1 of 2 runs failed", pd.DataFrame({"seed": [0]}))
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "1 of 2 runs failed"
    pd.testing.assert_frame_equal(again.table, error.table)


def counting(step):
    def down(size):
        return 0 if size <= 0 else across(size)

    def across(size):
        return 1 + down(size - step)

    return lambda size, seed: {"steps": down(size)}


def test_functions_that_call_each_other_are_part_of_it_too(run_with_folder):
    for _ in range(2):
        table, _ = run_with_folder(counting(1))
        assert table["steps"].tolist() == [1, 2, 3]
        assert len(calls(run_with_folder.kept)) == 3
    table, _ = run_with_folder(counting(2))
    assert table["steps"].tolist() == [1, 1, 2]
    assert len(calls(run_with_folder.kept)) == 6


@pytest.mark.parametrize("used", [object(), ModuleType("of_my_own")])
def test_a_function_that_uses_what_cannot_be_identified_is_refused(run_with_folder, used):
    with pytest.raises(TypeError, match=re.escape(f"got one that uses {used}")):
        run_with_folder(scaled(noted(str(run_with_folder.notes)), used))


def damage(content):
    return json.dumps(content | {"result": {"twice": 7}})


@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: json.dumps(content)[:40],
        damage,
        lambda content: "[]",
        lambda content: "[" * 100_000,
    ],
)
def test_a_damaged_file_is_run_again_and_mended(run_with_folder, damaged):
    expected, _ = run_with_folder()
    path = next(path for path in run_with_folder.kept.iterdir() if "size=2" in path.read_text())
    path.write_text(damaged(json.loads(path.read_text())))
    for again in (["2"], []):
        table, ran = run_with_folder()
        assert ran == again
        pd.testing.assert_frame_equal(table, expected)


def test_two_sweeps_may_share_a_folder_and_leave_nothing_unfinished(run_with_folder):
    thread = Thread(target=run_with_folder)
    thread.start()
    table, _ = run_with_folder()
    thread.join()
    assert table["twice"].tolist() == [2, 4, 6]
    assert [path.suffix for path in run_with_folder.kept.iterdir()] == [".json"] * 3


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(tmp_path):
    file = tmp_path / "file"
    file.touch()
    notes = tmp_path / "notes"
    notes.mkdir()
    with pytest.raises(OSError, match="file"):
        sweep(noted(notes), {"size": [1]}, [0], folder=file)
    assert calls(notes) == []


def test_runs_that_are_all_kept_may_lie_in_a_folder_that_cannot_be_written(
    run_with_folder, monkeypatch
):
    def refuse(*_, **__):
        raise PermissionError("read-only")

    expected, _ = run_with_folder()
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)  # root may write everywhere
    table, _ = run_with_folder()
    pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(PermissionError, match="read-only"):
        run_with_folder(sizes=(1, 4))


# ---- A Dask cluster ----


@pytest.fixture
def cluster():
    with sweep_speed.cluster(workers=2, threads=2) as found:
        yield found


def test_a_cluster_that_loses_a_worker_gives_the_same_table(cluster, tmp_path):
    address, workers = cluster
    notes = tmp_path / "notes"
    notes.mkdir()

    data = np.ones(2_000_000)  # so large that Dask warns, and a warning fails, if each run gets it

    def slow(size, rate, seed):
        assert data.all()
        os.environ["SEED"] = str(seed)  # the process has one, as it has one seed of Keras
        Path(notes, f"{os.getpid()} {size} {rate} {seed}").touch()
        time.sleep(0.3)
        return product(size, rate, seed) | {"found": int(os.environ["SEED"])}

    def at_third_run():  # the results of two must not be lost with it
        begun = Counter(name.split()[0] for name in calls(notes))
        return [worker for worker in workers if begun[str(worker.pid)] >= 3]

    def kill():
        wait_for(at_third_run)  # of twelve runs, one of two workers has that many
        os.kill(at_third_run()[0].pid, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    table = sweep(slow, GRID, range(3), scheduler=address)
    killer.join()
    assert -signal.SIGKILL in [worker.poll() for worker in workers]
    expected = sweep(product, GRID, range(3)).assign(found=lambda table: table["seed"])
    pd.testing.assert_frame_equal(table, expected)
    ran = [name.split()[1:] for name in calls(notes)]
    # Twelve runs, and again the one that the lost worker had begun; two, if it had just ended one.
    assert len(ran) in (13, 14)


def test_a_cluster_that_loses_the_worker_of_the_last_run_goes_on_and_keeps_the_results(
    cluster, tmp_path
):
    address, _ = cluster
    notes, kept = tmp_path / "notes", tmp_path / "kept"
    notes.mkdir()

    def last(size, seed):
        if size == 1 and not list(notes.iterdir()):
            Path(notes, "begun").touch()
            time.sleep(7)  # Dask leaves the function to this worker alone: it needs some seconds
            os._exit(1)
        return {"size once more": size}

    for _ in range(2):
        table = sweep(last, {"size": [0, 1]}, [0], scheduler=address, folder=kept)
        assert table["size once more"].tolist() == [0, 1]
        assert len(list(kept.iterdir())) == 2


def test_sweeps_side_by_side_on_a_cluster_take_no_result_from_each_other(cluster, tmp_path):
    address, _ = cluster

    def slow(size, seed):
        Path(tmp_path, str(time.monotonic_ns())).touch()
        time.sleep(0.5)
        return {"size once more": size}

    arguments = {"grid": {"size": [1, 2]}, "seeds": [0], "scheduler": address}
    threads = [Thread(target=sweep, args=(slow,), kwargs=arguments) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls(tmp_path)) == 4


def test_a_run_that_ends_every_worker_is_named_and_the_sweep_ends(monkeypatch):
    # It is given up after the first; and with it, perhaps, one that waited there.
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")

    def stop(size, seed):
        time.sleep(0.5)
        if size == 1:
            os._exit(1)
        return {"size once more": size}

    with (
        sweep_speed.cluster(workers=2, threads=1) as (address, _),
        pytest.raises(SweepError) as found,
    ):
        sweep(stop, {"size": range(4)}, [0], scheduler=address)
    named = [int(size) for size in re.findall("size=(\\d), seed=0: KilledWorker", str(found.value))]
    assert 1 in named
    done = found.value.table.get("size once more", [])  # the table is empty if all waited there
    assert sorted([*named, *done]) == [0, 1, 2, 3]
