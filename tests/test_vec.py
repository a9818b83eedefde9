"""The contract of the vector layer (cpp/simd/vec.hpp), on every level: exact values, NaN, tails."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from helpers import FMA_LEVELS

from softlane import _core
from softlane._oracle import ulp

LANES = {np.float32: 16, np.float64: 8}
EVERY_TYPE = pytest.mark.parametrize("real", LANES)


def specials(real: type) -> np.ndarray:
    info = np.finfo(real)
    positive = [0.0, info.smallest_subnormal, info.tiny, info.tiny / 2, 0.1, 1.0, 1 + info.eps]
    positive += [1 - info.epsneg, 3.0, 2.0**20 + 1, np.sqrt(info.max), info.max, np.inf]
    return np.array([*positive, *np.negative(positive), np.nan, -np.nan], real)


def operands(real: type, count: int) -> np.ndarray:
    """`count` operands, (count, vectors, lanes): combinations of specials, then random bits."""
    if count == 3:
        some = np.random.default_rng(1).permutation(specials(real))[:9]
        grid = np.array(list(itertools.product(some, specials(real), specials(real))), real).T
    else:
        grid = np.array(list(itertools.product(*[specials(real)] * count)), real).T
    random = np.random.default_rng(2).bytes(count * 512 * LANES[real] * np.dtype(real).itemsize)
    wild = np.frombuffer(random, real).reshape(count, -1)
    tame = np.random.default_rng(3).standard_normal((count, 512 * LANES[real])).astype(real)
    whole = np.concatenate([grid, wild, tame], axis=1)
    return np.resize(whole, (count, -(-whole.shape[1] // LANES[real]), LANES[real]))


def run(name: str, *abc: np.ndarray, count: int = 0) -> np.ndarray:
    """One function over vectors of lanes; missing operands are zero."""
    a, b, c = (*abc, *[np.zeros_like(abc[0])] * (3 - len(abc)))
    rows = [_core._vec(name, *row, count) for row in zip(a, b, c, strict=True)]
    result = np.array(rows, a.dtype)
    assert result.shape == a.shape
    assert all(row.dtype == a.dtype for row in rows)
    return result


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    """The same bits; any NaN will do for a NaN."""
    unsigned = f"u{got.dtype.itemsize}"
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.isnan(got), ~number)
    np.testing.assert_array_equal(got.view(unsigned)[number], want.view(unsigned)[number])


def rounded(exact: Fraction, real: type) -> np.floating:
    """The exact value to the nearest of `real`, ties to even."""
    try:
        double = float(exact)
    except OverflowError:
        return real(math.inf if exact > 0 else -math.inf)
    if real is np.float32 and double != exact:
        # Rounding twice is harmless when the first rounding is to odd.
        other = math.nextafter(double, math.inf if double < exact else -math.inf)
        double = double if np.float64(double).view(np.uint64) & 1 else other
    with np.errstate(over="ignore"):
        return real(double)


def fused(a: np.floating, b: np.floating, c: np.floating) -> np.floating:
    """a * b + c, rounded once."""
    if math.isfinite(a) and math.isfinite(b):
        if not math.isfinite(c):
            return c
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        if exact:
            return rounded(exact, type(a))
    with np.errstate(invalid="ignore"):
        return a * b + c


def test_the_functions_are_those_tested_here():
    tested = {"add", "sub", "mul", "mul_add", "max", "min", "sub_product", "scaled", "lowered"}
    tested |= {"product_rest", "zero_where_at_most", "reduce_max", "reduce_second", "div", "choose"}
    tested |= {"kept", "reduce_add"}
    assert set(_core._vec_names()) == tested | {"load_part", "store_part"}


@EVERY_TYPE
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_arithmetic(name, real, isa):
    a, b = operands(real, 2)
    function = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[name]
    with np.errstate(all="ignore"):
        assert_same(run(name, a, b), function(a, b))


@EVERY_TYPE
def test_mul_add_rounds_once_with_fma_and_twice_without(real, isa):
    a, b, c = operands(real, 3)
    c[-200:] = -(a[-200:] * b[-200:])  # the product's rounding error is all that is left
    if isa in FMA_LEVELS:
        triples = zip(a.flat, b.flat, c.flat, strict=True)
        want = np.array([fused(*abc) for abc in triples]).reshape(a.shape)
        assert np.count_nonzero(want[-200:]) > 1000
    else:
        with np.errstate(all="ignore"):
            want = a * b + c
    assert_same(run("mul_add", a, b, c), want)


@EVERY_TYPE
@pytest.mark.parametrize(("name", "wins"), [("max", np.greater), ("min", np.less)])
def test_max_and_min_give_their_second_operand_for_nan_and_for_two_zeros(name, wins, real, isa):
    a, b = operands(real, 2)
    a[:2], b[:2] = np.nan, [[1], [-np.inf]]
    b[2:4], a[2:4] = np.nan, [[1], [np.inf]]
    with np.errstate(invalid="ignore"):
        want = np.where(wins(a, b), a, b)
    assert_same(run(name, a, b), want)


@EVERY_TYPE
def test_lowered_rounds_subnormal_results_to_even_and_no_others(real, isa):
    """Against an exact power of two, taken off in two steps of which the last may round."""
    rng = np.random.default_rng(8)
    bits, deepest = (100, -52) if real is np.float32 else (200, -876)
    y = np.ldexp(1 + rng.random((900, LANES[real])), rng.integers(deepest, bits, (900, 1)))
    y = y.astype(real)
    limit = np.ldexp(np.finfo(real).tiny, bits)
    y[:300] *= limit / y[:300].max()  # mostly subnormal results
    unit = np.ldexp(np.finfo(real).smallest_subnormal, bits)
    y[0] = (np.arange(LANES[real]) + real(0.5)) * unit  # ties
    y[1], y[2], y[3] = 0, limit, np.nextafter(limit, real(0))
    assert_same(run("lowered", y), np.ldexp(y, -bits))


@EVERY_TYPE
def test_reduce_max(real, isa):
    lanes, info = LANES[real], np.finfo(real)
    rows = [np.random.default_rng(4).standard_normal(lanes), np.full(lanes, -np.inf)]
    for lane in range(lanes):
        here = np.arange(lanes) == lane
        rows += [np.where(here, info.min, -np.inf), np.where(here, np.inf, info.max)]
        rows += [np.where(here, 1, -2), np.roll(rows[0], lane), np.where(here, 0, -info.tiny)]
    rows = np.array(rows).astype(real)
    got = run("reduce_max", rows)
    np.testing.assert_array_equal(got, np.broadcast_to(rows.max(axis=1, keepdims=True), got.shape))


@EVERY_TYPE
def test_reduce_add_halves_the_lanes_and_adds_in_doubles(real, isa):
    values = np.random.default_rng(5).lognormal(0, 20, (500, LANES[real])).astype(real)
    want = values.astype(np.float64)
    while want.shape[1] > 1:
        half = want.shape[1] // 2
        want = want[:, :half] + want[:, half:]
    got = run("reduce_add", values)
    np.testing.assert_array_equal(got, np.broadcast_to(want.astype(real), got.shape))


@EVERY_TYPE
def test_reduce_second_counts_each_instance_of_the_largest(real, isa):
    lanes = LANES[real]
    rng = np.random.default_rng(9)
    values = rng.standard_normal((600, 2 * lanes))
    values[200:400] = rng.integers(0, 9, (200, 2 * lanes))  # ties
    values[400:, rng.permutation(2 * lanes)[: lanes // 2]] = -np.inf
    for place in range(2 * lanes):
        values[place] = -np.inf
        values[place, place] = 3  # alone
        values[2 * lanes + place, place] = values[2 * lanes + place, 0] = 9  # once or twice
    values = values.astype(real)
    got = run("reduce_second", values[:, :lanes], values[:, lanes:])
    want = np.sort(values, axis=1)[:, -2:-1]
    np.testing.assert_array_equal(got, np.broadcast_to(want, got.shape))


@EVERY_TYPE
def test_product_rest_is_what_rounding_took_off(real, isa):
    a, b = (
        np.random.default_rng(s).standard_normal((500, LANES[real])).astype(real) for s in (1, 2)
    )
    a[:100] *= real(2.0**40)
    pairs = zip(a.flat, b.flat, strict=True)
    exact = [Fraction(float(u)) * Fraction(float(v)) - Fraction(float(u * v)) for u, v in pairs]
    assert_same(run("product_rest", a, b).ravel(), np.array([float(e) for e in exact], real))


@EVERY_TYPE
def test_zero_where_at_most_keeps_the_value_beside_nan(real, isa):
    a, b, c = operands(real, 3)
    b[:50], c[50:100] = np.nan, np.nan
    b[100:150] = c[100:150]
    with np.errstate(invalid="ignore"):
        want = np.where(b <= c, real(0), a)
    assert_same(run("zero_where_at_most", a, b, c), want)


@EVERY_TYPE
def test_choose_takes_the_second_beside_nan(real, isa):
    a, b, c = operands(real, 3)
    a[:50], b[50:100] = np.nan, np.nan
    a[100:150] = b[100:150]
    with np.errstate(invalid="ignore"):
        want = np.where(a <= b, c, a)
    assert_same(run("choose", a, b, c), want)


@EVERY_TYPE
def test_kept_takes_bits_by_bytes_of_any_value(real, isa):
    lanes = LANES[real]
    rng = np.random.default_rng(10)
    a, b, c = (np.frombuffer(rng.bytes(300 * 64), real).reshape(-1, lanes).copy() for _ in range(3))
    where = c.view(np.uint8)[:, :lanes]
    where[rng.random(where.shape) < 0.5] = 0
    unsigned = f"u{a.dtype.itemsize}"
    want = np.where(where != 0, a.view(unsigned), b.view(unsigned))
    np.testing.assert_array_equal(run("kept", a, b, c).view(unsigned), want)


@EVERY_TYPE
def test_load_part_and_store_part(real, isa):
    lanes = LANES[real]
    values = specials(real)
    for count in range(lanes + 1):
        for shift in range(values.size):
            a = np.resize(np.roll(values, shift), lanes)[None]
            b = np.resize(np.roll(values, 7 * shift + 3), lanes)[None]
            head = np.arange(lanes)[None] < count
            loaded = run("load_part", a, b, count=count)
            assert loaded.tobytes() == np.where(head, a, b[0, 0]).tobytes()
            stored = run("store_part", a, b, count=count)
            assert stored.tobytes() == np.where(head, a, b).tobytes()


def error_in_ulps(got: np.ndarray, exact: list[Fraction]) -> np.ndarray:
    assert np.all(np.isfinite(got))
    near = np.array([float(value) for value in exact])
    spacing = ulp(near.astype(np.longdouble), got.dtype)
    pairs = zip(got.ravel(), exact, spacing, strict=True)
    return np.array([float(abs(Fraction(float(g)) - e) / Fraction(float(s))) for g, e, s in pairs])


@EVERY_TYPE
def test_sub_product_rounds_once(real, isa):
    """Cody and Waite's reduction: n * hi is near x, and x - n * hi is exact."""
    rng = np.random.default_rng(5)
    digits = np.finfo(real).nmant
    size = (400, LANES[real])
    n = rng.integers(-(2 ** (digits // 2 - 1)), 2 ** (digits // 2 - 1), size).astype(real)
    hi = np.round(np.log(2) / 8 * 2.0 ** (digits // 2)) * 2.0 ** -(digits // 2)
    lo = real(np.log(2) / 8 - hi + 2.0 ** -(digits // 2 + 3))
    x = (n * real(hi) + (rng.random(size) - 0.5) / 8).astype(real)
    c = np.zeros(size, real)
    c[:, 0], c[:, 1] = hi, lo
    got = run("sub_product", x, n, c)
    limbs = Fraction(float(real(hi))), Fraction(float(lo))
    pairs = [(Fraction(float(u)), Fraction(float(v))) for u, v in zip(x.flat, n.flat, strict=True)]
    assert all(float(u - v * limbs[0]) == real(float(u - v * limbs[0])) for u, v in pairs)
    exact = [u - v * (limbs[0] + limbs[1]) for u, v in pairs]
    error_of_lo = np.abs(n * lo).ravel() * np.finfo(real).eps / ulp(np.array(exact, float), real)
    if isa in FMA_LEVELS:
        assert_same(got.ravel(), np.array([rounded(value, real) for value in exact], real))
    assert np.all(error_in_ulps(got, exact) <= 0.5 + error_of_lo)


@EVERY_TYPE
def test_scaled_rounds_once(real, isa):
    rng = np.random.default_rng(6)
    size = (600, LANES[real])
    hi = (1 + rng.random((600, 1))).astype(real) * real(2.0**-20)
    lo = ((rng.random((600, 1)) - 0.5) * np.spacing(hi)).astype(real)
    hi, lo = hi.repeat(LANES[real], 1), lo.repeat(LANES[real], 1)
    low, high = (-70, 80) if real is np.float32 else (-880, 880)  # hi takes 20 off
    powers = rng.integers(low, high, size)
    powers[:200] = rng.integers(-30, 30, (200, LANES[real]))
    e = np.ldexp((1 + rng.random(size)).astype(real), powers)
    e[0], e[1] = 0, 2.0**20
    got = run("scaled", e, hi, lo)
    triples = zip(e.flat, hi.flat, lo.flat, strict=True)
    exact = [Fraction(float(a)) * (Fraction(float(b)) + Fraction(float(c))) for a, b, c in triples]
    assert np.all(error_in_ulps(got, exact) <= 0.5 + 2.0**-20)
