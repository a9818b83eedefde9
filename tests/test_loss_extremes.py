"""Losses and gradients where temperatures and class weights have any size that a double can have.

A weight, 1 / (T divisor) or one of two terms may then leave the type while the result does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from reference import EVERY_WIDTH

from softlane import cross_entropy_with_grad
from softlane._oracle import ulp


def draws(dtype: np.dtype, count: int) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """A row, moderate when it is divided by T if the type has such numbers, and its loss."""
    rng = np.random.default_rng(0)
    largest = float(np.finfo(dtype).max) / 20
    for _ in range(count):
        n = int(rng.integers(2, 6))
        temperature = 10.0 ** rng.uniform(-300, 300) if rng.random() < 0.7 else 1.0
        x = np.clip(rng.normal(0, 3, n) * temperature, -largest, largest).astype(dtype)
        label, probabilities = rng.integers(n), rng.dirichlet(np.ones(n)).astype(dtype)
        size, apart = rng.uniform(-20, 20) + rng.choice([-260, 0, 260]), rng.choice([0, 140])
        yield (
            x,
            label if rng.random() < 0.7 else probabilities,
            {
                "temperature": temperature,
                "weight": rng.choice([1, 1, 1, -1])
                * 10.0 ** np.clip(size + rng.uniform(-apart, apart, n), -280, 305),
                "label_smoothing": float(rng.choice([0, 0.1, 1])),
                "reduction": str(rng.choice(["mean", "sum"])),
            },
        )


def exact_results(
    x: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> tuple[arb, list[arb], list[arb]]:
    """The loss, its gradient, and the larger of the two terms that each element is made of."""
    n, label = len(x), targets.ndim == 0
    weight = [arb(float(w)) for w in options["weight"]]
    temperature, smoothing = arb(options["temperature"]), arb(options["label_smoothing"])
    q = [arb(bool(c == targets)) if label else arb(float(targets[c])) for c in range(n)]
    v = [w * ((1 - smoothing) * q_c + smoothing / n) for w, q_c in zip(weight, q, strict=True)]
    divisor = weight[targets] if label and options["reduction"] == "mean" else arb(1)
    far = [(arb(float(x.max())) - arb(float(x_c))) / temperature for x_c in x]
    e = [(-d).exp() for d in far]
    log = sum(e).log()
    loss = sum(v_c * (d + log) for v_c, d in zip(v, far, strict=True)) / divisor
    p = [sum(v) * e_c / sum(e) for e_c in e]
    by = temperature * divisor
    gradient = [(p_c - v_c) / by for p_c, v_c in zip(p, v, strict=True)]
    return loss, gradient, [abs(a / by).max(abs(b / by)) for a, b in zip(p, v, strict=True)]


def binade(value: arb) -> float:
    """The exponent of its size; -inf of 0."""
    mantissa, power = (int(part) for part in value.mid().man_exp())
    return power + mantissa.bit_length() - 1 if mantissa else -np.inf


def error_of(got: np.floating[Any], exact: arb, term: arb) -> float:
    """In ULP of the term; where that is beyond the type, 0 for what may be made of it."""
    info, size = np.finfo(got.dtype), binade(term)
    if size < info.maxexp - 1:
        unit = ulp(np.ldexp(1.0, int(max(size, -1074))), got.dtype)
        error = float(abs(arb(float(got)) - exact) / arb(float(unit)))
        return error if np.isfinite(got) else np.inf
    if binade(exact) >= max(info.maxexp, size - 20):
        return 0 if got == (np.inf if exact > 0 else -np.inf) else np.inf
    return np.inf if np.isnan(got) else 0


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@EVERY_WIDTH
def test_temperatures_and_weights_of_any_size(dtype, reduction, isa, monkeypatch) -> None:
    monkeypatch.setattr(ctx, "prec", 3000)
    finite = infinite = 0
    for x, targets, options in draws(dtype, 1000):
        if options["reduction"] != reduction:
            continue
        loss, gradient = cross_entropy_with_grad(x[None], targets[None], **options)
        exact_loss, exact_gradient, terms = exact_results(x, targets, options)
        assert error_of(loss, exact_loss, exact_loss) <= 3.5, (x, targets, options)
        for got, exact, term in zip(gradient[0], exact_gradient, terms, strict=True):
            assert error_of(got, exact, term) <= 3.5, (x, targets, options)
            infinite += bool(np.isinf(got))
            finite += bool(np.isfinite(got) and got != 0)
    assert finite > 200
    assert infinite > 50
