"""Gradients through softmax and log_softmax against the oracle, relative to their largest term."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from flint import arb, ctx
from helpers import EVERY_DTYPE, sample
from reference import EVERY_WIDTH, LN2, check_largest_terms, long_double, on_levels

import softlane
from softlane._oracle_losses import log_softmax_backward_reference, softmax_backward_reference

BACKWARD = pytest.mark.parametrize(
    "forward, backward, reference",
    [
        (softlane.softmax, "softmax_backward", softmax_backward_reference),
        (softlane.log_softmax, "log_softmax_backward", log_softmax_backward_reference),
    ],
    ids=["softmax_backward", "log_softmax_backward"],
)


def some_gradients(shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Gradients of a result: ordinary, of one sign, one-hot, of very different sizes."""
    yield rng.standard_normal(shape)
    yield rng.random(shape) + 0.5
    yield (np.arange(shape[-1]) == rng.integers(shape[-1], size=(shape[0], 1))).astype(float)
    yield rng.standard_normal(shape) * 10.0 ** rng.uniform(-4, 4, shape)


@BACKWARD
@EVERY_DTYPE
def test_backward(forward, backward, reference, dtype, record_property) -> None:
    """Relative to the largest term, for ordinary rows and sure ones."""
    rng = np.random.default_rng(32)
    largest = 0.0
    for n in (1, 2, 3, 7, 16, 33, 100, 1000):
        for spread in (0.1, 2, 20):
            y = forward((spread * rng.standard_normal((60, n))).astype(dtype))
            for grad in some_gradients(y.shape, rng):
                g = grad.astype(dtype)
                results = on_levels(lambda g=g, y=y: getattr(softlane, backward)(g, y))
                largest = max(largest, check_largest_terms(results, reference(g, y), (n, spread)))
    record_property("max ulp of the largest term", largest)


@BACKWARD
@EVERY_WIDTH
def test_backward_axes_and_temperature(forward, backward, reference, dtype) -> None:
    rng = np.random.default_rng(33)
    for axis in (0, 1, -1, (0, 2), None):
        rows = np.delete((6, 20, 9), axis) if axis is not None else ()
        for t in (0.3, 20.0, rng.uniform(0.1, 10, rows)):
            x = sample((6, 20, 9), np.dtype(dtype), 1)
            options = {"axis": axis, "temperature": t}
            y = forward(x, **options)
            g = rng.standard_normal(x.shape).astype(dtype)
            results = on_levels(lambda g=g, y=y, o=options: getattr(softlane, backward)(g, y, **o))
            check_largest_terms(results, reference(g, y, axis, t), options, bound=3.5)


def test_oracle_of_backward_agrees_with_arb() -> None:
    rng = np.random.default_rng(37)
    for n in (1, 2, 3, 10, 101):
        g = rng.standard_normal(n) * 10.0 ** rng.uniform(-8, 8, n)
        x = LN2 * rng.integers(-30, 1, n)
        p = softlane.softmax(x)
        log_p = np.log(p)
        with ctx.workprec(300):
            gs, ps = [arb(v) for v in g.tolist()], [arb(v) for v in p.tolist()]
            dot = sum((a * b for a, b in zip(gs, ps, strict=True)), arb(0))
            exact = long_double(b * (a - dot) / arb(0.7) for a, b in zip(gs, ps, strict=True))
            total = sum(gs, arb(0))
            logs = [arb(v) for v in log_p.tolist()]
            exact_log = long_double((a - b.exp() * total) for a, b in zip(gs, logs, strict=True))
        got = softmax_backward_reference(g, p, temperature=0.7)
        assert np.all(np.abs(got.value - exact) <= 2.0**-60 * got.largest)
        got = log_softmax_backward_reference(g, log_p)
        assert np.all(np.abs(got.value - exact_log) <= 2.0**-60 * got.largest)
