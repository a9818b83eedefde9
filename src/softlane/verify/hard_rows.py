"""Rows that are hard for an exponential, its sum or its logarithm, in families."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from softlane.verify.exponential import FACTS, LN2
from softlane.verify.levels import Array, DType

# Softmax is 0 this far below the maximum; numbers are subnormal this many binades below 1.
DEPTH = {"float16": 18.0, "bfloat16": 93.0, "float32": 104.0, "float64": 746.0}
SUBNORMAL = {"float16": 14, "bfloat16": 126, "float32": 126, "float64": 1022}
# The kernel's exponentials carry a constant factor; here exp(x) is 1 over it.
MANTISSA_ONE = {name: -np.log(facts["scale"]) for name, facts in FACTS.items()}
TEMPERATURES = [0.7, 1 / 3, 0.05, 1.5, 3.0, 100.0, 1e-3, 1e4, 1e-10, 1e10, 1e-30, 1e30]


class Rows(NamedTuple):
    x: Array  # (rows, n)
    where: Array | None = None


def _normal(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    for spread in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100):
        yield Rows((rng.standard_normal((150, 1000)) * spread).astype(dtype))


def _short(dtype: DType, rng: np.random.Generator, count: int = 12_000) -> Iterator[Rows]:
    for n in range(2, 17):
        for width in (1.0, 10.0, 0.9 * DEPTH[dtype.name]):
            centre = rng.uniform(-100, 100, (count, 1))
            yield Rows((centre + width * rng.random((count, n))).astype(dtype))


def _lengths(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    powers = [2**k + step for k in range(9, 21) for step in (-1, 0, 1)]
    for n in [*range(1, 301), *powers]:
        yield Rows((4 * rng.standard_normal((3 if n <= 300 else 1, n))).astype(dtype))


def _offsets(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    """Logits far from 0; beyond a limit the kernel subtracts the maximum."""
    limit = FACTS[dtype.name]["limit"]
    for size in (1e3, 1e5, *(limit + np.array([-16, -1, 0, 1, 16])), 1e6, 1e7, 1e15, 1e30):
        for offset in (-size, size):
            yield Rows((offset + 4 * rng.standard_normal((20, 500))).astype(dtype))
            yield Rows((offset + 30 * rng.standard_normal((20, 50))).astype(dtype))


def _one_lane(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    """2 to 8 dominant elements that all fall into one of the virtual lanes of the sum."""
    for dominant in range(2, 9):
        x = rng.uniform(-30, -20, (500, 16 * 9)) + rng.uniform(-60, 60, (500, 1))
        columns = rng.integers(16, size=(500, 1)) + 16 * np.arange(dominant)
        near = np.take_along_axis(x, columns, 1) + rng.uniform(22, 23, (500, dominant))
        np.put_along_axis(x, columns, near, 1)
        yield Rows(x.astype(dtype))


def _binade_edges(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    """e_max and e have mantissas just above 1, y just below 2: an ULP of e counts double in y."""
    for n in (2, 3, 4, 8, 17):
        below = rng.integers(1, int(DEPTH[dtype.name] / LN2), (12_000, n))
        below[:, 0] = 0
        x = (rng.integers(-60, 60, (12_000, 1)) - below) * LN2 + 0.1 * rng.random((12_000, n))
        yield Rows((x + MANTISSA_ONE.get(dtype.name, MANTISSA_ONE["float32"])).astype(dtype))


def _lowest(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    """Results in the lowest normal binades, and below."""
    smallest_normal = SUBNORMAL[dtype.name] * LN2
    for least, most in ((-3, 0), (0, DEPTH[dtype.name] - smallest_normal)):
        for n in (2, 3, 9):
            below = smallest_normal + rng.uniform(least, most, (12_000, n))
            below[:, 0] = 0
            yield Rows((rng.uniform(-20, 20, (12_000, 1)) - below).astype(dtype))


def _margins(dtype: DType, rng: np.random.Generator) -> Iterator[Rows]:
    """Every margin from the maximum to all the others, until the loss of the maximum is 0."""
    for n in (*range(2, 17), 1000):
        count = 2000 if n <= 16 else 150
        below = (DEPTH[dtype.name] * 1.02 + 4) * rng.random((count, 1)) ** rng.choice(
            [1, 3], count
        )[:, None]
        x = -below - rng.exponential(rng.choice([0.01, 3], (count, 1)), (count, n))
        x[:, 0] = 0
        x += rng.choice([0, 1], (count, 1)) * rng.uniform(-30, 30, (count, 1))
        yield Rows(rng.permuted(x, axis=1).astype(dtype))


FAMILIES: dict[str, Callable[[DType, np.random.Generator], Iterator[Rows]]] = {
    "normal": _normal,
    "short": _short,
    "lengths": _lengths,
    "offsets": _offsets,
    "one_lane": _one_lane,
    "binade_edges": _binade_edges,
    "lowest": _lowest,
    "margins": _margins,
}
FULL_PRECISION = {"offsets"}  # families made of digits that 16-bit numbers do not have


def tempered(dtype: DType, temperature: float, rng: np.random.Generator) -> Array:
    """Rows of 3 logits whose quotients by the temperature are ordinary; far from 0 as well."""
    facts = np.finfo(dtype)
    limit = FACTS[dtype.name]["limit"]
    near = [s * rng.standard_normal((2000, 3)) for s in (1, 40)]
    quotient = np.concatenate([c + d for c in (0, 1000, -limit, limit, 1e6) for d in near])
    with np.errstate(over="ignore"):
        return np.clip(quotient * temperature, facts.min, facts.max).astype(dtype)
