"""The error of a result: its largest distance to the oracle's, in units in the last place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from softlane import _oracle, _oracle_losses
from softlane._ulp import Reals, ulp, ulp_error
from softlane.bench.cases import OPS, Array, Case

ERROR_ELEMENTS = 1 << 18  # the error is taken over whole rows, about this many elements

Errors = dict[str, float | None]


def gradient_error(result: Array, want: _oracle_losses.Gradient) -> Reals:
    """Distances in ULPs of the largest term of each element, or of the element if it is larger."""
    unit = np.maximum(np.abs(want.largest), np.abs(want.value))
    with np.errstate(all="ignore"):
        distance = np.abs(result.astype(want.value.dtype) - want.value) / ulp(unit, result.dtype)
    return np.where(np.isfinite(distance), distance, ulp_error(result, want.value))


def judge(case: Case) -> Callable[[tuple[Array, ...]], Errors]:
    """A judge of results of one case, which has the truth at hand.

    Parameters
    ----------
    case : Case
        Its arrays are read now.

    Returns
    -------
    callable
        Takes the parts of a result, gives the largest error of each by name: over whole rows,
        about ERROR_ELEMENTS elements. A part is judged relative to each of its elements, except
        the gradients of softmax_backward and log_softmax_backward: see `gradient_error`. None
        where nothing wider than float64 is there to judge float64 by.
    """
    length = case.x.shape[case.axis]
    count = max(1, ERROR_ELEMENTS // max(1, length))

    def rows(array: Array) -> Array:
        if array.shape == case.x.shape:
            return np.moveaxis(array, case.axis, -1).reshape(-1, length)[:count]
        return array.reshape(-1)[:count]

    parts = OPS[case.op].parts
    try:
        distances = _distances(case, rows)
    except NotImplementedError:
        return lambda results: dict.fromkeys(parts)

    def errors(results: tuple[Array, ...]) -> Errors:
        found = zip(parts, distances, results, strict=True)
        return {part: float(np.max(distance(rows(r)))) for part, distance, r in found}

    return errors


def _distances(case: Case, rows: Callable[[Array], Array]) -> tuple[Callable[[Array], Reals], ...]:
    """One function for each part of the op's result: rows in, errors out."""
    if case.op == "softmax_backward":
        want = _oracle_losses.softmax_backward_reference(rows(case.grad), rows(case.y))
        return (lambda result: gradient_error(result, want),)
    if case.op == "log_softmax_backward":
        want = _oracle_losses.log_softmax_backward_reference(rows(case.grad), rows(case.y))
        return (lambda result: gradient_error(result, want),)
    x = rows(case.x)
    if OPS[case.op].reads_labels:
        both = _oracle_losses.cross_entropy_reference(x, rows(case.labels))
        distances = (
            lambda result: ulp_error(result, both.loss),
            lambda result: ulp_error(result, both.gradient.value),
        )
        return distances[: len(OPS[case.op].parts)]
    if case.op == "logsumexp":
        exact = _oracle.logsumexp_reference(x)[0]
    elif case.op == "log_softmax":
        exact = _oracle.log_softmax_reference(x)
    else:
        exact = _oracle.softmax_reference(x)
    return (lambda result: ulp_error(result, exact),)
