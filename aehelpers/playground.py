"""Networks that the pages run themselves: a cell shows one, the build collects it."""

from base64 import b64encode

from aehelpers.checks import check_numbers, check_range
from aehelpers.data import Digits
from aehelpers.metrics import mse
from aehelpers.models import used_again
import keras
import numpy as np

#: Under this type a notebook stores a network.
MIME_TYPE = "application/vnd.aehelpers.network+json"

#: The activations that the pages know.
ACTIVATIONS = ("linear", "relu", "sigmoid")
#: The scales of noise for which a network's usual errors are stored.
NOISE = tuple(round(0.1 * i, 1) for i in range(11))
#: The percentiles of the errors that are stored.
PERCENTS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)

_LARGEST = 127  # of eight bits with a sign
_TAKEN = ("digits", "playground")


class PageNetwork:
    """A small autoencoder for the book's pages, its weights rounded to 8 bits.

    A notebook that shows it stores the rounded weights as an output of its cell. With them go ten
    test digits, the range of the code's values but for one in a thousand at either end, and how
    large errors usually are: percentiles, `PERCENTS`, of the mean squared errors against the clean
    test digits, under noise of each of the scales `NOISE` (Gaussian, cut off to [0, 1]).

    Parameters
    ----------
    name : str
        What the pages call it.
    encoder : keras.Model
        From images, shape (n, 784), to codes, shape (n, code_size); dense layers in a row.
    decoder : keras.Model
        From codes to images; dense layers in a row.
    digits : aehelpers.data.Digits
        Its test digits give the ten that the page offers, and the errors.

    Attributes
    ----------
    encoder, decoder, autoencoder : keras.Model
        The network that the page runs: each unit's weights are whole numbers of [-127, 127] times
        a scale of its own. Biases keep their 32 bits.

    Raises
    ------
    ValueError
        If the name is no single lower-case word or one that pages use, a layer is not dense, has no
        biases, weights that are not finite or an activation that the pages do not know, the layers
        are not in a row or one is used again, encoder and decoder do not fit each other and the
        pictures, or the test digits lack one of the ten, are outside of [0, 1] or not as many as
        their labels.
    TypeError
        If a half is no Keras model with one input, or the digits are none.
    """

    def __init__(self, name, encoder, decoder, digits):
        if not isinstance(name, str) or not (name.isidentifier() and name.islower()):
            raise ValueError(f"name: expected a word in lower case, got {name!r}")
        if name in _TAKEN:
            raise ValueError(f"name: expected another than {_TAKEN}, which pages use, got {name!r}")
        for half, model in {"encoder": encoder, "decoder": decoder}.items():
            shape = getattr(model, "input_shape", None)
            if not isinstance(model, keras.Model) or not isinstance(shape, tuple):
                raise TypeError(f"{half}: expected a Keras model with one input, got {model!r}")
        if not isinstance(digits, Digits):
            raise TypeError(f"digits: expected what load_mnist returns, got {digits!r}")
        x_test = check_numbers("digits.x_test", digits.x_test, ("n", 784), np.float32)
        x_test = check_range("digits.x_test", x_test)
        y_test = check_numbers("digits.y_test", digits.y_test, (len(x_test),))
        found = sorted(set(y_test.tolist()))
        if found != list(range(10)):
            raise ValueError(f"digits.y_test: expected all of 0 to 9, got {found}")
        if encoder.input_shape != (None, 784) or decoder.output_shape != (None, 784):
            raise ValueError(
                f"encoder, decoder: expected 784 pixels in and out, "
                f"got {encoder.input_shape} and {decoder.output_shape}"
            )
        if encoder.output_shape != decoder.input_shape:
            raise ValueError(
                f"decoder: expected codes of the encoder's shape {encoder.output_shape}, "
                f"got {decoder.input_shape}"
            )
        self.name = name
        halves = {"encoder": _rounded("encoder", encoder), "decoder": _rounded("decoder", decoder)}
        self.encoder, self.decoder = (_as_keras(layers) for layers in halves.values())
        self.autoencoder = keras.Sequential([self.encoder, self.decoder])
        codes = np.asarray(self.encoder(x_test))
        ten = x_test[[np.argmax(y_test == label) for label in range(10)]]
        self._content = {
            "name": name,
            **{half: [_as_text(layer) for layer in layers] for half, layers in halves.items()},
            "code": [round(float(limit), 1) for limit in np.percentile(codes, (0.1, 99.9))],
            "noise": NOISE,
            "percents": PERCENTS,
            "errors": _percentiles(self.autoencoder, x_test),
            "digits": _base64(np.rint(255 * ten).astype(np.uint8)),
        }

    def __repr__(self):
        layers = [*self.encoder.layers, *self.decoder.layers]
        units = "-".join(str(size) for size in (784, *(layer.units for layer in layers)))
        weights = sum(layer.kernel.shape[0] * layer.units for layer in layers)
        return f"{self.name}: {units}, {weights:,} weights in 8 bits"

    def _repr_mimebundle_(self, **_):
        return {"text/plain": repr(self), MIME_TYPE: self._content}


def _rounded(half, model):
    # Dense layers alone are in a row, unless one is used again.
    if again := used_again(model):
        raise ValueError(f"{half}: expected layers used once, got {again[0].name} used again")
    layers = []
    # Sums and the like of outputs are operations, but no layers.
    for layer in getattr(model, "operations", model.layers):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        function = getattr(layer, "activation", None)
        activation = getattr(function, "__name__", None)
        # Not by their names alone, which a reader's own may share.
        known = activation in ACTIVATIONS and function is keras.activations.get(activation)
        if type(layer) is not keras.layers.Dense or not known:
            raise ValueError(
                f"{half}: expected dense layers with activations of {ACTIVATIONS}, "
                f"got {type(layer).__name__} with activation {activation}"
            )
        if layer.bias is None:
            raise ValueError(f"{half}: expected layers with biases, got {layer.name} without")
        kernel = check_numbers(half, layer.kernel, ("inputs", layer.units))
        biases = check_numbers(half, layer.bias, (layer.units,))
        largest = np.abs(kernel).max(axis=0)
        scales = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
        layers.append(
            {
                "activation": activation,
                "weights": np.rint(kernel / scales).astype(np.int8),
                "scales": scales,
                "biases": biases,
            }
        )
    return layers


def _as_keras(layers):
    model = keras.Sequential([keras.Input((layers[0]["weights"].shape[0],))])
    for layer in layers:
        units, activation = len(layer["biases"]), layer["activation"]
        # First weights that are drawn would take their seed from Python's generator.
        model.add(keras.layers.Dense(units, activation, kernel_initializer="zeros"))
        model.layers[-1].set_weights([layer["weights"] * layer["scales"], layer["biases"]])
    return model


def _percentiles(autoencoder, x):
    """Percentiles of the errors under noise, a list for each scale."""
    noise = np.random.default_rng(0).standard_normal(x.shape, dtype=np.float32)
    outputs = (np.asarray(autoencoder(np.clip(x + scale * noise, 0, 1))) for scale in NOISE)
    percentiles = (np.percentile(mse(x, output), PERCENTS) for output in outputs)
    return [[round(float(error), 4) for error in errors] for errors in percentiles]


def _as_text(layer):
    arrays = {name: _base64(layer[name]) for name in ("weights", "scales", "biases")}
    return {"activation": layer["activation"], "units": len(layer["biases"]), **arrays}


def _base64(array):
    """The array's numbers row by row, the lowest byte first."""
    return b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")
