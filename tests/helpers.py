"""What several test files share: dtypes, comparisons, memory layouts."""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from softlane._oracle import ulp_error
from softlane.verify.levels import (  # noqa: F401 (for the tests)
    DTYPES,
    FMA_LEVELS,
    LEVELS,
    bits,
    level,
    sample,
)
from softlane.verify.promises import promised_ulp

BFLOAT16 = DTYPES["bfloat16"]
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())


def overflowed(exact: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The exact values, infinite where rounding to the dtype makes them so."""
    info = ml_dtypes.finfo(dtype)
    limit = np.longdouble(float(info.max)) * (1 + np.longdouble(float(info.eps)) / 4)
    return np.where(np.abs(exact) >= limit, np.copysign(np.inf, exact), exact)


def assert_accurate(got, want, dtype: np.dtype, bound: float | None = None) -> None:
    """`got` has dtype and shape and lies within the bound; NaN and infinities where due."""
    assert got.dtype == dtype and got.dtype.isnative
    assert got.shape == want.shape
    want = overflowed(want, dtype)
    worst = np.max(ulp_error(np.asarray(got), want), initial=0)
    assert worst <= (promised_ulp(dtype) if bound is None else bound)


NAN_BITS = {"float16": 0x7E00, "bfloat16": 0x7FC0, "float32": 0x7FC0 << 16, "float64": 0x7FF8 << 48}


def nan_row(dtype: np.dtype, n: int) -> bytes:
    """n positive quiet NaNs without payload."""
    return NAN_BITS[dtype.name].to_bytes(dtype.itemsize, "little") * n


def _spread(shape: tuple[int, ...], dtype: np.dtype, step: int, last: int) -> np.ndarray:
    """An array that takes every step-th (on the last axis every last-th) element of its buffer."""
    steps = ((step,) * len(shape) + (last,))[-len(shape) :] if shape else ()
    whole = np.zeros([n * abs(step) for n, step in zip(shape, steps, strict=True)], dtype)
    return whole[(*(slice(None, None, step) for step in steps), ...)]


def _unaligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.zeros(math.prod(shape) * dtype.itemsize + 1, np.uint8)[1:].view(dtype).reshape(shape)


def _field(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Strides that are no multiple of the item size (a field of a packed record)."""
    spec = {"names": ["v"], "formats": [dtype], "offsets": [1], "itemsize": dtype.itemsize + 1}
    return np.zeros(shape, np.dtype(spec))["v"]


def _transposed(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return (
        np.moveaxis(np.zeros(shape[1:] + shape[:1], dtype), -1, 0) if shape else np.zeros((), dtype)
    )


# Writable zeros of a shape and dtype, one maker for each way to lie in memory.
LAYOUTS: dict[str, Callable[[tuple[int, ...], np.dtype], np.ndarray]] = {
    "C": lambda shape, dtype: np.zeros(shape, dtype),
    "fortran": lambda shape, dtype: np.zeros(shape, dtype, order="F"),
    "first_axis_fastest": _transposed,
    "reversed": lambda shape, dtype: _spread(shape, dtype, -1, -1),
    "last_reversed": lambda shape, dtype: _spread(shape, dtype, 1, -1),
    "every_second": lambda shape, dtype: _spread(shape, dtype, 2, 2),
    "every_third_back": lambda shape, dtype: _spread(shape, dtype, -3, -3),
    "gaps_between_rows": lambda shape, dtype: _spread(shape, dtype, 2, 1),
    "odd_strides": _field,
    "unaligned": _unaligned,
    "swapped": lambda shape, dtype: np.zeros(shape, dtype.newbyteorder("S")),
}
EVERY_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)


def laid_out(values: np.ndarray, layout: str) -> np.ndarray:
    """The same values in another memory layout."""
    array = LAYOUTS[layout](values.shape, values.dtype)
    array[...] = values
    return array
