"""Results larger than the caches take ways of their own; their bytes are those of single rows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import LEVELS, level

import softlane
from softlane import _core

# 24 MB of results: rows that are kept in a cache, rows whose exponentials are computed twice.
SHAPES = [(6000, 1000), (3100, 2048), (2900, 2100), (48, 128_256), (1, 6_000_001)]


def rows_of(shape: tuple[int, int], dtype: type) -> np.ndarray:
    return (np.random.default_rng(4).standard_normal(shape) * 4).astype(dtype)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0, 3])
def test_large_results_have_the_bytes_of_single_rows(name, shape, offset):
    x = rows_of(shape, np.float32)
    hostile = slice(None, None, max(1, shape[0] // 7))
    x[hostile, 5] = 130.0  # its row has results that are subnormal
    if shape[0] > 20:
        x[1, 2], x[3, 4], x[4] = np.nan, np.inf, -np.inf
        x[7] += 3e6
    memory = np.full(x.size + 8, np.nan, np.float32)
    out = memory[offset : offset + x.size].reshape(x.shape)
    with level(name):
        softlane.softmax(x, out=out)
        checked = range(0, shape[0], max(1, shape[0] // 200))
        for i in [*range(min(8, shape[0])), *checked]:
            chunk = np.ascontiguousarray(x[i])
            if chunk.size < 1 << 21:
                assert softlane.softmax(chunk).tobytes() == out[i].tobytes(), i
    assert np.isnan(memory[:offset]).all() and np.isnan(memory[offset + x.size :]).all()


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("function", [softlane.softmax, softlane.log_softmax])
@pytest.mark.parametrize("columns", [1001, 2048, 40_000])
def test_large_results_in_place_and_in_float64(name, function, columns):
    x = rows_of((24_000_000 // 8 // columns, columns), np.float64)
    with level(name):
        expected = np.concatenate([function(part) for part in np.array_split(x, 40)])
        tempered = [function(part, temperature=1.7) for part in np.array_split(x, 40)]
        assert function(x, temperature=1.7).tobytes() == np.concatenate(tempered).tobytes()
        assert function(x).tobytes() == expected.tobytes()
        assert function(x, out=x) is x
    assert x.tobytes() == expected.tobytes()


def test_a_row_computed_twice_is_the_row_computed_once():
    x = rows_of((1, 3_000_000), np.float32)
    both = np.concatenate([x, x])  # twice the size: past the caches
    out = np.ones_like(both)
    assert softlane.softmax(both, out=out)[0].tobytes() == softlane.softmax(x)[0].tobytes()
    assert softlane.softmax(both).tobytes() == out.tobytes()


@pytest.mark.parametrize(
    ("text", "size"),
    [("32K\n", 32 << 10), ("266240K\n", 260 << 20), ("8M", 8 << 20), ("4096", 4096), ("0K", 0)]
    + [(unknown, 0) for unknown in ("", "K", "unknown", "-1K", "99999999999999999999K")],
)
def test_sizes_of_caches_are_read(text, size):
    assert _core._cache_bytes(text) == size


@pytest.mark.skipif(sys.platform != "linux", reason="reads the sizes from Linux's files")
def test_results_are_streamed_from_half_of_the_last_cache_on():
    files = Path("/sys/devices/system/cpu/cpu0/cache").glob("index[0-7]/size")
    sizes = [_core._cache_bytes(file.read_text()) for file in files]
    last = max(sizes, default=0) or 8 << 20  # what is taken where nothing is known
    assert _core._streaming_bytes() == min(last // 2, 16 << 20)
