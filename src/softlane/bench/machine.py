"""Facts about the machine and the packages, and how a process is held to a number of threads."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import softlane

PACKAGES = ("scipy", "numexpr", "torch", "onnxruntime", "jax", "ml_dtypes", "matplotlib")
CACHES = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")


def missing(names: Sequence[str]) -> list[str]:
    """Those of `names` whose package cannot be imported."""
    absent = []
    for name in names:
        if name in PACKAGES:
            try:
                importlib.import_module(name)
            except ImportError:
                absent.append(name)
    return absent


def versions(names: Sequence[str]) -> dict[str, str]:
    """The versions of Python, numpy and those of `names` that are packages."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for name in names:
        if name in ("softlane", *PACKAGES):
            found[name] = str(importlib.import_module(name).__version__)
    return found


def cpu_name() -> str:
    """The name that the processor gives itself, else its architecture."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def caches() -> dict[str, int]:
    """The sizes in bytes of the first core's data caches, {"L1": ..., "L2": ...}; {} if unknown."""
    found: dict[str, int] = {}
    for index in sorted(CACHES.glob("index*")):
        try:
            kind, level, size = (
                (index / name).read_text().strip() for name in ("type", "level", "size")
            )
            if kind != "Instruction":
                found[f"L{level}"] = int(size.removesuffix("K")) << 10
        except (OSError, ValueError):
            continue
    return found


def machine() -> dict[str, Any]:
    """Where and when the figures were taken."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "caches": caches(),
        "system": f"{platform.system()} {platform.machine()}",
        "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "softlane": softlane.show_config(),
    }


def cpus() -> list[int]:
    """The processors that this process may use."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def set_softlane_threads(threads: int) -> int:
    """Set softlane's number of threads; returns the former, 1 for a build without threads."""
    setter = getattr(softlane, "set_num_threads", None)
    return 1 if setter is None else int(setter(threads))


def softlane_threads() -> int:
    """The number of threads that softlane uses."""
    getter = getattr(softlane, "get_num_threads", None)
    return 1 if getter is None else int(getter())


@contextlib.contextmanager
def pinned(threads: int) -> Iterator[dict[str, Any]]:
    """Hold the process, and what it imports inside the block, to so many threads.

    On Linux by its processors, the last ones it may use: what sizes its pool by them, as jax does,
    follows. softlane is told its number; the other contestants tell their package.

    Parameters
    ----------
    threads : int
        From 1 to the number of processors that the process may use.

    Yields
    ------
    dict
        What was done, for the settings of a result: threads, softlane_threads, cpus (None where
        the system does not hold a process to processors).

    Raises
    ------
    ValueError
        If there are fewer processors.
    """
    usable = cpus()
    if not 1 <= threads <= len(usable):
        raise ValueError(
            f"threads is {threads}, but this process may use {len(usable)} processors "
            f"(expected 1 to {len(usable)})"
        )
    former = set_softlane_threads(threads)
    chosen = usable[-threads:] if sys.platform == "linux" else None
    try:
        if sys.platform == "linux" and chosen is not None:
            os.sched_setaffinity(0, chosen)
        yield {"threads": threads, "softlane_threads": softlane_threads(), "cpus": chosen}
    finally:
        set_softlane_threads(former)
        if sys.platform == "linux":
            os.sched_setaffinity(0, usable)
