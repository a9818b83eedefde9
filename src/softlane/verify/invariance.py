"""The same row gives the same bits: alone, in a batch, in columns, at any address, on threads."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

import softlane
from softlane.verify.calls import CALLS, Arrays, Call, all_bits, alone, mapped, of_columns, taken
from softlane.verify.levels import DTYPES, LEVELS, Array, level
from softlane.verify.outcome import Outcome

LENGTHS = (1, 2, 7, 16, 33, 100, 513)
COUNT = 9
LARGE = (200, 1000)  # rows that threads share
THREAD_COUNTS = (1, 2, 3, 8)


class Movable:
    """A copy of an array that begins so many bytes after a multiple of 64 as it is told to."""

    def __init__(self, array: Array) -> None:
        memory = np.zeros(array.nbytes + 128, np.uint8)
        self.array = array
        self.memory = memory[-memory.__array_interface__["data"][0] % 64 :]

    def at(self, offset: int) -> Array:
        """The copy."""
        bytes_ = self.memory[offset : offset + self.array.nbytes]
        copy = bytes_.view(self.array.dtype).reshape(self.array.shape)
        copy[...] = self.array
        return copy


def spread(array: Array, axis: int, step: int) -> Array:
    """A copy that takes every step-th element along an axis of its memory, NaN between them."""
    shape = list(array.shape)
    shape[axis] *= abs(step)
    memory = np.full(shape, -77 if array.dtype.kind == "i" else np.nan, array.dtype)
    part = (slice(None),) * (axis % array.ndim) + (slice(None, None, step),)
    memory[part] = array
    return memory[part]


def variants(call: Call, arrays: Arrays) -> Iterator[tuple[str, list[bytes]]]:
    """The bits of the same rows, come by in other ways."""
    yield "alone", alone(call, arrays, COUNT)
    columns = mapped(arrays, lambda a: np.ascontiguousarray(a.T))
    yield "in columns", all_bits(of_columns(call(columns, 0)))
    backwards = taken(arrays, np.s_[::-1])
    yield "in another order", all_bits(tuple(part[::-1] for part in call(backwards)))
    movable = [(name, Movable(array)) for name, array in arrays.items()]
    for offset in (1, 4, 24, 63):
        moved = {name: one.at(offset * (k + 1) % 64) for k, (name, one) in enumerate(movable)}
        yield f"{offset} bytes on", all_bits(call(moved))
    for step in (2, -1, -3):
        first, second = (partial(spread, axis=axis, step=step) for axis in (0, 1))
        far = mapped(arrays, second, first)
        yield f"with stride {step}", all_bits(call(far))
    out = call(arrays)[0]
    for name, array in arrays.items():
        if (array.shape, array.dtype) == (out.shape, out.dtype):
            own = {key: a.copy() for key, a in arrays.items()}
            yield f"in place of {name}", all_bits(call(own, out=own[name]))


def on_threads(call: Call, arrays: Arrays) -> Iterator[tuple[str, list[bytes]]]:
    """The bits of many rows, shared between threads."""
    for count in THREAD_COUNTS:
        with softlane.num_threads(count):
            yield f"on {count} threads", all_bits(call(arrays))


def check(outcome: Outcome) -> None:
    """Compare each variant of each call, dtype and level."""
    jobs = [(name, dtype) for dtype in DTYPES.values() for name in CALLS]
    for done, (name, dtype) in enumerate(jobs):
        outcome.tick(done / len(jobs))
        call = CALLS[name]
        for isa in LEVELS:
            case = f"{name} of {dtype.name} on {isa}"
            with outcome.case(case), level(isa):
                for n in LENGTHS:
                    arrays = call.arrays(n, dtype, COUNT)
                    want = all_bits(call(arrays))
                    for way, found in variants(call, arrays):
                        outcome.expect(found == want, f"{case}, rows of {n}: other bits {way}")
                arrays = call.arrays(LARGE[1], dtype, LARGE[0])
                want = all_bits(call(arrays))
                for way, found in on_threads(call, arrays):
                    outcome.expect(found == want, f"{case}, {LARGE}: other bits {way}")
