"""What the soak asks for: calls at random, each with what it is given."""

from __future__ import annotations

import time
from random import Random
from typing import Any, NamedTuple

import numpy as np
from calls import CALLS, Arrays, Call, all_bits, mapped
from helpers import DTYPES, LAYOUTS, laid_out

SMALL = [(1, 1), (7, 3), (3, 17), (64, 10), (5, 300), (1, 1000), (40, 77)]
LARGE = [(300, 800), (4001, 50), (24000, 9), (5, 50021)]  # for up to three threads
MAPS = ("softmax", "log_softmax")
REFUSALS = (IndexError, TypeError, ValueError)


class Request(NamedTuple):
    """One call, as it will be repeated."""

    name: str
    call: Call
    arrays: Arrays
    options: dict[str, Any]
    out: tuple[str, tuple[int, ...], np.dtype] | None  # layout, shape, dtype

    def answer(self) -> tuple[list[bytes], int]:
        """The bits of the results, or the error, and the nanoseconds that the call took."""
        options = self.options
        if self.out:
            layout, *kind = self.out
            options = {**options, "out": LAYOUTS[layout](*kind)}
        begin = time.perf_counter_ns()
        try:
            results = self.call(self.arrays, **options)
        except REFUSALS as error:
            return [repr(error).encode()], time.perf_counter_ns() - begin
        took = time.perf_counter_ns() - begin
        return all_bits(results), took

    def __str__(self) -> str:
        kinds = (f"{name} {a.dtype}{a.shape}{a.strides}" for name, a in self.arrays.items())
        return f"{self.name}({', '.join(kinds)}, {self.options}, out={self.out})"


def request(random: Random) -> Request:
    """A call at random; one in twenty is wrong and must be refused."""
    op, size = random.choice(list(CALLS)), random.choices(["small", "large"], [5, 1])[0]
    call, dtype = CALLS[op], random.choice(list(DTYPES.values()))
    count, n = random.choice(SMALL if size == "small" else LARGE)
    more = random.choice([(), (), ("where",), ("temperature",)]) if op in MAPS else ()
    arrays = call.arrays(n, dtype, count, *more)
    options: dict[str, Any] = {"axis": -1}
    if random.random() < 0.3:
        arrays, options = mapped(arrays, np.transpose), {"axis": 0}
    layout = random.choice(list(LAYOUTS)) if random.random() < 0.5 else "C"
    arrays = mapped(arrays, lambda array: laid_out(array, layout) if layout != "C" else array)
    out = None
    if random.random() < 0.05:
        if "labels" in arrays:
            arrays["labels"] = arrays["labels"] + n
        else:
            options["axis"] = 2
    elif random.random() < 0.3:
        first = call(arrays, **options)[0]
        out = (random.choice(list(LAYOUTS)), first.shape, first.dtype)
    return Request(f"{op}, {size}", call, arrays, options, out)
