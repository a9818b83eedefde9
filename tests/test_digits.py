"""Real input: a classifier's logits on scikit-learn's hand-written digits."""

from __future__ import annotations

import numpy as np
import pytest

import softlane
from softlane._oracle import softmax_reference, ulp_error

datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")


@pytest.fixture(scope="module")
def classified():
    """Labels, logits and probabilities of all 1,797 digits by a logistic regression."""
    pixels, labels = datasets.load_digits(return_X_y=True)
    model = linear_model.LogisticRegression(solver="newton-cg").fit(pixels, labels)
    return labels, model.decision_function(pixels), model.predict_proba(pixels)


def test_probabilities_are_those_of_scikit_learn(classified, isa) -> None:
    labels, logits, expected = classified
    y = softlane.softmax(logits)
    # scikit-learn rounds x - max, which its exponential turns into a relative error as large.
    np.testing.assert_allclose(y, expected, rtol=np.ptp(logits) * np.finfo(float).eps)
    assert ulp_error(y, softmax_reference(logits)).max() <= 3
    assert np.mean(y.argmax(axis=1) == labels) > 0.95


@pytest.mark.parametrize("dtype, bound", [(np.float32, 3), (np.float16, 0.51)])
def test_narrower_logits(classified, isa, dtype, bound) -> None:
    logits = classified[1].astype(dtype)
    assert ulp_error(softlane.softmax(logits), softmax_reference(logits)).max() <= bound
