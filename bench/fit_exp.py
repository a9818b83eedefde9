"""Regenerate the tables and coefficients of cpp/rows/exp_constants.hpp.

    python bench/fit_exp.py            print the header
    python bench/fit_exp.py --check    exit with status 1 if the committed header differs

The kernel evaluates scale * 2^(k/K) * (1 + r * q(r)), q(r) = 1 + c2*r + c3*r^2 + ..., on |r| <=
ln 2 / (2 K), where K is the size of the table of scale * 2^(k/K).

The scale: a row's exponentials are only ever compared with their own sum, so all of them may
carry a common factor. It is chosen so that all K table entries happen to lie close to
representable numbers: the first of `CANDIDATES` consecutive numbers from 1 (which is all of them
for float32, up to a rotation of the table) with the smallest spread of the rounding errors, which
a factor within one ULP then centres. The table is thereby accurate to 1/20 ULP and needs no
second table of its errors.

The c's are the least-squares fit of exp(r) on Chebyshev nodes, which is within a few percent of
the minimax polynomial. They are rounded one after the other, c2 first, and the rest fitted again
each time, so that they make good the rounding of those before.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import numpy as np
from mpmath import mp, mpf

mp.prec = 300
TABLE_SIZE = 8
NODES = 48
CANDIDATES = 2**24
HEADER = pathlib.Path(__file__).parent.parent / "cpp" / "rows" / "exp_constants.hpp"


def rounded(value: mpf, bits: int) -> mpf:
    """The nearest number with a significand of `bits` bits."""
    if value == 0:
        return mpf(0)
    mantissa, exponent = mp.frexp(value)
    return mp.ldexp(mp.nint(mp.ldexp(mantissa, bits)), int(exponent) - bits)


def remainder(r: mpf) -> mpf:
    """(exp(r) - 1 - r) / r^2, by its series: the direct form cancels at small r."""
    return mp.nsum(lambda k: r**k / mp.factorial(k + 2), [0, 40], method="direct")


def fit(degree: int, bits: int) -> list[mpf]:
    """c2 ... c_degree, rounded to `bits` bits."""
    half = mp.log(2) / (2 * TABLE_SIZE)
    nodes = [half * mp.cos(mp.pi * (2 * i + 1) / (2 * NODES)) for i in range(NODES)]
    fixed: list[mpf] = []
    for left in range(degree - 1, 0, -1):
        # Weighted by r^2, that is by what an error of q contributes to exp(r).
        powers = [[r ** (j + 2) for j in range(len(fixed) + left)] for r in nodes]
        known = [sum(c * p for c, p in zip(fixed, row, strict=False)) for row in powers]
        matrix = mp.matrix([row[len(fixed) :] for row in powers])
        right = mp.matrix([remainder(r) * r**2 - k for r, k in zip(nodes, known, strict=True)])
        fixed.append(rounded(mp.qr_solve(matrix, right)[0][0], bits))
    return fixed


def hex_float(value: mpf, suffix: str) -> str:
    return float(value).hex().replace("0x0.0p+0", "0x0p+0") + suffix


def scaled_table(bits: int) -> tuple[mpf, list[mpf], mpf]:
    """The scale, the table entries, and their largest relative error in units of 2^-bits."""
    exact = [mpf(2) ** (mpf(k) / TABLE_SIZE) for k in range(TABLE_SIZE)]
    one = 2 ** (bits - 1)
    last = int(one * (2 / exact[-1] - 1))  # beyond, the last entry would reach 2
    j = np.arange(min(CANDIDATES, last), dtype=np.uint64)
    # (one + j) * 2^(k/K) minus the nearest integer, as a signed fixed-point number of 64 bits.
    errors = []
    for value in exact:
        base = int(mp.nint(mp.ldexp(mp.frac(value * one), 64))) % 2**64
        slope = int(mp.nint(mp.ldexp(mp.frac(value), 64))) % 2**64
        fraction = (np.uint64(base) + j * np.uint64(slope)).view(np.int64)
        errors.append(fraction.astype(np.float64) * 2.0**-64 / float(value))
    spread = np.max(errors, axis=0) - np.min(errors, axis=0)
    best = int(np.argmin(spread))
    centre = (max(e[best] for e in errors) + min(e[best] for e in errors)) / 2
    scale = (mpf(one + best) - mpf(float(centre))) / one
    table = [rounded(mpf(one + best) * value / one, bits) for value in exact]
    worst = max(abs(t / (scale * value) - 1) for t, value in zip(table, exact, strict=True))
    return scale, table, worst * mpf(2) ** bits


def block(name: str, ctype: str, degree: int, bits: int) -> str:
    suffix = "f" if ctype == "float" else ""
    mantissa_bits = bits - 1
    shift = mantissa_bits - TABLE_SIZE.bit_length() + 1
    scale, table, worst = scaled_table(bits)
    words = []
    for k, t in enumerate(table):
        bias = (127 if bits == 24 else 1023) << mantissa_bits
        words.append(int(mp.ldexp(t - 1, mantissa_bits)) + bias - (k << shift))
    digits = 8 if bits == 24 else 16
    step = mp.log(2) / TABLE_SIZE
    hi = rounded(step, bits)
    steps = [
        f"    static constexpr double {of} = {hex_float(rounded(value, bits), '')};"
        for of, value in (("steps_per_unit", 1 / step), ("step_hi", hi), ("step_lo", step - hi))
    ]
    scale_hi = rounded(scale, 53)
    lines = [
        f"template <> struct ExpConstants<{ctype}> {{",
        f"    static constexpr int degree = {degree};",
        f"    static constexpr double scale = {hex_float(scale_hi, '')};",
        f"    static constexpr double scale_low = {hex_float(rounded(scale - scale_hi, 53), '')};",
        *(steps if ctype == "double" else []),  # of floats they follow from ln 2 in double
        f"    static constexpr {ctype} coefficient[] = {{",
        *(
            f"        {hex_float(c, suffix)}, // c{i + 2} = {mp.nstr(c, 12)}"
            for i, c in enumerate(fit(degree, bits))
        ),
        "    };",
        f"    // Largest relative error of an entry: {mp.nstr(worst, 3)} * 2^-{bits}",
        f"    alignas(64) static constexpr {name} table[exp_table_size] = {{",
        *(
            f"        0x{w:0{digits}x}, // scale * 2^({k}/{TABLE_SIZE})"
            for k, w in enumerate(words)
        ),
        "    };",
        "};",
    ]
    return "\n".join(lines)


def header() -> str:
    return f"""\
// Tables and coefficients of the exponential. Made by bench/fit_exp.py; do not edit.
//
// table[k] holds the bits of scale * 2^(k/K) minus k << (mantissa bits - log2 K), so that
// adding the bits of the reduced argument, shifted by as much, yields scale * 2^(n/K) with its
// exponent. The scale is common to a whole row and cancels in it; it is what makes every entry
// land next to a representable number. Of doubles: steps_per_unit = K / ln 2,
// step_hi + step_lo = ln 2 / K.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {{
namespace {{

constexpr int exp_table_size = {TABLE_SIZE};

template <class C> struct ExpConstants;

// clang-format off
{block("std::uint32_t", "float", 4, 24)}

{block("std::uint64_t", "double", 7, 53)}
// clang-format on

}} // namespace
}} // namespace softlane::SOFTLANE_ISA
"""


def print_or_check(description: str | None, path: pathlib.Path, text: str) -> int:
    """What the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare with the committed header")
    if parser.parse_args().check:
        return 0 if path.read_text() == text else 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(print_or_check(__doc__, HEADER, header()))
