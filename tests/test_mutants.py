"""Tests of mutation testing: which mutants there are, what came of them, and who has to explain."""

from contextlib import closing, contextmanager
import os
import socket
import sqlite3
import subprocess
import sys

from conftest import rows_of_table
import mutants
import pytest

# The tables


def test_nine_in_ten_mutants_of_the_package_are_killed_and_the_table_adds_up():
    table = rows_of_table(mutants.TABLE)
    assert [row["module"] for row in table] == mutants.module_names()
    total = {name: sum(int(row[name]) for row in table) for name in ("run", "killed", "survived")}
    assert total["killed"] + total["survived"] == total["run"]
    assert total["killed"] >= 0.9 * total["run"]
    assert all(int(row["run"]) <= int(row["mutants"]) for row in table)


def test_each_survivor_is_explained_and_its_code_still_stands_there():
    for row in rows_of_table(mutants.SURVIVORS):
        assert row["why it is no fault"], row
        code = (mutants.ROOT / "aehelpers" / f"{row['module']}.py").read_text(encoding="utf-8")
        assert row["code"] in " ".join(code.split()), row


# A session


def session(path, *specs):
    """A database like Cosmic Ray's, of operators, outcomes and differences."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE work_items (job_id)")
        database.execute(
            "CREATE TABLE mutation_specs (job_id, operator_name, occurrence, "
            "start_pos_row, start_pos_col, definition_name)"
        )
        database.execute("CREATE TABLE work_results (job_id, test_outcome, diff)")
        for i, (operator, result, diff) in enumerate(specs):
            database.execute("INSERT INTO work_items VALUES (?)", [i])
            spec = (i, operator, 0, 10 - i, 0, "twice")
            database.execute("INSERT INTO mutation_specs VALUES (?, ?, ?, ?, ?, ?)", spec)
            if result:
                database.execute("INSERT INTO work_results VALUES (?, ?, ?)", [i, result, diff])
    return path


def left_in(path):
    with closing(sqlite3.connect(path)) as database:
        ours = "SELECT operator_name FROM mutation_specs NATURAL JOIN work_items ORDER BY job_id"
        return [operator for (operator,) in database.execute(ours)]


def test_an_operator_is_replaced_by_one_of_its_kind_and_numbers_and_conditions_change(tmp_path):
    kept = [
        "core/NumberReplacer",
        "core/AddNot",
        "core/ReplaceBinaryOperator_Add_Sub",
        "core/ReplaceComparisonOperator_Lt_LtE",
        "core/ReplaceUnaryOperator_USub_UAdd",
    ]
    dropped = ["core/ReplaceBinaryOperator_Add_LShift", "core/ReplaceComparisonOperator_Lt_Is"]
    path = session(tmp_path / "a", *((name, None, None) for name in [*kept, *dropped]))
    mutants.thin_out(path, None)
    assert left_in(path) == kept


def test_a_sample_is_as_large_as_asked_for_and_always_the_same(tmp_path):
    specs = [(f"core/Some{i:02}", None, None) for i in range(40)]
    samples = []
    for name in ("a", "b"):
        path = session(tmp_path / name, *specs)
        mutants.thin_out(path, 7)
        samples.append(left_in(path))
    assert len(samples[0]) == 7
    assert samples[0] == samples[1] != [name for name, *_ in specs[:7]]


DIFF = """--- mutation diff ---
--- a/aehelpers/numbers.py
+++ b/aehelpers/numbers.py
@@ -1,3 +1,3 @@
 def twice(number):
