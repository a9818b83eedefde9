"""What `python -m softlane bench` measures: time and maximum error of softmax, and of its peers.

Here live the contestants, the clock, the error and the facts about the machine; cli.py prints them.
Needs numpy alone: a contestant that is not installed is reported as missing.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import os
import pathlib
import platform
import random
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import softlane
from softlane import _oracle

Array = npt.NDArray[Any]
Shape = tuple[int, int]

DTYPES = ("f32", "f64", "f16", "bf16")
MODES = ("out", "fresh")
QUICK: tuple[Shape, ...] = ((64, 1000), (512, 512), (1, 128256))
DEFAULT: tuple[Shape, ...] = (*QUICK, (16384, 64), (4096, 2048), (1, 10))
FULL: tuple[Shape, ...] = (*DEFAULT, (64, 128256), (1, 10_000_000), (100_000, 10), (100_000, 3))

SAMPLE_SECONDS = 1e-3  # a shorter sample measures the clock
LOGIT_SPREAD = 4.0  # standard deviation of the logits
ERROR_ELEMENTS = 1 << 18  # the error is taken over whole rows, about this many elements
SEED = 20


class Unsupported(Exception):
    """A contestant that is installed cannot do this dtype; the text says why."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to compute, as expressions over `names`, `x` and `out`, timed as they stand."""

    fresh: str | None  # returns a new result
    out: str | None  # writes into `out`
    names: dict[str, object]
    to_numpy: Callable[[Any], Array] = np.asarray
    floor: bool = False  # does less than a softmax: has a time, but no error


def three_lines(x: Array) -> Array:
    """Softmax as it is usually written with NumPy."""
    shifted = x - x.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def three_lines_out(x: Array, out: Array) -> None:
    """The same without temporaries."""
    np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    np.exp(out, out=out)
    np.divide(out, out.sum(axis=-1, keepdims=True), out=out)


def _softlane(x: Array, out: Array) -> Contestant:
    return Contestant("softmax(x)", "softmax(x, out=out)", {"softmax": softlane.softmax})


def _numpy(x: Array, out: Array) -> Contestant:
    return Contestant("fresh(x)", "into(x, out)", {"fresh": three_lines, "into": three_lines_out})


def _scipy(x: Array, out: Array) -> Contestant:
    special = importlib.import_module("scipy.special")
    return Contestant("softmax(x, axis=-1)", None, {"softmax": special.softmax})


def _torch(x: Array, out: Array) -> Contestant:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)

    def tensor(array: Array) -> Any:
        if array.dtype.name == "bfloat16":  # torch takes no bfloat16 from numpy: share its bytes
            return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array)

    def to_numpy(result: Any) -> Array:
        if result.dtype == torch.bfloat16:
            return np.asarray(result.view(torch.int16).numpy().view(x.dtype))
        return np.asarray(result.numpy())

    names = {"softmax": torch.softmax, "x": tensor(x), "out": tensor(out)}
    return Contestant("softmax(x, -1)", "softmax(x, -1, out=out)", names, to_numpy)


def onnx_softmax_model(element_type: int, shape: Sequence[int]) -> bytes:
    """An ONNX model of one node, y = Softmax(x, axis=-1), opset 13, written as protobuf by hand.

    The numbers are the field numbers of onnx.proto, which never change; `element_type` is a
    TensorProto.DataType.
    """

    def varint(value: int) -> bytes:
        value &= (1 << 64) - 1
        groups = bytearray()
        while value > 0x7F:
            groups.append(value & 0x7F | 0x80)
            value >>= 7
        groups.append(value)
        return bytes(groups)

    def field(number: int, value: int | str | bytes) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        data = value.encode() if isinstance(value, str) else value
        return varint(number << 3 | 2) + varint(len(data)) + data

    def tensor(name: str) -> bytes:
        dims = b"".join(field(1, field(1, length)) for length in shape)
        return field(1, name) + field(2, field(1, field(1, element_type) + field(2, dims)))

    axis = field(1, "axis") + field(3, -1) + field(20, 2)
    node = field(1, "x") + field(2, "y") + field(4, "Softmax") + field(5, axis)
    graph = field(1, node) + field(2, "softmax") + field(11, tensor("x")) + field(12, tensor("y"))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


