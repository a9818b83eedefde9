"""What is measured: the ops, the arrays they work on, and the shapes of each length of run.

Imports numpy and softlane alone.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import softlane

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

DTYPES = ("f32", "f64", "f16", "bf16")
MODES = ("out", "fresh")
QUICK: tuple[Shape, ...] = ((64, 1000), (512, 512), (1, 128256))
DEFAULT: tuple[Shape, ...] = (*QUICK, (16384, 64), (4096, 2048), (1, 10))
FULL: tuple[Shape, ...] = (*DEFAULT, (64, 128256), (1, 10_000_000), (100_000, 10), (100_000, 3))

LOGIT_SPREAD = 4.0  # standard deviation of the logits
SEED = 20


@dataclasses.dataclass(frozen=True)
class Op:
    """What an op reads, what it returns, and what does less on the same arrays."""

    modes: tuple[str, ...]
    floors: tuple[str, ...]
    parts: tuple[str, ...] = ("result",)  # of what it returns, each judged apart
    reads_labels: bool = False
    reads_gradient: bool = False


OPS = {
    "softmax": Op(MODES, ("np.copyto", "np.exp")),
    "log_softmax": Op(MODES, ("np.copyto", "np.exp")),
    "logsumexp": Op(MODES, ("np.max",)),
    "cross_entropy": Op(("fresh",), ("np.max",), ("loss",), reads_labels=True),
    "cross_entropy_with_grad": Op(
        MODES, ("np.copyto", "np.exp"), ("loss", "gradient"), reads_labels=True
    ),
    "softmax_backward": Op(MODES, ("np.multiply",), reads_gradient=True),
    "log_softmax_backward": Op(MODES, ("np.multiply",), reads_gradient=True),
}


class Unsupported(Exception):
    """A contestant that is installed cannot do this case; the text says what it lacks."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One op on one set of arrays; those that the op does not read are empty."""

    op: str
    axis: int
    x: Array
    labels: Array
    grad: Array  # with y = op(x), what the backward ops read
    y: Array
    out: Array
    threads: int = 1

    @property
    def rows_shape(self) -> Shape:
        """The shape of one value for each row."""
        return tuple(np.delete(self.x.shape, self.axis).tolist())


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to compute, as expressions over `names` and the case's arrays, timed as they stand.

    The result is that of the op: one array, or for cross_entropy_with_grad the losses of the rows
    and the gradient of the logits. With `out` the last of them is in the case's `out`.
    """

    fresh: str | None  # returns a new result
    out: str | None  # writes into `out`
    names: dict[str, object]
    to_numpy: Callable[[Any], Any] = lambda result: result
    floor: bool = False  # does less than the op: has a time, but no error

    def expression(self, mode: str) -> str | None:
        """The expression of a mode, None where there is none."""
        return self.out if mode == "out" else self.fresh

    def namespace(self, case: Case) -> dict[str, object]:
        """What the expressions see."""
        arrays = {"x": case.x, "labels": case.labels, "grad": case.grad, "y": case.y}
        return {**arrays, "out": case.out, **self.names}


def elements(shape: Shape) -> int:
    """The number of elements of a shape."""
    return math.prod(shape)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of "f32", "f64", "f16" or "bf16"; bf16 is ml_dtypes', ImportError without it."""
    if name == "bf16":
        bfloat16: np.dtype[Any] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        return bfloat16
    return np.dtype({"f32": np.float32, "f64": np.float64, "f16": np.float16}[name])


def logits(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Normal logits, the same in every run."""
    return (np.random.default_rng(SEED).standard_normal(shape) * LOGIT_SPREAD).astype(dtype)


def make_case(op: str, shape: Shape, dtype: str, axis: int = -1, threads: int = 1) -> Case:
    """The arrays of one case, the same in every run.

    Parameters
    ----------
    op : str
        One of OPS.
    shape : tuple of int
        Of the logits.
    dtype : str
        One of DTYPES.
    axis : int
        The axis of a row.
    threads : int
        How many threads a contestant may use.

    Returns
    -------
    Case
        With `out` zeroed, its pages touched.
    """
    random = np.random.default_rng(SEED + 1)
    x = logits(shape, numpy_dtype(dtype))
    empty = np.empty(0, x.dtype)
    case = Case(op, axis, x, empty, empty, empty, empty, threads)
    labels = grad = y = empty
    if OPS[op].reads_labels:
        labels = np.asarray(random.integers(0, shape[axis], case.rows_shape))
    if OPS[op].reads_gradient:
        forward = softlane.softmax if op == "softmax_backward" else softlane.log_softmax
        y = np.asarray(forward(x, axis))
        grad = np.asarray(random.standard_normal(shape).astype(x.dtype))
    out = np.zeros(case.rows_shape if op == "logsumexp" else shape, x.dtype)
    return dataclasses.replace(case, labels=labels, grad=grad, y=y, out=out)
