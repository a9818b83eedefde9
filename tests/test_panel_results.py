"""logsumexp and cross_entropy with its gradient: many rows at once give the bits of single rows.

Of rows that are short, side by side or many, what there is one of for each is computed in the lanes
of a vector; a single row takes another path. See test_panels.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from families import CONFIDENT
from helpers import DTYPES, EVERY_DTYPE, bits
from test_panels import double_logarithms, mixed_rows, plain_rows

from softlane import cross_entropy, cross_entropy_with_grad, logsumexp
from softlane.verify.guard_pages import Guarded

Parts = list[np.ndarray]  # rows come first
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
LENGTHS = (1, 2, 3, 4, 5, 8, 9, 16, 17, 25, 31, 32, 33, 57, 64, 65, 100, 256, 257, 500, 512, 513)
COUNTS = (5, 6, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 129, 150)


def hostile_rows(count: int, n: int, dtype: np.dtype) -> np.ndarray:
    """Subnormal elements among mixed rows."""
    x = mixed_rows(count, n, dtype)
    with np.errstate(invalid="ignore"):
        x[2::5] = x[2::5].astype(np.float64) * float(ml_dtypes.finfo(dtype).smallest_normal)
    return x


def labels_of(x: np.ndarray) -> np.ndarray:
    """The maximum's, others, ignored ones; in the last places too."""
    count, n = x.shape
    labels = np.random.default_rng(n + count).integers(0, n, count)
    labels[1::3] = np.argmax(x[1::3].astype(np.float64), axis=1)
    labels[::7] = -100
    return labels


def _logsumexp(x: np.ndarray, labels: np.ndarray, axis: int, out=None) -> Parts:
    return list(logsumexp(x, axis=axis, return_sign=True))


def _plain_logsumexp(x: np.ndarray, labels: np.ndarray, axis: int, out=None) -> Parts:
    return [logsumexp(x, axis=axis)]


def _loss(x: np.ndarray, labels: np.ndarray, axis: int, out=None, **options) -> Parts:
    return [cross_entropy(x, labels, axis=axis, reduction="none", **options)]


def _weighted_loss(x: np.ndarray, labels: np.ndarray, axis: int, out=None) -> Parts:
    return _loss(x, labels, axis, weight=np.linspace(-1, 2, x.shape[axis]))


def _gradient(x: np.ndarray, labels: np.ndarray, axis: int, out=None) -> Parts:
    loss, grad = cross_entropy_with_grad(x, labels, axis=axis, reduction="none", out=out)
    return [loss, np.moveaxis(grad, axis, -1)]


CASES: dict[str, Callable[..., Parts]] = {
    "logsumexp": _plain_logsumexp,
    "logsumexp_and_sign": _logsumexp,
    "cross_entropy": _loss,
    "cross_entropy_weight": _weighted_loss,
    "cross_entropy_with_grad": _gradient,
}
EVERY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def by_rows(case: Callable[..., Parts], x: np.ndarray, labels: np.ndarray) -> list[list[bytes]]:
    """The bits of each part of the results, of each row."""
    rows = [[bits(part) for part in case(x[i], labels[i], -1)] for i in range(len(x))]
    return [list(parts) for parts in zip(*rows, strict=True)]


def joined(rows: list[list[bytes]], count: int | None = None) -> list[bytes]:
    return [b"".join(parts[:count]) for parts in rows]


@EVERY_CASE
@EVERY_DTYPE
@pytest.mark.parametrize("make", [plain_rows, hostile_rows])
def test_many_rows_equal_single_rows(make, dtype, case, isa):
    for n in LENGTHS:
        every = make(max(COUNTS), n, dtype)
        every_label = labels_of(every)
        rows = by_rows(case, every, every_label)
        for count in COUNTS:
            x, labels, want = every[:count].copy(), every_label[:count], joined(rows, count)
            assert [bits(part) for part in case(x, labels, -1)] == want, (n, count)
            columns = x.T.copy()
            assert [bits(part) for part in case(columns, labels, 0)] == want, (n, count)
            if case is _gradient:
                assert [bits(part) for part in case(x, labels, -1, out=x)] == want
                assert [bits(part) for part in case(columns, labels, 0, out=columns)] == want


