from aehelpers.metrics import bce, kl_to_standard_normal
from aehelpers.models import (
    convolutional_autoencoder,
    deep_autoencoder,
    dense_autoencoder,
    Sampling,
    shallow_autoencoder,
    used_again,
    variational_autoencoder,
)
from conftest import ROOT
import keras
import nbformat
import numpy as np
import pytest

BOOK = ROOT / "book"
IMAGES = np.random.default_rng(0).random((5, 784), dtype=np.float32)


def built_in(chapter):
    """What the chapter's cell `build` defines, by name."""
    notebook = nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4)
    (source,) = (cell.source for cell in notebook.cells if cell.id == "build")
    names = {}
    exec("import keras\nfrom keras import layers\n" + source, names)
    return names


def assert_same_network(model, other):
    for weights, others in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, others)
    inputs = IMAGES[:, : model.input_shape[1]]  # a decoder takes fewer
    np.testing.assert_array_equal(model(inputs), other(inputs))


def assert_same_training(model, other):
    assert model.loss == other.loss
    settings = [m.optimizer.get_config() | {"name": None} for m in (model, other)]
    assert settings[0] == settings[1]
    assert model.test_on_batch(IMAGES, IMAGES) == other.test_on_batch(IMAGES, IMAGES)


@pytest.mark.parametrize(
    ("chapter", "helper"),
    [
        ("anatomy", shallow_autoencoder),
        ("vanilla", deep_autoencoder),
        ("convolutional", convolutional_autoencoder),
        ("variational", variational_autoencoder),
    ],
)
def test_the_network_built_in_a_chapter_is_the_helpers(chapter, helper):
    built, ours = built_in(chapter), helper(seed=0)
    for name in ("autoencoder", "encoder", "decoder"):
        assert_same_network(built[name], getattr(ours, name))
    assert_same_training(built["autoencoder"], ours.autoencoder)


def test_the_network_built_in_the_sparse_chapter_is_the_helpers_with_its_penalty():
    penalty = keras.regularizers.L1(0.01)
    built = built_in("sparse")["autoencoder"](0, penalty=penalty)
    ours = shallow_autoencoder(seed=0, code_penalty=penalty).autoencoder
    assert_same_network(built, ours)
    assert_same_training(built, ours)


def test_the_deep_network_has_the_articles_layers_and_halves_that_share_its_weights():
    network, encoder, decoder = deep_autoencoder(seed=0)
    units = [weights.shape for weights in network.get_weights() if weights.ndim == 2]
    assert units == [(784, 128), (128, 32), (32, 128), (128, 784)]
    network.set_weights([weights + 0.1 for weights in network.get_weights()])
    np.testing.assert_array_equal(network(IMAGES), decoder(encoder(IMAGES)))


def test_the_convolutional_network_halves_flat_pictures_twice_and_its_halves_share_its_weights():
    network, encoder, decoder = convolutional_autoencoder(20, seed=0)
    shapes = [layer.output.shape[1:] for layer in encoder.layers]
    assert shapes == [(784,), (28, 28, 1), (14, 14, 16), (7, 7, 32), (1568,), (20,)]
    shapes = [layer.output.shape[1:] for layer in decoder.layers]
    assert shapes == [(20,), (1568,), (7, 7, 32), (14, 14, 16), (28, 28, 1), (784,)]
    network.set_weights([weights + 0.1 for weights in network.get_weights()])
    np.testing.assert_array_equal(network(IMAGES), decoder(encoder(IMAGES)))


def test_a_dense_network_has_32_units_in_its_code_unless_told_otherwise():
    assert dense_autoencoder(seed=0).decoder.input_shape == (None, 32)
    assert dense_autoencoder([5, 4], 3, seed=0).encoder.output_shape == (None, 3)
    with pytest.raises(ValueError, match=r"^hidden: expected a sequence of sizes, got '12'"):
        dense_autoencoder("12", seed=0)


