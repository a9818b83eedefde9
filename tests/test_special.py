"""The edge table, masks, and faults that other softmaxes had, each named after its source."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from helpers import (
    DTYPES,
    EVERY_DTYPE,
    assert_accurate,
    bits,
    laid_out,
    plain_softmax,
    promised_ulp,
    sample,
)

from softlane import softmax

INF = np.inf
NAN_BITS = {"float16": 0x7E00, "bfloat16": 0x7FC0, "float32": 0x7FC0 << 16, "float64": 0x7FF8 << 48}
LENGTHS = [*range(1, 36), 63, 64, 65, 130]


def nan_row(dtype: np.dtype, n: int) -> bytes:
    """n positive quiet NaNs without payload."""
    return NAN_BITS[dtype.name].to_bytes(dtype.itemsize, "little") * n


def other_nan(dtype: np.dtype) -> np.ndarray:
    """A negative signalling NaN with a payload."""
    infinity = np.array(-INF, np.float64).astype(dtype)
    return (infinity.view(f"u{dtype.itemsize}") + 1).view(dtype)


def check(rows: np.ndarray, bound: float | None = None) -> np.ndarray:
    """The softmax of a batch, which must be accurate, and of its rows one by one the same."""
    result = softmax(rows)
    assert_accurate(result, plain_softmax(rows), rows.dtype, bound)
    assert not np.any(np.signbit(result))
    for row, batched in zip(rows[:64], result[:64], strict=True):
        assert bits(softmax(row)) == bits(batched)
    return result


# ---- the edge table


@pytest.mark.parametrize(
    ("dtype", "row", "want"),
    [
        ("float32", [3e38, -3e38], [1, 0]),
        ("float32", [0, -100], [1, 27 * 2.0**-149]),
        ("float64", [0, -740], [1, 85 * 2.0**-1074]),
        ("float16", [0, -16], [1, 2 * 2.0**-24]),
        ("bfloat16", [0, -90], [1, 9 * 2.0**-133]),
        ("float32", [0, -104], [1, 0]),
        ("float64", [0, -INF, -INF, -INF], [1, 0, 0, 0]),
        ("float16", [-INF, 5, -INF], [0, 1, 0]),
        ("bfloat16", [-0.0, 0.0], [0.5, 0.5]),
        ("float32", [], []),
    ],
)
def test_edge_table(dtype, row, want, isa):
    x = np.array(row, np.float64).astype(DTYPES[dtype])
    np.testing.assert_array_equal(softmax(x).astype(np.float64), want)


@EVERY_DTYPE
def test_largest_finite_values(dtype, isa):
    top = float(ml_dtypes.finfo(dtype).max)
    for n in LENGTHS:
        assert np.all(check(np.full((2, n), top).astype(dtype)) == np.array(1 / n).astype(dtype))
        assert np.all(check(np.full((2, n), -top).astype(dtype)) == np.array(1 / n).astype(dtype))
        rows = np.where(np.eye(n, dtype=bool), top, -top).astype(dtype)
        assert bits(check(rows)) == bits(np.eye(n).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-40, 1e-30, 1e30, 1e39, 1e300, 1.7e308])
def test_temperature_extremes_give_the_limit(dtype, temperature, isa):
    x = np.array([0, 1, 1, -1, -INF, 0.5], dtype)
    want = plain_softmax(x, -1, temperature)
    assert_accurate(softmax(x, temperature=temperature), want, x.dtype, 3.5)


# ---- special values of other packages


@EVERY_DTYPE
def test_pytorch_25110_6864_jax_21495_specials_at_every_position(dtype, isa):
    for n in LENGTHS:
        rows = np.tile(sample((n,), dtype, n), (n, 1))
        here, there = np.eye(n, dtype=bool), np.eye(n, dtype=bool)[::-1]
        batches = [np.where(here, special, rows) for special in (np.nan, INF)]
        batches.append(np.where(here, other_nan(dtype), rows))
        batches.append(np.where(here | there, INF, rows))
        batches.append(np.where(here, np.nan, np.where(there, INF, rows)))
        batches.append(np.where(here, INF, -INF))
        batches.append(np.where(here, np.nan, np.sort(rows)[:, ::-1]))
        for batch in batches:
            x = batch.astype(dtype)
            assert bits(softmax(x)) == nan_row(dtype, n * n)
            for row in x:
                assert bits(softmax(row)) == nan_row(dtype, n)


@EVERY_DTYPE
def test_tt_metal_56056_all_minus_inf_is_nan_and_never_one_nth(dtype, isa):
    for n in LENGTHS:
        x = np.full((3, n), -INF).astype(dtype)
        x[1] = 0
        result = softmax(x)
        assert bits(result[::2]) == nan_row(dtype, 2 * n)
        assert bits(softmax(x[0])) == nan_row(dtype, n)
        assert np.all(result[1] == np.array(1 / n).astype(dtype))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_openvino_35897_one_answer_on_every_level(dtype, isa):
    x = np.array([2.5, 7, INF, -1], dtype)
    assert bits(softmax(x)) == nan_row(x.dtype, 4)


@EVERY_DTYPE
def test_lattice_740_nan_in_each_lane_and_in_the_tail(dtype, isa):
    rising = np.arange(150.0)
    for row in (rising, -rising):
        x = np.where(np.eye(150, dtype=bool), np.nan, row).astype(dtype)
        for n in (150, 149, 129):
            assert bits(softmax(x[:n, :n])) == nan_row(dtype, n * n)


@EVERY_DTYPE
def test_torch_xpu_ops_5022_nan_among_minus_inf(dtype, isa):
    for n in LENGTHS:
        x = np.where(np.eye(n, dtype=bool), np.nan, -INF).astype(dtype)
        assert bits(softmax(x)) == nan_row(dtype, n * n)


@EVERY_DTYPE
def test_torch_mojo_319_first_blocks_all_minus_inf(dtype, isa):
    for n in (17, 40, 200, 1100, 5000):
        x = np.tile(sample((n,), dtype, n), (5, 1))
        for row, finite in zip(x, (1, 2, 16, n // 2, n - 16), strict=True):
            row[: n - finite] = -INF
        assert np.count_nonzero(check(x)[0]) == 1
        check(x[:, ::-1])


def test_pytorch_17262_77895_no_classes(isa):
    for shape in ((3, 0), (0, 3), (0,), (0, 0), (2, 0, 3)):
        for axis in range(-len(shape), len(shape)):
            assert softmax(np.zeros(shape, np.float32), axis).shape == shape


# ---- precision in other packages


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pytorch_38839_logits_with_an_offset(dtype, isa):
    for offset in (1e5, 2.0**17 - 8, 2.0**17, 2.0**17 + 8, 2.0**22, 1e7, 2.0**30, 1e15, 1e30):
        for sign in (1, -1):
            x = sample((6, 45), np.dtype(dtype), scale=8) + np.array(sign * offset, dtype)
            check(x)
            check(np.concatenate([x, np.zeros_like(x)], axis=1))


@EVERY_DTYPE
def test_candle_3727_executorch_20090_sums_do_not_stall(dtype, isa):
    for k in (7, 8, 11, 12, 15, 20):
        for n in (2**k - 1, 2**k, 2**k + 1):
            x = np.full(n, 3, dtype)
            result = softmax(x)
            assert_accurate(result[:1], np.array([1 / np.longdouble(n)]), dtype)
            assert np.all(result == result[0])


@EVERY_DTYPE
def test_pytorch_62897_tail_and_blocks_share_the_maximum(dtype, isa):
    for n in LENGTHS[1:]:
        x = np.full((n, n), 900.0)
        x[np.arange(n), np.arange(n)] = 1000
        assert np.all(check(x.astype(dtype)).diagonal() == 1)


def test_pytorch_158310_float16_at_minus_20000(isa):
    x = np.full((4, 50), -20000, np.float16)
    assert np.all(check(x) == np.float16(1 / 50))
    x[1, 7] = -19984
    assert check(x)[1, 7] == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nnpack_174_rows_sum_to_one(dtype, isa):
    for n in (3, 100, 1000, 10**6):
        for x in (sample((n,), np.dtype(dtype), scale=3), np.ones(n, dtype)):
            total = softmax(x).sum(dtype=np.longdouble)
            assert abs(total - 1) <= 3 * np.finfo(dtype).eps


@EVERY_DTYPE
def test_mnn_235_rounding_to_the_wrong_side(dtype, isa):
    """Both sides of every point where exp's argument reduction changes the integer it takes."""
    halfway = -np.arange(2400) * (np.log(2) / 16)
    near = halfway[:, None] + np.spacing(halfway.astype(np.float32))[:, None] * np.arange(-2, 3)
    pairs = np.stack([np.zeros(near.size), near.ravel()], axis=1).astype(dtype)
    check(pairs)
    check(pairs[:, ::-1] + np.array(3, dtype))


