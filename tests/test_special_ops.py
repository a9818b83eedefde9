"""Faults of others in the ops beside softmax and log_softmax, each named after its source."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import EVERY_DTYPE, assert_accurate, bits, nan_row, sample
from plain import assert_gradient, checked_cross_entropy, checked_logsumexp
from test_backward import check

from softlane import cross_entropy_with_grad, log_softmax_backward, logsumexp, softmax_backward

INF, NAN = np.inf, np.nan
LENGTHS = [*range(1, 20), 31, 32, 33, 63, 64, 65, 130]
STALLING = [2**k + d for k in (7, 8, 11, 12, 15, 20) for d in (-1, 0, 1)]


def diagonal(values: np.ndarray, special: float) -> np.ndarray:
    """A row for each place of the special value."""
    rows = np.tile(values, (values.size, 1))
    return np.where(np.eye(values.size, dtype=bool), special, rows).astype(values.dtype)


# ---- special values


@EVERY_DTYPE
def test_pytorch_25110_6864_jax_21495_specials_at_every_position_of_a_loss(dtype, isa):
    for n in LENGTHS:
        values = sample((n,), dtype, n)
        labels, q = np.arange(n) * 7 % n, np.full((n, n), 1 / n)
        for x in (*(diagonal(values, v) for v in (NAN, INF)), diagonal(np.full(n, NAN, dtype), 1)):
            wrong = np.isnan(x.astype(np.float64)).any(-1) | (x == INF).any(-1)
            for targets in (labels, q):
                loss, grad = cross_entropy_with_grad(x, targets, reduction="none")
                assert bits(loss[wrong]) == nan_row(loss.dtype, wrong.sum())
                assert bits(grad[wrong]) == nan_row(dtype, wrong.sum() * n)
                for i in (0, n // 2, n - 1):
                    one = cross_entropy_with_grad(x[i], targets[i], reduction="none")
                    assert (bits(one[0]), bits(one[1])) == (bits(loss[i]), bits(grad[i]))


@EVERY_DTYPE
def test_tt_metal_56056_a_loss_of_nothing_but_minus_inf_is_nan(dtype, isa):
    for n in LENGTHS:
        x = np.full((4, n), -INF).astype(dtype)
        x[1] = 0
        for targets in (np.array([0, n - 1, n // 2, n - 1]), np.full((4, n), 1 / n)):
            loss, grad = cross_entropy_with_grad(x, targets, reduction="none")
            assert list(np.isnan(loss)) == [True, False, True, True]
            assert bits(grad[[0, 2, 3]]) == nan_row(dtype, 3 * n)
            assert np.all(np.isfinite(grad[1].astype(np.float64)))


@EVERY_DTYPE
def test_torch_mojo_319_first_blocks_all_minus_inf_of_logsumexp_and_losses(dtype, isa):
    for n in (17, 40, 200, 1100):
        x = np.tile(sample((n,), dtype, n), (5, 1))
        for row, finite in zip(x, (1, 2, 16, n // 2, n - 16), strict=True):
            row[: n - finite] = -INF
        for rows in (x, np.ascontiguousarray(x[:, ::-1])):
            checked_logsumexp(rows)
            checked_logsumexp(rows, b=sample((n,), dtype, 1) ** 2, return_sign=True)
            target = np.argmax(rows.astype(np.float64), axis=1)
            loss, grad = checked_cross_entropy(rows, target, reduction="none")
            assert np.all(np.isfinite(loss))
            assert np.all(np.isfinite(grad.astype(np.float64)))


@EVERY_DTYPE
def test_lattice_740_nan_at_every_position_of_a_gradient(dtype, isa):
    """All of a row that adds it up; of log_softmax, whose sum is that of `grad`, else the place."""
    for n in LENGTHS:
        grad, y = sample((n,), dtype, n), np.full(n, 1 / n).astype(dtype)
        rows = np.tile(grad, (n, 1)), np.tile(y, (n, 1))
        for function in (softmax_backward, log_softmax_backward):
            assert bits(function(diagonal(grad, NAN), rows[1])) == nan_row(dtype, n * n)
        assert bits(softmax_backward(rows[0], diagonal(y, NAN))) == nan_row(dtype, n * n)
        log_y = np.full(n, -np.log(n)).astype(dtype)
        got = log_softmax_backward(rows[0], diagonal(log_y, NAN))
        clean = log_softmax_backward(grad, log_y)
        assert bits(got) == bits(diagonal(clean, NAN))


# ---- precision


@EVERY_DTYPE
def test_candle_3727_executorch_20090_logsumexp_does_not_stall(dtype, isa):
    for n in STALLING:
        want = np.array(3 + np.log(np.longdouble(n)))
        x = np.full(n, 3, dtype)
        assert_accurate(np.asarray(logsumexp(x)), want, dtype)
        assert_accurate(np.asarray(logsumexp(x, b=np.ones(n, dtype))), want, dtype)


@EVERY_DTYPE
def test_candle_3727_executorch_20090_sums_of_gradients_do_not_stall(dtype, isa):
    """Gradients of 1 and 3 in turn under equal probabilities, whose exact sums are known."""
    for n in STALLING:
        grad = np.where(np.arange(n) % 2 == 0, 1, 3).astype(dtype)
        y, log_y = np.full(n, 1 / n).astype(dtype), np.full(n, -np.log(n)).astype(dtype)
        g, p = grad[:2].astype(np.longdouble), y[0].astype(np.longdouble)
        total = np.longdouble(n // 2 * 4 + n % 2)
        due = p * (g - p * total)
        got = softmax_backward(grad, y)
        assert_gradient(got[:2], due, np.maximum(np.abs(due), p * p * total), 3.0)
        e = np.exp(log_y[0].astype(np.longdouble)) * total
        got = log_softmax_backward(grad, log_y)
        assert_gradient(got[:2], g - e, np.maximum(np.abs(g - e), np.maximum(g, e)), 3.0)


@pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)], ids=str)
def test_pytorch_38839_logsumexp_of_logits_with_an_offset(dtype, isa):
    for offset in (1e5, 2.0**17 - 8, 2.0**17, 2.0**17 + 8, 2.0**22, 1e7, 1e15):
        for sign in (1, -1):
            x = sample((6, 45), dtype, scale=8) + np.array(sign * offset, dtype)
            checked_logsumexp(x)
            checked_logsumexp(x, b=np.where(sample((45,), dtype, 1) > 0, 0.5, 2))


@EVERY_DTYPE
def test_pytorch_38839_gradients_of_any_size(dtype, isa):
    """An offset that a gradient shares with all of its row cancels to the last digit but one."""
    for offset in (100, -3000, 2.0**14, 1e7 if dtype.itemsize > 2 else 6e4):
        grad = (sample((6, 45), dtype) + np.array(offset, dtype)).astype(dtype)
        y = np.full((6, 45), 1 / 45).astype(dtype)
        check(softmax_backward, grad, y)
        check(log_softmax_backward, grad, np.full((6, 45), -np.log(45)).astype(dtype))
