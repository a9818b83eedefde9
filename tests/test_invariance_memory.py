"""The same row gives the same bits wherever it lies: addresses, strides, overlaps, threads."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from calls import CALLS, EVERY_CALL, Arrays, all_bits, mapped, taken
from helpers import DTYPES, EVERY_DTYPE, bits

from softlane.verify.invariance import Movable, spread


@EVERY_CALL
@EVERY_DTYPE
def test_offsets_of_0_to_63_bytes(call, dtype, isa):
    for n in (1, 7, 33, 100, 1037):
        arrays = call.arrays(n, dtype, 4)
        results = call(arrays)
        want, result = all_bits(results), Movable(results[0])
        movable = {name: Movable(array) for name, array in arrays.items()}
        for offset in range(64):
            steps = zip((1, 5, 11), movable.items(), strict=False)
            moved = {name: one.at(offset * step % 64) for step, (name, one) in steps}
            assert all_bits(call(moved)) == want
            assert all_bits(call(moved, out=result.at(63 - offset))) == want
            first = next(iter(moved.values()))
            if first.shape == results[0].shape:
                assert all_bits(call(moved, out=first)) == want


@EVERY_CALL
@EVERY_DTYPE
def test_strides_and_neighbours(call, dtype, isa):
    for n in (5, 40, 129, 700):
        arrays = call.arrays(n, dtype, 4)
        want = all_bits(call(arrays))
        for step in (1, 2, 3, 7, -1, -2):
            elements = mapped(
                arrays, lambda a, s=step: spread(a, 1, s), lambda a, s=step: spread(a, 0, s)
            )
            rows = mapped(arrays, lambda a, s=step: spread(a, 0, s))
            for given in (elements, rows):
                assert all_bits(call(given)) == want
                assert all_bits(call(given, out=spread(call(arrays)[0], -1, step))) == want
            weights = {k: spread(a, 0, step) if k == "weight" else a for k, a in arrays.items()}
            assert all_bits(call(weights)) == want


@EVERY_CALL
@EVERY_DTYPE
def test_broadcast_rows_and_values(call, dtype, isa):
    for n in (1, 5, 40, 129, 700):
        arrays = call.arrays(n, dtype, 4)
        one = all_bits(call(taken(arrays, np.s_[:1])))
        same = taken(arrays, np.s_[:1])
        same = mapped(
            same, lambda a: np.broadcast_to(a, (3, a.shape[1])), lambda a: np.broadcast_to(a, 3)
        )
        assert all_bits(call(same)) == [part * 3 for part in one]
        for name, array in arrays.items():
            if name in ("labels", "weight"):
                continue
            for values in (array[:, :1], array[:1], array[:1, :1]):
                broadcast = np.broadcast_to(values, array.shape)
                want = all_bits(call(arrays | {name: broadcast.copy()}))
                assert all_bits(call(arrays | {name: broadcast})) == want
                if name == "b":
                    assert all_bits(call(arrays | {name: values})) == want


def copies(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}


@EVERY_CALL
@EVERY_DTYPE
def test_in_place_fresh_and_adjacent(call, dtype, isa):
    for n in (1, 5, 16, 40, 129, 1025):
        arrays = call.arrays(n, dtype, 6)
        results = call(arrays)
        want = all_bits(results)
        out = np.full_like(results[0], 7)
        assert call(arrays, out=out)[0] is out
        assert bits(out) == want[0]
        for name, array in arrays.items():
            if array.shape != (6, n):
                continue
            columns = mapped(copies(arrays), np.asfortranarray)
            for given in (copies(arrays), columns):
                place = given[name] if out.ndim == 2 else given[name][:, n // 2]
                assert call(given, out=place)[0] is place
                assert bits(place) == want[0]
                rest = {k: a for k, a in given.items() if k != name}
                assert all_bits(tuple(rest.values())) == [bits(arrays[k]) for k in rest]
            both = np.zeros((3, 6, n), dtype)
            both[1] = array
            for side in (0, 2):
                place = both[side] if out.ndim == 2 else both[side, :, 0]
                assert all_bits(call(arrays | {name: both[1]}, out=place)) == want
                assert bits(both[1]) == bits(array)


def test_pytorch_2201_88718_threads_calling_at_once_get_the_same_bits():
    shapes = [(1 + i, 2000 // (1 + i)) for i in range(6)] + [(300, 300), (2, 50000)]
    given = [
        (call, call.arrays(n, dtype, count))
        for (count, n), dtype, call in itertools.product(shapes, DTYPES.values(), CALLS.values())
    ]

    def both_axes(job) -> list[bytes]:
        call, arrays = job
        return all_bits(call(arrays)) + all_bits(call(mapped(arrays, np.transpose), 0))

    want = [both_axes(job) for job in given]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            assert list(pool.map(both_axes, given)) == want
