"""The browser that shows, photographs and prints the pages: Chromium, through Playwright."""

from contextlib import contextmanager
import shutil

from playwright.sync_api import Error, sync_playwright

THEMES = ("light", "dark")


class NoBrowserError(RuntimeError):
    """There is no Chromium on this machine."""


@contextmanager
def chromium():
    """Run Chromium without a window: the system's own, or else Playwright's.

    Yields
    ------
    playwright.sync_api.Browser

    Raises
    ------
    NoBrowserError
        If there is neither; says how to get one.
    """
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox"],  # without it, Chromium refuses to run as root in a container
            )
        except Error as error:
            if "Executable doesn't exist" not in error.message:
                raise
            raise NoBrowserError("no Chromium here; install it: apt install chromium") from error
        yield browser
        browser.close()


def new_page(browser, *, theme, width):
    """Open an empty page that prefers `theme`, one of `THEMES`, and is `width` pixels wide."""
    return browser.new_page(color_scheme=theme, viewport={"width": width, "height": 800})
