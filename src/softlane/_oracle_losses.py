"""The oracle, continued: cross-entropy and gradients in higher precision.

Beside each gradient stands the largest term of the sum that every element is: where terms cancel,
only an error relative to that can be asked for. The gradient of a row's own class is never formed
as p - 1, so that integer targets without smoothing and z-loss can be judged relative to the result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from softlane._oracle import Axis, axes, divisor, log_of_softmax, log_of_sum, reals, shifted
from softlane._ulp import Reals, two_product, two_sum

__all__ = [
    "CrossEntropy",
    "Gradient",
    "cross_entropy_reference",
    "log_softmax_backward_reference",
    "softmax_backward_reference",
]


class Gradient(NamedTuple):
    """A gradient, and the magnitude of the largest term that each element is the sum of."""

    value: Reals
    largest: Reals


class CrossEntropy(NamedTuple):
    """The loss of each row, and its gradient; an ignored row has 0 in both."""

    loss: Reals
    gradient: Gradient


def cross_entropy_reference(
    logits: npt.ArrayLike,
    targets: npt.ArrayLike,
    axis: int = -1,
    *,
    weight: npt.ArrayLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    temperature: npt.ArrayLike = 1.0,
    z_loss: float = 0.0,
) -> CrossEntropy:
    """Return the cross-entropy of each row, not reduced, and its gradient.

    Parameters
    ----------
    logits, targets, axis, weight, ignore_index, label_smoothing, temperature, z_loss
        As for `softlane.cross_entropy`.

    Returns
    -------
    CrossEntropy
        In float64 for narrower logits, in long double for float64 and integers.
    """
    logits, targets = np.asarray(logits), np.asarray(targets)
    t = divisor(temperature, axis, logits.shape)
    t = np.moveaxis(t, axis, -1) if t.ndim else t
    logits = np.moveaxis(logits, axis, -1)
    row = shifted(logits, -1, t, None)
    real = row.e.dtype.type
    hard = targets.ndim < logits.ndim
    if hard:
        ignored = (targets == ignore_index)[..., np.newaxis]
        q = (targets[..., np.newaxis] == np.arange(logits.shape[-1])).astype(real)
    else:
        ignored = np.zeros((*logits.shape[:-1], 1), bool)
        q = np.moveaxis(targets, axis, -1).astype(np.float64).astype(real)
    wq = (1 - real(label_smoothing)) * q + real(label_smoothing) / real(logits.shape[-1])
    if weight is not None:
        wq = wq * np.asarray(weight).astype(np.float64)
    total = np.sum(wq, axis=-1, keepdims=True)
    only_target = hard and label_smoothing == 0
    with np.errstate(all="ignore"):
        losses = np.where(wq == 0, 0, -wq * log_of_softmax(row))
        loss = np.sum(losses, axis=-1, keepdims=True)
        loss = np.where(np.isnan(row.others), row.others, loss)
        p = row.e / (1 + row.others)
        not_p = np.where(row.high == 0, row.others / (1 + row.others), 1 - p)
        of_others = np.where(q == 0, total, 0) if only_target else total - wq
        value = p * of_others - wq * not_p
        largest = np.maximum(np.abs(p * total), np.abs(wq))
        if z_loss != 0:
            lse = log_of_sum(row)
            loss = loss + real(z_loss) * lse * lse
            slope = 2 * real(z_loss) * lse  # joins the total as the factor of p, or cancels with it
            value = value + p * slope
            for factor in (slope, total + slope):
                largest = np.maximum(largest, np.abs(p * factor))
        value, largest = value / row.divisor, largest / row.divisor
    loss, value, largest = (np.where(ignored, real(0), v) for v in (loss, value, largest))
    gradient = Gradient(np.moveaxis(value, -1, axis), np.moveaxis(largest, -1, axis))
    return CrossEntropy(loss[..., 0], gradient)


def softmax_backward_reference(
    grad: npt.ArrayLike, y: npt.ArrayLike, axis: Axis = -1, temperature: npt.ArrayLike = 1.0
) -> Gradient:
    """Return the gradient that reaches the logits of ``y = softmax(logits / temperature)``.

    Parameters
    ----------
    grad, y, axis, temperature
        As for `softlane.softmax_backward`; `y` is taken as it stands.

    Returns
    -------
    Gradient
        ``y * (grad - sum(grad * y)) / temperature``.
    """
    g, p = _alike(grad, y)
    t = divisor(temperature, axis, g.shape)
    with np.errstate(all="ignore"):
        dot = _sum(*two_product(g, p), axes(axis, g.ndim))
        largest = np.abs(p) * np.maximum(np.abs(g), np.abs(dot)) / t
        return Gradient(p * (g - dot) / t, largest)


def log_softmax_backward_reference(
    grad: npt.ArrayLike, y: npt.ArrayLike, axis: Axis = -1, temperature: npt.ArrayLike = 1.0
) -> Gradient:
    """Return the gradient that reaches the logits of ``y = log_softmax(logits / temperature)``.

    Parameters
    ----------
    grad, y, axis, temperature
        As for `softlane.log_softmax_backward`; `y` is taken as it stands.

    Returns
    -------
    Gradient
        ``(grad - exp(y) * sum(grad)) / temperature``.
    """
    g, log_p = _alike(grad, y)
    t = divisor(temperature, axis, g.shape)
    with np.errstate(all="ignore"):
        of_sum = np.exp(log_p) * _sum(g, np.zeros_like(g), axes(axis, g.ndim))
        return Gradient((g - of_sum) / t, np.maximum(np.abs(g), np.abs(of_sum)) / t)


def _alike(grad: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Reals, Reals]:
    """Return both in the type to compute in, that of the wider."""
    g, p = reals(grad), reals(y)
    real = np.result_type(g, p)
    return g.astype(real, copy=False), p.astype(real, copy=False)


def _sum(high: Reals, low: Reals, reduced: tuple[int, ...]) -> Reals:
    """Return the sum of ``high + low`` along some axes, which it keeps, carried in two limbs."""
    kept = tuple(1 if a in reduced else n for a, n in enumerate(high.shape))
    high, low = (np.moveaxis(v, reduced, range(len(reduced))) for v in (high, low))
    high, low = (v.reshape(-1, *v.shape[len(reduced) :]) for v in (high, low))
    while len(high) > 1:
        half = len(high) // 2
        total, error = two_sum(high[:half], high[half : 2 * half])
        low = np.concatenate([low[:half] + low[half : 2 * half] + error, low[2 * half :]])
        high = np.concatenate([total, high[2 * half :]])
    return np.asarray(np.sum(high + low, axis=0)).reshape(kept)
