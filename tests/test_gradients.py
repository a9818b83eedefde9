"""Gradients against the oracle: the ULPs promised, of each element or of its largest term."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from families import CONFIDENT, FAMILIES, tempered
from flint import arb, ctx
from helpers import DTYPES, EVERY_DTYPE, promised_ulp, sample
from reference import (
    EVERY_WIDTH,
    TEMPERATURES,
    check_largest_terms,
    climb,
    errors_by_level,
    long_double,
    on_levels,
    worst_row,
)

import softlane
from softlane._oracle import ulp, ulp_error, wide_float
from softlane._oracle_losses import (
    cross_entropy_reference,
)

# Lengths and infinities are a matter of the sums, which test_log_rows.py judges.
SOME_FAMILIES = CONFIDENT | {
    name: FAMILIES[name]
    for name in ("normal", "one_hot", "ladders", "one_lane", "binade_edges", "lowest", "equal")
}
FULL_PRECISION = {"binade_edges"}


def with_grad(x: np.ndarray, targets: Any, **options: Any) -> np.ndarray:
    options = {"reduction": "none"} | options
    return softlane.cross_entropy_with_grad(x, targets, **options)[1]


def some_targets(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The class of the row's maximum in half of the rows, any class in the others."""
    any_class = rng.integers(x.shape[1], size=len(x))
    return np.where(rng.random(len(x)) < 0.5, np.argmax(x, axis=1), any_class)


def rows_of(family: str, dtype: np.dtype) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows of a family with targets, at most 2,000 of a kind."""
    rng = np.random.default_rng(list(family.encode()))
    for x, _ in SOME_FAMILIES[family](dtype, rng):
        x = x[:: -(-len(x) // 2000)]
        yield x, some_targets(x, rng)


def random_options(classes: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Every combination of weights, smoothing and z-loss but none of them."""
    weights = (None, np.exp(rng.standard_normal(classes)))
    for weight, smoothing, z in itertools.product(weights, (0.0, 0.1, 1.0), (0.0, 1e-4, 0.01)):
        if weight is not None or smoothing or z:
            yield {"weight": weight, "label_smoothing": smoothing, "z_loss": z}


# Integer targets without smoothing and z-loss: relative to each element


@EVERY_DTYPE
@pytest.mark.parametrize("family", SOME_FAMILIES)
def test_integer_targets(family, dtype, record_property) -> None:
    """Each element, that of the target in sure rows and subnormal ones too, on every level."""
    if dtype.itemsize == 2 and family in FULL_PRECISION:
        pytest.skip("the family is made of digits that 16-bit numbers do not have")
    largest, row = 0.0, ""
    for x, targets in rows_of(family, dtype):
        exact = cross_entropy_reference(x, targets).gradient.value
        results = on_levels(lambda x=x, t=targets: with_grad(x, t))
        for name, error in errors_by_level(results, exact).items():
            if error.max() > largest:
                largest, row = error.max(), f"{name}: {worst_row(x, error)}"
    record_property("worst", row)
    assert largest <= promised_ulp(dtype), row


@EVERY_WIDTH
@pytest.mark.parametrize("family", ["normal", "equal", "one_hot", "margins", "tiny_rest"])
def test_row_of_integer_targets_sums_to_0(family, dtype, isa, record_property) -> None:
    """Within 2 ULP of its largest element for each 1,000 classes.

    What the rounding of subnormal elements costs is not counted: half the smallest number each.
    """
    wide = wide_float()
    tiny = wide(np.finfo(dtype).smallest_subnormal)
    largest = 0.0
    for x, targets in rows_of(family, np.dtype(dtype)):
        dx = with_grad(x, targets).astype(wide)
        size = np.abs(dx)
        subnormal = np.count_nonzero(size < np.finfo(dtype).smallest_normal, axis=1)
        total = np.abs(np.sum(dx, axis=1)) - subnormal * tiny / 2
        per_thousand = max(1, x.shape[1] / 1000)
        largest = max(largest, np.max(total / ulp(size.max(axis=1), dtype)) / per_thousand)
    record_property("largest sum in ULP for each 1,000 classes", float(largest))
    assert largest <= 2


