"""What the outputs of a notebook cell hold, and how far two runs of it lie apart."""

import base64
from copy import deepcopy
from dataclasses import dataclass, fields
from decimal import Decimal
import io
import json
import math
import re

from nbval.plugin import coalesce_streams
import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

# A number stands alone: glued to letters (C12, x_train2, 0x7f, 28x28, 5s), joined to them by a
# hyphen or dot (mnist-784), or one of several dotted (1.2.3) it is part of a word. Blanks around a
# number pad columns, so they belong to it.
_WORD_OR_NUMBER = re.compile(
    r"""
    [ ]*
    (?P<number>
        (?: (?<!\w)[-+−] )?
        (?: (?: [0-9]{1,3} (?:,[0-9]{3})+ | [0-9]+ ) (?: \.[0-9]* )? | \.[0-9]+ )
        (?: [eE][-+−]?[0-9]+ )?
        (?! \w | \.\w )
    )
    [ ]*
    | [\#\w]+ (?: [-.]\w+ )*
    """,
    re.VERBOSE,
)
_NUMBER_WAS_HERE = "\0"

# What `aehelpers.playground` calls a network that a cell shows.
NETWORK = "application/vnd.aehelpers.network+json"

# Side of the square, in pixels, over which the difference of two pictures is averaged: about one
# character. Over a whole figure a wrong digit weighs less than a line that snaps to the next pixel,
# and over single pixels any smoothed edge weighs as much as a digit.
_WINDOW = 8


@dataclass(frozen=True)
class Tolerance:
    """How far a cell's outputs may move from the stored ones.

    Parameters
    ----------
    absolute, relative : Decimal
        A number may move by `absolute + relative * abs(stored)`, and by one in its last place in
        any case: two that nearly agree may be rounded apart. If both are zero, the texts have to be
        equal.
    picture : Decimal
        Largest distance of two pictures where they differ most, see `picture_distances`. The
        default lets a rounding difference of one level pass in a quarter of a window's values,
        which nobody can see.
    whole_picture : Decimal
        Largest distance of two pictures as a whole. Without effect by default, since what
        `picture` allows by default is less.
    """

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)
    picture: Decimal = Decimal("0.5")
    whole_picture: Decimal = Decimal(255)

    @classmethod
    def from_metadata(cls, metadata):
        """Read the tolerance that a cell's metadata names under `tolerance`.

        Parameters
        ----------
        metadata : dict
            As in `{"tolerance": {"absolute": 0.002, "picture": 3.0}}`; every entry is optional.

        Returns
        -------
        Tolerance

        Raises
        ------
        ValueError
            If `tolerance` is no dict, has an unknown entry, or one that is not a finite number of
            at least zero; names the entry and what came.
        """
        named = metadata.get("tolerance", {})
        names = [field.name for field in fields(cls)]
        if not isinstance(named, dict):
            raise ValueError(f"tolerance: expected a dict, got {named!r}")
        for name, value in named.items():
            if name not in names:
                raise ValueError(f"tolerance: expected entries of {names}, got {name!r}")
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise ValueError(f"tolerance: {name} must be a number of at least 0, got {value!r}")
        return cls(**{name: Decimal(str(value)) for name, value in named.items()})

    def allowed(self, stored):
        """How far the number `stored` (Decimal) may move, as a Decimal."""
        if not self.absolute and not self.relative:
            return Decimal(0)
        one_in_the_last_place = Decimal(1).scaleb(stored.as_tuple().exponent)
        return max(self.absolute + self.relative * abs(stored), one_in_the_last_place)


def drop_empty(outputs):
    """Leave out outputs without data, such as a progress display that has been cleared.

    Parameters
    ----------
    outputs : list of NotebookNode

    Returns
    -------
    list of NotebookNode
    """
    return [output for output in outputs if output.get("data") != {}]


def code_cells(notebook):
    """Find the code cells of a notebook, a dict by their ids in their order."""
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def stored_outputs(notebook):
    """List every output of a notebook, each as a pair of its cell and itself."""
    cells = code_cells(notebook).values()
    return [(cell, output) for cell in cells for output in cell.outputs]


