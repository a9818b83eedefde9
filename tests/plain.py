"""The functions by their definitions in long double, with the interface's edge rules alone.

A witness beside softlane._oracle, on purpose independent of it (test_oracles.py compares the two).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from helpers import overflowed, promised_ulp

from softlane import cross_entropy, cross_entropy_with_grad, log_softmax, logsumexp, softmax
from softlane._oracle import ulp, ulp_error
from softlane.verify.promises import LOGSUMEXP_ERROR

WIDE = np.longdouble


def _axes(axis, ndim: int) -> tuple[int, ...]:
    if axis is None or ndim == 0:
        return tuple(range(ndim))
    return tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _row_temperature(temperature, axes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The temperature in a shape that broadcasts against x."""
    t = np.asarray(temperature, WIDE)
    if 0 < t.ndim < len(shape):
        rows = tuple(n for a, n in enumerate(shape) if a not in axes)
        t = np.expand_dims(np.broadcast_to(t, rows), axes)
    return t


def plain_softmax(x, axis=-1, temperature=1.0, where=None) -> np.ndarray:
    x = np.asarray(x).astype(WIDE)
    axes = _axes(axis, x.ndim)
    t = _row_temperature(temperature, axes, x.shape)
    keep = np.broadcast_to(True if where is None else where, x.shape)
    with np.errstate(all="ignore"):
        kept = np.where(keep, x, -np.inf)
        e = np.exp((kept - kept.max(axis=axes, keepdims=True, initial=-np.inf)) / t)
        y = e / e.sum(axis=axes, keepdims=True)
    return np.where(keep, y, WIDE(0))


def plain_log_softmax(x, axis=-1, temperature=1.0, where=None) -> np.ndarray:
    x = np.asarray(x).astype(WIDE)
    axes = _axes(axis, x.ndim)
    t = _row_temperature(temperature, axes, x.shape)
    keep = np.broadcast_to(True if where is None else where, x.shape)
    with np.errstate(all="ignore"):
        kept = np.where(keep, x, -np.inf)
        below = (kept - kept.max(axis=axes, keepdims=True, initial=-np.inf)) / t
        top = below == 0
        ties = top.sum(axis=axes, keepdims=True).astype(WIDE)
        rest = np.exp(np.where(top, -np.inf, below)).sum(axis=axes, keepdims=True)
        y = below - (np.log(ties) + np.log1p(rest / ties))
    return np.where(keep, y, WIDE(-np.inf))


class Sum(NamedTuple):
    log: np.ndarray
    sign: np.ndarray
    condition: np.ndarray  # the sum of the terms' absolute values, in units of that of their sum
    size: np.ndarray  # the largest of the numbers that may cancel: exponents and logarithms


def plain_logsumexp(x, axis=-1, b=None, where=None, keepdims=False) -> Sum:
    x = np.asarray(x).astype(WIDE)
    axes = _axes(axis, x.ndim)
    b = np.broadcast_to(np.asarray(1 if b is None else b).astype(WIDE), x.shape)
    keep = np.broadcast_to(True if where is None else where, x.shape) & (b != 0)
    with np.errstate(all="ignore"):
        power = np.where(keep, x + np.log(np.abs(b)), -np.inf)
        top = power.max(axis=axes, keepdims=True, initial=-np.inf)
        shift = np.where(top == -np.inf, 0, top)
        e = np.exp(np.where(power == np.inf, np.inf, power - shift))
        signed = np.where(keep, np.sign(b) * e, 0)
        total, gross = (part.sum(axis=axes, keepdims=True) for part in (signed, e))
        log = shift + np.log(np.abs(total))
        condition = np.where(gross == 0, 1, gross / np.abs(total))
        condition = np.where(np.isnan(condition), 1, condition)
        factors = np.where(keep, np.abs(np.log(np.abs(b))), 0)
        sizes = np.where(np.isfinite(power), np.maximum(np.abs(x), factors), 0)
        size = np.maximum(sizes.max(axis=axes, keepdims=True, initial=0), np.abs(shift - log))
        parts = log, np.sign(total), condition, size
    return Sum(*(part if keepdims else part.squeeze(axes) for part in parts))


