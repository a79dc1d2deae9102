import re

from aehelpers.checks import check_dict, check_numbers, check_positive, check_range, check_seed
import numpy as np
import pytest

NO_WHOLE_NUMBERS = [True, 2.0, "2", None, np.array([2])]


@pytest.mark.parametrize("value", [1, 2, np.int64(1), np.uint8(255), 10**30])
def test_whole_numbers_from_1_are_positive_and_come_back_as_pythons(value):
    assert check_positive("n", value) == value
    assert type(check_positive("n", value)) is int


@pytest.mark.parametrize("value", [0, -1, *NO_WHOLE_NUMBERS])
def test_anything_else_is_not_positive_and_named(value):
    with pytest.raises(ValueError, match=r"^n: expected a whole number from 1, got ") as error:
        check_positive("n", value)
    assert str(error.value).endswith(f"got {value!r}")


@pytest.mark.parametrize("value", [0, 1, np.int64(0), 4_294_967_295])
def test_whole_numbers_from_0_in_32_bits_are_seeds_and_come_back_as_pythons(value):
    assert check_seed(value) == value
    assert type(check_seed(value)) is int


@pytest.mark.parametrize("value", [-1, *NO_WHOLE_NUMBERS])
def test_anything_else_is_no_seed(value):
    with pytest.raises(ValueError, match=r"^seed: expected a whole number from 0, got ") as error:
        check_seed(value)
    assert str(error.value).endswith(f"got {value!r}")


def test_a_seed_that_does_not_fit_into_32_bits_is_refused():
    with pytest.raises(ValueError, match=r"below 2\*\*32, got 4294967296"):
        check_seed(4_294_967_296)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([[1, 2, 3]], ("n", "pixels")),
        ([[1, 2, 3]], ("n", 3)),
        ([[True, False]], (1, 2)),
        ([1, 2], (2, ...)),
        (np.ones((2, 3, 4), np.uint8), (2, ...)),
        (np.ones((2, 3, 4), np.uint8), (2, 3, ...)),
    ],
)
def test_numbers_of_the_shape_come_back_as_an_array_of_the_dtype(values, shape):
    for dtype in (None, np.float32):
        found = check_numbers("x", values, shape, dtype)
        assert found.dtype == (dtype or np.asarray(values).dtype)
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("values", "shape", "message"),
    [
        (
            [[1], [1, 2]],
            ("n", "k"),
            "expected an array, but: setting an array element with a sequence",
        ),
        ([["a"]], ("n", "k"), "expected numbers, got an array of dtype <U1"),
        ([[1j]], ("n", "k"), "expected numbers, got an array of dtype complex128"),
        (None, ("n", "k"), "expected numbers, got None"),
        ([1, 2], ("n", "k"), "expected shape (n, k), got (2,)"),
        ([[[1]]], ("n", "k"), "expected shape (n, k), got (1, 1, 1)"),
        ([[1, 2]], ("n", 3), "expected shape (n, 3), got (1, 2)"),
        ([[]], ("n", "k"), "expected shape (n, k), got (1, 0)"),
        ([[1, 2]], (2, ...), "expected shape (2, ...), got (1, 2)"),
        ([[1, 2]], (1, 3, ...), "expected shape (1, 3, ...), got (1, 2)"),
        (3, (2, ...), "expected shape (2, ...), got ()"),
        ([[np.nan, 1, np.inf]], ("n", "k"), "expected finite numbers, got 2 that are NaN"),
        ([[1e300]], ("n", "k"), "expected finite numbers, got 1 that are NaN or infinite"),
    ],
)
def test_anything_else_is_no_such_numbers(values, shape, message):
    with pytest.raises(ValueError, match=f"^x: {re.escape(message)}"):
        check_numbers("x", values, shape, np.float32)


def test_whose_shape_it_is_is_told():
    with pytest.raises(ValueError, match=r"^x: expected the model's shape \(2,\), got \(1,\)"):
        check_numbers("x", [1], (2,), whose="the model's ")


def test_a_range_includes_0_and_1_and_nothing_beyond():
    check_range("x", np.array([[0, 0.5, 1]]))
    for beyond, range_of in {-0.25: "-0.25 to 1", 1.25: "0 to 1.25"}.items():
        with pytest.raises(ValueError, match=rf"x: expected values in \[0, 1\], got {range_of}"):
            check_range("x", np.array([[0, 1, beyond]]))


def test_a_dict_wants_an_entry():
    assert check_dict("rows", {"a": 1}) == {"a": 1}
    for value in ({}, [1], None):
        with pytest.raises(ValueError, match=r"^rows: expected at least one entry") as error:
            check_dict("rows", value)
        assert str(error.value).endswith(f"got {value!r}")
