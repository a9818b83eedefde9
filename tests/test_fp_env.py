"""The floating-point environment: the caller's changes no bit of ours, ours leaves no trace in his.

The environment is read and written as the C library's fenv_t, whose words on Linux are known.
"""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, bits, sample

from softlane import softmax

MACHINE = platform.machine()
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE not in ("x86_64", "aarch64"),
    reason=f"fenv_t is known for Linux on x86-64 and aarch64, not {sys.platform} {MACHINE}",
)

# fenv_t: its 32-bit words; which one governs vector arithmetic, and its control bits; the flags.
WORDS, CONTROL, CONTROL_BITS = (8, 7, 0xFFC0) if MACHINE == "x86_64" else (2, 0, 0xFFFFFFFF)
ALL_FLAGS = 0x3D if MACHINE == "x86_64" else 0x1F
MODES = {
    "x86_64": {
        "downward": 0x2000, "upward": 0x4000, "towards_zero": 0x6000, "flush_to_zero": 0x8000,
        "denormals_are_zero": 0x0040, "flush_both_upward": 0xC040,
    },
    "aarch64": {
        "upward": 1 << 22, "downward": 2 << 22, "towards_zero": 3 << 22, "flush_to_zero": 1 << 24,
        "default_nan": 1 << 25, "flush_upward": 5 << 22,
    },
}.get(MACHINE, {})  # fmt: skip
Words = ctypes.c_uint32 * 8


@pytest.fixture(scope="module")
def libm() -> ctypes.CDLL:
    return ctypes.CDLL("libm.so.6")


def environment(libm: ctypes.CDLL) -> list[int]:
    words = Words()
    assert libm.fegetenv(words) == 0
    return list(words)[:WORDS]


@contextmanager
def mode(libm: ctypes.CDLL, control: int) -> Iterator[None]:
    """These control bits of the vector unit are set inside the block."""
    former, changed = Words(), Words()
    libm.fegetenv(former)
    libm.fegetenv(changed)
    changed[CONTROL] |= control
    libm.fesetenv(changed)
    try:
        yield
    finally:
        libm.fesetenv(former)


def hard_calls(dtype: np.dtype) -> list[tuple[np.ndarray, dict]]:
    """Arguments whose results feel each rounding, the subnormals, and every conversion."""
    x = sample((7, 53), dtype, scale=6)
    depth = {"float16": 17, "bfloat16": 92, "float32": 104, "float64": 745}[dtype.name]
    deep = np.linspace(0, -depth, 61).astype(dtype)
    tiny = (np.arange(40) * float(np.array(1, f"u{dtype.itemsize}").view(dtype))).astype(dtype)
    special = np.array([[0, np.nan, 1], [np.inf, 0, 1], [-np.inf] * 3, [0, -np.inf, 1]]).astype(
        dtype
    )
    calls = [(x, {}), (x, {"axis": 0}), (x, {"axis": None}), (deep, {}), (deep[::-1], {})]
    calls += [(tiny, {}), (special, {}), (x.astype(dtype.newbyteorder("S")), {})]
    calls += [(x, {"temperature": np.linspace(0.3, 9, 7)}), (x, {"where": x > 0})]
    return calls + [(deep, {"dtype": to}) for to in DTYPES.values()]


def test_these_modes_bite(libm):
    """Each mode changes what numpy computes: else the tests below would show nothing."""
    thirds, subnormal, least = (
        np.full((2, 4), [[3], [-1.5]]),
        np.full(8, 5e-324),
        np.full(8, 3e-308),
    )
    plain = bits(1 / thirds), bits(subnormal * 1), bits(least / 4)
    for name, control in MODES.items():
        if name == "default_nan":
            continue
        with mode(libm, control):
            words = environment(libm)
            changed = 1 / thirds, subnormal * 1, least / 4
        assert words[CONTROL] & control == control
        assert tuple(bits(value) for value in changed) != plain, name


@EVERY_DTYPE
@pytest.mark.parametrize("control", MODES.values(), ids=MODES.keys())
def test_the_mode_of_the_caller_changes_no_bit(libm, control, dtype, isa):
    for number, (x, options) in enumerate(hard_calls(dtype)):
        want = bits(softmax(x, **options))
        with mode(libm, control):
            before = environment(libm)
            result = softmax(x, **options)
            after = environment(libm)
        assert bits(result) == want, f"call {number}"
        assert before[CONTROL] & CONTROL_BITS == after[CONTROL] & CONTROL_BITS


