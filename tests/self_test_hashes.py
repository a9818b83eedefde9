"""Writes cpp/core/self_test_hashes.hpp from the output of cpp/tests/digest.cpp.

A change of these hashes is a change of results: see test_hashes.py for what it needs. To write
the file anew, run the digest on an x86-64 machine with AVX2 and on aarch64 (an emulated one will
do), and give both outputs:

    python tests/self_test_hashes.py x86.txt aarch64.txt
"""

from __future__ import annotations

import sys
from pathlib import Path

HEADER = Path(__file__).parents[1] / "cpp" / "core" / "self_test_hashes.hpp"
OPS, DTYPES = 7, 4
FAMILIES = {
    "avx512, avx2, neon": {("x86", "avx512"), ("x86", "avx2"), ("aarch64", "neon")},
    "sse2": {("x86", "sse2")},
    "scalar on x86-64": {("x86", "scalar")},
    "scalar on aarch64": {("aarch64", "scalar")},
}


def self_test_lines(text: str) -> dict[tuple[str, int, int], str]:
    """Return the hash of each (level, op, dtype) in the digest's output."""
    found = {}
    for line in text.splitlines():
        level, case, value = line.split()
        if case.startswith("row_self_test_"):
            op, dtype = case.removeprefix("row_self_test_").split("_")
            found[level, int(op), int(dtype)] = value
    return found


def header(outputs: dict[str, str]) -> str:
    """Return the header's text from the digest's output on each architecture."""
    hashes = {
        (arch, level, op, dtype): value
        for arch, text in outputs.items()
        for (level, op, dtype), value in self_test_lines(text).items()
    }
    lines = [
        "// Written by tests/self_test_hashes.py: what core/self_test.hpp has to give, of each",
        "// family of levels that promise the same bits, op and dtype (in the order of",
        "// core/types.hpp).",
        "#pragma once",
        '#include "core/types.hpp"',
        "",
        "namespace softlane {",
        "",
        "// clang-format off",
        f"constexpr std::uint64_t self_test_hashes[{len(FAMILIES)}][op_count][dtype_count] = {{",
    ]
    for name, members in FAMILIES.items():
        lines.append(f"    {{ // {name}")
        for op in range(OPS):
            row = []
            for dtype in range(DTYPES):
                values = {hashes[(*m, op, dtype)] for m in members if (*m, op, dtype) in hashes}
                if len(values) != 1:
                    raise SystemExit(f"{name}, op {op}, dtype {dtype}: one hash expected: {values}")
                row.append(f"0x{values.pop()}")
            lines.append(f"        {{{', '.join(row)}}},")
        lines.append("    },")
    lines += ["};", "// clang-format on", "", "} // namespace softlane", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    x86, aarch64 = (Path(name).read_text() for name in sys.argv[1:])
    HEADER.write_text(header({"x86": x86, "aarch64": aarch64}))