@EVERY_WIDTH
@pytest.mark.parametrize(
    "steps", [40, pytest.param(3000, marks=pytest.mark.exhaustive)], ids=["short", "long"]
)
def test_no_worse_row_is_found_by_climbing(steps, dtype, isa, record_property) -> None:
    """From the 1,000 worst pairs and triples of three families, 1,000 * (steps + 1) rows each."""

    def error(x: np.ndarray) -> np.ndarray:
        targets = np.arange(len(x)) % x.shape[1]
        exact = cross_entropy_reference(x, targets).gradient.value
        return ulp_error(with_grad(x, targets), exact).max(axis=1)

    rng = np.random.default_rng(25)
    found = {}
    for family, n in (("margins", 2), ("lowest", 2), ("binade_edges", 3)):
        x = np.concatenate([x for x, _ in rows_of(family, np.dtype(dtype)) if x.shape[1] == n])
        x, worst = climb(error, x[np.argsort(error(x))[-1000:]], steps, rng)
        found[f"{family}: {worst_row(x, worst[:, None])}"] = worst.max()
    record_property("worst rows", found)
    assert max(found.values()) <= promised_ulp(np.dtype(dtype)), found


@EVERY_WIDTH
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_integer_targets_with_temperature(temperature, dtype, record_property) -> None:
    """Probabilities that the dtype rounds to 0 are 0, even where 1 / T would enlarge them."""
    rng = np.random.default_rng(26)
    x = tempered(np.dtype(dtype), temperature, rng)
    targets = some_targets(x, rng)
    largest, row = 0.0, ""
    for t in (temperature, temperature * rng.uniform(0.5, 1, len(x))):
        exact = cross_entropy_reference(x, targets, temperature=t).gradient.value
        results = on_levels(lambda t=t: with_grad(x, targets, temperature=t))
        nothing = (
            np.longdouble(np.finfo(dtype).smallest_subnormal)
            / 2
            / np.reshape(np.asarray(t), (-1, 1))
        )

        def measure(result: np.ndarray, exact: np.ndarray, nothing=nothing) -> np.ndarray:
            vanished = (result == 0) & (np.abs(exact) <= nothing)
            return np.where(vanished, 0.0, ulp_error(result, exact))

        for name, error in errors_by_level(results, exact, measure).items():
            if error.max() > largest:
                largest, row = error.max(), f"{name}: {worst_row(x, error)}"
    record_property("worst", row)
    assert largest <= 3.5, row


@EVERY_WIDTH
def test_integer_targets_with_weights_and_mean(dtype) -> None:
    """Class weights and the mean's divisor are factors: each element keeps its relative error."""
    rng = np.random.default_rng(27)
    for n in (2, 10, 1000):
        x = (6 * rng.standard_normal((400, n))).astype(dtype)
        targets = some_targets(x, rng)
        targets[::7] = -100
        kept = targets[targets != -100]
        weight = np.exp(2 * rng.standard_normal(n))
        for w in (None, weight, weight.astype(np.float32)):
            exact = cross_entropy_reference(x, targets, weight=w).gradient.value
            count = len(kept) if w is None else np.sum(w[kept].astype(wide_float()))
            for reduction, divisor in (("none", 1), ("sum", 1), ("mean", count)):
                options = {"weight": w, "reduction": reduction}
                results = on_levels(lambda o=options, x=x, t=targets: with_grad(x, t, **o))
                errors = errors_by_level(results, exact / exact.dtype.type(divisor))
                assert max(error.max() for error in errors.values()) <= 3, (n, options)


@EVERY_DTYPE
def test_minus_infinity_has_no_gradient(dtype, isa) -> None:
    """Exactly 0, also where class weights would enlarge what is almost 0, or T does."""
    rng = np.random.default_rng(28)
    for n in (2, 3, 17, 100):
        x = (3 * rng.standard_normal((50, n))).astype(dtype)
        gone = rng.random(x.shape) < 0.5
        gone[:, 0] = False
        x[gone] = -np.inf
        for options in ({}, {"weight": np.full(n, 1e30)}, {"temperature": 1e-3}):
            dx = with_grad(x, np.zeros(50, int), **options)
            assert np.all(dx[gone] == 0)
            assert np.all(np.isfinite(dx)) or dtype.itemsize == 2
        certain = np.full((1, n), -np.inf, dtype)
        certain[0, -1] = 5
        assert np.all(with_grad(certain, [n - 1]) == 0)


