"""PyTorch as a contestant: its functions, and for the gradients what its autograd calls."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from softlane.bench.cases import Array, Case, Contestant


def in_torch(case: Case) -> Contestant:
    """PyTorch on the case's own memory."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(case.threads)
    axis = case.axis

    def tensor(array: Array) -> Any:
        if array.dtype.name == "bfloat16":  # torch takes no bfloat16 from numpy: share its bytes
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)

    def to_numpy(result: Any) -> Any:
        if isinstance(result, tuple):
            return tuple(map(to_numpy, result))
        result = result.detach()
        if result.dtype == torch.bfloat16:
            return result.view(torch.int16).numpy().view(case.x.dtype)
        return result.numpy()

    names = {"x": tensor(case.x), "out": tensor(case.out), "axis": axis}
    if case.op.startswith("cross_entropy"):
        return _cross_entropy(case, torch, names["x"], to_numpy)
    if case.op.endswith("_backward"):
        op = getattr(torch.ops.aten, f"_{case.op}_data")
        into = "grad_input" if case.op == "softmax_backward" else "out"
        names |= {"grad": tensor(case.grad), "y": tensor(case.y), "dtype": names["x"].dtype}
        names |= {"op": op.default, "op_out": op.out}
        given = "grad, y, axis, dtype"
        return Contestant(f"op({given})", f"op_out({given}, {into}=out)", names, to_numpy)
    names["op"] = getattr(torch, case.op)
    return Contestant("op(x, axis)", "op(x, axis, out=out)", names, to_numpy)


def _cross_entropy(case: Case, torch: Any, x: Any, to_numpy: Any) -> Contestant:
    """The loss of each row; with the gradient, that of their sum, by autograd.

    torch wants the classes second; a view of them is made outside of what is timed.
    """
    second = min(1, x.ndim - 1)
    names: dict[str, object] = {
        "x": x.movedim(case.axis, second),
        "labels": torch.from_numpy(case.labels),
        "loss": torch.nn.functional.cross_entropy,
    }
    forward = 'loss(x, labels, reduction="none")'
    if case.op == "cross_entropy":
        return Contestant(forward, None, names, to_numpy)
    leaf = x.movedim(case.axis, second).requires_grad_()
    ones = torch.ones(case.rows_shape, dtype=x.dtype)
    names |= {"x": leaf, "ones": ones, "gradient": torch.autograd.grad}

    def both(result: Any) -> Any:
        loss, gradient = result
        return to_numpy((loss, gradient[0].movedim(second, case.axis)))

    return Contestant(f"(value := {forward}, gradient(value, x, ones))", None, names, both)
