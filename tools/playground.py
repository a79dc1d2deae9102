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

from base64 import b64decode
from hashlib import sha256
import json
import os
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

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
    """The place of a live autoencoder with a picture; has `scripts`, `digits` and `noise`."""


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

    Raises
    ------
    ValueError
        If two networks have one name, or other digits, which all pages share.
    """
    found = {}
    for path in notebooks:
        outputs = [
            (cell, output.data)
            for cell, output in stored_outputs(nbformat.read(path, as_version=4))
            if "data" in output
        ]
        pictures = {
            cell.id: (
                data["image/png"],
                cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""),
            )
            for cell, data in outputs
            if "image/png" in data
        }
        for _, data in outputs:
            if NETWORK in data:
                name = data[NETWORK]["name"]
                if name in found:
                    raise ValueError(
                        f"{path.name}: there is a network {name!r} in {found[name].notebook.name}"
                    )
                found[name] = StoredNetwork(data[NETWORK], path, pictures)
                first = next(iter(found.values()))
                if data[NETWORK]["digits"] != first.content["digits"]:
                    raise ValueError(
                        f"{path.name}: the network {name!r} has other digits than those of "
                        f"{first.notebook.name}; pages share them, so train all on one edition"
                    )
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
        contents = {name: dict(stored[name].content) for name in names}
        digits = [content.pop("digits") for content in contents.values()].pop()
        return [
            Playground(
                "",
                nodes.image(uri=self.write_picture(picture), alt=description),
                scripts={f"{name}.js": _script(name, it) for name, it in contents.items()},
                digits=_script("digits", digits),
                noise=self.options.get("noise", 0),
            )
        ]

    def write_picture(self, picture):
        """Write it where MyST-NB writes those of the notebooks, under the same name."""
        content = b64decode(picture)
        folder = Path(self.env.mystnb_config.output_folder)
        folder.mkdir(exist_ok=True)
        path = folder / f"{sha256(content).hexdigest()}.png"
        path.write_bytes(content)
        return os.path.relpath(path, Path(self.env.doc2path(self.env.docname)).parent)


def _script(name, value):
    """A script that sets a property of the page, which may not fetch data if it is a file."""
    return f"(globalThis.aeData ??= {{}}).{name} = {json.dumps(value)};\n"


def visit_playground(translator, node):
    """Write the element that the script fills, the still picture follows."""
    # Below its address a browser keeps a script, so a new content gets a new address.
    scripts = [f"{name}?v={crc32(text.encode()):08x}" for name, text in node["scripts"].items()]
    translator.body.append(
        f'<ae-playground networks="{" ".join(scripts)}" noise="{node["noise"]}">'
    )


def depart_playground(translator, _):
    """Close the element."""
    translator.body.append("</ae-playground>\n")


def add_files(app, pagename, templatename, context, doctree):
    """Write the files of a page's playgrounds; load those that all networks need."""
    places = list(doctree.findall(Playground)) if doctree else []
    if not places:
        return
    common = {"digits.js": places[0]["digits"]}  # the first, since the other script reads them
    common |= {name: Path(__file__).with_name(name).read_text(encoding="utf-8") for name in _ASSETS}
    files = dict(common)
    for place in places:
        files |= place["scripts"]
    folder = Path(app.outdir, "_static", _FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    for name in common:
        if name.endswith(".js"):
            app.add_js_file(f"{_FOLDER}/{name}", loading_method="defer", priority=900)
        else:
            app.add_css_file(f"{_FOLDER}/{name}")
