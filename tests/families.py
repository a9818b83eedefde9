"""Rows that are hard for an exponential, its sum or its logarithm, in families: more of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from reference import exp_reference, on_levels

from softlane import _core
from softlane.verify import hard_rows
from softlane.verify.exponential import LN2
from softlane.verify.hard_rows import (  # noqa: F401 (for the tests)
    DEPTH,
    MANTISSA_ONE,
    SUBNORMAL,
    Rows,
    tempered,
)


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
    **{name: family for name, family in hard_rows.FAMILIES.items() if name != "margins"},
    "equal": _equal,
    "one_hot": _one_hot,
    "ladders": _ladders,
    "worst_exponentials": _worst_exponentials,
    "infinite": _infinite,
    "masked": _masked,
}


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
    "margins": hard_rows.FAMILIES["margins"],
    "tiny_rest": _tiny_rest,
    "tied_maximum": _tied_maximum,
    "close_runner_up": _close_runner_up,
    "far_below": _far_below,
}
