"""Results larger than the caches take ways of their own; their bytes are those of single rows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import LEVELS, level

import softlane
from softlane import _core

# 24 MB of results: panels, groups, rows whose exponentials are kept in the first-level cache and in
# the second, in whose pages they lie at any distance from each other, rows whose exponentials are
# computed twice.
SHAPES = [
    (2_000_003, 3), (300_011, 20), (60_007, 100), (40_001, 150),
    (6000, 1000), (3100, 2048), (2900, 2100), (2001, 3000), (1001, 6000), (500, 12_001),
    (150, 40_960), (100, 60_001), (48, 128_256), (1, 6_000_001),
]  # fmt: skip


def rows_of(shape: tuple[int, int], dtype: type) -> np.ndarray:
    return (np.random.default_rng(4).standard_normal(shape) * 4).astype(dtype)


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0, 3, 700])
def test_large_results_have_the_bytes_of_single_rows(name, shape, offset):
    x = rows_of(shape, np.float32)
    hostile = slice(None, None, max(1, shape[0] // 7))
    x[hostile, -1] = 95.0  # its row has results that are subnormal
    if shape[0] > 20:
        x[1, 2], x[3, 1], x[4] = np.nan, np.inf, -np.inf
        x[7] += 3e6
    memory = np.full(x.size + 708, np.nan, np.float32)
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


def rows_with_seams(columns: int, dtype: type) -> np.ndarray:
    """24 MB of them, some of which are not written beside another."""
    x = rows_of((24_000_000 // np.dtype(dtype).itemsize // columns, columns), dtype)
    x[5::11, 7], x[8::97, -1], x[9::97] = -np.inf, np.nan, -np.inf
    x[20::131] += 3e6
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "columns", [257, 300, 511, 520, 1000, 1025, 2047, 2048, 3001, 20_003, 30_000]
)
@pytest.mark.parametrize("name", [name for name in LEVELS if name in ("avx512", "avx2", "neon")])
def test_lines_that_two_rows_share(name, columns, dtype):
    """Results that begin anywhere in a line, by threads as well: as where they do not go past the
    caches; labels at both ends, ignored ones. Nothing before or after them is touched.
    """
    x = rows_with_seams(columns, dtype)
    rng = np.random.default_rng(columns)
    labels = rng.integers(-1, columns, len(x))
    labels[::3], labels[1::3] = 0, columns - 1
    calls = {
        "softmax": lambda out: softlane.softmax(x, out=out),
        "log_softmax": lambda out: softlane.log_softmax(x, out=out),
        "cross_entropy_with_grad": lambda out: softlane.cross_entropy_with_grad(
            x, labels, ignore_index=-1, reduction="none", out=out
        )[1],
    }
    with level(name):
        for call in calls.values():
            want = call(None).tobytes()
            for offset, threads in ((0, 1), (1, 1), (4, 2), (64 // x.itemsize - 1, 1)):
                memory = np.full(x.size + 40, np.nan, dtype)
                address = memory.ctypes.data // memory.itemsize
                begin = -address % (64 // memory.itemsize) + offset
                out = memory[begin : begin + x.size].reshape(x.shape)
                with softlane.num_threads(threads):
                    call(out)
                assert out.tobytes() == want, (offset, threads)
                assert np.isnan(memory[:begin]).all() and np.isnan(memory[begin + x.size :]).all()


def test_rows_with_gaps_between_them_share_no_line():
    x = rows_with_seams(1000, np.float32)
    memory = np.full((len(x), 1003), np.nan, np.float32)
    softlane.softmax(x, out=memory[:, 1:1001])
    assert memory[:, 1:1001].tobytes() == softlane.softmax(x).tobytes()
    assert np.isnan(memory[:, 0]).all() and np.isnan(memory[:, 1001:]).all()


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads the sizes from Linux's files")
def test_exponentials_are_kept_in_a_sixth_of_the_second_level_cache():
    levels = Path("/sys/devices/system/cpu/cpu0/cache").glob("index[0-7]/level")
    sizes = [
        _core._cache_bytes(level.with_name("size").read_text())
        for level in levels
        if level.read_text().strip() == "2"
    ]
    assert _core._largest_kept_bytes() == min(max(sizes, default=0) or 1 << 20, 2 << 20) // 6


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("columns", [9, 40, 200, 600, 2048, 5000, 70_001])
def test_results_that_come_from_memory_have_the_bytes_of_few_rows(name, dtype, columns):
    """12 MB: lines of results are asked for before they are written, through the caches."""
    rows = 12_000_000 // np.dtype(dtype).itemsize // columns
    x = rows_of((rows, columns), dtype)
    keep = np.random.default_rng(5).random(x.shape) < 0.8
    labels = np.random.default_rng(6).integers(0, columns, rows)
    out, few = np.empty_like(x), slice(rows // 2, rows // 2 + 20)
    with level(name):
        for function in (softlane.softmax, softlane.log_softmax):
            expected = function(x[few]).tobytes()
            assert function(x, out=out)[few].tobytes() == expected
            assert function(x)[few].tobytes() == expected
            masked = function(x[few], where=keep[few]).tobytes()
            assert function(x, where=keep, out=out)[few].tobytes() == masked
        _, expected = softlane.cross_entropy_with_grad(x[few], labels[few], reduction="none")
        softlane.cross_entropy_with_grad(x, labels, reduction="none", out=out)
        assert out[few].tobytes() == expected.tobytes()
        assert (
            softlane.softmax(x, out=x)[few].tobytes()
            == softlane.softmax(rows_of((rows, columns), dtype)[few]).tobytes()
        )


# Rows of equal elements but one, whose product is a tie between two numbers, unless the factor's
# low limb, which is subnormal, is added.
@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize(
    ("equal", "length"),
    [("0x1.f0c3fap-7", 97_036), ("0x1.740734p-6", 98_396), ("0x1.458722p-5", 96_086)],
)
def test_large_results_where_a_limb_of_the_factor_is_subnormal(name, equal, length):
    row = np.full(length, float.fromhex(equal), np.float32)
    row[1234] = float.fromhex("-0x1.7caef6p-3")
    x = np.tile(row, (100, 1))
    with level(name):
        alone = softlane.softmax(row, temperature=0.5)
        out = softlane.softmax(x, temperature=0.5, out=np.zeros_like(x))
    assert all(each.tobytes() == alone.tobytes() for each in out)
