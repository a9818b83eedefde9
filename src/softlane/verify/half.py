"""float16 and bfloat16: whole domains, as they are small enough."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import softlane
from softlane._oracle import softmax_reference, ulp_error
from softlane.verify.levels import LEVELS, THREADS, Array, DType, errors_by_level, on_levels
from softlane.verify.outcome import Outcome
from softlane.verify.promises import promised_ulp

PATTERNS = np.arange(65536, dtype=np.uint16)
BLOCK = 8192  # pairs whose errors stay in the second-level cache


def _judge(
    outcome: Outcome, op: str, results: dict[str, Array], x: Array, exact: Array, bound: float
) -> None:
    name = next(iter(results.values())).dtype.name
    for level, error in errors_by_level(results, lambda y: ulp_error(y, exact)).items():
        outcome.judge(op, name, level, error, bound, lambda i: f"softmax of {x[i // x.shape[1]]}")


def read(outcome: Outcome, dtype: DType, levels: Sequence[str] = LEVELS) -> None:
    """[x, 0] / (abs(x) / 4) = [+-4, 0]: a bit lost in x is thousands of float32 ULP."""
    x = np.stack([PATTERNS.view(dtype), np.zeros(65536, dtype)], axis=1)
    with np.errstate(invalid="ignore"):  # signalling NaN
        size = np.abs(x[:, 0].astype(np.float64))
        t = np.where((size > 0) & np.isfinite(size), size / 4, 1.0)
    y = on_levels(lambda: softlane.softmax(x, temperature=t, dtype=np.float32), levels)
    bound = promised_ulp(np.dtype(np.float32), temperature=4.0)
    _judge(outcome, f"every {dtype.name} read", y, x, softmax_reference(x, temperature=t), bound)


def written(outcome: Outcome, dtype: DType, levels: Sequence[str] = LEVELS) -> None:
    """Logits of every number from 0 to 1, of the midpoints, and close beside them."""
    one = int(np.ones(1, dtype).view(np.uint16)[0])
    numbers = PATTERNS[: one + 1].view(dtype).astype(np.float64)
    middles = (numbers[1:] + numbers[:-1]) / 2
    y = np.r_[numbers[1:-1], middles, middles * (1 - 2.0**-14), middles * (1 + 2.0**-14)]
    y = np.minimum(y, 1 - 2.0**-14)
    x = np.stack([np.log(y) - np.log1p(-y), np.zeros(len(y))], axis=1).astype(np.float32)
    got = on_levels(lambda: softlane.softmax(x, dtype=dtype), levels)
    _judge(outcome, "every result written", got, x, softmax_reference(x), promised_ulp(dtype))
    for name, result in got.items():
        every = np.array_equal(np.unique(result.view(np.uint16)), PATTERNS[: one + 1])
        outcome.expect(every, f"{name} does not give every {dtype.name} from 0 to 1")


def softmax_of_pairs(a: Array, b: float) -> Array:
    """The softmax of every [a, b] in float64, in a tenth of the time that whole rows take."""
    with np.errstate(invalid="ignore", over="ignore"):
        y = np.stack([1 / (1 + np.exp(b - a)), 1 / (1 + np.exp(a - b))], axis=1)
    y[(a == np.inf) | (b == np.inf)] = np.nan
    return y


def pairs(
    outcome: Outcome, dtype: DType, every: int = 1, levels: Sequence[str] = LEVELS[:1]
) -> None:
    """softmax([a, b]) for every a, and every so manyth b."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = PATTERNS.view(dtype).astype(np.float64)

    def with_second(b: int) -> None:
        for begin in range(0, 65536, BLOCK):
            some = slice(begin, begin + BLOCK)
            x = np.stack([PATTERNS[some], np.full(BLOCK, b, np.uint16)], axis=1).view(dtype)
            exact = softmax_of_pairs(values[some], values[b])
            results = on_levels(lambda x=x: softlane.softmax(x), levels)  # type: ignore[misc]
            _judge(outcome, "softmax of pairs", results, x, exact, promised_ulp(dtype))

    seconds = range(0, 65536, every)
    with ThreadPoolExecutor(THREADS) as pool:
        for done, _ in enumerate(pool.map(with_second, seconds)):
            outcome.tick(done / len(seconds))
