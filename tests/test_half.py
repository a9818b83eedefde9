"""float16 and bfloat16: one rounding, 0.51 ULP, over whole domains where they are small enough."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from families import FAMILIES
from helpers import BFLOAT16, LEVELS, promised_ulp
from reference import THREADS, errors_by_level, on_levels

import softlane
from softlane._oracle import softmax_reference, ulp_error

EVERY_HALF = pytest.mark.parametrize("dtype", [np.dtype(np.float16), BFLOAT16], ids=str)
FULL_PRECISION = {"offsets", "worst_exponentials"}  # families that need it
PATTERNS = np.arange(65536, dtype=np.uint16)


@EVERY_HALF
def test_every_pattern_is_read(dtype, isa) -> None:
    """[x, 0] / (abs(x) / 4) = [+-4, 0]: a bit lost in x is thousands of float32 ULP."""
    x = np.stack([PATTERNS.view(dtype), np.zeros(65536, dtype)], axis=1)
    with np.errstate(invalid="ignore"):  # signalling NaN
        size = np.abs(x[:, 0].astype(np.float64))
        temperature = np.where((size > 0) & np.isfinite(size), size / 4, 1.0)
    y = softlane.softmax(x, temperature=temperature, dtype=np.float32)
    error = ulp_error(y, softmax_reference(x, temperature=temperature))
    assert error.max() <= promised_ulp(np.dtype(np.float32), temperature=4.0)


@EVERY_HALF
def test_every_pattern_is_written(dtype, isa) -> None:
    """Logits of every number from 0 to 1, of the midpoints, and close beside them."""
    one = int(np.ones(1, dtype).view(np.uint16)[0])
    numbers = PATTERNS[: one + 1].view(dtype).astype(np.float64)
    middles = (numbers[1:] + numbers[:-1]) / 2
    y = np.r_[numbers[1:-1], middles, middles * (1 - 2.0**-14), middles * (1 + 2.0**-14)]
    y = np.minimum(y, 1 - 2.0**-14)
    x = np.stack([np.log(y) - np.log1p(-y), np.zeros(len(y))], axis=1).astype(np.float32)
    got = softlane.softmax(x, dtype=dtype)
    assert ulp_error(got, softmax_reference(x)).max() <= promised_ulp(dtype)
    assert np.array_equal(np.unique(got.view(np.uint16)), PATTERNS[: one + 1])


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


def softmax_of_pairs(a: np.ndarray, b: float) -> np.ndarray:
    """The softmax of every [a, b] in float64, in a tenth of the time that whole rows take."""
    with np.errstate(invalid="ignore", over="ignore"):
        y = np.stack([1 / (1 + np.exp(b - a)), 1 / (1 + np.exp(a - b))], axis=1)
    y[(a == np.inf) | (b == np.inf)] = np.nan
    return y


@EVERY_HALF
@pytest.mark.parametrize(
    "step, levels",
    [(2039, LEVELS), pytest.param(1, LEVELS[:1], marks=pytest.mark.exhaustive)],
    ids=["some", "all"],
)
def test_pairs(step, levels, dtype, record_property) -> None:
    """softmax([a, b]) for every a and every b on the best level, every 2039th b on all levels."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = PATTERNS.view(dtype).astype(np.float64)

    def with_second(b: int) -> tuple[float, Counter]:
        x = np.stack([PATTERNS, np.full(65536, b, np.uint16)], axis=1).view(dtype)
        results = on_levels(lambda: softlane.softmax(x), levels)
        errors = errors_by_level(results, softmax_of_pairs(values, values[b]))
        largest = max(error.max() for error in errors.values())
        return largest, Counter({n: int(np.count_nonzero(e > 0.5)) for n, e in errors.items()})

    seconds = range(0, 65536, step)
    largest, misrounded = 0.0, Counter(dict.fromkeys(levels, 0))
    with ThreadPoolExecutor(THREADS) as pool:
        for worst, count in pool.map(with_second, seconds):
            largest = max(largest, worst)
            misrounded.update(count)
    record_property("max ulp", largest)
    record_property(f"misrounded of {2 * 65536 * len(seconds)}", dict(misrounded))
    assert largest <= promised_ulp(dtype), misrounded
