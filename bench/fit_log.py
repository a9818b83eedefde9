"""Regenerate the constants of cpp/rows/log_constants.hpp: log1p and exp of what rows have one of.

    python bench/fit_log.py            print the header
    python bench/fit_log.py --check    exit with status 1 if the committed header differs

For z in [1 + i/64, 1 + (i + 1)/64) the table has c, a number of few bits near 1/z, and -log(c).
The first interval has c = 1 and log 0: near 1, where all digits of log1p(w) are those of w, nothing
is added to them. The high parts of -log(c) and of ln 2 are multiples of 2^-42, whose sums are
exact.

Float rows have a table of eight, which registers hold: z is in [1 + (i - 1/2)/8, 1 + (i + 1/2)/8),
but that the first interval begins at 31/32: half of it lies in the binade before.
log(1 + r) = r + r^2 (c0 + c1 r + ...), the c's a least-squares fit on Chebyshev nodes.
"""

from __future__ import annotations

import pathlib
import sys

from fit_exp import NODES, hex_float, print_or_check
from mpmath import mp, mpf

mp.prec = 300
LOG_TABLE_SIZE = 64
SMALL_TABLE_SIZE = 8
SMALL_DEGREE = 7
EXP_TABLE_SIZE = 8
C_BITS = 9
SUM_BITS = 42
STEP_BITS = 30  # times an integer below 2^22 it is exact
HEADER = pathlib.Path(__file__).parent.parent / "cpp" / "rows" / "log_constants.hpp"


def fixed(value: mpf, bits: int) -> mpf:
    """The nearest multiple of 2^-bits."""
    return mp.ldexp(mp.nint(mp.ldexp(value, bits)), -bits)


def pair(value: mpf, bits: int = 0) -> str:
    """Two doubles, as text; the first a multiple of 2^-bits, if given."""
    high = fixed(value, bits) if bits else mpf(float(value))
    return f"{float(high).hex()}, {float(value - high).hex()}".replace("0x0.0p+0", "0x0p+0")


def log_entry(i: int) -> str:
    middle = 1 + (mpf(i) + mpf(1) / 2) / LOG_TABLE_SIZE
    c = mpf(1) if i == 0 else fixed(1 / middle, C_BITS)
    return f"    {{{float(c).hex()}, {pair(-mp.log(c), SUM_BITS)}}},"


def small_table() -> list[tuple[float, float]]:
    """c and -log(c) of each interval."""
    c = [fixed(1 / (1 + mpf(i) / SMALL_TABLE_SIZE), C_BITS) for i in range(SMALL_TABLE_SIZE)]
    return [(float(value), float(-mp.log(value)) + 0.0) for value in c]


def small_series() -> list[float]:
    """c0 ... of that, weighted by what their error contributes to log(1 + r) / r."""
    half = mpf(1) / (2 * SMALL_TABLE_SIZE)
    nodes = [half * mp.cos(mp.pi * (2 * i + 1) / (2 * NODES)) for i in range(NODES)]
    matrix = mp.matrix([[r ** (j + 1) for j in range(SMALL_DEGREE - 1)] for r in nodes])
    right = mp.matrix([mp.log1p(r) / r - 1 for r in nodes])
    return [float(c) for c in mp.qr_solve(matrix, right)[0]]


def header() -> str:
    log_rows = "\n".join(log_entry(i) for i in range(LOG_TABLE_SIZE))
    exp_high, exp_low = (
        ", ".join(of)
        for of in zip(
            *(pair(mpf(2) ** (mpf(k) / EXP_TABLE_SIZE)).split(", ") for k in range(EXP_TABLE_SIZE)),
            strict=True,
        )
    )
    small_c, small_log = (", ".join(map(float.hex, of)) for of in zip(*small_table(), strict=True))
    series = "\n".join(f"    {hex_float(c, ',')}" for c in small_series())
    return f"""\
// Constants of the log1p and exp of what rows have one of. Made by bench/fit_log.py; do not edit.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {{
namespace {{

// clang-format off
// c, near 1/z in the i-th of {LOG_TABLE_SIZE} intervals of [1, 2), and -log(c) in two parts.
struct LogEntry {{
    double c, high, low;
}};
constexpr LogEntry log_table[] = {{
{log_rows}
}};
// The same of float rows, in intervals around 1 + i/{SMALL_TABLE_SIZE}; c0, c1 ...
alignas(64) constexpr double small_log_c[] = {{
{small_c}}};
alignas(64) constexpr double small_log[] = {{
{small_log}}};
constexpr double small_log_series[] = {{
{series}
}};
constexpr double ln_2_parts[] = {{{pair(mp.log(2), SUM_BITS)}}};

// 2^(k/{EXP_TABLE_SIZE}) in two parts; ln 2 / {EXP_TABLE_SIZE}, its first part of {STEP_BITS} bits.
alignas(64) constexpr double exp_high[] = {{
{exp_high}}};
alignas(64) constexpr double exp_low[] = {{
{exp_low}}};
constexpr double exp_step[] = {{{pair(mp.log(2) / EXP_TABLE_SIZE, STEP_BITS + 3)}}};
// clang-format on

}} // namespace
}} // namespace softlane::SOFTLANE_ISA
"""


if __name__ == "__main__":
    sys.exit(print_or_check(__doc__, HEADER, header()))
