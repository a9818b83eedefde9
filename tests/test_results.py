"""What a result carries besides its values: dtype object, mask, fill value; and small arguments."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import softlane
from softlane import _core

X = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16])
def test_the_dtype_of_a_result_is_the_usual_object(dtype):
    x = X.astype(dtype)
    for result in (softlane.softmax(x, axis=0), softlane.softmax(X, dtype=dtype)):
        assert result.dtype is np.dtype(dtype)
    swapped = X.astype(np.dtype("f4").newbyteorder())
    assert softlane.softmax(swapped).dtype is np.dtype("f4")


def test_the_mask_of_a_result_is_its_own():
    m = np.ma.array([1.0, 2.0, 3.0], mask=[False, False, True], fill_value=7.0)
    for result in (softlane.softmax(m), softlane.softmax(m, out=(None,))):
        assert result.mask.tolist() == [False, False, True]
        assert result.fill_value == 7.0
        result[0] = np.ma.masked
        assert m.mask.tolist() == [False, False, True]


def test_a_masked_out_gets_the_mask():
    m = np.ma.array([1.0, 2.0, 3.0], mask=[False, False, True])
    out = np.ma.zeros(3)
    assert softlane.softmax(m, out=out) is out
    assert out.mask.tolist() == [False, False, True]
    np.testing.assert_array_equal(out.data, softlane.softmax(m).data)


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("temperature", [None, np.longdouble(2), 1j, "2", [1, None]])
def test_a_temperature_that_is_no_real_number(temperature, axis):
    with pytest.raises(TypeError, match="softmax: temperature"):
        softlane.softmax(X, axis, temperature=temperature)


@pytest.mark.parametrize("temperature", [2, np.int8(2), Fraction(2), np.float16(2), [2, 2]])
def test_a_temperature_of_any_real_type(temperature):
    np.testing.assert_array_equal(
        softlane.softmax(X, temperature=temperature), softlane.softmax(X, temperature=2.0)
    )


def test_an_unknown_dtype_is_named_with_the_function():
    with pytest.raises(TypeError, match=r"softmax: dtype= is not a dtype .*bfloat17"):
        softlane.softmax(X, dtype="bfloat17")


def test_double_to_half_is_rounded_once(isa):
    """In steps of a quarter of the distance where a rounding to float in between would tie."""
    rng = np.random.default_rng(1)
    halves = rng.integers(0x0001, 0x7BFF, 5000).astype(np.uint16).view(np.float16)
    x = halves.astype(np.float64) + np.spacing(halves).astype(np.float64) / 2
    x = np.concatenate([x, np.nextafter(x, 0), np.nextafter(x, np.inf)])
    np.testing.assert_array_equal(_core._convert(x, np.float16), x.astype(np.float16))
    with pytest.raises(TypeError):
        _core._convert(x, None)