def _onnxruntime(x: Array, out: Array) -> Contestant:
    runtime = importlib.import_module("onnxruntime")
    element_type = {"float32": 1, "float16": 10, "float64": 11}.get(x.dtype.name)
    if element_type is None:
        raise Unsupported(f"no {x.dtype.name}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(
            onnx_softmax_model(element_type, x.shape), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # each release names its exceptions anew
        raise Unsupported(f"no {x.dtype.name}") from error
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, x.dtype.type, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, x.dtype.type, out.shape, out.ctypes.data)
    names = {
        "run": session.run,
        "run_bound": session.run_with_iobinding,
        "binding": binding,
        "feed": {"x": x},
    }
    return Contestant("run(None, feed)[0]", "run_bound(binding)", names)


def _copyto(x: Array, out: Array) -> Contestant:
    return Contestant("x.copy()", "copyto(out, x)", {"copyto": np.copyto}, floor=True)


def _exp(x: Array, out: Array) -> Contestant:
    return Contestant("exp(x)", "exp(x, out=out)", {"exp": np.exp}, floor=True)


CONTESTANTS: dict[str, Callable[[Array, Array], Contestant]] = {
    "softlane": _softlane,
    "numpy": _numpy,
    "scipy": _scipy,
    "torch": _torch,
    "onnxruntime": _onnxruntime,
    "np.copyto": _copyto,
    "np.exp": _exp,
}
PACKAGES = ("scipy", "torch", "onnxruntime", "ml_dtypes")  # may be missing


def missing(names: Sequence[str]) -> list[str]:
    """Those of `names` whose package cannot be imported."""
    absent = []
    for name in names:
        if name in PACKAGES:
            try:
                importlib.import_module(name)
            except ImportError:
                absent.append(name)
    return absent


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of "f32", "f64", "f16" or "bf16"; bf16 is ml_dtypes', ImportError without it."""
    if name == "bf16":
        bfloat16: np.dtype[Any] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
        return bfloat16
    return np.dtype({"f32": np.float32, "f64": np.float64, "f16": np.float16}[name])


