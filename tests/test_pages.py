"""What a reader gets: the pages, built from nothing, and the outputs that the notebooks store."""

from base64 import b64decode
from contextlib import ExitStack
import itertools
import re
from urllib.parse import unquote, urljoin, urlsplit

from aehelpers.claims import CLAIMS
from bs4 import BeautifulSoup
from conftest import contrast, OPEN_ALL, open_browser, ROOT
from docutils import nodes
import mathml
import nbformat
from outputs import decode_picture, NETWORK, stored_outputs
from PIL import Image
from playwright.sync_api import Error
import pytest
from screenshots import new_page, THEMES
import yaml

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
SENTENCE = re.compile(r"[A-Z0-9]\S*( \S+){4,}\.")
LOCAL_PATH = re.compile(r"/home/|/root/|/tmp|/Users/|[A-Z]:\\|site-packages")
# An admonition cuts off what does not fit, so the page alone would not show it.
TOO_WIDE = """[...document.querySelectorAll("html, .admonition, .predict")]
    .some(it => it.scrollWidth > it.clientWidth)"""
# Bytes of a page with all that it loads: one of words, and one with figures or live networks.
LIGHT, HEAVY = 1_000_000, 2_300_000
VERDICTS = ["holds", "holds-with-a-condition", "does-not-hold"]


@pytest.fixture(scope="module")
def pages(html):
    """The parsed pages, by file name."""
    return {
        path.name: BeautifulSoup(path.read_text(), "html.parser") for path in html.glob("*.html")
    }


def test_the_book_builds_without_a_warning(build):
    run, _ = build
    assert run.returncode == 0, run.stderr
    assert "warning" not in (run.stdout + run.stderr).lower()


def test_every_page_in_the_contents_is_built_and_has_one_title(pages):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    for name in [toc["root"], *chapters]:
        assert len(pages[f"{name}.html"].select("article h1")) == 1, name


def test_previous_and_next_lead_through_all_pages_in_the_order_of_the_contents(pages):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    names = [f"{name}.html" for name in (toc["root"], *chapters)]
    for before, after in itertools.pairwise(names):
        assert pages[before].select_one("a.right-next")["href"] == after
        assert pages[after].select_one("a.left-prev")["href"] == before


def test_no_page_offers_a_repository_or_a_launch_since_no_address_is_configured(pages):
    config = (ROOT / "_config.yml").read_text()
    assert "repository" not in config
    assert "launch" not in config
    for name, page in pages.items():
        assert not page.select(".dropdown-launch-buttons, .dropdown-source-buttons"), name
        assert not page.select("[class*=btn-source-], [class*=btn-launch]"), name


def test_every_internal_link_leads_to_a_page_and_a_place_on_it(html, pages):
    broken = []
    for name, page in pages.items():
        for link in page.select("a[href]"):
            target = urlsplit(urljoin(name, link["href"]))
            path, place = unquote(target.path), unquote(target.fragment)
            if target.scheme:
                continue
            if not (html / path).is_file() or (place and not pages[path].find(id=place)):
                broken.append(f"{name}: {link['href']}")
    assert not broken


def test_every_picture_is_described_by_a_sentence(pages):
    undescribed = [
        f"{name}: {picture.get('alt')}"
        for name, page in pages.items()
        for picture in page.select("img")
        if not SENTENCE.fullmatch(picture.get("alt", ""))
    ]
    assert not undescribed


def test_pages_and_styles_load_nothing_from_another_host(html, pages):
    loaded = [
        (name, element.get("src") or element["href"])
        for name, page in pages.items()
        for element in page.select("[src], link[href]")
    ]
    styles = [*html.rglob("*.css"), *html.glob("*.html")]
    for style in styles:
        urls = re.findall(r"(?:\burl\(|@import)\s*[\"']?([^\"')\s]+)", style.read_text())
        loaded += [(style.name, url) for url in urls]
    assert not [(name, url) for name, url in loaded if re.match(r"(https?:)?//", url)]


