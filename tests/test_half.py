"""float16 and bfloat16: one rounding, 0.51 ULP, over whole domains where they are small enough."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from families import FAMILIES
from helpers import BFLOAT16, LEVELS, promised_ulp
from reference import errors_by_level, on_levels

import softlane
from softlane._oracle import softmax_reference
from softlane.verify import half
from softlane.verify.outcome import Outcome

EVERY_HALF = pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16], ids=str)
FULL_PRECISION = {"offsets", "worst_exponentials"}  # families that need it


def expect_promises(outcome: Outcome, record_property) -> None:
    outcome.close()
    record_property("errors", outcome.record()["errors"])
    assert not outcome.failures


@EVERY_HALF
def test_every_pattern_is_read(dtype, record_property) -> None:
    outcome = Outcome("read")
    half.read(outcome, dtype)
    expect_promises(outcome, record_property)


@EVERY_HALF
def test_every_pattern_is_written(dtype, record_property) -> None:
    outcome = Outcome("written")
    half.written(outcome, dtype)
    expect_promises(outcome, record_property)


@EVERY_HALF
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - FULL_PRECISION))
def test_rows(family, dtype, record_property) -> None:
    rng = np.random.default_rng(11)
    largest, misrounded, elements = 0.0, Counter(), 0
    for x, where in FAMILIES[family](dtype, rng):
        exact = softmax_reference(x, where=where)
        results = on_levels(lambda x=x, where=where: softlane.softmax(x, where=where))
        elements += x.size
        for name, error in errors_by_level(results, exact).items():
            largest = max(largest, error.max())
            misrounded[name] += int(np.count_nonzero(error > 0.5))
    record_property("max ulp", largest)
    record_property(f"misrounded of {elements}", dict(misrounded))
    assert largest <= promised_ulp(dtype), misrounded


@EVERY_HALF
@pytest.mark.parametrize(
    "step, levels",
    [(2039, LEVELS), pytest.param(1, LEVELS[:1], marks=pytest.mark.exhaustive)],
    ids=["some", "all"],
)
def test_pairs(step, levels, dtype, record_property) -> None:
    """softmax([a, b]) for every a and every b on the best level, every 2039th b on all levels."""
    outcome = Outcome("pairs")
    half.pairs(outcome, dtype, step, levels)
    expect_promises(outcome, record_property)


@EVERY_HALF
@pytest.mark.parametrize("n", [256, 257, 300, 1000, 2048, 2049, 5000, 16384, 16385])
def test_long_rows_are_those_of_float32_rounded(n, dtype, isa) -> None:
    """Whether elements are converted in the row's loop, or rows are, in tiles."""
    rng = np.random.default_rng(n)
    for rows, spread, special, t in (
        (1, 4, 0, 1.0),
        (1, 4, np.nan, 1.0),
        (2, 4, -np.inf, 0.7),
        (3, 60, np.inf, 1.0),
        (7, 30, 0, 1e-30),
    ):
        wide = rng.normal(0, spread, (rows, n + 3)).astype(dtype)
        wide[rows // 2, n // 3] = special
        x = wide[:, 1:-2]
        want = softlane.softmax(x.astype(np.float32), temperature=t).astype(dtype).view(np.uint16)
        odd = np.full(2 * x.size + 1, 7, np.uint8)[1:].view(dtype).reshape(x.shape)
        for out in (np.full_like(x, 7), odd, x):
            softlane.softmax(x, temperature=t, out=out)
            np.testing.assert_array_equal(out.view(np.uint16), want)
