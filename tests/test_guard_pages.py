"""Never a byte outside the arrays: forbidden pages before and after each, canaries between rows.

A read or write beyond an array that touches a guard page kills the process: the traceback of
faulthandler names the test. XNNPACK 1003 and 10467, numpy 32017 are such faults.
"""

from __future__ import annotations

import itertools
import mmap
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from calls import CALLS, EVERY_CALL, Arrays, all_bits, calls, mapped, taken
from helpers import DTYPES, EVERY_DTYPE, bits

from softlane.verify import guard_pages
from softlane.verify.guard_pages import Areas, out_like, put, sides

pytestmark = pytest.mark.skipif(not guard_pages.SUPPORTED, reason=guard_pages.NEEDS)
AT_END = pytest.mark.parametrize("at_end", [False, True], ids=["before", "after"])
CANARY = 0xA5
SOME_LENGTHS = [*range(1, 20), 31, 32, 33, 47, 48, 49, 63, 64, 65, 100, 127, 128, 129, 299, 300]


@pytest.fixture(scope="module")
def areas() -> Areas:
    return guard_pages.areas()


def in_place(arrays: Arrays, result: np.ndarray) -> Iterator[str]:
    """The arguments that the result may be written over."""
    return (n for n, a in arrays.items() if (a.shape, a.dtype) == (result.shape, result.dtype))


@EVERY_DTYPE
def test_the_guards_forbid(dtype, areas):
    """The arrays end where the forbidden pages begin: the address after them is not readable."""
    for area in areas.values():
        first, last = (area.place((5,), dtype, at_end) for at_end in (False, True))
        begin = first.__array_interface__["data"][0]
        end = last.__array_interface__["data"][0] + last.nbytes
        assert begin % mmap.PAGESIZE == end % mmap.PAGESIZE == 0
        if sys.platform == "linux":
            with open("/proc/self/maps", encoding="ascii") as maps:
                spans = [line.split()[:2] for line in maps]
            rights = [(*(int(v, 16) for v in span.split("-")), r) for span, r in spans]
            for address in (begin - 1, end):
                assert [r[:3] for low, high, r in rights if low <= address < high] == ["---"]


@EVERY_CALL
@EVERY_DTYPE
def test_xnnpack_1003_rows_of_1_to_300(call, dtype, isa, areas):
    """Each of four rows, among them with -inf, NaN, ignored, in turn beside the guards."""
    for n in range(1, 301):
        given = taken(call.arrays(n, dtype, 4), (np.arange(4) + n) % 4)
        results = call(given)
        want = all_bits(results)
        for at_end in sides(n):
            placed, out = put(areas, given, at_end), out_like(areas, results[0], at_end)
            assert all_bits(call(placed, out=out)) == want
            if n % 5 == 0 or n < 20:
                assert all_bits(call(placed)) == want
                for name in in_place(placed, results[0]):
                    assert all_bits(call(put(areas, given, at_end), out=placed[name])) == want


@EVERY_CALL
@EVERY_DTYPE
@AT_END
def test_batches_and_columns(call, dtype, at_end, isa, areas):
    """With a temperature of each row and a mask, where the function has them."""
    options = [(), ("temperature",)]
    if call.function.__name__ in ("softmax", "log_softmax"):
        options = [(), ("temperature", "where")]
    elif call.function.__name__ == "logsumexp":
        options = [("where",)]
    for n in SOME_LENGTHS:
        for more in options:
            given = call.arrays(n, dtype, (2, 3, 5, 16, 33)[n % 5], *more)
            columns = mapped(given, lambda a: np.ascontiguousarray(a.T))
            for arrays, axis in ((given, 1), (columns, 0)):
                results = call(arrays, axis)
                placed, out = put(areas, arrays, at_end), out_like(areas, results[0], at_end)
                assert all_bits(call(placed, axis, out=out)) == all_bits(results)