def test_onednn_1862_the_tolerance_is_not_zero_and_the_check_can_fail():
    x = sample((50,), DTYPES["float32"])
    want = plain_softmax(x)
    result = softmax(x)
    for dtype in DTYPES.values():
        assert promised_ulp(dtype) > 0.5
    for wrong in (
        result * np.float32(1 + 4 * 2**-23),
        np.where(x == x[3], np.float32(np.nan), result),
    ):
        with pytest.raises(AssertionError):
            assert_accurate(wrong, want, x.dtype)


# ---- where


@EVERY_DTYPE
def test_masked_values_never_leak(dtype, isa):
    for n in LENGTHS:
        x = sample((4, n), dtype, n)
        keep = np.random.default_rng(n).random((4, n)) < [[0.5], [0.1], [0.9], [0]]
        keep[2, -1] = True
        want = plain_softmax(x, where=keep)
        results = []
        for junk in (np.nan, INF, -INF, float(ml_dtypes.finfo(dtype).max), 0):
            dirty = np.where(keep, x, np.array(junk).astype(dtype))
            results.append(softmax(dirty, where=keep))
            results.append(softmax(dirty, where=laid_out(keep, "every_third_back")))
        assert_accurate(results[0], want, dtype)
        assert np.all(results[0][~keep] == 0)
        assert not np.any(np.signbit(results[0]))
        assert {bits(result) for result in results} == {bits(results[0])}
        assert bits(softmax(x, where=True)) == bits(softmax(x, where=None)) == bits(softmax(x))


