"""Checks of arguments that several modules share; their errors name the argument."""

from numbers import Integral


def check_positive(name, value):
    """Refuse anything but a whole number from 1.

    Parameters
    ----------
    name : str
        What the error calls the argument.
    value : int
        What was passed.

    Raises
    ------
    ValueError
        If it is something else; names the argument and what came.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}: expected a whole number from 1, got {value!r}")


def check_seed(seed):
    """Refuse anything but a whole number from 0.

    Parameters
    ----------
    seed : int
        What was passed as the seed.

    Raises
    ------
    ValueError
        If it is something else; says what came.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed: expected a whole number from 0, got {seed!r}")
