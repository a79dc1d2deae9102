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


def test_the_contents_list_every_chapter_and_the_appendix(document):
    entries = document.select(".book-contents > ul > li > a")
    chapters = document.select("article > section")
    assert len(chapters) > 10
    assert [it.get_text() for it in entries] == [it.h1.get_text() for it in chapters]
    assert chapters[-1].h1.get_text() == "Solutions"


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


def test_nothing_is_wider_than_the_paper_and_the_outline_lists_every_chapter(
    browser, html, document
):
    path = pdf.write_pdf(browser, html)
    outline = PdfReader(path).outline
    listed = [entry.title for entry in outline if not isinstance(entry, list)]
    assert listed == [heading.get_text() for heading in document.select("h1")]
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