def logits(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Normal logits, the same in every run."""
    return (np.random.default_rng(SEED).standard_normal(shape) * LOGIT_SPREAD).astype(dtype)


def sample(
    timers: dict[str, timeit.Timer], seconds: float, tick: Callable[[float], None]
) -> dict[str, list[float]]:
    """Seconds per call of each timer, one sample each a round, in an order drawn anew each round.

    A sample is as many calls as take SAMPLE_SECONDS. At least five rounds, then until `seconds` are
    over; `tick` hears between rounds which part of them has passed.
    """
    calls = {name: 1 for name in timers}

    def one(name: str) -> float:
        while (took := timers[name].timeit(calls[name])) < SAMPLE_SECONDS:
            grow = min(1.2 * SAMPLE_SECONDS / max(took, 1e-9), 100)
            calls[name] = max(calls[name] + 1, int(calls[name] * grow))
        return took / calls[name]

    for name in timers:  # finds the calls, touches the pages, warms the caches
        one(name)
    order = list(timers)
    shuffle = random.Random(SEED).shuffle
    samples: dict[str, list[float]] = {name: [] for name in timers}
    begin = time.perf_counter()
    while True:
        passed = time.perf_counter() - begin
        tick(min(passed / seconds, 1.0))
        if passed >= seconds and len(samples[order[0]]) >= 5:
            return samples
        shuffle(order)
        for name in order:
            samples[name].append(one(name))


def statistics(samples: Sequence[float], scale: float) -> dict[str, float]:
    """Minimum, median and the tenth and ninetieth percentile of `samples` times `scale`."""
    p10, median, p90 = np.percentile(samples, [10, 50, 90]) * scale
    return {
        "min": float(min(samples) * scale),
        "median": float(median),
        "p10": float(p10),
        "p90": float(p90),
    }


def max_error(result: Array, x: Array) -> float | None:
    """The largest error of `result` as softmax of the rows of `x`, in units in the last place.

    None where nothing wider than float64 is there to judge float64 by.
    """
    rows = max(1, ERROR_ELEMENTS // x.shape[-1])
    x, result = x[:rows], result[:rows]
    try:
        return float(np.max(_oracle.ulp_error(result, _oracle.softmax_reference(x))))
    except NotImplementedError:
        return None


def measure(
    shape: Shape, dtype: str, names: Sequence[str], seconds: float, tick: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    """The cells of one shape and dtype: one for each of `names` in each of MODES."""
    x = logits(shape, numpy_dtype(dtype))
    out = np.zeros_like(x)
    contestants: dict[str, Contestant] = {}
    unsupported: dict[str, str] = {}
    for name in names:
        try:
            contestants[name] = CONTESTANTS[name](x, out)
        except Unsupported as error:
            unsupported[name] = str(error)

    for at, mode in enumerate(MODES):
        timers: dict[str, timeit.Timer] = {}
        errors: dict[str, float | None] = {}
        for name, contestant in contestants.items():
            expression = contestant.out if mode == "out" else contestant.fresh
            if expression is None:
                continue
            names_seen = {"x": x, "out": out, **contestant.names}
            timers[name] = timeit.Timer(expression, globals=names_seen)
            out.fill(np.nan)
            result = eval(expression, names_seen)
            errors[name] = (
                None
                if contestant.floor
                else max_error(out if mode == "out" else contestant.to_numpy(result), x)
            )

        def half(part: float, at: int = at) -> None:
            tick((at + part) / len(MODES))

        samples = sample(timers, seconds / len(MODES), half)
        for name in names:
            cell: dict[str, Any] = {
                "shape": list(shape),
                "dtype": dtype,
                "mode": mode,
                "contestant": name,
            }
            if name in samples:
                cell["max_ulp"] = errors[name]
                cell["floor"] = contestants[name].floor
                cell["ns_per_call"] = statistics(samples[name], 1e9)
                cell["samples_ns_per_call"] = [round(1e9 * value, 3) for value in samples[name]]
            else:
                cell["unsupported"] = unsupported.get(name, "no out=" if mode == "out" else "")
            yield cell


def run(
    shapes: Sequence[Shape],
    dtypes: Sequence[str],
    against: Sequence[str],
    seconds: float,
    tick: Callable[[str, float], None],
) -> dict[str, Any]:
    """Measure everything; `seconds` is the time spent on one shape of one dtype.

    Returns a dict that `json` can write: machine, versions, settings, missing contestants, and a
    list of cells with every sample. `tick` hears what is measured and the part done of the whole.
    """
    absent = missing(against)
    names = ["softlane", *(name for name in against if name not in absent)]
    cells: list[dict[str, Any]] = []
    combinations = [(shape, dtype) for dtype in dtypes for shape in shapes]
    with np.errstate(all="ignore"):
        for at, (shape, dtype) in enumerate(combinations):
            label = f"{shape[0]}x{shape[1]} {dtype}"

            def part(fraction: float, at: int = at, label: str = label) -> None:
                tick(label, (at + fraction) / len(combinations))

            cells.extend(measure(shape, dtype, names, seconds, part))
    return {
        "machine": machine(),
        "versions": versions([*names, *(["ml_dtypes"] if "bf16" in dtypes else [])]),
        "settings": {
            "threads": 1,
            "logits": f"normal, standard deviation {LOGIT_SPREAD:g}",
            "seconds_per_shape": seconds,
            "sample_seconds": SAMPLE_SECONDS,
            "error_elements": ERROR_ELEMENTS,
        },
        "missing": absent,
        "cells": cells,
    }


def cpu_name() -> str:
    """The name that the processor gives itself, else its architecture."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """Where and when the figures were taken."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "softlane": softlane.show_config(),
    }


def versions(names: Sequence[str]) -> dict[str, str]:
    """The versions of Python, numpy and those of `names` that are packages."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for name in names:
        if name in ("softlane", *PACKAGES):
            found[name] = str(importlib.import_module(name).__version__)
    return found
