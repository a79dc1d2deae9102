"""Take a picture of every page of the built book: both themes, on a laptop and on a telephone.

`python tools/screenshots.py` reads _build/html and writes _build/screens.
"""

from contextlib import contextmanager
from itertools import product
import shutil
import sys

from files import ROOT
from playwright.sync_api import sync_playwright

THEMES = ("light", "dark")
WIDTHS = (1280, 360)  # pixels: a laptop, a telephone


@contextmanager
def chromium():
    """Run Chromium without a window: the system's own, or else Playwright's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox"],  # without it, Chromium refuses to run as root in a container
        )
        yield browser
        browser.close()


def is_missing(error):
    """Whether an error of Playwright says that there is no browser."""
    return "Executable doesn't exist" in error.message


def new_page(browser, *, theme, width):
    """Open an empty page that prefers `theme` and is `width` pixels wide."""
    return browser.new_page(color_scheme=theme, viewport={"width": width, "height": 800})


def main():
    """Take pictures of all pages, in both themes and at both widths."""
    build = ROOT / "_build"
    addresses = sorted((build / "html").glob("*.html"))
    if not addresses:
        sys.exit(f"{build / 'html'} holds no pages; build the book first: make book")
    with chromium() as browser:
        for theme, width in product(THEMES, WIDTHS):
            page = new_page(browser, theme=theme, width=width)
            for address in addresses:
                page.goto(address.as_uri())
                picture = build / "screens" / f"{address.stem}-{theme}-{width}.png"
                page.screenshot(path=picture, full_page=True)
            page.close()
    print(f"Pictures of {len(addresses)} pages are in {build / 'screens'}")


if __name__ == "__main__":
    main()
