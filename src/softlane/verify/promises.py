"""What is promised of the results of each call, and how far they are from it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from softlane import logsumexp
from softlane._oracle import (
    log_softmax_reference,
    logsumexp_reference,
    softmax_reference,
    ulp,
    ulp_error,
)
from softlane._oracle_losses import (
    Gradient,
    cross_entropy_reference,
    log_softmax_backward_reference,
    softmax_backward_reference,
)
from softlane._ulp import Reals
from softlane.verify.calls import CALLS, Arrays, Call
from softlane.verify.levels import Array, DType

Measure: TypeAlias = Callable[[Array], Array]
_HALF, _FLOAT, _DOUBLE = (2.0**-22, 2.0**-50), (2.0**-22, 2.0**-50), (2.0**-51, 2.0**-104)
# What logsumexp promises beside its ULPs: an absolute error where the maximum and the logarithm of
# the sum cancel, and one relative to the sizes of the two.
LOGSUMEXP_ERROR = {"float16": _HALF, "bfloat16": _HALF, "float32": _FLOAT, "float64": _DOUBLE}


def promised_ulp(dtype: DType, temperature: npt.ArrayLike = 1.0) -> float:
    """The bound that is promised for a result of this dtype."""
    if dtype.itemsize == 2:
        return 0.51
    return 3.0 if np.all(np.asarray(temperature) == 1) else 3.5


def logsumexp_error(result: Array, exact: Reals, x: Array, cancelled: npt.ArrayLike = 1.0) -> Array:
    """The error of a logsumexp as a fraction of what is promised for it.

    Its terms cancel where the maximum is near -log S. `cancelled` is the factor by which the terms
    of a sum with signs exceed it.
    """
    ulps = 0.51 if result.dtype.itemsize == 2 else 1.0
    absolute, relative = LOGSUMEXP_ERROR[x.dtype.name]
    top = np.max(x.astype(np.float64), axis=-1)
    with np.errstate(invalid="ignore"):  # a sum of 0
        size = np.maximum(np.abs(top), np.abs(exact - top))
        allowed = ulps + (absolute * np.asarray(cancelled) + relative * size) / ulp(
            exact, result.dtype
        )
    error = ulp_error(result, exact)
    return np.where(np.isfinite(exact), error / allowed, error)


def error_of_largest(result: Array, exact: Gradient, bound: float = 3.0) -> Array:
    """The error as a fraction of the promise: `bound` ULP of the largest term, or of a larger sum.

    A 16-bit result is allowed its own rounding, after the float32 sum.
    """
    unit = np.maximum(exact.largest, np.abs(exact.value))
    allowed = bound * ulp(unit, np.float32 if result.itemsize == 2 else result.dtype)
    if result.itemsize == 2:
        allowed = allowed + 0.51 * ulp(exact.value, result.dtype)
    error = ulp_error(result, exact.value)  # inf where only one of the two is finite
    finite = np.isfinite(exact.value)
    return error * np.where(finite, ulp(exact.value, result.dtype) / allowed, 1)


def promised_of(call: Call, part: str, arrays: Arrays, dtype: DType) -> float:
    """The bound of a part of a call's results, which has this dtype."""
    bound = promised_ulp(dtype, arrays.get("temperature", 1.0))
    if call.function is logsumexp:
        return min(bound, 1.0)
    return bound


def is_spread(call: Call, arrays: Arrays) -> bool:
    """Whether a loss and its gradient are sums over all classes."""
    return "labels" not in arrays or "label_smoothing" in call.options


def measures(name: str, arrays: Arrays, call: Call | None = None) -> dict[str, Measure]:
    """For each part of a call's results, a function to its errors as fractions of the promise.

    The call is the one of that name, or one with other options.
    """
    call = call or CALLS[name]
    given: dict[str, Any] = {k: v for k, v in arrays.items() if k in ("temperature", "where")}
    if name in ("softmax", "log_softmax"):
        reference = softmax_reference if name == "softmax" else log_softmax_reference
        return {"": _relative(reference(arrays["x"], **given), given.get("temperature", 1.0))}
    if name.startswith("logsumexp"):
        return _of_logsumexp(arrays["x"], arrays.get("b"), arrays.get("where"))
    if name == "softmax_backward":
        exact = softmax_backward_reference(arrays["grad"], arrays["y"])
        return {"": functools.partial(error_of_largest, exact=exact)}
    if name == "log_softmax_backward":
        exact = log_softmax_backward_reference(arrays["grad"], arrays["log_y"])
        return {"": functools.partial(error_of_largest, exact=exact)}
    options: dict[str, Any] = {k: v for k, v in call.options.items() if k != "reduction"} | given
    options |= {"weight": arrays["weight"]} if "weight" in arrays else {}
    targets = arrays["labels" if "labels" in arrays else "q"]
    loss, gradient = cross_entropy_reference(arrays["x"], targets, **options)
    temperature = given.get("temperature", 1.0)
    return {
        "gradient": _relative(gradient.value, temperature)
        if not is_spread(call, arrays)
        else functools.partial(error_of_largest, exact=gradient),
        "loss": _relative(loss, temperature),
    }


def _relative(exact: Reals, temperature: npt.ArrayLike) -> Measure:
    return lambda result: ulp_error(result, exact) / promised_ulp(result.dtype, temperature)


def _of_logsumexp(x: Array, b: Array | None, where: Array | None) -> dict[str, Measure]:
    """Sum and sign, which is clear where the terms do not cancel."""
    log, sign = logsumexp_reference(x, b=b, where=where)
    kept = x if where is None else np.where(where, x, x.dtype.type(-np.inf))
    if b is None:
        return {"": functools.partial(logsumexp_error, exact=log, x=kept)}
    with np.errstate(all="ignore"):  # a row without factors
        cancelled = np.exp(logsumexp_reference(x, b=np.abs(b), where=where)[0] - log)
    cancelled = np.nan_to_num(cancelled, nan=1.0)
    return {
        "": functools.partial(logsumexp_error, exact=log, x=kept, cancelled=cancelled),
        "sign": lambda got: np.where((got != sign) & (cancelled < 2.0**20), np.inf, 0.0),
    }
