"""The oracle: softmax and its logarithm in higher precision, ten bits or more beyond the input's.

Shared by the tests and the benchmark, so that both hold results against one truth; imports numpy
alone. float16, bfloat16 and float32 are computed in float64; float64, bool and integers in a long
double that must be wider than double (NotImplementedError elsewhere), from arguments kept in two
limbs: a single rounding of ``x - max`` near -700 would already cost a third of a ULP of the result.
Near a probability of 1 the logarithm keeps its digits, as the maximum is left out of the sum.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from softlane._ulp import Reals, two_product, two_sum, ulp, ulp_error, wide_float

__all__ = [
    "Axis",
    "Shifted",
    "axes",
    "divisor",
    "log_of_softmax",
    "log_of_sum",
    "log_softmax_reference",
    "logsumexp_reference",
    "reals",
    "shifted",
    "softmax_reference",
    "two_product",
    "two_sum",
    "ulp",
    "ulp_error",
    "wide_float",
]

Axis: TypeAlias = int | tuple[int, ...] | None


def softmax_reference(
    x: npt.ArrayLike,
    axis: Axis = -1,
    temperature: npt.ArrayLike = 1.0,
    where: npt.ArrayLike | None = None,
) -> Reals:
    """Return the softmax of `x` along `axis`.

    Parameters
    ----------
    x : array_like
        The logits.
    axis : int, tuple of ints or None
        As for `softlane.softmax`.
    temperature : array_like
        Positive: a scalar, one value per row, or the shape that keepdims gives. The result is the
        softmax of the unrounded quotient of `x` and the temperature's float64 value.
    where : array_like of bool, optional
        Elements that take part; the others are 0 whatever they hold.

    Returns
    -------
    float64 or long double array
        The shape of `x`. A row whose kept elements hold NaN or +inf, or are all -inf, is NaN there;
        a row that keeps nothing is 0.
    """
    row = shifted(x, axis, temperature, where)
    y = row.e / (1 + row.others)
    return y if where is None else np.where(where, y, y.dtype.type(0))


def log_softmax_reference(
    x: npt.ArrayLike,
    axis: Axis = -1,
    temperature: npt.ArrayLike = 1.0,
    where: npt.ArrayLike | None = None,
) -> Reals:
    """Return the logarithm of the softmax of `x` along `axis`, accurate relative to each element.

    Parameters
    ----------
    x, axis, temperature, where
        As for `softmax_reference`.

    Returns
    -------
    float64 or long double array
        The shape of `x`. +0 for a certain class, NaN where the softmax is NaN, -inf for elements
        that take no part.
    """
    y = log_of_softmax(shifted(x, axis, temperature, where))
    return y if where is None else np.where(where, y, y.dtype.type(-np.inf))


def logsumexp_reference(
    x: npt.ArrayLike,
    axis: Axis = -1,
    b: npt.ArrayLike | None = None,
    where: npt.ArrayLike | None = None,
) -> tuple[Reals, Reals]:
    """Return the logarithm of the magnitude of the sum of ``b * exp(x)``, and the sum's sign.

    Parameters
    ----------
    x : array_like
        The exponents.
    axis : int, tuple of ints or None
        As for `softlane.logsumexp`.
    b : array_like, optional
        Factors that broadcast against `x`, taken at their float64 values; one that is 0 drops its
        element whatever that holds.
    where : array_like of bool, optional
        Elements that take part.

    Returns
    -------
    log, sign : float64 or long double arrays
        Without the reduced axes; -inf and 0 for a sum of 0. Terms that cancel each other, and a
        maximum that cancels the logarithm of the rest, cost relative accuracy.
    """
    if b is None:
        row = shifted(x, axis, 1.0, where)
        log = log_of_sum(row)
        sign = np.where(np.isnan(log), log, (log > -np.inf).astype(log.dtype))
    else:
        values = reals(x, where)
        factors = np.asarray(b, np.float64).astype(values.dtype)
        values = np.where(factors == 0, values.dtype.type(-np.inf), values)
        with np.errstate(all="ignore"):
            size = values + np.log(np.abs(factors))
            top = np.max(size, axis=axis, keepdims=True, initial=values.dtype.type(-np.inf))
            shift = np.where(np.isfinite(top), np.rint(top), 0)
            high, low = two_sum(values, -shift)
            root = np.exp(high / 2)  # exp(high) itself overflows beside a tiny factor
            term = factors * root * root
            term = np.where(values == -np.inf, 0, term + term * np.where(np.isfinite(low), low, 0))
            total = np.sum(term, axis=axis, keepdims=True)
            log, sign = shift + np.log(np.abs(total)), np.sign(total)
    reduced = axes(axis, log.ndim)
    return np.squeeze(log, reduced), np.squeeze(sign, reduced)


class Shifted(NamedTuple):
    """Rows less their maximum, ``(x - top) / T``, and what follows from them."""

    top: Reals  # keeps the reduced axes; -inf for a row that keeps nothing
    divisor: Reals  # T
    high: Reals  # (x - top) / T is high + low
    low: Reals
    e: Reals  # its exponential
    others: Reals  # the sum of e without one maximum; keeps the axes; NaN where top is not finite


def shifted(
    x: npt.ArrayLike, axis: Axis, temperature: npt.ArrayLike, where: npt.ArrayLike | None
) -> Shifted:
    """Return the rows of `x` less their maximum; those that take no part are -inf."""
    values = reals(x, where)
    real = values.dtype.type
    t: Reals = divisor(temperature, axis, values.shape).astype(real)
    low: Reals = np.zeros((), real)
    with np.errstate(all="ignore"):
        top = np.max(values, axis=axis, keepdims=True, initial=real(-np.inf))
        if real is np.float64:
            high = (values - top) / t
            e = np.exp(high)
        else:
            absent = values == -np.inf  # arithmetic with infinities is slow
            high, low = _quotient(*two_sum(np.where(absent, top, values), -top), t)
            low = np.where(np.isfinite(low), low, 0)
            e = np.exp(high)
            high, e = np.where(absent, real(-np.inf), high), np.where(absent, 0, e + e * low)
        tied = high == 0
        others = np.sum(e, axis=axis, keepdims=True, where=~tied)
        others = others + (np.sum(tied, axis=axis, keepdims=True) - 1)
        others = np.where(np.isfinite(top), others, real(np.nan))
    return Shifted(top, t, high, low, e, others)


def log_of_sum(row: Shifted) -> Reals:
    """Return the logarithm of the sum of ``exp(x / T)``; keeps the reduced axes."""
    log: Reals = np.where(
        np.isfinite(row.top), row.top / row.divisor + np.log1p(row.others), row.top
    )
    return log


def log_of_softmax(row: Shifted) -> Reals:
    """Return the logarithm of the softmax of shifted rows."""
    with np.errstate(all="ignore"):
        y: Reals = 0 - ((np.log1p(row.others) - row.high) - row.low)
    return y


def _quotient(high: Reals, low: Reals, by: Reals) -> tuple[Reals, Reals]:
    """Return ``(high + low) / by`` in two limbs."""
    if np.all(by == 1):
        return high, low
    quotient = high / by
    product, error = two_product(quotient, by)
    return quotient, (((high - product) - error) + low) / by


def reals(x: npt.ArrayLike, where: npt.ArrayLike | None = None) -> Reals:
    """Return `x` in the type to compute in, -inf where it takes no part."""
    x = np.asarray(x)
    real = np.float64 if x.dtype.name in ("float16", "bfloat16", "float32") else wide_float()
    with np.errstate(invalid="ignore"):  # signalling NaN
        values: Reals = x.astype(np.float64).astype(real, copy=False)
    return values if where is None else np.where(where, values, real(-np.inf))


def divisor(
    temperature: npt.ArrayLike, axis: Axis, shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Return the temperature so that it broadcasts against an array of that shape."""
    t = np.asarray(temperature, np.float64)
    if axis is not None and 0 < t.ndim < len(shape):
        rows = tuple(np.delete(shape, axis))
        t = np.expand_dims(np.broadcast_to(t, rows), axis)
    return t


def axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes as numbers from 0."""
    every = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % ndim for a in every)