@EVERY_CALL
@EVERY_DTYPE
def test_xnnpack_10467_arguments_and_results_of_other_widths(call, dtype, isa, areas):
    widths = list(itertools.product(DTYPES.values(), repeat=2))
    for n in range(1, 257):  # each pair of widths with each remainder by 16
        other, target = widths[(n + n // 16) % 16]
        given = call.arrays(n, dtype, 2)
        last = list(given)[-1]
        if last != "labels":
            with np.errstate(over="ignore"):
                given[last] = given[last].astype(other)
        results = call(given, out=np.zeros(call(given)[0].shape, target))
        at_end = n % 3 != 0
        placed, out = put(areas, given, at_end), out_like(areas, results[0], at_end)
        assert all_bits(call(placed, out=out)) == all_bits(results)


@EVERY_CALL
@EVERY_DTYPE
def test_swapped_reversed_and_strided_arrays(call, dtype, isa, areas):
    for n, at_end in itertools.product((*range(1, 19), 31, 32, 33, 64, 65, 100), (False, True)):
        given = call.arrays(n, dtype, 3)
        results = call(given)
        want = all_bits(results)
        swapped = {k: a.astype(a.dtype.newbyteorder("S")) for k, a in given.items()}
        out = areas["out"].place(results[0].shape, dtype.newbyteorder("S"), at_end)
        assert all_bits(call(put(areas, swapped, at_end), out=out)) == want
        for step in (-1, 2, -3):

            def spread(name: str, array: np.ndarray) -> np.ndarray:
                """In memory that begins and ends with an element of the array."""
                shape = (*array.shape[:-1], (array.shape[-1] - 1) * abs(step) + 1)  # noqa: B023
                part = areas[name].place(shape, array.dtype, at_end)[..., ::step]  # noqa: B023
                part[...] = array
                return part

            placed = {name: spread(name, array) for name, array in given.items()}
            assert all_bits(call(placed, out=spread("out", results[0]))) == want


@calls("cross_entropy_labels*")
@pytest.mark.parametrize("kind", "bhilqBHILQ")
def test_onnxruntime_28004_pytorch_194802_labels_of_every_dtype(call, kind, isa, areas):
    """Classes at both ends of a row; ignored rows, whose label is no place in memory; bad ones."""
    dtypes = list(DTYPES.values())
    least, most = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    ignore = min(most, 2**63 - 1)
    for n, at_end in itertools.product(SOME_LENGTHS, (False, True)):
        if n >= most - 1:
            continue
        labels = np.array([ignore, 0, n - 1, n // 2, n - 1, 0, ignore], kind)
        given = call.arrays(n, dtypes[n % 4], 7) | {"labels": np.roll(labels, n)}
        if "weight" in given:
            given["weight"] = given["weight"].astype(dtypes[n // 4 % 4])
        results = call(given, ignore_index=ignore)
        placed, out = put(areas, given, at_end), out_like(areas, results[0], at_end)
        assert all_bits(call(placed, ignore_index=ignore, out=out)) == all_bits(results)
        for bad in (n, most - 1, least or n):
            placed["labels"][...] = 0
            placed["labels"][-1 if at_end else 0] = bad
            with pytest.raises(IndexError, match=f"target {bad} "):
                call(placed, ignore_index=ignore, out=out)
            assert bits(out) == bits(results[0])


@pytest.mark.parametrize("call", [CALLS["logsumexp_b"]], ids=["logsumexp_b"])
@EVERY_DTYPE
@AT_END
def test_broadcast_factors_and_masks(call, dtype, at_end, isa, areas):
    for n in SOME_LENGTHS:
        given = call.arrays(n, dtype, 3, "where")
        for cut in (np.s_[0], np.s_[:, :1], np.s_[:1], np.s_[1:2, n // 2 :][:1], np.s_[0, 0]):
            given |= {name: call.arrays(n, dtype, 3, "where")[name][cut] for name in ("b", "where")}
            assert all_bits(call(put(areas, given, at_end))) == all_bits(call(given))


@EVERY_CALL
@EVERY_DTYPE
@pytest.mark.parametrize("axis", [0, 1])
def test_numpy_32017_canaries_around_a_strided_out(call, dtype, axis, isa):
    """What lies between the rows and columns of out, and around it, keeps its bytes."""
    for n in (*range(1, 20), 31, 33, 63, 65, 130, 300):
        given = call.arrays(n, dtype, 3)
        if axis == 0:
            given = mapped(given, np.transpose)
        before = all_bits(tuple(given.values()))
        results = call(given, axis)
        for step in (1, 2, 3):
            size = results[0].shape
            parent = np.zeros((*(m + 2 for m in size[:-1]), (size[-1] + 2) * step), dtype)
            parent.view(np.uint8)[...] = CANARY
            canaries = parent.copy()
            part = (*[slice(1, -1)] * (len(size) - 1), slice(step, -step, step))
            assert all_bits(call(given, axis, out=parent[part])) == all_bits(results)
            for name in in_place(given, results[0]):
                parent[part] = given[name]
                call(given | {name: parent[part]}, axis, out=parent[part])
                assert bits(parent[part]) == bits(results[0])
            parent[part] = canaries[part]
            assert bits(parent) == bits(canaries)
        assert all_bits(tuple(given.values())) == before
