"""What is seen on every page: all are visited from a folder and a server, in themes and widths."""

from collections import defaultdict
from urllib.parse import unquote, urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from browser import new_page
from conftest import OPEN_ALL
from playwright.sync_api import Error
import pytest

# The address of the book, the theme and the width of the window in pixels.
LAPTOP = [("http", "light", 1280), ("file", "dark", 1280)]
TELEPHONE = [("file", "light", 360), ("http", "dark", 360)]

# Bytes of a page with all that it loads when it is opened: one of words, one with figures or live
# networks, and one that has formulas, too.
LIGHT, USUAL, HEAVY = 750_000, 1_000_000, 1_200_000

# An admonition cuts off what does not fit, so the page alone would not show it.
TOO_WIDE = """() => [...document.querySelectorAll("html, .admonition, .predict")]
    .filter(it => it.scrollWidth > it.clientWidth)
    .map(it => `${it.localName}.${it.className} in a window ${innerWidth} wide`)"""

# Elements that scroll sideways, by their tag and class, and whether the keyboard can get there.
SCROLLING = """() => [...document.querySelectorAll("body, body *")]
    .filter(it => it.checkVisibility() && it.scrollWidth > it.clientWidth + 1)
    .filter(it => /auto|scroll/.test(getComputedStyle(it).overflowX))
    .map(it => [`${it.localName}.${it.className}`, it.tabIndex])"""
MAY_SCROLL = ("pre.", "div.math")

FIGURES = """() => [...document.querySelectorAll(".cell_output img, ae-playground > img")]
    .map(it => getComputedStyle(it)).map(it => [it.filter, it.backgroundColor])"""

MOVING = """() => [...document.querySelectorAll("*")].filter(it =>
    ["", "::before", "::after"].map(part => getComputedStyle(it, part)).some(style =>
        style.animationName !== "none" || style.scrollBehavior === "smooth"
        || style.transitionDuration.split(", ").some(time => parseFloat(time))))
    .map(it => it.outerHTML.slice(0, 200))"""

# Of each kind of coloured word in the code, keep the first on the page: it stands for hundreds, and
# axe-core takes its time with each.
ONE_WORD_OF_EACH_KIND = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll("pre span")) {
        if (seen.has(word.className)) word.replaceWith(...word.childNodes);
        seen.add(word.className);
    }
    document.body.normalize();
}"""

# What axe-core objects to in a part of the page, by its rules of WCAG 2.0 to 2.2, levels A and AA,
# and of best practice, but that of contrast.
AXE_FAULTS = """async part => {
    const rules = {"color-contrast": {enabled: false}};
    const options = {resultTypes: ["violations"], preload: false, rules}; // ask for no styles again
    const {violations} = await axe.run(part, options);
    return violations.flatMap(({id, nodes}) => nodes.map(it => `${id}: ${it.target}: ${it.html}`));
}"""

# And by its rule of contrast, which takes longer than all others: of all texts in equal elements
# within equal elements it is shown the first. Equal are elements by their name, class and style.
AXE_CONTRAST_FAULTS = """async part => {
    const kinds = new Map([[null, ""]]);
    const kind = it => {
        if (!kinds.has(it)) {
            const {color, backgroundColor, backgroundImage, opacity, fontSize, fontWeight} =
                getComputedStyle(it);
            kinds.set(it, [kind(it.parentElement), it.localName, it.className, color,
                backgroundColor, backgroundImage, opacity, fontSize, fontWeight].join());
        }
        return kinds.get(it);
    };
    const says = it => it.matches("input, select, textarea")
        || [...it.childNodes].some(child => child instanceof Text && child.data.trim());
    const texts = [...document.querySelectorAll(`${part} *`)]
        .filter(it => says(it) && it.checkVisibility({visibilityProperty: true}));
    const first = new Map(texts.reverse().map(it => [kind(it), it]));
    const options = {resultTypes: ["violations"], runOnly: ["color-contrast"]};
    const {violations} = await axe.run({include: [...first.values()]}, options);
    return violations.flatMap(({id, nodes}) => nodes.map(it => `${id}: ${it.target}: ${it.html}`));
}"""


def called(visit):
    return "-".join(map(str, visit))


@pytest.fixture(scope="module", params=[*LAPTOP, *TELEPHONE], ids=called)
def seen(request, browser, html):
    """What one visit of all pages saw: by the page's name and the kind, a list."""
    address, theme, width = request.param
    home = html.as_uri() if address == "file" else "http://localhost"

    def file_of(url):
        return html / unquote(urlsplit(url.removeprefix(home)).path).lstrip("/")

    def note_request(request):
        if request.url.startswith(home):
            saw["files"].append(file_of(request.url))
        elif not request.url.startswith("data:"):
            saw["elsewhere"].append(request.url)

    page = new_page(browser, theme=theme, width=width)
    page.emulate_media(reduced_motion="reduce")
    page.clock.install()
    page.route("http://localhost/**", lambda it: it.fulfill(path=file_of(it.request.url)))
    page.on("console", lambda it: it.type in ("error", "warning") and saw["log"].append(it.text))
    page.on("pageerror", lambda error: saw["log"].append(str(error)))
    page.on("request", note_request)
    found = {}
    for name in [*sorted(path.name for path in html.glob("*.html")), "search.html?q=noise"]:
        saw = found[name] = defaultdict(list)
        page.goto(f"{home}/{name}")
        if "?" in name:
            page.locator("#search-results li a").first.wait_for()
        page.evaluate(OPEN_ALL)
        wait_a_second(page, saw)
        saw["files at first"] = list(saw["files"])
        saw["formulas"] = page.locator("math").count()
        saw["figures"] = page.evaluate(FIGURES)
        look_at_widths(page, saw)
        if width == 1280:
            page.set_viewport_size({"width": 640, "height": 400})  # as it is enlarged twice
            wait_a_second(page, saw)  # by then the theme knows what scrolls
            look_at_widths(page, saw)
            page.set_viewport_size({"width": width, "height": 800})
            saw["moving"] = page.evaluate(MOVING)
            # The themes differ in their colours alone.
            looks = [AXE_CONTRAST_FAULTS] + [AXE_FAULTS] * (theme == "light")
            saw["axe"] = axe_faults(page, looks)
    page.close()
    return found


