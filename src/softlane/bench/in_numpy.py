"""The contestants that compute with NumPy arrays: softlane, NumPy, SciPy, numexpr, the floors.

Only numpy is imported before a contestant is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

import softlane
from softlane.bench import three_lines
from softlane.bench.cases import Case, Contestant, Unsupported


def arguments(case: Case) -> str:
    """The arguments that the ops of softlane take by position, the axis if it is not the last."""
    arrays = "x"
    if case.op.startswith("cross_entropy"):
        arrays = "x, labels"
    elif case.op.endswith("_backward"):
        arrays = "grad, y"
    return arrays if case.axis == -1 else f"{arrays}, {case.axis}"


def in_softlane(case: Case) -> Contestant:
    """softlane; of the losses, the one of each row."""
    given = arguments(case)
    if case.op.startswith("cross_entropy"):
        given += ', reduction="none"'
    out = None if case.op == "cross_entropy" else f"op({given}, out=out)"
    return Contestant(f"op({given})", out, {"op": getattr(softlane, case.op)})


def in_numpy(case: Case) -> Contestant:
    """The usual lines of NumPy, and for `out` the same without temporaries where that is usual."""
    fresh = getattr(three_lines, case.op)
    into = getattr(three_lines, f"{case.op}_out", None)
    given = arguments(case)
    out = None if into is None else f"into({given}, out=out)"
    return Contestant(f"fresh({given})", out, {"fresh": fresh, "into": into})


def in_scipy(case: Case) -> Contestant:
    """scipy.special."""
    if case.op not in ("softmax", "log_softmax", "logsumexp"):
        raise Unsupported(f"no {case.op}")
    if case.op == "logsumexp" and case.x.dtype.name == "bfloat16":
        raise Unsupported("no bfloat16: it becomes float64")
    op = getattr(importlib.import_module("scipy.special"), case.op)
    return Contestant(f"op(x, axis={case.axis})", None, {"op": op})


def in_numexpr(case: Case) -> Contestant:
    """The usual lines with numexpr, which has no maximum with keepdims and no short reductions."""
    if case.op not in ("softmax", "log_softmax", "logsumexp"):
        raise Unsupported(f"no {case.op}")
    if case.x.dtype.name not in ("float32", "float64"):
        raise Unsupported(f"no {case.x.dtype.name}")
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(case.threads)
    op = three_lines.numexpr_lines(case.op, numexpr.evaluate)
    out = None if case.op == "logsumexp" else f"op(x, {case.axis}, out)"
    return Contestant(f"op(x, {case.axis})", out, {"op": op})


def in_copyto(case: Case) -> Contestant:
    """A copy of the logits."""
    return Contestant("x.copy()", "copyto(out, x)", {"copyto": np.copyto}, floor=True)


def in_exp(case: Case) -> Contestant:
    """An exponential of each logit."""
    return Contestant("exp(x)", "exp(x, out=out)", {"exp": np.exp}, floor=True)


def in_max(case: Case) -> Contestant:
    """The maximum of each row."""
    axis = case.axis
    return Contestant(f"x.max({axis})", f"x.max({axis}, out=out)", {}, floor=True)


def in_multiply(case: Case) -> Contestant:
    """A product of the two arrays that the gradients read."""
    names: dict[str, object] = {"multiply": np.multiply}
    return Contestant("multiply(grad, y)", "multiply(grad, y, out=out)", names, floor=True)


FLOORS: dict[str, Callable[[Case], Contestant]] = {
    "np.copyto": in_copyto,
    "np.exp": in_exp,
    "np.max": in_max,
    "np.multiply": in_multiply,
}
