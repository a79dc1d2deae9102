"""Sphinx extension that keeps a percent sign on the line of its number."""

import re

from docutils import nodes

# The number may stand in the text, or before it, where a notebook has put it.
_SPACE_BEFORE_SIGN = re.compile(r"(?:^|(?<=\d)) (?=%)")


def setup(app):
    """Join numbers and signs once the numbers are in their places."""
    app.connect("doctree-resolved", lambda app, doctree, name: join(doctree))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def join(doctree):
    """Make the space before each percent sign one at which no line breaks, outside code."""
    for text in list(doctree.findall(nodes.Text)):
        joined = _SPACE_BEFORE_SIGN.sub("\N{NO-BREAK SPACE}", text)
        if joined != text and not isinstance(text.parent, (nodes.literal, nodes.literal_block)):
            text.parent.replace(text, nodes.Text(joined))
