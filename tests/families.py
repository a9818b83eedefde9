"""Rows that are hard for an exponential, its sum or its logarithm, in families."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from reference import FACTS, LN2, exp_reference, on_levels

from softlane import _core

# Softmax is 0 this far below the maximum; numbers are subnormal this many binades below 1.
DEPTH = {"float16": 18.0, "bfloat16": 93.0, "float32": 104.0, "float64": 746.0}
SUBNORMAL = {"float16": 14, "bfloat16": 126, "float32": 126, "float64": 1022}
# The kernel's exponentials carry a constant factor; here exp(x) is 1 over it.
MANTISSA_ONE = {name: -np.log(facts["scale"]) for name, facts in FACTS.items()}


class Rows(NamedTuple):
    x: np.ndarray  # (rows, n)
    where: np.ndarray | None = None


def _normal(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    for spread in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100):
        yield Rows((rng.standard_normal((150, 1000)) * spread).astype(dtype))


def _short(dtype: np.dtype, rng: np.random.Generator, count: int = 12_000) -> Iterator[Rows]:
    for n in range(2, 17):
        for width in (1.0, 10.0, 0.9 * DEPTH[dtype.name]):
            centre = rng.uniform(-100, 100, (count, 1))
            yield Rows((centre + width * rng.random((count, n))).astype(dtype))


def _lengths(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    powers = [2**k + step for k in range(9, 21) for step in (-1, 0, 1)]
    for n in [*range(1, 301), *powers]:
        yield Rows((4 * rng.standard_normal((3 if n <= 300 else 1, n))).astype(dtype))


def _equal(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """All elements the same, and 1 to 8 ties above the others."""
    for n in (1, 2, 3, 5, 7, 16, 17, 100, 1000, 4095, 65537):
        yield Rows(np.broadcast_to(rng.uniform(-50, 50, (8, 1)).astype(dtype), (8, n)))
    for ties in range(1, 9):
        x = 2 - 6 * rng.random((400, 40))
        x[:, :ties] = 2.5
        yield Rows(rng.permuted(x, axis=1).astype(dtype))


def _one_hot(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    for height in (1e-3, 1.0, 5.0, 17.0, 20.0, 80.0, 88.0, 103.0, 700.0, 745.0, 1e4):
        yield Rows((height * np.eye(37) + rng.uniform(-20, 20)).astype(dtype))


def _ladders(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """Differences to the maximum that lie in one binade each, and in all of them."""
    for power in range(-30, 10):
        top = rng.uniform(-100, 100, (12, 1))
        yield Rows(np.hstack([top, top - 2.0**power * (1 + rng.random((12, 40)))]).astype(dtype))
    steps = 2.0 ** np.arange(-30, 10)
    steps = steps * (1 + rng.random((100, 40)))
    yield Rows((rng.uniform(-100, 100, (100, 1)) - steps).astype(dtype))


def _offsets(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """Logits far from 0; beyond a limit the kernel subtracts the maximum."""
    limit = FACTS[dtype.name]["limit"]
    for size in (1e3, 1e5, *(limit + np.array([-16, -1, 0, 1, 16])), 1e6, 1e7, 1e15, 1e30):
        for offset in (-size, size):
            yield Rows((offset + 4 * rng.standard_normal((20, 500))).astype(dtype))
            yield Rows((offset + 30 * rng.standard_normal((20, 50))).astype(dtype))


def _one_lane(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """2 to 8 dominant elements that all fall into one of the virtual lanes of the sum."""
    for dominant in range(2, 9):
        x = rng.uniform(-30, -20, (500, 16 * 9)) + rng.uniform(-60, 60, (500, 1))
        columns = rng.integers(16, size=(500, 1)) + 16 * np.arange(dominant)
        near = np.take_along_axis(x, columns, 1) + rng.uniform(22, 23, (500, dominant))
        np.put_along_axis(x, columns, near, 1)
        yield Rows(x.astype(dtype))


def _binade_edges(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """e_max and e have mantissas just above 1, y just below 2: an ULP of e counts double in y."""
    for n in (2, 3, 4, 8, 17):
        below = rng.integers(1, int(DEPTH[dtype.name] / LN2), (12_000, n))
        below[:, 0] = 0
        x = (rng.integers(-60, 60, (12_000, 1)) - below) * LN2 + 0.1 * rng.random((12_000, n))
        yield Rows((x + MANTISSA_ONE.get(dtype.name, MANTISSA_ONE["float32"])).astype(dtype))


def _lowest(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """Results in the lowest normal binades, and below."""
    smallest_normal = SUBNORMAL[dtype.name] * LN2
    for least, most in ((-3, 0), (0, DEPTH[dtype.name] - smallest_normal)):
        for n in (2, 3, 9):
            below = smallest_normal + rng.uniform(least, most, (12_000, n))
            below[:, 0] = 0
            yield Rows((rng.uniform(-20, 20, (12_000, 1)) - below).astype(dtype))


def _worst_exponentials(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """Pairs of the largest exp errors, of opposite sign in the sum and in the element."""
    lowest = SUBNORMAL[dtype.name]
    for shift in (0, 2, -7):
        tops = hard_arguments(dtype, shift, 30, rng)
        for below in (1, 2, 3, 5, 8, 13, 21, *range(lowest - 4, lowest + 1)):
            lows = hard_arguments(dtype, shift - below, 50, rng)
            for top, low in zip(tops, reversed(lows), strict=True):
                yield Rows(np.stack([np.repeat(top, len(low)), np.tile(low, len(top))], axis=1))


def hard_arguments(
    dtype: np.dtype, shift: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The arguments whose exp is most too small, and most too large: `count` from each level.

    They lie where the mantissa of the exponential is just above 1 and an ULP of it weighs most.
    """
    samples = 400_000 if dtype == np.float32 else 60_000
    x = shift * LN2 + MANTISSA_ONE[dtype.name] + 0.1 * rng.random(samples)
    x = np.unique(x.astype(dtype))
    exact = exp_reference(x, shift)
    small, large = [], []
    for e in on_levels(lambda: _core._exp(x, shift)).values():
        order = np.argsort((e - exact) / exact)
        small.append(x[order[:count]])
        large.append(x[order[-count:]])
    return np.unique(np.concatenate(small)), np.unique(np.concatenate(large))


