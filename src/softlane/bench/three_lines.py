"""The ops as they are usually written with NumPy: stable, and otherwise without care for digits.

A function `<op>_out` writes into `out`, without temporaries of the size of its argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from softlane.bench.cases import Array


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) / sum(exp(x))."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def softmax_out(x: Array, axis: int = -1, *, out: Array) -> None:
    """The same into `out`."""
    np.subtract(x, x.max(axis, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, out.sum(axis, keepdims=True), out=out)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """x - log(sum(exp(x)))."""
    shifted = x - x.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def log_softmax_out(x: Array, axis: int = -1, *, out: Array) -> None:
    """The same into `out`."""
    top = x.max(axis, keepdims=True)
    np.subtract(x, top, out=out)
    np.exp(out, out=out)
    total = np.log(out.sum(axis, keepdims=True))
    np.subtract(x, top, out=out)
    np.subtract(out, total, out=out)


def logsumexp(x: Array, axis: int = -1) -> Array:
    """log(sum(exp(x)))."""
    top = x.max(axis, keepdims=True)
    return np.asarray(np.log(np.exp(x - top).sum(axis)) + top.squeeze(axis))


def cross_entropy(x: Array, labels: Array, axis: int = -1) -> Array:
    """log(sum(exp(x))) - x[label]."""
    picked = np.take_along_axis(x, np.expand_dims(labels, axis), axis)
    return np.asarray(logsumexp(x, axis) - picked.squeeze(axis))


def cross_entropy_with_grad(x: Array, labels: Array, axis: int = -1) -> tuple[Array, Array]:
    """The loss, and softmax(x) less 1 at the label."""
    index = np.expand_dims(labels, axis)
    top = x.max(axis, keepdims=True)
    e = np.exp(x - top)
    total = e.sum(axis, keepdims=True)
    loss = np.log(total) + top - np.take_along_axis(x, index, axis)
    e /= total
    np.put_along_axis(e, index, np.take_along_axis(e, index, axis) - 1, axis)
    return np.asarray(loss.squeeze(axis)), e


def softmax_backward(grad: Array, y: Array, axis: int = -1) -> Array:
    """y * (grad - sum(grad * y))."""
    return np.asarray(y * (grad - (grad * y).sum(axis, keepdims=True)))


def softmax_backward_out(grad: Array, y: Array, axis: int = -1, *, out: Array) -> None:
    """The same into `out`."""
    np.multiply(grad, y, out=out)
    np.subtract(grad, out.sum(axis, keepdims=True), out=out)
    np.multiply(out, y, out=out)


def log_softmax_backward(grad: Array, y: Array, axis: int = -1) -> Array:
    """grad - exp(y) * sum(grad)."""
    return np.asarray(grad - np.exp(y) * grad.sum(axis, keepdims=True))


def log_softmax_backward_out(grad: Array, y: Array, axis: int = -1, *, out: Array) -> None:
    """The same into `out`."""
    np.exp(y, out=out)
    np.multiply(out, grad.sum(axis, keepdims=True), out=out)
    np.subtract(grad, out, out=out)


def numexpr_lines(op: str, evaluate: Callable[..., Any]) -> Callable[..., Array]:
    """softmax, log_softmax or logsumexp, the elements by numexpr's `evaluate`."""

    def exponentials(x: Array, axis: int, out: Array | None = None) -> tuple[Array, Array, Array]:
        top = x.max(axis, keepdims=True)
        e = evaluate("exp(x - top)", {"x": x, "top": top}, out=out)
        return top, e, e.sum(axis, keepdims=True)

    def softmax(x: Array, axis: int, out: Array | None = None) -> Array:
        _, e, total = exponentials(x, axis, out)
        return np.asarray(evaluate("e / total", {"e": e, "total": total}, out=out))

    def log_softmax(x: Array, axis: int, out: Array | None = None) -> Array:
        top, _, total = exponentials(x, axis, out)
        names = {"x": x, "top": top, "total": total}
        return np.asarray(evaluate("x - top - log(total)", names, out=out))

    def logsumexp(x: Array, axis: int) -> Array:
        top, _, total = exponentials(x, axis)
        return np.asarray((np.log(total) + top).squeeze(axis))

    return {"softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp}[op]
