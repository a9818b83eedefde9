"""logsumexp: axis, keepdims, factors b with signs, where, dtypes, out, the edge table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import (
    BFLOAT16,
    DTYPES,
    EVERY_DTYPE,
    LAYOUTS,
    LEVELS,
    bits,
    laid_out,
    level,
    nan_row,
    sample,
)
from plain import checked_logsumexp

from softlane import logsumexp

F32, F64 = DTYPES["float32"], DTYPES["float64"]
INF, NAN = np.inf, np.nan
X = sample((2, 3, 4), F32)

# ---- axis, keepdims


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "axis", [0, 1, -1, -3, None, (0,), (0, 2), (2, 0), (0, 1, 2), np.int8(1), ()], ids=str
)
def test_axis_and_keepdims(axis, keepdims):
    plain = int(axis) if isinstance(axis, np.int8) else axis
    result = logsumexp(X, axis, keepdims=keepdims)
    assert np.asarray(result).shape == np.sum(X, axis, keepdims=keepdims).shape
    checked_logsumexp(X, plain, keepdims=keepdims)
    b = np.where(X > 0, 1, -2).astype(np.float32)
    checked_logsumexp(X, plain, keepdims=keepdims, b=b, return_sign=True)


def test_axis_is_minus_one_by_default():
    assert bits(logsumexp(X)) == bits(logsumexp(X, -1)) == bits(logsumexp(X, axis=2))


def test_axis_of_no_axes_sums_each_element_alone():
    x = np.array([1.0, -2e300, NAN, INF, -INF])
    np.testing.assert_array_equal(logsumexp(x, ()), x)
    np.testing.assert_array_equal(
        logsumexp(x, (), b=[0.0, 1.0, 0.0, 1.0, -1.0]), [-INF, *x[[1, 4, 3, 4]]]
    )


@EVERY_DTYPE
def test_xla_11772_every_shape_and_axis(dtype, isa):
    axes = (0, 1, 2, (0, 1), (2, 0), (2, 1, 0), None, ())
    for shape in itertools.product((0, 1, 17), repeat=3):
        x = sample(shape, dtype)
        for axis in axes:
            assert np.asarray(checked_logsumexp(x, axis)).dtype == dtype


@EVERY_DTYPE
def test_scalars_for_results_without_dimensions(dtype):
    x = sample((5,), dtype)
    for result in (logsumexp(x), logsumexp(x, None), logsumexp(x[0]), logsumexp(x[0], ())):
        assert type(result) is dtype.type
    log, sign = logsumexp(x, return_sign=True)
    assert type(log) is type(sign) is dtype.type
    assert type(logsumexp(x, keepdims=True)) is np.ndarray
    assert logsumexp(x[0]) == x[0]
    assert logsumexp(np.array(3).astype(dtype), keepdims=True) == 3
    assert type(logsumexp(3)) is type(logsumexp(True)) is type(logsumexp([2.5])) is np.float64


# ---- dtypes


@EVERY_DTYPE
def test_dtype_is_kept_in_any_layout(dtype, isa):
    values = sample((3, 4, 17), dtype)
    factors = np.where(sample((3, 4, 17), dtype, 1) > 0, 1, -2).astype(dtype)
    for axis in (-1, 0, (0, 2), None):
        want, signed = logsumexp(values, axis), logsumexp(values, axis, b=factors, return_sign=True)
        for layout in LAYOUTS:
            x = laid_out(values, layout)
            result = np.asarray(logsumexp(x, axis))
            assert result.dtype == dtype
            assert bits(result) == bits(want)
            log, sign = logsumexp(x, axis, b=laid_out(factors, layout), return_sign=True)
            assert (bits(log), bits(sign)) == (bits(signed[0]), bits(signed[1]))


@pytest.mark.parametrize("kind", "?bhilqBHILQ")
def test_bool_and_integers_go_to_float64(kind):
    info = np.array([0, 1]) if kind == "?" else np.iinfo(kind)
    x = np.array([0, 1, 1] if kind == "?" else [info.min, info.max, info.max - 3, 0], kind)
    assert checked_logsumexp(x).dtype == F64


@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES.keys())
@EVERY_DTYPE
def test_dtype_sets_the_result(dtype, target, isa):
    x = sample((9, 50), dtype)
    result = checked_logsumexp(x, dtype=target)
    assert result.dtype == target
    out = np.zeros(9, target)
    assert logsumexp(x, out=out) is out
    assert bits(out) == bits(result) == bits(logsumexp(x, dtype=target, out=out))
    b = np.where(x > 1, -1, 1).astype(dtype)
    assert checked_logsumexp(x, b=b, return_sign=True, dtype=target)[1].dtype == target


# ---- where, masked arrays


@EVERY_DTYPE
def test_masked_elements_take_no_part(dtype, isa):
    for n in (1, 2, 16, 17, 40, 130):
        x = sample((5, n), dtype, n)
        keep = np.random.default_rng(n).random((5, n)) < 0.5
        keep[0] = False
        b = np.where(x > 1, -1, 1).astype(dtype)
        for junk in (NAN, INF, -INF):
            dirty = np.where(keep, x, np.array(junk).astype(dtype))
            result = checked_logsumexp(dirty, where=keep)
            assert result[0] == -INF
            bad = np.where(keep, b, np.array(junk).astype(dtype))
            checked_logsumexp(dirty, where=keep, b=bad, return_sign=True)
            clean = logsumexp(x, b=np.where(keep, b, 0).astype(dtype), return_sign=True)
            signed = logsumexp(dirty, where=keep, b=bad, return_sign=True)
            assert [bits(part) for part in signed] == [bits(part) for part in clean]


def test_where_broadcasts():
    for shape, axis in itertools.product(((), (4,), (3, 1), (2, 1, 1)), (-1, 0, (0, 2), None)):
        keep = np.array(np.random.default_rng(5).random(shape) < 0.6)
        checked_logsumexp(X, axis, where=keep)
        checked_logsumexp(X, axis, where=keep, keepdims=True)


def test_masked_arrays():
    x = sample((4, 6), F32)
    mask = np.random.default_rng(2).random(x.shape) < 0.4
    mask[1] = True
    dirty = np.ma.MaskedArray(np.where(mask, np.float32(NAN), x), mask)
    for axis in (-1, 0):
        result = logsumexp(dirty, axis)
        assert type(result) is np.ma.MaskedArray
        assert bits(result.data) == bits(logsumexp(x, axis, where=~mask))
        assert bits(np.ma.getmaskarray(result)) == bits(mask.all(axis))


# ---- out


@EVERY_DTYPE
def test_out_receives_the_logarithm(dtype, isa):
    x = sample((7, 20), dtype)
    b = np.where(x > 1, -1, 1).astype(dtype)
    for layout, axis, keepdims in itertools.product(LAYOUTS, (0, 1), (False, True)):
        options = {"axis": axis, "keepdims": keepdims}
        out = LAYOUTS[layout](np.sum(np.zeros(x.shape), **options).shape, dtype)
        assert logsumexp(x, out=out, **options) is out
        assert bits(out) == bits(logsumexp(x, **options))
        log, sign = logsumexp(x, out=(out,), b=b, return_sign=True, **options)
        want = logsumexp(x, b=b, return_sign=True, **options)
        assert log is out
        assert not np.shares_memory(sign, out)
        assert (bits(log), bits(sign)) == (bits(want[0]), bits(want[1]))
    scalar = np.zeros((), dtype)
    assert logsumexp(x, None, out=scalar) is scalar
    assert bits(scalar) == bits(logsumexp(x, None))


@EVERY_DTYPE
@pytest.mark.parametrize("shape", [(9, 9), (200, 200)], ids=str)
def test_numpy_22867_out_that_shares_memory_with_an_argument(dtype, shape, isa):
    values, factors = (
        sample(shape, dtype),
        np.where(sample(shape, dtype, 1) > 0, 1, -2).astype(dtype),
    )
    for axis in (0, 1):
        want = bits(logsumexp(values, axis, b=factors))
        for row in (0, -1):
            x, b = values.copy(), factors.copy()
            assert bits(logsumexp(x, axis, b=b, out=x[row])) == want
            x = values.copy()
            assert bits(logsumexp(x, axis, b=b, out=x[:, row])) == want
            x = values.copy()
            assert bits(logsumexp(x, axis, b=b, out=b[::-1, row])) == want


# ---- other packages


def test_rmcgibbo_logsumexp_2_all_minus_inf(isa):
    for dtype, n in itertools.product(DTYPES.values(), (1, 2, 16, 17, 40, 1000)):
        assert logsumexp(np.full(n, -INF).astype(dtype)) == -INF


@EVERY_DTYPE
def test_jax_7455_infinity_at_every_position_and_nan_wins(dtype, isa):
    for n in (1, 2, 3, 15, 16, 17, 33, 65, 130):
        rows, eye = np.tile(sample((n,), dtype, n), (n, 1)), np.eye(n, dtype=bool)
        assert np.all(logsumexp(np.where(eye, INF, rows).astype(dtype)) == INF)
        assert np.all(logsumexp(np.where(eye, INF, -INF).astype(dtype)) == INF)
        assert bits(logsumexp(np.where(eye, NAN, rows).astype(dtype))) == nan_row(dtype, n)
        if n > 1:
            both = np.where(eye, NAN, np.where(eye[::-1], INF, rows))
            both[eye & eye[::-1]] = NAN
            assert bits(logsumexp(both.astype(dtype))) == nan_row(dtype, n)
        checked_logsumexp(np.where(eye, -INF, rows).astype(dtype))


def test_scipy_20399_nothing_to_sum(isa):
    for dtype in DTYPES.values():
        empty = logsumexp(np.zeros(0, dtype))
        assert type(empty) is dtype.type
        assert empty == -INF
        for shape, axis in (((3, 0), 1), ((0, 3), 0), ((0, 0), 0), ((2, 0, 3), (1, 2))):
            log, sign = logsumexp(np.zeros(shape, dtype), axis, return_sign=True)
            assert np.all(log == -INF)
            assert np.all(sign == 0)
            assert log.shape == np.zeros(shape).sum(axis).shape
    assert logsumexp([]) == -INF


def test_edge_table(isa):
    assert logsumexp(np.float32([3e38, -3e38])) == np.float32(3e38)
    small = logsumexp(np.float32([0, -20]))
    assert abs(float(small) - np.log1p(np.exp(-20.0))) <= 2.0**-51
    assert bits(logsumexp(np.array([0, -INF, -INF]))) == bits(np.float64(0.0))
    assert logsumexp(np.array([1000.0, 1000.0])) == 1000 + np.log(2)


def test_scipy_on_every_shared_argument(isa):
    special = pytest.importorskip("scipy.special", reason="scipy is not installed")
    x = sample((5, 4, 6), F64)
    factors = np.random.default_rng(1).standard_normal((5, 4, 6))
    axes = (0, -1, (0, 2), None)
    for axis, keepdims, b in itertools.product(axes, (False, True), (None, factors, factors[0, 0])):
        options = {"axis": axis, "keepdims": keepdims, "b": b, "return_sign": True}
        log, sign = logsumexp(x, **options)
        theirs, their_sign = special.logsumexp(x, **options)
        np.testing.assert_allclose(log, theirs, rtol=0, atol=1e-13)
        np.testing.assert_array_equal(sign, their_sign)
        assert type(log) is type(theirs)
    for row, b in (([-INF] * 2, [1, 1]), ([3.0, 3.0], [1, -1]), ([INF, 1.0], [-1, 1]),
                   ([NAN, 1.0], [1, 1]), ([0.0, 0.0], [1, -2]), ([NAN, 1.0], [0, 1])):  # fmt: skip
        for return_sign in (False, True):
            options = {"axis": -1, "b": np.array(b, float), "return_sign": return_sign}
            with np.errstate(all="ignore"):
                theirs = special.logsumexp(np.array(row), **options)
            np.testing.assert_array_equal(logsumexp(np.array(row), **options), theirs)


def test_bfloat16_is_the_dtype_object_itself():
    assert logsumexp(sample((3, 4), BFLOAT16)).dtype is BFLOAT16


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize(("dtype", "tiny"), [(np.float32, 1e-40), (np.float64, 1e-310)])
def test_subnormal_maxima_are_kept(name, dtype, tiny):
    """The kernels' mode would take them for 0, and differently on x86 and ARM."""
    with level(name):
        for value in (tiny, -tiny, 0.0, -0.0):
            for row in ([value], [-np.inf, value], [value] + [-np.inf] * 40, [-1e5, value]):
                x = np.array(row, dtype)
                assert logsumexp(x).tobytes() == dtype(value).tobytes(), row
        if dtype is np.float32:  # the sum is exact here but for the last rounding
            assert logsumexp(np.array([tiny, -100], dtype)) == dtype(tiny + np.exp(-100))
