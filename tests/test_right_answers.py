"""What is true of every right answer of the helpers, of input that Hypothesis makes up."""

from itertools import pairwise, product
import tempfile

from aehelpers import claims, data, metrics, models, plots
from aehelpers import sweep as sweeps
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from made_up import (
    arrays,
    assert_same,
    content,
    dense,
    differ,
    FEW,
    grids,
    MADE_UP,
    measured,
    pairs,
    reals,
    seeds,
    small,
    trained,
    units,
)
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.special import entr

mpl.use("agg")
pytestmark = pytest.mark.usefixtures("alone")


@MADE_UP
@given(pairs("target", "reconstruction", units))
def test_a_cross_entropy_is_at_least_the_entropy_which_a_copy_attains(pair):
    entropy = (entr(pair["target"].astype(float)) + entr(1 - pair["target"].astype(float))).mean(1)
    assert (metrics.bce(**pair) >= entropy - 1e-12).all()
    assert metrics.bce_floor(pair["target"]) == pytest.approx(entropy.mean(), abs=3e-6)


@MADE_UP
@given(pairs("target", "reconstruction", reals))
def test_a_squared_error_is_zero_for_a_copy_alone_and_the_same_either_way(pair):
    target, other = pair.values()
    np.testing.assert_array_equal(metrics.mse(target, other), metrics.mse(other, target))
    same = (target == other).all(axis=1)
    np.testing.assert_array_equal(metrics.mse(target, other) == 0, same)


@MADE_UP
@given(arrays((4, 3)), arrays(3))
def test_no_image_alone_stands_for_the_training_images_better_than_their_mean(train, image):
    mean = metrics.mean_image(train, train)
    other = np.broadcast_to(image, train.shape)
    assert metrics.mse(train, mean).sum() <= metrics.mse(train, other).sum() + 1e-9


@MADE_UP
@given(pairs("target", "reconstruction", reals).filter(differ))
def test_the_variance_explained_is_one_less_the_share_of_the_error(pair):
    varied = (pair["target"] != pair["target"][0]).any(axis=0)
    target, other = (pair[name][:, varied].astype(float) for name in ("target", "reconstruction"))
    lost = ((target - other) ** 2).sum()
    variance = ((target - target.mean(axis=0)) ** 2).sum()
    assert 1 - metrics.variance_explained(**pair) == pytest.approx(lost / variance, 1e-6, 1e-6)


@MADE_UP
@given(arrays((6, 4)), arrays((2, 4)))
def test_each_component_lowers_the_error_until_all_of_them_give_a_copy(train, images):
    results = [metrics.pca_reconstruction(train, images, size) for size in range(1, 5)]
    errors = np.array([metrics.mse(images, result) for result in results])
    assert (np.diff(errors, axis=0) <= 1e-6).all()
    np.testing.assert_allclose(results[-1], images, atol=1e-6)
    again = metrics.pca_reconstruction(train, results[0], 1)
    np.testing.assert_allclose(again, results[0], atol=1e-6)


@MADE_UP
@given(arrays((3, 4), st.sampled_from([0, 0, -1, 2.5])))
def test_statistics_of_codes_agree_with_each_other(codes):
    found = metrics.code_statistics(codes)
    assert found["active"] == pytest.approx(4 * (1 - found["zeros"]))
    assert 0 <= found["dead"] <= 4 - found["active"]
    assert found["mean"] ** 2 + found["sd"] ** 2 == pytest.approx((codes**2).mean())


@MADE_UP
@given(pairs("mean", "log_var", st.just(0) | st.floats(-9, 9, width=32)))
def test_a_divergence_is_zero_for_the_standard_normal_and_nowhere_negative(pair):
    divergence = metrics.kl_to_standard_normal(**pair)
    assert (divergence >= -1e-12).all()
    standard = (pair["mean"] == 0).all(axis=1) & (pair["log_var"] == 0).all(axis=1)
    np.testing.assert_array_equal(divergence[standard], 0)


