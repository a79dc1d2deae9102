"""Sphinx extension that keeps those of the theme's 1,900 icons that the pages use.

The theme brings a font with all of them, 150 kB, and 90 kB of rules that name its characters, and
every page would load both.
"""

from pathlib import Path
import re

from fontTools import subset

_STYLE = "styles/pydata-sphinx-theme.css"  # below _static
_FONT = "vendor/fontawesome/webfonts/fa-solid-900"
# Rules like .fa-xmark:before,.fa-times:before{content:"\f00d"}
_RULE = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"[^"]*"\}')
_NAME = re.compile(r"\bfa-[a-z0-9-]+")
# The characters that fonts may give a picture, as themselves or by their number.
_CHARACTER = re.compile(r"[\ue000-\uf8ff]|\\[ef][0-9a-f]{3}\b")


def setup(app):
    """Do so when all pages are written."""
    app.connect("build-finished", keep_used_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def keep_used_icons(app, exception):
    """Leave out of the theme's style and font what neither pages nor scripts name."""
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    users = [*Path(app.outdir).glob("*.html"), *static.glob("scripts/*.js")]
    used = {name for path in users for name in _NAME.findall(path.read_text(encoding="utf-8"))}
    style = static / _STYLE
    css = style.read_text(encoding="utf-8")
    css = _RULE.sub(lambda rule: "" if used.isdisjoint(_NAME.findall(rule[0])) else rule[0], css)
    # Of the font's two files only the second can be written without a further library.
    css = css.replace(f'url(../{_FONT}.woff2) format("woff2"),', "")
    style.write_text(css, encoding="utf-8", newline="\n")
    numbers = [it.removeprefix("\\") for it in _CHARACTER.findall(css)]
    characters = [ord(it) if len(it) == 1 else int(it, base=16) for it in numbers]
    options = subset.Options(notdef_outline=True)
    path = f"{static / _FONT}.ttf"
    font = subset.load_font(path, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    subset.save_font(font, path, options)
