"""log1p by itself, in two limbs: what a row's logarithm is made of; the sweep over all float32.

The bounds are the kernel's own, on the relative error of the unevaluated sum, in units of 2^-24 for
float32 rows and of 2^-53 for float64 rows.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from softlane import _core
from softlane._ulp import Reals
from softlane.verify.levels import LEVELS, THREADS, Array, Wrong, bits, on_levels
from softlane.verify.outcome import Outcome

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
INFINITY = 0x7F80_0000  # the bits of the first float32 that is not finite
CHUNK = 1 << 15

Pair = tuple[Array, Array]


def on_every_level(function: Callable[[Array, str], Pair], v: Array, name: str) -> Pair:
    """The result on the best level; Wrong if any other has other bits."""
    results = on_levels(lambda: function(v, name))
    for level, result in results.items():
        if bits(result) != bits(results[LEVELS[0]]):
            raise Wrong(f"{function.__name__} of {name} on {level} has other bits")
    return results[LEVELS[0]]


def error(pair: Pair, exact: Reals, name: str) -> Array:
    """The relative error of an unevaluated sum, in units; inf for NaN."""
    high, low = pair
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(((high - exact) + low) / exact) / UNIT[name]
    relative = np.where((exact == 0) & (high == 0) & (low == 0), 0, relative)
    return np.where(np.isnan(relative), np.inf, relative).astype(np.float64)


def sweep(outcome: Outcome, every: int = 1) -> None:
    """Judge every (so manyth) float32 from 0; the bits are the same on every level."""
    bound = _core._log_facts()["float32"]["log1p_bound"]

    def judge(begin: int) -> None:
        patterns = np.arange(begin, min(begin + CHUNK * every, INFINITY), every, dtype=np.uint32)
        w = patterns.view(np.float32).astype(np.float64)
        # Relative errors of 2^-52: a ten-thousandth of the bound.
        found = error(on_every_level(_core._log1p, w, "float32"), np.log1p(w), "float32")
        outcome.judge(
            "log1p", "float32", "every level", found, bound, lambda i: f"w = {float(w[i])!r}"
        )

    starts = range(0, INFINITY, CHUNK * every)
    with ThreadPoolExecutor(THREADS) as pool:
        for done, _ in enumerate(pool.map(judge, starts)):
            outcome.tick(done / len(starts))