def assert_logsumexp(result, want: Sum, return_sign: bool) -> None:
    """Value and sign are those wanted, where these do not vanish beside the terms of the sum."""
    log, sign = result if return_sign else (result, None)
    got = np.asarray(log)
    assert got.shape == want.log.shape
    assert got.dtype.isnative
    due = want.log if return_sign else np.where(want.sign < 0, WIDE(np.nan), want.log)
    due = overflowed(due, got.dtype)
    ulps = 0.51 if got.dtype.itemsize == 2 else 1.0
    absolute, relative = LOGSUMEXP_ERROR[got.dtype.name]
    with np.errstate(all="ignore"):
        allowed = ulps * ulp(due, got.dtype) + absolute * want.condition + relative * want.size
        near = np.abs(got.astype(WIDE) - due) <= allowed
        same = (got == due) | (np.isnan(got) & np.isnan(due))
    clear = want.condition < 2.0**20
    assert np.all(np.where(np.isfinite(due), near, same) | ~clear)
    if return_sign:
        assert np.asarray(sign).dtype == got.dtype
        assert np.shape(sign) == got.shape
        signs = np.asarray(sign, np.float64), want.sign.astype(np.float64)
        np.testing.assert_array_equal(*(np.where(clear, part, 0) for part in signs))


def checked_logsumexp(x, axis=-1, **options):
    """softlane's result, which must be that of the definition."""
    plain = {name: options[name] for name in ("b", "where", "keepdims") if name in options}
    result = logsumexp(x, axis, **options)
    assert_logsumexp(result, plain_logsumexp(x, axis, **plain), options.get("return_sign", False))
    return result


class Loss(NamedTuple):
    value: np.ndarray
    grad: np.ndarray
    grad_scale: np.ndarray  # the largest of the terms whose difference each gradient is


def _sum_of_others(a: np.ndarray) -> np.ndarray:
    """For each element of the last axis the sum of those before and after it."""
    none = np.zeros((*a.shape[:-1], 1), WIDE)
    before = np.cumsum(np.concatenate([none, a], axis=-1), axis=-1)[..., :-1]
    after = np.cumsum(np.concatenate([none, a[..., ::-1]], axis=-1), axis=-1)[..., -2::-1]
    return before + after


def plain_cross_entropy(
    logits,
    targets,
    axis=-1,
    *,
    weight=None,
    ignore_index=-100,
    label_smoothing=0.0,
    temperature=1.0,
    z_loss=0.0,
    reduction="mean",
) -> Loss:
    x = np.moveaxis(np.asarray(logits).astype(WIDE), axis, -1)
    classes = x.shape[-1]
    t = np.asarray(temperature, WIDE)
    if t.ndim == x.ndim:
        t = np.moveaxis(t, axis, -1)[..., 0]
    t = np.broadcast_to(t, x.shape[:-1])[..., None]
    w = np.ones(classes, WIDE) if weight is None else np.asarray(weight).astype(WIDE)
    targets = np.asarray(targets)
    if targets.dtype.kind in "iu":
        kept = targets != ignore_index
        labels = np.where(kept, targets, 0).astype(np.intp)
        q = np.eye(classes, dtype=WIDE)[labels]
        divisor = np.where(kept, w[labels], 0).sum()
    else:
        kept = np.ones(x.shape[:-1], bool)
        q = np.moveaxis(targets.astype(WIDE), axis, -1)
        divisor = WIDE(kept.size)
    smoothing = WIDE(label_smoothing)
    wq = w * ((1 - smoothing) * q + smoothing / max(classes, 1))
    rows = WIDE(kept.sum())
    with np.errstate(all="ignore"):
        lp = plain_log_softmax(x, -1, t)
        p = np.exp(lp)
        lse = plain_logsumexp(x / t, keepdims=True).log
        loss = -np.where((wq == 0) & (lp == -np.inf), 0, wq * lp).sum(-1)
        # p sum(wq) - wq, without cancellation where all of wq is at one class.
        grad = p * _sum_of_others(wq) - wq * _sum_of_others(p)
        z, z_grad = z_loss * lse[..., 0] ** 2, 2 * z_loss * lse * p
        if not z_loss:
            z, z_grad = np.zeros_like(z), np.zeros_like(z_grad)
        if reduction != "mean":
            divisor = rows = WIDE(1)
        loss = np.where(kept, loss / divisor + z / rows, 0)
        grad = np.where(kept[..., None], (grad / divisor + z_grad / rows) / t, 0)
        of_p = np.abs(p * wq.sum(-1, keepdims=True) / divisor + z_grad / rows)
        scale = np.maximum(np.abs(wq / divisor), np.maximum(np.abs(z_grad / rows), of_p)) / t
    if reduction != "none":
        loss = loss.sum() if kept.any() or reduction == "sum" else WIDE(np.nan)
    return Loss(loss, np.moveaxis(grad, -1, axis), np.moveaxis(scale, -1, axis))


