"""Print the built book as one PDF, with the solutions in an appendix.

`python tools/pdf.py` reads _build/html and writes _build/autoencoders.pdf, and beside it the page
that it prints, _build/autoencoders.html.
"""

from pathlib import Path
import sys
from urllib.parse import unquote, urljoin, urlsplit

from bs4 import BeautifulSoup
from playwright.sync_api import Error
from screenshots import chromium, is_missing

STYLE = Path(__file__).with_name("pdf.css")
# Folded code draws and judges; on paper, where nothing unfolds, its figure or verdict says it all.
LEFT_OUT = "a.headerlink, details.hide, .predict input, [hidden], .toctree-wrapper"


def joined(html):
    """Join the pages of the built book in one document, the solutions at its end.

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
    """The document: title, contents, chapters, appendix."""
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
    appendix = _appendix(book, chapters)
    book.article.append(book.new_tag("p", string=title, attrs={"class": "book-title"}))
    book.article.append(_contents(book, [*chapters, appendix]))
    book.article.extend([*chapters, appendix])
    return book


def _appendix(book, chapters):
    """Move the solutions out of the chapters, and leave a link in every exercise."""
    appendix = book.new_tag("section", id="solutions", attrs={"class": "chapter"})
    appendix.append(book.new_tag("h1", string="Solutions"))
    for chapter in chapters:
        solutions = chapter.select(".solution")
        if solutions:
            heading = book.new_tag("h2", id=f"solutions-{chapter['id']}")
            heading.string = chapter.h1.get_text()
            appendix.append(heading)
        for solution in solutions:
            exercise = chapter.find(id=solution.select_one(".admonition-title a")["href"][1:])
            link = book.new_tag("a", href=f"#{solution['id']}", string="Its solution")
            note = book.new_tag("p", attrs={"class": "to-solution"})
            note.extend([link, " is in the appendix."])
            exercise.append(note)
            appendix.append(solution.extract())
    return appendix


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
        item.append(book.new_tag("a", href=f"#{section['id']}", string=heading.get_text()))
        entries.append(item)
    return entries


def write_pdf(browser, html):
    """Print the book that was built into the folder `html`; return the path of the PDF."""
    document = html.with_name("autoencoders.html")
    document.write_text(str(joined(html)), encoding="utf-8")
    page = browser.new_page()
    page.goto(document.as_uri())
    pdf = document.with_suffix(".pdf")
    page.pdf(path=pdf, prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    page.close()
    return pdf


def main():
    html = Path(__file__).resolve().parents[1] / "_build" / "html"
    if not (html / "index.html").exists():
        sys.exit(f"{html} holds no pages; build the book first: make book")
    try:
        with chromium() as browser:
            print(f"Print {write_pdf(browser, html)}")
    except Error as error:
        if not is_missing(error):
            raise
        sys.exit("The PDF is printed by Chromium; install it: apt install chromium")


if __name__ == "__main__":
    main()
