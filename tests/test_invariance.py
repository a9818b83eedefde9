"""The same row gives the same bits: alone or in a batch, at any address, stride, order and level.

tests/data/hashes.json holds the SHA-256 of 10^6 outputs of each dtype. A change of a hash is a
change of results: it needs a line in the CHANGELOG and the oracle's run on the same outputs, which
is part of the command that writes the file:

    python tests/test_invariance.py
"""

from __future__ import annotations

import hashlib
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    DTYPES,
    EVERY_DTYPE,
    FMA_LEVELS,
    LEVELS,
    assert_accurate,
    bits,
    level,
    plain_softmax,
    sample,
)

from softlane import softmax

HASHES = Path(__file__).parent / "data" / "hashes.json"
LENGTHS = [*range(1, 70), 100, 127, 128, 129, 255, 257, 511, 512, 513, 1000, 2049, 5000]


def rows_of(n: int, dtype: np.dtype, count: int) -> np.ndarray:
    """Rows of several spreads: one with -inf, one with NaN, one beyond the integer shift."""
    x = sample((count, n), np.dtype(np.float64), n, 1.0)
    x *= np.resize([0.1, 3.0, 30.0, 8.0], count)[:, None]
    x[1 % count, ::3] = -np.inf
    x[2 % count, n // 2] += 300000 if dtype.itemsize > 2 else 3000
    x[3 % count, n // 3] = np.nan
    return x.astype(dtype)


@EVERY_DTYPE
def test_pytorch_58128_124025_a_row_alone_and_at_every_place_of_a_batch(dtype, isa):
    for n in LENGTHS:
        x = rows_of(n, dtype, 9)
        alone = [bits(softmax(row)) for row in x]
        for batch in (
            x,
            x[::-1],
            x[2:],
            np.concatenate([x] * 4),
            x.reshape(3, 3, n),
            x[:, None, :],
        ):
            for row, result in zip(
                batch.reshape(-1, n), softmax(batch).reshape(-1, n), strict=True
            ):
                place = next(i for i, other in enumerate(x) if bits(other) == bits(row))
                assert bits(result) == alone[place]


@EVERY_DTYPE
def test_pytorch_58128_124025_columns_equal_rows(dtype, isa):
    for n in LENGTHS:
        x = rows_of(n, dtype, 35)
        want = bits(softmax(x))
        for columns in (np.ascontiguousarray(x.T), np.asfortranarray(x.T), x.T[::-1][::-1]):
            assert bits(softmax(columns, 0).T) == want
        assert bits(softmax(x.T.reshape(n, 5, 7), 0).reshape(n, 35).T) == want
        assert bits(softmax(x.reshape(5, 7, n).swapaxes(1, 2), 1).swapaxes(1, 2)) == want
        some = x[:3]
        assert bits(softmax(np.ascontiguousarray(some.T), 0).T) == bits(softmax(some))


@EVERY_DTYPE
def test_joined_axes_equal_their_row_in_c_order(dtype, isa):
    # The sums are so good that another order shows in a few of a million float32 results only.
    large = ((60, 70, 80),) if dtype == np.float32 else ()
    for shape in ((2, 3, 4), (5, 17, 3), (16, 1, 9), *large):
        x = sample(shape, dtype)
        assert bits(softmax(x, None)) == bits(softmax(x.reshape(-1)))
        for order in itertools.permutations(range(3)):
            memory = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
            assert bits(softmax(memory, None)) == bits(softmax(x.reshape(-1)))
            outer = np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(shape[1], -1)
            want = softmax(outer).reshape(shape[1], shape[0], shape[2]).transpose(1, 0, 2)
            assert bits(softmax(memory, (0, 2))) == bits(softmax(memory, (2, 0))) == bits(want)


@EVERY_DTYPE
def test_offsets_of_0_to_63_bytes(dtype, isa):
    for n in (1, 7, 16, 33, 100, 300, 1037):
        x = rows_of(n, dtype, 4)
        want = bits(softmax(x))
        memory, result = np.zeros(x.nbytes + 64, np.uint8), np.zeros(x.nbytes + 64, np.uint8)
        for offset in range(64):
            shifted = memory[offset : offset + x.nbytes].view(dtype).reshape(x.shape)
            shifted[...] = x
            out = result[63 - offset :][: x.nbytes].view(dtype).reshape(x.shape)
            assert bits(softmax(shifted)) == bits(softmax(shifted, out=out)) == want
            assert bits(softmax(shifted, out=shifted)) == want


@EVERY_DTYPE
def test_strides_and_neighbours(dtype, isa):
    for n in (5, 40, 129, 700):
        x = rows_of(n, dtype, 4)
        want = bits(softmax(x))
        for step in (1, 2, 3, 7, -1, -2):
            memory = np.full((4, n * abs(step)), np.nan, dtype)
            memory[:, ::step] = x
            assert bits(softmax(memory[:, ::step])) == want
            memory = np.full((4 * abs(step), n), np.nan, dtype)
            memory[::step] = x
            assert bits(softmax(memory[::step])) == want
        both = np.zeros((2, 4, n), dtype)
        both[0] = x
        softmax(both[0], out=both[1])
        assert bits(both[1]) == want
        assert bits(softmax(np.broadcast_to(x[0], (3, n)))) == bits(softmax(x[0])) * 3


@EVERY_DTYPE
def test_temperature_and_where_of_a_row_alone_and_in_a_batch(dtype, isa):
    for n in (1, 2, 13, 16, 40, 513, 5000):
        x = rows_of(n, dtype, 70)
        temperatures = np.geomspace(1e-3, 1e3, 70)
        masks = np.random.default_rng(n).random((70, n)) < 0.8
        for name, values in (("temperature", temperatures), ("where", masks)):
            pairs = zip(x, values, strict=True)
            want = b"".join(bits(softmax(row, **{name: value})) for row, value in pairs)
            assert bits(softmax(x, **{name: values})) == want
            columns, values = np.ascontiguousarray(x.T), np.ascontiguousarray(values.T)
            assert bits(softmax(columns, 0, **{name: values}).T) == want


@EVERY_DTYPE
def test_options_that_change_nothing(dtype, isa):
    for n in (1, 13, 40, 513):
        x = rows_of(n, dtype, 70)
        want = bits(softmax(x))
        for options in (
            {"temperature": 1.0},
            {"temperature": np.ones(70)},
            {"where": np.ones(x.shape, bool)},
            {"dtype": dtype},
        ):
            assert bits(softmax(x, **options)) == want


@EVERY_DTYPE
def test_numpy_22904_23523_every_fma_level_gives_the_same_bits(dtype):
    if len(FMA_LEVELS) < 2:
        pytest.skip(
            f"this machine has {len(FMA_LEVELS)} of the levels avx512, avx2, neon: needs two"
        )
    keep = np.random.default_rng(3).random(5000) < 0.7
    for n in LENGTHS:
        x = rows_of(n, dtype, 8)
        calls = [
            lambda x=x: softmax(x),
            lambda x=x: softmax(x, temperature=1.7),
            lambda x=x, n=n: softmax(x, where=keep[:n]),
            lambda x=x: softmax(np.ascontiguousarray(x.T), 0).T,
            lambda x=x: softmax(x, dtype=np.float16),
            lambda x=x: softmax(x, dtype=np.float64),
        ]
        for call in calls:
            results = set()
            for name in FMA_LEVELS:
                with level(name):
                    results.add(bits(call()))
            assert len(results) == 1


def test_pytorch_2201_88718_threads_calling_at_once_get_the_same_bits():
    shapes = [(1 + i, 3000 // (1 + i)) for i in range(8)] + [(300, 400), (2, 100000)]
    inputs = [sample(shape, dtype, 1) for shape in shapes for dtype in DTYPES.values()]

    def both_axes(x: np.ndarray) -> bytes:
        return bits(softmax(x, 0)) + bits(softmax(x))

    want = [both_axes(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(both_axes, inputs)) == want


# ---- 10^6 outputs


def million_inputs(dtype: np.dtype) -> list[np.ndarray]:
    """10^6 logits in rows of 1, 2, 3, ... elements, made of integers alone (SplitMix64).

    Row n spreads over +-2^(n mod 8 - 2), every fifth row by 2^17 more on one element.
    """
    with np.errstate(over="ignore"):
        z = np.arange(1, 10**6 + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = ((z >> np.uint64(12)).astype(np.float64) - 2.0**51) * 2.0**-51
    rows = np.split(unit, np.cumsum(np.arange(1, 1414)))
    rows = [row * 2.0 ** (row.size % 8 - 2) for row in rows]
    for row in rows[::5]:
        row[0] -= 2.0**17 if dtype.itemsize > 2 else 2.0**10
    return [row.astype(dtype) for row in rows]


def digest(rows: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(bits(softmax(row)) for row in rows)).hexdigest()


@EVERY_DTYPE
def test_hash_of_a_million_outputs(dtype):
    if not FMA_LEVELS:
        pytest.skip(f"bits are promised with FMA only; this machine has {LEVELS}")
    published = json.loads(HASHES.read_text())["softmax"][dtype.name]
    rows = million_inputs(dtype)
    assert sum(row.size for row in rows) == 10**6
    for name in FMA_LEVELS:
        with level(name):
            assert digest(rows) == published, name


def write_hashes() -> None:
    """Judge the million outputs by the oracle, then publish their hashes."""
    hashes = {}
    for dtype in DTYPES.values():
        rows = million_inputs(dtype)
        with level(FMA_LEVELS[0]):
            for row in rows:
                assert_accurate(softmax(row), plain_softmax(row), dtype)
            hashes[dtype.name] = digest(rows)
    HASHES.parent.mkdir(exist_ok=True)
    HASHES.write_text(json.dumps({"softmax": hashes}, indent=2) + "\n")


if __name__ == "__main__":
    write_hashes()
