"""ONNX Runtime as a contestant: models of one node, written as protobuf by hand.

The numbers are the field numbers of onnx.proto, which never change.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from softlane.bench.cases import Case, Contestant, Unsupported

OPSET = 13
NODES = {
    "softmax": "Softmax",
    "log_softmax": "LogSoftmax",
    "logsumexp": "ReduceLogSumExp",
    "cross_entropy": "SoftmaxCrossEntropyLoss",
}
ELEMENTS = {"float32": 1, "float16": 10, "float64": 11, "int64": 7}  # TensorProto.DataType


def varint(value: int) -> bytes:
    """A number as groups of seven bits, the lowest first."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a message: a number, or text or a message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, element: int, shape: Sequence[int]) -> bytes:
    """A ValueInfoProto."""
    dims = b"".join(field(1, field(1, length)) for length in shape)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, dims)))


def attribute(name: str, value: int | str | Sequence[int]) -> bytes:
    """An AttributeProto."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    return field(1, name) + b"".join(field(8, number) for number in value) + field(20, 7)


def model(
    node_type: str,
    inputs: Mapping[str, tuple[int, Sequence[int]]],
    output: tuple[int, Sequence[int]],
    attributes: Mapping[str, int | str | Sequence[int]],
) -> bytes:
    """A ModelProto of one node, whose output is y; tensors are given as (element, shape)."""
    node = b"".join(field(1, name) for name in inputs)
    node += field(2, "y") + field(4, node_type)
    node += b"".join(field(5, attribute(name, value)) for name, value in attributes.items())
    graph = field(1, node) + field(2, "one_node")
    graph += b"".join(field(11, tensor(name, *of)) for name, of in inputs.items())
    graph += field(12, tensor("y", *output))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, OPSET))


def in_onnxruntime(case: Case) -> Contestant:
    """ONNX Runtime's CPU provider; `out` by a binding to the case's own memory."""
    runtime = importlib.import_module("onnxruntime")
    if case.op not in NODES:
        raise Unsupported(f"no {case.op}")
    element = ELEMENTS.get(case.x.dtype.name)
    if element is None:
        raise Unsupported(f"no {case.x.dtype.name}")
    inputs: dict[str, tuple[int, Sequence[int]]] = {"x": (element, case.x.shape)}
    feed = {"x": case.x}
    attributes: dict[str, int | str | Sequence[int]] = {"axis": case.axis}
    shape: Sequence[int] = case.out.shape
    if case.op == "logsumexp":
        attributes = {"axes": [case.axis], "keepdims": 0}
    elif case.op == "cross_entropy":
        if case.x.ndim < 2 or case.axis not in (1, 1 - case.x.ndim):
            raise Unsupported(f"no {case.op} along axis {case.axis}: the classes are second")
        attributes, shape = {"reduction": "none"}, case.rows_shape
        inputs["labels"] = (ELEMENTS["int64"], shape)
        feed["labels"] = case.labels
    session = _session(runtime, model(NODES[case.op], inputs, (element, shape), attributes), case)
    names: dict[str, object] = {"run": session.run, "feed": feed}
    fresh = "run(None, feed)[0]"
    if case.op == "cross_entropy":
        return Contestant(fresh, None, names)
    binding = session.io_binding()
    scalar = case.x.dtype.type
    binding.bind_input("x", "cpu", 0, scalar, case.x.shape, case.x.ctypes.data)
    binding.bind_output("y", "cpu", 0, scalar, case.out.shape, case.out.ctypes.data)
    names |= {"run_bound": session.run_with_iobinding, "binding": binding}
    return Contestant(fresh, "run_bound(binding)", names)


def _session(runtime: Any, data: bytes, case: Case) -> Any:
    """A session with the threads of the case; Unsupported if there is no kernel for the dtype."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between its samples
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each release names its exceptions anew
        raise Unsupported(f"no {case.op} of {case.x.dtype.name}") from error
