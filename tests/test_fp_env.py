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
from functools import partial

import numpy as np
import pytest
from helpers import BFLOAT16, DTYPES, EVERY_DTYPE, bits, sample
from plain import EVERY_FUNCTION

from softlane import (
    _core,
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    log_softmax_backward,
    logsumexp,
    softmax,
    softmax_backward,
)

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
LOSSES = (cross_entropy, cross_entropy_with_grad)
BACKWARD = (softmax_backward, log_softmax_backward)
ANY_FUNCTION = pytest.mark.parametrize(
    "function", [softmax, log_softmax, logsumexp, *BACKWARD, *LOSSES], ids=lambda f: f.__name__
)


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


def hard_arrays(dtype: np.dtype) -> dict[str, np.ndarray]:
    """Rows whose results feel each rounding, the subnormals, and every special value."""
    x = sample((7, 53), dtype, scale=6)
    depth = {"float16": 17, "bfloat16": 92, "float32": 104, "float64": 745}[dtype.name]
    deep = np.linspace(0, -depth, 61).astype(dtype)
    tiny = (np.arange(40) * float(np.array(1, f"u{dtype.itemsize}").view(dtype))).astype(dtype)
    special = np.array([[0, np.nan, 1], [np.inf, 0, 1], [-np.inf] * 3, [0, -np.inf, 1]])
    swapped = x.astype(dtype.newbyteorder("S"))
    return {
        "x": x, "deep": deep, "back": deep[::-1], "tiny": tiny, "special": special.astype(dtype),
        "swapped": swapped, "confident": np.array([[0, -16], [0, -depth], [0, 0]]).astype(dtype),
        "infinite": np.full(7, -np.inf).astype(dtype), "none": np.zeros((0, 3), dtype),
    }  # fmt: skip


def calls_of(function, arrays: dict[str, np.ndarray]) -> list[partial]:
    """Calls of the function on the arrays, and with the options that it has."""
    x, deep = arrays["x"], arrays["deep"]
    rows = np.linspace(0.3, 9, 7)
    if function in LOSSES:
        labels = {name: np.zeros(a.shape[:-1], np.int64) for name, a in arrays.items()}
        calls = [partial(function, a, labels[name]) for name, a in arrays.items()]
        spread = softmax(x.astype(np.float64), -1)
        options = {"weight": np.linspace(0.1, 3, 53), "label_smoothing": 0.1, "z_loss": 1e-3}
        calls += [partial(function, x, np.arange(7), temperature=rows, reduction="none", **options)]
        calls += [partial(function, x, spread, **options)]
        calls += [partial(function, x.T, np.arange(7), 0, reduction="sum")]
        return [*calls, partial(function, deep, 60, temperature=1e-310)]
    if function in BACKWARD:
        calls = [partial(function, a, softmax(a)) for a in arrays.values()]
        calls += [partial(function, softmax(a), a) for a in arrays.values()]
        tiny = arrays["tiny"]
        calls += [partial(function, tiny, tiny), partial(function, x, x, temperature=rows)]
        return [*calls, partial(function, x.astype(np.float64), x, 0)]
    calls = [partial(function, a) for a in arrays.values()]
    calls += [partial(function, x, 0), partial(function, x, None), partial(function, x.T, 0)]
    calls += [partial(function, x, where=x > 0)]
    calls += [partial(function, deep, dtype=to) for to in DTYPES.values()]
    if function is logsumexp:
        factors = [[1e-300, 1e300, -1], [1, -1, 0], [np.nan, np.inf, 5e-324], [0, 0, 0]]
        calls += [partial(function, arrays["special"], b=factors, return_sign=True)]
        return [*calls, partial(function, x, b=np.where(x > 0, 1.0, -1.0))]
    return [
        *calls,
        partial(function, x, temperature=rows),
        partial(function, deep, temperature=3.0),
    ]


def all_bits(result) -> bytes:
    return b"".join(bits(part) for part in result) if isinstance(result, tuple) else bits(result)


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
@ANY_FUNCTION
def test_the_mode_of_the_caller_changes_no_bit(libm, function, dtype, isa):
    for call in calls_of(function, hard_arrays(dtype)):
        want = all_bits(call())
        for name, control in MODES.items():
            with mode(libm, control):
                before = environment(libm)
                result = call()
                after = environment(libm)
            assert all_bits(result) == want, (name, call)
            assert before[CONTROL] & CONTROL_BITS == after[CONTROL] & CONTROL_BITS


@pytest.mark.parametrize("control", MODES.values(), ids=MODES.keys())
@EVERY_FUNCTION
def test_the_mode_of_the_caller_makes_no_temperature_zero(libm, function, control, isa):
    x = np.arange(40) * 5e-324
    for temperature in (5e-324, np.full(1, 5e-324), 1e-310):
        want = bits(function(x, temperature=temperature))
        with mode(libm, control):
            result = function(x, temperature=temperature)
        assert bits(result) == want


