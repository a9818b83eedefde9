"""JAX as a contestant: compiled functions on its own copies of the arrays, on the CPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from softlane.bench.cases import Case, Contestant


def in_jax(case: Case) -> Contestant:
    """A compiled function, compiled outside of what is timed; results are always fresh.

    float64 needs jax's 64-bit mode, which stays on once it is.
    """
    jax = importlib.import_module("jax")
    if case.x.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    cpu = jax.devices("cpu")[0]
    arrays = [case.x]
    if case.op.startswith("cross_entropy"):
        arrays.append(case.labels.astype(np.int32))
    elif case.op.endswith("_backward"):
        arrays = [case.grad, case.y]
    names: dict[str, object] = {f"a{at}": jax.device_put(a, cpu) for at, a in enumerate(arrays)}
    call = f"op({', '.join(names)})"
    names["op"] = jax.jit(_function(jax, case.op, case.axis))
    to_numpy: Callable[[Any], Any] = np.asarray
    if case.op == "cross_entropy_with_grad":
        names["wait"] = jax.block_until_ready
        return Contestant(f"wait({call})", None, names, lambda r: tuple(map(np.asarray, r)))
    return Contestant(f"{call}.block_until_ready()", None, names, to_numpy)


def _function(jax: Any, op: str, axis: int) -> Callable[..., Any]:
    """The op as a user of jax writes it."""
    jnp = importlib.import_module("jax.numpy")

    def cross_entropy(x: Any, labels: Any) -> Any:
        log_p = jax.nn.log_softmax(x, axis)
        picked = jnp.take_along_axis(log_p, jnp.expand_dims(labels, axis), axis)
        return -picked.squeeze(axis)

    def cross_entropy_with_grad(x: Any, labels: Any) -> Any:
        loss, pull = jax.vjp(lambda logits: cross_entropy(logits, labels), x)
        return loss, pull(jnp.ones_like(loss))[0]

    def softmax_backward(grad: Any, y: Any) -> Any:
        return y * (grad - (grad * y).sum(axis, keepdims=True))

    def log_softmax_backward(grad: Any, y: Any) -> Any:
        return grad - jnp.exp(y) * grad.sum(axis, keepdims=True)

    functions: dict[str, Callable[..., Any]] = {
        "softmax": lambda x: jax.nn.softmax(x, axis),
        "log_softmax": lambda x: jax.nn.log_softmax(x, axis),
        "logsumexp": lambda x: jax.nn.logsumexp(x, axis),
        "cross_entropy": cross_entropy,
        "cross_entropy_with_grad": cross_entropy_with_grad,
        "softmax_backward": softmax_backward,
        "log_softmax_backward": log_softmax_backward,
    }
    return functions[op]
