"""Sphinx extension that writes formulas as MathML, so that pages need no script to show them."""

from docutils.nodes import SkipNode
from docutils.utils import get_source_line
from math_core import LatexError, LatexToMathML
from sphinx.errors import SphinxError
from sphinx.util.math import get_node_equation_number

converter = LatexToMathML(fancy_error=False)


class FormulaError(SphinxError):
    """A formula that has no MathML; the message names its place, its LaTeX and the fault."""

    category = "Formula error"


def setup(app):
    """Make MathML the form of all formulas in HTML."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_inline(translator, node):
    """Write a formula within a line."""
    translator.body.append(mathml(node, displaystyle=False))
    raise SkipNode


def write_display(translator, node):
    """Write a formula that stands by itself, with its number if it has one."""
    # A wide formula scrolls in its box; the tab index lets the keyboard scroll it, too.
    translator.body.append(translator.starttag(node, "div", CLASS="math", tabindex="0"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(mathml(node, displaystyle=True) + "</div>\n")
    raise SkipNode


def mathml(node, *, displaystyle):
    """The MathML of a formula; a `FormulaError` if there is none."""
    latex = node.astext()
    try:
        if r"\\" in latex and r"\begin" not in latex:  # the converter would drop it in silence
            raise LatexError("A line break needs an environment such as aligned.")
        return converter.convert_with_local_state(latex, displaystyle=displaystyle)
    except LatexError as error:
        source, line = get_source_line(node)
        raise FormulaError(f"{source}:{line}: {latex} ({error})") from error
