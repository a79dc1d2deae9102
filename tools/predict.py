"""Sphinx extension that asks the reader for a prediction before an experiment.

The content of the directive is the question, a list of answers of which one is marked as right,
and, below a line of dashes, what was measured; the page shows that as soon as an answer is chosen::

    ```{predict}
    Where will the largest errors be?

    - [ ] inside the strokes
    - [x] at their edges

    ---
    At the edges: the network is unsure where the ink ends.
    ```

It takes no script: the style sheet looks for the chosen radio button. Without style sheets, and in
print, everything is shown.
"""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

_LINE = "---"
_MARKS = {"[x] ": "right", "[ ] ": "wrong"}


class Tag(nodes.General, nodes.TextElement):
    """Any `element` of HTML, with its `attributes` and the nodes in it."""


def setup(app):
    """Offer the directive."""
    app.add_node(Tag, html=(visit_tag, depart_tag))
    app.add_directive("predict", PredictDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class PredictDirective(SphinxDirective):
    """A question with answers to choose among, and what was measured."""

    has_content = True

    def run(self):
        """Split the content into its three parts, and check them."""
        lines = list(self.content)
        if _LINE not in lines:
            raise self.error(f"predict: expected a line {_LINE} before what was measured")
        line = lines.index(_LINE)
        asked = self._parsed(self.content[:line], 0)
        measured = self._parsed(self.content[line + 1 :], line + 1)
        if [type(node) for node in asked] != [nodes.paragraph, nodes.bullet_list]:
            raise self.error("predict: expected one paragraph, the question, and a list of answers")
        if not measured:
            raise self.error(f"predict: expected what was measured below the line {_LINE}")
        question, answers = asked
        marks = [_take_mark(answer) for answer in answers]
        if None in marks or marks.count("right") != 1 or len(marks) < 2:
            raise self.error(
                "predict: expected answers of one paragraph that begin with [ ], at least one, "
                "and one with [x]"
            )
        group = f"predict-{self.env.new_serialno('predict')}"
        title = _tag("span", nodes.Text("Predict first"), class_="title")
        return [
            _tag(
                "fieldset",
                _tag("legend", title, nodes.Text(" "), *question),
                *(
                    _choice(group, mark, answer)
                    for mark, answer in zip(marks, answers, strict=True)
                ),
                _tag(
                    "div",
                    _outcome("Right.", "if-right"),
                    _outcome("Not quite.", "if-wrong"),
                    *measured,
                    class_="measured",
                    **{"aria-live": "polite"},
                ),
                class_="predict",
            )
        ]

    def _parsed(self, lines, offset):
        parsed = nodes.Element()
        self.state.nested_parse(StringList(lines), self.content_offset + offset, parsed)
        return list(parsed)


def _take_mark(answer):
    """Take the mark off an answer of one paragraph, and tell its meaning; None if it is another."""
    if [type(part) for part in answer] != [nodes.paragraph]:
        return None
    (paragraph,) = answer
    text = paragraph[0]
    for mark, meaning in _MARKS.items():
        if isinstance(text, nodes.Text) and text.startswith(mark):
            paragraph[0] = nodes.Text(text.removeprefix(mark))
            return meaning
    return None


def _choice(group, mark, answer):
    # A browser that goes back to the page may not choose again by itself.
    button = _tag("input", type="radio", name=group, autocomplete="off")
    return _tag("label", button, _tag("span", *answer[0]), class_=mark)


def _outcome(words, when):
    # Hidden, so that without style sheets the page does not say both.
    return _tag("strong", nodes.Text(words), class_=when, hidden="hidden")


def _tag(element, /, *children, class_="", **attributes):
    classes = {"classes": [class_]} if class_ else {}
    return Tag("", "", *children, element=element, attributes=attributes, **classes)


def visit_tag(translator, node):
    """Open the element."""
    translator.body.append(translator.starttag(node, node["element"], "", **node["attributes"]))


def depart_tag(translator, node):
    """Close the element, if it is one that can hold others."""
    if node["element"] != "input":
        translator.body.append(f"</{node['element']}>")
