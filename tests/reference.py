"""What the accuracy tests need beyond softlane._oracle: Arb, all levels at once, a search."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from flint import arb, ctx
from helpers import FMA_LEVELS, LEVELS, level

from softlane import _core
from softlane._oracle import two_product, two_sum, ulp, ulp_error, wide_float
from softlane._oracle_losses import Gradient

EVERY_WIDTH = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
FACTS = _core._exp_facts()
LN2 = np.log(2.0)
TEMPERATURES = [0.7, 1 / 3, 0.05, 1.5, 3.0, 100.0, 1e-3, 1e4, 1e-10, 1e10, 1e-30, 1e30]
EXTREME = [1e-37, 1e-40, 1e-45, 1e38, 1e50, 1e-50, 1e300, 1e-300, 1.7e308, 5e-324]
THREADS = 2
np.empty(2**24, np.uint8)  # glibc keeps what is smaller than the largest release: no page faults


# Arb


def long_double(values: Iterable[arb]) -> np.ndarray:
    """The midpoints, rounded to 64 bits; at the precision used here their radii are far below."""
    high, low, exponent = [], [], []
    for value in values:
        mantissa, power = (int(part) for part in value.mid().man_exp())
        surplus = max(mantissa.bit_length() - 64, 0)
        mantissa = (mantissa + (1 << surplus >> 1)) >> surplus
        high.append(float(mantissa >> 32))
        low.append(float(mantissa & 0xFFFF_FFFF))
        exponent.append(power + surplus)
    wide = wide_float()
    return np.ldexp(np.array(high, wide) * wide(2**32) + np.array(low, wide), exponent)


with ctx.workprec(256):
    _ln2 = long_double([arb.const_log2()])[0]
    _upper, _lower = float(_ln2), float(_ln2 - float(_ln2))
    _ln2_rest = long_double([arb.const_log2() - arb(_upper) - arb(_lower)])[0]


def exp_reference(x: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """scale * exp(x) * 2^(bias - shift): what the kernel approximates.

    In float64 for float32 x, in long double for float64 x, with a relative error below 2^-46
    (2^-62) for shifts up to 100 above the element's own.
    """
    facts = FACTS[x.dtype.name]
    if x.dtype == np.float32:
        high = float(np.float32(LN2))  # 24 bits: its products with shifts below 2^29 are exact
        low = float(_ln2 - high)
        reduced = (x.astype(np.float64) - shift * high) - shift * low
        return np.exp(reduced) * (facts["scale"] * 2.0 ** facts["bias"])
    n = np.asarray(shift).astype(_ln2.dtype)
    product, product_rest = two_product(n, _ln2)
    reduced, rest = two_sum(x.astype(_ln2.dtype), -product)
    e = np.exp(reduced)
    e = e + e * (rest - product_rest - n * _ln2_rest)
    return np.ldexp(e * facts["scale"] + e * facts["scale_low"], facts["bias"])


# Levels

_one_level_at_a_time = threading.Lock()  # the active level belongs to the process


def on_levels(
    evaluate: Callable[[], np.ndarray], levels: Iterable[str] = LEVELS
) -> dict[str, np.ndarray]:
    """The results of a function on each level; several threads may be here."""
    results = {}
    with _one_level_at_a_time:
        for name in levels:
            with level(name):
                results[name] = evaluate()
    return results


def errors_by_level(
    results: dict[str, np.ndarray],
    exact: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray] = ulp_error,
) -> dict[str, np.ndarray]:
    """Each level's errors, in ULP; asserts that the levels with FMA have the same bits."""
    errors: dict[str, np.ndarray] = {}
    for name, result in results.items():
        bits = result.view(f"u{result.itemsize}")
        twins = (n for n in errors if np.array_equal(bits, results[n].view(bits.dtype)))
        twin = next(twins, None)
        if name in FMA_LEVELS[1:] and FMA_LEVELS[0] in errors:
            assert twin == FMA_LEVELS[0], f"{name} has other bits"
        errors[name] = measure(result, exact) if twin is None else errors[twin]
    return errors


# Gradients


def error_of_largest(result: np.ndarray, exact: Gradient, bound: float = 3.0) -> np.ndarray:
    """The error as a fraction of the promise: `bound` ULP of the largest term of each sum.

    A 16-bit result is allowed its own rounding, after the float32 sum.
    """
    allowed = bound * ulp(exact.largest, np.float32 if result.itemsize == 2 else result.dtype)
    if result.itemsize == 2:
        allowed = allowed + 0.51 * ulp(exact.value, result.dtype)
    error = ulp_error(result, exact.value)  # inf where only one of the two is finite
    return error * (ulp(exact.value, result.dtype) / allowed)


def check_largest_terms(
    results: dict[str, np.ndarray], exact: Gradient, what: object, bound: float = 3.0
) -> float:
    """The largest error of all levels, in ULP of the largest term, which is within the bound."""
    measure = functools.partial(error_of_largest, bound=bound)
    worst = max(error.max() for error in errors_by_level(results, exact, measure).values())
    assert worst <= 1, f"{worst * bound:.3f} ULP: {what}"
    return float(worst * bound)


# Search


def worst_row(x: np.ndarray, error: np.ndarray) -> str:
    """What a failure needs to be repeated: the row in hex, shortened, and its error."""
    row = np.unravel_index(np.argmax(error), error.shape)[0]
    values = [float(v).hex() for v in x[row][:20]]
    return f"{error[row].max():.3f} ULP, n = {x.shape[1]}, x = {values}"


def climb(
    error: Callable[[np.ndarray], np.ndarray], x: np.ndarray, steps: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hill-climbing: each row keeps a random change of one of its elements when its error grows.

    `error` gives the largest error of each row; it is asked for len(x) * (steps + 1) rows. Returns
    the last rows and their errors.
    """
    x = x.copy()
    every = np.arange(len(x))
    worst = error(x)
    for _ in range(steps):
        trial = x.copy()
        column = rng.integers(x.shape[1], size=len(x))
        old = x[every, column]
        ulps = np.rint(2.0 ** rng.uniform(0, 16, len(x)) * rng.choice([-1, 1], len(x)))
        jump = LN2 * rng.integers(-3, 4, len(x)) * (rng.random(len(x)) < 0.2)
        trial[every, column] = old + ulps * np.spacing(old) + jump
        found = error(trial)
        better = found > worst
        x[better], worst[better] = trial[better], found[better]
    return x, worst