@pytest.mark.parametrize("control", MODES.values(), ids=MODES.keys())
@pytest.mark.parametrize("function", [softmax, log_softmax, logsumexp], ids=lambda f: f.__name__)
def test_the_mode_of_the_caller_rounds_no_integer(libm, function, control, isa):
    for x in (2**53 + np.arange(9), np.array([2**64 - 1, 2**64 - 1500, 2**53 + 1], np.uint64)):
        for y in (x, x.astype(x.dtype.newbyteorder("S")), x[::-1]):
            want = bits(function(y))
            with mode(libm, control):
                result = function(y)
            assert bits(result) == want


@EVERY_DTYPE
@ANY_FUNCTION
def test_numpy_17761_22772_20356_no_flag_is_left_and_none_is_lost(libm, function, dtype, isa):
    for call in calls_of(function, hard_arrays(dtype)):
        for flags in (0, ALL_FLAGS):
            libm.feclearexcept(ALL_FLAGS)
            libm.feraiseexcept(flags)
            before = environment(libm)
            call()
            after = environment(libm)
            left = libm.fetestexcept(ALL_FLAGS)
            libm.feclearexcept(ALL_FLAGS)
            assert left == flags, call
            assert before == after, call


@ANY_FUNCTION
def test_numpy_17761_no_flag_is_lost_where_integers_are_converted(libm, function):
    x = np.array([2**62 + 1, 2**53 + 1, -3])
    second = (1,) if function in LOSSES else (x,) if function in BACKWARD else ()
    calls = [partial(function, x, *second), partial(function, x.astype(">i4"), *second)]
    if function is logsumexp:
        calls += [partial(function, x.astype(np.float32), b=x)]
    else:
        calls += [partial(function, x.astype(np.float32), *second, temperature=3)]
    for call in calls:
        libm.feclearexcept(ALL_FLAGS)
        libm.feraiseexcept(ALL_FLAGS)
        before = environment(libm)
        call()
        after = environment(libm)
        left = libm.fetestexcept(ALL_FLAGS)
        libm.feclearexcept(ALL_FLAGS)
        assert (left, after) == (ALL_FLAGS, before), call


@pytest.mark.parametrize("target", [np.float16, BFLOAT16], ids=["float16", "bfloat16"])
@EVERY_FUNCTION
def test_no_flag_is_left_by_a_narrower_out(libm, function, target):
    for x in hard_arrays(np.dtype(np.float64)).values():
        out = np.zeros(x.shape, target)
        libm.feclearexcept(ALL_FLAGS)
        function(x, out=out)
        left = libm.fetestexcept(ALL_FLAGS)
        libm.feclearexcept(ALL_FLAGS)
        assert left == 0


@EVERY_DTYPE
@ANY_FUNCTION
def test_numpy_17761_errstate_raise_raises_nothing(function, dtype, isa):
    with np.errstate(all="raise"):
        calls = calls_of(function, hard_arrays(dtype))
        for call in calls:
            call()
        np.add(np.ones(3), 1)


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
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


@pytest.mark.parametrize("control", MODES.values(), ids=MODES.keys())
def test_the_mode_of_the_caller_fails_no_self_test(libm, control, isa):
    with mode(libm, control):
        hashes = _core._self_test_hashes()
    assert [kernel for kernel, (found, known) in hashes.items() if found != known] == []


def test_traps_of_the_caller_do_not_fire():
    """feenableexcept makes a flag a SIGFPE in the caller's code: not in ours."""
    if MACHINE != "x86_64":
        pytest.skip("trapping is optional on aarch64, and most processors have none")
    code = f"""
import ctypes, numpy, softlane
libm = ctypes.CDLL("libm.so.6")
rows = [numpy.array([[0, numpy.nan, numpy.inf], [0, -20, -745], [-numpy.inf] * 3], dtype)
        for dtype in ("f2", "f4", "f8")]
labels, call, log, results = numpy.zeros(3, int), libm.feenableexcept, softlane.log_softmax, []
softmax, lse, loss = softlane.softmax, softlane.logsumexp, softlane.cross_entropy_with_grad
call({ALL_FLAGS})
for x in rows:
    y = softmax(x)
    results += [(y, softmax(x, 0), lse(x, b=labels), lse(x, 0), log(x, 0), loss(x, labels),
                 softlane.softmax_backward(x, y), softlane.log_softmax_backward(y, x))]
libm.fedisableexcept({ALL_FLAGS})
print(all(numpy.isnan(result[0][0]).all() for result in results))
"""
    assert run(code).strip() == "True"
