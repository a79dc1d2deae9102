from aehelpers import plots
from aehelpers.models import deep_autoencoder
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


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plots.image_rows({"a": IMAGES[:, :5]}),
            r"rows\['a'\]: expected shape \(columns, 784\), got \(3, 5\)",
        ),
        (lambda: plots.filters(IMAGES), "weights: expected shape"),
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