def parts(outputs):
    """Take a cell's outputs apart into what can be compared one by one.

    Parameters
    ----------
    outputs : list of NotebookNode
        Streams are joined by name and leave the order, since a kernel sends standard output and
        standard error when its timers run out.

    Returns
    -------
    dict of str to str
        From a place, such as "stdout" or "output 2, image/png", to the text there; pictures are
        in base64, and what is no text is formatted as JSON. A network's weights are pictures, too,
        one a layer, so that they have a distance.
    """
    found = {}
    number = 0
    for output in drop_empty(coalesce_streams(deepcopy(outputs))):  # it joins them in place
        if output.output_type == "stream":
            found[output.name] = output.text
            continue
        number += 1
        if output.output_type == "error":
            contents = {"error": f"{output.ename}: {output.evalue}"}
        else:
            contents = output.data | ({"metadata": output.metadata} if output.metadata else {})
        if NETWORK in contents:
            contents |= _network_parts(contents[NETWORK])
        for kind, content in contents.items():
            text = content if isinstance(content, str) else _as_json(content)
            found[f"output {number}, {kind}"] = text
    return found


def _network_parts(network):
    parts = {}
    rest = dict(network)
    for half in ("encoder", "decoder"):
        for i, layer in enumerate(network[half], 1):
            parts[f"layer {i} of the {half}, image/png"] = _weights_as_picture(layer)
        others = ("activation", "units")
        rest[half] = [{name: layer[name] for name in others} for layer in network[half]]
    return {NETWORK: rest, **parts}


def layer_arrays(layer):
    """Decode a layer of a network that a cell shows.

    Parameters
    ----------
    layer : dict

    Returns
    -------
    weights : array, shape (inputs, units), float32
    biases : array, shape (units,), float32
    """
    scales, biases = (
        np.frombuffer(base64.b64decode(layer[name]), "<f4") for name in ("scales", "biases")
    )
    weights = np.frombuffer(base64.b64decode(layer["weights"]), np.int8)
    return weights.reshape(-1, layer["units"]) * scales, biases


def _weights_as_picture(layer):
    # The biases are the last row. The bounded function shows small weights beside large biases.
    values = np.tanh(np.vstack(layer_arrays(layer)))
    file = io.BytesIO()
    Image.fromarray(np.rint(127.5 * (1 + values)).astype(np.uint8)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def _as_json(content):
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)


def split_numbers(text):
    """Separate the numbers in a text from its words.

    Parameters
    ----------
    text : str

    Returns
    -------
    words : str
        The text with a mark in place of each number and the blanks around it.
    numbers : list of Decimal
        As written: exact, and 12.5% is 12.5.
    """
    numbers = []

    def take(match):
        if match["number"] is None:
            return match[0]
        numbers.append(Decimal(match["number"].replace(",", "").replace("−", "-")))
        return _NUMBER_WAS_HERE

    # In a text that Python quotes, the space before a number is written in letters and digits.
    return _WORD_OR_NUMBER.sub(take, text.replace(r"\xa0", "\xa0")), numbers


def is_picture(place):
    """Whether `parts` has a picture at this place, glued ones included."""
    return place.endswith(("image/png", "image/jpeg"))


def decode_picture(text):
    """Decode a base64 text into a PIL image of four channels, RGBA."""
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGBA")


def picture_distances(stored, new):
    """Distance of two pictures where they differ most, and as a whole.

    Parameters
    ----------
    stored, new : PIL.Image.Image
        Of four channels, RGBA.

    Returns
    -------
    dict of str to float
        Root mean square differences over channels and pixels, in grey levels, 0..255. `picture` is
        the largest of any 8 x 8 window: a change weighs the same wherever it sits and however
        large the picture is; a wrong digit in a figure gives about 100, a straight line one pixel
        off 60, a curve a tenth of a pixel off 6. `whole_picture` is that of all pixels, for
        pictures in which details move.

    Raises
    ------
    ValueError
        If the sizes differ; names both.
    """
    if stored.size != new.size:
        raise ValueError(f"the size is {new.size}, but {stored.size} is stored")
    squares = ((np.asarray(stored, float) - np.asarray(new, float)) ** 2).mean(axis=2)
    return {
        "picture": float(np.sqrt(uniform_filter(squares, _WINDOW).max())),
        "whole_picture": float(np.sqrt(squares.mean())),
    }
