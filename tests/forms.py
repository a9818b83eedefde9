"""Small calls in every form that arguments take, right and wrong: for what should leave no trace.

Their arguments are the objects of this module, so that their reference counts can be watched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from helpers import DTYPES, LAYOUTS, laid_out

from softlane import (
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    log_softmax_backward,
    logsumexp,
    num_threads,
    softmax,
    softmax_backward,
)


class Unwilling:
    """An array-like that cannot become an array."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise KeyError("unwilling")


class Own(np.ndarray):
    """A subclass, which results come back as."""


X = np.linspace(-3, 3, 28, dtype=np.float32).reshape(4, 7)
HALF, BFLOAT, DOUBLE = (X.astype(DTYPES[name]) for name in ("float16", "bfloat16", "float64"))
LAID_OUT = [laid_out(X, layout) for layout in LAYOUTS]
INTEGERS, LIST = np.arange(28).reshape(4, 7), X.tolist()
KEEP, LABELS, BAD_LABELS = X < 2, np.array([0, 6, -100, 3]), np.array([0, 7, 1, 1])
WEIGHT, TEMPERATURE = np.linspace(0.5, 2, 7), np.linspace(0.5, 2, 4)
P, LOG_P = softmax(X), log_softmax(X)
MASKED, OWN = np.ma.masked_array(X, ~KEEP), X.view(Own)
OUT, DOUBLE_OUT, ROW_OUT = np.zeros_like(X), np.zeros_like(DOUBLE), np.zeros(4, np.float32)
SHORT, TEXT, RAGGED = np.zeros(3, np.float32), np.array(["a"]), [[1.0], [1.0, 2.0]]
READ_ONLY, COMPLEX = np.broadcast_to(np.float32(1), X.shape), X.astype(np.complex64)
UNWILLING, FLOAT16, REDUCTION = Unwilling(), np.dtype(np.float16), "none"
LARGE, THREADS = np.zeros((300, 800), np.float32), 300

WATCHED: list[Any] = [
    X, HALF, BFLOAT, DOUBLE, *LAID_OUT, INTEGERS, LIST, KEEP, LABELS, BAD_LABELS, WEIGHT,
    TEMPERATURE, P, LOG_P, MASKED, OWN, OUT, DOUBLE_OUT, ROW_OUT, SHORT, TEXT, RAGGED, READ_ONLY,
    COMPLEX, UNWILLING, FLOAT16, REDUCTION, Own, Unwilling, np.ma.MaskedArray, softmax, logsumexp,
    cross_entropy, np.float32, LARGE, THREADS, None, True, False, 0, -1, (),
    *(np.dtype(kind) for kind in ("f4", "f8", "i8", "?")),
]  # fmt: skip

Form = Callable[[], Any]
RIGHT: dict[str, Form] = {
    "softmax": lambda: softmax(X),
    "softmax of float16": lambda: softmax(HALF, 0),
    "softmax of bfloat16": lambda: softmax(BFLOAT, axis=(0, 1)),
    "softmax of float64": lambda: softmax(DOUBLE, None),
    "softmax of every layout": lambda: tuple(softmax(x) for x in LAID_OUT),
    "log_softmax of every layout": lambda: tuple(log_softmax(x, 0) for x in LAID_OUT),
    "softmax of integers": lambda: softmax(INTEGERS),
    "softmax of a list": lambda: softmax(LIST),
    "softmax of a scalar": lambda: softmax(1.0),
    "softmax of a masked array": lambda: softmax(MASKED),
    "softmax of a subclass": lambda: softmax(OWN),
    "softmax out": lambda: softmax(X, out=OUT),
    "softmax out of another dtype": lambda: softmax(X, out=DOUBLE_OUT),
    "softmax out over its input": lambda: softmax(y := X.copy(), out=y[::-1]),
    "softmax dtype": lambda: softmax(X, dtype=FLOAT16),
    "softmax dtype by name": lambda: softmax(X, dtype="float64"),
    "softmax where": lambda: softmax(X, where=KEEP),
    "log_softmax temperature": lambda: log_softmax(X, temperature=TEMPERATURE),
    "log_softmax scalar temperature": lambda: log_softmax(X, temperature=2.5, where=True),
    "log_softmax of a masked array": lambda: log_softmax(MASKED, out=OUT),
    "logsumexp": lambda: logsumexp(X),
    "logsumexp of float16": lambda: logsumexp(HALF, 0, keepdims=True),
    "logsumexp out": lambda: logsumexp(X, out=ROW_OUT),
    "logsumexp b": lambda: logsumexp(X, b=WEIGHT, return_sign=True),
    "logsumexp to a scalar": lambda: logsumexp(X, None, dtype=FLOAT16),
    "logsumexp of a masked array": lambda: logsumexp(MASKED, where=KEEP, return_sign=True),
    "softmax_backward": lambda: softmax_backward(X, P),
    "softmax_backward mixed": lambda: softmax_backward(DOUBLE, P, 0, temperature=2.0),
    "softmax_backward out": lambda: softmax_backward(X, P, out=OUT),
    "log_softmax_backward": lambda: log_softmax_backward(HALF, LOG_P),
    "log_softmax_backward of a subclass": lambda: log_softmax_backward(OWN, LOG_P, 0),
    "cross_entropy": lambda: cross_entropy(X, LABELS),
    "cross_entropy of a list": lambda: cross_entropy(LIST, [0, 1, 2, 3]),
    "cross_entropy weighted": lambda: cross_entropy(X, LABELS, weight=WEIGHT, reduction="sum"),
    "cross_entropy of probabilities": lambda: cross_entropy(X, P, reduction=REDUCTION),
    "cross_entropy of a masked array": lambda: cross_entropy(MASKED, P, label_smoothing=0.1),
    "cross_entropy_with_grad": lambda: cross_entropy_with_grad(X, LABELS),
    "cross_entropy_with_grad out": lambda: cross_entropy_with_grad(
        X, LABELS, out=OUT, weight=WEIGHT, z_loss=0.1, temperature=TEMPERATURE
    ),
    "cross_entropy_with_grad of a subclass": lambda: cross_entropy_with_grad(OWN, P, 1),
}


