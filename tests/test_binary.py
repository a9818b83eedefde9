"""What is shipped: the instructions, symbols and libraries of the built extension module.

An instruction beyond the baseline outside the kernels is a SIGILL on an older machine, so every
VEX- or EVEX-encoded instruction must lie in a function of a namespace that dispatch chose first.
"""

from __future__ import annotations

import pathlib
import platform
import re
import shutil
import subprocess
import sys

import pytest

from softlane import _core

MODULE = pathlib.Path(_core.__file__)
ROOT = pathlib.Path(__file__).parent.parent
# The same before its local symbols were stripped, by which instructions are found to belong.
UNSTRIPPED = next(iter(ROOT.glob(f"build/*/{MODULE.name}")), None)
# Prefixes that may stand before a VEX or EVEX prefix: segments and the address size.
BEFORE_VEX = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x67}
VEX = {0xC4, 0xC5}
EVEX = 0x62
# Which mangled function names may hold which encodings: softlane::avx2::, softlane::avx512::.
AVX2_KERNEL = re.compile(r"NK?8softlane4avx2")
AVX512_KERNEL = re.compile(r"NK?8softlane6avx512")

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ELF files")
x86 = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "AMD64"}, reason="VEX and EVEX are of x86-64"
)
pytestmark = linux


def tool(name: str, *arguments: str) -> str:
    """The output of a program of the binutils; skips the test where it is not installed."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=True, timeout=300
    ).stdout


def encoding(instruction: bytes) -> str:
    """ "vex", "evex", or "" for an instruction every x86-64 has, from its bytes in 64-bit mode."""
    for byte in instruction:
        if byte not in BEFORE_VEX:
            return "vex" if byte in VEX else "evex" if byte == EVEX else ""
    return ""


def test_encoding_of_known_instructions() -> None:
    assert encoding(bytes.fromhex("c5f877")) == "vex"  # vzeroupper
    assert encoding(bytes.fromhex("c4e2fdb8c1")) == "vex"  # vfmadd231pd ymm
    assert encoding(bytes.fromhex("64c5fc2800")) == "vex"  # vmovaps ymm0, fs:[rax]
    assert encoding(bytes.fromhex("62f17c4858c1")) == "evex"  # vaddps zmm
    assert encoding(bytes.fromhex("0f58c1")) == ""  # addps xmm
    assert encoding(bytes.fromhex("f30f1efa")) == ""  # endbr64


def wide_instructions(disassembly: str) -> dict[str, dict[str, int]]:
    """How many VEX and EVEX instructions each function has, from `objdump -d -w`."""
    counts: dict[str, dict[str, int]] = {}
    function = "?"
    for line in disassembly.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function = head[1]
        elif body := re.match(r" *[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t", line):
            kind = encoding(bytes.fromhex(body[1]))
            if kind:
                counts.setdefault(function, {"vex": 0, "evex": 0})[kind] += 1
    return counts


def code(module: pathlib.Path) -> bytes:
    """What is in the section .text."""
    for line in tool("objdump", "-h", str(module)).splitlines():
        match line.split():
            case [_, ".text", size, _, _, offset, _]:
                begin = int(offset, 16)
                return module.read_bytes()[begin : begin + int(size, 16)]
    raise ValueError(f"no code in {module}")


@pytest.fixture(scope="module")
def unstripped() -> pathlib.Path:
    if UNSTRIPPED is None:
        pytest.skip("not built in this checkout")
    same = code(UNSTRIPPED) == code(MODULE)
    assert same, f"{UNSTRIPPED} is not what was installed: install the checkout again"
    return UNSTRIPPED


@pytest.fixture(scope="module")
def functions(unstripped: pathlib.Path) -> dict[str, dict[str, int]]:
    return wide_instructions(tool("objdump", "-d", "-w", str(unstripped)))


@x86
def test_pytorch_14436_fbgemm_46_numpy_25274_onedal_704_botan_5260_no_avx_outside_kernels(
    functions: dict[str, dict[str, int]],
) -> None:
    for name, counts in functions.items():
        if AVX512_KERNEL.search(name):
            continue
        assert counts["evex"] == 0, f"EVEX outside softlane::avx512, in {name}"
        assert AVX2_KERNEL.search(name), f"VEX outside softlane::avx2 and avx512, in {name}"


@x86
def test_kernels_have_wide_instructions(functions: dict[str, dict[str, int]]) -> None:
    """Else the test above sees nothing: a stripped module, or flags that were lost."""
    if "avx2" in _core_compiled():
        assert sum(c["vex"] for name, c in functions.items() if AVX2_KERNEL.search(name)) > 100
    if "avx512" in _core_compiled():
        assert sum(c["evex"] for name, c in functions.items() if AVX512_KERNEL.search(name)) > 100


@x86
def test_pytorch_37577_no_level_runs_at_load_time(functions: dict[str, dict[str, int]]) -> None:
    """A static initialiser, which runs on every machine, is named after what it initialises."""
    start_up = re.compile(r"_GLOBAL__sub|static_initialization_and_destruction")
    assert [name for name in functions if start_up.search(name)] == []


def _core_compiled() -> list[str]:
    import softlane

    return list(softlane.show_config()["isa_compiled"])


def isa_objects() -> list[pathlib.Path]:
    return sorted(ROOT.glob("build/*/**/isa/*.cpp.o"))


@pytest.mark.skipif(not isa_objects(), reason="no object files: not built in this checkout")
@pytest.mark.parametrize("path", isa_objects(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_weak_symbols_in_isa_objects(path: pathlib.Path) -> None:
    """A weak function here could be the one that the linker keeps for the whole module."""
    symbols = [line.split() for line in tool("nm", str(path)).splitlines()]
    assert [symbol for symbol in symbols if symbol[-2] in "VvWwu"] == []


@pytest.mark.skipif(not isa_objects(), reason="no object files: not built in this checkout")
@pytest.mark.parametrize("path", isa_objects(), ids=lambda path: str(path.relative_to(ROOT)))
def test_isa_objects_define_one_table(path: pathlib.Path) -> None:
    """One external name, in the level's own namespace; nothing runs at load time."""
    level = path.name.partition(".")[0]
    external = tool("nm", "--defined-only", "--extern-only", "-C", str(path)).splitlines()
    assert len(external) == 1
    assert f"softlane::{level}::" in external[0]
    sections = tool("objdump", "-h", str(path))
    assert not re.search(r"\.(init_array|ctors|init)\b", sections)


