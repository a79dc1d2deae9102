"""Tests of the check of notebooks: it is fed small notebooks, right and wrong, and has to tell."""

import base64
from decimal import Decimal
import io
import os
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

from aehelpers.data import MNIST_VARIABLE
from conftest import ROOT
import nbformat
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)
from notebook_outputs import compare_texts
import numpy as np
from outputs import decode_picture, NETWORK, parts, picture_distances, split_numbers, Tolerance
from PIL import Image
import pytest

SETTINGS = ROOT / "pyproject.toml"


def picture(shift=0, width=40):
    """A white picture with a grey square, in base64; `shift` makes the square lighter."""
    values = np.full((30, width), 255, np.uint8)
    values[12:18, 12:18] = 100 + shift
    file = io.BytesIO()
    Image.fromarray(values).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def network(change=0, activation="relu"):
    """A network as a cell shows it; `change` is added to one of the encoder's weights, all 0.5."""

    def layer(weights, activation):
        arrays = {"weights": weights, "scales": np.full(8, 1 / 64), "biases": np.zeros(8)}
        types = {"weights": np.int8, "scales": "<f4", "biases": "<f4"}
        return {"activation": activation, "units": 8} | {
            name: base64.b64encode(array.astype(types[name]).tobytes()).decode()
            for name, array in arrays.items()
        }

    encoder, decoder = np.full((30, 8), 32), np.full((8, 8), 32)
    encoder[20, 3] += round(64 * change)
    halves = {"encoder": [layer(encoder, activation)], "decoder": [layer(decoder, "sigmoid")]}
    return {NETWORK: {"name": "tiny", **halves}}


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(data, **metadata):
    return new_output("display_data", data, metadata=metadata)


def show(data, **metadata):
    """Source of a cell that shows `data` as it is, metadata included."""
    return f"display({data!r}, raw=True, metadata={metadata!r})"


def cell(source, *outputs, **metadata):
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


GLUED = "application/papermill.record/text/plain"

RIGHT = {
    "print": cell("print('loss 0.098')", printed("loss 0.098\n")),
    "result": cell("6 * 7", new_output("execute_result", {"text/plain": "42"}, execution_count=2)),
    "glued": cell(
        show({GLUED: "0.098"}, scrapbook={"name": "loss"}),
        shown({GLUED: "0.098"}, scrapbook={"name": "loss"}),
    ),
    "number on the edge of its tolerance": cell(
        "print('loss 0.098')", printed("loss 0.096\n"), tolerance={"absolute": 0.002}
    ),
    "JSON within tolerance": cell(
        show({"application/x+json": {"loss": [0.098]}}),
        shown({"application/x+json": {"loss": [0.097]}}),
        tolerance={"relative": 0.05},
    ),
    "picture": cell(show({"image/png": picture()}), shown({"image/png": picture()})),
    "picture within its limits": cell(
        show({"image/png": picture(4)}),
        shown({"image/png": picture()}),
        tolerance={"picture": 3.0, "whole_picture": 1.0},
    ),
    "network": cell(show(network()), shown(network())),
    "network with a weight within its limits": cell(
        show(network(change=0.1)), shown(network()), tolerance={"picture": 3.0}
    ),
    "cleared progress": cell(
        "progress = display({'text/plain': 'epoch 1'}, raw=True, display_id=True)\n"
        "print('training')\n"
        "progress.update({'text/plain': 'epoch 2'}, raw=True)\n"
        "progress.update({}, raw=True)",
        printed("training\n"),
    ),
    "stored remains of progress": cell("pass", shown({})),
    "updated display": cell(
        "table = display({'text/plain': 'wait'}, raw=True, display_id=True)\n"
        "table.update({'text/plain': 'done'}, raw=True)",
        shown({"text/plain": "done"}),
    ),
    "streams in another order": cell(
        "import sys\nprint('words')\nprint('warning', file=sys.stderr)",
        printed("warning\n", "stderr"),
        printed("words\n"),
    ),
    "justified ignore": cell(
        "print(0.5)", printed("0.7\n"), tags=["nbval-ignore-output"], reason="it is a duration"
    ),
    "justified skip": cell("print(skipped)", tags=["nbval-skip"], reason="takes a day"),
    "justified error": cell(
        "1 / 0",
        new_output("error", ename="ZeroDivisionError", evalue="division by zero"),
        tags=["raises-exception"],
        reason="shows what happens",
    ),
}

