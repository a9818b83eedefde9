"""The exponential by itself: its reference, and the sweep over all float32 with every shift.

Each value stands in a rotating lane beside special values. The bound is the kernel's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from softlane import _core
from softlane._ulp import Reals, two_product, two_sum, ulp_error, wide_float
from softlane.verify.levels import LEVELS, THREADS, Array, Wrong, level
from softlane.verify.outcome import Outcome

FACTS = _core._exp_facts()
# ln 2: to 53 bits, what makes it 64, the rest.
LN2, LN2_LOW, LN2_REST = map(
    float.fromhex, ("0x1.62e42fefa39efp-1", "0x1.acp-56", "-0x1.b0e2633fe0685p-67")
)
GROUP = 17  # one special value, then 16 ordinary ones: each lane of a vector has its turn
STEP = 16 * 1024  # ordinary values in a chunk
SPECIAL = [np.nan, np.inf, 3e38, 0.0, 1e5, -np.inf] * 6 + [-3e38, -1e5, 1e-45]  # slow ones are rare
EXTRA_SHIFTS = 20  # a row's shift may be this much above an element's own
BATCH = 64  # chunks on one level before the next has its turn


def exp_reference(x: Array, shift: Array | int) -> Reals:
    """scale * exp(x) * 2^(bias - shift): what the kernel approximates.

    In float64 for float32 x, in long double for float64 x, with a relative error below 2^-46
    (2^-62) for shifts up to 100 above the element's own.
    """
    facts = FACTS[x.dtype.name]
    if x.dtype == np.float32:
        high = float(np.float32(LN2))  # 24 bits: its products with shifts below 2^29 are exact
        low = (LN2 - high) + LN2_LOW
        near: Reals = (x.astype(np.float64) - shift * high) - shift * low
        return np.asarray(np.exp(near) * (facts["scale"] * 2.0 ** facts["bias"]))
    wide = wide_float()
    n, ln2 = np.asarray(shift).astype(wide), wide(LN2) + wide(LN2_LOW)
    product, product_rest = two_product(n, np.asarray(ln2))
    reduced, rest = two_sum(x.astype(wide), -product)
    e = np.exp(reduced)
    e = e + e * (rest - product_rest - n * wide(LN2_REST))
    return np.asarray(np.ldexp(e * facts["scale"] + e * facts["scale_low"], int(facts["bias"])))


def spaced(x: Array) -> Array:
    """Each 16 elements preceded by a copy of their first, to be replaced by a special value."""
    groups = x.reshape(-1, GROUP - 1)
    return np.hstack([groups[:, :1], groups]).ravel()


OFFSETS = {sign: spaced(np.arange(STEP, dtype=np.uint32)[::sign]) for sign in (-1, 1)}


def with_specials(x: Array) -> Array:
    """A spaced x with special values in the gaps."""
    x = x.copy()
    x[::GROUP] = np.resize(SPECIAL, len(x) // GROUP)
    return x


def ascending(first: int, last: int, sign: int) -> Array:
    """STEP floats of one sign in ascending order, spaced; `first` and `last` bound their bits."""
    bits = np.minimum(OFFSETS[sign] + np.uint32(first), np.uint32(last))
    return (bits if sign > 0 else bits | np.uint32(1 << 31)).view(np.float32)


def starts(largest: float, every: int = 1) -> tuple[Sequence[int], int]:
    """Where the chunks of all floats from 0 to a magnitude begin, and the bits of the last one."""
    last = int(np.float32(largest).view(np.uint32))
    return range(0, last + 1, STEP)[::every], last


def own_shift(x: Array) -> Array:
    """The integer nearest to x * log2(e)."""
    return np.asarray(np.rint(x.astype(np.float64) / LN2)).astype(np.int64)


def every_shift(x: Array) -> Array:
    """exp with each element's own shift N; N + 1 ... N + 20 must change the exponent alone."""
    own = own_shift(x)
    beside = with_specials(x)
    e = np.empty_like(x)
    unshifted_bits = np.empty(len(x), np.uint32)  # of e * 2^N, the exponent modulo 2^9
    for shift in range(own[0], own[-1] + EXTRA_SHIFTS + 1):
        lowest, begin, end = np.searchsorted(own, [shift - EXTRA_SHIFTS, shift, shift + 1])
        shifted = _core._exp(beside[lowest:end], shift)
        bits = shifted.view(np.uint32) + np.uint32(shift % 512 << 23)
        e[begin:end] = shifted[begin - lowest :]
        unshifted_bits[begin:end] = bits[begin - lowest :]
        other = bits != unshifted_bits[lowest:end]
        other[-lowest % GROUP :: GROUP] = False
        if other.any():
            raise Wrong(f"exp of {x[lowest:end][other]!r} with shift {shift} has other bits")
    e[::GROUP] = e[1::GROUP]
    return e


def all_equal_near_0(x: Array, e: Array) -> bool:
    """Whether the results are one, so that the error of a tiny x is largest at an end."""
    return bool(np.abs(x[[0, -1]]).max() < 2.0**-26 and (e == e[0]).all())


def _judge(outcome: Outcome, name: str, x: Array, exact: Reals) -> None:
    e = every_shift(x)
    if all_equal_near_0(x, e):
        error = np.full(x.shape, ulp_error(e[[0, -1]], exact[[0, -1]]).max())
    else:
        error = ulp_error(e, exact)
    bound = FACTS["float32"]["bound_ulp"]
    outcome.judge("exp", "float32", name, error, bound, lambda i: f"x = {float(x[i]).hex()}")


def _reference(x: Array) -> Reals:
    return exp_reference(x, own_shift(x))


def sweep(
    outcome: Outcome,
    signs: Sequence[int] = (-1, 1),
    every: int = 1,
    levels: Sequence[str] = LEVELS,
    largest: float = FACTS["float32"]["limit"],
) -> None:
    """Judge every float up to a magnitude (every so manyth chunk) with 21 shifts, on each level."""
    with ThreadPoolExecutor(THREADS) as pool:
        for sign in signs:
            chunks, last = starts(largest, every)
            for at in range(0, len(chunks), BATCH):
                outcome.tick((signs.index(sign) + at / len(chunks)) / len(signs))
                some = [ascending(start, last, sign) for start in chunks[at : at + BATCH]]
                exact = list(pool.map(_reference, some))
                for name in levels:
                    with level(name):
                        list(pool.map(partial(_judge, outcome, name), some, exact))
