"""For what everything is verified: dtypes, levels of instruction sets, their results compared."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from softlane import _core, get_num_threads

Array: TypeAlias = npt.NDArray[Any]
DType: TypeAlias = np.dtype[Any]
T = TypeVar("T")

DTYPES: dict[str, DType] = {"float16": np.dtype(np.float16)}
try:
    DTYPES["bfloat16"] = np.dtype(importlib.import_module("ml_dtypes").bfloat16)
except ImportError:
    pass
DTYPES |= {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}
LEVELS: tuple[str, ...] = _core._isa_supported()
FMA_LEVELS = tuple(level for level in LEVELS if level in ("avx512", "avx2", "neon"))
THREADS = get_num_threads()  # of those that judge
np.empty(2**24, np.uint8)  # glibc keeps what is smaller than the largest release: no page faults


class Wrong(Exception):
    """A result that breaks a promise."""


@contextmanager
def level(name: str) -> Iterator[None]:
    """The active instruction-set level is `name` inside the block."""
    former = _core._use_isa(name)
    try:
        yield
    finally:
        _core._use_isa(former)


_one_level_at_a_time = threading.Lock()  # the active level belongs to the process


def on_levels(evaluate: Callable[[], T], levels: Iterable[str] = LEVELS) -> dict[str, T]:
    """The results of a function on each level; several threads may be here."""
    results = {}
    with _one_level_at_a_time:
        for name in levels:
            with level(name):
                results[name] = evaluate()
    return results


def errors_by_level(
    results: dict[str, Array], measure: Callable[[Array], Array]
) -> dict[str, Array]:
    """Each level's errors; Wrong if the levels with FMA do not have the same bits."""
    errors: dict[str, Array] = {}
    for name, result in results.items():
        own = bits(result)
        twin = next((n for n in errors if bits(results[n]) == own), None)
        if name in FMA_LEVELS[1:] and FMA_LEVELS[0] in errors and twin != FMA_LEVELS[0]:
            raise Wrong(f"{name} has other bits than {FMA_LEVELS[0]}")
        errors[name] = measure(result) if twin is None else errors[twin]
    return errors


def bits(array: npt.ArrayLike) -> bytes:
    """The values' bytes in C order and native byte order, whatever the layout."""
    array = np.asarray(array)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).tobytes()


def sample(shape: tuple[int, ...], dtype: DType, seed: int = 0, scale: float = 4.0) -> Array:
    """Logits N(0, scale^2)."""
    normal = np.random.default_rng(seed).standard_normal(shape)
    return np.asarray(normal * scale).astype(dtype)
