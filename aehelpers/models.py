"""The book's networks, in Keras' functional API."""

from collections import Counter
from math import inf
from numbers import Real
from typing import NamedTuple

from aehelpers.checks import check_positive, check_seed
import keras
from keras import layers, ops


class Autoencoder(NamedTuple):
    """An autoencoder and its two halves; the three models share their weights.

    Parameters
    ----------
    autoencoder : keras.Model
        From images, shape (n, 784), to reconstructions, shape (n, 784).
    encoder : keras.Model
        From images, shape (n, 784), to codes, shape (n, code_size).
    decoder : keras.Model
        From codes, shape (n, code_size), to reconstructions, shape (n, 784).
    """

    autoencoder: keras.Model
    encoder: keras.Model
    decoder: keras.Model


class VariationalAutoencoder(NamedTuple):
    """A variational autoencoder and its two halves; the three models share their weights.

    Parameters
    ----------
    autoencoder : keras.Model
        From images, shape (n, 784), to reconstructions, shape (n, 784), of latent points that it
        draws anew in each call, in training and out of it.
    encoder : keras.Model
        From images, shape (n, 784), to the means and the logarithms of the variances of their
        latent points, two arrays of shape (n, latent).
    decoder : keras.Model
        From latent points, shape (n, latent), to reconstructions, shape (n, 784).
    """

    autoencoder: keras.Model
    encoder: keras.Model
    decoder: keras.Model


@keras.saving.register_keras_serializable(package="aehelpers")
class Sampling(layers.Layer):
    """Draws latent points and adds their divergence from the standard normal to the loss.

    The divergence is that of `metrics.kl_to_standard_normal`, averaged over the batch. The layer
    draws outside training as well, so that a held-out loss measures what the training loss does.

    Parameters
    ----------
    beta : float
        Weight of the divergence in the loss, from 0.
    **kwargs
        As of every Keras layer.

    Raises
    ------
    ValueError
        If `beta` is negative, not finite or no number.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, section 2.4.
    """

    def __init__(self, beta=1.0, **kwargs):
        super().__init__(**kwargs)
        self.beta = _checked_beta(beta)
        # Its seed is Keras' global one: in the configuration it would cost each seed a compilation.
        self.generator = keras.random.SeedGenerator()

    def call(self, mean, log_var):
        """Draw a point for each image.

        Parameters
        ----------
        mean, log_var : tensor, shape (n, latent)
            `log_var` is the natural logarithm of the variance.

        Returns
        -------
        tensor, shape (n, latent)
            The points.
        """
        divergence = (ops.exp(log_var) + mean**2 - 1 - log_var) / 2
        self.add_loss(self.beta * ops.mean(ops.sum(divergence, axis=1)))
        noise = keras.random.normal(ops.shape(mean), seed=self.generator)
        return mean + ops.exp(log_var / 2) * noise

    def get_config(self):
        """Describe the layer as Keras stores it.

        Returns
        -------
        dict
            What `from_config` needs.
        """
        return super().get_config() | {"beta": self.beta}


def dense_autoencoder(
    hidden=(),
    code_size=32,
    *,
    seed,
    activation="relu",
    output_activation="sigmoid",
    code_penalty=None,
    loss="binary_crossentropy",
):
    """Build an autoencoder of dense layers, the decoder a mirror image of the encoder.

    Parameters
    ----------
    hidden : sequence of int
        Units of the encoder's layers between image and code.
    code_size : int
        Units of the code.
    seed : int
        Seed of the first weights. Sets Keras' global seed, as `keras.utils.set_random_seed` does.
    activation, output_activation : str
        Activation of the hidden layers and the code, and of the output.
    code_penalty : keras.Regularizer, optional
        Activity penalty on the code.
    loss : str or keras.Loss
        Compares reconstruction and target.

    Returns
    -------
    Autoencoder
        Compiled for training with Adam.

    Raises
    ------
    ValueError
        If a size is not a whole number from 1, the seed not one from 0, or Keras does not know an
        activation, the penalty or the loss; names it.
    """
    other = isinstance(hidden, str | bytes | dict) or getattr(hidden, "ndim", 1) != 1
    if other or not hasattr(hidden, "__getitem__"):
        raise ValueError(f"hidden: expected a sequence of sizes, got {hidden!r}")
    hidden = [check_positive(f"hidden[{i}]", units) for i, units in enumerate(hidden)]
    code_size = check_positive("code_size", code_size)
    seed = check_seed(seed)
    _check_known("activation", activation, keras.activations)
    _check_known("output_activation", output_activation, keras.activations)
    _check_known("code_penalty", code_penalty, keras.regularizers)
    _check_known("loss", loss, keras.losses)
    if loss is None:  # which Keras knows, as a model that others train
        raise ValueError("loss: expected one of keras.losses, got None")
    keras.utils.set_random_seed(seed)

    image = keras.Input((784,), name="image")
    x = image
    for units in hidden:
        x = layers.Dense(units, activation=activation)(x)
    code = layers.Dense(
        code_size, activation=activation, activity_regularizer=code_penalty, name="code"
    )(x)
    encoder = keras.Model(image, code, name="encoder")

    code_input = keras.Input((code_size,), name="code_input")
    x = code_input
    for units in reversed(hidden):
        x = layers.Dense(units, activation=activation)(x)
    reconstruction = layers.Dense(784, activation=output_activation, name="reconstruction")(x)
    decoder = keras.Model(code_input, reconstruction, name="decoder")

    autoencoder = keras.Model(image, decoder(encoder(image)), name="autoencoder")
    autoencoder.compile(optimizer="adam", loss=loss)
    return Autoencoder(autoencoder, encoder, decoder)