def on_threads() -> np.ndarray:
    with num_threads(THREADS):
        return logsumexp(LARGE)


SLOW: dict[str, Form] = {"logsumexp on threads": on_threads}
WRONG: dict[str, Form] = {
    "no argument": lambda: softmax(),
    "too many arguments": lambda: softmax(X, 1, 2),
    "an unknown keyword": lambda: log_softmax(X, b=X),
    "a keyword twice": lambda: log_softmax(X, 0, axis=0),
    "axis out of range": lambda: softmax(X, 2),
    "axis twice": lambda: logsumexp(X, (0, 0)),
    "axis of a wrong type": lambda: softmax(X, "0"),
    "complex numbers": lambda: softmax(COMPLEX),
    "text": lambda: logsumexp(TEXT),
    "a ragged list": lambda: softmax(RAGGED),
    "an array-like that raises": lambda: log_softmax(UNWILLING),
    "an unknown dtype": lambda: softmax(X, dtype="bfloat17"),
    "dtype against out": lambda: softmax(X, dtype=FLOAT16, out=OUT),
    "out of a wrong shape": lambda: softmax(X, out=ROW_OUT),
    "out that is read-only": lambda: softmax(X, out=READ_ONLY),
    "out that is a list": lambda: softmax(X, out=LIST),
    "out of rows": lambda: logsumexp(X, out=SHORT, return_sign=True),
    "where of a wrong shape": lambda: softmax(X, where=SHORT > 0),
    "where of a wrong dtype": lambda: softmax(MASKED, where=X),
    "temperature of a wrong shape": lambda: log_softmax(X, temperature=SHORT + 1),
    "temperature of 0": lambda: log_softmax(X, temperature=0),
    "b of a wrong shape": lambda: logsumexp(X, b=SHORT),
    "gradients of two shapes": lambda: softmax_backward(X, SHORT),
    "gradients of integers": lambda: log_softmax_backward(X, TEXT),
    "labels": lambda: cross_entropy(X, BAD_LABELS),
    "labels with out": lambda: cross_entropy_with_grad(X, BAD_LABELS, out=OUT, weight=WEIGHT),
    "labels of a wrong shape": lambda: cross_entropy(X, SHORT),
    "probabilities of a wrong shape": lambda: cross_entropy_with_grad(X, P[:2]),
    "weight of a wrong shape": lambda: cross_entropy(X, LABELS, weight=SHORT),
    "an unknown reduction": lambda: cross_entropy(X, LABELS, reduction="max"),
    "label_smoothing of 2": lambda: cross_entropy(X, LABELS, label_smoothing=2),
    "ignore_index": lambda: cross_entropy(X, LABELS, ignore_index=2**70),
}


def refused(form: Form) -> bool:
    """Whether the call raises what a wrong call should."""
    try:
        form()
    except (IndexError, KeyError, TypeError, ValueError):
        return True
    return False
