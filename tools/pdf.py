"""Print the built book as one PDF, with answers and solutions in appendices.

`python tools/pdf.py` reads _build/html and writes _build/autoencoders.pdf, and beside it the page
that it prints, _build/autoencoders.html.
"""

from copy import copy
from pathlib import Path
import sys
from urllib.parse import unquote, urljoin, urlsplit

from browser import chromium, NoBrowserError
from bs4 import BeautifulSoup
from files import ROOT
from pypdf import PdfReader

STYLE = Path(__file__).with_name("pdf.css")
# Folded code draws and judges; on paper, where nothing unfolds, its figure or verdict says it all.
LEFT_OUT = "a.headerlink, details.hide, .predict input, [hidden], .toctree-wrapper"


def joined(html):
    """Join the pages of the built book in one document, answers and solutions at its end.

    Parameters
    ----------
    html : Path
        The folder of the pages. The document loads pictures and styles from there, and is to be
        stored beside this folder.

    Returns
    -------
    BeautifulSoup
    """
    pages = {}
    name = "index.html"
    while name:
        pages[name] = _parsed(html / name)
        following = pages[name].select_one("a.right-next")
        name = following and following["href"]
    chapters = [_chapter(name, page) for name, page in pages.items()]
    styles = {
        link["href"]: None
        for page in pages.values()
        for link in page.select("link[rel=stylesheet]")
    }
    return _bound(chapters, [f"{html.name}/{style}" for style in styles], html.name)


def _parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _chapter(name, page):
    """The content of a page, its ids and the links to them made unique in the book."""
    chapter = page.select_one("article > section")
    for element in chapter.select(LEFT_OUT):
        element.decompose()
    for section in chapter.select(".exercise > section, .solution > section"):
        del section["id"]  # the same in every exercise; nothing links to it
    for element in chapter.select("[id]"):
        element["id"] = _place(name, element["id"])
    for link in chapter.select("a[href]"):
        target = urlsplit(urljoin(name, link["href"]))
        if not target.scheme:
            link["href"] = "#" + _place(target.path, unquote(target.fragment))
    chapter["class"] = "chapter"
    chapter.insert(0, page.new_tag("span", id=_place(name, "")))
    return chapter


def _place(page, fragment):
    return f"{page.removesuffix('.html')}.{fragment}"


def _bound(chapters, styles, folder):
    """The document: title, contents, chapters, appendices."""
    book = BeautifulSoup(
        '<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"></head>'
        '<body><main class="bd-content"><article class="bd-article"></article></main></body>'
        "</html>",
        "html.parser",
    )
    title = chapters[0].h1.get_text()
    book.head.append(book.new_tag("title", string=title))
    for style in styles:
        book.head.append(book.new_tag("link", rel="stylesheet", href=style))
    book.head.append(book.new_tag("style", string=STYLE.read_text(encoding="utf-8")))
    for picture in (it for chapter in chapters for it in chapter.select("img")):
        picture["src"] = f"{folder}/{picture['src']}"
    appendices = [
        _appendix(book, chapters, *appendix)
        for appendix in (
            ("answers", "Answers to the predictions", ".predict", _moved_answer),
            ("solutions", "Solutions", ".solution", _moved_solution),
        )
    ]
    book.article.append(book.new_tag("p", string=title, attrs={"class": "book-title"}))
    book.article.append(_contents(book, [*chapters, *appendices]))
    book.article.extend([*chapters, *appendices])
    return book


def _appendix(book, chapters, name, title, selector, move):
    """Move what a selector finds out of the chapters, each below the heading of its own."""
    appendix = book.new_tag("section", id=name, attrs={"class": "chapter"})
    appendix.append(book.new_tag("h1", string=title))
    for chapter in chapters:
        found = chapter.select(selector)
        if found:
            heading = book.new_tag("h2", id=f"{name}-{chapter['id']}")
            heading.string = chapter.h1.get_text()
            appendix.append(heading)
        for number, element in enumerate(found, 1):
            appendix.append(move(book, chapter, element, number))
    return appendix


def _moved_answer(book, chapter, question, number):
    """Take what was measured out of a prediction, and leave a link to it."""
    place = f"{chapter['id']}-answer-{number}"
    question["id"] = f"{place}-question"
    question.append(_note(book, place, "What was measured", "to-answer"))
    answer = book.new_tag("div", id=place, attrs={"class": "answer"})
    back = book.new_tag("a", href=f"#{question['id']}")
    back.extend(copy(question.legend).contents[1:])  # without "Predict first"
    right = book.new_tag("p", attrs={"class": "right"})
    right.extend(copy(question.select_one(".right span")).contents[:])
    answer.extend([back, right, question.select_one(".measured").extract()])
    return answer


def _moved_solution(book, chapter, solution, number):
    """Take a solution out of its chapter, and leave a link to it in its exercise."""
    exercise = chapter.find(id=solution.select_one(".admonition-title a")["href"][1:])
    exercise.append(_note(book, solution["id"], "Its solution", "to-solution"))
    return solution.extract()


def _note(book, place, words, kind):
    note = book.new_tag("p", attrs={"class": kind})
    note.extend([book.new_tag("a", href=f"#{place}", string=words), " is in the appendix."])
    return note


def _contents(book, chapters):
    contents = book.new_tag("nav", attrs={"class": "chapter book-contents"})
    contents.append(book.new_tag("h1", string="Contents"))
    contents.append(_list(book, [(chapter, chapter.h1) for chapter in chapters]))
    for chapter, item in zip(chapters, contents.ul.find_all("li"), strict=True):
        sections = [(it, it.h2) for it in chapter.find_all("section", recursive=False) if it.h2]
        if sections:
            item.append(_list(book, sections))
    return contents


def _list(book, sections):
    entries = book.new_tag("ul")
    for section, heading in sections:
        item = book.new_tag("li")
        link = book.new_tag("a", href=f"#{section['id']}")
        link.append(book.new_tag("span", string=heading.get_text()))
        link.append(book.new_tag("span", string="000", attrs={"class": "page"}))
        item.append(link)
        entries.append(item)
    return entries


def write_pdf(browser, html):
    """Print the book that was built into the folder `html`; return the path of the PDF."""
    book = joined(html)
    document = html.with_name("autoencoders.html")
    pdf = document.with_suffix(".pdf")
    _print(browser, book, document, pdf)
    _number(book, pdf)
    _print(browser, book, document, pdf)
    return pdf


def _print(browser, book, document, pdf):
    document.write_text(str(book), encoding="utf-8")
    page = browser.new_page()
    page.goto(document.as_uri())
    page.pdf(path=pdf, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    page.close()


def _number(book, pdf):
    """Write beside each entry of the contents on which page of the PDF it is."""
    reader = PdfReader(pdf)
    places = reader.named_destinations
    for link in book.select(".book-contents a"):
        place = places["/" + link["href"].removeprefix("#")]
        link.select_one(".page").string = str(reader.get_destination_page_number(place) + 1)


def main():
    """Print the book that `make book` built, and tell where; end with a message if that fails."""
    html = ROOT / "_build" / "html"
    if not (html / "index.html").exists():
        sys.exit(f"{html} holds no pages; build the book first: make book")
    try:
        with chromium() as browser:
            print(f"Print {write_pdf(browser, html)}")
    except NoBrowserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