@MADE_UP
@given(st.integers(1, 100), st.integers(1, 100_000))
def test_equivalent_epochs_take_the_articles_updates_to_half_an_epoch(epochs, n_images):
    batches = -(-n_images // 32)
    found = data.equivalent_epochs(epochs, n_images)
    assert found == 1 or abs(found * batches - epochs * 1875) <= batches / 2
    assert found <= data.equivalent_epochs(epochs + 1, n_images)


@FEW
@given(st.lists(small, max_size=3), small, seeds)
def test_networks_of_all_sizes_are_mirrored_and_composed_of_their_halves(hidden, code, seed):
    network = models.dense_autoencoder(hidden, code, seed=seed)
    sizes = [784, *hidden, code]
    kernels = [weights.shape for weights in network.autoencoder.get_weights() if weights.ndim == 2]
    there = list(pairwise(sizes))
    assert kernels == [*there, *pairwise(reversed(sizes))]
    images = np.random.default_rng(0).random((2, 784), np.float32)
    whole = np.asarray(network.autoencoder(images))
    np.testing.assert_array_equal(whole, network.decoder(network.encoder(images)))
    assert 0 <= whole.min() <= whole.max() <= 1


@FEW
@given(arrays((5, 6), units), seeds)
def test_corruption_by_nothing_trains_as_none(x, seed):
    arguments = {"x": x, "epochs": 2, "seed": seed, "batch_size": 4}
    plain = trained(dense(6, 2, 6), **arguments, y=x)
    assert_same(trained(dense(6, 2, 6), **arguments, corrupt=lambda x, rng: x), plain)
    assert len(plain[-2]) == 2


@FEW
@given(st.lists(arrays((2, 3)), min_size=1, max_size=8))
def test_each_histogram_counts_every_value_however_many_there_are(codes):
    plots.code_histograms({str(i): array for i, array in enumerate(codes)})
    counts = [sum(bar.get_height() for bar in ax.patches) for ax in plt.gcf().axes]
    plt.close("all")
    assert counts == [6] * len(codes)


@MADE_UP
@given(st.dictionaries(st.text("ab<>&\"'", min_size=1), st.booleans(), min_size=1, max_size=3))
def test_a_page_shows_each_finding_word_by_word_with_its_answer(findings):
    page = BeautifulSoup(claims.Verdict("C01", findings)._repr_html_(), "html.parser")
    shown = [item.get_text() for item in page.find_all("li")]
    assert shown == [f"{'yes' if found else 'no'} {it}" for it, found in findings.items()]


@MADE_UP
@given(grids, st.lists(seeds, min_size=1, max_size=3))
def test_a_sweep_has_each_setting_once_with_each_seed_in_their_order(grid, seeds):
    table = sweeps.sweep(measured, grid, seeds)
    runs = list(product(*grid.values(), seeds))
    assert list(table[[*grid, "seed"]].itertuples(index=False, name=None)) == runs
    losses = [measured(**dict(zip([*grid, "seed"], run, strict=True)))["loss"] for run in runs]
    assert table["loss"].tolist() == losses


def returning(results):
    def function(size, seed):
        return results

    return function


words = st.text(min_size=1).filter(lambda word: word not in ("size", "seed"))
outcomes = st.dictionaries(words, st.integers() | st.floats() | st.text(), min_size=1, max_size=3)


@MADE_UP
@given(outcomes)
def test_kept_results_are_those_that_were_returned(results):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        first = sweeps.sweep(returning(results), {"size": [1]}, [0], folder=folder)
        patch.setattr(sweeps, "_run", None)  # nothing can run
        again = sweeps.sweep(returning(results), {"size": [1]}, [0], folder=folder)
    pd.testing.assert_frame_equal(again, first)
    assert_same(content(first), {"size": [1], "seed": [0]} | {k: [v] for k, v in results.items()})
