"""logsumexp with factors: which b are accepted, their signs, zeros, and extreme sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, bits, sample
from plain import checked_logsumexp

from softlane import logsumexp

INF, NAN = np.inf, np.nan
X = sample((2, 3, 4), DTYPES["float32"])

PROMOTIONS = [
    ("float16", "float16", "float16"), ("bfloat16", "bfloat16", "bfloat16"),
    ("float16", "float32", "float32"), ("bfloat16", "float32", "float32"),
    ("float16", "bfloat16", "float32"), ("bfloat16", "float16", "float32"),
    ("float32", "float16", "float32"), ("float32", "bfloat16", "float32"),
    ("float32", "float32", "float32"), ("float32", "float64", "float64"),
    ("float64", "float16", "float64"), ("bfloat16", "float64", "float64"),
    ("float16", "int8", "float64"), ("float32", "int32", "float64"),
    ("int16", "float32", "float64"), ("int8", "int8", "float64"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "b", "result"), PROMOTIONS, ids="-".join)
def test_b_promotes(x, b, result):
    dtypes = DTYPES | {name: np.dtype(name) for name in ("int8", "int16", "int32")}
    values, factors = np.tile([3, 1, 2], (2, 1)), np.array([1, 2, -3])
    arrays = values.astype(dtypes[x]), factors.astype(dtypes[b])
    log, sign = checked_logsumexp(arrays[0], b=arrays[1], return_sign=True)
    assert log.dtype == sign.dtype == dtypes[result]


@EVERY_DTYPE
def test_python_scalars_as_b_do_not_promote(dtype):
    x = sample((3, 9), dtype)
    for b in (2, 0.5, -1.0, True, 1e-30):
        assert checked_logsumexp(x, b=b, return_sign=True)[0].dtype == dtype


# ---- b


@EVERY_DTYPE
def test_b_of_either_sign(dtype, isa):
    for n in (1, 2, 3, 15, 16, 17, 33, 64, 130, 1000):
        x = sample((20, n), dtype, n)
        random = np.random.default_rng(n)
        for b in (random.standard_normal((20, n)), random.choice([-1, 0, 1], (20, n))):
            b = b.astype(dtype)
            checked_logsumexp(x, b=b, return_sign=True)
            checked_logsumexp(x, b=b)
            checked_logsumexp(x.T, 0, b=b.T, return_sign=True)
            checked_logsumexp(x, b=np.abs(b))


@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (2, 1, 1), (1, 3, 4), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("axis", [-1, 0, (0, 2), None, ()], ids=str)
def test_b_broadcasts(axis, shape):
    b = np.random.default_rng(3).standard_normal(shape)
    for given in (b, np.array(b, order="F"), np.array(b).tolist(), np.array(b, ">f8")):
        log, sign = checked_logsumexp(X, axis, b=given, return_sign=True)
        assert np.shape(log) == np.shape(sign)


def test_b_refused():
    for shape in ((3,), (4, 3), (2, 2, 1)):
        with pytest.raises(ValueError, match=r"^logsumexp: b"):
            logsumexp(X, b=np.ones(shape))
    for bad in (1j, "1", [None] * 4, np.ones(4, np.longdouble), np.zeros(4, "M8[s]")):
        with pytest.raises(TypeError, match=r"^logsumexp: b"):
            logsumexp(X, b=bad)


@EVERY_DTYPE
def test_a_zero_factor_drops_the_element_whatever_it_holds(dtype, isa):
    for n in (2, 5, 16, 17, 40, 130):
        x = sample((4, n), dtype, n)
        b = np.where(np.random.default_rng(n).random((4, n)) < 0.5, 0, 1.0)
        b[:, 0] = [1, 1, 0, -1]
        want = [bits(part) for part in checked_logsumexp(x, b=b.astype(dtype), return_sign=True)]
        for junk, zero in itertools.product((NAN, INF, -INF, 6e4), (0.0, -0.0)):
            dirty = np.where(b == 0, np.array(junk).astype(dtype), x)
            factors = np.where(b == 0, zero, b).astype(dtype)
            result = logsumexp(dirty, b=factors, return_sign=True)
            assert [bits(part) for part in result] == want
        nothing = logsumexp(np.full((4, n), NAN).astype(dtype), b=0.0, return_sign=True)
        np.testing.assert_array_equal(np.array(nothing, np.float64), [[-INF] * 4, [0] * 4])


def test_b_far_from_one(isa):
    """The factor and the exponential may overflow where their product does not."""
    for size, power in itertools.product(
        (1e300, 1e-300, 1e-308, 5e-324), (1400, 690.775, -690.775)
    ):
        for sign in (1, -1):
            x = np.array([[0, power, 0], [power, 0, -power], [-power, 3, power]])
            checked_logsumexp(
                x, b=np.array([size, sign / size if size > 1e-308 else sign, 1.0]), return_sign=True
            )
            checked_logsumexp(x, b=sign * size, return_sign=True)
    checked_logsumexp(np.array([1400.0, 0.0]), b=np.array([1e-300, 1e300]))
    checked_logsumexp(
        np.float32([88, -87, 1]), b=np.float32([1e-38, 3e38, -1e-45]), return_sign=True
    )
    checked_logsumexp(np.float32([1e5, 0]), b=np.float32([1e-45, 1]))


SPECIAL_FACTORS = [
    ([0, 1], [NAN, 1], NAN, NAN),
    ([0, 1], [INF, 1], INF, 1),
    ([0, 1], [-INF, 1], INF, -1),
    ([0, 1], [INF, -INF], NAN, NAN),
    ([INF, 1], [-1, 1], INF, -1),
    ([INF, 1], [1, -1], INF, 1),
    ([INF, INF], [1, -1], NAN, NAN),
    ([INF, INF], [-1, -1], INF, -1),
    ([INF, NAN], [-1, 0], INF, -1),
    ([INF, NAN], [-1, 1], NAN, NAN),
    ([INF, 0], [0, -1], 0, -1),
    ([-INF, 0], [-1, 0], -INF, 0),
    ([-INF, -INF], [1, 1], -INF, 0),
    ([-INF, -INF], [1, -1], -INF, 0),
    ([-INF, -INF], [-1, -1], -INF, 0),
    ([3, 3], [1, -1], -INF, 0),
    ([3, 3, -INF], [-2, 2, 1], -INF, 0),
    ([0, 0, 0], [1, 1, -3], 0, -1),
    ([], [], -INF, 0),
]


def check_signs(row, b, log, sign, dtype):
    x, b = np.array(row, np.float64).astype(dtype), np.array(b, np.float64).astype(dtype)
    for xs, bs, axis in ((x, b, -1), (x[:, None], b[:, None], 0)):
        result = [
            np.float64(np.squeeze(part)) for part in logsumexp(xs, axis, b=bs, return_sign=True)
        ]
        np.testing.assert_array_equal(result, [log, sign])
        alone = np.float64(np.squeeze(logsumexp(xs, axis, b=bs)))
        np.testing.assert_array_equal(alone, NAN if sign < 0 else log)


@EVERY_DTYPE
def test_scipy_23548_22903_signs(dtype, isa):
    for case in SPECIAL_FACTORS:
        check_signs(*case, dtype)


def test_the_sign_without_b():
    x = np.array([[1.0, 2.0], [-INF, -INF], [NAN, 1], [INF, 1], [INF, NAN]])
    log, sign = logsumexp(x, return_sign=True)
    assert bits(log) == bits(logsumexp(x))
    np.testing.assert_array_equal(sign, [1, 0, NAN, 1, NAN])


def test_factors_far_apart_beside_large_x(isa):
    log, sign = logsumexp(np.array([1e20, 1e20]), b=np.array([-1e-300, 1e300]), return_sign=True)
    assert (log, sign) == (1e20, 1)


def test_what_is_left_where_larger_terms_cancel(isa):
    assert logsumexp([0, 0, 0], b=[1, -1, 1e-100]) == pytest.approx(np.log(1e-100), rel=1e-15)


def test_what_is_left_keeps_its_digits(isa):
    for n, far in itertools.product((2, 3, 8, 40), (-1.0, -800.0)):
        x, b = np.full(n, far), np.zeros(n)
        x[:2], b[:2] = (1e-9, 0), (1, -1)
        log, sign = logsumexp(x, b=b, return_sign=True)
        assert log == pytest.approx(np.log(np.expm1(1e-9)), rel=1e-15)
        assert sign == 1


def test_the_largest_x_need_not_matter(isa):
    for n, power in itertools.product((3, 8, 40, 100), (500, 650, 700, 740)):
        x = sample((5, n), DTYPES["float64"], n)
        b = np.random.default_rng(n).standard_normal((5, n))
        x[:, n // 2], b[:, n // 2] = power, np.exp(-float(power))
        checked_logsumexp(x, b=b, return_sign=True)
        b[:, ::3] *= 1e-310
        checked_logsumexp(x, b=b, return_sign=True)
        checked_logsumexp(x, b=b * 1e300, return_sign=True)


def test_sizes_beyond_memory_are_memory_errors():
    huge = np.broadcast_to(np.float16(0), (2**61,))
    for options in ({}, {"dtype": np.float64}):
        with pytest.raises(MemoryError):
            logsumexp(huge, **options)
    for length in (2**56, 2**56 + 1):  # whose panels have a size of 2^64 bytes
        with pytest.raises(MemoryError):
            logsumexp(np.broadcast_to(np.zeros(4, ">f4"), (length, 4)), axis=0)