def test_every_solution_is_hidden_until_it_is_asked_for(pages):
    for name, page in pages.items():
        for solution in page.select("div.solution"):
            assert "dropdown" in solution["class"], f"{name}: {solution.text.strip()[:60]}"


def test_every_verdict_is_one_of_three_and_says_so_in_words(pages):
    for name, page in pages.items():
        for verdict in page.select(".verdict"):
            (state,) = set(verdict["class"]) - {"verdict", "docutils", "container"}
            assert state in VERDICTS, name
            assert verdict.strong.text.endswith(f" {state.replace('-', ' ')}."), name


def test_the_page_of_claims_shows_all_of_them_and_links_each_to_its_verdict(pages):
    boxes = pages["claims.html"].select(".verdict")
    assert len(boxes) == len(CLAIMS)
    for box in boxes:
        claim = box.strong.text.split()[0]
        links = [link["href"] for link in box.select("a.reference")]
        (name, anchor) = links[0].split("#")
        assert anchor == claim
        experiment = pages[name].find(id=claim)
        assert experiment.strong.text == box.strong.text


def test_the_page_of_lessons_links_each_claim_once_and_marks_its_outcome(pages):
    links = pages["lessons.html"].select("a.claim")
    assert sorted(link.text for link in links) == [f"C{number:02}" for number in range(1, 33)]
    for link in links:
        name, anchor = link["href"].split("#")
        assert anchor == link.text
        (outcome,) = set(VERDICTS) & set(link["class"])
        assert outcome in pages[name].find(id=anchor)["class"]
        assert link["title"].startswith(f"{anchor} {outcome.replace('-', ' ')}: ")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_stored_outputs_hold_no_local_path_no_warning_and_no_error(notebook):
    for _, output in stored_outputs(nbformat.read(notebook, as_version=4)):
        assert output.output_type != "error", output.ename
        assert output.get("name") != "stderr", output.text
        data = output.get("data", {}).items()
        text = "\n".join(
            str(content)
            for kind, content in data
            if not kind.startswith("image/") and kind != NETWORK  # both hold base64
        )
        text += output.get("text", "")
        assert not LOCAL_PATH.search(text), text
        assert "warning" not in text.lower(), text


def test_pages_show_the_stored_pictures_pixel_by_pixel_in_a_smaller_file(html, pages):
    stored, shown = {}, {}
    for notebook in NOTEBOOKS:
        for _, output in stored_outputs(nbformat.read(notebook, as_version=4)):
            if picture := output.get("data", {}).get("image/png"):
                stored[decode_picture(picture).tobytes()] = len(b64decode(picture))
    for page in pages.values():
        for picture in page.select("article .cell_output img"):
            path = html / picture["src"]
            shown[Image.open(path).convert("RGBA").tobytes()] = path.stat().st_size
    assert shown.keys() <= stored.keys()
    assert len(shown) > 50
    assert sum(shown.values()) < 0.7 * sum(stored[pixels] for pixels in shown)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_every_cell_that_draws_describes_its_picture_in_its_metadata(notebook):
    for cell, output in stored_outputs(nbformat.read(notebook, as_version=4)):
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            description = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert SENTENCE.fullmatch(description), cell.source


@pytest.mark.parametrize(
    ("latex", "fault"),
    [(r"\nosuch x", "Unknown command"), (r"a = b \\ c = d", "A line break needs an environment")],
)
def test_a_formula_that_has_no_mathml_is_named_with_its_place(latex, fault):
    formula = nodes.math(latex, latex)
    formula.source, formula.line = "anatomy.ipynb", 7
    message = re.escape(f"anatomy.ipynb:7: {latex} (") + f".*{fault}"
    with pytest.raises(mathml.FormulaError, match=message):
        mathml.mathml(formula, displaystyle=False)


@pytest.mark.parametrize(
    ("variables", "outcome"), [({}, pytest.skip.Exception), ({"CI": "1"}, Error)]
)
def test_a_missing_browser_is_a_reason_to_skip_at_home_and_to_fail_in_ci(
    monkeypatch, tmp_path, variables, outcome
):
    for name, value in ({"CI": None} | variables).items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with ExitStack() as stack, pytest.raises(outcome):
        open_browser(stack)


