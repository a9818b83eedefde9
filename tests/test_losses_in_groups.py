"""Losses and gradients of many rows, with every option, have the bits of each row alone.

One row goes to the row engine; of many the scalars are computed for a register of rows at a time
(cpp/rows/scored_rows.hpp, cpp/rows/gradient_panel.hpp), but for those that need more.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import bits

from softlane import cross_entropy, cross_entropy_with_grad, softmax

# Turned, in groups, around whole vectors and turns of the loop, and beyond a group's length.
LENGTHS = (1, 2, 3, 5, 10, 16, 17, 31, 32, 33, 64, 100, 257, 513, 1025)
ROWS = 45  # groups of 16, 8 and 4, panels of 32 and 16, and some that are left
EVERY_FLOAT = pytest.mark.parametrize("dtype", [np.float32, np.float64])
KINDS = ("plain", "weight", "smoothing", "both", "probabilities", "every", "z_loss")
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def options_of(kind: str, n: int, dtype: type, rng: np.random.Generator) -> dict[str, object]:
    options: dict[str, object] = {}
    if kind in ("weight", "both", "every"):
        options["weight"] = (rng.random(n) + 0.1).astype(dtype)
    if kind in ("smoothing", "both", "every"):
        options["label_smoothing"] = 0.1
    if kind == "z_loss":
        options["z_loss"] = 1e-3
    return options


def targets_of(kind: str, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels, a third of them at the largest element; or probabilities, some rows one-hot."""
    if kind in ("probabilities", "every"):
        q = softmax(3 * rng.standard_normal(x.shape)).astype(x.dtype)
        q[::7] = np.eye(x.shape[1])[rng.integers(x.shape[1], size=len(q[::7]))]
        return q
    labels = rng.integers(x.shape[1], size=len(x))
    labels[::3] = np.argmax(np.where(np.isnan(x), -np.inf, x), axis=1)[::3]
    return labels


def check(x: np.ndarray, targets: np.ndarray, **options: object) -> None:
    """Losses one by one, and their sum with its gradient: of all rows, and of each alone."""
    loss = cross_entropy(x, targets, reduction="none", **options)
    gradient = cross_entropy_with_grad(x, targets, reduction="sum", **options)[1]
    fused = cross_entropy_with_grad(x, targets, reduction="none", **options)
    in_place = x.copy()
    cross_entropy_with_grad(in_place, targets, reduction="sum", out=in_place, **options)
    assert bits(in_place) == bits(gradient)
    for row in range(len(x)):
        one, of = x[row : row + 1], targets[row : row + 1]
        alone = cross_entropy_with_grad(one, of, reduction="sum", **options)[1]
        assert bits(gradient[row]) == bits(alone[0])
        alone = cross_entropy_with_grad(one, of, reduction="none", **options)
        assert bits(fused[0][row]) == bits(alone[0][0])
        assert bits(fused[1][row]) == bits(alone[1][0])
        assert bits(loss[row]) == bits(cross_entropy(one, of, reduction="none", **options)[0])


@EVERY_FLOAT
@EVERY_KIND
def test_ordinary_rows(kind, dtype, isa) -> None:
    rng = np.random.default_rng(7)
    for n, scale in itertools.product(LENGTHS, (0.3, 4)):
        x = (scale * rng.standard_normal((ROWS, n))).astype(dtype)
        check(x, targets_of(kind, x, rng), **options_of(kind, n, dtype, rng))


@EVERY_FLOAT
@EVERY_KIND
def test_a_row_of_another_kind_among_them(kind, dtype, isa) -> None:
    """Whatever one row of a group needs, it and its neighbours have their own bits."""
    rng = np.random.default_rng(8)
    for n, other in itertools.product((2, 10, 40), range(9)):
        x = rng.standard_normal((ROWS, n)).astype(dtype)
        row, column = rng.integers(ROWS), rng.integers(n)
        if other < 3:
            x[row, column] = (np.inf, -np.inf, np.nan)[other]
        elif other == 3:
            x[row] = -np.inf
        elif other == 4:
            x[row] *= 1e-40
        elif other == 5:
            x[row] += 1e5  # far from 0
        else:  # one element above the others, from confident to alone
            x[row, column] += (20, 120, 500)[other - 6]
        check(x, targets_of(kind, x, rng), **options_of(kind, n, dtype, rng))