-    return 2 * number
+    return {} * number
"""


def test_the_outcome_counts_and_tells_the_code_of_survivors_and_of_those_without_a_result(tmp_path):
    path = session(
        tmp_path / "a",
        ("core/NumberReplacer", "KILLED", DIFF.format(1)),
        ("core/NumberReplacer", "SURVIVED", DIFF.format(3)),
        ("core/AddNot", "INCOMPETENT", DIFF.format("not 2")),
        ("core/AddNot", None, None),  # the run was interrupted
    )
    mutants.thin_out(path, None)
    row, survivors = mutants.outcome(path, "numbers")
    assert row == ["numbers", 4, 3, 1, 2, "33.3%"]
    assert survivors == [
        ("numbers", "twice", "return 2 * number", "return not 2 * number"),
        ("numbers", "twice", "return 2 * number", "return 3 * number"),
    ]


@pytest.fixture
def tables(tmp_path):
    """Both tables, and a package of two modules, as the last arguments of `record`."""
    (tmp_path / "numbers.py").write_text("ONE = 1\n")
    (tmp_path / "letters.py").write_text("A = 1\n")
    return tmp_path / "table.csv", tmp_path / "listed.csv", tmp_path


def test_explanations_stay_with_their_mutants_and_new_survivors_want_one(tables):
    table, listed, _ = tables
    first, second = ("numbers", "", "ONE = 1", "ONE = 2"), ("numbers", "", "ONE = 1", "ONE = 0")
    other = ("letters", "", "A = 1", "A = 2")
    assert mutants.record(["letters", 9, 9, 8, 1, "88.9%"], [other], *tables) == [other]
    mutants.record(["numbers", 9, 9, 8, 1, "88.9%"], [first], *tables)
    listed.write_text(listed.read_text().replace("ONE = 2,", "ONE = 2,It is never read."))
    found = mutants.record(["numbers", 9, 9, 7, 2, "77.8%"], [second, first], *tables)
    assert found == [second]
    assert listed.read_text().splitlines()[1:] == [
        "letters,,A = 1,A = 2,",
        "numbers,,ONE = 1,ONE = 0,",
        "numbers,,ONE = 1,ONE = 2,It is never read.",
    ]
    assert table.read_text().splitlines()[1:] == [
        "letters,9,9,8,1,88.9%",
        "numbers,9,9,7,2,77.8%",
    ]


def test_a_sample_of_mutants_leaves_the_survivors_that_were_not_drawn_and_still_stand(tables):
    _, listed, _ = tables
    first, second = ("numbers", "", "ONE = 1", "ONE = 2"), ("numbers", "", "ONE = 1", "ONE = 0")
    gone = ("numbers", "", "TWO = 2", "TWO = 3")
    mutants.record(["numbers", 9, 9, 7, 2, "77.8%"], [first, gone], *tables)
    listed.write_text(listed.read_text().replace("ONE = 2,", "ONE = 2,It is never read."))
    mutants.record(["numbers", 9, 4, 3, 1, "75.0%"], [second], *tables)
    assert listed.read_text().splitlines()[1:] == [
        "numbers,,ONE = 1,ONE = 2,It is never read.",
        "numbers,,ONE = 1,ONE = 0,",
    ]


def test_a_module_without_mutants_has_a_row_and_no_share(tmp_path):
    path = session(tmp_path / "a")
    mutants.thin_out(path, None)
    assert mutants.outcome(path, "numbers") == (["numbers", 0, 0, 0, 0, ""], [])


@pytest.mark.parametrize("most", ["0", "-1"])
def test_a_sample_of_no_mutants_is_refused(monkeypatch, capsys, most):
    monkeypatch.setattr(sys, "argv", ["mutants.py", "--most", most])
    monkeypatch.setattr(mutants, "run", None)
    with pytest.raises(SystemExit):
        mutants.main()
    assert f"--most: expected at least 1, got {most}" in capsys.readouterr().err


# The process that has the tests ready


@contextmanager
def warm(folder):
    """Ask the tests in a folder whether they pass: `ask()`."""
    address = str(folder / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        tests = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-p", "warm_tests", "--changes=__init__"),
                *(f"--listen={listener.fileno()}", "-p", "no:cacheprovider", "test_ours.py"),
            ],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(mutants.ROOT / "tools")},
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
        )

    def ask():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)
            return client.recv(1)

    try:
        yield ask
    finally:
        tests.terminate()
        tests.wait()


def test_no_module_of_the_package_is_loaded_before_a_mutant_is_there():
    shown = subprocess.run(
        [sys.executable, "-c", "import conftest, sys; print(*sys.modules)"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "conftest" in shown.stdout.split()
    assert "aehelpers" not in shown.stdout


def test_the_tests_run_again_and_again_on_the_code_as_it_stands(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    module = tmp_path / "numbers_of_ours.py"
    module.write_text("ONE = 1\n")
    os.utime(module, (0, 0))  # a copied file is old
    (tmp_path / "test_ours.py").write_text(
        "from numbers_of_ours import ONE\n\n\n"
        "def test_one_is_one():\n    assert ONE == 1\n\n\n"
        "def test_what_needs_the_pages_is_left_out(html):\n    pass\n"
    )
    with warm(tmp_path) as ask:
        assert ask() == b"1"
        for code in ("ONE = 2\n", "ONE =\n", "import os, signal\nos.kill(os.getpid(), 9)\n"):
            module.write_text(code)
            assert ask() == b"0"
        module.write_text("ONE = 1\n")
        assert ask() == b"1"
