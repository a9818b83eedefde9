"""Regenerate the constants of cpp/rows/log_constants.hpp: the scalar log1p and exp of a row.

    python bench/fit_log.py            print the header
    python bench/fit_log.py --check    exit with status 1 if the committed header differs

For z in [1 + i/64, 1 + (i + 1)/64) the table has c, a number of few bits near 1/z, and -log(c).
The first interval has c = 1 and log 0: near 1, where all digits of log1p(w) are those of w, nothing
is added to them. The high parts of -log(c) and of ln 2 are multiples of 2^-42, whose sums are
exact.
"""

from __future__ import annotations

import pathlib
import sys

from fit_exp import print_or_check
from mpmath import mp, mpf

mp.prec = 300
LOG_TABLE_SIZE = 64
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


def header() -> str:
    log_rows = "\n".join(log_entry(i) for i in range(LOG_TABLE_SIZE))
    exp_rows = "\n".join(
        f"    {{{pair(mpf(2) ** (mpf(k) / EXP_TABLE_SIZE))}}}," for k in range(EXP_TABLE_SIZE)
    )
    return f"""\
// Constants of the scalar log1p and exp. Made by bench/fit_log.py; do not edit.
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
constexpr double ln_2_parts[] = {{{pair(mp.log(2), SUM_BITS)}}};

// 2^(k/{EXP_TABLE_SIZE}) in two parts; ln 2 / {EXP_TABLE_SIZE}, its first part of {STEP_BITS} bits.
constexpr double exp_pairs[][2] = {{
{exp_rows}
}};
constexpr double exp_step[] = {{{pair(mp.log(2) / EXP_TABLE_SIZE, STEP_BITS + 3)}}};
// clang-format on

}} // namespace
}} // namespace softlane::SOFTLANE_ISA
"""


if __name__ == "__main__":
    sys.exit(print_or_check(__doc__, HEADER, header()))
