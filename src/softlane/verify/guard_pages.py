"""Never a byte outside the arrays: forbidden pages before and after each of them.

A read or write beyond an array kills the process, so the calls are made in a child, which says
before each what it is about to do.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

from softlane.verify.calls import CALLS, Arrays, Results, all_bits, taken
from softlane.verify.levels import DTYPES, LEVELS, Array, DType, level
from softlane.verify.outcome import Outcome

PROT_NONE = 0
SUPPORTED = sys.platform in ("linux", "darwin")
NEEDS = "guard pages need mprotect, which is POSIX's"
LENGTHS = range(1, 301)
FAILED = "failed: "


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

    def place(self, shape: tuple[int, ...], dtype: DType, at_end: bool) -> Array:
        """An array of the shape that touches the guard after it, or the one before it."""
        size = math.prod(shape) * dtype.itemsize
        part = self.bytes[self.size - size :] if at_end else self.bytes[:size]
        return part.view(dtype).reshape(shape)

    def put(self, values: Array, at_end: bool) -> Array:
        """A copy of an array there."""
        array = self.place(values.shape, values.dtype, at_end)
        array[...] = values
        return array


Areas = dict[str, Guarded]


def areas() -> Areas:
    """One for each argument, and for out."""
    names = {name for call in CALLS.values() for name in call.names}
    return {n: Guarded(33 * 300 * 8) for n in (*names, "temperature", "where", "out")}


def put(areas: Areas, arrays: Arrays, at_end: bool) -> Arrays:
    """The arguments between guards."""
    return {name: areas[name].put(array, at_end) for name, array in arrays.items()}


def out_like(areas: Areas, array: Array, at_end: bool) -> Array:
    """A place for the result between guards."""
    return areas["out"].place(array.shape, array.dtype, at_end)


def sides(n: int) -> tuple[bool, ...]:
    """At which ends rows of n are placed: both of short ones, of long ones in turn."""
    return (False, True) if n <= 64 else (n // 64 % 2 == 0,)


def make_calls(lengths: range) -> None:
    """Every call on rows beside guards; says each case, and which gives other bits there."""
    guarded = areas()
    for dtype in DTYPES.values():
        for name, call in CALLS.items():
            for isa in LEVELS:
                with level(isa):
                    for n in lengths:
                        # Each of four rows, some with -inf or NaN, at the ends in turn.
                        given = taken(call.arrays(n, dtype, 4), (np.arange(4) + n) % 4)
                        results: Results = call(given)
                        want = all_bits(results)
                        for at_end in sides(n):
                            case = f"{name} of {dtype.name} on {isa}, rows of {n} "
                            case += "before the forbidden page" if at_end else "after it"
                            print(case, flush=True)
                            placed = put(guarded, given, at_end)
                            out = out_like(guarded, results[0], at_end)
                            if all_bits(call(placed, out=out)) != want:
                                print(f"{FAILED}{case}: other bits", flush=True)


def watch(outcome: Outcome, command: Sequence[str], cases: int) -> None:
    """Run a command that prints its cases; expects it not to die before it has printed them all."""
    last, done = "its start", 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as child:
        for line in child.stdout or ():
            if line.startswith(FAILED):
                outcome.expect(False, line.removeprefix(FAILED).strip())
            else:
                last, done = line.strip(), done + 1
                outcome.cases += 1
                outcome.tick(done / cases)
    status = child.returncode
    if status:
        how = f"crashed with signal {-status}" if status < 0 else f"ended with status {status}"
        outcome.expect(False, f"{how} at {last}")
    elif done < cases:
        outcome.expect(False, f"made {done} of {cases} calls, the last at {last}")


def check(outcome: Outcome) -> None:
    """Make the calls in a child."""
    if not SUPPORTED:
        outcome.skipped.append(NEEDS)
        return
    cases = sum(len(sides(n)) for n in LENGTHS) * len(DTYPES) * len(CALLS) * len(LEVELS)
    child = f"from softlane.verify.guard_pages import make_calls; make_calls({LENGTHS!r})"
    watch(outcome, [sys.executable, "-c", child], cases)