@pytest.mark.parametrize(
    ("address", "theme", "width"),
    [
        ("file://", "light", 1280),
        ("file://", "dark", 360),
        ("http://localhost", "dark", 1280),
        ("http://localhost", "light", 360),
    ],
)
def test_pages_log_nothing_ask_no_other_host_and_fit_the_screen(
    browser, html, pages, address, theme, width
):
    home = html.as_uri() if address == "file://" else address
    faults = []
    weight = 0

    def answer(route):
        nonlocal weight
        path = html / urlsplit(route.request.url).path.lstrip("/")
        weight += path.stat().st_size
        route.fulfill(path=path)

    def note_message(message):
        if message.type in ("error", "warning"):
            faults.append(message.text)

    def note_request(request):
        if not request.url.startswith((home, "data:")):
            faults.append(request.url)

    page = new_page(browser, theme=theme, width=width)
    page.clock.install()
    page.route("http://localhost/**", answer)
    page.on("console", note_message)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", note_request)
    for name in [*pages, "search.html?q=autoencoder"]:
        weight = 0
        page.goto(f"{home}/{name}")
        page.evaluate(OPEN_ALL)
        page.clock.run_for(1000)  # what a page does within a second of its own, at once
        if page.evaluate(TOO_WIDE):
            faults.append(f"{name} is too wide")
        plain = not pages[urlsplit(name).path].select(".cell_output img, ae-playground")
        if weight > (LIGHT if plain else HEAVY):
            faults.append(f"{name} weighs {weight:,} bytes")
    page.close()
    assert not faults


def test_each_notebook_has_a_button_on_its_page_that_saves_it(browser, html):
    def answer(route):
        path = html / urlsplit(route.request.url).path.lstrip("/")
        text = "application/json" if path.suffix == ".ipynb" else None  # which a browser would show
        route.fulfill(path=path, content_type=text)

    page = new_page(browser, theme="light", width=360)
    page.route("http://localhost/**", answer)
    for notebook in NOTEBOOKS:
        page.goto(f"http://localhost/{notebook.stem}.html")
        page.get_by_role("button", name="Download this page").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=".ipynb").click()
        assert download.value.suggested_filename == notebook.name
        saved = html / urlsplit(download.value.url).path.lstrip("/")
        assert saved.read_bytes() == notebook.read_bytes()
    page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_verdicts_differ_in_sign_and_colour_and_are_readable(browser, html, theme):
    page = new_page(browser, theme=theme, width=1280)
    page.goto((html / "index.html").as_uri())
    styles = page.evaluate(
        """states => states.map(state => {
            const cell = document.createElement("div");
            const html = `<div class="verdict ${state}"><p></p></div>`;
            cell.className = "cell_output";
            cell.innerHTML = `<div class="output text_html">${html}</div>`;
            document.querySelector("article").append(cell);
            const sign = getComputedStyle(cell.querySelector("p"), "::before").content;
            const style = getComputedStyle(cell.querySelector(".verdict"));
            return [sign, style.borderLeftColor, style.color, style.backgroundColor];
        })""",
        VERDICTS,
    )
    page.close()
    signs, borders, colours, backgrounds = zip(*styles, strict=True)
    assert len(set(signs)) == len(set(borders)) == len(VERDICTS)
    assert min(map(contrast, colours, backgrounds)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_figures_are_shown_as_drawn_and_on_white(browser, html, pages, theme):
    page = new_page(browser, theme=theme, width=1280)
    for name in pages:
        page.goto((html / name).as_uri())
        styles = page.locator(".cell_output img").evaluate_all(
            "all => all.map(it => getComputedStyle(it)).map(it => [it.filter, it.backgroundColor])"
        )
        assert styles == [["none", "rgb(255, 255, 255)"]] * len(styles), name
    page.close()
