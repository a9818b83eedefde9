"""What the targets are read from: groups of timers that are interleaved in one process.

A group gives its timers by name, and the elements of each, so that times can be compared by
element. What a timer sets up before each sample is not timed.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial

import numpy as np

import softlane
from softlane.bench import machine
from softlane.bench.cases import Array, Shape, elements, logits, make_case
from softlane.bench.measurement import enter, shape_text

Timers = dict[str, tuple[timeit.Timer, int]]  # with the number of elements

IN_CACHE: tuple[Shape, ...] = ((512, 512), (1, 128256), (64, 1000))
OUT_OF_CACHE: tuple[Shape, ...] = ((4096, 2048), (64, 128256), (1, 10_000_000))
OTHER_AXIS: dict[Shape, int] = {(1, 21, 512, 512): 1, (1000, 4096): 0}
SHORT: tuple[Shape, ...] = ((16384, 64), (100_000, 10), (100_000, 3))
OPS_SHAPES: tuple[Shape, ...] = ((512, 512), (4096, 2048))
AVX2_SHAPES: tuple[Shape, ...] = (*IN_CACHE, (4096, 2048))
PEERS = ("softlane", "onnxruntime", "torch", "np.exp", "numpy")
HOSTILE_SHAPES: tuple[Shape, ...] = (
    (13107, 10), (2048, 64), (1310, 100), (131, 1000), (32, 4096), (6, 20000), (4096, 2048),
)  # fmt: skip
HOSTILE = (
    "subnormal input",
    "subnormal results",
    "NaN",
    "inf",
    "-inf",
    "masked",
    "4 bytes off",
    "1 byte off",
)
THREADED: tuple[Shape, ...] = (
    (1, 10), (64, 1000), (256, 1000), (512, 512), (1, 524288), (1024, 1000), (4096, 2048),
)  # fmt: skip


def timed(expression: str, names: dict[str, object], count: int, setup: str = "pass") -> Timers:
    """One timer, called by its expression."""
    return {expression: (timeit.Timer(expression, setup, globals=names), count)}


def contest(
    shape: Shape,
    names: tuple[str, ...] = ("softlane", "np.copyto"),
    op: str = "softmax",
    dtype: str = "f32",
    axis: int = -1,
) -> Timers:
    """Contestants on one case with `out` given, or a fresh result where the op takes none."""
    case = make_case(op, shape, dtype, axis)
    able, _ = enter([name for name in names if not machine.missing([name])], case)
    timers: Timers = {}
    for name, contestant in able.items():
        expression = contestant.out or contestant.fresh
        if expression is not None:
            timer = timeit.Timer(expression, globals=contestant.namespace(case))
            timers[name] = timer, elements(shape)
    return timers


def copies(shape: Shape, axis: int = -1) -> Timers:
    """softlane, libc's copy, and a loop of vectors that copies: multiplication by 1."""
    case = make_case("softmax", shape, "f32", axis)
    names: dict[str, object] = {
        "x": case.x, "out": case.out, "multiply": np.multiply, "one": np.float32(1),
    }  # fmt: skip
    plain = timeit.Timer("multiply(x, one, out=out)", globals=names)
    return {**contest(shape, axis=axis), "plain copy": (plain, elements(shape))}


def short_rows() -> Timers:
    """Short rows beside (512, 512), by element."""
    shapes = ((512, 512), *SHORT)
    return {shape_text(shape): contest(shape, ("softlane",))["softlane"] for shape in shapes}


def fresh_result() -> Timers:
    """With and without `out`, and touching a fresh array once."""
    shape = (4096, 2048)
    case = make_case("softmax", shape, "f32")

    def touch() -> None:
        np.empty(shape, np.float32).reshape(-1)[::1024] = 0  # each page of 4 KiB

    names: dict[str, object] = {
        "softmax": softlane.softmax, "x": case.x, "out": case.out, "touch": touch,
    }  # fmt: skip
    count = elements(shape)
    return {
        **timed("softmax(x, out=out)", names, count),
        **timed("softmax(x)", names, count),
        **timed("touch()", names, count),
    }


def tiny_call() -> Timers:
    """A call on ten elements."""
    x = logits((10,), np.dtype(np.float32))
    names: dict[str, object] = {"softmax": softlane.softmax, "negative": np.negative, "x": x}
    return {**timed("softmax(x)", names, 10), **timed("negative(x)", names, 10)}


