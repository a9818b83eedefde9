"""More elements, rows and columns than 32 bits count, and shapes near the end of 64 bits.

Inputs take no memory: windows that overlap, or zeros that nobody wrote.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, bits
from numpy.lib.stride_tricks import as_strided

from softlane import (
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    log_softmax_backward,
    logsumexp,
    softmax,
    softmax_backward,
)

SIDE = 70_000
assert SIDE**2 > 2**32
LONG = 2**31 + 17
F16, F32 = DTYPES["float16"], DTYPES["float32"]


def needs(gigabytes: float) -> None:
    """Skip where so much memory is not available."""
    if sys.platform != "linux":
        pytest.skip(f"available memory is read from Linux's /proc, not {sys.platform}'s")
    text = Path("/proc/meminfo").read_text()
    there = int(re.search(r"MemAvailable:\s+(\d+) kB", text)[1]) / 2**20
    limit, used = (Path("/sys/fs/cgroup", f"memory.{name}") for name in ("max", "current"))
    if limit.exists() and limit.read_text().strip() != "max":
        there = min(there, (int(limit.read_text()) - int(used.read_text())) / 2**30)
    if there < gigabytes + 2:
        pytest.skip(f"needs {gigabytes} GB of memory and 2 to spare; {there:.1f} GB are available")


def windows(dtype: np.dtype) -> np.ndarray:
    """70,000 rows of 70,000 positive elements, each begins two further along the same buffer."""
    values = np.random.default_rng(5).exponential(2, 3 * SIDE).astype(dtype)
    return as_strided(values, (SIDE, SIDE), (2 * dtype.itemsize, dtype.itemsize))


def in_blocks(function: Callable[..., np.ndarray], axis: int, *whole: np.ndarray) -> bytes:
    """The bits of the results of a thousand rows at a time."""
    begins = range(0, SIDE, 1000)

    def block(array: np.ndarray, begin: int) -> np.ndarray:
        at = slice(begin, begin + 1000)
        return array[:, at] if array.ndim == 2 and axis == 0 else array[at]

    return b"".join(bits(function(*(block(a, i) for a in whole), axis)) for i in begins)


def losses(x: np.ndarray, targets: np.ndarray, axis: int) -> np.ndarray:
    return cross_entropy(x, targets, axis, reduction="none")


@pytest.mark.exhaustive
@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize("dtype", [F16, F32], ids=str)
def test_tensorflow_17783_pytorch_84144_logsumexp(dtype, axis):
    x = windows(dtype)
    whole = logsumexp(x, axis)
    assert bits(whole) == in_blocks(logsumexp, axis, x)
    assert len(set(whole.tolist())) > 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize("dtype", [F16, F32], ids=str)
def test_pytorch_111484_onnxruntime_32299_cross_entropy(dtype, axis):
    x, labels = windows(dtype), np.arange(SIDE) * 7919 % SIDE
    whole = losses(x, labels, axis)
    assert bits(whole) == in_blocks(losses, axis, x, labels)
    mean = cross_entropy(x, labels, axis)
    np.testing.assert_allclose(mean, whole.mean(dtype=np.float64), rtol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("axis", [1, 0])
@pytest.mark.parametrize("dtype", [F16, F32], ids=str)
def test_cross_entropy_of_probabilities(dtype, axis):
    x = windows(dtype)
    assert bits(losses(x, x[::-1], axis)) == in_blocks(losses, axis, x, x[::-1])


def zeros(shape: int | tuple[int, ...], dtype: np.dtype, some: Mapping[int, float]) -> np.ndarray:
    """In memory that nobody wrote, and so takes none, but for some elements."""
    x = np.zeros(shape, dtype)
    x.reshape(-1)[list(some)] = list(some.values())
    return x


def assert_constant(y: np.ndarray, value: float, but: Mapping[int, float]) -> None:
    """All elements of one row are within some ULP of the value, but those; y is changed."""
    near = {"rtol": 4 * float(np.finfo(y.dtype).eps), "atol": 0}
    for i, other in but.items():
        np.testing.assert_allclose(y[i], other, err_msg=str(i), **near)
        y[i] = y[0]
    np.testing.assert_allclose(y[0], value, **near)
    for i in range(0, len(y), 1 << 24):
        assert np.all(y[i : i + (1 << 24)] == y[0]), i


LOW, HIGH, LAST = 2**30 + 5, 2**31 + 3, LONG - 1


@pytest.mark.exhaustive
def test_masked_logsumexp_of_a_long_float16_row():
    needs(8.6)
    x = zeros(LONG, F16, {0: 1.0, HIGH: 2.0, LAST: 3.0})
    keep = zeros(LONG, np.dtype(bool), {LOW: 1, HIGH: 1, LAST: 1})
    want = math.log(1 + math.exp(2) + math.exp(3))
    assert logsumexp(x, where=keep) == np.float16(want)


@pytest.mark.exhaustive
def test_softmax_of_a_long_float16_row():
    needs(13)
    some = {LOW: 14.0, HIGH: 16.0, LAST: 15.0}
    total = LONG - 3 + sum(map(math.exp, some.values()))
    y = softmax(zeros(LONG, F16, some))
    assert_constant(y, 0.0, {i: math.exp(v) / total for i, v in some.items()})


@pytest.fixture(scope="module")
def room() -> np.ndarray:
    """For results: the system takes half a minute to provide it."""
    needs(8.6)
    return np.zeros(LONG, F32)


@pytest.mark.exhaustive
def test_pytorch_191565_paddle_71935_losses_of_a_long_row():
    some = {LOW: 20.0, HIGH: 21.0, LAST: 19.0}
    x = zeros(LONG, F32, some)
    log_sum = math.log(LONG - 3 + sum(map(math.exp, some.values())))
    near = {"rtol": 1e-6}
    np.testing.assert_allclose(logsumexp(x), log_sum, **near)
    np.testing.assert_allclose(logsumexp(x.reshape(5, -1), None), log_sum, **near)
    for label in (0, LOW, HIGH, LAST):
        loss = log_sum - some.get(label, 0.0)
        np.testing.assert_allclose(cross_entropy(x, label), loss, **near)
    for label in (-1, LONG, 2**32 - 1):
        with pytest.raises(IndexError):
            cross_entropy(x, label)


@pytest.mark.exhaustive
def test_tensorflow_11723_softmax_of_a_long_row(room):
    some = {LOW: 20.0, HIGH: 21.0, LAST: 19.0}
    total = LONG - 3 + sum(map(math.exp, some.values()))
    y = softmax(zeros(LONG, F32, some), out=room)
    assert_constant(y, 1 / total, {i: math.exp(v) / total for i, v in some.items()})
    y = log_softmax(zeros(LONG, F32, some), out=room)
    log_total = math.log(total)
    assert_constant(y, -log_total, {i: v - log_total for i, v in some.items()})


@pytest.mark.exhaustive
def test_gradients_of_a_long_row(room):
    grad = zeros(LONG, F32, {LOW: 1.0, HIGH: 2.0})
    y = zeros(LONG, F32, {HIGH: 1.0, LAST: 0.5})
    assert_constant(softmax_backward(grad, y, out=room), 0.0, {LAST: -1.0})
    log_y = np.zeros(LONG, F32)
    assert_constant(log_softmax_backward(grad, log_y, out=room), -3.0, {LOW: -2.0, HIGH: -1.0})
    loss, grad = cross_entropy_with_grad(log_y, LAST, out=room)
    np.testing.assert_allclose(loss, math.log(LONG), rtol=1e-6)
    assert_constant(grad, 1 / LONG, {LAST: 1 / LONG - 1})


@pytest.mark.exhaustive
@pytest.mark.parametrize("axis", [1, 0])
def test_as_many_rows_of_two(room, axis):
    shape = (LONG, 2) if axis == 1 else (2, LONG)
    at = 2 * HIGH + 1 if axis == 1 else LONG + HIGH  # the second element of row HIGH
    beside = at - (1 if axis == 1 else LONG)
    y = softmax(zeros(shape, F16, {at: 1.0}), axis, out=room.view(F16).reshape(shape))
    p = 1 / (1 + math.exp(-1))
    assert_constant(y.reshape(-1), 0.5, {at: p, beside: 1 - p})


TOP = 2**63 - 1  # bytes of the largest array
COUNTED = {  # shapes as functions of the number of elements
    "one row": lambda n: (n,),
    "rows of one": lambda n: (n, 1),
    "rows of two": lambda n: (n // 2, 2),
    "rows of three, side by side": lambda n: (3, n // 3),
    "both": lambda n: (2**40, n // 2**40),
}


@pytest.mark.parametrize("shape", COUNTED.values(), ids=COUNTED.keys())
@EVERY_DTYPE
def test_shapes_near_the_end_of_64_bits(dtype, shape):
    """Arrays that could never be: a clean error, at once."""
    x = as_strided(np.ones(1, dtype), shape(TOP // dtype.itemsize), (0,) * len(shape(1)))
    keep = as_strided(np.ones(1, bool), x.shape, (0,) * x.ndim)
    labels = as_strided(np.zeros(1, np.int8), x.shape[:-1], (0,) * (x.ndim - 1))
    calls: list[Callable[[], Any]] = [
        *(partial(f, x, axis) for f in (softmax, log_softmax) for axis in (0, -1, None)),
        *(partial(softmax, x, axis, where=keep, temperature=2.0) for axis in (0, -1)),
        partial(softmax, x, out=x),
        partial(logsumexp, x, None),
        partial(logsumexp, x, 0),
        partial(logsumexp, x, None, b=x, where=keep),
        partial(softmax_backward, x, x),
        partial(log_softmax_backward, x, x, 0),
        partial(cross_entropy, x, x),
        partial(cross_entropy_with_grad, x, x, 0, label_smoothing=0.1),
    ]
    if x.shape[0] > 2**48:
        calls += [partial(f, x, labels) for f in (cross_entropy, cross_entropy_with_grad)]
    for call in calls:
        with pytest.raises((MemoryError, ValueError), match=r"allocate|too big|^$"):
            call()


@EVERY_DTYPE
def test_empty_arrays_of_such_shapes(dtype):
    n = TOP // dtype.itemsize
    for shape in ((0, n), (n, 0)):
        x = as_strided(np.ones(1, dtype), shape, (0, 0))
        for function in (softmax, log_softmax):
            for axis in (0, 1, None):
                assert function(x, axis).shape == shape
        assert softmax_backward(x, x).shape == log_softmax_backward(x, x, 0).shape == shape
        assert logsumexp(x, None) == -np.inf
    x = as_strided(np.ones(1, dtype), (0, n), (0, 0))
    assert logsumexp(x, 1).shape == (0,)
    assert cross_entropy(x, np.zeros(0, int), 1, reduction="none").shape == (0,)
    assert cross_entropy_with_grad(x, np.zeros(0, int))[1].shape == (0, n)
