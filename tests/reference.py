"""What the accuracy tests need beyond softlane._oracle: Arb, all levels at once, a search."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from flint import arb

from softlane._oracle import ulp_error, wide_float
from softlane._oracle_losses import Gradient
from softlane.verify import levels
from softlane.verify.exponential import FACTS, LN2, exp_reference  # noqa: F401 (for the tests)
from softlane.verify.hard_rows import TEMPERATURES  # noqa: F401 (for the tests)
from softlane.verify.levels import THREADS, on_levels  # noqa: F401 (for the tests)
from softlane.verify.promises import error_of_largest

EVERY_WIDTH = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
EXTREME = [1e-37, 1e-40, 1e-45, 1e38, 1e50, 1e-50, 1e300, 1e-300, 1.7e308, 5e-324]


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


# Levels


def errors_by_level(
    results: dict[str, np.ndarray],
    exact: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray] = ulp_error,
) -> dict[str, np.ndarray]:
    """Each level's errors, in ULP; the levels with FMA must have the same bits."""
    return levels.errors_by_level(results, lambda result: measure(result, exact))


# Gradients


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
