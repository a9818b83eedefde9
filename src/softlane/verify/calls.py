"""The functions as a table of calls, each with its arguments: for what is promised of all of them.

Arguments are arrays by name: of the shape (rows, n), or with one value for each row or each class.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from softlane import (
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    log_softmax_backward,
    logsumexp,
    softmax,
    softmax_backward,
)
from softlane.verify.levels import LEVELS, Array, DType, Wrong, bits, level, sample

Arrays: TypeAlias = dict[str, Array]
Results: TypeAlias = tuple[Array, ...]
OF_ROW = {"labels", "temperature"}
OF_CLASS = {"weight"}
KEYWORDS = {"b", "temperature", "weight", "where"}


def gradient_and_loss(
    logits: Array, targets: Array, axis: int = -1, out: Array | None = None, **options: Any
) -> Results:
    """cross_entropy_with_grad, whose loss must be that of cross_entropy."""
    alone = cross_entropy(logits, targets, axis, **options)
    loss, grad = cross_entropy_with_grad(logits, targets, axis, out=out, **options)
    if (out is None or out.dtype == logits.dtype) and bits(loss) != bits(alone):
        raise Wrong("the loss beside a gradient has other bits than cross_entropy")
    return grad, loss


class Call(NamedTuple):
    function: Callable[..., Any]
    names: tuple[str, ...]
    options: Mapping[str, Any] = MappingProxyType({})

    def __call__(self, arrays: Arrays, axis: Any = -1, **options: Any) -> Results:
        """The results; the first is what `out` receives."""
        places = [array for name, array in arrays.items() if name not in KEYWORDS]
        keywords = {name: array for name, array in arrays.items() if name in KEYWORDS}
        results = self.function(*places, axis=axis, **keywords, **self.options, **options)
        return results if isinstance(results, tuple) else (results,)

    def arrays(self, n: int, dtype: DType, count: int, *more: str) -> Arrays:
        """Its arguments for `count` rows of n elements, and further ones by name."""
        return {name: argument(name, n, dtype, count) for name in (*self.names, *more)}


_plain = {"reduction": "none"}
_every = {"reduction": "none", "label_smoothing": 0.1, "z_loss": 1e-3}
CALLS = {
    "softmax": Call(softmax, ("x",)),
    "log_softmax": Call(log_softmax, ("x",)),
    "logsumexp": Call(logsumexp, ("x",)),
    "logsumexp_b": Call(logsumexp, ("x", "b"), {"return_sign": True}),
    "softmax_backward": Call(softmax_backward, ("grad", "y")),
    "log_softmax_backward": Call(log_softmax_backward, ("grad", "log_y")),
    "cross_entropy_labels": Call(gradient_and_loss, ("x", "labels"), _plain),
    "cross_entropy_labels_weight": Call(gradient_and_loss, ("x", "labels", "weight"), _plain),
    "cross_entropy_labels_every_option": Call(gradient_and_loss, ("x", "labels", "weight"), _every),
    "cross_entropy_probabilities": Call(gradient_and_loss, ("x", "q"), _plain),
    "cross_entropy_probabilities_every_option": Call(
        gradient_and_loss, ("x", "q", "weight"), _every
    ),
}


@functools.cache
def argument(name: str, n: int, dtype: DType, count: int) -> Array:
    """What a function is tried on; read-only."""
    array = _MAKERS[name](n, dtype, count)
    array.flags.writeable = False
    return array


def _uniform(n: int, count: int, seed: int) -> Array:
    return np.random.default_rng([seed, n, count]).random((count, n))


def _logits(n: int, dtype: DType, count: int) -> Array:
    """Rows of several spreads; the second has -inf, the third is beyond the integer shift, the
    fourth has NaN."""
    x = sample((count, n), np.dtype(np.float64), n, 1.0)
    x *= np.resize([3.0, 0.1, 30.0, 8.0], count)[:, None]
    x[1:2, ::3] = -np.inf
    x[2:3, n // 2] += 300000 if dtype.itemsize > 2 else 3000
    x[3:4, n // 3] = np.nan
    return x.astype(dtype)


def _gradients(n: int, dtype: DType, count: int) -> Array:
    """Rows of several sizes; the fifth has an infinity, the sixth NaN."""
    grad = sample((count, n), np.dtype(np.float64), n + 1, 1.0)
    grad *= np.resize([1.0, 1e-3, 30.0, 8.0], count)[:, None]
    grad[4:5, n // 2] = np.inf
    grad[5:6, n // 3] = np.nan
    return grad.astype(dtype)


def _forward(function: Callable[..., Any], n: int, dtype: DType, count: int) -> Array:
    with level(LEVELS[0]):
        return np.asarray(function(argument("x", n, dtype, count)))


def _factors(n: int, dtype: DType, count: int) -> Array:
    """Of both signs, some of them 0."""
    b = sample((count, n), np.dtype(np.float64), n + 2, 2.0)
    b[_uniform(n, count, 2) < 0.2] = 0
    return b.astype(dtype)


def _probabilities(n: int, dtype: DType, count: int) -> Array:
    q = _uniform(n, count, 3) ** 4
    q[(q < 0.02) & (q < q.max(axis=1, keepdims=True))] = 0
    q[2:3] = np.arange(n) == n - 1
    return np.asarray(q / q.sum(axis=1, keepdims=True)).astype(dtype)


def _labels(n: int, dtype: DType, count: int) -> Array:
    """Both ends, the maximum, others; every fifth row is ignored."""
    labels = np.arange(n, n + count) * 7 % n
    labels[::4], labels[1::4] = 0, n - 1
    labels[2::4] = np.argmax(argument("x", n, dtype, count).astype(np.float64)[2::4], axis=1)
    labels[n % 5 :: 5] = -100
    return np.asarray(labels)


def _masks(n: int, dtype: DType, count: int) -> Array:
    """The fifth row has no element that takes part."""
    keep = _uniform(n, count, 4) < 0.8
    keep[4:5] = False
    return keep


_MAKERS: dict[str, Callable[[int, DType, int], Array]] = {
    "x": _logits,
    "grad": _gradients,
    "y": lambda *a: _forward(softmax, *a),
    "log_y": lambda *a: _forward(log_softmax, *a),
    "b": _factors,
    "q": _probabilities,
    "labels": _labels,
    "weight": lambda n, *_: np.exp(sample((n,), np.dtype(np.float64), n, 1.0)),
    "temperature": lambda n, dtype, count: np.geomspace(1e-3, 1e3, count),
    "where": _masks,
}


def mapped(
    arrays: Arrays,
    whole: Callable[[Array], Array],
    of_row: Callable[[Array], Array] = lambda values: values,
) -> Arrays:
    """The arguments after `whole` of what has the shape (rows, n), and `of_row` of (rows,)."""
    return {
        name: array if name in OF_CLASS else (of_row if name in OF_ROW else whole)(array)
        for name, array in arrays.items()
    }


def taken(arrays: Arrays, index: Any) -> Arrays:
    """The arguments of some rows."""
    return mapped(arrays, lambda a: a[index], lambda a: a[index])


def all_bits(results: Results) -> list[bytes]:
    return [bits(part) for part in results]


def alone(call: Call, arrays: Arrays, count: int) -> list[bytes]:
    """The bits of the results of each row by itself, joined."""
    rows = [all_bits(call(taken(arrays, i))) for i in range(count)]
    return [b"".join(parts) for parts in zip(*rows, strict=True)]


def of_columns(results: Results, ndim: int = 2, axis: int = 0) -> Results:
    """Results of arrays of so many dimensions whose rows lie along `axis`, as those of rows."""
    return tuple(np.moveaxis(p, axis, -1) if p.ndim == ndim else p for p in results)
