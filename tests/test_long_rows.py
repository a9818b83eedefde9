"""Softmax of rows that are computed in parts: the digits, and the bits by every way.

A row of more than 131,072 elements has parts of 8448 elements (more, where that would be more than
1024 parts), each with a shift of its own.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, assert_accurate, bits, laid_out, nan_row
from test_threads import shared_jobs

from softlane import num_threads, softmax
from softlane._oracle import softmax_reference
from softlane.verify import guard_pages
from softlane.verify.guard_pages import Guarded

PART = 8448
LENGTHS = (131_073, 16 * PART, 16 * PART + 1, 143_987)
FLOATS = pytest.mark.parametrize("name", ["float32", "float64"])
SIZES = {"float16": 20, "bfloat16": 20, "float32": 80, "float64": 700}


def rows(name: str, n: int) -> dict[str, np.ndarray]:
    """By what sets their parts apart. float64 of values that every dtype has."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal(n) * 4
    size = SIZES[name]  # results that far below the largest are subnormal, or nearly so
    where = np.arange(n) // PART
    ramp = np.linspace(0, 1, n)
    made = {
        "plain": x,
        "ascending": x + ramp * size,
        "descending": x - ramp * size,
        "two levels": x - np.where(where % 3 == 1, size, 0),
        "one part above all": x + np.where(where == 5, 3 * size, 0),
        "the last part alone": np.where(where == where[-1], x, -np.inf),
        "the first element alone": np.where(np.arange(n) == 0, 3.0, -np.inf),
        "parts of -inf": np.where(where % 2 == 0, -np.inf, x),
        "steps": -np.floor(ramp * 40) * size / 8,
        "equal": np.full(n, 3.0),
        # One that reaches further down than it may without subnormal products.
        "a wide part": np.where(where == 1, -size * (0.95 + 0.02 * rng.random(n)), -3 * size),
    }
    made["a wide part"][0], made["a wide part"][PART] = 0, -size / 5
    if name in ("float32", "float64"):
        made |= {
            "far from 0": x + 3e5,
            "about the limit": x + np.where(where % 2 == 0, 131_070, 131_090),
            "beyond the limit below": x * 40_000,
            "near the limit, near 0": x + np.where(where < 9, 0, 131_000),
            "far parts at all distances": 200_000 - np.floor(ramp * 40) * size / 20,
        }
    return {kind: row.astype(DTYPES[name]) for kind, row in made.items()}


@cache
def references(name: str, n: int, temperature: float) -> dict[str, np.ndarray]:
    return {
        kind: softmax_reference(row[None], temperature=temperature)[0]
        for kind, row in rows(name, n).items()
    }


@pytest.mark.parametrize("temperature", [1.0, 0.3, 7.0])
@pytest.mark.parametrize("name", DTYPES)
def test_digits(name, temperature, isa):
    n = LENGTHS[-1]
    for kind, x in rows(name, n).items():
        got = softmax(x, temperature=temperature)
        assert_accurate(got, references(name, n, temperature)[kind], DTYPES[name])


@pytest.mark.parametrize("temperature", [1e-30, 1e25])
@FLOATS
def test_extreme_temperatures(name, temperature, isa):
    n = LENGTHS[0]
    for x in rows(name, n).values():
        x = (x.astype(np.float64) * temperature).astype(DTYPES[name])
        exact = softmax_reference(x[None], temperature=temperature)[0]
        assert_accurate(softmax(x, temperature=temperature), exact, DTYPES[name])


@EVERY_DTYPE
def test_columns_batches_and_places_give_the_same_bits(dtype, isa):
    for n in LENGTHS:
        x = np.stack(list(rows(dtype.name, n).values()))
        for temperature in (1.0, 0.7):
            alone = [bits(softmax(row, temperature=temperature)) for row in x]
            want = b"".join(alone)
            assert bits(softmax(x, temperature=temperature)) == want
            columns = softmax(np.ascontiguousarray(x.T), axis=0, temperature=temperature)
            assert bits(np.ascontiguousarray(columns.T)) == want
            for row, its in zip(x, alone, strict=True):
                y = row.copy()
                assert softmax(y, temperature=temperature, out=y) is y and bits(y) == its
        for layout in ("last_reversed", "every_second", "unaligned", "swapped", "odd_strides"):
            got = softmax(laid_out(x, layout))
            assert b"".join(bits(np.asarray(row, dtype)) for row in got) == want_of(x), layout


def want_of(x: np.ndarray) -> bytes:
    return b"".join(bits(softmax(row)) for row in x)


