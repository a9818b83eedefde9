"""The ruler: distances in ULPs to values of higher precision, and exact sums and products.

Imports numpy alone. What it is held against comes from _oracle.py.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Reals", "two_product", "two_sum", "ulp", "ulp_error", "wide_float"]

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
        with np.errstate(invalid="ignore"):  # infinities
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
        Never NaN: 0 where both are NaN, or an infinite result is what `exact` rounds to; elsewhere
        inf where only one of them is NaN or infinite.

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
    unclear = ~np.isfinite(error)  # one of the two, or both, are NaN or infinite
    if unclear.any():
        with np.errstate(invalid="ignore", over="ignore"):
            rounded = high.astype(result.dtype).astype(high.dtype)
        same = (np.isnan(got) & np.isnan(high)) | (got == rounded)
        error = np.where(unclear, np.where(same, 0.0, np.inf), error)
    return error
