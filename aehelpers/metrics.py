"""What the book measures: losses per image, reference lines, and statistics of codes."""

from aehelpers.checks import check_numbers, check_positive, check_range
import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score

#: Keras keeps probabilities this far from 0 and 1 before it takes the logarithm.
EPSILON = 1e-7

# Of larger numbers the sum of many squares may be too large for float64.
_LARGEST = 1e100
_LARGEST_LOGARITHM = 600


def bce(target, reconstruction):
    """Binary cross-entropy of each image, in nats a pixel, as Keras computes it.

    Parameters
    ----------
    target, reconstruction : array, shape (n, pixels)
        Values in [0, 1].

    Returns
    -------
    array, shape (n,), float64
        Averaged over the pixels, not over the images.

    Raises
    ------
    ValueError
        If the shapes differ or are not two-dimensional, or a value is outside [0, 1].

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, equation 4.90.
    """
    target, reconstruction = _checked_pair(target, reconstruction)
    check_range("target", target)
    check_range("reconstruction", reconstruction)
    p = np.clip(reconstruction, EPSILON, 1 - EPSILON)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(axis=1)


def mse(target, reconstruction):
    """Mean squared error of each image.

    Parameters
    ----------
    target, reconstruction : array, shape (n, pixels)
        Finite values, up to 1e100 either way.

    Returns
    -------
    array, shape (n,), float64
        Averaged over the pixels, not over the images.

    Raises
    ------
    ValueError
        If the shapes differ or are not two-dimensional, or a value is not finite.
    """
    target, reconstruction = _checked_pair(target, reconstruction)
    return ((target - reconstruction) ** 2).mean(axis=1)


def variance_explained(target, reconstruction):
    """Share of the images' variance around their mean image that a reconstruction keeps.

    It does not depend on how bright or how varied the images are, so it compares kinds of images.
    Pixels that are the same in all targets, such as a black border, have no variance and do not
    count.

    Parameters
    ----------
    target, reconstruction : array, shape (n, pixels)
        Finite values, up to 1e100 either way.

    Returns
    -------
    float
        1 for a perfect copy, 0 for the targets' mean image, negative for anything worse.

    Raises
    ------
    ValueError
        As `mse`, or if the targets are all alike and so have no variance.
    """
    target, reconstruction = _checked_pair(target, reconstruction)
    varied = (target != target[0]).any(axis=0)  # a mean of equal numbers may not equal them
    if not target[:, varied].var(axis=0).any():
        raise ValueError(f"target: expected images that differ, got {len(target)} alike")
    return float(
        r2_score(target[:, varied], reconstruction[:, varied], multioutput="variance_weighted")
    )


def bce_floor(images):
    """Binary cross-entropy of a perfect copy: grey pixels keep it above zero.

    Parameters
    ----------
    images : array, shape (n, pixels)
        Values in [0, 1].

    Returns
    -------
    float
        In nats a pixel, averaged over pixels and images.

    Raises
    ------
    ValueError
        As `bce`.
    """
    images = _checked("images", images)
    check_range("images", images)
    return float(bce(images, images).mean())


def mean_image(train, images):
    """The reconstruction of a model that ignores its input: the mean training image each time.

    Parameters
    ----------
    train : array, shape (m, pixels)
        Images to average.
    images : array, shape (n, pixels)
        Images to reconstruct; only their number matters.

    Returns
    -------
    array, shape (n, pixels), float64
        The same image in each row; read-only.

    Raises
    ------
    ValueError
        If the arrays are empty, not two-dimensional, or their numbers of pixels differ.
    """
    train, images = _checked_sets(train, images)
    return np.broadcast_to(train.mean(axis=0), images.shape)


@np.errstate(invalid="ignore")  # PCA also divides by the variance, which images alike do not have
def pca_reconstruction(train, images, code_size):
    """Reconstruct images from their first principal components, the best linear code.

    Parameters
    ----------
    train : array, shape (m, pixels)
        The components and the mean come from these images.
    images : array, shape (n, pixels)
        Images to encode and decode.
    code_size : int
        Number of components.

    Returns
    -------
    array, shape (n, pixels), float64
        Not clipped: values may lie outside [0, 1].

    Raises
    ------
    ValueError
        If the arrays are empty, not two-dimensional, or their numbers of pixels differ, or the
        number of components is not a whole number from 1 to that of images or pixels in `train`.

    References
    ----------
    Baldi and Hornik (1989), Neural Networks 2(1): no linear autoencoder does better.
    """
    train, images = _checked_sets(train, images)
    code_size = check_positive("code_size", code_size)
    if code_size > min(train.shape):
        raise ValueError(f"code_size: expected 1 to {min(train.shape)} components, got {code_size}")
    pca = PCA(code_size, svd_solver="full").fit(train)
    return pca.inverse_transform(pca.transform(images))


def code_statistics(codes):
    """Describe how a layer's codes are spread, and how sparse they are.

    Parameters
    ----------
    codes : array, shape (n, units)
        One code an image.

    Returns
    -------
    dict of float
        ``mean`` and ``sd`` over all values; ``zeros``, the share of values that are exactly 0;
        ``active``, the mean number of units an image leaves non-zero; ``dead``, the number of
        units that are 0 for every image.

    Raises
    ------
    ValueError
        If `codes` is empty, not two-dimensional or not finite.
    """
    codes = _checked("codes", codes, ("n", "units"))
    active = codes != 0
    return {
        "mean": float(codes.mean()),
        "sd": float(codes.std()),
        "zeros": float(1 - active.mean()),
        "active": float(active.sum(axis=1).mean()),
        "dead": float((~active.any(axis=0)).sum()),
    }


def kl_to_standard_normal(mean, log_var):
    """Divergence of diagonal normal distributions from the standard normal, in nats.

    Parameters
    ----------
    mean, log_var : array, shape (n, latent)
        `log_var` is the natural logarithm of the variance, not of the standard deviation.

    Returns
    -------
    array, shape (n,), float64
        Summed over the latents, not averaged over the images.

    Raises
    ------
    ValueError
        If the shapes differ or are not two-dimensional, or a value is not finite or too large;
        names it.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, appendix B.
    """
    mean = _checked("mean", mean, ("n", "latent"))
    log_var = _checked("log_var", log_var, mean.shape, "the mean's ")
    if (largest := log_var.max()) > _LARGEST_LOGARITHM:
        raise ValueError(
            f"log_var: expected logarithms up to {_LARGEST_LOGARITHM}, got {largest:g}"
        )
    return (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=1) / 2


def _checked(name, array, shape=("n", "pixels"), whose=""):
    array = check_numbers(name, array, shape, np.float64, whose)
    if (largest := np.abs(array).max()) > _LARGEST:
        raise ValueError(f"{name}: expected numbers up to {_LARGEST:g}, got {largest:g}")
    return array


def _checked_pair(target, reconstruction):
    target = _checked("target", target)
    return target, _checked("reconstruction", reconstruction, target.shape, "the target's ")


def _checked_sets(train, images):
    train = _checked("train", train)
    return train, _checked("images", images, ("n", train.shape[1]))