@FLOATS
def test_as_many_columns_as_a_panel_has_and_not(name, isa):
    x = np.stack([*rows(name, LENGTHS[0]).values()] * 3)
    want = [bits(softmax(row)) for row in x]
    for count in (3, 8, 15, 16, 17, 40):
        got = softmax(np.ascontiguousarray(x[:count].T), axis=0)
        assert [bits(np.ascontiguousarray(column)) for column in got.T] == want[:count]


@EVERY_DTYPE
def test_a_mask_is_minus_infinity(dtype, isa):
    x = np.stack(list(rows(dtype.name, LENGTHS[-1]).values()))
    where = np.random.default_rng(0).random(x.shape) < 0.5
    where[:, PART : 3 * PART] = False
    assert bits(softmax(x, where=where)) == bits(softmax(np.where(where, x, dtype.type(-np.inf))))


@EVERY_DTYPE
def test_threads_share_a_row(dtype):
    for n in (180_001, 400_000):
        x = np.stack(list(rows(dtype.name, n).values())[:3])
        for given in (x[0], x[1:], x):
            with num_threads(1):
                want = bits(softmax(given))
            # 16-bit rows by themselves are shared where a kernel has them as they are.
            at_least = dtype.itemsize > 2 or given.ndim > 1
            for count in (2, 3, 5):
                with num_threads(count), shared_jobs(at_least):
                    assert bits(softmax(given)) == want
                    y = given.copy()
                    assert bits(softmax(y, out=y)) == want


@FLOATS
def test_threads_share_rows_of_every_kind(name, isa):
    for x in rows(name, 180_001).values():
        for temperature in (1.0, 0.7):
            with num_threads(1):
                want = bits(softmax(x, temperature=temperature))
            with num_threads(3), shared_jobs():
                assert bits(softmax(x, temperature=temperature)) == want
    with num_threads(2), shared_jobs():
        x[170_000] = np.nan
        assert bits(softmax(x)) == nan_row(x.dtype, len(x))


@FLOATS
def test_threads_write_a_shared_row_past_the_caches(name, isa):
    x = np.tile(rows(name, 180_001)["descending"], 32)
    with num_threads(1):
        want = bits(softmax(x))
    memory = np.full(x.size + 9, np.nan, x.dtype)
    for count in (1, 2, 5):
        out = memory[5 : 5 + x.size]
        out[...] = 0
        with num_threads(count):
            assert bits(softmax(x, out=out)) == want
        assert np.isnan(memory[:5]).all() and np.isnan(memory[-4:]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@EVERY_DTYPE
def test_one_nan_or_infinity_makes_the_row_nan(value, dtype, isa):
    n = LENGTHS[-1]
    plain, nothing = rows(dtype.name, n)["plain"], np.full(n, -np.inf, dtype)
    some = np.where(np.arange(n) // PART % 2 == 1, plain, nothing)  # in its last part too
    for place in (0, PART - 1, PART, 9 * PART + 5, n - 1):
        for of in (plain, nothing, some):
            x = of.copy()
            x[place] = value
            assert bits(softmax(x)) == nan_row(dtype, n)
            columns = np.ascontiguousarray(np.stack([plain, x, plain, plain]).T)
            got = softmax(columns, axis=0).T
            assert bits(np.ascontiguousarray(got[1])) == nan_row(dtype, n)
            assert bits(np.ascontiguousarray(got[2])) == bits(softmax(plain))
    assert bits(softmax(nothing)) == nan_row(dtype, n)


@pytest.mark.skipif(not guard_pages.SUPPORTED, reason=guard_pages.NEEDS)
@EVERY_DTYPE
@pytest.mark.parametrize("at_end", [False, True], ids=["before", "after"])
def test_nothing_outside_of_the_row_is_touched(at_end, dtype, isa):
    given, result = (Guarded(max(LENGTHS) * dtype.itemsize) for _ in range(2))
    for n in LENGTHS:
        x = rows(dtype.name, n)["parts of -inf"]
        want = bits(softmax(x))
        out = result.place((n,), dtype, at_end)
        assert bits(softmax(given.put(x, at_end), out=out)) == want


@FLOATS
def test_parts_grow_with_a_very_long_row(name, isa):
    """Of more than 1024 parts of 8448 elements; its results go past the caches, or are kept."""
    n = 1024 * PART + 77
    rng = np.random.default_rng(1)
    x = rng.standard_normal(n, np.float32).astype(DTYPES[name])
    x[n // 2] = 25
    y = softmax(x)
    exact = np.exp(x.astype(np.longdouble) - 25)
    assert_accurate(y, exact / exact.sum(), DTYPES[name])
    out = np.empty_like(x)
    assert bits(softmax(x, out=out)) == bits(y)
    assert bits(softmax(x, out=x)) == bits(y)