def ops(shape: Shape) -> Timers:
    """softmax, log_softmax and the losses on one array."""
    timers: Timers = {}
    for op in ("softmax", "log_softmax", "cross_entropy", "cross_entropy_with_grad"):
        timers[op] = contest(shape, ("softlane",), op)["softlane"]
    x = logits(shape, np.dtype(np.float32))
    return {**timers, **timed("x.max(-1)", {"x": x}, elements(shape))}


def dtypes() -> Timers:
    """softlane and torch in each dtype."""
    timers: Timers = {}
    for dtype in ("f32", "f64", "f16", "bf16"):
        if dtype == "bf16" and machine.missing(["ml_dtypes"]):
            continue
        for name, timer in contest((512, 512), ("softlane", "torch"), dtype=dtype).items():
            timers[f"{name} {dtype}"] = timer
    return timers


def hostile(shape: Shape) -> Timers:
    """Rows of hostile values or at odd addresses, beside plain ones."""
    length = shape[-1]
    plain = logits(shape, np.dtype(np.float32))
    arrays: dict[str, Array] = {"plain": plain}
    arrays["subnormal input"] = (plain * np.float32(1e-40)).astype(np.float32)
    arrays["subnormal results"] = np.where(np.arange(length) % 2, plain - 94, plain)
    for name, value in (("NaN", np.nan), ("inf", np.inf)):
        arrays[name] = plain.copy()
        arrays[name][:, length // 2] = value
    arrays["-inf"] = np.where(np.arange(length) % 2, -np.inf, plain).astype(np.float32)
    offsets = {"4 bytes off": 4, "1 byte off": 1}
    arrays |= {name: _at_offset(plain, offset) for name, offset in offsets.items()}
    keep = np.random.default_rng(3).random(shape) < 0.5
    timers: Timers = {}
    for name, x in arrays.items():
        out = _at_offset(plain, offsets.get(name, 0))
        names: dict[str, object] = {"op": softlane.softmax, "x": x, "out": out}
        timers[name] = timeit.Timer("op(x, out=out)", globals=names), plain.size
    names = {"op": softlane.softmax, "x": plain, "out": np.zeros_like(plain), "keep": keep}
    timers["masked"] = timeit.Timer("op(x, where=keep, out=out)", globals=names), plain.size
    return timers


def _at_offset(array: Array, offset: int) -> Array:
    """A copy that begins so many bytes after a cache line."""
    store = np.zeros(array.nbytes + 128, np.uint8)
    begin = -store.ctypes.data % 64 + offset
    moved = store[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def two_threads(shape: Shape) -> Timers:
    """One thread and two; empty where softlane or the machine has only one."""
    if not hasattr(softlane, "set_num_threads") or len(machine.cpus()) < 2:
        return {}
    case = make_case("softmax", shape, "f32")
    names: dict[str, object] = {
        "op": softlane.softmax, "x": case.x, "out": case.out, "use": softlane.set_num_threads,
    }  # fmt: skip
    return {
        f"{count} threads": (
            timeit.Timer("op(x, out=out)", f"use({count})", globals=names),
            elements(shape),
        )
        for count in (1, 2)
    }


def own_groups() -> dict[str, Callable[[], Timers]]:
    """The groups that are measured in this process on one processor, by name."""
    groups: dict[str, Callable[[], Timers]] = {
        f"in cache {shape_text(shape)}": partial(contest, shape, PEERS) for shape in IN_CACHE
    }
    for shape in OUT_OF_CACHE:
        groups[f"out of cache {shape_text(shape)}"] = partial(copies, shape)
    groups["short rows"] = short_rows
    for shape, axis in OTHER_AXIS.items():
        groups[f"axis {axis} of {shape_text(shape)}"] = partial(copies, shape, axis)
    groups |= {"fresh result": fresh_result, "tiny call": tiny_call, "dtypes": dtypes}
    for shape in OPS_SHAPES:
        groups[f"ops {shape_text(shape)}"] = partial(ops, shape)
    for shape in HOSTILE_SHAPES:
        groups[f"hostile rows {shape_text(shape)}"] = partial(hostile, shape)
    return groups


def avx2_groups() -> dict[str, Callable[[], Timers]]:
    """The groups that are measured in a process where softlane and torch are held to AVX2."""
    peers = ("softlane", "torch", "onnxruntime")
    return {f"avx2 {shape_text(shape)}": partial(contest, shape, peers) for shape in AVX2_SHAPES}


def thread_groups() -> dict[str, Callable[[], Timers]]:
    """The groups that are measured on two processors."""
    return {f"threads {shape_text(shape)}": partial(two_threads, shape) for shape in THREADED}
