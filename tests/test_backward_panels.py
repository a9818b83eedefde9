"""Gradients of many rows at once, or side by side, have the bits of single rows.

What there is one of for each row is computed in the lanes of a vector: of rows that lie side by
side, like their elements, or of a group of rows of up to 128 elements.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from helpers import EVERY_DTYPE, bits
from test_panels import mixed_rows

from softlane import log_softmax, log_softmax_backward, softmax, softmax_backward
from softlane.verify.guard_pages import Guarded

EITHER = pytest.mark.parametrize("log", [False, True], ids=["softmax", "log_softmax"])


def gradients_of(count: int, n: int, dtype: np.dtype) -> np.ndarray:
    """Of many sizes, some rows of one sign, some with NaN, infinities, or nothing but zeros."""
    rng = np.random.default_rng(n + 3 * count)
    grad = rng.standard_normal((count, n))
    most = float(ml_dtypes.finfo(dtype).max)
    kind, place = rng.integers(0, 14, count), rng.integers(0, n, count)
    for row, k, i in zip(grad, kind, place, strict=True):
        match k:
            case 0:
                row[i] = np.nan
            case 1:
                row[i] = -np.inf
            case 2:
                row[:] = 0
            case 3:
                row *= 1e30
            case 4:
                row *= 1e-30
            case 5:
                row[:] = -0.0
            case 6:
                row[:] = np.abs(row)
            case 7:
                row[i] = 3e7
            case 8:
                row *= most / 8
            case 9:
                row[i], row[0] = -most, most
    with np.errstate(over="ignore"):
        return grad.astype(dtype)


def results_of(forward, count: int, n: int, dtype: np.dtype) -> np.ndarray:
    """Probabilities or their logarithms, some of 0, and rows that are neither."""
    x = mixed_rows(count, n, dtype)
    rows = forward(np.where(np.isnan(x), np.array(0, dtype), x))
    rows[::11] = x[::11]
    return rows


@EITHER
@EVERY_DTYPE
def test_many_rows_equal_single_rows(dtype, log, isa):
    forward, backward = (log_softmax, log_softmax_backward) if log else (softmax, softmax_backward)
    for n in (1, 2, 3, 8, 10, 15, 16, 17, 33, 64, 100, 127, 128, 129):
        every, every_grad = results_of(forward, 70, n, dtype), gradients_of(70, n, dtype)
        # Groups of rows that are all ordinary, too.
        every[32:] = forward(np.random.default_rng(n).standard_normal((38, n)).astype(dtype))
        every_grad[32:] = np.random.default_rng(n + 1).standard_normal((38, n)).astype(dtype)
        every_grad[60] *= 100
        for temperature in (1.0, 0.5, 0.7):
            want = [
                bits(backward(g, y, temperature=temperature))
                for g, y in zip(every_grad, every, strict=True)
            ]
            for count in (7, 8, 15, 16, 17, 31, 33, 64, 70):
                y, g = every[-count:].copy(), every_grad[-count:].copy()
                got = backward(g, y, temperature=temperature)
                assert bits(got) == b"".join(want[-count:]), (n, count)
            wide = np.zeros((2, 70, n + 3), dtype)
            wide[0, :, 1:-2], wide[1, :, 1:-2] = every, every_grad
            y, g = wide[:, :, 1:-2]
            assert bits(backward(g, y, temperature=temperature)) == b"".join(want)
            for over in (0, 1):  # in place
                first, second = wide.copy()[:, :, 1:-2]
                backward(second, first, temperature=temperature, out=(first, second)[over])
                assert bits((first, second)[over]) == b"".join(want)


@EITHER
def test_a_group_with_one_odd_row(log, isa):
    """NaN or an infinity in either array, an element below all others, a sum that is too large."""
    forward, backward = (log_softmax, log_softmax_backward) if log else (softmax, softmax_backward)
    rng = np.random.default_rng(3)
    for dtype, n in itertools.product((np.float32, np.float64), (3, 16, 20, 100)):
        rows = forward(rng.standard_normal((16, n)).astype(dtype))
        grad = rng.standard_normal((16, n)).astype(dtype)
        most = float(np.finfo(dtype).max)
        for lane, odd in itertools.product(
            range(16), (np.nan, -np.nan, np.inf, -np.inf, most, -200, 1e-30)
        ):
            for over in (0, 1):
                y, g = rows.copy(), grad.copy()
                (y, g)[over][lane, n // 2] = odd
                want = [bits(backward(*pair)) for pair in zip(g, y, strict=True)]
                assert bits(backward(g, y)) == b"".join(want), (lane, odd)


@EITHER
def test_one_lane_of_a_sum_that_overflows(log, isa):
    """It leaves no valid low limb: the row's sum is that of the high limbs alone."""
    backward = log_softmax_backward if log else softmax_backward
    most, unit = np.finfo(np.float64).max, 2.0**971
    grad = np.zeros(32)
    grad[[0, 1, 2, 4]] = most, 3, -1.25, -most
    grad[[8, 16, 24]] = 0.4 * unit
    y = np.zeros(32) if log else np.ones(32)
    want = backward(grad, y)
    assert np.isfinite(want[1:]).all()
    for count in (1, 8, 16):
        rows = [np.repeat(of[None], count, axis=0) for of in (grad, y)]
        assert bits(backward(*rows)) == bits(want) * count
        columns = [np.repeat(of[:, None], count, axis=1) for of in (grad, y)]
        assert bits(backward(*columns, axis=0).T) == bits(want) * count


