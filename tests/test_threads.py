"""Threads change no bit, are no more than they may be, and are not missed where there are none.

The calls of this file are large enough for eight threads, whatever the machine has: the pool of
this process grows to seven.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from calls import CALLS, EVERY_CALL, Call, all_bits, mapped
from helpers import DTYPES, EVERY_DTYPE, bits, laid_out, sample
from test_fp_env import MODES, environment, libm, mode  # noqa: F401

import softlane
from softlane import _core, num_threads

FACTS = _core._pool_facts()
ROWS, LENGTH = 599, 877  # 8 threads' worth, and no multiple of anything
THREADS = range(2, 9)
assert ROWS * LENGTH >= 8 * FACTS["elements_per_thread"]
F32 = DTYPES["float32"]


@contextmanager
def shared_jobs(at_least: int = 1) -> Iterator[None]:
    """The pool did so many jobs inside the block: else a test would show nothing."""
    before = _core._pool_facts()["jobs"]
    yield
    assert _core._pool_facts()["jobs"] - before >= at_least


def on_one_thread(call: Call, arrays: dict[str, np.ndarray], **options) -> list[bytes]:
    with num_threads(1):
        return all_bits(call(arrays, **options))


@EVERY_CALL
@EVERY_DTYPE
def test_pytorch_2201_88718_the_number_of_threads_changes_no_bit(call, dtype):
    arrays = call.arrays(LENGTH, dtype, ROWS)
    want = on_one_thread(call, arrays)
    for count in THREADS:
        with num_threads(count), shared_jobs():
            assert all_bits(call(arrays)) == want, count


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cross_entropy_labels"])
def test_on_every_level(name, isa):
    arrays = CALLS[name].arrays(LENGTH, F32, ROWS)
    want = on_one_thread(CALLS[name], arrays)
    for count in (2, 3):
        with num_threads(count), shared_jobs():
            assert all_bits(CALLS[name](arrays)) == want


@pytest.mark.parametrize("layout", ["fortran", "odd_strides", "reversed", "swapped"])
@pytest.mark.parametrize(
    "name", ["softmax", "logsumexp_b", "softmax_backward", "cross_entropy_probabilities"]
)
def test_memory_layouts(name, layout):
    call = CALLS[name]
    arrays = call.arrays(LENGTH, F32, ROWS)
    want = on_one_thread(call, arrays)
    moved = mapped(arrays, lambda array: laid_out(array, layout))
    for count in (2, 3, 8):
        with num_threads(count), shared_jobs():
            assert all_bits(call(moved)) == want


def test_masks_temperatures_and_more_dimensions():
    arrays = CALLS["softmax"].arrays(LENGTH, F32, ROWS, "where", "temperature")
    x, mask, t = arrays["x"], arrays["where"], arrays["temperature"]
    cube = sample((7, 23, 67, 61), F32)
    calls = (
        lambda: softlane.softmax(x, where=mask),
        lambda: softlane.log_softmax(x, where=mask, temperature=t),
        lambda: softlane.softmax(x, 0, temperature=3.0),
        lambda: softlane.softmax(cube, 1),
        lambda: softlane.softmax(cube, (0, 2)),
        lambda: softlane.softmax(cube[:, ::-1, 1:, ::2].swapaxes(0, 3), dtype=np.float64),
        lambda: softlane.logsumexp(np.ma.masked_array(x, ~mask), 0),
        lambda: softlane.softmax(np.broadcast_to(x[0], x.shape)),
    )
    for call in calls:
        with num_threads(1):
            want = bits(np.ma.getdata(call()))
        for count in (2, 5, 8):
            with num_threads(count), shared_jobs():
                assert bits(np.ma.getdata(call())) == want


@pytest.mark.parametrize("dtype", [F32, DTYPES["float16"]], ids=["float32", "float16"])
def test_in_place_and_overlapping(dtype):
    call = CALLS["softmax"]
    (want,) = on_one_thread(call, call.arrays(LENGTH, dtype, ROWS))
    values = call.arrays(LENGTH, dtype, ROWS)["x"]
    for count in (2, 7):
        with num_threads(count), shared_jobs(4):
            x = values.copy()
            assert bits(softlane.softmax(x, out=x)) == want
            for shift in (-1, 1):  # rows of the result lie on those of the input beside them
                memory = np.zeros((ROWS + 2, LENGTH), dtype)
                x, y = memory[1:-1], memory[1 + shift : ROWS + 1 + shift]
                x[...] = values
                assert bits(softlane.softmax(x, out=y)) == want
            buffer = np.zeros(ROWS + LENGTH, dtype)
            y = np.lib.stride_tricks.as_strided(
                buffer, (ROWS, LENGTH), (dtype.itemsize, dtype.itemsize)
            )
            softlane.softmax(values, out=y)  # what lands where is not said: only that it returns


def test_reductions_of_the_losses_are_in_row_order():
    arrays = CALLS["cross_entropy_labels_weight"].arrays(LENGTH, F32, ROWS)
    x, labels, weight = (arrays[name] for name in ("x", "labels", "weight"))
    x = np.where(np.isfinite(x), x, 0)
    for reduction in ("mean", "sum"):
        call = functools.partial(
            softlane.cross_entropy, x, labels, weight=weight, z_loss=0.1, reduction=reduction
        )
        with num_threads(1):
            want = bits(call())
        for count in THREADS:
            with num_threads(count), shared_jobs():
                assert bits(call()) == want


def test_below_the_threshold_nobody_is_asked():
    before = _core._pool_facts()
    with num_threads(8):
        softlane.softmax(np.zeros((FACTS["parallel_elements"] // 512 - 1, 512), np.float32))
        softlane.log_softmax(np.zeros((1, FACTS["parallel_elements"] * 4), np.float32))  # one row
    after = _core._pool_facts()
    assert (after["jobs"], after["alone"]) == (before["jobs"], before["alone"])
    with num_threads(8), shared_jobs():
        softlane.softmax(np.zeros((FACTS["parallel_elements"] // 512, 512), np.float32))


def test_openblas_1668_numpy_21376_without_threads_a_call_computes_alone():
    """With the threads that there are; once there are more, a later call starts them."""
    started = _core._pool_facts()["started"]
    rows = (started + 3) * FACTS["elements_per_thread"] // LENGTH + 1
    arrays = CALLS["softmax"].arrays(LENGTH, F32, rows)
    want = on_one_thread(CALLS["softmax"], arrays)
    _core._refuse_threads(True)
    try:
        for count in (started + 2, started + 3, started + 3):
            with num_threads(count):
                assert all_bits(CALLS["softmax"](arrays)) == want
        assert _core._pool_facts()["started"] == started
    finally:
        _core._refuse_threads(False)
    with num_threads(started + 2), shared_jobs():
        assert all_bits(CALLS["softmax"](arrays)) == want
    assert _core._pool_facts()["started"] == started + 1


@pytest.mark.parametrize("count", [2, 3])
def test_callers_at_once_share_the_threads(count):
    """Each result is right, and no more than count - 1 helpers ever run, however many call."""
    arrays = CALLS["softmax"].arrays(LENGTH, F32, ROWS)
    want = on_one_thread(CALLS["softmax"], arrays)
    before = _core._pool_facts()  # resets most_helping
    start = threading.Barrier(5)

    def loop() -> int:
        start.wait()
        results = [all_bits(CALLS["softmax"](arrays)) for _ in range(25)]
        return sum(result == want for result in results)

    former = softlane.set_num_threads(count)
    try:
        with ThreadPoolExecutor(5) as executor:
            futures = [executor.submit(loop) for _ in range(5)]
            assert [future.result() for future in futures] == [25] * 5
    finally:
        softlane.set_num_threads(former)
    after = _core._pool_facts()
    assert after["most_helping"] <= count - 1
    assert after["jobs"] + after["alone"] - before["jobs"] - before["alone"] == 125


def test_llama_cpp_7154_openblas_1237_modes_of_any_thread_change_no_bit(libm):  # noqa: F811
    """A thread of the pool begins with the mode of the call that started it."""
    names = ("softmax", "log_softmax", "cross_entropy_labels_every_option", "softmax_backward")
    cases = [
        (CALLS[name], CALLS[name].arrays(LENGTH, DTYPES[dtype], ROWS))
        for name in names
        for dtype in ("float32", "float16")
    ]
    want = [on_one_thread(call, arrays) for call, arrays in cases]
    if not MODES:
        pytest.skip("no modes are known for this architecture")

    def check(control: int, count: int) -> None:
        with num_threads(count), mode(libm, control):
            before = environment(libm)
            results = [call(arrays) for call, arrays in cases]
            assert environment(libm) == before
        assert [all_bits(result) for result in results] == want

    for control in MODES.values():
        count = min(_core._pool_facts()["started"] + 2, 8)
        check(control, count)
        thread = threading.Thread(target=check, args=(control, count))
        thread.start()
        thread.join()


def test_many_small_calls_beside_large_ones():
    """A thread that computes alone, below the threshold, is not disturbed by the pool."""
    large, small = sample((ROWS, LENGTH), F32), sample((3, 5), F32)
    want = bits(softlane.softmax(small))
    done = threading.Event()

    def loop() -> None:
        while not done.is_set():
            softlane.softmax(large)

    with num_threads(3):
        thread = threading.Thread(target=loop)
        thread.start()
    try:
        assert all(bits(softlane.softmax(small)) == want for _ in range(3000))
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("count", [1, 3])
def test_pys2index_5_arrays_are_made_with_the_lock_held(count):
    """By calls of several threads, which release it in between, while garbage is collected."""
    rows = FACTS["parallel_elements"] // 64
    whole = np.arange(rows * 64, dtype=np.int64).reshape(rows, 64) % 1009
    labels = (whole[:, 0] % 64).astype(np.int8)
    half, swapped = whole.astype(np.float16), whole.astype(">f4")
    calls = (
        lambda: softlane.softmax(whole.tolist()),
        lambda: softlane.log_softmax(whole[:, ::-1], dtype=np.float64),
        lambda: softlane.softmax(half, 0),
        lambda: softlane.logsumexp(swapped, keepdims=True, return_sign=True),
        lambda: softlane.softmax_backward(half, whole),
        lambda: softlane.cross_entropy_with_grad(swapped, labels, reduction="none"),
        lambda: softlane.softmax(np.ma.masked_array(swapped, whole % 3 == 0)),
    )

    def run(which: int) -> list[bytes]:
        results = calls[which % len(calls)]()
        parts = results if isinstance(results, tuple) else (results,)
        return [bits(np.ma.getdata(part)) for part in parts]

    with num_threads(1):
        want = [run(which) for which in range(len(calls))]
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    former = softlane.set_num_threads(count)
    try:
        with ThreadPoolExecutor(5) as executor:
            assert list(executor.map(run, range(10 * len(calls)))) == want * 10
    finally:
        softlane.set_num_threads(former)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)


def test_each_thread_has_tiles_of_its_own_for_long_rows():
    x = np.zeros((9, 1 << 20), np.float16)
    x[:, ::2] = -np.inf
    with num_threads(8), shared_jobs():
        y = softlane.softmax(x)
    assert bits(y) == bits(np.where(x == 0, np.float16(2.0**-19), np.float16(0)))


def test_the_exported_functions_of_the_module():
    module = ctypes.CDLL(_core.__file__)
    former = softlane.get_num_threads()
    try:
        module.softlane_set_num_threads(5)
        assert softlane.get_num_threads() == module.softlane_get_num_threads() == 5
        module.softlane_set_num_threads(-3)
        assert softlane.get_num_threads() == 1
        module.softlane_set_num_threads(10**6)
        assert softlane.get_num_threads() == FACTS["most_threads"]
    finally:
        softlane.set_num_threads(former)


def test_each_of_hundreds_of_parts_is_done_once():
    """More of them than a byte counts: a part has some 16,384 elements."""
    x = np.random.default_rng(0).standard_normal((300 * 16, 1024), dtype=np.float32)
    with num_threads(1):
        want = softlane.softmax(x)
    out = np.full_like(x, 7)
    with num_threads(2), shared_jobs():
        softlane.softmax(x, out=out)
    assert bits(out) == bits(want)
