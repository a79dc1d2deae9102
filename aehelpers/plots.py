"""The book's pictures: one style, readable on white in both themes and without colour vision.

Importing this module sets Matplotlib's defaults, so a reader's own plots look alike. Each function
draws a new figure and leaves it open: a notebook shows it at the end of the cell.
"""

from itertools import cycle

from aehelpers.checks import check_dict, check_numbers
from aehelpers.models import used_again
import keras
import matplotlib.pyplot as plt
import numpy as np

#: The colour of text.
INK = "#222222"
#: The colour that figures are drawn on.
PAPER = "#ffffff"
#: The colour of axes and of all that is less important.
MUTED = "#666666"
#: Okabe and Ito's palette; line style and marker change along with the colour.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"]
#: The width of a figure in inches. Wider ones have letters too small to read on a telephone.
WIDTH = 6

plt.rcParams.update(
    {
        "axes.edgecolor": MUTED,
        "axes.grid": True,
        "axes.labelcolor": INK,
        "axes.prop_cycle": plt.cycler(color=COLOURS)
        + plt.cycler(linestyle=["-", "--", "-.", ":", "-", "--"])
        + plt.cycler(marker=["o", "s", "^", "D", "v", "P"]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.dpi": 120,
        "figure.facecolor": PAPER,
        "figure.figsize": (WIDTH, 3.6),
        "font.size": 11,
        "grid.color": "#dddddd",
        "image.cmap": "gray",
        "legend.frameon": False,
        "lines.markersize": 5,
        "savefig.facecolor": PAPER,
    }
)


def image_rows(rows):
    """Draw rows of images under each other, one column an image.

    Parameters
    ----------
    rows : dict of str to array, shape (columns, 784)
        Label of the row and its images, values in [0, 1]; others are drawn as 0 or 1.

    Raises
    ------
    ValueError
        If there is no row, or the rows differ in length or do not hold images of 784 finite
        pixels; names the label.
    """
    columns = "columns"  # any number in the first row, and in the others as many
    arrays = {}
    for label, images in check_dict("rows", rows).items():
        arrays[label] = check_numbers(f"rows[{label!r}]", images, (columns, 784))
        columns = len(arrays[label])
    side = WIDTH / (columns + 1.6)
    _, axes = plt.subplots(
        len(arrays),
        columns,
        squeeze=False,
        figsize=(WIDTH, side * len(arrays)),
        layout="constrained",
    )
    for row, (label, images) in zip(axes, arrays.items(), strict=True):
        for ax, image in zip(row, images, strict=True):
            ax.imshow(image.reshape(28, 28), vmin=0, vmax=1)
            _bare(ax)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)


def history(histories, references=None):
    """Draw the loss after each epoch, solid in training and dashed on held-out data.

    Parameters
    ----------
    histories : dict of str to keras.callbacks.History
        Label and what training returned; at most as many as there are `COLOURS`.
    references : dict of str to float, optional
        Horizontal lines that give the loss its meaning.

    Raises
    ------
    ValueError
        If `histories` is empty or too many, one of them is none or has losses that are no finite
        numbers, or a reference is no finite number; names it.
    """
    if len(check_dict("histories", histories)) > len(COLOURS):
        raise ValueError(f"histories: expected at most {len(COLOURS)}, got {len(histories)}")
    for label, run in histories.items():
        if "loss" not in (getattr(run, "history", None) or {}):
            raise ValueError(f"histories[{label!r}]: expected what training returns, got {run!r}")
        for key in ("loss", "val_loss"):
            if key in run.history:
                check_numbers(f"histories[{label!r}], {key}", run.history[key], ("epochs",))
    _check_references(references)
    _, ax = plt.subplots(layout="constrained")
    for colour, (label, run) in zip(COLOURS, histories.items(), strict=False):
        for key, style, suffix in (("loss", "-", "training"), ("val_loss", "--", "held out")):
            if key in run.history:
                epochs = np.arange(1, len(run.history[key]) + 1)
                ax.plot(
                    epochs,
                    run.history[key],
                    color=colour,
                    linestyle=style,
                    marker="",
                    label=f"{label}, {suffix}" if label else suffix,
                )
    _reference_lines(ax, references)
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend()


def by_setting(settings, errors, references=None, *, xlabel, ylabel, log=True):
    """Draw how an error changes with a setting: the mean over the runs, and their range.

    Parameters
    ----------
    settings : sequence of float, length k
        Values of the setting, from left to right; above 0 on a logarithmic axis.
    errors : dict of str to array, shape (k,) or (k, runs)
        Label and errors; the band goes from the smallest to the largest of the runs.
    references : dict of str to float, optional
        Horizontal lines that give the error its meaning.
    xlabel, ylabel : str
        What the setting is, and what the error.
    log : bool
        Whether the settings are drawn on a logarithmic axis.

    Raises
    ------
    ValueError
        If there is nothing to draw, a number is not finite, a setting cannot be on the axis, or an
        array does not have one row a setting; names its label.
    """
    settings = check_numbers("settings", settings, ("k",))
    if log and settings.min() <= 0:
        raise ValueError(f"settings: expected numbers above 0, got {settings.min():g}")
    rows = {
        label: check_numbers(f"errors[{label!r}]", runs, (len(settings), ...), float)
        for label, runs in check_dict("errors", errors).items()
    }
    _check_references(references)
    _, ax = plt.subplots(layout="constrained")
    for label, runs in rows.items():
        runs = runs.reshape(len(settings), -1)
        (line,) = ax.plot(settings, runs.mean(axis=1), label=label)
        ax.fill_between(
            settings, runs.min(axis=1), runs.max(axis=1), color=line.get_color(), alpha=0.2
        )
    if log:
        ax.set_xscale("log", base=2)
    ax.set_xticks(settings, [f"{setting:g}" for setting in settings])
    ax.minorticks_off()
    _reference_lines(ax, references)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if any(rows):  # a line without a label needs no legend
        ax.legend()