def assert_gradient(got: np.ndarray, want: np.ndarray, unit: np.ndarray, ulps: float) -> None:
    """Within so many ULPs of `unit` in the precision of the computation, and one rounding."""
    compute = np.dtype(np.float64 if got.dtype == np.float64 else np.float32)
    assert got.shape == want.shape
    due = overflowed(want, got.dtype)
    with np.errstate(all="ignore"):
        allowed = ulps * ulp(unit, compute)
        if got.dtype != compute:
            rounded_once = np.where(np.abs(unit) == np.abs(want), 0, allowed)
            allowed = 0.51 * ulp(due, got.dtype) + rounded_once
        near = np.abs(got.astype(WIDE) - due) <= allowed
        same = (got == due) | (np.isnan(got) & np.isnan(due))
    assert np.all(np.where(np.isfinite(due), near, same))


def checked_cross_entropy(logits, targets, axis=-1, **options):
    """softlane's loss and gradient, which must be those of the definition."""
    loss, grad = cross_entropy_with_grad(logits, targets, axis, **options)
    alone = cross_entropy(logits, targets, axis, **options)
    assert type(alone) is type(loss)
    np.testing.assert_array_equal(np.asarray(alone), np.asarray(loss))
    assert_cross_entropy(loss, grad, logits, targets, axis, **options)
    return loss, grad


def assert_cross_entropy(loss, grad, logits, targets, axis=-1, **options) -> None:
    want = plain_cross_entropy(logits, targets, axis, **options)
    dtype = np.asarray(logits).dtype.newbyteorder("=")
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    compute = np.dtype(np.float32 if dtype.itemsize < 8 else np.float64)
    assert np.asarray(loss).dtype == compute
    assert np.shape(loss) == want.value.shape
    assert grad.dtype == dtype
    ulps = promised_ulp(compute, options.get("temperature", 1.0))
    assert np.all(ulp_error(np.asarray(loss), overflowed(want.value, compute)) <= ulps)
    labels = np.asarray(targets).dtype.kind in "iu"
    sharp = labels and not options.get("label_smoothing") and not options.get("z_loss")
    assert_gradient(grad, want.grad, want.grad if sharp else want.grad_scale, ulps)


def plain_softmax_backward(grad, y, axis=-1, temperature=1.0) -> tuple[np.ndarray, np.ndarray]:
    """The gradient, and the largest of the terms of the difference and the difference itself."""
    g, y = np.asarray(grad).astype(WIDE), np.asarray(y).astype(WIDE)
    axes = _axes(axis, y.ndim)
    t = _row_temperature(temperature, axes, y.shape)
    total = (g * y).sum(axis=axes, keepdims=True)
    result = y * (g - total) / t
    return result, np.maximum(np.abs(result), np.abs(y) * np.maximum(np.abs(g), np.abs(total)) / t)


def plain_log_softmax_backward(grad, y, axis=-1, temperature=1.0) -> tuple[np.ndarray, np.ndarray]:
    g, p = np.asarray(grad).astype(WIDE), np.exp(np.asarray(y).astype(WIDE))
    axes = _axes(axis, p.ndim)
    t = _row_temperature(temperature, axes, p.shape)
    total = g.sum(axis=axes, keepdims=True)
    result = (g - p * total) / t
    return result, np.maximum(np.abs(result), np.maximum(np.abs(g), np.abs(p * total)) / t)


REDUCTIONS = ("none", "mean", "sum")
EVERY_LOSS = pytest.mark.parametrize(
    "function", [cross_entropy, cross_entropy_with_grad], ids=lambda f: f.__name__
)
# The functions from an array to one of its shape, which share most rules.
PLAIN = {softmax: plain_softmax, log_softmax: plain_log_softmax}
MASKED = {softmax: 0.0, log_softmax: -math.inf}  # what an element that takes no part gets
EVERY_FUNCTION = pytest.mark.parametrize("function", PLAIN, ids=lambda f: f.__name__)