@EVERY_DTYPE
@pytest.mark.parametrize("kept", [-INF, np.nan, INF])
def test_kept_specials_follow_the_table_and_the_masked_stay_zero(dtype, kept, isa):
    for n in (2, 3, 17, 40):
        keep = np.arange(n) % 3 == 0
        x = np.where(keep, kept, 7).astype(dtype)
        result = softmax(x, where=keep)
        assert bits(result[keep]) == nan_row(dtype, keep.sum())
        assert bits(result[~keep]) == bytes(dtype.itemsize * (~keep).sum())


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), None, ()], ids=str)
@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (2, 1, 1), (1, 3, 4), (2, 3, 4)], ids=str)
def test_where_broadcasts(axis, shape):
    x = sample((2, 3, 4), DTYPES["float32"])
    keep = np.array(np.random.default_rng(5).random(shape) < 0.6)
    want = plain_softmax(x, axis, 2.0, np.broadcast_to(keep, x.shape))
    for given in (keep, keep.tolist(), np.array(keep, order="F"), keep[()]):
        result = softmax(x, axis, temperature=2.0, where=given)
        assert_accurate(result, want, x.dtype, 3.5)


def test_where_refused():
    x = np.zeros((3, 4))
    for not_boolean in (1, 1.0, [1, 0, 1, 1], np.ones((3, 4), np.int8), "yes", np.ones(4, object)):
        with pytest.raises(TypeError, match=r"^softmax: where"):
            softmax(x, where=not_boolean)
    for shape in ((3,), (4, 3), (2, 3, 4), (1, 3, 4), (2, 1)):
        with pytest.raises(ValueError, match=r"^softmax: where"):
            softmax(x, where=np.ones(shape, bool))


# ---- masked arrays (scipy drops the mask)


def test_masked_arrays_come_back_masked():
    x = sample((3, 5), DTYPES["float32"])
    mask = np.random.default_rng(2).random((3, 5)) < 0.4
    mask[1] = True
    dirty = np.ma.MaskedArray(np.where(mask, np.float32(np.nan), x), mask)
    for axis in (-1, 0, None):
        result = softmax(dirty, axis)
        assert type(result) is np.ma.MaskedArray
        assert bits(result.mask) == bits(mask)
        assert bits(result.data) == bits(softmax(x, axis, where=~mask))
        keep = x > -2
        both = softmax(dirty, axis, where=keep)
        assert bits(both.data) == bits(softmax(x, axis, where=keep & ~mask))
        assert bits(both.mask) == bits(mask)
    out = np.zeros_like(x)
    assert softmax(dirty, out=out) is out
    assert bits(out) == bits(softmax(x, where=~mask))
    plain = softmax(np.ma.MaskedArray(x))
    assert type(plain) is np.ma.MaskedArray
    assert bits(plain.data) == bits(softmax(x))
    assert not np.any(np.ma.getmaskarray(plain))
