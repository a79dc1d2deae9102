"""What readers get who use a keyboard or a screen reader, zoom in, or want other colours."""

from browser import new_page, THEMES
from conftest import contrast, OPEN_ALL, serve
import pytest

# Everything that Tab should reach: of radio buttons with one name only the chosen one or the first.
MARK_TARGETS = """() => {
    const chosen = group => [...group].find(it => it.checked) ?? group[0];
    const all = "a[href], button, input, select, summary, textarea, [tabindex]";
    globalThis.targets = [...document.querySelectorAll(all)].filter(it =>
        it.tabIndex >= 0 && !it.disabled && it.checkVisibility({visibilityProperty: true})
        && (it.type !== "radio" || it === chosen(document.getElementsByName(it.name))));
    globalThis.shadows = new Map(targets.map(it => [it, getComputedStyle(it).boxShadow]));
    document.activeElement.blur();
    return targets.length;
}"""

# The element in focus: its place among the targets, the colours of its outline, which may be that
# of what it stands in, and of the ground behind it, and whether it casts a shadow only now.
FOCUSED = """() => {
    const it = document.activeElement;
    if (it === document.body) return null; // after the last
    const styles = [it, it.closest("label") ?? it].map(ring => getComputedStyle(ring));
    const title = it.closest(".admonition-title");
    if (title) styles.push(getComputedStyle(title, "::before"));
    const {boxShadow} = styles[0];
    let behind = it.parentElement;
    while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") {
        behind = behind.parentElement;
    }
    return {
        index: targets.indexOf(it),
        html: it.outerHTML.slice(0, 100),
        rings: styles.filter(it => it.outlineStyle !== "none" && parseFloat(it.outlineWidth) >= 1)
            .map(it => it.outlineColor),
        shadowed: boxShadow !== "none" && boxShadow !== shadows.get(it),
        ground: getComputedStyle(behind).backgroundColor,
    };
}"""


@pytest.fixture(params=["file", "http"])
def home(request, browser, html):
    """An empty page, and the address of the book: a folder, or a server."""
    page = new_page(browser, theme="light", width=1280)
    serve(page, html)
    yield page, html.as_uri() if request.param == "file" else "http://localhost"
    page.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["index", "anatomy"])
def test_tab_reaches_everything_and_shows_where_it_is(browser, html, theme, name):
    page = new_page(browser, theme=theme, width=1280)
    page.goto((html / f"{name}.html").as_uri())
    page.evaluate(OPEN_ALL)
    reached, unseen = [], []
    for _ in range(2 * page.evaluate(MARK_TARGETS)):  # some more stops than targets, yet no trap
        page.keyboard.press("Tab")
        if not (focus := page.evaluate(FOCUSED)):
            break
        reached.append(focus["index"])
        ring = any(contrast(colour, focus["ground"]) >= 3 for colour in focus["rings"])
        if not (ring or focus["shadowed"]):
            unseen.append(focus["html"])
    missed = page.evaluate(
        "reached => targets.filter((_, i) => !reached.includes(i)).map(it => it.outerHTML)",
        reached,
    )
    page.close()
    assert not missed
    assert not unseen


def test_what_colour_tells_is_told_without_it_where_colours_are_forced(browser, html):
    page = browser.new_page(forced_colors="active")

    def style(locator, name, part=None):
        return locator.evaluate(
            "(it, [name, part]) => getComputedStyle(it, part)[name]", [name, part]
        )

    page.goto((html / "index.html").as_uri())
    bar, ground = page.locator("ae-playground .bars i").first, page.locator("body")
    assert contrast(style(bar, "backgroundColor"), style(ground, "backgroundColor")) >= 3
    erase = page.get_by_role("button", name="Erase")
    raised = style(erase, "backgroundColor")
    assert style(erase, "borderTopStyle") == "solid"
    erase.click()
    assert style(erase, "backgroundColor") != raised
    drawing = page.locator("ae-playground .drawing")
    assert style(drawing, "outlineStyle") == "solid"
    page.goto((html / "claims.html").as_uri())
    signs = set()
    box = page.locator(".verdict").first
    for outcome in ("holds", "holds-with-a-condition", "does-not-hold"):
        box.evaluate("(it, outcome) => (it.className = `verdict ${outcome}`)", outcome)
        assert style(box, "borderLeftStyle") == "solid"
        assert style(box, "borderLeftColor") != style(box, "backgroundColor")
        signs.add(style(box.locator("> p"), "content", "::before"))
    assert len(signs - {"none", "normal"}) == 3
    page.goto((html / "anatomy.html").as_uri())
    quiz = page.locator(".predict").first
    quiz.get_by_role("radio").first.check()
    for answer, sign in {".right": "✓", ".wrong:has(:checked)": "✗"}.items():
        assert sign in style(quiz.locator(answer), "content", "::after")
        assert style(quiz.locator(answer), "borderTopStyle") == "solid"
    page.close()


def test_a_search_from_the_keyboard_leads_to_pages_that_hold_the_word(home):
    page, address = home
    page.goto(f"{address}/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("bottleneck")
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.click()
    page.locator("article .highlighted").first.wait_for()
    assert "search.html" not in page.url
    assert page.locator("article .highlighted").first.inner_text().lower() == "bottleneck"


def test_the_theme_can_be_switched_and_is_remembered(home):
    page, address = home
    look = """() => {
        const {mode, theme} = document.documentElement.dataset;
        return [mode, theme, getComputedStyle(document.body).backgroundColor];
    }"""
    page.goto(f"{address}/index.html")
    seen = {}
    for _ in range(3):
        page.get_by_role("button", name="Color mode").click()
        mode, theme, ground = page.evaluate(look)
        page.reload()
        assert page.evaluate(look) == [mode, theme, ground]
        seen[mode] = theme, ground
    assert {mode: theme for mode, (theme, _) in seen.items()} == {
        "auto": "light",
        "dark": "dark",
        "light": "light",
    }
    assert contrast(seen["dark"][1], seen["light"][1]) > 10


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_solutions_open_and_close(browser, html, by):
    page = new_page(browser, theme="light", width=360)
    page.goto((html / "anatomy.html").as_uri())
    solution = page.locator(".solution").first
    content, button = solution.locator("section").first, solution.locator(".toggle-button")
    for shown in (True, False):
        button.click() if by == "mouse" else button.press("Enter")
        content.wait_for(state="visible" if shown else "hidden")
        assert button.get_attribute("aria-expanded") == str(shown).lower()
    page.close()
