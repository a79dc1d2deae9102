"""Checks of arguments that several modules share; their errors name the argument."""

from numbers import Integral


def check_positive(name, value):
    """Raise ValueError unless `value` is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}: expected a whole number from 1, got {value!r}")


def check_seed(seed):
    """Raise ValueError unless `seed` is a whole number from 0."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed: expected a whole number from 0, got {seed!r}")