def deep_autoencoder(code_size=32, *, seed):
    """Build the deep autoencoder, 784-128-code-128-784.

    Parameters
    ----------
    code_size, seed : int
        As of `dense_autoencoder`.

    Returns
    -------
    Autoencoder
        Compiled for training with Adam.

    Raises
    ------
    ValueError
        As `dense_autoencoder`.
    """
    return dense_autoencoder((128,), code_size, seed=seed)


def shallow_autoencoder(code_size=32, *, seed, code_penalty=None):
    """Build the shallow autoencoder, 784-code-784.

    Parameters
    ----------
    code_size, seed : int
        As of `dense_autoencoder`.
    code_penalty : keras.Regularizer, optional
        As of `dense_autoencoder`.

    Returns
    -------
    Autoencoder
        Compiled for training with Adam.

    Raises
    ------
    ValueError
        As `dense_autoencoder`.
    """
    return dense_autoencoder((), code_size, seed=seed, code_penalty=code_penalty)


def convolutional_autoencoder(code_size=32, *, seed):
    """Build an autoencoder of strided convolutions, with a dense layer on either side of the code.

    Two convolutions of 16 and 32 kernels of 3 x 3 pixels halve the picture twice, to 7 x 7; two
    transposed ones double it again. ReLU inside, sigmoid at the end, binary cross-entropy.

    Parameters
    ----------
    code_size : int
        Units of the code.
    seed : int
        Seed of the first weights. Sets Keras' global seed, as `keras.utils.set_random_seed` does.

    Returns
    -------
    Autoencoder
        From and to flat images, as all others; compiled for training with Adam.

    Raises
    ------
    ValueError
        If the code size is not a whole number from 1, or the seed not one from 0; names it.
    """
    code_size = check_positive("code_size", code_size)
    seed = check_seed(seed)
    keras.utils.set_random_seed(seed)

    image = keras.Input((784,), name="image")
    x = layers.Reshape((28, 28, 1))(image)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    code = layers.Dense(code_size, activation="relu", name="code")(layers.Flatten()(x))
    encoder = keras.Model(image, code, name="encoder")

    code_input = keras.Input((code_size,), name="code_input")
    x = layers.Dense(7 * 7 * 32, activation="relu")(code_input)
    x = layers.Reshape((7, 7, 32))(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(x)
    reconstruction = layers.Reshape((784,), name="reconstruction")(x)
    decoder = keras.Model(code_input, reconstruction, name="decoder")

    autoencoder = keras.Model(image, decoder(encoder(image)), name="autoencoder")
    autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
    return Autoencoder(autoencoder, encoder, decoder)


def variational_autoencoder(latent=2, *, seed, beta=1.0):
    """Build a variational autoencoder, 784-128-latent-128-784.

    Its loss is the negative evidence lower bound, in nats an image: the binary cross-entropy summed
    over the pixels, and `beta` times the divergence summed over the latents.

    Parameters
    ----------
    latent : int
        Dimensions of the latent space.
    seed : int
        Seed of the first weights and of the latent draws. Sets Keras' global seed, as
        `keras.utils.set_random_seed` does.
    beta : float
        Weight of the divergence, from 0.

    Returns
    -------
    VariationalAutoencoder
        Compiled for training with Adam.

    Raises
    ------
    ValueError
        If `latent` is not a whole number from 1, the seed not one from 0, or `beta` negative or
        not finite; names it.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114; with `beta`, Higgins et al. (2017).
    """
    latent = check_positive("latent", latent)
    seed = check_seed(seed)
    beta = _checked_beta(beta)
    keras.utils.set_random_seed(seed)

    image = keras.Input((784,), name="image")
    x = layers.Dense(128, activation="relu")(image)
    mean = layers.Dense(latent, name="mean")(x)
    log_var = layers.Dense(latent, name="log_var")(x)
    encoder = keras.Model(image, [mean, log_var], name="encoder")

    point = keras.Input((latent,), name="point")
    x = layers.Dense(128, activation="relu")(point)
    reconstruction = layers.Dense(784, activation="sigmoid", name="reconstruction")(x)
    decoder = keras.Model(point, reconstruction, name="decoder")

    sampled = Sampling(beta, name="sampling")(*encoder(image))
    autoencoder = keras.Model(image, decoder(sampled), name="autoencoder")
    # Keras averages the cross-entropy over the pixels; the bound wants its sum.
    autoencoder.compile(optimizer="adam", loss="binary_crossentropy", loss_weights=784.0)
    return VariationalAutoencoder(autoencoder, encoder, decoder)


def used_again(model):
    """Find the layers that a model uses more than once.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential; models nested in it count as layers.

    Returns
    -------
    list of keras.Layer
        Empty for a sequential model.
    """
    nodes = getattr(model, "_nodes_by_depth", {})  # a sequential model has none, and uses all once
    calls = Counter(node.operation for level in nodes.values() for node in level)
    return [layer for layer, times in calls.items() if times > 1]


def _checked_beta(beta):
    if isinstance(beta, bool) or not isinstance(beta, Real) or not 0 <= beta < inf:
        raise ValueError(f"beta: expected a finite number from 0, got {beta!r}")
    return float(beta)


def _check_known(name, value, known):
    try:
        known.get(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected one of {known.__name__}, got {value!r}") from error
