"""The book's networks, in Keras' functional API."""

from typing import NamedTuple

from aehelpers.checks import check_positive, check_seed
import keras
from keras import layers


class Autoencoder(NamedTuple):
    """An autoencoder and its two halves; the three models share their weights.

    Attributes
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
    """Autoencoder of dense layers: `hidden` narrows to the code, its mirror image widens again.

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
        If a size is not a whole number from 1, or the seed not one from 0; names it.
    """
    for i, units in enumerate(hidden):
        check_positive(f"hidden[{i}]", units)
    check_positive("code_size", code_size)
    check_seed(seed)
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
    """The deep autoencoder, 784-128-code-128-784; see `dense_autoencoder`."""
    return dense_autoencoder((128,), code_size, seed=seed)


def shallow_autoencoder(code_size=32, *, seed, code_penalty=None):
    """The shallow autoencoder, 784-code-784; see `dense_autoencoder`."""
    return dense_autoencoder((), code_size, seed=seed, code_penalty=code_penalty)


def convolutional_autoencoder(code_size=32, *, seed):
    """Autoencoder of strided convolutions, with a dense layer on either side of the code.

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
    check_positive("code_size", code_size)
    check_seed(seed)
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