def test_exported_functions() -> None:
    """The module's own, and the two that threadpoolctl looks for."""
    lines = tool("nm", "-D", "--defined-only", str(MODULE)).splitlines()
    names = {line.split()[-1] for line in lines}
    assert names - {"_init", "_fini", "_edata", "_end", "__bss_start"} == {
        "PyInit__core",
        "softlane_get_num_threads",
        "softlane_set_num_threads",
    }


def test_linked_libraries() -> None:
    """The C and C++ runtime and nothing else: no OpenMP, no BLAS."""
    needed = set(re.findall(r"NEEDED +(\S+)", tool("objdump", "-p", str(MODULE))))
    allowed = r"(libstdc\+\+|libm|libgcc_s|libc|libpthread|ld-linux-[\w-]+)\.so\.\d+"
    assert [name for name in needed if not re.fullmatch(allowed, name)] == []


def test_no_fast_math_start_code(unstripped: pathlib.Path) -> None:
    """-ffast-math at link time adds crtfastmath, which sets flush-to-zero in every thread."""
    assert not re.search(r"\b(set_fast_math|crtfastmath)\b", tool("nm", "-a", str(unstripped)))
    probe = (
        "import numpy as np; a = np.array([1e-40, 1e-40], np.float32); import softlane;"
        "softlane.softmax(a); raise SystemExit(0 if (a * np.float32(0.5) > 0).all() else 1)"
    )
    assert subprocess.run([sys.executable, "-c", probe], timeout=120).returncode == 0


def test_size() -> None:
    assert MODULE.stat().st_size < 2_200_000