# Each case: the cell, and what its failure has to say.
WRONG = {
    "wrong number": (
        cell("print('loss 0.098')", printed("loss 0.097\n")),
        ["stdout", "0.097 became 0.098", "off by 0.001", "allowed: 0", "loss 0.097"],
    ),
    "number beyond its tolerance": (
        cell("print(1, 0.098)", printed("1 0.0959\n"), tolerance={"absolute": 0.002}),
        ["stdout", "0.0959 became 0.098", "off by 0.0021", "allowed: 0.002"],
    ),
    "wrong word": (
        cell("print('loss 0.098')", printed("gain 0.098\n"), tolerance={"relative": 1}),
        ["stdout: the words differ", r"- 'gain 0.098\n'", r"+ 'loss 0.098\n'"],
    ),
    "wrong glued number": (
        cell(show({GLUED: "0.098"}), shown({GLUED: "0.097"})),
        [f"output 1, {GLUED}", "0.097 became 0.098"],
    ),
    "glued under another name": (
        cell(
            show({GLUED: "1"}, scrapbook={"name": "loss"}),
            shown({GLUED: "1"}, scrapbook={"name": "gain"}),
        ),
        ["output 1, metadata: the words differ", "loss", "gain"],
    ),
    "changed picture": (
        cell(
            "print()\n" + show({"text/plain": "a"}) + "\n" + show({"image/png": picture(40)}),
            printed("\n"),
            shown({"text/plain": "a"}),
            shown({"image/png": picture()}),
            tolerance={"picture": 3.0},
        ),
        ["output 2, image/png", "picture: ", "apart; allowed: 3.0", "failed_pictures"],
    ),
    "slightly changed picture without a limit": (
        cell(show({"image/png": picture(4)}), shown({"image/png": picture()})),
        ["output 1, image/png", "picture: ", "apart; allowed: 0.5"],
    ),
    "picture that may change in places, but not as a whole": (
        cell(
            show({"image/png": picture(40)}),
            shown({"image/png": picture()}),
            tolerance={"picture": 200.0, "whole_picture": 1.0},
        ),
        ["output 1, image/png", "whole_picture: ", "apart; allowed: 1.0"],
    ),
    "picture of another size": (
        cell(show({"image/png": picture(width=41)}), shown({"image/png": picture()})),
        ["output 1, image/png", "(41, 30)", "(40, 30)"],
    ),
    "network with a changed weight": (
        cell(show(network(change=1)), shown(network()), tolerance={"picture": 3.0}),
        [
            *("output 1, layer 1 of the encoder, image/png: picture: ", "apart; allowed: 3.0"),
            "_output_1_layer_1_of_the_encoder",  # the folder of its pictures
        ],
    ),
    "network with another activation": (
        cell(show(network(activation="linear")), shown(network()), tolerance={"relative": 1}),
        [f"output 1, {NETWORK}: the words differ", "relu", "linear"],
    ),
    "missing output": (
        cell("pass", printed("loss 0.098\n")),
        ["stdout: is stored, but does not come from the run", "loss 0.098"],
    ),
    "extra output": (
        cell("print('loss 0.098')"),
        ["stdout: comes from the run, but is not stored", "loss 0.098"],
    ),
    "extra picture beside a text": (
        cell(show({"text/plain": "a", "image/png": picture()}), shown({"text/plain": "a"})),
        ["output 1, image/png: comes from the run, but is not stored"],
    ),
    "raised error": (
        cell("{}['weights']"),
        ["KeyError", "weights"],
    ),
    "ignore without a reason": (
        cell("print(1)", printed("1\n"), tags=["nbval-ignore-output"]),
        ["outputs not compared", "has to name a reason"],
    ),
    "ignoring comment without a reason": (
        cell("# NBVAL_IGNORE_OUTPUT\nprint(1)", printed("1\n")),
        ["outputs not compared", "has to name a reason"],
    ),
    "skip with a blank reason": (
        cell("print(1)", printed("1\n"), tags=["nbval-skip"], reason=" "),
        ["not run", "has to name a reason"],
    ),
    "error without a reason": (
        cell(
            "1 / 0",
            new_output("error", ename="ZeroDivisionError", evalue="division by zero"),
            tags=["raises-exception"],
        ),
        ["may raise", "has to name a reason"],
    ),
    "another error than the stored one": (
        cell(
            "1 / 0",
            new_output("error", ename="KeyError", evalue="'weights'"),
            tags=["raises-exception"],
            reason="shows what happens",
        ),
        ["output 1, error: the words differ", "ZeroDivisionError: division by zero"],
    ),
    "nonsense tolerance": (
        cell("print(1)", printed("1\n"), tolerance={"absolut": 0.1}),
        ["tolerance", "'absolut'"],
    ),
}


