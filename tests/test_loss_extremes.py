"""Losses and gradients where temperatures and class weights have any size that a double can have.

A weight, 1 / (T divisor), a product of the two or one of two terms may then leave the type while
the result does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from flint import arb, ctx
from reference import EVERY_WIDTH, EXTREME

from softlane import cross_entropy, cross_entropy_with_grad

# Below this an exponential counts as 0, whatever it is multiplied by: in a sure row.
TAIL = {"float32": arb(2) ** -180, "float64": arb(2) ** -1000}


class Draw(NamedTuple):
    """A call; its rows are moderate when they are divided by T, if the type has such numbers."""

    x: np.ndarray
    targets: np.ndarray
    options: dict[str, Any]


def draws(dtype: np.dtype, count: int) -> Iterator[Draw]:
    rng = np.random.default_rng(0)
    largest = float(np.finfo(dtype).max) / 20
    for _ in range(count):
        rows, n = int(rng.integers(1, 4)), int(rng.choice([2, 3, 4, 5, 37]))
        sizes = [1.0, rng.choice(EXTREME), 10.0 ** rng.uniform(-300, 300)]
        temperature = float(rng.choice(sizes, p=[0.3, 0.1, 0.6]))
        with np.errstate(over="ignore"):
            x = rng.normal(0, rng.choice([3, 30]), (rows, n)) * temperature
            x = np.clip(x, -largest, largest).astype(dtype)
        labels, probabilities = rng.integers(n, size=rows), rng.dirichlet(np.ones(n), rows)
        labels[1:][rng.random(rows - 1) < 0.3] = -100
        size, apart = rng.uniform(-20, 20) + rng.choice([-250, 0, 250]), rng.choice([0, 10, 140])
        weight = 10.0 ** np.clip(size + rng.uniform(-apart, apart, n), -280, 300)
        yield Draw(
            x,
            labels if rng.random() < 0.7 else probabilities.astype(dtype),
            {
                "temperature": temperature,
                "weight": weight * rng.choice([1, 1, 1, -1]),
                "label_smoothing": float(rng.choice([0, 0.1, 1])),
                "reduction": str(rng.choice(["mean", "sum", "none"])),
            },
        )


def exact_row(
    x: np.ndarray, target: np.ndarray, weight: list[arb], options: dict[str, Any], divisor: arb
) -> tuple[arb, list[arb], list[arb], arb]:
    """Loss and gradient, the larger of the two terms that each element is made of, sum v_c."""
    n, label = len(x), target.ndim == 0
    temperature, smoothing = arb(options["temperature"]), arb(options["label_smoothing"])
    q = [arb(bool(c == target)) if label else arb(float(target[c])) for c in range(n)]
    v = [w * ((1 - smoothing) * q_c + smoothing / n) for w, q_c in zip(weight, q, strict=True)]
    far = [(arb(float(x.max())) - arb(float(x_c))) / temperature for x_c in x]
    e = [(-d).exp() for d in far]
    total = sum(e)
    loss = sum(v_c * (d + total.log()) for v_c, d in zip(v, far, strict=True))
    p = [sum(v) * e_c / total for e_c in e]
    by = temperature * divisor
    gradient = [(p_c - v_c) / by for p_c, v_c in zip(p, v, strict=True)]
    if label and smoothing == 0:
        return loss, gradient, gradient, sum(v)
    return loss, gradient, [(abs(a).max(abs(b))) / by for a, b in zip(p, v, strict=True)], sum(v)


def binade(value: arb) -> int:
    """The exponent of its size."""
    mantissa, power = (int(part) for part in value.mid().man_exp())
    return power + mantissa.bit_length() - 1 if mantissa else -5000


def is_right(got: np.floating[Any], exact: arb, term: arb, tail: arb) -> bool:
    """Within 3.5 ULP of the term, however large that is, and what a tail may lack."""
    info = np.finfo(got.dtype)
    allowed = arb(2) ** (max(binade(term), info.minexp) - info.nmant) * 3.5 + abs(tail)
    if np.isfinite(got):
        return bool(abs(arb(float(got)) - exact) <= allowed)
    most = arb(2) ** info.maxexp
    if got > 0:
        return bool(exact + allowed >= most)
    return bool(got < 0 and exact - allowed <= -most)  # NaN is neither


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@EVERY_WIDTH
def test_temperatures_and_weights_of_any_size(dtype, reduction, isa, monkeypatch) -> None:
    monkeypatch.setattr(ctx, "prec", 3000)
    finite = infinite = 0
    for x, targets, options in draws(dtype, 900):
        if options["reduction"] != reduction:
            continue
        loss, gradient = cross_entropy_with_grad(x, targets, **options)
        alone = np.asarray(cross_entropy(x, targets, **options))
        assert alone.tobytes() == np.asarray(loss).tobytes(), (x, targets, options)
        weight = [arb(float(w)) for w in options["weight"]]
        kept = [row for row in range(len(x)) if targets.ndim == 2 or targets[row] >= 0]
        divisor = arb(1)
        if reduction == "mean":
            divisor = arb(len(x)) if targets.ndim == 2 else sum(weight[targets[r]] for r in kept)
        of_rows = []
        for row in kept:
            exact, *elements, v = exact_row(x[row], targets[row], weight, options, divisor)
            tail = v * TAIL[dtype.__name__]
            of_rows.append((row, exact, tail))
            tail /= arb(options["temperature"]) * divisor
            for got, value, term in zip(gradient[row], *elements, strict=True):
                assert is_right(got, value, term, tail), (x, targets, options)
                infinite += bool(np.isinf(got))
                finite += bool(np.isfinite(got) and got != 0)
        if reduction == "none":
            for row, exact, tail in of_rows:
                assert is_right(loss[row], exact, exact, tail), (x, targets, options)
        else:
            exact, tail = (sum(part) / divisor for part in list(zip(*of_rows, strict=True))[1:])
            assert is_right(loss, exact, exact, tail), (x, targets, options)
    assert finite > 200
    assert infinite > 50


def test_a_product_of_temperature_and_divisor_below_all_doubles(isa) -> None:
    """The gradient of a class that is far below, but not as far as the label's weight."""
    temperature, weight = 2.0**-150, 2.0**-1000
    x = np.array([[0, -624 * temperature]])
    gradient = cross_entropy_with_grad(
        x, [1], weight=[1, weight], temperature=temperature, label_smoothing=0.5
    )[1]
    want = arb(0.25) * (-arb(624)).exp() / arb(2) ** -1150
    assert abs(arb(float(gradient[0, 1])) / want - 1) < 1e-15
    assert not np.isnan(gradient[0, 0])  # of two terms beyond the doubles that cancel