@EVERY_FLOAT
@EVERY_KIND
def test_confident_rows(kind, dtype, isa) -> None:
    """One element above the others, so that the rest needs a pass or a factor of its own."""
    rng = np.random.default_rng(12)
    gaps = (2.9, 3.1, 20, 22, 60, 149, 151, 390, 450, 790)
    for n, gap in [*itertools.product((2, 3, 40), gaps), (700, 3.1), (700, 60)]:
        x = (0.1 * rng.standard_normal((ROWS, n))).astype(dtype)
        top = rng.integers(n, size=ROWS)
        x[np.arange(ROWS), top] += np.where(np.arange(ROWS) % 5 == 4, 0, gap)
        options = options_of(kind, n, dtype, rng)
        if kind in ("probabilities", "every"):
            check(x, targets_of(kind, x, rng), **options)
            check(x, np.eye(n, dtype=dtype)[top], **options)
            continue
        for size in (1, 1e10) if "weight" in options else (1,):
            if "weight" in options:  # one class whose gradient is a probability alone
                options["weight"] = options["weight"] * dtype(size)
                options["weight"][1] = 0
            check(x, targets_of(kind, x, rng), **options)
            check(x, top, **options)


@EVERY_FLOAT
@pytest.mark.parametrize("kind", ["plain", "weight", "smoothing", "both", "z_loss"])
def test_ignored_rows_among_them(kind, dtype, isa) -> None:
    rng = np.random.default_rng(9)
    for n in (2, 10, 40, 200):
        x = rng.standard_normal((ROWS, n)).astype(dtype)
        x[3] = np.nan
        labels = targets_of(kind, x, rng)
        labels[[3, 5, 20]] = -100
        options = options_of(kind, n, dtype, rng)
        check(x, labels, **options)
        loss, gradient = cross_entropy_with_grad(x, labels, reduction="none", **options)
        assert not np.any(loss[[3, 5, 20]]) and not np.any(gradient[[3, 5, 20]])


@EVERY_FLOAT
@EVERY_KIND
def test_weights_and_divisors_of_any_size(kind, dtype, isa) -> None:
    """From where a group's arithmetic serves to where a row needs exponents of its own."""
    rng = np.random.default_rng(10)
    for n, size in itertools.product((3, 40), (1e-30, 1e-20, 1e-4, 1e8, 1e20, 1e30)):
        x = (5 * rng.standard_normal((ROWS, n))).astype(dtype)
        options = options_of(kind, n, dtype, rng)
        targets = targets_of(kind, x, rng)
        if "weight" in options:
            options["weight"] = options["weight"] * dtype(size)
        elif targets.ndim == 2:
            targets = targets * dtype(size)
        check(x, targets, **options)
        if "weight" in options:
            options["weight"][0] = 0
            check(x, targets, **options)


@EVERY_FLOAT
def test_numbers_that_need_exponents_of_their_own(dtype, isa) -> None:
    """Weights, probabilities and smoothing near the ends of the doubles, and of neither sign."""
    rng = np.random.default_rng(11)
    most = float(np.finfo(dtype).max)
    for n in (2, 10, 20):
        x = rng.standard_normal((ROWS, n)).astype(dtype)
        top = rng.integers(n, size=ROWS)
        for gap, size, smoothing in itertools.product(
            (0, 40, 190, 450), (-0.0, 2e38, 1e-40, 1e300, 2.0**896, 1e-300), (0, 1e-8, 0.1, 1)
        ):
            apart = x.copy()
            apart[np.arange(ROWS), top] += gap
            weight = np.full(n, min(size, most), dtype)
            weight[: n // 2] *= dtype(rng.random())
            check(apart, top, weight=weight, label_smoothing=smoothing)
        for gap, size in itertools.product((0, 40, 190), (1.3e-230, 1e-30, 1e30, 1e295)):
            apart = x.copy()
            apart[np.arange(ROWS), top] += gap
            check(apart, (np.eye(n)[top] * min(size, most)).astype(dtype))
        even = np.zeros_like(x)
        check(even, top, weight=rng.random(n) * 1e300, label_smoothing=0.1)
