"""Which level serves: recorded machines, single feature bits, SOFTLANE_ISA, show_config."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from helpers import LEVELS

import softlane
from softlane import _core

X86 = ("avx512", "avx2", "sse2", "scalar")
NAMES = {"x86_64": X86, "AMD64": X86, "aarch64": ("neon", "scalar"), "arm64": ("neon", "scalar")}
LEVELS_HERE = NAMES[platform.machine()]

# CPUID 1 ecx and edx, CPUID 7 ebx and ecx, XCR0, highest leaf, best level. Registers as dumped on
# the machines (most of them in the InstLatx64 collection); XCR0 is what Linux enables there.
MACHINES = {
    "AMD Turion, Griffin": (0x00002001, 0x178BFBFF, 0, 0, 0, 1, "sse2"),
    "AMD A-series, Llano": (0x00802009, 0x178BFBFF, 0, 0, 0, 6, "sse2"),
    "Intel Nehalem": (0x00BCE3BD, 0xBFEBFBFF, 0, 0, 0, 0xB, "sse2"),
    "Intel Celeron J1900": (0x41D8E3BF, 0xBFEBFBFF, 0x2282, 0, 0, 0xB, "sse2"),
    "Intel Sandy Bridge: AVX alone": (0x1F9AE3BF, 0xBFEBFBFF, 0, 0, 0x7, 0xD, "sse2"),
    "Intel i7-3820QM: AVX, F16C": (0x7FBAE3FF, 0xBFEBFBFF, 0x281, 0, 0x7, 0xD, "sse2"),
    "AMD Opteron 6238: AVX, FMA4": (0x1E98220B, 0x178BFBFF, 0, 0, 0x7, 0xD, "sse2"),
    "AMD Opteron 6376: FMA without AVX2": (0x3E98320B, 0x178BFBFF, 0x8, 0, 0x7, 0xD, "sse2"),
    "AMD A4-5000, Jaguar": (0x3ED8220B, 0x178BFBFF, 0x8, 0, 0x7, 0xD, "sse2"),
    "AMD A9-9410, Excavator": (0x7ED8320B, 0x178BFBFF, 0x1A9, 0, 0x7, 0xD, "avx2"),
    "Intel i7-6500U, Skylake": (0x7FFAFBBF, 0xBFEBFBFF, 0x029C67AF, 0, 0x1F, 0x16, "avx2"),
    "AMD Ryzen 2700X": (0x7ED8320B, 0x178BFBFF, 0x209C01A9, 0, 0x7, 0xD, "avx2"),
    "AMD 4700S, Zen 2": (0x7ED8320B, 0x178BFBFF, 0x219C91A9, 0x400004, 0x207, 0x10, "avx2"),
    "AMD Ryzen 5900X": (0x7ED8320B, 0x178BFBFF, 0x219C97A9, 0x40068C, 0x207, 0x10, "avx2"),
    "Hygon C86 3185, no OSXSAVE": (0x74D83209, 0x178BFBFF, 0x009C01A9, 0x40068C, 7, 0xD, "sse2"),
    "Intel i3-12100": (0x7FFAF3BF, 0xFFEBFFFF, 0x239C27EB, 0x98C007AC, 0x207, 0x20, "avx2"),
    "Intel Xeon Phi: F, CD, ER, PF": (0x7FF8F3BF, 0xBFEBFBFF, 0x1C0D23AB, 1, 0xE7, 0xD, "avx2"),
    "Intel Cascade Lake": (0x7FFEFBFF, 0xBFEBFBFF, 0xD39FFFFB, 0x808, 0x2E7, 0x16, "avx512"),
    "AMD Ryzen 9800X3D": (0xFED8320B, 0x178BFBFF, 0xF1BF97A9, 0x405FCE, 0xE7, 0x10, "avx512"),
    "Sapphire Rapids, KVM": (0xFFFA3203, 0x1F8BFBFF, 0xF1BF2FFB, 0x1A415F46, 0xE7, 0x1C, "avx512"),
    "QEMU -cpu Haswell": (0xFED83203, 0x078BFBFD, 0x3A9, 0, 0x7, 0xD, "avx2"),
    "Sapphire Rapids, hypervisor without AVX-512 state":
        (0xFFFA3203, 0x1F8BFBFF, 0xF1BF2FFB, 0, 0x7, 0x1C, "avx2"),
    "Cascade Lake, kernel booted with noxsave":
        (0x63FEFBFF, 0xBFEBFBFF, 0xD39FFFFB, 0x808, 0, 0x16, "sse2"),
    "Skylake, CPUID limited to leaf 3, garbage above":
        (0x7FFAFBBF, 0xBFEBFBFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x1F, 3, "sse2"),
}  # fmt: skip

KEYS = ("leaf1_ecx", "leaf1_edx", "leaf7_ebx", "leaf7_ecx", "xcr0", "max_leaf")
FULL = dict(zip(KEYS, MACHINES["AMD Ryzen 9800X3D"], strict=False))
# What each level needs: register, bit.
AVX2 = {"fma": ("leaf1_ecx", 12), "osxsave": ("leaf1_ecx", 27), "avx": ("leaf1_ecx", 28),
        "f16c": ("leaf1_ecx", 29), "avx2": ("leaf7_ebx", 5), "xmm state": ("xcr0", 1),
        "ymm state": ("xcr0", 2)}  # fmt: skip
AVX512 = {"f": ("leaf7_ebx", 16), "dq": ("leaf7_ebx", 17), "bw": ("leaf7_ebx", 30),
          "vl": ("leaf7_ebx", 31), "mask state": ("xcr0", 5), "zmm state": ("xcr0", 6),
          "upper zmm state": ("xcr0", 7)}  # fmt: skip


def best_from(level: str) -> tuple[str, ...]:
    return X86[X86.index(level) :]


@pytest.mark.parametrize("machine", MACHINES)
def test_numpy_9532_halide_9017_recorded_machines(machine):
    *registers, best = MACHINES[machine]
    facts = dict(zip(KEYS, registers, strict=True))
    assert _core._levels_for("x86_64", facts) == best_from(best)


@pytest.mark.parametrize("bit", [*AVX2, *AVX512])
def test_mistral_rs_1269_numcodecs_252_each_feature_bit_on_its_own(bit):
    register, position = (AVX2 | AVX512)[bit]
    without = FULL | {register: FULL[register] & ~(1 << position)}
    assert _core._levels_for("x86_64", without) == best_from("sse2" if bit in AVX2 else "avx2")
    alone = dict.fromkeys(KEYS, 0) | {"leaf1_edx": FULL["leaf1_edx"], "max_leaf": 7}
    assert _core._levels_for("x86_64", alone | {register: 1 << position}) == best_from("sse2")


def test_exactly_the_needed_bits_suffice():
    facts = dict.fromkeys(KEYS, 0) | {"leaf1_edx": 3 << 25, "max_leaf": 7}
    for needed, level in ((AVX2, "avx2"), (AVX512, "avx512")):
        for register, position in needed.values():
            facts[register] |= 1 << position
        assert _core._levels_for("x86_64", facts) == best_from(level)


@pytest.mark.parametrize("xcr0", [0, 1, 3, 5, 7, 0x67, 0xA7, 0xC7, 0xE1, 0xE3, 0xE5, 0xE6, 0xE7])
def test_numpy_9532_halide_9017_register_state_that_the_system_saves(xcr0):
    best = "sse2" if xcr0 & 0x6 != 0x6 else "avx512" if xcr0 & 0xE0 == 0xE0 else "avx2"
    assert _core._levels_for("x86_64", FULL | {"xcr0": xcr0}) == best_from(best)
    no_osxsave = FULL["leaf1_ecx"] & ~(1 << 27)
    facts = FULL | {"xcr0": xcr0, "leaf1_ecx": no_osxsave}
    assert _core._levels_for("x86_64", facts) == best_from("sse2")


def test_aarch64_machines():
    for name, hwcap, levels in (
        ("Cortex-A53", 0x8FF, ("neon", "scalar")),
        ("Neoverse N1", 0x1FF7FFF, ("neon", "scalar")),
        ("floating point without Advanced SIMD", 0x1, ("scalar",)),
        ("neither", 0, ("scalar",)),
    ):
        assert _core._levels_for("aarch64", {"hwcap": hwcap}) == levels, name


# ---- the running process


def test_levels_here_are_in_order_and_end_with_scalar():
    assert [name for name in LEVELS_HERE if name in LEVELS] == list(LEVELS)
    assert LEVELS[-1] == "scalar"


def test_use_isa_returns_the_former_level_and_refuses_others():
    former = _core._use_isa("scalar")
    try:
        assert softlane.show_config()["isa"] == "scalar"
        for name in ("avx", "AVX2", "", "neon" if LEVELS_HERE == X86 else "avx2"):
            with pytest.raises(ValueError):
                _core._use_isa(name)
        assert softlane.show_config()["isa"] == "scalar"
    finally:
        assert _core._use_isa(former) == "scalar"


def test_show_config():
    config = softlane.show_config()
    kinds = {"version": str, "isa": str, "isa_supported": list, "isa_compiled": list,
             "isa_cap": (str, type(None)), "num_threads": int,
             "num_threads_from": str, "cpu": dict, "selftest": dict, "compiler": str,
             "numpy": str}  # fmt: skip
    assert set(kinds) <= set(config)
    assert all(isinstance(config[key], kind) for key, kind in kinds.items())
    assert config["version"] == softlane.__version__
    assert config["isa_supported"] == list(LEVELS)
    assert config["isa_compiled"] == list(LEVELS_HERE)
    assert config["isa_cap"] == os.environ.get("SOFTLANE_ISA")
    assert config["isa"] in LEVELS
    assert config["compiler"]
    assert int(config["numpy"].split(".")[0]) >= 2
    config["isa_supported"].clear()
    assert softlane.show_config()["isa_supported"] == list(LEVELS)


def start(cap: str | None) -> subprocess.CompletedProcess[str]:
    """Import softlane in a new process under a cap; prints configuration and result as JSON."""
    code = (
        "import json, softlane; y = softlane.softmax([0.0, 1.0, 2.0]).tolist();"
        "print(json.dumps(softlane.show_config() | {'result': y}))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "SOFTLANE_ISA"}
    if cap is not None:
        environment["SOFTLANE_ISA"] = cap
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("cap", [None, *LEVELS_HERE])
def test_softlane_isa_is_a_cap(cap):
    """A level that the machine lacks lowers to the best one below it.

    Under qemu the new process may run on the host's processor: it says itself what it supports.
    """
    process = start(cap)
    assert process.returncode == 0, process.stderr
    config = json.loads(process.stdout)
    allowed = LEVELS_HERE if cap is None else LEVELS_HERE[LEVELS_HERE.index(cap) :]
    assert config["isa"] == next(name for name in allowed if name in config["isa_supported"])
    assert config["isa_cap"] == cap
    weights = np.exp([0, 1, 2])
    np.testing.assert_allclose(config["result"], weights / weights.sum(), rtol=1e-15)


@pytest.mark.parametrize("cap", ["avx", "AVX2", "native", "neon" if LEVELS_HERE == X86 else "avx2"])
def test_an_unknown_level_is_an_error_that_lists_the_valid_ones(cap):
    process = start(cap)
    assert process.returncode == 1
    message = process.stderr.splitlines()[-1]
    assert message.startswith("ImportError: ")
    assert cap in message
    assert all(name in message for name in LEVELS_HERE)
