"""Masked rows that the kernel masks as it comes to them have the bytes of rows with -inf."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import LEVELS, assert_accurate, bits, level
from plain import EVERY_FUNCTION, MASKED, PLAIN

import softlane
from softlane.verify import guard_pages

# Around where it begins for doubles, softmax, logarithms, and where a row leaves its buffer, and
# company.
LENGTHS = [33, 63, 64, 65, 199, 299, 300, 301, 500, 1023, 1024, 1025, 2048, 2049, 5003]
LENGTHS += [16_384, 16_390]
FLOATS = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def hostile(rows: int, n: int, dtype: type, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all kinds and a mask: what they hold behind it takes no part."""
    rng = np.random.default_rng(n + seed)
    x = (rng.standard_normal((rows, n)) * 4).astype(dtype)
    keep = rng.random((rows, n)) < 0.7
    keep[:, n // 2] = True
    kinds = [
        lambda x, keep: None,
        lambda x, keep: keep.fill(False),
        lambda x, keep: keep.fill(True),
        lambda x, keep: np.copyto(keep, np.arange(n) == n - 1),
        lambda x, keep: np.multiply(x, 30, out=x),  # results that are 0, few of them subnormal
        lambda x, keep: x.__setitem__(n // 2, 95),  # those of floats are subnormal
        lambda x, keep: x.__setitem__(n // 2, np.nan),
        lambda x, keep: x.__setitem__(n // 2, np.inf),
        lambda x, keep: x.__setitem__(n // 2, -np.inf),
        lambda x, keep: x.__setitem__(keep, -np.inf),
        lambda x, keep: np.add(x, 3e6, out=x),
        lambda x, keep: np.multiply(x, 1e-40, out=x),
        lambda x, keep: np.copyto(keep, np.arange(n) < n // 3),
    ]
    for i in range(rows):
        kinds[i % len(kinds)](x[i], keep[i])
    junk = np.array([np.nan, np.inf, -np.inf, 3e38, 0], dtype)
    x[~keep] = junk[rng.integers(0, len(junk), np.count_nonzero(~keep))]
    return x, keep


def expected(function, x: np.ndarray, keep, **options) -> np.ndarray:
    """Of -inf instead of a mask."""
    plain = function(np.where(keep, x, np.array(-np.inf, x.dtype)), **options)
    return np.where(keep, plain, np.array(MASKED[function], x.dtype))


@FLOATS
@pytest.mark.parametrize("n", LENGTHS)
@EVERY_FUNCTION
def test_a_mask_is_minus_infinity(function, n, dtype, isa):
    x, keep = hostile(15, n, dtype)
    for options in ({}, {"temperature": 1.7}, {"temperature": np.linspace(0.5, 3, 15)}):
        want = bits(expected(function, x, keep, **options))
        assert bits(function(x, where=keep, **options)) == want
        out = x.copy()
        assert function(out, where=keep, out=out, **options) is out
        assert bits(out) == want


@FLOATS
@EVERY_FUNCTION
def test_a_mask_is_minus_infinity_in_batches_and_strides(function, dtype, isa):
    for n in (333, 1500):
        x, keep = hostile(14, n, dtype, 1)
        for rows in range(1, 8):
            want = bits(expected(function, x[:rows], keep[:rows]))
            assert bits(function(x[:rows], where=keep[:rows])) == want
        for step in (-1, 2, -3):
            want = bits(expected(function, x[::step], keep[::step]))
            assert bits(function(x[::step], where=keep[::step])) == want
            assert bits(function(x[::step].copy(), where=keep[::step])) == want
        one = keep[4]
        assert bits(function(x, where=one)) == bits(expected(function, x, one[None, :]))
        both = x.reshape(2, 7, n), keep.reshape(2, 7, n)[:, :1]
        assert bits(function(both[0], where=both[1])) == bits(expected(function, *both))
        wide = np.zeros((14, n + 5), bool)
        wide[:, 2:-3] = keep
        assert bits(function(x, where=wide[:, 2:-3])) == bits(expected(function, x, keep))
        spread = np.zeros((14, 2 * n), bool)
        spread[:, ::2] = keep
        assert bits(function(x, where=spread[:, ::2])) == bits(expected(function, x, keep))


@FLOATS
def test_logsumexp_of_masked_rows(dtype, isa):
    for n in LENGTHS:
        x, keep = hostile(15, n, dtype)
        want = softlane.logsumexp(np.where(keep, x, np.array(-np.inf, dtype)))
        assert bits(softlane.logsumexp(x, where=keep)) == bits(want)


@FLOATS
@EVERY_FUNCTION
def test_masked_rows_keep_the_promise(function, dtype, isa):
    for n in (400, 1400):
        rng = np.random.default_rng(n)
        x = (rng.standard_normal((4, n)) * 5).astype(dtype)
        keep = rng.random((4, n)) < [[0.5], [0.99], [0.02], [1]]
        assert_accurate(function(x, where=keep), PLAIN[function](x, where=keep), x.dtype)


@FLOATS
@pytest.mark.parametrize("columns", [40, 63, 64, 199, 200, 257, 511, 1000, 2048, 2600, 20_011])
@pytest.mark.parametrize("name", LEVELS)
@EVERY_FUNCTION
def test_large_masked_results_are_those_of_small_arrays(function, name, columns, dtype):
    """Past the caches, by threads as well, wherever they begin in a line."""
    rows = 18_000_000 // np.dtype(dtype).itemsize // columns
    x, keep = hostile(rows, columns, dtype)
    with level(name):
        parts = zip(np.array_split(x, 40), np.array_split(keep, 40), strict=True)
        want = np.concatenate([expected(function, *part) for part in parts]).tobytes()
        assert function(x, where=keep).tobytes() == want
        for offset, threads in ((0, 1), (4, 2)):
            memory = np.full(x.size + 40, 5, dtype)
            begin = -(memory.ctypes.data // memory.itemsize) % (64 // memory.itemsize) + offset
            out = memory[begin : begin + x.size].reshape(x.shape)
            with softlane.num_threads(threads):
                function(x, where=keep, out=out)
            assert out.tobytes() == want
            assert (memory[:begin] == 5).all() and (memory[begin + x.size :] == 5).all()


@pytest.mark.skipif(not guard_pages.SUPPORTED, reason=guard_pages.NEEDS)
@FLOATS
@pytest.mark.parametrize("at_end", [False, True], ids=["before", "after"])
@EVERY_FUNCTION
def test_no_byte_outside_the_mask_is_read(function, dtype, at_end, isa):
    areas = guard_pages.areas()
    for n in [255, 256, 257, *range(300, 317), *range(1024, 1041), 2049]:
        x, keep = hostile(3, n, dtype)
        placed = guard_pages.put(areas, {"x": x, "where": keep}, at_end)
        out = guard_pages.out_like(areas, x, at_end)
        function(placed["x"], where=placed["where"], out=out)
        assert bits(out) == bits(expected(function, x, keep))
