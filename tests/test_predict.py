"""Predictions: what the directive refuses, and what a reader sees before and after choosing."""

import re
import subprocess
import sys

from browser import new_page, THEMES
from conftest import ROOT
import pytest

FAULTS = {
    "Question\n\n- [ ] a\n- [x] b": "expected a line --- before what was measured",
    "Question\n\n- [ ] a\n- [x] b\n\n---": "expected what was measured below the line ---",
    "- [ ] a\n- [x] b\n\n---\nB.": "expected one paragraph, the question, and a list of answers",
    "Question\n\n- [ ] a\n- [ ] b\n\n---\nB.": "at least one, and one with [x]",
    "Question\n\n- [x] a\n- [x] b\n\n---\nB.": "at least one, and one with [x]",
    "Question\n\n- [x] a\n\n---\nB.": "at least one, and one with [x]",
    "Question\n\n- [x] a\n- [ ] b\n- c\n\n---\nB.": "at least one, and one with [x]",
    "Question\n\n- [x] a\n- [ ] b\n\n  more\n\n---\nB.": "at least one, and one with [x]",
    "Question\n\n- [x] a\n-\n\n---\nB.": "at least one, and one with [x]",
}


def test_a_prediction_that_lacks_a_part_fails_the_build_and_is_named(tmp_path):
    (tmp_path / "conf.py").write_text("extensions = ['myst_parser', 'predict']\n")
    boxes = [f"```{{predict}}\n{content}\n```\n" for content in FAULTS]
    text = "# Title\n\n" + "\n".join(boxes)
    (tmp_path / "index.md").write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", tmp_path, tmp_path / "html"],
        env={"PYTHONPATH": str(ROOT / "tools"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    for box, fault in zip(boxes, FAULTS.values(), strict=True):
        line = text[: text.index(box)].count("\n") + 1
        assert f"index.md:{line}: ERROR: predict: {fault}" in run.stderr.replace(
            "expected answers of one paragraph that begin with [ ], ", ""
        )


@pytest.fixture(params=THEMES)
def page(request, browser, html):
    page = new_page(browser, theme=request.param, width=1280)
    page.goto((html / "anatomy.html").as_uri())
    yield page
    page.close()


def box_of(page):
    return page.get_by_role("group", name=re.compile("^Predict first The network has seen"))


def signs(box):
    """The sign behind each answer, as far as it is shown."""
    styles = box.locator("label").evaluate_all(
        "all => all.map(it => getComputedStyle(it, '::after').content)"
    )
    return [re.findall("[✓✗]", content) for content in styles]


def test_what_was_measured_stays_hidden_until_an_answer_is_chosen(page):
    box = box_of(page)
    assert box.get_by_role("radio").count() == 3
    assert box.get_by_role("radio", checked=True).count() == 0
    assert box.locator(".measured").inner_text() == ""
    assert signs(box) == [[], [], []]


def test_a_wrong_and_then_the_right_answer_are_told_by_words_and_signs_at_the_keyboard(page):
    box = box_of(page)
    box.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    assert box.locator(".measured").inner_text().startswith("Not quite.")
    assert signs(box) == [["✗"], [], ["✓"]]
    page.keyboard.press("ArrowUp")  # from the first to the last
    words = box.locator(".measured").inner_text()
    assert words.startswith("Right.")
    assert re.search(r"they score -1\.\d, where", words)
    assert signs(box) == [[], [], ["✓"]]


def test_an_answer_to_one_question_does_not_touch_another(page):
    boxes = page.locator(".predict")
    for i in range(boxes.count()):
        boxes.nth(i).get_by_role("radio").first.check()
    assert page.get_by_role("radio", checked=True).count() == boxes.count() == 3


def test_paper_shows_what_was_measured_and_the_sign_of_the_right_answer(page):
    page.emulate_media(media="print")
    box = box_of(page)
    assert box.locator(".measured").inner_text().startswith("Pen strokes.")
    assert signs(box) == [[], [], ["✓"]]


def test_without_styles_everything_is_there_and_nothing_is_said_of_a_choice(browser, html):
    page = new_page(browser, theme="light", width=360)
    page.route(re.compile(r"\.css"), lambda route: route.abort())
    page.goto((html / "anatomy.html").as_uri())
    assert box_of(page).locator(".measured").inner_text().startswith("Pen strokes.")
    page.close()