def write(path, cells, run=True, **metadata):
    path.parent.mkdir(exist_ok=True)
    for count, code in enumerate(cells, 1):
        code.execution_count = count if run else None
    cells = [new_markdown_cell("# Title"), *cells]
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A folder of notebooks, and what pytest prints and decides under the project's settings.

    A verdict belongs to a notebook and a cell, and is empty for a pass.
    """
    folder = tmp_path_factory.mktemp("checked")
    write(folder / "right.ipynb", list(RIGHT.values()))
    write(folder / "wrong.ipynb", [code for code, _ in WRONG.values()])
    write(folder / "stripped.ipynb", [cell("x = 1"), cell("print(x)")], run=False)
    write(folder / "words.ipynb", [])
    write(folder / "full.ipynb", [cell("1 / 0")], needs_full_mnist=True)
    for hidden in ["_build", ".ipynb_checkpoints"]:
        write(folder / hidden / "left.ipynb", [cell("1 / 0")])
    (folder / "test_plain.py").write_text("def test_plain():\n    pass\n")
    options = ["--rootdir", ".", "-c", SETTINGS, "-n", "2", "--junitxml", "verdicts.xml"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"COLUMNS": "200", MNIST_VARIABLE: "", "KERAS_HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
    verdicts = {
        (test.get("classname"), test.get("name")): "\n".join(
            fault.text for fault in test if fault.tag in ("failure", "error")
        )
        for test in ElementTree.parse(folder / "verdicts.xml").iter("testcase")
    }
    return SimpleNamespace(folder=folder, output=run.stdout, verdicts=verdicts)


@pytest.mark.parametrize("case", RIGHT)
def test_right_cell_passes(checked, case):
    number = list(RIGHT).index(case)
    assert checked.verdicts["right.ipynb", f"Cell {number}"] == ""


@pytest.mark.parametrize("case", WRONG)
def test_wrong_cell_fails_and_says_where_and_why(checked, case):
    number = list(WRONG).index(case)
    message = checked.verdicts["wrong.ipynb", f"Cell {number}"]
    for expected in [f"wrong.ipynb::Cell {number}, In [{number + 1}]:", *WRONG[case][1]]:
        assert expected in message


def test_last_lines_of_a_run_say_where_and_what(checked):
    summary = checked.output.partition("short test summary info")[2]
    assert "wrong.ipynb::Cell 0 - stdout: largest deviation" in summary


def test_stripped_notebook_fails(checked):
    assert "has never been run" in checked.verdicts["stripped.ipynb", "Cell 0"]
    assert "has never been run" in checked.verdicts["stripped.ipynb", "Cell 1"]


def test_only_notebooks_and_tests_outside_build_and_checkpoint_folders_are_collected(checked):
    assert {name for name, _ in checked.verdicts} == {
        "full.ipynb",
        "right.ipynb",
        "stripped.ipynb",
        "test_plain",
        "wrong.ipynb",
    }
    assert checked.verdicts["test_plain", "test_plain"] == ""


def test_failed_pictures_are_written_stored_new_and_side_by_side(checked):
    number = list(WRONG).index("changed picture") + 1
    pictures = checked.folder / "_build" / "failed_pictures" / f"wrong_In_{number}_output_2"
    assert str(pictures) in checked.output
    stored, new, both = (
        Image.open(pictures / f"{name}.png") for name in ["stored", "new", "side_by_side"]
    )
    assert np.array_equal(stored, decode_picture(picture()))
    assert np.array_equal(new, decode_picture(picture(40)))
    assert np.array_equal(both, np.hstack([stored, new]))


def test_summary_names_the_seconds_of_each_notebook_slowest_first(checked):
    lines = checked.output.partition(" notebooks ===")[2].splitlines()
    timed = [line.split() for line in lines if line.endswith(".ipynb")]
    assert {name for *_, name in timed} == {
        "full.ipynb",
        "right.ipynb",
        "stripped.ipynb",
        "wrong.ipynb",
    }
    seconds = [float(words[0]) for words in timed]
    assert seconds == sorted(seconds, reverse=True)
    assert 0.1 < seconds[0] < 60


def test_notebook_that_needs_all_of_mnist_is_not_run_without_it_and_the_summary_says_so(checked):
    assert checked.verdicts["full.ipynb", "Cell 0"] == ""
    assert "not run   full.ipynb: it needs all of MNIST" in checked.output


def test_summary_counts_the_unchecked_cells_and_names_their_reasons(checked):
    output = checked.output
    numbers = {case: list(RIGHT).index(case) for case in RIGHT}
    assert "cells that are not fully checked: 4" in output
    for case, granted, reason in [
        ("justified ignore", "outputs not compared", "it is a duration"),
        ("justified skip", "not run", "takes a day"),
        ("justified error", "may raise", "shows what happens"),
    ]:
        assert f"right.ipynb::Cell {numbers[case]}: {granted}: {reason}" in output


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("loss 0.098, floor .059.", ["0.098", ".059"]),
        ("4,000 and 1,234,567.5", ["4000", "1234567.5"]),
        ("1,2, 3", ["1", "2", "3"]),
        ("1e-05 2.5E+3 1e5", ["1e-05", "2.5E+3", "1e5"]),
        ("-0.5 −0.5 (+3)", ["-0.5", "-0.5", "3"]),
        ("3-5 and 3 - 5", ["3", "5", "3", "5"]),
        ("[ 1. -2.]", ["1", "-2"]),
        ("12.5% of 7", ["12.5", "7"]),
        ("0.77 ±\xa00.01", ["0.77", "0.01"]),
        (r"'0.77 ±\xa00.01'", ["0.77", "0.01"]),  # as Python quotes it
        ("<td>0.12</td>", ["0.12"]),
        ("a=1;b:2/3", ["1", "2", "3"]),
        ("C12 x_train2 0x7f3a 28x28 5s 1e5x float32 #12 _5", []),
        ("mnist-784 v1.2.3 1.2.3 C12-3 12.png a.5 &#39; nan inf", []),
        ("10⁻³", ["10"]),
    ],
)
def test_numbers_stand_alone_and_are_read_as_written(text, numbers):
    assert split_numbers(text)[1] == [Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("C12 holds", "C13 holds"),
        ("0x7f3a", "0x7f3b"),
        ("mnist-784", "mnist-785"),
        ("28x28", "28x29"),
        ("loss 1", "loss"),
        ("1 2", "1"),
        ("12 a", "a 12"),
        ("line 1\nline 2", "line 1 line 2"),
        ("5 s", "5 ms"),
        ("1.2.3", "1.2.4"),
        ("0.5 nan", "0.5 0.7"),
    ],
)
def test_change_of_a_word_fails_under_any_tolerance_of_numbers(stored, new):
    assert "the words differ" in compare_texts(stored, new, Tolerance(absolute=Decimal(1000)))


@pytest.mark.parametrize(
    ("stored", "new", "tolerance"),
    [
        ("0.500", "0.502", {"absolute": 0.002}),
        ("-0.500", "-0.498", {"absolute": 0.002}),
        ("0.001", "−0.001", {"absolute": 0.002}),
        ("4,000 digits", "4,100 digits", {"relative": 0.025}),
        ("200", "212", {"absolute": 2, "relative": 0.05}),
        ("[ 9.9 -2. ]", "[10.1 -2.2]", {"absolute": 0.2}),
        ("-8.0", "-8.4", {"relative": 0.05}),
        ("1e-05", "0.00001", {"relative": 0.1}),
        ("12345678901234567890", "12345678901234567892", {"absolute": 2}),
    ],
)
def test_number_may_move_by_its_tolerance_and_not_a_bit_further(stored, new, tolerance):
    assert compare_texts(stored, new, Tolerance.from_metadata({"tolerance": tolerance})) is None
    narrower = {name: value * 0.999 for name, value in tolerance.items()}
    if stored != "1e-05":  # has not moved
        complaint = compare_texts(stored, new, Tolerance.from_metadata({"tolerance": narrower}))
        assert "largest deviation" in complaint


def test_without_a_tolerance_the_same_number_written_otherwise_fails():
    assert "0.5 became 0.50" in compare_texts("0.5", "0.50", Tolerance())


def test_largest_deviation_is_the_one_furthest_beyond_what_is_allowed():
    tolerance = Tolerance(relative=Decimal("0.1"))
    assert "1 became 3, off by 2" in compare_texts("1 100", "3 105", tolerance)


@pytest.mark.parametrize(
    ("stored", "new", "further"), [("92%", "93%", "94%"), ("0.0", "0.1", "-0.2"), ("7", "8.0", "9")]
)
def test_where_numbers_move_each_may_be_rounded_the_other_way(stored, new, further):
    assert "allowed: 0" in compare_texts(stored, new, Tolerance())
    for kind in ("absolute", "relative"):
        tolerance = Tolerance(**{kind: Decimal("1e-6")})
        assert compare_texts(stored, new, tolerance) is None
        assert "largest deviation" in compare_texts(stored, further, tolerance)


def test_long_difference_is_cut():
    complaint = compare_texts("\n".join("a" * 50), "\n".join("b" * 500), Tolerance())
    assert len(complaint.splitlines()) < 30
    assert "lines more" in complaint


@pytest.mark.parametrize(
    ("tolerance", "message"),
    [
        (0.1, "expected a dict, got 0.1"),
        ({"absolut": 0.1}, "got 'absolut'"),
        ({"absolute": -1}, "absolute must be a number of at least 0, got -1"),
        ({"relative": float("nan")}, "relative must be"),
        ({"picture": float("inf")}, "picture must be"),
        ({"absolute": "0.1"}, "got '0.1'"),
        ({"absolute": True}, "got True"),
        ({"absolute": None}, "got None"),
    ],
)
def test_nonsense_tolerance_is_refused(tolerance, message):
    with pytest.raises(ValueError, match=message):
        Tolerance.from_metadata({"tolerance": tolerance})


def test_tolerance_reads_what_the_metadata_names_and_is_strict_by_default():
    named = Tolerance.from_metadata({"tolerance": {"absolute": 0.002, "picture": 3.0}})
    assert named == Tolerance(Decimal("0.002"), Decimal(0), Decimal(3))
    assert Tolerance.from_metadata({}) == Tolerance(Decimal(0), Decimal(0), Decimal("0.5"))


def test_streams_are_joined_by_name_and_displays_are_counted_without_empty_ones():
    outputs = [printed("a"), shown({}), shown({"text/plain": "b"}), printed("c")]
    for _ in range(2):  # looking changes nothing
        assert parts(outputs) == {"stdout": "ac", "output 1, text/plain": "b"}


@pytest.mark.parametrize("corner", [(0, 0), (100, 100), (96, 103), (292, 192)])
@pytest.mark.parametrize("size", [(300, 200), (1200, 800)])
def test_picture_distance_of_a_local_change_depends_on_neither_its_place_nor_the_size(corner, size):
    stored = Image.new("RGBA", size, "white")
    new = stored.copy()
    new.paste("black", (*corner, corner[0] + 8, corner[1] + 8))
    # Three of four channels differ by 255, transparency does not.
    distances = picture_distances(stored, new)
    assert distances["picture"] == pytest.approx(255 * np.sqrt(3 / 4))
    share = 8 * 8 / (size[0] * size[1])
    assert distances["whole_picture"] == pytest.approx(255 * np.sqrt(3 / 4 * share))


def test_picture_distance_averages_squares_over_a_window():
    stored = Image.new("RGBA", (100, 100), (0, 0, 0, 255))
    new = stored.copy()
    new.putpixel((50, 50), (0, 0, 200, 255))
    assert picture_distances(stored, new)["picture"] == pytest.approx(200 / np.sqrt(4 * 8 * 8))
    assert set(picture_distances(stored, stored).values()) == {0}
    lighter = Image.new("RGBA", (100, 100), (1, 1, 1, 254))
    assert list(picture_distances(stored, lighter).values()) == pytest.approx([1, 1])


def test_picture_distance_sees_transparency():
    opaque = Image.new("RGBA", (20, 20), (255, 255, 255, 255))
    sheer = Image.new("RGBA", (20, 20), (255, 255, 255, 55))
    assert list(picture_distances(opaque, sheer).values()) == pytest.approx([100, 100])


def test_pictures_of_different_sizes_have_no_distance():
    with pytest.raises(ValueError, match=r"\(21, 20\).*\(20, 20\)"):
        picture_distances(Image.new("RGBA", (20, 20)), Image.new("RGBA", (21, 20)))
