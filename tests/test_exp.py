"""The exponential by itself, on every level: all float32 arguments, dense samples of float64.

Each value stands in a rotating lane beside special values. The bound is the kernel's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from families import DEPTH
from flint import arb, ctx
from reference import FACTS, LN2, THREADS, errors_by_level, exp_reference, long_double, on_levels

from softlane import _core
from softlane._oracle import ulp_error
from softlane.verify import exponential
from softlane.verify.exponential import (
    GROUP,
    all_equal_near_0,
    ascending,
    spaced,
    starts,
    with_specials,
)
from softlane.verify.outcome import Outcome

EVERY_TYPE = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

Worst = dict[str, tuple[float, object]]  # level: the largest error, the input that has it


def evaluated(x: np.ndarray, shift: int, subtract: float = 0.0) -> dict[str, np.ndarray]:
    """The exponentials on every level, of a spaced x, computed beside special values."""
    beside = with_specials(x)
    results = on_levels(lambda: _core._exp(beside, shift, subtract))
    for e in results.values():
        e[::GROUP] = e[1::GROUP]
    return results


def worst(x: np.ndarray, exact: np.ndarray, results: dict[str, np.ndarray]) -> Worst:
    found = {}
    for name, error in errors_by_level(results, exact).items():
        place = np.argmax(error)
        found[name] = (float(error[place]), float(x[place]))
    return found


def merged(parts: Iterable[Worst]) -> Worst:
    total: Worst = {}
    for part in parts:
        for name, found in part.items():
            total[name] = max(total.get(name, found), found)
    return total


def check(found: Worst, dtype: type, record_property: Callable[[str, object], None]) -> None:
    record_property("largest error in ULP and its input", found)
    bound = FACTS[np.dtype(dtype).name]["bound_ulp"]
    assert all(error <= bound for error, _ in found.values()), f"bound {bound}: {found}"


# float32


def sweep(largest: float, sign: int, chunk: Callable[[np.ndarray], Worst]) -> Worst:
    """The largest errors over all floats of one sign from 0 to a magnitude."""
    begins, last = starts(largest)
    with ThreadPoolExecutor(THREADS) as pool:
        return merged(pool.map(lambda start: chunk(ascending(start, last, sign)), begins))


def unshifted(x: np.ndarray) -> Worst:
    """The errors for a shift of 0."""
    results = evaluated(x, 0)
    if all(all_equal_near_0(x, e) for e in results.values()):
        x = x[[0, -1]]
        results = {name: e[[0, -1]] for name, e in results.items()}
    return worst(x, exp_reference(x, 0), results)


def test_float32_from_minus_104_to_0(record_property) -> None:
    """Every float of the domain that matters to a softmax whose maximum is near 0."""
    check(sweep(DEPTH["float32"], -1, unshifted), np.float32, record_property)


@pytest.mark.exhaustive
@pytest.mark.parametrize("sign", [-1, 1])
def test_float32_everywhere(sign, isa, record_property) -> None:
    """Every float up to the limit, with every shift from its own to 20 above."""
    outcome = Outcome("exp")
    exponential.sweep(outcome, [sign], levels=[isa])
    found = {isa: (errors.worst, errors.where) for (_, _, isa), errors in outcome.errors.items()}
    check(found, np.float32, record_property)


# Both


@EVERY_TYPE
def test_sampled(dtype, record_property) -> None:
    """Dense samples of the whole depth of a row, below maxima anywhere up to the limit."""
    rng = np.random.default_rng(1)
    name = np.dtype(dtype).name
    limit = int(FACTS[name]["limit"] / LN2)
    parts = []
    for shift in [0] * 40 + rng.integers(-limit, limit + 1, 200).tolist():
        x = (shift + 0.5) * LN2 - DEPTH[name] * rng.random(16 * 500)
        x = spaced(x.astype(dtype))
        parts.append(worst(x, exp_reference(x, shift), evaluated(x, shift)))
    tiny = rng.choice([-1, 1], 16 * 500) * 2.0 ** rng.uniform(-1074, -1, 16 * 500)
    x = spaced(tiny.astype(dtype))
    parts.append(worst(x, exp_reference(x, 0), evaluated(x, 0)))
    check(merged(parts), dtype, record_property)


@EVERY_TYPE
def test_beyond_the_limit(dtype, record_property) -> None:
    """The subtract-first path: maxima in every binade above the limit, what is in reach below."""
    parts = []
    name = np.dtype(dtype).name
    for power in range(17, np.finfo(dtype).maxexp):
        for top in (1.0, 1.3, 2 - 2.0**-20):
            for sign in (-1, 1):
                maximum = dtype(sign * np.ldexp(top, power))
                step = max(np.spacing(abs(maximum)) / 2, DEPTH[name] / 16_000)
                x = (maximum - np.arange(0, DEPTH[name], step)).astype(dtype)
                x = x[maximum - x <= DEPTH[name]]
                x = spaced(np.resize(x, -(-len(x) // 16) * 16))
                exact = exp_reference(x - maximum, 0)  # the difference is exact (Sterbenz)
                parts.append(worst(x, exact, evaluated(x, 0, float(maximum))))
    check(merged(parts), dtype, record_property)


@EVERY_TYPE
def test_recorded_worst_input(dtype) -> None:
    """The bound beside the kernel is that of the worst input: a stale or generous one fails."""
    facts = FACTS[np.dtype(dtype).name]
    x = dtype(facts["worst_input"])
    shift = round(float(x) / LN2)
    with ctx.workprec(256):
        scale = arb(facts["scale"]) + arb(facts["scale_low"])
        exact = long_double([scale * arb(float(x)).exp() * arb(2) ** (facts["bias"] - shift)])
    results = on_levels(lambda: _core._exp(np.full(1, x), shift))
    worst = max(ulp_error(e, exact).item() for e in results.values())
    assert facts["bound_ulp"] - 0.02 <= worst <= facts["bound_ulp"]


def test_parts_of_ln_2() -> None:
    with ctx.workprec(256):
        ln2 = arb.const_log2()
        parts = [exponential.LN2, exponential.LN2_LOW, exponential.LN2_REST]
        assert parts[0] + parts[1] == parts[0]
        assert long_double([ln2])[0] == np.sum(np.array(parts[:2], np.longdouble))
        assert abs(sum(map(arb, parts)) - ln2) < 2.0**-119


@EVERY_TYPE
def test_reference_agrees_with_arb(dtype) -> None:
    rng = np.random.default_rng(2)
    facts = FACTS[np.dtype(dtype).name]
    x = np.r_[rng.uniform(-104, 0, 2000), rng.uniform(-131072, 131072, 2000)].astype(dtype)
    shift = np.rint(x.astype(np.float64) / LN2).astype(np.int64) + rng.integers(0, 100, len(x))
    with ctx.workprec(256):
        scale = arb(facts["scale"]) + arb(facts["scale_low"])
        pairs = zip(x.tolist(), (facts["bias"] - shift).tolist(), strict=True)
        exact = long_double(scale * arb(v).exp() * arb(2) ** n for v, n in pairs)
    relative = np.abs(exp_reference(x, shift) - exact) / exact
    assert relative.max() < (2.0**-46 if dtype is np.float32 else 2.0**-62)


@EVERY_TYPE
def test_far_below_the_shift(dtype, isa) -> None:
    """What is clamped becomes so small that softmax rounds it to 0; NaN stays, in every lane."""
    name = np.dtype(dtype).name
    bias = FACTS[name]["bias"]
    lowest = np.finfo(dtype).min
    far = np.array([-np.inf, lowest, -1e5, -2000, -DEPTH[name] - 1], dtype)
    for shift in (0, 1000, -1000):
        e = _core._exp((far + dtype(shift * LN2)).astype(dtype), shift)
        assert np.all((e > 0) & (e < 2.0**bias * np.finfo(dtype).smallest_subnormal.astype(float)))
    for n in range(1, 40):
        x = np.zeros((n, n), dtype)
        np.fill_diagonal(x, np.nan)
        e = np.array([_core._exp(row, 0) for row in x])
        np.testing.assert_array_equal(np.isnan(e), np.isnan(x))
