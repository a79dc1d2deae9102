"""What a reader gets: the pages, built from nothing, and the outputs that the notebooks store."""

from base64 import b64decode
from contextlib import ExitStack
from filecmp import cmp
from importlib import resources
import itertools
import re
import shutil
from urllib.parse import unquote, urljoin, urlsplit

from aehelpers.claims import CLAIMS
from browser import new_page, NoBrowserError, THEMES
from bs4 import BeautifulSoup
from conftest import build_book, contrast, open_browser, ROOT
from docutils import nodes
from fontTools.ttLib import TTFont
import mathml
import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook
from outputs import decode_picture, NETWORK, stored_outputs
from PIL import Image
import pytest
import yaml

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
SENTENCE = re.compile(r"[A-Z0-9]\S*( \S+){4,}\.")
LOCAL_PATH = re.compile(r"/home/|/root/|/tmp|/Users/|[A-Z]:\\|site-packages")
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
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    options = config["sphinx"]["config"]["html_theme_options"]
    assert not {"repository_url", "launch_buttons"} & options.keys()
    for name, page in pages.items():
        assert not page.select(".dropdown-launch-buttons, .dropdown-source-buttons"), name
        assert not page.select("[class*=btn-source-], [class*=btn-launch]"), name


def test_a_repository_and_a_launch_are_offered_once_their_addresses_are_configured(tmp_path):
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    address = "https://github.com/reader/book"
    config["sphinx"]["config"]["html_theme_options"] |= {
        "repository_url": address,
        "repository_branch": "main",
        "path_to_docs": "book",
        "use_repository_button": True,
        "launch_buttons": {"binderhub_url": "https://binder.example.org"},
    }
    extensions = config["sphinx"]["local_extensions"]
    extensions |= dict.fromkeys(extensions, str(ROOT / "tools"))
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    book = tmp_path / "book"
    shutil.copytree(ROOT / "book", book, ignore=shutil.ignore_patterns("*.md", "*.ipynb"))
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Page", id="a")]), book / "page.ipynb")
    (tmp_path / "toc.yml").write_text(yaml.safe_dump({"format": "jb-book", "root": "page"}))
    run, html = build_book(tmp_path, book, tmp_path / "toc.yml", tmp_path / "config.yml")
    assert run.returncode == 0, run.stderr
    page = BeautifulSoup((html / "page.html").read_text(), "html.parser")
    source = page.select_one(".btn-source-repository-button")
    assert source["href"] == address
    launch = page.select_one(".dropdown-launch-buttons a[href*=binder]")
    place = "v2/gh/reader/book/main?urlpath=tree/book/page.ipynb"
    assert launch["href"] == f"https://binder.example.org/{place}"


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


def test_icons_that_pages_use_and_few_others_are_in_the_style_and_the_font(html, pages):
    def icons(static):
        """The numbers of the characters, by the icons' names."""
        style = (static / "styles" / "pydata-sphinx-theme.css").read_text()
        rule = r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([ef]\w{3})"\}'
        return {
            name: int(number, base=16)
            for names, number in re.findall(rule, style)
            for name in re.findall(r"fa-[\w-]+", names)
        }

    theme = icons(resources.files("pydata_sphinx_theme") / "theme/pydata_sphinx_theme/static")
    kept = icons(html / "_static")
    classes = {name for page in pages.values() for it in page.select("i") for name in it["class"]}
    used = classes & theme.keys()
    assert len(used) > 8
    assert {name: theme[name] for name in used}.items() <= kept.items() <= theme.items()
    font = TTFont(html / "_static" / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf")
    bell = 0xF0F3  # of a box, which a variable of the theme names
    assert {bell, *(theme[name] for name in used)} <= font.getBestCmap().keys()
    assert max(len(kept), len(font.getBestCmap())) < 50 < len(theme)


def test_every_solution_is_hidden_until_it_is_asked_for(pages):
    solutions = [it for page in pages.values() for it in page.select("div.solution")]
    assert len(solutions) > 40
    for solution in solutions:
        assert "dropdown" in solution["class"], solution.text.strip()[:60]


def test_every_verdict_is_one_of_three_and_says_so_in_words(pages):
    verdicts = [it for page in pages.values() for it in page.select(".verdict")]
    assert len(verdicts) == 2 * len(CLAIMS)  # in its chapter and on the page of claims
    for verdict in verdicts:
        (state,) = set(verdict["class"]) - {"verdict", "docutils", "container"}
        assert state in VERDICTS
        assert verdict.strong.text.endswith(f" {state.replace('-', ' ')}.")


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
    assert sorted(link.text for link in links) == list(CLAIMS)
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


def test_no_line_breaks_between_a_number_and_its_percent_sign(pages):
    texts = [
        element.get_text()
        for page in pages.values()
        for element in page.select("article p, article figcaption")
    ]
    assert not [text for text in texts if re.search(r"\d[ \n]%", text)]
    assert sum(text.count("\N{NO-BREAK SPACE}%") for text in texts) > 50


@pytest.mark.parametrize(
    ("variables", "outcome"), [({}, pytest.skip.Exception), ({"CI": "1"}, NoBrowserError)]
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
        assert cmp(saved, notebook, shallow=False)  # pytest explains unequal bytes for minutes
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
