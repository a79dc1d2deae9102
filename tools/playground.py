"""Sphinx extension that puts a live autoencoder in a page, without a kernel or a server.

The directive names the networks that the reader can choose among. Each is the stored output of a
cell, see `aehelpers.playground`::

    ```{playground} plain denoising
    :figure: show-reconstructions
    :noise: 0.4
    ```

`figure` is the id of a cell in the notebook of the first network; its picture stands in for the
playground where there is no JavaScript, and in print. `noise` is the scale to begin with, 0 unless
given.
"""

from html import escape
import json
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.parsers.rst import directives
import nbformat
from outputs import NETWORK, stored_outputs
from sphinx.util.docutils import SphinxDirective

_ASSETS = ("playground.js", "playground.css")  # of the pages that have a playground, and no others
_FOLDER = "playground"  # below _static


class StoredNetwork(NamedTuple):
    """A network as a notebook stores it.

    Attributes
    ----------
    content : dict
        See `aehelpers.playground`.
    notebook : Path
    pictures : dict of str to (str, str)
        By the id of a cell in this notebook: its picture, a PNG in base64, and its description.
    """

    content: dict
    notebook: Path
    pictures: dict


class Playground(nodes.General, nodes.Element):
    """The place of a live autoencoder; has `networks`, `noise` and the `description`."""


def setup(app):
    """Offer the directive."""
    app.add_node(Playground, html=(visit_playground, depart_playground))
    app.add_directive("playground", PlaygroundDirective)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read_networks(notebooks):
    """Collect the networks from the notebooks' stored outputs.

    Parameters
    ----------
    notebooks : iterable of Path

    Returns
    -------
    dict of str to StoredNetwork
        By name, in the order of the notebooks.
    """
    found = {}
    for path in notebooks:
        outputs = [
            (cell, output.data)
            for cell, output in stored_outputs(nbformat.read(path, as_version=4))
            if "data" in output
        ]
        pictures = {
            cell.id: (data["image/png"], cell.metadata.get("mystnb", {})["image"]["alt"])
            for cell, data in outputs
            if "image/png" in data
        }
        for _, data in outputs:
            if NETWORK in data:
                found[data[NETWORK]["name"]] = StoredNetwork(data[NETWORK], path, pictures)
    return found


class PlaygroundDirective(SphinxDirective):
    """A live autoencoder with the networks that the arguments name."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {  # noqa: RUF012
        "figure": directives.unchanged_required,
        "noise": float,
    }

    def run(self):
        """Check that there is what the directive names, and hold its place."""
        stored = read_networks(sorted(Path(self.env.srcdir).glob("*.ipynb")))
        names = self.arguments[0].split()
        for name in names:
            if name not in stored:
                raise self.error(f"playground: no cell shows {name!r}, only {sorted(stored)}")
            self.env.note_dependency(stored[name].notebook)
        first = stored[names[0]]
        figure = self.options.get("figure")
        if figure not in first.pictures:
            raise self.error(
                f"playground: figure: expected a cell of {first.notebook.name} that draws, "
                f"one of {sorted(first.pictures)}, got {figure!r}"
            )
        picture, description = first.pictures[figure]
        return [
            Playground(
                "",
                networks={name: stored[name].content for name in names},
                noise=self.options.get("noise", 0),
                picture=picture,
                description=description,
            )
        ]


def visit_playground(translator, node):
    """Write the element that the script fills, with the still picture in it."""
    names = " ".join(node["networks"])
    translator.body.append(
        f'<ae-playground networks="{names}" noise="{node["noise"]}">'
        f'<img alt="{escape(node["description"])}" src="data:image/png;base64,{node["picture"]}">'
    )


def depart_playground(translator, _):
    """Close the element."""
    translator.body.append("</ae-playground>\n")


def add_files(app, pagename, templatename, context, doctree):
    """Write the networks of a page and the script that runs them, and load them on this page."""
    networks = {}
    for node in doctree.findall(Playground) if doctree else []:
        networks |= node["networks"]
    if not networks:
        return
    # A page that is opened as a file may neither fetch data nor import modules, so the data are
    # scripts that set a property of the page. The digits are the same for all networks.
    data = {name: dict(content) for name, content in networks.items()}
    data["digits"] = [content.pop("digits") for content in data.values()].pop()
    files = {
        f"{name}.js": f"(globalThis.aeData ??= {{}}).{name} = {json.dumps(value)};\n"
        for name, value in data.items()
    }
    files |= {name: Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _ASSETS}
    folder = Path(app.outdir, "_static", _FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    for name in files:
        if name.endswith(".js"):
            app.add_js_file(f"{_FOLDER}/{name}", loading_method="defer", priority=900)
        else:
            app.add_css_file(f"{_FOLDER}/{name}")
