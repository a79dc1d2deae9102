from aehelpers import plots
from aehelpers.models import deep_autoencoder, variational_autoencoder
import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

mpl.use("agg")
IMAGES = np.linspace(0, 1, 3 * 784).reshape(3, 784)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_image_rows_draw_each_image_upright_on_the_scale_from_0_to_1():
    plots.image_rows({"input": IMAGES, "output": IMAGES[::-1]})
    axes = plt.gcf().axes
    assert len(axes) == 6
    np.testing.assert_array_equal(axes[1].images[0].get_array(), IMAGES[1].reshape(28, 28))
    np.testing.assert_array_equal(axes[3].images[0].get_array(), IMAGES[2].reshape(28, 28))
    assert axes[0].images[0].get_clim() == (0, 1)


def test_the_architecture_names_the_units_of_every_layer_in_order():
    plots.architecture(deep_autoencoder(seed=0).autoencoder)
    texts = [text.get_text() for text in plt.gca().texts]
    assert [text for text in texts if text.isdigit()] == ["784", "128", "32", "128", "784"]


def test_by_setting_draws_the_mean_of_the_runs_and_a_band_from_the_smallest_to_the_largest():
    plots.by_setting([2, 8], {"deep": [[1, 6, 2], [0, 0, 3]]}, xlabel="code size", ylabel="error")
    np.testing.assert_array_equal(plt.gca().lines[0].get_ydata(), [3, 1])
    (band,) = plt.gca().collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert corners == {(2, 1), (2, 6), (8, 0), (8, 3)}


def test_history_draws_training_solid_held_out_dashed_and_the_reference_lines():
    run = type("History", (), {"history": {"loss": [3, 2], "val_loss": [4, 3]}})
    plots.history({"": run}, {"floor": 1})
    training, held_out, floor = plt.gca().lines
    assert (training.get_linestyle(), held_out.get_linestyle()) == ("-", "--")
    np.testing.assert_array_equal(held_out.get_ydata(), [4, 3])
    assert set(floor.get_ydata()) == {1}
    assert floor.get_linewidth() > 0


def test_histograms_share_their_bins_and_count_every_value():
    plots.code_histograms({"a": np.zeros((2, 3)), "b": np.full((2, 3), 5.0)})
    first, second = plt.gcf().axes
    assert sum(bar.get_height() for bar in first.patches) == 6
    assert first.patches[0].get_height() == 6
    assert second.patches[-1].get_height() == 6


def test_a_filter_is_scaled_symmetrically_by_its_own_largest_weight():
    plots.filters(np.stack([np.linspace(-2, 1, 784), np.ones(784)], axis=1))
    limits = [ax.images[0].get_clim() for ax in plt.gcf().axes if ax.images]
    assert limits == [(-2, 2), (-1, 1)]


def test_image_rows_are_wide_name_each_row_at_its_left_and_show_no_axes():
    plots.image_rows({"input": IMAGES, "output": IMAGES})
    figure = plt.gcf()
    figure.canvas.draw()
    box = figure.axes[0].get_window_extent()
    assert box.width == pytest.approx(box.height)
    assert 3 * box.width > 0.6 * figure.bbox.width
    assert 2 * box.height > 0.7 * figure.bbox.height
    for row, label in ((figure.axes[:3], "input"), (figure.axes[3:], "output")):
        assert [ax.get_ylabel() for ax in row] == [label, "", ""]
        words = row[0].yaxis.label.get_window_extent()
        assert 0 <= words.x0 < words.x1 < row[0].get_window_extent().x0
        assert row[0].yaxis.label.get_rotation() == 0
    for ax in figure.axes:
        assert not any(spine.get_visible() for spine in ax.spines.values())
        assert [*ax.get_xticks(), *ax.get_yticks()] == []
        assert not any(line.get_visible() for line in ax.get_xgridlines())


def test_one_image_and_one_model_are_drawn_as_well():
    plots.image_rows({"input": IMAGES[:1]})
    np.testing.assert_array_equal(plt.gca().images[0].get_array(), IMAGES[0].reshape(28, 28))
    plots.code_histograms({"a": [np.arange(6.0)]})
    assert plt.gca().get_ylabel() == "number of values"


def test_a_readers_own_plots_get_the_books_style():
    figure, ax = plt.subplots()
    ax.plot([0, 1], label="one")
    assert figure.get_size_inches()[0] == plots.WIDTH
    assert all(line.get_visible() for line in ax.get_xgridlines())
    visible = {side for side, spine in ax.spines.items() if spine.get_visible()}
    assert visible == {"left", "bottom"}
    assert not ax.legend().get_frame_on()


