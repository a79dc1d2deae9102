"""The printable edition: the document that is printed, and how it fits on paper."""

from collections import Counter
import re

import pdf
from pypdf import PdfReader
import pytest

CONTENT_WIDTH = 642  # pixels: A4 less its margins of 20 mm


@pytest.fixture(scope="module")
def document(html):
    return pdf.joined(html)


def test_the_contents_list_every_chapter_and_the_appendices(document):
    entries = document.select(".book-contents > ul > li > a")
    chapters = document.select("article > section")
    assert len(chapters) > 10
    assert [it.span.get_text() for it in entries] == [it.h1.get_text() for it in chapters]
    titles = [it.h1.get_text() for it in chapters[-2:]]
    assert titles == ["Answers to the predictions", "Solutions"]


def test_every_prediction_and_its_answer_link_to_each_other_and_stand_apart(document, html):
    questions = document.select(".predict")
    answers = document.select("#answers .answer")
    assert len(questions) == len(answers) > 0
    for question, answer in zip(questions, answers, strict=True):
        assert not question.select(".measured")
        assert question.select_one(".to-answer a")["href"] == f"#{answer['id']}"
        assert answer.a["href"] == f"#{question['id']}"
        assert answer.a.get_text() in question.legend.get_text()
        assert answer.select_one("p.right").get_text() == question.select_one(
            "label.right"
        ).get_text(strip=True)
        assert answer.select_one(".measured").get_text(strip=True)


def test_every_exercise_and_its_solution_link_to_each_other(document):
    exercises = {it["id"]: it for it in document.select(".exercise")}
    solutions = {it["id"]: it for it in document.select("#solutions .solution")}
    assert len(exercises) == len(solutions) > 0
    for place, exercise in exercises.items():
        (link,) = exercise.select(".to-solution a")
        solution = solutions[link["href"].removeprefix("#")]
        assert solution.select_one(".admonition-title a")["href"] == f"#{place}"


def test_no_solution_stands_outside_the_appendix(document):
    assert not [
        it["id"] for it in document.select(".solution") if not it.find_parent(id="solutions")
    ]


def test_no_id_occurs_twice_and_every_internal_link_leads_to_one(document):
    ids = Counter(element["id"] for element in document.select("[id]"))
    assert ids.most_common(1)[0][1] == 1
    links = [link["href"] for link in document.select("a[href]")]
    assert not [it for it in links if not re.match("https?:|mailto:", it) and it[1:] not in ids]


def test_the_document_loads_nothing_from_another_host(document):
    loaded = [it.get("src") or it["href"] for it in document.select("[src], link[href]")]
    assert not [it for it in loaded if re.match(r"(https?:)?//", it)]
    assert not document.select("script, button")


@pytest.fixture(scope="module")
def path(browser, html):
    return pdf.write_pdf(browser, html)


def test_the_contents_give_the_page_on_which_each_chapter_begins(path, document):
    reader = PdfReader(path)
    contents = "\n".join(page.extract_text() for page in reader.pages[1:4])
    outline = [entry for entry in reader.outline if not isinstance(entry, list)]
    assert [entry.title for entry in outline] == [it.get_text() for it in document.select("h1")]
    for entry in outline[1:]:
        number = reader.get_destination_page_number(entry) + 1
        assert re.search(rf"\b{number}$", contents, re.MULTILINE), entry.title
    assert "000" not in contents


def test_nothing_is_wider_than_the_paper(browser, path):
    page = browser.new_page(viewport={"width": CONTENT_WIDTH, "height": 800})
    page.emulate_media(media="print")
    page.goto(path.with_suffix(".html").as_uri())
    too_wide = page.evaluate(
        """width => [...document.querySelectorAll("article *")]
            .filter(it => it.getBoundingClientRect().right > width + 1)
            .map(it => it.outerHTML.slice(0, 200))""",
        CONTENT_WIDTH,
    )
    page.close()
    assert not too_wide
