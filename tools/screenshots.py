"""Take a picture of every page of the built book: both themes, on a laptop and on a telephone.

`python tools/screenshots.py` reads _build/html and writes _build/screens.
"""

from itertools import product
import sys

from browser import chromium, new_page, NoBrowserError, THEMES
from files import ROOT

WIDTHS = (1280, 360)  # pixels: a laptop, a telephone


def main():
    """Take pictures of all pages, in both themes and at both widths."""
    build = ROOT / "_build"
    addresses = sorted((build / "html").glob("*.html"))
    if not addresses:
        sys.exit(f"{build / 'html'} holds no pages; build the book first: make book")
    try:
        with chromium() as browser:
            for theme, width in product(THEMES, WIDTHS):
                page = new_page(browser, theme=theme, width=width)
                for address in addresses:
                    page.goto(address.as_uri())
                    picture = build / "screens" / f"{address.stem}-{theme}-{width}.png"
                    page.screenshot(path=picture, full_page=True)
                page.close()
    except NoBrowserError as error:
        sys.exit(str(error))
    print(f"Pictures of {len(addresses)} pages are in {build / 'screens'}")


if __name__ == "__main__":
    main()