def test_the_architecture_is_bars_about_one_line_the_smallest_of_another_colour():
    plots.architecture(deep_autoencoder(seed=0).autoencoder)
    figure, ax = plt.gcf(), plt.gca()
    bars = ax.patches[:5]
    assert [2 ** bar.get_height() - 1 for bar in bars] == pytest.approx([784, 128, 32, 128, 784])
    colours = [bar.get_facecolor() for bar in bars]
    blue, orange = (mpl.colors.to_rgba(colour) for colour in plots.COLOURS[:2])
    assert colours == [blue, blue, orange, blue, blue]
    assert min(bar.get_width() for bar in bars) > 0
    figure.canvas.draw()
    for i, bar in enumerate(bars):
        assert bar.get_y() == pytest.approx(-bar.get_height() / 2)
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(i)
    names = [text for text in ax.texts if text.get_text() and not text.get_text().isdigit()]
    assert [name.get_text() for name in names] == ["input", "relu", "relu", "relu", "sigmoid"]
    for bar, name in zip(bars, names, strict=True):
        assert name.get_window_extent().y1 < bar.get_window_extent().y0
        assert bar.get_y() - 1 < name.get_position()[1]
    units = [text for text in ax.texts if text.get_text().isdigit()]
    for bar, number in zip(bars, units, strict=True):
        assert number.get_window_extent().y0 > bar.get_window_extent().y1
        assert bar.get_y() + bar.get_height() + 1 > number.get_position()[1]
    arrows = [text for text in ax.texts if not text.get_text()]
    for arrow, left, right in zip(arrows, bars, bars[1:], strict=False):
        (start, y), (end, level) = arrow.xyann, arrow.xy
        assert y == level == 0
        assert left.get_x() + left.get_width() < start < end < right.get_x()
    assert len(arrows) == 4


def test_settings_are_ticks_on_an_axis_that_is_logarithmic_unless_told_otherwise():
    for log, scale in ((True, "log"), (False, "linear")):
        plots.by_setting(
            [2, 8, 32], {"a": [1, 2, 3]}, {"floor": 1}, xlabel="units", ylabel="error", log=log
        )
        ax = plt.gca()
        assert ax.get_xscale() == scale
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "8", "32"]
        assert list(ax.get_xticks()) == [2, 8, 32]
        assert len(ax.get_xticks(minor=True)) == 0
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("units", "error")
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a"]
    plots.by_setting([2, 8], {"": [1, 2]}, xlabel="", ylabel="")
    assert plt.gca().get_xscale() == "log"
    assert plt.gca().xaxis.get_transform().base == 2
    assert plt.gca().get_legend() is None


def test_epochs_are_counted_from_1_and_lines_without_a_name_are_named_by_their_data():
    run = type("History", (), {"history": {"loss": [3, 2], "val_loss": [4, 3]}})
    plots.history({"deep": run}, {"floor": 1})
    ax = plt.gca()
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2])
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["deep, training", "deep, held out"]
    (note,) = ax.texts
    plt.gcf().canvas.draw()
    assert note.get_text() == "floor"
    box, line = note.get_window_extent(), ax.transData.transform((1, 1))[1]
    assert line < box.y0 < line + 10
    assert box.x1 == pytest.approx(ax.get_window_extent().x1, abs=1)
    plots.history({"": run})
    legend = [text.get_text() for text in plt.gca().get_legend().get_texts()]
    assert legend == ["training", "held out"]


def test_histograms_have_40_bars_on_a_logarithmic_axis_and_are_named():
    plots.code_histograms({"a": [np.arange(80.0)], "b": [np.zeros(600)]})
    first, second = plt.gcf().axes
    assert [bar.get_height() for bar in first.patches] == [2] * 40
    assert (first.get_yscale(), first.get_title(), second.get_title()) == ("log", "a", "b")
    assert (first.get_ylabel(), second.get_ylabel()) == ("number of values", "")
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim()


@pytest.mark.parametrize(("units", "rows"), [(8, 1), (9, 2), (1, 1)])
def test_filters_are_squares_in_rows_of_8_and_empty_places_stay_empty(units, rows):
    plots.filters(np.ones((784, units)))
    axes = plt.gcf().axes
    assert len(axes) == 8 * rows
    assert [bool(ax.images) for ax in axes] == [True] * units + [False] * (8 * rows - units)
    assert not any(ax.axison for ax in axes)
    width, height = plt.gcf().get_size_inches()
    assert height / width == pytest.approx(rows / 8)