@pytest.mark.parametrize("dtype", [DTYPES["float16"], DTYPES["bfloat16"]], ids=str)
def test_gradient_of_16_bit_logits_in_float32(dtype, isa) -> None:
    """`out` of float32 gets the float32 gradient, which the narrower result is one rounding of."""
    for family in ("margins", "normal"):
        for x, targets in rows_of(family, dtype):
            exact = cross_entropy_reference(x, targets).gradient.value
            wide = with_grad(x, targets, out=np.empty(x.shape, np.float32))
            assert wide.dtype == np.float32 and ulp_error(wide, exact).max() <= 3
            np.testing.assert_array_equal(wide.astype(dtype), with_grad(x, targets))


# Sums that cancel: relative to their largest term


def check_options(
    x: np.ndarray, targets: np.ndarray, options: dict[str, Any]
) -> tuple[float, float]:
    """The largest errors of gradient and loss; but for a z-loss, losses keep their digits."""
    exact = cross_entropy_reference(x, targets, **options)
    options = {"reduction": "none"} | options
    both = on_levels(lambda: softlane.cross_entropy_with_grad(x, targets, **options))
    gradient = check_largest_terms(
        {name: dx for name, (_, dx) in both.items()},
        exact.gradient,
        options,
    )
    if options["z_loss"]:
        return gradient, 0.0
    errors = errors_by_level({name: loss for name, (loss, _) in both.items()}, exact.loss)
    for name, error in errors.items():
        assert error.max() <= 3, f"{name}, {options}, {worst_row(x, error[:, None])}"
    return gradient, max(error.max() for error in errors.values())


@EVERY_DTYPE
@pytest.mark.parametrize("probabilities", [False, True], ids=["integers", "probabilities"])
def test_every_option(probabilities, dtype, record_property) -> None:
    """Smoothing, weights, z-loss: loss relative to itself, gradient to the largest term."""
    rng = np.random.default_rng(29)
    found = [(0.0, 0.0)]
    for n in (2, 5, 33, 1000):
        spread = np.repeat([[0.1], [1], [5], [20]], 20, axis=0)
        x = (spread * rng.standard_normal((80, n))).astype(dtype)
        for options in random_options(n, rng):
            if probabilities:
                targets = rng.dirichlet(np.full(n, 0.3), len(x)).astype(dtype)
            else:
                targets = some_targets(x, rng)
            found.append(check_options(x, targets, options))
    record_property("max ulp of gradient and loss", np.max(found, axis=0).tolist())


@EVERY_WIDTH
@pytest.mark.parametrize("family", ["margins", "tied_maximum", "close_runner_up", "far_below"])
def test_every_option_in_sure_rows(family, dtype, record_property) -> None:
    """Losses and gradients that are next to nothing, or consist of the smoothing alone."""
    rng = np.random.default_rng(30)
    found = [(0.0, 0.0)]
    for x, targets in rows_of(family, np.dtype(dtype)):
        x, targets = x[:50], targets[:50]
        sure = np.zeros(x.shape, dtype)
        np.put_along_axis(sure, targets[:, None], 1, axis=1)
        for options in random_options(x.shape[1], rng):
            found.extend(check_options(x, t, options) for t in (targets, sure))
    record_property("max ulp of gradient and loss", np.max(found, axis=0).tolist())


@EVERY_WIDTH
def test_every_option_with_temperature(dtype) -> None:
    rng = np.random.default_rng(31)
    for t in (0.05, 0.7, 3.0):
        x = (5 * t * rng.standard_normal((200, 40))).astype(dtype)
        for temperature in (t, t * rng.uniform(0.5, 1, len(x))):
            for options in random_options(40, rng):
                options |= {"temperature": temperature}
                targets = some_targets(x, rng)
                results = on_levels(lambda o=options, t=targets, x=x: with_grad(x, t, **o))
                exact = cross_entropy_reference(x, targets, **options).gradient
                check_largest_terms(results, exact, options, bound=3.5)


# The gradient is that of the loss


def every_call(rng: np.random.Generator, classes: int) -> Iterator[dict[str, Any]]:
    rows = 6
    integers = rng.integers(classes, size=rows)
    integers[2] = -100
    probabilities = rng.dirichlet(np.ones(classes), rows)
    options = [{}, *random_options(classes, rng)]
    for targets, o, t, reduction in itertools.product(
        (integers, probabilities), options, (1.0, 0.7), ("none", "mean", "sum")
    ):
        yield {"targets": targets, "temperature": t, "reduction": reduction, **o}


