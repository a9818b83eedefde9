"""The oracle: softmax in higher precision, and the distance to it in ULPs.

Shared by the tests and the benchmark, so that both measure with one ruler; imports numpy alone.
float16, bfloat16 and float32 rows are computed in float64; float64 rows in a long double that must
be wider than double, from arguments kept in two limbs: a single rounding of ``x - max`` near -700
would already cost a third of a ULP of the result.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["softmax_reference", "two_product", "two_sum", "ulp", "ulp_error", "wide_float"]

Reals: TypeAlias = npt.NDArray[np.floating[Any]]
Exact: TypeAlias = "Reals | tuple[Reals, Reals]"

# (smallest normal number, distance from 1 to the next number); np.finfo does not know bfloat16.
_FORMATS = {
    "float16": (2.0**-14, 2.0**-10),
    "bfloat16": (2.0**-126, 2.0**-7),
    "float32": (2.0**-126, 2.0**-23),
    "float64": (2.0**-1022, 2.0**-52),
}
_EXPONENT_BITS = np.int64(0x7FF0_0000_0000_0000)


def wide_float() -> type[np.longdouble]:
    """Return the long double of this platform, which must be wider than double.

    Raises
    ------
    NotImplementedError
        If long double is double here, as on Windows and on Apple's arm64.
    """
    if np.finfo(np.longdouble).nmant <= np.finfo(np.float64).nmant:
        raise NotImplementedError(
            "oracle: float64 results are judged in long double, which is no wider than double on "
            "this platform (use x86-64 or aarch64 Linux)"
        )
    return np.longdouble


def two_sum(a: Reals, b: Reals) -> tuple[Reals, Reals]:
    """Return the rounded `a` + `b` and its exact rounding error (Knuth, TAOCP 2, 4.2.2)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Reals, b: Reals) -> tuple[Reals, Reals]:
    """Return the rounded `a` * `b` and its exact rounding error (Dekker 1971)."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(a: Reals) -> tuple[Reals, Reals]:
    """Split `a` into two numbers of half its digits, whose products are exact (Veltkamp 1968)."""
    digits = np.finfo(a.dtype).nmant + 1
    scaled = a * a.dtype.type(2.0 ** ((digits + 1) // 2) + 1)
    high = scaled - (scaled - a)
    return high, a - high


def ulp(exact: Exact, dtype: npt.DTypeLike) -> npt.NDArray[np.float64]:
    """Return the spacing of `dtype` in each exact value's binade, that of subnormals below them.

    Parameters
    ----------
    exact : float64 or long double array, or a pair of arrays
        The values; a pair ``(high, low)`` stands for the unrounded sum ``high + low``.
    dtype : dtype
        float16, bfloat16, float32 or float64: the format whose spacing is asked for.

    Returns
    -------
    float64 array
        Powers of two; inf where `exact` is NaN or infinite.
    """
    smallest_normal, epsilon = _FORMATS[np.dtype(dtype).name]
    high, low = exact if isinstance(exact, tuple) else (np.asarray(exact), None)
    floor = high.astype(np.float64, copy=False)
    if low is not None or high.dtype != np.float64:
        # Rounding to double may have reached the next power of two; the binade is the exact one.
        rest = (high - floor) + (0 if low is None else low)
        beyond = (rest != 0) & (np.signbit(rest) != np.signbit(floor))
        floor = np.where(beyond, np.nextafter(floor, 0), floor)
    power = (floor.view(np.int64) & _EXPONENT_BITS).view(np.float64)
    spacing: npt.NDArray[np.float64] = np.maximum(power, smallest_normal) * epsilon
    return spacing


def ulp_error(result: npt.ArrayLike, exact: Exact) -> npt.NDArray[np.float64]:
    """Return the distance of each result to the exact value, in ULPs of the result's dtype there.

    Parameters
    ----------
    result : array_like
        float16, bfloat16, float32 or float64.
    exact : float64 or long double array, or a pair of arrays
        The truth in a format wider than `result`; a pair ``(high, low)`` stands for the unrounded
        sum. For subnormal float64 results use long double: `low` cannot lie below 2**-1074.

    Returns
    -------
    float64 array
        Never NaN: 0 where both are NaN or the same infinity; inf where only one of them is NaN
        or infinite.

    Raises
    ------
    TypeError
        If `exact` is no wider than `result`.

    Examples
    --------
    >>> import numpy as np
    >>> ulp_error(np.float32([1.0, np.nan]), np.array([1.0 - 2**-24, 0.5]))
    array([ 1., inf])
    """
    result = np.asarray(result)
    high, low = exact if isinstance(exact, tuple) else (np.asarray(exact), None)
    if low is None and np.finfo(high.dtype).eps >= _FORMATS[result.dtype.name][1]:
        raise TypeError(f"ulp_error: exact is {high.dtype}, no wider than result ({result.dtype})")
    with np.errstate(invalid="ignore", over="ignore"):  # signalling NaN as well
        got = result.astype(high.dtype)
        distance = got - high
        if low is not None:
            distance = distance - low
        error = np.asarray(np.abs(distance) / ulp(exact, result.dtype), np.float64)
    unclear = np.isnan(error)  # wherever one of the two is NaN, or exact is infinite
    if unclear.any():
        same = (np.isnan(got) & np.isnan(high)) | (got == high)
        error = np.where(unclear, np.where(same, 0.0, np.inf), error)
    return error


def softmax_reference(
    x: npt.ArrayLike,
    axis: int | tuple[int, ...] | None = -1,
    temperature: npt.ArrayLike = 1.0,
    where: npt.ArrayLike | None = None,
) -> Reals:
    """Return the softmax of `x` along `axis`, ten bits or more beyond the precision of `x`.

    Parameters
    ----------
    x : array_like
        float16, bfloat16, float32 (computed in float64); float64, bool, integers (long double).
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

    Raises
    ------
    NotImplementedError
        For float64, bool and integers where long double is no wider than double.
    """
    x = np.asarray(x)
    narrow = x.dtype.name in ("float16", "bfloat16", "float32")
    real = np.float64 if narrow else wide_float()
    with np.errstate(invalid="ignore"):  # signalling NaN
        values: Reals = x.astype(np.float64).astype(real, copy=False)
    keep = None if where is None else np.asarray(where, bool)
    if keep is not None:
        values = np.where(keep, values, real(-np.inf))
    divisor: Reals = np.asarray(temperature, np.float64).astype(real)
    if axis is not None and 0 < divisor.ndim < values.ndim:
        rows = tuple(np.delete(values.shape, axis))
        divisor = np.expand_dims(np.broadcast_to(divisor, rows), axis)
    with np.errstate(all="ignore"):
        top = np.max(values, axis=axis, keepdims=True, initial=real(-np.inf))
        if narrow:
            y = np.exp((values - top) / divisor)
        else:
            high, low = _quotient(*two_sum(values, -top), divisor)
            y = np.exp(high)
            y = y + y * np.where(np.isfinite(low), low, 0)
        y = y / np.sum(y, axis=axis, keepdims=True)
    return y if keep is None else np.where(keep, y, real(0))


def _quotient(high: Reals, low: Reals, divisor: Reals) -> tuple[Reals, Reals]:
    """Return ``(high + low) / divisor`` in two limbs."""
    if np.all(divisor == 1):
        return high, low
    quotient = high / divisor
    product, error = two_product(quotient, divisor)
    return quotient, (((high - product) - error) + low) / divisor