@EVERY_CASE
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_groups_of_longer_rows_equal_single_rows(dtype, case, isa):
    """Whose logarithms are computed for some rows at a time, up to 512, 1024, 2048 or 4096."""
    for n in (400, 511, 512, 513, 544, 600, 1023, 1024, 1025, 2048, 2049, 4096, 4097):
        every = np.concatenate([plain_rows(29, n, dtype), hostile_rows(20, n, dtype)])
        every_label = labels_of(every)
        rows = by_rows(case, every, every_label)
        for count in (7, 8, 15, 16, 17, 33, 49):
            x, labels, want = every[:count].copy(), every_label[:count], joined(rows, count)
            assert [bits(part) for part in case(x, labels, -1)] == want, (n, count)
            if case is _gradient:
                assert [bits(part) for part in case(x, labels, -1, out=x)] == want, (n, count)


@EVERY_CASE
@pytest.mark.parametrize("n", [2, 10, 28, 29, 64])
def test_logarithms_of_double_rows(n, case, isa):
    """Computed for a register of rows, or one by one."""
    for x in double_logarithms(n):
        labels = labels_of(x)
        want = joined(by_rows(case, x, labels))
        assert [bits(part) for part in case(x, labels, -1)] == want
        assert [bits(part) for part in case(np.ascontiguousarray(x.T), labels, 0)] == want


@EVERY_CASE
@EVERY_DTYPE
def test_rows_that_must_be_copied(dtype, case, isa):
    """Byte-swapped, strided or unaligned arrays; several outer axes."""
    for n, count in itertools.product((1, 3, 10, 70, 300), (8, 33, 150)):
        x = hostile_rows(2 * count, n, dtype)
        labels = labels_of(x)
        want = joined(by_rows(case, x, labels))
        box = np.ascontiguousarray(x.reshape(2, count, n).swapaxes(1, 2))
        assert [bits(part) for part in case(box, labels.reshape(2, count), 1)] == want
        swapped = box.astype(dtype.newbyteorder("S"))
        assert [bits(part) for part in case(swapped, labels.reshape(2, count), 1)] == want
        memory = np.zeros(x.nbytes + 1, np.uint8)[1:].view(dtype).reshape(x.shape)
        memory[...] = x
        assert [bits(part) for part in case(memory, labels, -1)] == want
        wide = np.full((2 * count, n + 3), np.nan, dtype)
        wide[:, 1:-2] = x
        assert [bits(part) for part in case(wide[:, 1:-2], labels, -1)] == want
        backwards = [bits(part[::-1]) for part in case(x[::-1], labels[::-1], -1)]
        assert backwards == want


def test_masked_rows_side_by_side(isa):
    for n, count in itertools.product((1, 3, 10, 70, 300), (8, 33, 150)):
        x = hostile_rows(count, n, DTYPES["float32"])
        where = np.random.default_rng(n).random(x.shape) < 0.7
        want = [logsumexp(row, where=keep) for row, keep in zip(x, where, strict=True)]
        assert bits(logsumexp(x, where=where)) == bits(want)
        assert bits(logsumexp(x.T.copy(), axis=0, where=where.T)) == bits(want)


@EVERY_CASE
@EVERY_DTYPE
def test_nothing_beside_the_arrays_is_touched(dtype, case, isa):
    area, target = Guarded(140 * 300 * 8), Guarded(140 * 300 * 8)
    for n, count in itertools.product((1, 2, 3, 4, 5, 9, 16, 17, 33, 70, 300), (8, 17, 64, 137)):
        x = hostile_rows(count, n, dtype)
        labels = labels_of(x)
        want = joined(by_rows(case, x, labels))
        for at_end, axis in itertools.product((False, True), (0, 1)):
            given = area.put(x if axis else np.ascontiguousarray(x.T), at_end)
            out = target.place(given.shape, dtype, at_end)
            assert [bits(part) for part in case(given, labels, axis, out=out)] == want


@pytest.mark.parametrize("family", ["margins", "tied_maximum", "close_runner_up", "far_below"])
def test_sure_rows_equal_single_rows(family, isa):
    """Factors of the gradient from 1 down to where its low limb, and then its high one, is lost."""
    for x, _ in CONFIDENT[family](DTYPES["float32"], np.random.default_rng(5)):
        x = x[:1000]
        if x.shape[1] > 60:
            continue
        labels = np.argmax(x, axis=1)
        labels[::4] = 0
        for case in CASES.values():
            got = [bits(part) for part in case(x, labels, -1)]
            assert got == joined(by_rows(case, x, labels)), x.shape
