"""Rows in the lanes of panels (axes that are not last, short rows) give the bits of single rows.

A single row takes another path through the kernels than many short ones or those side by side.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, bits, nan_row

from softlane import log_softmax, softmax
from softlane.verify.guard_pages import Guarded

LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 24, 25, 31, 32, 33, 40, 47, 48, 56, 57)
LENGTHS += (63, 64, 65, 95, 96, 100, 129, 256, 257, 400, 401)
LONG = (513, 1024, 1100, 2100)
WIDTHS = (1, 3, 15, 16, 17, 63, 64, 65, 130)
EVERY_MAP = pytest.mark.parametrize("function", [softmax, log_softmax], ids=lambda f: f.__name__)


def plain_rows(count: int, n: int, dtype: np.dtype) -> np.ndarray:
    """Of several spreads, all of them regular and with normal results."""
    rng = np.random.default_rng(100 * n + count)
    spread = rng.choice([0.5, 4, 9], (count, 1))
    return (rng.standard_normal((count, n)) * spread).astype(dtype)


def mixed_rows(count: int, n: int, dtype: np.dtype) -> np.ndarray:
    """Among plain ones: NaN, infinities, far offsets, subnormal results, ties, sure classes."""
    x = plain_rows(count, n, dtype).astype(np.float64)
    rng = np.random.default_rng(7 * n + count)
    kind, place = rng.integers(0, 14, count), rng.integers(0, n, count)
    for row, k, i in zip(x, kind, place, strict=True):
        match k:
            case 0:
                row[i] = np.nan
            case 1:
                row[i] = np.inf
            case 2:
                row[i] = -np.inf
            case 3:
                row[:] = -np.inf
            case 4:
                row += 1e6
            case 5:
                row -= 3e5
            case 6:
                row *= 25  # down to subnormal probabilities
            case 7:
                row[:] = 3
            case 8:
                row[i] += 60
    with np.errstate(over="ignore"):
        return x.astype(dtype)


@cache
def by_rows(function, make, count: int, n: int, dtype: np.dtype, temperature: float) -> np.ndarray:
    x = make(count, n, dtype)
    return np.stack([function(row, temperature=temperature) for row in x])


@pytest.fixture(autouse=True)
def _results_of_this_level(isa):
    by_rows.cache_clear()


@EVERY_MAP
@EVERY_DTYPE
@pytest.mark.parametrize("make", [plain_rows, mixed_rows])
def test_rows_side_by_side_equal_single_rows(make, dtype, function, isa):
    for n, count in itertools.product((*LENGTHS, *LONG), WIDTHS):
        x = make(count, n, dtype)
        for temperature in (1.0, 0.7) if n % 3 == 0 else (1.0,):
            want = bits(by_rows(function, make, count, n, dtype, temperature))
            columns = x.T.copy()
            got = function(columns, axis=0, temperature=temperature)
            assert bits(got.T) == want
            assert function(columns, axis=0, temperature=temperature, out=columns) is columns
            assert bits(columns.T) == want


@EVERY_MAP
@EVERY_DTYPE
@pytest.mark.parametrize("make", [plain_rows, mixed_rows])
def test_many_short_rows_equal_single_rows(make, dtype, function, isa):
    for n, count in itertools.product(LENGTHS, (5, 6, 7, 8, 9, 37, 39, *WIDTHS, 200)):
        x = make(count, n, dtype)
        for temperature in (1.0, 0.7) if n % 3 == 0 else (1.0,):
            want = bits(by_rows(function, make, count, n, dtype, temperature))
            assert bits(function(x, temperature=temperature)) == want
            rows = x.copy()
            assert function(rows, temperature=temperature, out=rows) is rows
            assert bits(rows) == want


@EVERY_MAP
@EVERY_DTYPE
def test_layouts_of_rows_side_by_side(dtype, function, isa):
    """A middle axis, gaps between the elements of a row, either array unaligned or strided."""
    for n, count in itertools.product((1, 5, 16, 21, 40, 130), (3, 20, 64, 150)):
        x = mixed_rows(2 * count, n, dtype)
        want = bits(by_rows(function, mixed_rows, 2 * count, n, dtype, 1.0))
        box = np.ascontiguousarray(x.reshape(2, count, n).swapaxes(1, 2))
        assert bits(function(box, axis=1).swapaxes(1, 2)) == want
        wide = np.full((2, n, count + 5), np.nan, dtype)
        wide[:, :, 3:-2] = box
        some = wide[:, :, 3:-2]
        out = np.full((2, n, count + 9), 7, dtype)
        assert bits(function(some, axis=1, out=out[:, :, 8:-1]).swapaxes(1, 2)) == want
        assert np.all(out[:, :, :8] == 7) and np.all(out[:, :, -1] == 7)
        backwards = np.ascontiguousarray(box[:, ::-1])[:, ::-1]
        assert bits(function(backwards, axis=1).swapaxes(1, 2)) == want
        memory = np.zeros(box.nbytes + 1, np.uint8)[1:].view(dtype).reshape(box.shape)
        memory[...] = box
        assert bits(function(memory, axis=1, out=memory).swapaxes(1, 2)) == want


@EVERY_MAP
@EVERY_DTYPE
def test_short_rows_with_gaps(dtype, function, isa):
    for n, count in itertools.product((1, 2, 3, 4, 5, 10, 16, 17, 30, 70), (3, 20, 64, 150)):
        x = mixed_rows(count, n, dtype)
        want = bits(by_rows(function, mixed_rows, count, n, dtype, 1.0))
        wide = np.full((count, n + 3), np.nan, dtype)
        wide[:, 1:-2] = x
        out = np.full((count, n + 4), 7, dtype)
        assert bits(function(wide[:, 1:-2], out=out[:, 3:-1])) == want
        assert np.all(out[:, :3] == 7) and np.all(out[:, -1] == 7)
        assert bits(function(x[::-1])[::-1]) == want


@EVERY_MAP
@EVERY_DTYPE
def test_panels_touch_nothing_beside_the_arrays(dtype, function, isa):
    area, target = Guarded(140 * 300 * 8), Guarded(140 * 300 * 8)
    shapes = [
        (n, count)
        for n in (1, 2, 3, 4, 5, 6, 9, 16, 17, 32, 33, 70, 300)
        for count in (8, 17, 64, 137)
    ]
    for n, count in shapes:
        x = mixed_rows(count, n, dtype)
        want = bits(by_rows(function, mixed_rows, count, n, dtype, 1.0))
        for at_end, axis in itertools.product((False, True), (0, 1)):
            lies = x if axis else np.ascontiguousarray(x.T)
            given = area.put(lies, at_end)
            out = target.place(lies.shape, dtype, at_end)
            function(given, axis=axis, out=out)
            assert bits(out if axis else out.T) == want


def double_logarithms(n: int) -> list[np.ndarray]:
    """Gaps above the next element, largest ones around 0, magnitudes, one odd row in each lane."""
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((24, n)) * 3
    cases = [rows, rows - 1e5]
    for gap in (36, 150, 399.99, 400, 400.01, 700, 799.99, 800.01, 1e308):
        x = rows.copy()
        x[:, n // 2] = np.delete(x, n // 2, axis=1).max(axis=1) + gap
        cases.append(x)
        for largest in (0.0, 5e-324, -5e-324):
            x = rows - rows.max(axis=1, keepdims=True) - gap
            x[:, n // 2] = largest
            cases.append(x)
    cases += [rows * size for size in (1e6, 1e15, 2.0**996, 2.0**1020)]
    for odd in (np.nan, np.inf, -np.inf, 401.0):
        for lane in range(8):
            x = rows.copy()
            if odd == -np.inf:
                x[lane::8, 1:] = odd
            else:
                x[lane::8, n - 1] = odd
            cases.append(x)
    return cases


@pytest.mark.parametrize("n", [2, 10, 28, 29])
def test_logarithms_of_double_rows(n, isa):
    """Computed for a register of rows, or one by one."""
    for x in double_logarithms(n):
        want = bits(np.stack([log_softmax(row) for row in x]))
        assert bits(log_softmax(x)) == want
        assert bits(log_softmax(np.ascontiguousarray(x.T), axis=0).T) == want


@EVERY_MAP
@EVERY_DTYPE
def test_nothing_but_nan_in_a_panel(dtype, function, isa):
    for n, count in ((2, 70), (10, 70), (30, 33), (513, 20)):
        x = np.full((count, n), -np.nan, dtype)
        x[count // 2] = np.inf
        x[count // 3] = -np.inf
        assert bits(function(x)) == nan_row(dtype, count * n)
        assert bits(function(np.ascontiguousarray(x.T), axis=0)) == nan_row(dtype, count * n)


@EVERY_MAP
def test_results_that_go_past_the_caches(function, isa):
    """17 and 12.7 MB of float32, whole cache lines or not; and 9 MB, whose lines are asked for."""
    shapes = (
        (21, 210_000),
        (21, 210_001),
        (600, 7_440),
        (24, 132_096),
        (24, 132_100),
        (24, 96_000),
    )
    for n, count in shapes:
        make = mixed_rows if n == 24 else plain_rows
        x = make(count, n, DTYPES["float32"])
        want = bits(function(x))
        for place in (0, 4):
            memory = np.empty(x.nbytes + 64, np.uint8)
            start = -memory.ctypes.data % 64 + place
            out = memory[start : start + x.nbytes].view(np.float32).reshape(n, count)
            function(np.ascontiguousarray(x.T), axis=0, out=out)
            assert bits(out.T) == want
