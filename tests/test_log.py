"""log1p and exp of single numbers, in two limbs: what a row's logarithm is made of.

The bounds are the kernel's own, on the relative error of the unevaluated sum, in units of 2^-24 for
float32 rows and of 2^-53 for float64 rows.
"""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, ctx
from reference import LN2, long_double

from softlane import _core
from softlane._oracle import wide_float
from softlane.verify import logarithm
from softlane.verify.logarithm import INFINITY, Pair, on_every_level
from softlane.verify.outcome import Outcome

EVERY_WIDTH = pytest.mark.parametrize("name", ["float32", "float64"])
STALE = 0.5  # of a bound: what a sweep must reach for the bound to say something


def worst(pair: Pair, exact: np.ndarray, v: np.ndarray, name: str) -> tuple[float, float]:
    """The largest relative error of an unevaluated sum, in units; and the input that has it."""
    error = logarithm.error(pair, exact, name)
    place = np.argmax(error)
    return float(error[place]), float(v[place])


def check(found: tuple[float, float], bound: float, record_property, swept: bool = True) -> None:
    record_property("largest error in units, and its input", found)
    assert found[0] <= bound, (found, float(found[1]).hex())
    assert not swept or found[0] >= STALE * bound, f"the bound {bound} is stale: {found}"


def log1p_reference(w: np.ndarray) -> np.ndarray:
    return np.log1p(w.astype(wide_float()))


def exp_reference(z: np.ndarray) -> np.ndarray:
    return np.exp(z.astype(wide_float()))


REFERENCES = {"log1p": log1p_reference, "exp": exp_reference}


# float32: w is a float32, the sum of a row's others


@pytest.mark.exhaustive
def test_log1p_of_every_float32(record_property) -> None:
    """The same bits on every level."""
    outcome = Outcome("log1p")
    logarithm.sweep(outcome)
    (found,) = outcome.errors.values()
    w = float(found.where.removeprefix("w = "))
    check((found.worst, w), _core._log_facts()["float32"]["log1p_bound"], record_property)


def test_log1p_of_many_float32(record_property) -> None:
    """Every 997th float, and those around the powers of two and the table's intervals."""
    bits = np.arange(0, INFINITY, 997, dtype=np.uint32)
    w = np.concatenate([bits.view(np.float32).astype(np.float64), edges(np.float32)])
    pair = on_every_level(_core._log1p, w, "float32")
    found = worst(pair, np.log1p(w), w, "float32")
    check(found, _core._log_facts()["float32"]["log1p_bound"], record_property)


# Both


def edges(dtype: type) -> np.ndarray:
    """Numbers within 20 ULP of those where 1 + w enters a new binade or 256th of a binade."""
    points = np.concatenate([(1 + np.arange(256) / 256) * 2.0**k - 1 for k in range(25)])
    points = np.concatenate([points, 2.0 ** np.arange(-70, 61), np.sqrt(2) - 1 + np.zeros(1)])
    points = points.astype(dtype)
    steps = np.arange(-20, 21)
    w = points[:, None].astype(np.float64) + steps * np.spacing(points)[:, None].astype(np.float64)
    w = w.astype(dtype).astype(np.float64).ravel()
    return w[(w == 0) | (w >= 2.0**-1000)]


def binades(lowest: int, highest: int, count: int, seed: int) -> np.ndarray:
    """`count` random numbers in each binade from 2^lowest to 2^highest."""
    mantissa = 1 + np.random.default_rng(seed).random((highest - lowest, count))
    return np.ldexp(mantissa, np.arange(lowest, highest)[:, None]).ravel()


@EVERY_WIDTH
def test_log1p_of_doubles(name, record_property) -> None:
    """Dense samples in every binade, denser where 1 + w has digits of w, and the edges."""
    w = np.concatenate([binades(-1000, 60, 100, 1), binades(-60, 60, 2000, 2), edges(np.float64)])
    pair = on_every_level(_core._log1p, w, name)
    found = worst(pair, log1p_reference(w), w, name)
    check(found, _core._log_facts()[name]["log1p_bound"], record_property)


@EVERY_WIDTH
def test_exp(name, record_property) -> None:
    """Dense samples, the edges of the table's intervals, and arguments that are next to 0."""
    rng = np.random.default_rng(3)
    middles = (np.arange(-8000, 8000) + 0.5) * (LN2 / 8)
    middles = middles[np.abs(middles) < 600]
    tiny = rng.choice([-1, 1], 20_000) * 2.0 ** rng.uniform(-1074, 0, 20_000)
    near = (middles[:, None] + np.arange(-2, 3) * np.spacing(middles)[:, None]).ravel()
    ends = [-600.0, 700.0, 0.0, -0.0]
    z = np.concatenate([rng.uniform(-600, 700, 300_000), rng.uniform(-2, 2, 100_000), near, tiny])
    z = np.concatenate([z, ends])
    found = worst(on_every_level(_core._exp_pair, z, name), exp_reference(z), z, name)
    check(found, _core._log_facts()[name]["exp_bound"], record_property)


@EVERY_WIDTH
def test_log1p_of_0_is_plus_0(name) -> None:
    high, low = on_every_level(_core._log1p, np.zeros(3), name)
    assert not high.any() and not low.any() and not np.signbit(high).any()


@pytest.mark.parametrize("function", REFERENCES)
def test_reference_agrees_with_arb(function) -> None:
    rng = np.random.default_rng(5)
    if function == "log1p":
        v = np.concatenate([binades(-1000, 60, 2, 6), rng.choice(edges(np.float64), 500)])
        v = v[v > 0]
    else:
        v = rng.uniform(-700, 700, 2000)
    with ctx.workprec(2200):
        exact = long_double(getattr(arb(value), function)() for value in v.tolist())
    assert np.max(np.abs(REFERENCES[function](v) - exact) / exact) < 2.0**-62