@pytest.mark.parametrize("control", MODES.values(), ids=MODES.keys())
def test_the_mode_of_the_caller_makes_no_temperature_zero(libm, control, isa):
    x = np.arange(40) * 5e-324
    for temperature in (5e-324, np.full(1, 5e-324), 1e-310):
        want = bits(softmax(x, temperature=temperature))
        with mode(libm, control):
            result = softmax(x, temperature=temperature)
        assert bits(result) == want


@pytest.mark.parametrize("control", MODES.values(), ids=MODES.keys())
def test_the_mode_of_the_caller_rounds_no_integer(libm, control, isa):
    for x in (2**53 + np.arange(9), np.array([2**64 - 1, 2**64 - 1500, 2**53 + 1], np.uint64)):
        for y in (x, x.astype(x.dtype.newbyteorder("S")), x[::-1]):
            want = bits(softmax(y))
            with mode(libm, control):
                result = softmax(y)
            assert bits(result) == want


@EVERY_DTYPE
def test_numpy_17761_22772_20356_no_flag_is_left_and_none_is_lost(libm, dtype, isa):
    arrays = [sample((3, 40), dtype), np.array([0, -np.inf, 0, -9]).astype(dtype)]
    arrays += [
        np.array([0, np.nan, np.inf]).astype(dtype),
        np.array([0, -16, -90, -700]).astype(dtype),
    ]
    arrays += [np.full(7, -np.inf).astype(dtype), arrays[0].T, np.zeros((0, 3), dtype)]
    outs = [np.zeros(x.shape, np.float16) for x in arrays]
    for x, out in zip(arrays, outs, strict=True):
        for flags in (0, ALL_FLAGS):
            libm.feclearexcept(ALL_FLAGS)
            libm.feraiseexcept(flags)
            before = environment(libm)
            softmax(x)
            softmax(x, out=out)
            softmax(x, temperature=3.0)
            after = environment(libm)
            left = libm.fetestexcept(ALL_FLAGS)
            libm.feclearexcept(ALL_FLAGS)
            assert left == flags
            assert before == after


@EVERY_DTYPE
def test_numpy_17761_errstate_raise_raises_nothing(dtype, isa):
    with np.errstate(all="raise"):
        for x, options in hard_calls(dtype):
            softmax(x, **options)
        softmax(np.array([2**63 - 1, 0]), dtype=dtype)
        np.add(np.ones(3), 1)


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, f"exit {process.returncode}: {process.stderr}"
    return process.stdout


def test_llvm_57589_pyhmmer_71_ctranslate2_1018_import_changes_no_mode():
    code = f"""
import ctypes, numpy
libm = ctypes.CDLL("libm.so.6")
words = (ctypes.c_uint32 * 8)()
libm.fegetenv(words)
words[{CONTROL}] |= %d
libm.fesetenv(words)
libm.fegetenv(words)
before = words[0], words[{CONTROL}] & {CONTROL_BITS}
import softlane
libm.fegetenv(words)
print(before == (words[0], words[{CONTROL}] & {CONTROL_BITS}))
"""
    for control in (0, MODES["flush_to_zero"] | MODES["upward"]):
        assert run(code % control) == "True\n"


def test_traps_of_the_caller_do_not_fire():
    """feenableexcept makes a flag a SIGFPE in the caller's code: not in ours."""
    if MACHINE != "x86_64":
        pytest.skip("trapping is optional on aarch64, and most processors have none")
    code = f"""
import ctypes, numpy, softlane
libm = ctypes.CDLL("libm.so.6")
rows = [numpy.array([[0, numpy.nan, numpy.inf], [0, -20, -745], [-numpy.inf] * 3], dtype)
        for dtype in ("f2", "f4", "f8")]
softmax, results, call = softlane.softmax, [None] * 6, libm.feenableexcept
call({ALL_FLAGS})
for i in range(3):
    results[i] = softmax(rows[i])
    results[i + 3] = softmax(rows[i], 0)
libm.fedisableexcept({ALL_FLAGS})
print(all(numpy.isnan(y[0]).all() for y in results[:3]))
"""
    assert run(code).strip() == "True"