def call(function: Callable[..., Any], x: np.ndarray, arguments: dict[str, Any]) -> Any:
    options = dict(arguments)
    return function(x, options.pop("targets"), **options)


def test_finite_differences(isa) -> None:
    """Of every element of a row, by the loss of float64 logits moved both ways."""
    rng = np.random.default_rng(34)
    x = 2 * rng.standard_normal((6, 5))
    step = 2.0**-17
    moved = step * np.eye(5)[:, None, :]  # the class that moves, the row, the class
    for arguments in every_call(rng, 5):
        dx = call(softlane.cross_entropy_with_grad, x, arguments)[1]
        slopes = np.empty((5, 6))
        for j in range(5):
            if arguments["reduction"] == "none":
                up, down = (
                    call(softlane.cross_entropy, x + s * moved[j], arguments) for s in (1, -1)
                )
                slopes[j] = (up - down) / (2 * step)
                continue
            for i in range(6):
                up, down = (
                    call(
                        softlane.cross_entropy, x + s * moved[j] * np.eye(6)[i][:, None], arguments
                    )
                    for s in (1, -1)
                )
                slopes[j, i] = (up - down) / (2 * step)
        np.testing.assert_allclose(dx, slopes.T, rtol=0, atol=2e-9, err_msg=str(arguments))


@EVERY_DTYPE
def test_loss_with_gradient_is_the_loss(dtype, isa) -> None:
    """The same bits, whatever the options."""
    rng = np.random.default_rng(35)
    for classes in (5, 300):
        x = sample((6, classes), dtype, 3)
        x[4, 1] = -np.inf
        for arguments in every_call(rng, classes):
            loss = np.asarray(call(softlane.cross_entropy, x, arguments))
            fused = np.asarray(call(softlane.cross_entropy_with_grad, x, arguments)[0])
            assert loss.dtype == fused.dtype and loss.tobytes() == fused.tobytes(), arguments


# The oracle


def arb_gradient(x: np.ndarray, wq: np.ndarray, temperature: float, z_loss: float) -> list[arb]:
    """The gradient of one row's loss, targets with weights given as `wq`, by Arb."""
    t = arb(temperature)
    e = [(arb(v) / t).exp() for v in x.tolist()]
    total = sum(e, arb(0))
    factor = sum((arb(v) for v in wq.tolist()), arb(0)) + 2 * arb(z_loss) * total.log()
    return [(v / total * factor - arb(w)) / t for v, w in zip(e, wq.tolist(), strict=True)]


def test_oracle_agrees_with_arb() -> None:
    rng = np.random.default_rng(36)
    rows = [np.r_[0.0, -margin, -margin - 1] for margin in rng.uniform(0, 770, 100)]
    rows += [rng.uniform(-800, 0, 5) for _ in range(100)]
    rows += [4 * rng.standard_normal(50) for _ in range(10)]
    for x in rows:
        n = len(x)
        weight = np.exp(rng.standard_normal(n))
        for target, t in ((np.argmax(x), 1.0), (rng.integers(n), 0.7)):
            wq = np.where(np.arange(n) == target, weight, 0)
            with ctx.workprec(2500):
                exact = long_double(arb_gradient(x, wq, t, 0.0))
            options = {"weight": weight, "temperature": t}
            got = cross_entropy_reference(x[None], [target], **options).gradient
            np.testing.assert_allclose(got.value[0], exact, rtol=2.0**-60, atol=0)
            largest = np.maximum(np.abs(wq) / t, np.abs(got.value[0]))
            np.testing.assert_allclose(got.largest[0], largest, rtol=1e-6)
        q = rng.dirichlet(np.ones(n))
        q = (q * 2**20).round() / 2**20  # products with the weights below are exact
        weight = weight.astype(np.float32).astype(np.float64)
        with ctx.workprec(2500):
            exact = long_double(arb_gradient(x, weight * q, 0.7, 0.01))
        got = cross_entropy_reference(
            x[None], q[None], weight=weight, temperature=0.7, z_loss=0.01
        ).gradient
        assert np.all(np.abs(got.value[0] - exact) <= 2.0**-58 * got.largest[0])