def test_another_seed_gives_other_first_weights_and_the_same_seed_the_same():
    first, again, other = (
        dense_autoencoder(seed=s).autoencoder.get_weights()[0] for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"code_size": 0}, "code_size"),
        ({"hidden": (128, -1)}, r"hidden\[1\]"),
        ({"code_size": 2.5}, "code_size"),
    ],
)
def test_sizes_that_are_no_positive_whole_numbers_are_refused_by_name(wrong, name):
    with pytest.raises(ValueError, match=f"^{name}: expected a whole number from 1, got"):
        dense_autoencoder(seed=0, **wrong)


def test_the_convolutional_network_refuses_an_empty_code_and_a_seed_below_zero():
    with pytest.raises(ValueError, match=r"^code_size: expected a whole number from 1, got 0"):
        convolutional_autoencoder(0, seed=0)
    with pytest.raises(ValueError, match=r"^seed: expected a whole number from 0, got -1"):
        convolutional_autoencoder(seed=-1)


def test_the_variational_loss_is_784_times_the_mean_cross_entropy_plus_beta_times_the_divergence():
    model = variational_autoencoder(3, seed=0, beta=5)
    layer = model.encoder.get_layer("log_var")
    layer.set_weights([np.zeros((128, 3)), np.full(3, -40)])  # leaves nothing to chance
    mean, log_var = model.encoder(IMAGES)
    divergence = kl_to_standard_normal(mean, log_var).mean()
    expected = 784 * bce(IMAGES, model.decoder(mean)).mean() + 5 * divergence
    assert divergence > 50
    assert model.autoencoder.evaluate(IMAGES, IMAGES, verbose=0) == pytest.approx(expected, 1e-5)


def test_latent_points_are_drawn_anew_with_the_mean_and_variance_that_the_layer_gets():
    keras.utils.set_random_seed(0)
    layer = Sampling()
    mean = np.full((50_000, 2), [3, -1], np.float32)
    log_var = np.full((50_000, 2), np.log([4, 0.25]), np.float32)
    points, again = (np.asarray(layer(mean, log_var)) for _ in range(2))
    np.testing.assert_allclose(points.mean(axis=0), [3, -1], atol=0.03)
    np.testing.assert_allclose(points.std(axis=0), [2, 0.5], rtol=0.02)
    assert not (points == again).any()


def test_the_divergence_counts_once_unless_told_otherwise_and_a_copy_keeps_its_weight():
    mean, log_var = np.array([[1.0, 2]]), np.zeros((1, 2))
    for layer, weight in ((Sampling(), 1), (Sampling(0), 0), (Sampling(beta=3), 3)):
        for one in (layer, Sampling.from_config(layer.get_config())):
            one(mean, log_var)
            assert float(one.losses[0]) == pytest.approx(weight * 2.5)


def test_the_same_seed_draws_the_same_latent_points_and_another_seed_others():
    first, again, other = (
        np.asarray(variational_autoencoder(seed=s).autoencoder(IMAGES)) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"latent": 0}, "latent: expected a whole number from 1, got 0"),
        ({"beta": -1}, "beta: expected a finite number from 0, got -1"),
        ({"beta": True}, "beta: expected a finite number from 0, got True"),
        ({"beta": "1"}, "beta: expected a finite number from 0, got '1'"),
        ({"beta": float("inf")}, "beta: expected a finite number from 0, got inf"),
        ({"beta": float("nan")}, "beta: expected a finite number from 0, got nan"),
        ({"seed": -1}, "seed: expected a whole number from 0, got -1"),
    ],
)
def test_wrong_arguments_of_the_variational_network_are_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        variational_autoencoder(**{"seed": 0} | wrong)


def test_layers_that_a_model_uses_again_are_told_but_not_those_that_another_model_uses_too():
    code, layer = keras.Input((4,)), keras.layers.Dense(4)
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    assert used_again(inner) == []
    assert used_again(keras.Model(code, inner(layer(code)))) == []
    assert used_again(keras.Model(code, layer(layer(inner(code))))) == [layer]
    assert used_again(keras.Model(code, inner(inner(code)))) == [inner]