def test_a_filter_of_zeros_is_drawn_on_a_scale_about_zero():
    plots.filters(np.zeros((784, 1)))
    low, high = plt.gcf().axes[0].images[0].get_clim()
    assert low == -high < 0


def test_a_history_and_a_model_that_are_none_are_refused_by_name():
    for run in (None, type("History", (), {"history": {"mse": [3, 2]}})()):
        with pytest.raises(ValueError, match=r"histories\['a'\]: expected what training returns"):
            plots.history({"a": run})
    for key in ("loss", "val_loss"):
        run = type("History", (), {"history": {"loss": [3, 2]} | {key: [3, np.nan]}})()
        with pytest.raises(ValueError, match=rf"histories\['a'\], {key}: expected finite numbers"):
            plots.history({"a": run})
    for model in (3, type("Alike", (), {"input_shape": (None, 784)})()):
        with pytest.raises(TypeError, match=r"model: .* one input and one output, got"):
            plots.architecture(model)
    flattened = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(32)]
    with pytest.raises(TypeError, match=r"model: expected dense layers, got .* with pictures"):
        plots.architecture(keras.Sequential(flattened))
    network = variational_autoencoder(2, seed=0)
    with pytest.raises(TypeError, match=r"model: .* one input and one output, got"):
        plots.architecture(network.encoder)
    with pytest.raises(TypeError, match=r"model: expected layers in a row, got .* 'encoder'"):
        plots.architecture(network.autoencoder)


class OfTwo(keras.Model):
    def __init__(self):
        code = keras.Input((4,))
        super().__init__(code, keras.layers.Dense(2)(code))


def test_a_network_of_equal_widths_that_branches_or_uses_a_layer_twice_is_refused():
    code, layer = keras.Input((4,)), keras.layers.Dense(4, name="again")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)], name="inner")
    plots.architecture(keras.Model(code, inner(code)))
    plots.architecture(OfTwo())  # whose configuration Keras does not know
    for output, named in {
        layer(layer(code)): "again",
        inner(inner(code)): "inner",
        keras.layers.Dense(4)(code) + keras.layers.Dense(4)(code): "add",
        keras.layers.Add(name="skip")([keras.layers.Dense(4)(code), code]): "skip",
        2 * keras.layers.Dense(4)(code): "multiply",
    }.items():
        with pytest.raises(TypeError, match=f"model: expected layers in a row, .* '{named}"):
            plots.architecture(keras.Model(code, output))


def test_there_are_as_many_histories_as_colours_at_most_and_references_are_finite():
    run = type("History", (), {"history": {"loss": [3, 2]}})
    plots.history({str(i): run for i in range(6)})
    with pytest.raises(ValueError, match="histories: expected at most 6, got 7"):
        plots.history({str(i): run for i in range(7)})
    with pytest.raises(ValueError, match=r"floor.*expected finite numbers"):
        plots.history({"": run}, {"floor": np.nan})


@pytest.mark.parametrize("lowest", [0, -0.5])
def test_a_logarithmic_axis_has_no_place_for_settings_that_are_not_above_0(lowest):
    with pytest.raises(ValueError, match=f"settings: expected numbers above 0, got {lowest}"):
        plots.by_setting([lowest, 1], {"a": [1, 2]}, xlabel="", ylabel="")
    plots.by_setting([lowest, 1], {"a": [1, 2]}, xlabel="", ylabel="", log=False)
    plots.by_setting([0.5, 1], {"a": [1, 2]}, xlabel="", ylabel="")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plots.image_rows({"a": IMAGES[:, :5]}),
            r"rows\['a'\]: expected shape \(columns, 784\), got \(3, 5\)",
        ),
        (
            lambda: plots.image_rows({"a": IMAGES, "b": IMAGES[:2]}),
            r"rows\['b'\]: expected shape \(3, 784\), got \(2, 784\)",
        ),
        (lambda: plots.image_rows({}), "rows: expected at least one entry"),
        (lambda: plots.filters(IMAGES), "weights: expected shape"),
        (lambda: plots.filters(np.ones(784)), r"weights: expected .* got \(784,\)"),
        (lambda: plots.history({}), "histories: expected at least one"),
        (lambda: plots.code_histograms({}), "codes: expected at least one"),
        (
            lambda: plots.by_setting([1], {"a": [1, 2]}, xlabel="", ylabel=""),
            r"errors\['a'\]: expected shape \(1, ...\), got \(2,\)",
        ),
    ],
)
def test_bad_input_is_refused_by_name(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