def architecture(model):
    """Draw a network of dense layers as bars: taller for more units, on a logarithmic scale.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential; models nested in it are drawn layer by layer.

    Raises
    ------
    TypeError
        If `model` is no such model, has several inputs or outputs, pictures between its layers, or
        layers that do not follow each other.
    """
    shapes = [getattr(model, f"{side}_shape", None) for side in ("input", "output")]
    if not isinstance(model, keras.Model) or not all(isinstance(shape, tuple) for shape in shapes):
        raise TypeError(
            "model: expected a functional or sequential Keras model with one input and one output, "
            f"got {model!r}"
        )
    layers = list(_layers_in_row(model))
    if any(len(shape) != 2 for shape in [shapes[0], *(layer.output.shape for layer in layers)]):
        raise TypeError(f"model: expected dense layers, got {model!r} with pictures between some")
    units = [model.input_shape[-1]]
    names = ["input"]
    for layer in layers:
        units.append(layer.output.shape[-1])
        activation = getattr(layer, "activation", None)
        names.append(activation.__name__ if activation else layer.name)
    heights = np.log2(np.array(units) + 1)
    narrowest = int(np.argmin(units))
    _, ax = plt.subplots(figsize=(WIDTH, 2.8), layout="constrained")
    for i, height in enumerate(heights):
        ax.bar(i, height, bottom=-height / 2, width=0.45, color=COLOURS[1 if i == narrowest else 0])
        ax.text(i, height / 2 + 0.3, units[i], ha="center", va="bottom", weight="bold")
        ax.text(i, -height / 2 - 0.3, names[i], ha="center", va="top", color=MUTED)
        if i:
            ax.annotate(
                "", (i - 0.27, 0), (i - 0.73, 0), arrowprops={"arrowstyle": "->", "color": MUTED}
            )
    ax.margins(y=0.18)
    ax.axis("off")


def code_histograms(codes):
    """Draw how often each activation occurs, on a logarithmic scale, one panel a model.

    Parameters
    ----------
    codes : dict of str to array, shape (n, units)
        Label and codes; all panels share their bins, so that they can be compared.

    Raises
    ------
    ValueError
        If there are no codes, or a value is not finite.
    """
    arrays = {
        label: check_numbers(f"codes[{label!r}]", values, ("n", "units"), float)
        for label, values in check_dict("codes", codes).items()
    }
    edges = np.histogram_bin_edges(np.concatenate([c.ravel() for c in arrays.values()]), bins=40)
    _, axes = plt.subplots(
        1, len(arrays), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, colour, (label, values) in zip(axes.flat, cycle(COLOURS), arrays.items(), strict=False):
        ax.hist(values.ravel(), edges, color=colour)
        ax.set(title=label, xlabel="activation", yscale="log")
    axes.flat[0].set_ylabel("number of values")


def filters(weights):
    """Draw the weights from all pixels to each unit as an image, from blue (-) to red (+).

    Parameters
    ----------
    weights : array, shape (784, units)
        Each image is scaled by its own largest weight; eight stand in a row.

    Raises
    ------
    ValueError
        If `weights` does not have 784 rows, no unit, or a value that is not finite.
    """
    weights = check_numbers("weights", weights, (784, "units"), np.float32)
    columns = 8
    rows = -(-weights.shape[1] // columns)
    side = WIDTH / columns
    _, axes = plt.subplots(
        rows, columns, squeeze=False, figsize=(WIDTH, side * rows), layout="constrained"
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, unit in zip(axes.flat, weights.T, strict=False):
        limit = np.abs(unit).max() or 1
        # Smooth edges between the pixels would make the picture eight times as large to load.
        ax.imshow(
            unit.reshape(28, 28),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
        )


def _layers_in_row(model):
    """The layers in their order, those of nested models too; a TypeError if they are in no row."""
    again = used_again(model)
    # Sums and the like of outputs are operations, but no layers.
    for layer in getattr(model, "operations", model.layers):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        # One thing in and one out, once: with one output in the end, there is no other way through.
        alone = all(hasattr(getattr(layer, side, None), "shape") for side in ("input", "output"))
        is_layer = isinstance(layer, keras.layers.Layer)
        if layer in again or not alone or not is_layer:
            raise TypeError(
                f"model: expected layers in a row, got {model!r}, in which {layer.name!r} does not "
                "simply follow the layer before"
            )
        if isinstance(layer, keras.Model):
            yield from _layers_in_row(layer)
        else:
            yield layer


def _check_references(references):
    if references is not None and not (isinstance(references, dict) and not references):
        for label, value in check_dict("references", references).items():
            check_numbers(f"references[{label!r}]", value, ())


def _reference_lines(ax, references):
    for label, value in (references or {}).items():
        ax.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (5, 3)), marker="")
        ax.annotate(
            label,
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color=MUTED,
        )


def _bare(ax):
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
