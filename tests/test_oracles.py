"""Two witnesses: plain.py, the definitions, and softlane._oracle, the rows to their last digits.

They share no code but the rounding of a result; where a row is not hard they must agree.
"""

from __future__ import annotations

import numpy as np
import plain
import pytest

from softlane import _oracle, _oracle_losses

RNG = np.random.default_rng(41)
X = 4 * RNG.standard_normal((6, 7))
TEMPERATURES = (1.0, 0.7, RNG.uniform(0.5, 3, 6))


def close(a: np.ndarray, b: np.ndarray, unit: np.ndarray | float = 0.0) -> bool:
    return bool(np.all(np.abs(a - b) <= 2.0**-58 * np.maximum(np.abs(a), unit)))


@pytest.mark.parametrize("temperature", TEMPERATURES, ids=("one", "scalar", "rows"))
@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
def test_maps(function, temperature):
    keep = RNG.random(X.shape) < 0.7
    keep[:, 0] = True
    for where in (None, keep):
        options = {"temperature": temperature, "where": where}
        by_definition = getattr(plain, f"plain_{function}")(X, **options)
        kept = keep if where is not None else np.ones_like(keep)
        assert close(getattr(_oracle, f"{function}_reference")(X, **options)[kept],
                     by_definition[kept], 1.0)  # fmt: skip


@pytest.mark.parametrize("probabilities", [False, True], ids=["labels", "probabilities"])
@pytest.mark.parametrize("temperature", TEMPERATURES, ids=("one", "scalar", "rows"))
def test_cross_entropy(probabilities, temperature):
    targets = RNG.dirichlet(np.ones(7), 6) if probabilities else np.array([0, 3, -100, 6, 1, 1])
    for smoothing in (0.0, 0.1):
        for weight in (None, RNG.uniform(0, 2, 7)):
            for z_loss in (0.0, 0.01):
                options = {"weight": weight, "label_smoothing": smoothing, "z_loss": z_loss}
                options |= {"temperature": temperature}
                one = plain.plain_cross_entropy(X, targets, reduction="none", **options)
                other = _oracle_losses.cross_entropy_reference(X, targets, **options)
                assert close(other.loss, one.value, 1.0)
                assert close(other.gradient.value, one.grad, other.gradient.largest)


@pytest.mark.parametrize("function", ["softmax_backward", "log_softmax_backward"])
def test_backward(function):
    grad = RNG.standard_normal(X.shape)
    y = _oracle.softmax_reference(X) if function[0] == "s" else _oracle.log_softmax_reference(X)
    y = y.astype(np.float64)
    reference = getattr(_oracle_losses, f"{function}_reference")(grad, y, -1, 0.7)
    assert close(reference.value, getattr(plain, f"plain_{function}")(grad, y, -1, 0.7)[0],
                 reference.largest)  # fmt: skip