def _infinite(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """A few finite elements among 100,000 that are -inf."""
    for finite in (1, 2, 3, 50):
        x = np.full((2, 100_000), -np.inf)
        x[:, rng.permutation(100_000)[:finite]] = 3 * rng.standard_normal((2, finite))
        yield Rows(x.astype(dtype))
    yield Rows(np.r_[0.0, np.full(100_000, -np.inf)].astype(dtype)[None])


def _masked(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """What is masked holds NaN, infinities and values above the rest."""
    for n in (3, 16, 40, 1000):
        x = 10 * rng.standard_normal((200, n))
        where = rng.random((200, n)) < rng.random((200, 1))
        x[~where] = rng.choice([np.nan, np.inf, -np.inf, 1e4, 0.0], (~where).sum())
        yield Rows(x.astype(dtype), where)


FAMILIES: dict[str, Callable[[np.dtype, np.random.Generator], Iterator[Rows]]] = {
    "normal": _normal,
    "short": _short,
    "lengths": _lengths,
    "equal": _equal,
    "one_hot": _one_hot,
    "ladders": _ladders,
    "offsets": _offsets,
    "one_lane": _one_lane,
    "binade_edges": _binade_edges,
    "lowest": _lowest,
    "worst_exponentials": _worst_exponentials,
    "infinite": _infinite,
    "masked": _masked,
}


def _margins(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
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


def _tiny_rest(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """One maximum above many equal elements, whose sum is what a probability lacks of 1."""
    for n in (17, 100, 4097, 65537):
        for below in rng.uniform(1, DEPTH[dtype.name], 12):
            x = np.full((2, n), -below)
            x[[0, 1], rng.integers(n, size=2)] = 0
            x[1] += rng.uniform(-30, 30)
            yield Rows(x.astype(dtype))


def _tied_maximum(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """2 to 16 maxima far above the rest, and among as many again that are almost as large."""
    for ties in (*range(2, 9), 16):
        x = -rng.uniform(0, DEPTH[dtype.name], (300, 1)) - rng.random((300, 2 * ties + 5))
        x[:, :ties] = 0
        x[::2, ties : 2 * ties] = -1e-3 * rng.random((150, ties))
        x += rng.choice([0, 1], (300, 1)) * rng.uniform(-30, 30, (300, 1))
        yield Rows(rng.permuted(x, axis=1).astype(dtype))


def _close_runner_up(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """A second element 1 to 2^12 ULP below the maximum."""
    for n in (2, 3, 17):
        top = (rng.choice([-1, 1], 3000) * 2.0 ** rng.uniform(-20, 6, 3000)).astype(dtype)
        spacing = np.abs(np.spacing(top)).astype(np.float64)
        x = np.repeat(top.astype(np.float64)[:, None], n, axis=1)
        x[:, 1] -= np.rint(2.0 ** rng.uniform(0, 12, 3000)) * spacing
        x[:, 2:] -= DEPTH[dtype.name] * rng.random((3000, n - 2))
        yield Rows(rng.permuted(x, axis=1).astype(dtype))


def _far_below(dtype: np.dtype, rng: np.random.Generator) -> Iterator[Rows]:
    """Differences to the maximum from the end of the exponential's domain to the largest number."""
    most = np.log2(65504.0 if dtype == np.float16 else 2.0**127)
    for n in (2, 3, 33):
        below = 2.0 ** rng.uniform(np.log2(DEPTH[dtype.name]), most, (1000, n))
        top = rng.choice([0.0, 1.0, -50.0, 1e3], (1000, 1))
        below[:, 0] = 0
        yield Rows(rng.permuted(top - below, axis=1).astype(dtype))


# Rows that are sure of their maximum, or not at all sure: what a logarithm near 1 is hard for.
CONFIDENT: dict[str, Callable[[np.dtype, np.random.Generator], Iterator[Rows]]] = {
    "margins": _margins,
    "tiny_rest": _tiny_rest,
    "tied_maximum": _tied_maximum,
    "close_runner_up": _close_runner_up,
    "far_below": _far_below,
}


def tempered(dtype: np.dtype, temperature: float, rng: np.random.Generator) -> np.ndarray:
    """Rows of 3 logits whose quotients by the temperature are ordinary; far from 0 as well."""
    facts = np.finfo(dtype)
    limit = FACTS[dtype.name]["limit"]
    near = [s * rng.standard_normal((2000, 3)) for s in (1, 40)]
    quotient = np.concatenate([c + d for c in (0, 1000, -limit, limit, 1e6) for d in near])
    with np.errstate(over="ignore"):
        return np.clip(quotient * temperature, facts.min, facts.max).astype(dtype)
