"""Rows of losses that once broke a promise, as `python -m softlane verify` found."""

from __future__ import annotations

import numpy as np
import pytest

import softlane
from softlane._oracle_losses import cross_entropy_reference
from softlane._ulp import ulp_error
from softlane.verify.promises import error_of_largest

ROW = """
0x1.c63773907b95cp+4 0x1.c7080acac8eb4p+4 0x1.c58306b1d43fep+4 0x1.bda142b8d0819p+4
0x1.bffa4209bc90ap+4 0x1.c0b6ef0fc25d2p+4 0x1.c23f0fd1841bfp+4 0x1.c5a95bf0fa6a8p+4
0x1.bf2f7b1a6a164p+4 0x1.c5990a624fc6dp+4 0x1.bd77482349c3ap+4 0x1.b86a0454bb1fdp+4
0x1.b931c31e65b48p+4
"""
PROBABILITIES = """
0x1.2f3ccc13c1293p-5 0x1.57e25d8d05f2dp-15 0x1.0852fbe9bc857p-6 0x1.4dbbf57bfb1c0p-6
0x1.b26b6108573dep-21 0x1.0e531962aa758p-3 0x1.86e10a5440cb9p-4 0x1.8325716522cafp-6
0x1.ff2f314c4be03p-11 0x1.6bd079994a1dep-4 0x1.794eea71c3b25p-3 0x1.0d1e0b8b5fca8p-4
0x1.57b5ad8f69c40p-2
"""
WEIGHT = """
0x1.13ec7cd86dc92p+1 0x1.fadedcc3c88d8p-1 0x1.7c80e7ab7304bp-1 0x1.7e490ef56b3fdp-3
0x1.b5cc0a2f09107p-2 0x1.8a46ccd416201p-1 0x1.22dedd9ded316p+2 0x1.e3d811e6e01a1p-2
0x1.40520a6da1658p-4 0x1.166e3de90beecp+0 0x1.84db864322f18p-1 0x1.38bf8a6e6bfefp+0
0x1.3d21beb1ad5dcp+3
"""


def numbers(text: str) -> np.ndarray:
    return np.array([float.fromhex(word) for word in text.split()])


def test_gradient_of_float64_probabilities_with_every_option(isa) -> None:
    options = {"weight": numbers(WEIGHT), "label_smoothing": 0.1, "z_loss": 1e-3}
    x, q = numbers(ROW)[None], numbers(PROBABILITIES)[None]
    got = softlane.cross_entropy_with_grad(x, q, reduction="none", **options)[1]
    assert error_of_largest(got, cross_entropy_reference(x, q, **options).gradient).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_with_gradient_is_the_loss_far_from_0(dtype, isa) -> None:
    """Both subtract the maximum; when one took the second largest, 3 % of the rows differed."""
    rng = np.random.default_rng(1)
    x = (2e5 + rng.standard_normal((20_000, 3))).astype(dtype)
    labels = np.arange(20_000) % 3
    alone = softlane.cross_entropy(x, labels, reduction="none")
    fused = softlane.cross_entropy_with_grad(x, labels, reduction="none")[0]
    np.testing.assert_array_equal(alone, fused)


@pytest.mark.parametrize("targets", ["labels", "probabilities"])
def test_class_weights_of_float64_rows_keep_two_limbs(targets, isa) -> None:
    """Rounded before they are summed, they cost losses up to 3.15 ULP, and gradients 3.5."""
    rng = np.random.default_rng(1)
    x = rng.normal(
        0, 300, (20_000, 4)
    )  # all but one probability vanish, and with them their errors
    share = rng.random(x.shape) ** 4
    labels = rng.integers(4, size=len(x))
    given = labels if targets == "labels" else share / share.sum(axis=1, keepdims=True)
    options = {"weight": np.exp(rng.standard_normal(4)), "label_smoothing": 0.1}
    loss, gradient = softlane.cross_entropy_with_grad(x, given, reduction="none", **options)
    exact = cross_entropy_reference(x, given, **options)
    assert ulp_error(loss, exact.loss).max() < 0.6
    plain = softlane.softmax(x) < 1e-30
    if targets == "labels":
        plain[np.arange(len(x)), labels] = False
    assert ulp_error(gradient, exact.gradient.value)[plain].max() < 0.51
