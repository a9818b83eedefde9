"""Regenerate the tables and coefficients of cpp/rows/exp_constants.hpp.

    python bench/fit_exp.py            print the header
    python bench/fit_exp.py --check    exit with status 1 if the committed header differs

The kernel evaluates exp(r) = 1 + r * q(r), q(r) = 1 + c2*r + c3*r^2 + ..., on |r| <= ln 2 / (2 K), where K is the
size of the table of 2^(k/K). The c's are the least-squares fit of exp(r) on Chebyshev nodes, which is within a few
percent of the minimax polynomial. They are rounded one after the other, c2 first, and the rest fitted again each time,
so that they make good the rounding of those before.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from mpmath import mp, mpf

mp.prec = 300
TABLE_SIZE = 8
NODES = 48
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


def block(name: str, ctype: str, degree: int, bits: int) -> str:
    suffix = "f" if ctype == "float" else ""
    mantissa_bits = bits - 1
    shift = mantissa_bits - TABLE_SIZE.bit_length() + 1
    exact = [mp.mpf(2) ** (mpf(k) / TABLE_SIZE) for k in range(TABLE_SIZE)]
    table = [rounded(v, bits) for v in exact]
    words = []
    for k, t in enumerate(table):
        pattern = int(mp.ldexp(t - 1, mantissa_bits)) + ((127 if bits == 24 else 1023) << mantissa_bits)
        words.append(pattern - (k << shift))
    errors = [(v - t) / t for v, t in zip(exact, table, strict=True)]
    digits = 8 if bits == 24 else 16
    step = mp.log(2) / TABLE_SIZE
    hi = rounded(step, bits)
    lo = rounded(step - hi, bits)
    lines = [
        f"template <> struct ExpConstants<{ctype}> {{",
        f"    static constexpr int degree = {degree};",
        f"    static constexpr {ctype} steps_per_unit = {hex_float(rounded(1 / step, bits), suffix)};",
        f"    static constexpr {ctype} step_hi = {hex_float(hi, suffix)};",
        f"    static constexpr {ctype} step_lo = {hex_float(lo, suffix)};",
        f"    static constexpr {ctype} coefficient[] = {{",
        *(
            f"        {hex_float(c, suffix)}, // c{i + 2} = {mp.nstr(c, 12)}"
            for i, c in enumerate(fit(degree, bits))
        ),
        "    };",
        f"    alignas(64) static constexpr {name} table[exp_table_size] = {{",
        *(f"        0x{w:0{digits}x}, // 2^({k}/{TABLE_SIZE})" for k, w in enumerate(words)),
        "    };",
        f"    alignas(64) static constexpr {ctype} table_error[exp_table_size] = {{",
        *(f"        {hex_float(rounded(e, bits), suffix)}," for e in errors),
        "    };",
        "};",
    ]
    return "\n".join(lines)


def header() -> str:
    return f"""\
// Tables and coefficients of the exponential. Made by bench/fit_exp.py; do not edit.
//
// table[k] holds the bits of 2^(k/K), rounded, minus k << (mantissa bits - log2 K), so that adding the bits of the
// reduced argument, shifted by as much, yields 2^(n/K) with its exponent; table_error[k] is the relative error of that
// rounding. steps_per_unit = K / ln 2; step_hi + step_lo = ln 2 / K.
#pragma once
#include "simd/lanes.hpp"

namespace softlane::SOFTLANE_ISA {{
namespace {{

constexpr int exp_table_size = {TABLE_SIZE};
constexpr int exp_table_bits = {TABLE_SIZE.bit_length() - 1};

template <class C> struct ExpConstants;

// clang-format off
{block("std::uint32_t", "float", 4, 24)}

{block("std::uint64_t", "double", 7, 53)}
// clang-format on

}} // namespace
}} // namespace softlane::SOFTLANE_ISA
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed header")
    text = header()
    if parser.parse_args().check:
        return 0 if HEADER.read_text() == text else 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