@EITHER
@EVERY_DTYPE
def test_backward_of_columns_and_rounds(dtype, log, isa):
    forward, backward = (log_softmax, log_softmax_backward) if log else (softmax, softmax_backward)
    shapes = [(1, n, k) for n in (1, 2, 5, 16, 17, 40, 130) for k in (3, 15, 16, 17, 64, 100, 201)]
    shapes += [
        (r, n, k) for n in (2, 10, 31, 33, 101, 300) for k in (2, 3, 9, 17, 40) for r in (9,)
    ]
    for rounds, n, count in shapes:
        rows = results_of(forward, rounds * count, n, dtype)
        grad = gradients_of(rounds * count, n, dtype)
        for temperature in (1.0, 0.5, 0.7):
            want = [
                backward(g, y, temperature=temperature) for g, y in zip(grad, rows, strict=True)
            ]
            y, g = (
                np.ascontiguousarray(of.reshape(rounds, count, n).swapaxes(1, 2))
                for of in (rows, grad)
            )
            got = backward(g, y, axis=1, temperature=temperature)
            assert bits(got.swapaxes(1, 2)) == bits(np.stack(want)), (rounds, n, count)
            for over in (g, y):
                place = over.copy()
                first, second = (place, y) if over is g else (g, place)
                backward(first, second, axis=1, temperature=temperature, out=place)
                assert bits(place) == bits(got)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backward", [softmax_backward, log_softmax_backward])
def test_backward_of_columns_from_memory(backward, dtype, isa):
    """10 MB, about: lines are asked for; at the same place in every cache, and elsewhere."""
    rng = np.random.default_rng(8)
    for n, count in ((21, 1 << 17), (5, 500_001), (300, 8000)):
        grad = rng.standard_normal((n, count)).astype(dtype)
        y = softmax(rng.standard_normal((n, count)).astype(dtype), axis=0)
        if backward is log_softmax_backward:
            y = np.log(y)
        want = backward(np.ascontiguousarray(grad.T), np.ascontiguousarray(y.T))
        assert bits(backward(grad, y, axis=0).T) == bits(want)
        for out in (grad.copy(), y.copy()):
            first, second = (out, y) if bits(out) == bits(grad) else (grad, out)
            assert bits(backward(first, second, axis=0, out=out).T) == bits(want)


def test_no_nan_has_a_sign_where_y_is_no_probability(isa):
    """y / T is infinite, and g - sum y g is 0."""
    y, grad = np.full(16, 1e-3, np.float32), np.zeros(16, np.float32)
    y[[0, 8]], grad[0], grad[8] = 1e38, 1, -1
    y[1] = grad[1] = 1
    want = softmax_backward(grad, y, temperature=2**-10)
    assert np.isnan(want).any() and not np.signbit(want[np.isnan(want)]).any()
    ys, grads = (np.repeat(of[:, None], 64, axis=1) for of in (y, grad))
    got = softmax_backward(grads, ys, axis=0, temperature=2**-10)
    assert bits(got.T) == bits(want) * 64


@EVERY_DTYPE
def test_backward_of_columns_touches_nothing_beside_the_arrays(dtype, isa):
    areas = [Guarded(9 * 130 * 5 * 8) for _ in range(3)]
    shapes = [(1, 10, 35), (1, 130, 16), (7, 10, 3), (9, 130, 5), (3, 21, 17)]
    for shape, at_end in itertools.product(shapes, (False, True)):
        grad = gradients_of(shape[0], shape[1] * shape[2], dtype).reshape(shape)
        y = softmax(grad, axis=1)
        out = areas[2].place(shape, dtype, at_end)
        softmax_backward(areas[0].put(grad, at_end), areas[1].put(y, at_end), axis=1, out=out)
        assert bits(out) == bits(softmax_backward(grad, y, axis=1))


@EITHER
@EVERY_DTYPE
def test_groups_touch_nothing_beside_the_arrays(dtype, log, isa):
    backward = log_softmax_backward if log else softmax_backward
    areas = [Guarded(50 * 130 * 8) for _ in range(3)]
    for n, count, at_end in itertools.product((1, 3, 16, 21, 128), (16, 35, 48), (False, True)):
        grad = gradients_of(count, n, dtype)
        y = softmax(grad, axis=1)
        out = areas[2].place(grad.shape, dtype, at_end)
        backward(areas[0].put(grad, at_end), areas[1].put(y, at_end), out=out)
        assert bits(out) == bits(backward(grad, y))
