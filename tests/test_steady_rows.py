"""Softmax of many rows of middling length gives the bits of each row alone.

From 201 elements on rows that are as most are go a way of their own, two of them looked at before
and two written after the one whose exponentials are made (cpp/rows/steady_rows.hpp); shorter ones
go in groups. Any row among them may be one that does not.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from helpers import EVERY_DTYPE, bits

from softlane import softmax
from softlane.verify.guard_pages import Guarded

# Around whole vectors, turns of the loop, blocks of the sum, and where other ways begin.
LENGTHS = (29, 32, 63, 64, 65, 127, 130, 199, 200, 201, 257, 260, 261, 300, 400, 401, 416, 425)
LONGER = (447, 448, 449, 511, 512, 513, 543, 544, 577, 599, 600, 601, 1023, 1024, 1031, 1199, 1200)
COUNTS = (1, 2, 3, 4, 5, 6, 7, 16, 17, 33)


def steady_rows(count: int, n: int, dtype: np.dtype) -> np.ndarray:
    rng = np.random.default_rng([count, n])
    return (rng.standard_normal((count, n)) * 3).astype(dtype)


def unusual_rows(dtype: np.dtype) -> dict[str, object]:
    """What makes a row of another kind, as a function of it."""
    far = min(3e5, float(ml_dtypes.finfo(dtype).max) / 2)

    def with_one(value: float):
        def change(row: np.ndarray) -> None:
            row[len(row) // 3] = value

        return change

    def fill(value: float):
        def change(row: np.ndarray) -> None:
            row[:] = value

        return change

    def scale(factor: float):
        def change(row: np.ndarray) -> None:
            row[:] = (row.astype(np.float64) * factor).astype(row.dtype)

        return change

    def move(row: np.ndarray) -> None:
        row[:] = (row.astype(np.float64) + far).astype(row.dtype)

    return {
        "NaN": with_one(np.nan),
        "-NaN": with_one(-np.nan),
        "inf": with_one(np.inf),
        "-inf": with_one(-np.inf),
        "all -inf": fill(-np.inf),
        "all NaN": fill(np.nan),
        "equal": fill(7.5),
        "zeros": fill(-0.0),
        "wide": scale(60),
        "far": move,
        "subnormal": scale(float(ml_dtypes.finfo(dtype).smallest_normal)),
    }


UNUSUAL = tuple(unusual_rows(np.dtype(np.float32)))


def alone(x: np.ndarray, **options) -> bytes:
    return b"".join(bits(softmax(row, **options)) for row in x)


@EVERY_DTYPE
@pytest.mark.parametrize("temperature", [1.0, 0.7, 1e-70], ids=str)
@pytest.mark.parametrize("n", LENGTHS + LONGER)
def test_rows_give_the_bits_of_each_alone(n, temperature, dtype, isa):
    x = steady_rows(max(COUNTS), n, dtype)
    single = alone(x, temperature=temperature)
    row = len(single) // len(x)
    for count in COUNTS:
        assert bits(softmax(x[:count], temperature=temperature)) == single[: count * row], count


@EVERY_DTYPE
@pytest.mark.parametrize("kind", UNUSUAL)
@pytest.mark.parametrize(
    ("n", "temperature"), [(40, 1), (256, 0.7), (257, 1), (401, 1), (530, 1), (530, 1.5), (1030, 1)]
)
def test_any_row_may_be_another_kind(n, temperature, kind, dtype, isa):
    """One in each place, some next to each other, some apart, all."""
    change = unusual_rows(dtype)[kind]
    plain = steady_rows(24, n, dtype)
    changed = plain.copy()
    for row in changed:
        change(row)
    options = {"temperature": temperature}
    singles = [[bits(softmax(row, **options)) for row in x] for x in (plain, changed)]
    one = [{i} for i in (0, 1, 2, 3, 4, 5, 11, 21, 22, 23)]
    pairs = [set(p) for p in itertools.combinations((0, 1, 2, 3, 7, 8, 22, 23), 2)]
    for places in [*one, *pairs, set(range(3, 12)), set(range(0, 24, 5)), set(range(24))]:
        x = np.where(np.isin(np.arange(24), list(places))[:, None], changed, plain)
        want = b"".join(singles[i in places][i] for i in range(24))
        assert bits(softmax(x, **options)) == want, places


@EVERY_DTYPE
@pytest.mark.parametrize("n", [64, 200, 512, 601])
def test_wherever_rows_lie(n, dtype, isa):
    """In place, with gaps, backwards, a byte off a multiple of the element's size."""
    x = steady_rows(9, n, dtype)
    x[4, 3] = np.nan
    want = alone(x)
    y = x.copy()
    assert softmax(y, out=y) is y and bits(y) == want
    wide = np.zeros((9, n + 5), dtype)
    wide[:, 2 : n + 2] = x
    assert bits(softmax(wide[:, 2 : n + 2], out=wide[:, 2 : n + 2])) == want
    assert not wide[:, :2].any() and not wide[:, n + 2 :].any()
    assert bits(softmax(np.ascontiguousarray(x[::-1])[::-1])) == want
    odd = np.zeros(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(x.shape)
    odd[:] = x
    assert bits(softmax(odd)) == want
    assert softmax(x, out=odd) is odd and bits(odd) == want


@pytest.mark.parametrize("at_end", [True, False], ids=["end", "begin"])
@EVERY_DTYPE
@pytest.mark.parametrize("n", [33, 255, 401, 513, 1199])
def test_nothing_else_is_touched(n, dtype, at_end, isa):
    x = steady_rows(5, n, dtype)
    want = alone(x)
    given = Guarded(x.nbytes).put(x, at_end)
    out = Guarded(x.nbytes).place(x.shape, dtype, at_end)
    assert bits(softmax(given, out=out)) == want
