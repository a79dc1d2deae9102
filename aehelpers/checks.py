"""Checks of arguments that several modules share; their errors name the argument.

Each returns what was passed in the form that the code after it works with.
"""

from numbers import Integral

import numpy as np


def check_positive(name, value):
    """Refuse anything but a whole number from 1.

    Parameters
    ----------
    name : str
        What the error calls the argument.
    value : int
        What was passed.

    Returns
    -------
    int
        The number, NumPy's as Python's own, since Keras takes no other.

    Raises
    ------
    ValueError
        If it is something else; names the argument and what came.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}: expected a whole number from 1, got {value!r}")
    return int(value)


def check_seed(seed):
    """Refuse anything but a whole number from 0 that fits into 32 bits.

    Parameters
    ----------
    seed : int
        What was passed as the seed.

    Returns
    -------
    int
        The seed, NumPy's as Python's own.

    Raises
    ------
    ValueError
        If it is something else; says what came.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed: expected a whole number from 0, got {seed!r}")
    if seed >= 2**32:  # Keras' limit
        raise ValueError(f"seed: expected a whole number below 2**32, got {seed!r}")
    return int(seed)


def check_numbers(name, values, shape, dtype=None, whose=""):
    """Refuse anything but an array of finite numbers, or lists of them, of a shape.

    Parameters
    ----------
    name : str
        What the error calls the argument.
    values : array
        What was passed.
    shape : tuple
        Each side's length, or a word where any length from 1 will do; ``...`` at the end stands
        for any further sides.
    dtype : dtype, optional
        What to turn them into; without it they stay what they are.
    whose : str
        What else has this shape, for the error, such as ``"the model's "``.

    Returns
    -------
    array
        The numbers.

    Raises
    ------
    ValueError
        If it is something else; names the argument, what was expected and what came.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array, but: {error}") from error
    if np.ma.is_masked(values):
        raise ValueError(f"{name}: expected numbers, got some that are masked")
    if array.dtype.kind not in "biuf":
        came = f"an array of dtype {array.dtype}" if array.ndim else repr(values)
        raise ValueError(f"{name}: expected numbers, got {came}")
    further = shape[-1:] == (...,)
    sides = shape[:-1] if further else shape
    fits = array.ndim >= len(sides) if further else array.ndim == len(sides)
    pairs = zip(sides, array.shape, strict=False)
    if not (fits and array.size and all(isinstance(side, str) or side == n for side, n in pairs)):
        words = str(shape).replace("'", "").replace("Ellipsis", "...")
        raise ValueError(f"{name}: expected {whose}shape {words}, got {array.shape}")
    with np.errstate(over="ignore"):  # what does not fit the dtype becomes infinite
        array = array.astype(dtype or array.dtype, copy=False)
    if bad := np.count_nonzero(~np.isfinite(array)):
        raise ValueError(f"{name}: expected finite numbers, got {bad} that are NaN or infinite")
    return array


def check_range(name, array):
    """Refuse an array with values outside of [0, 1].

    Parameters
    ----------
    name : str
        What the error calls the argument.
    array : array
        Finite numbers.

    Returns
    -------
    array
        The same.

    Raises
    ------
    ValueError
        If a value is outside; names the argument and the range that came.
    """
    low, high = array.min(), array.max()
    if low < 0 or high > 1:
        raise ValueError(f"{name}: expected values in [0, 1], got {low:g} to {high:g}")
    return array


def check_dict(name, value):
    """Refuse anything but a dict with something in it.

    Parameters
    ----------
    name : str
        What the error calls the argument.
    value : dict
        What was passed.

    Returns
    -------
    dict
        The same.

    Raises
    ------
    ValueError
        If it is something else; names the argument and what came.
    """
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{name}: expected at least one entry in a dict, got {value!r}")
    return value