def wait_a_second(page, saw):
    """Have the page do at once what it does within a second of its own, and note what fails."""
    try:
        page.clock.run_for(1000)
    except Error as error:
        saw["log"].append(str(error))


def look_at_widths(page, saw):
    saw["too wide"] += page.evaluate(TOO_WIDE)
    saw["scrolling"] += page.evaluate(SCROLLING)


def axe_faults(page, looks):
    """What axe-core finds by each of the looks, in the page and in each of its live networks."""
    page.evaluate(ONE_WORD_OF_EACH_KIND)
    page.evaluate(AXE_SCRIPT)
    if page.locator("ae-playground").count():
        page.locator("ae-playground").scroll_into_view_if_needed()
        page.locator("ae-playground.running").wait_for()
    faults = [fault for look in looks for fault in page.evaluate(look, "html")]
    for network in page.locator("ae-playground .networks input").all()[1:]:
        network.check()
        page.locator("ae-playground[aria-busy=false]").wait_for()
        faults += [fault for look in looks for fault in page.evaluate(look, "ae-playground")]
    return faults


def all_of(seen, kind):
    """What was seen of a kind, each with the name of its page."""
    return [(name, it) for name, saw in seen.items() for it in saw[kind]]


def on(visits):
    return pytest.mark.parametrize("seen", visits, indirect=True, ids=called)


def test_pages_log_no_error_and_no_warning(seen):
    assert not all_of(seen, "log")


def test_pages_ask_no_other_host(seen):
    assert not all_of(seen, "elsewhere")


def test_pages_fit_the_window_and_boxes_the_page(seen):
    assert not all_of(seen, "too wide")


def test_only_code_and_formulas_scroll_sideways_and_the_keyboard_scrolls_them(seen):
    scrolling = all_of(seen, "scrolling")
    assert len(scrolling) > 10
    assert not [
        (name, element, index)
        for name, (element, index) in scrolling
        if index != 0 or not element.startswith(MAY_SCROLL)
    ]


def test_figures_are_shown_as_drawn_and_on_white(seen):
    figures = all_of(seen, "figures")
    assert len(figures) > 50
    assert not [(name, it) for name, it in figures if it != ["none", "rgb(255, 255, 255)"]]


def test_pages_weigh_little_when_they_are_opened(seen):
    heavy = []
    for name, saw in seen.items():
        files = saw["files at first"]
        weight = sum(path.stat().st_size for path in files)
        plain = {"_images", "playground"}.isdisjoint(path.parent.name for path in files)
        if weight > (LIGHT if plain else HEAVY if saw["formulas"] else USUAL):
            heavy.append(f"{name} weighs {weight:,} bytes")
    assert not heavy


@on(LAPTOP)
def test_nothing_moves_for_readers_who_prefer_that(seen):
    assert not all_of(seen, "moving")


@on(LAPTOP)
def test_axe_finds_no_fault(seen):
    assert not all_of(seen, "axe")
