"""where= and masked arrays, for softmax and log_softmax: what takes no part never leaks."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, assert_accurate, bits, laid_out, nan_row, sample
from plain import EVERY_FUNCTION, MASKED, PLAIN

INF = np.inf
LENGTHS = [*range(1, 36), 63, 64, 65, 130]
X = sample((2, 3, 4), DTYPES["float32"])


def masked_row(function, dtype: np.dtype, n: int) -> bytes:
    """What n elements that take no part get."""
    return bits(np.full(n, MASKED[function]).astype(dtype))


@EVERY_DTYPE
@EVERY_FUNCTION
def test_masked_values_never_leak(function, dtype, isa):
    for n in LENGTHS:
        x = sample((4, n), dtype, n)
        keep = np.random.default_rng(n).random((4, n)) < [[0.5], [0.1], [0.9], [0]]
        keep[2, -1] = True
        want = PLAIN[function](x, where=keep)
        results = []
        for junk in (np.nan, INF, -INF, float(ml_dtypes.finfo(dtype).max), 0):
            dirty = np.where(keep, x, np.array(junk).astype(dtype))
            results.append(function(dirty, where=keep))
            results.append(function(dirty, where=laid_out(keep, "every_third_back")))
        assert_accurate(results[0], want, dtype)
        assert bits(results[0][~keep]) == masked_row(function, dtype, (~keep).sum())
        assert {bits(result) for result in results} == {bits(results[0])}
        assert bits(function(x, where=True)) == bits(function(x, where=None)) == bits(function(x))


@EVERY_DTYPE
@pytest.mark.parametrize("kept", [-INF, np.nan, INF])
@EVERY_FUNCTION
def test_kept_specials_follow_the_table_and_the_masked_stay_masked(function, dtype, kept, isa):
    for n in (2, 3, 17, 40):
        keep = np.arange(n) % 3 == 0
        x = np.where(keep, kept, 7).astype(dtype)
        result = function(x, where=keep)
        assert bits(result[keep]) == nan_row(dtype, keep.sum())
        assert bits(result[~keep]) == masked_row(function, dtype, (~keep).sum())


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), None, ()], ids=str)
@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (2, 1, 1), (1, 3, 4), (2, 3, 4)], ids=str)
@EVERY_FUNCTION
def test_where_broadcasts(function, axis, shape):
    keep = np.array(np.random.default_rng(5).random(shape) < 0.6)
    want = PLAIN[function](X, axis, 2.0, keep)
    for given in (keep, keep.tolist(), np.array(keep, order="F"), keep[()]):
        result = function(X, axis, temperature=2.0, where=given)
        assert_accurate(result, want, X.dtype, 3.5)


# ---- masked arrays (scipy drops the mask)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_masked_arrays_come_back_masked(function, dtype):
    x = sample((3, 5), dtype)
    mask = np.random.default_rng(2).random((3, 5)) < 0.4
    mask[1] = True
    dirty = np.ma.MaskedArray(np.where(mask, np.array(np.nan).astype(dtype), x), mask)
    for axis in (-1, 0, None):
        result = function(dirty, axis)
        assert type(result) is np.ma.MaskedArray
        assert bits(result.mask) == bits(mask)
        assert bits(result.data) == bits(function(x, axis, where=~mask))
        keep = x > -2
        both = function(dirty, axis, where=keep)
        assert bits(both.data) == bits(function(x, axis, where=keep & ~mask))
        assert bits(both.mask) == bits(mask)
    out = np.zeros_like(x)
    assert function(dirty, out=out) is out
    assert bits(out) == bits(function(x, where=~mask))
    plain = function(np.ma.MaskedArray(x))
    assert type(plain) is np.ma.MaskedArray
    assert bits(plain.data) == bits(function(x))
    assert not np.any(np.ma.getmaskarray(plain))


@EVERY_FUNCTION
def test_the_mask_of_a_result_is_its_own(function):
    m = np.ma.array([1.0, 2.0, 3.0], mask=[False, False, True], fill_value=7.0)
    for result in (function(m), function(m, out=(None,))):
        assert result.mask.tolist() == [False, False, True]
        assert result.fill_value == 7.0
        result[0] = np.ma.masked
        assert m.mask.tolist() == [False, False, True]


@EVERY_FUNCTION
def test_a_masked_out_gets_the_mask(function):
    m = np.ma.array([1.0, 2.0, 3.0], mask=[False, False, True])
    out = np.ma.zeros(3)
    assert function(m, out=out) is out
    assert out.mask.tolist() == [False, False, True]
    np.testing.assert_array_equal(out.data, function(m).data)
