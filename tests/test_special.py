"""softmax and log_softmax: the edge table, and faults of others, each named after its source."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from helpers import (
    DTYPES,
    EVERY_DTYPE,
    assert_accurate,
    bits,
    nan_row,
    promised_ulp,
    sample,
)
from plain import EVERY_FUNCTION, MASKED, PLAIN, plain_log_softmax, plain_softmax

import softlane
from softlane import log_softmax, softmax
from softlane.verify.edges import TABLE

INF = np.inf
LENGTHS = [*range(1, 36), 63, 64, 65, 130]


def other_nan(dtype: np.dtype) -> np.ndarray:
    """A negative signalling NaN with a payload."""
    infinity = np.array(-INF, np.float64).astype(dtype)
    return (infinity.view(f"u{dtype.itemsize}") + 1).view(dtype)


def check(function, rows: np.ndarray) -> np.ndarray:
    """The result of a batch, which must be accurate, and of its rows one by one the same."""
    result, want = function(rows), PLAIN[function](rows)
    assert_accurate(result, want, rows.dtype)
    assert not np.any(np.signbit(result[want == 0])), "a sure class has +0"
    for row, batched in zip(rows[:64], result[:64], strict=True):
        assert bits(function(row)) == bits(batched)
    return result


# ---- the edge table


@pytest.mark.parametrize(("function", "dtype", "row", "want"), TABLE)
def test_edge_table(function, dtype, row, want, isa):
    x = np.array(row, np.float64).astype(DTYPES[dtype])
    function = getattr(softlane, function)
    result = function(x)
    np.testing.assert_array_equal(result.astype(np.float64), want)
    assert not np.any(np.signbit(result[PLAIN[function](x) == 0]))


@EVERY_DTYPE
@EVERY_FUNCTION
def test_largest_finite_values(function, dtype, isa):
    top = float(ml_dtypes.finfo(dtype).max)
    sure, impossible = PLAIN[function](0.0), MASKED[function]
    for n in LENGTHS:
        for value in (top, -top):
            assert len(set(check(function, np.full((2, n), value).astype(dtype)).flat)) == 1
        rows = np.where(np.eye(n, dtype=bool), top, -top).astype(dtype)
        want = np.where(np.eye(n, dtype=bool), sure, impossible).astype(dtype)
        assert bits(check(function, rows)) == bits(want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-40, 1e-30, 1e30, 1e39, 1e300, 1.7e308])
@EVERY_FUNCTION
def test_temperature_extremes_give_the_limit(function, dtype, temperature, isa):
    for row in ([0, 1, 1, -1, -INF, 0.5], [0, 1, -1, -INF, 0.5], [3], [-5e-324, 0], [1e300, 3e38]):
        x = np.array(row, np.float64)
        x = np.minimum(x, 3e38).astype(dtype)
        want = PLAIN[function](x, -1, temperature)
        assert_accurate(function(x, temperature=temperature), want, x.dtype, 3.5)


def test_subnormal_results_where_the_span_is_beyond_the_largest_number(isa):
    for last in (-1.79e308, -INF):
        got = softmax(np.array([1.79e308, -5.8e307, last]), temperature=3.3e305)
        np.testing.assert_allclose(got, [1, 1.251985676759e-312, 0], rtol=0, atol=1e-323)


@EVERY_DTYPE
@pytest.mark.parametrize("temperature", [0.99999, 0.75, 0.5001, 0.3, 1.5, 3.0, 7.0])
def test_log_softmax_is_finite_up_to_the_largest_number(dtype, temperature, isa):
    top = 0.99 * float(ml_dtypes.finfo(dtype).max) * min(temperature, 1)
    x = np.array([top, 0, top / 2]).astype(dtype)
    want = plain_log_softmax(x, temperature=temperature)
    assert np.all(np.isfinite(want))
    got = log_softmax(x, temperature=temperature)
    assert_accurate(got, want, dtype, promised_ulp(dtype, temperature))


# ---- special values of other packages


@EVERY_DTYPE
@EVERY_FUNCTION
def test_pytorch_25110_6864_jax_21495_specials_at_every_position(function, dtype, isa):
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
            assert bits(function(x)) == nan_row(dtype, n * n)
            for row in x:
                assert bits(function(row)) == nan_row(dtype, n)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_tt_metal_56056_all_minus_inf_is_nan_and_never_one_nth(function, dtype, isa):
    for n in LENGTHS:
        x = np.full((3, n), -INF).astype(dtype)
        x[1] = 0
        result = check(function, x)
        assert bits(result[::2]) == nan_row(dtype, 2 * n)
        assert not np.any(np.isnan(result[1]))


@EVERY_DTYPE
@EVERY_FUNCTION
def test_openvino_35897_one_answer_on_every_level(function, dtype, isa):
    x = np.array([2.5, 7, INF, -1]).astype(dtype)
    assert bits(function(x)) == nan_row(x.dtype, 4)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_lattice_740_nan_in_each_lane_and_in_the_tail(function, dtype, isa):
    rising = np.arange(150.0)
    for row in (rising, -rising):
        x = np.where(np.eye(150, dtype=bool), np.nan, row).astype(dtype)
        for n in (150, 149, 129):
            assert bits(function(x[:n, :n])) == nan_row(dtype, n * n)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_torch_xpu_ops_5022_nan_among_minus_inf(function, dtype, isa):
    for n in LENGTHS:
        x = np.where(np.eye(n, dtype=bool), np.nan, -INF).astype(dtype)
        assert bits(function(x)) == nan_row(dtype, n * n)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_torch_mojo_319_first_blocks_all_minus_inf(function, dtype, isa):
    for n in (17, 40, 200, 1100, 5000):
        x = np.tile(sample((n,), dtype, n), (5, 1))
        for row, finite in zip(x, (1, 2, 16, n // 2, n - 16), strict=True):
            row[: n - finite] = -INF
        assert np.count_nonzero(check(function, x)[0] != MASKED[function]) == 1
        check(function, x[:, ::-1])


@EVERY_FUNCTION
def test_pytorch_17262_77895_no_classes(function, isa):
    for shape in ((3, 0), (0, 3), (0,), (0, 0), (2, 0, 3)):
        for axis in range(-len(shape), len(shape)):
            assert function(np.zeros(shape, np.float32), axis).shape == shape


# ---- precision in other packages


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EVERY_FUNCTION
def test_pytorch_38839_logits_with_an_offset(function, dtype, isa):
    for offset in (1e5, 2.0**17 - 8, 2.0**17, 2.0**17 + 8, 2.0**22, 1e7, 2.0**30, 1e15, 1e30):
        for sign in (1, -1):
            x = sample((6, 45), np.dtype(dtype), scale=8) + np.array(sign * offset, dtype)
            check(function, x)
            check(function, np.concatenate([x, np.zeros_like(x)], axis=1))


@EVERY_DTYPE
@EVERY_FUNCTION
def test_candle_3727_executorch_20090_sums_do_not_stall(function, dtype, isa):
    for k in (7, 8, 11, 12, 15, 20):
        for n in (2**k - 1, 2**k, 2**k + 1):
            result = function(np.full(n, 3, dtype))
            count = np.longdouble(n)
            want = 1 / count if function is softmax else -np.log(count)
            assert_accurate(result[:1], np.array([want]), dtype)
            assert np.all(result == result[0])


@EVERY_DTYPE
@EVERY_FUNCTION
def test_pytorch_62897_tail_and_blocks_share_the_maximum(function, dtype, isa):
    for n in LENGTHS[1:]:
        x = np.full((n, n), 900.0)
        x[np.arange(n), np.arange(n)] = 1000
        check(function, x.astype(dtype))


@EVERY_FUNCTION
def test_pytorch_158310_float16_at_minus_20000(function, isa):
    x = np.full((4, 50), -20000, np.float16)
    check(function, x)
    x[1, 7] = -19984
    check(function, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nnpack_174_rows_sum_to_one(dtype, isa):
    for n in (3, 100, 1000, 10**6):
        for x in (sample((n,), np.dtype(dtype), scale=3), np.ones(n, dtype)):
            total = softmax(x).sum(dtype=np.longdouble)
            assert abs(total - 1) <= 3 * np.finfo(dtype).eps


@EVERY_DTYPE
def test_pytorch_113708_scipy_18295_jax_40384_log_softmax_of_a_confident_row(dtype, isa):
    for depth in (1, 10, 17, 20, 36, 40, 80, 100, 700):
        for n in (2, 3, 17, 40):
            rows = np.full((n, n), -depth) + np.eye(n) * depth
            for offset in (0, -1000 if dtype.itemsize > 2 else -20):
                x = (rows + offset).astype(dtype)
                sure = check(log_softmax, x).diagonal()
                assert np.all(sure <= 0)
                assert np.any(sure < 0) == (plain_log_softmax(x)[0, 0].astype(dtype) < 0)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_mnn_235_rounding_to_the_wrong_side(function, dtype, isa):
    """Both sides of every point where exp's argument reduction changes the integer it takes."""
    halfway = -np.arange(17200 if dtype == np.float64 else 2400) * (np.log(2) / 16)
    spacing = np.spacing(halfway.astype(dtype)).astype(np.float64)
    near = halfway[:, None] + spacing[:, None] * np.arange(-2, 3)
    pairs = np.stack([np.zeros(near.size), near.ravel()], axis=1).astype(dtype)
    check(function, pairs)
    check(function, pairs[:, ::-1] + np.array(3, dtype))


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


@EVERY_DTYPE
@pytest.mark.parametrize("temperature", [2.0**120, 2.0**300, 1.2e305])
def test_a_sure_class_is_positive_zero_at_any_temperature(temperature, dtype, isa):
    """Found by cpp/tests/fuzz_rows.cpp: x / T was flushed to -0."""
    for x in (-4.5e-4, -1e-6, -1.0, 1e-6):
        row = np.array([[x]], dtype)
        alone = log_softmax(row, temperature=temperature)
        assert alone == 0
        assert not np.signbit(alone)
        batch = log_softmax(np.tile(row, (2, 1)), temperature=np.array([temperature, 1e-30]))
        assert not np.signbit(batch).any()
