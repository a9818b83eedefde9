"""Never a byte outside the arrays: forbidden pages before and after each, canaries between rows.

A read or write beyond an array that touches a guard page kills the process: the traceback of
faulthandler names the test. XNNPACK 1003 and 10467, numpy 32017 are such faults.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import sys

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, bits, sample

from softlane import softmax

pytestmark = pytest.mark.skipif(
    sys.platform not in ("linux", "darwin"), reason="guard pages need mprotect, which is POSIX's"
)
PROT_NONE = 0
CANARY = 0xA5


class Guarded:
    """Memory of some pages between two forbidden ones."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self.size = -(-size // page) * page
        self.memory = mmap.mmap(-1, self.size + 2 * page)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for guard in (address, address + page + self.size):
            if protect(guard, page, PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect")
        self.bytes = np.frombuffer(self.memory, np.uint8, self.size, page)

    def place(self, shape: tuple[int, ...], dtype: np.dtype, at_end: bool) -> np.ndarray:
        """An array of the shape that touches the guard after it, or the one before it."""
        size = math.prod(shape) * dtype.itemsize
        part = self.bytes[self.size - size :] if at_end else self.bytes[:size]
        return part.view(dtype).reshape(shape)

    def put(self, values: np.ndarray, at_end: bool) -> np.ndarray:
        array = self.place(values.shape, values.dtype, at_end)
        array[...] = values
        return array


@pytest.fixture(scope="module")
def areas() -> tuple[Guarded, Guarded, Guarded]:
    return Guarded(300 * 300 * 8), Guarded(300 * 300 * 8), Guarded(300 * 300)


@EVERY_DTYPE
def test_the_guards_forbid(dtype, areas):
    """The arrays end where the forbidden pages begin: the address after them is not readable."""
    x = areas[0].place((5,), dtype, at_end=True)
    end = x.__array_interface__["data"][0] + x.nbytes
    assert end % mmap.PAGESIZE == 0
    if sys.platform == "linux":
        with open("/proc/self/maps", encoding="ascii") as maps:
            rights = {line.split("-")[0]: line.split()[1] for line in maps}
        assert rights[f"{end:08x}"].startswith("---")


@EVERY_DTYPE
@pytest.mark.parametrize("at_end", [False, True], ids=["before", "after"])
def test_xnnpack_1003_rows_of_1_to_300(dtype, at_end, isa, areas):
    source, result, masks = areas
    for n in range(1, 301):
        values = sample((n,), dtype, n)
        x = source.put(values, at_end)
        out = result.place((n,), dtype, at_end)
        want = bits(softmax(values))
        assert bits(softmax(x, out=out)) == want
        assert bits(softmax(x)) == bits(softmax(values, out=out)) == want
        keep = masks.put(np.arange(n) % 3 != 1, at_end)
        want = bits(softmax(values, where=keep.copy()))
        assert bits(softmax(x, where=keep, out=out)) == want
        assert bits(softmax(x, out=x)) == bits(softmax(values))


@EVERY_DTYPE
@pytest.mark.parametrize("at_end", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("axis", [0, 1])
def test_batches_and_columns(dtype, at_end, axis, isa, areas):
    source, result, masks = areas
    lengths = [*range(1, 36), 47, 48, 49, 63, 64, 65, 100, 127, 128, 129, 299, 300]
    for n in lengths:
        for count in (2, 3, 5, 16, 33):
            shape = (n, count) if axis == 0 else (count, n)
            values = sample(shape, dtype, n)
            x = source.put(values, at_end)
            out = result.place(shape, dtype, at_end)
            temperature = masks.put(np.linspace(1, 2, count), at_end)
            want = bits(softmax(values, axis, temperature=temperature.copy()))
            assert bits(softmax(x, axis, temperature=temperature, out=out)) == want
            keep = masks.put(np.arange(n * count).reshape(shape) % 4 != 1, at_end)
            want = bits(softmax(values, axis, where=keep.copy()))
            assert bits(softmax(x, axis, where=keep, out=out)) == want


@EVERY_DTYPE
@pytest.mark.parametrize("target", DTYPES.values(), ids=lambda dtype: f"to_{dtype}")
def test_xnnpack_10467_results_of_another_width(dtype, target, areas):
    source, result, _ = areas
    for at_end in (False, True):
        for n in range(1, 301):
            values = sample((n,), dtype, n)
            x = source.put(values, at_end)
            out = result.place((n,), target, at_end)
            assert bits(softmax(x, out=out)) == bits(softmax(values, dtype=target))


@EVERY_DTYPE
def test_swapped_reversed_and_strided_arrays(dtype, isa, areas):
    source, result, _ = areas
    swapped = dtype.newbyteorder("S")
    for at_end in (False, True):
        for n in range(1, 101):
            values = sample((n,), dtype, n)
            want = bits(softmax(values))
            x = source.put(values.astype(swapped), at_end)
            assert bits(softmax(x, out=result.place((n,), swapped, at_end))) == want
            for step in (-1, 2, -3):
                size = (n - 1) * abs(step) + 1
                x = source.place((size,), dtype, at_end)[::step]
                out = result.place((size,), dtype, at_end)[::step]
                x[...] = values
                assert bits(softmax(x, out=out)) == want


@EVERY_DTYPE
@pytest.mark.parametrize("axis", [0, 1])
def test_numpy_32017_canaries_around_a_strided_out(dtype, axis, isa):
    """What lies between the rows and columns of out, and around it, keeps its bytes."""
    for n in (*range(1, 40), 63, 65, 130, 300):
        shape = (n, 3) if axis == 0 else (3, n)
        values = sample(shape, dtype, n)
        want = bits(softmax(values, axis))
        for step in (1, 2, 3):
            parent = np.full((shape[0] + 2, (shape[1] + 2) * step), 0, dtype)
            parent.view(np.uint8)[...] = CANARY
            before = parent.copy()
            part = np.s_[1:-1, step:-step:step]
            softmax(values, axis, out=parent[part])
            assert bits(parent[part]) == want
            parent[part] = before[part]
            assert bits(parent) == bits(before)
