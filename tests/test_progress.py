"""Who is told what of something long: a terminal, a notebook, and nobody else."""

import io

from aehelpers import progress
from aehelpers.progress import Progress
import pytest
import tqdm.std


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Set the time that both kinds of progress read: `clock(seconds)`."""
    now = [100.0]
    monkeypatch.setattr(tqdm.std, "time", lambda: now[0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, 100.0 + seconds)


def test_a_terminal_gets_a_bar_after_a_second_which_is_gone_at_the_end(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(4, "epoch") as bar:
        clock(0.9)
        bar.step("epoch 1 of 4")
        assert terminal.getvalue() == ""
        clock(1.1)
        bar.step("epoch 2 of 4")
        assert "2/4" in terminal.getvalue()
        assert "epoch" in terminal.getvalue()
    line = ""  # what stands there when all has been written
    for piece in terminal.getvalue().split("\r"):
        line = piece + line[len(piece) :]
    assert line.strip() == ""
    assert "\n" not in terminal.getvalue()


def test_a_file_gets_nothing(monkeypatch, clock):
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    monkeypatch.setattr("sys.stdout", file)
    with Progress(2, "run") as bar:
        clock(9)
        bar.step("run 1 of 2")
    assert file.getvalue() == ""


class Shown:
    """What a notebook shows, as it changes."""

    def __init__(self):
        self.texts = []

    def display(self, data, raw, display_id):
        assert raw is True
        assert display_id is True  # or nothing comes back to be changed
        return self.update(data, raw)

    def update(self, data, raw):
        assert raw is True
        self.texts.append(data.get("text/plain"))
        return self


def test_a_notebook_gets_one_line_that_changes_once_a_second_and_is_gone_at_the_end(
    monkeypatch, clock
):
    shown = Shown()
    monkeypatch.setattr(progress, "display", shown.display)
    monkeypatch.setattr(progress, "get_ipython", lambda: type("Shell", (), {"kernel": None})())
    with Progress(5, "epoch") as bar:
        for time, text in ((0.9, "first"), (1.1, "second"), (2, "third"), (2.2, "fourth")):
            clock(time)
            bar.step(text)
    assert shown.texts == ["second", "fourth", None]


def test_a_notebook_shows_nothing_of_what_took_less_than_a_second(monkeypatch, clock):
    shown = Shown()
    monkeypatch.setattr(progress, "display", shown.display)
    monkeypatch.setattr(progress, "get_ipython", lambda: type("Shell", (), {"kernel": None})())
    with Progress(1, "epoch") as bar:
        clock(0.5)
        bar.step("all")
    assert shown.texts == []
