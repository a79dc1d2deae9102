from aehelpers.checks import check_positive, check_seed
import numpy as np
import pytest

NO_WHOLE_NUMBERS = [True, 2.0, "2", None, np.array([2])]


@pytest.mark.parametrize("value", [1, 2, np.int64(1), np.uint8(255), 10**30])
def test_whole_numbers_from_1_are_positive(value):
    check_positive("n", value)


@pytest.mark.parametrize("value", [0, -1, *NO_WHOLE_NUMBERS])
def test_anything_else_is_not_positive_and_named(value):
    with pytest.raises(ValueError, match=r"^n: expected a whole number from 1, got ") as error:
        check_positive("n", value)
    assert str(error.value).endswith(f"got {value!r}")


@pytest.mark.parametrize("value", [0, 1, np.int64(0), 10**30])
def test_whole_numbers_from_0_are_seeds(value):
    check_seed(value)


@pytest.mark.parametrize("value", [-1, *NO_WHOLE_NUMBERS])
def test_anything_else_is_no_seed(value):
    with pytest.raises(ValueError, match=r"^seed: expected a whole number from 0, got ") as error:
        check_seed(value)
    assert str(error.value).endswith(f"got {value!r}")
