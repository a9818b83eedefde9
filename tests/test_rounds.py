"""Few rows that lie side by side, with others of their kind behind them (an axis before a short
last one), have the bits of single rows.

They go to the kernel together: those of several rounds of the last loop over rows. See
test_panels.py for rows of which one round fills a panel.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import EVERY_DTYPE, bits
from test_panels import EVERY_MAP, mixed_rows

import softlane
from softlane import (
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    logsumexp,
    softmax,
)
from softlane.verify.guard_pages import Guarded

# Around the limits for two, a part of a panel, and its whole width; and for the length of rows.
SIDE_BY_SIDE = (2, 3, 4, 5, 8, 9, 12, 15, 16, 17, 31, 33, 63, 64, 65)
LENGTHS = (1, 2, 5, 10, 31, 32, 33, 100, 101, 130)
ROUNDS = (1, 2, 7, 33)


def box_of(rounds: int, n: int, count: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the same along axis 1."""
    rows = mixed_rows(rounds * count, n, dtype).reshape(rounds, count, n)
    return rows, np.ascontiguousarray(rows.swapaxes(1, 2))


@EVERY_MAP
@EVERY_DTYPE
def test_rounds_equal_rows(dtype, function, isa):
    for n, count, rounds in itertools.product(LENGTHS, SIDE_BY_SIDE, ROUNDS):
        rows, box = box_of(rounds, n, count, dtype)
        for temperature in (1.0, 0.7) if rounds == 7 else (1.0,):
            want = bits(function(rows, temperature=temperature))
            got = function(box, axis=1, temperature=temperature)
            assert bits(got.swapaxes(1, 2)) == want
            place = box.copy()
            assert function(place, axis=1, temperature=temperature, out=place) is place
            assert bits(place.swapaxes(1, 2)) == want


@EVERY_MAP
@EVERY_DTYPE
@pytest.mark.parametrize("n", [513, 1100, 4096, 4097])
def test_rounds_of_long_rows(n, dtype, function, isa):
    for count, rounds in ((2, 9), (3, 20), (7, 5), (12, 3), (16, 2)):
        rows, box = box_of(rounds, n, count, dtype)
        assert bits(function(box, axis=1).swapaxes(1, 2)) == bits(function(rows))


@EVERY_MAP
@EVERY_DTYPE
def test_layouts_of_rounds(dtype, function, isa):
    """Gaps behind each round and each element, backwards, unaligned, two axes of each kind."""
    for n, count, rounds in ((10, 3, 50), (5, 17, 9), (130, 5, 11), (21, 2, 40)):
        rows, box = box_of(rounds, n, count, dtype)
        want = bits(function(rows))
        wide = np.full((rounds, n + 2, count + 3), np.nan, dtype)
        some = wide[:, 1:-1, 2:-1]
        some[...] = box
        out = np.full((rounds + 1, n, count + 4), 7, dtype)
        function(some, axis=1, out=out[:-1, :, 3:-1])
        assert bits(out[:-1, :, 3:-1].swapaxes(1, 2)) == want
        assert np.all(out[-1] == 7) and np.all(out[..., :3] == 7) and np.all(out[..., -1] == 7)
        for back in (np.s_[::-1], np.s_[:, ::-1], np.s_[::-1, ::-1]):
            assert bits(function(box[back].copy()[back], axis=1).swapaxes(1, 2)) == want
        memory = np.zeros(box.nbytes + 1, np.uint8)[1:].view(dtype).reshape(box.shape)
        memory[...] = box
        assert bits(function(memory, axis=1, out=memory).swapaxes(1, 2)) == want
        swapped = box.astype(box.dtype.newbyteorder()) if dtype.kind == "f" else box
        assert bits(function(swapped, axis=1).astype(dtype).swapaxes(1, 2)) == want
        apart = np.full((rounds, 2, n, 3, count), 7, dtype)  # rounds in two loops that do not join
        apart[:, 0, :, 1] = box
        got = function(apart[:, :1, :, 1], axis=2)
        assert bits(got[:, 0].swapaxes(1, 2)) == want
    rows, box = box_of(24, 10, 3, dtype)
    want = bits(function(rows))
    many = np.full((2, 3, 5, 5, 2, 3), 7, dtype)
    inner = many[:, :, :4, :, :, :]  # three axes over rounds, of which two join; two of a row
    inner[...] = box.reshape(2, 3, 4, 5, 2, 3)
    got = function(inner, axis=(3, 4))
    assert bits(got.reshape(24, 10, 3).swapaxes(1, 2)) == want
    some = np.full((24, 5, 3, 3), 7, dtype)[:, :, :2]  # a row's elements have two strides
    some[...] = box.reshape(24, 5, 2, 3)
    assert bits(function(some, axis=(1, 2)).reshape(24, 10, 3).swapaxes(1, 2)) == want


@EVERY_MAP
@EVERY_DTYPE
def test_masks_of_rounds(dtype, function, isa):
    rng = np.random.default_rng(5)
    for n, count, rounds in ((10, 3, 50), (5, 17, 9), (130, 5, 11), (21, 2, 40), (33, 15, 7)):
        rows, box = box_of(rounds, n, count, dtype)
        masks = [
            rng.random(box.shape) < 0.7,
            np.broadcast_to(rng.random((n, 1)) < 0.7, box.shape),
            np.broadcast_to(rng.random((rounds, 1, count)) < 0.7, box.shape),
            (rng.random((rounds, count, n)) < 0.7).swapaxes(1, 2),
            (rng.random((rounds, n, 2 * count)) < 0.7)[..., ::2],
        ]
        for keep in masks:
            of_rows = np.ascontiguousarray(keep.swapaxes(1, 2))
            want = function(rows, where=of_rows)
            got = function(box, axis=1, where=keep)
            assert bits(got.swapaxes(1, 2)) == bits(want)
            for b in (None, 2.0):
                want = logsumexp(rows, b=b, where=of_rows, return_sign=True)
                got = logsumexp(box, axis=1, b=b, where=keep, return_sign=True)
                assert [bits(of) for of in got] == [bits(of) for of in want]


@EVERY_DTYPE
def test_results_of_rounds(dtype, isa):
    """What rows have one of: labels, losses, logsumexp; in memory's order of rows or another."""
    rng = np.random.default_rng(6)
    for n, count, rounds in ((10, 3, 50), (5, 17, 9), (130, 5, 11), (21, 2, 40)):
        rows, box = box_of(rounds, n, count, dtype)
        labels = rng.integers(0, n, (rounds, count))
        labels[::3, 0] = -100
        boxes = [(box, labels, False), (box[::-1].copy()[::-1], labels, False)]
        boxes += [(np.ascontiguousarray(box.transpose(2, 1, 0)), labels.T, True)]
        boxes += [(box.transpose(2, 1, 0), labels.T, True)]  # rows in another order than memory's
        other = np.ascontiguousarray(box.transpose(1, 0, 2)).transpose(1, 0, 2)  # n is outermost
        boxes += [(other, labels, False)]
        for x, of_x, turned in boxes:
            as_rows = np.ascontiguousarray(np.moveaxis(x, 1, -1))
            assert bits(logsumexp(x, axis=1)) == bits(logsumexp(as_rows))
            every = [{"reduction": "none"}, {"reduction": "sum"}]
            # what panels of gradients, or of losses too, do not serve
            every += [{"weight": np.linspace(0.5, 2, n)}, {"label_smoothing": 0.1}, {"z_loss": 0.1}]
            for options in every:
                want = cross_entropy(as_rows, of_x, axis=-1, **options)
                assert bits(cross_entropy(x, of_x, axis=1, **options)) == bits(want)
                loss, grad = cross_entropy_with_grad(x, of_x, axis=1, **options)
                want, want_grad = cross_entropy_with_grad(as_rows, of_x, axis=-1, **options)
                assert bits(loss) == bits(want)
                assert bits(np.moveaxis(grad, 1, -1)) == bits(want_grad)
            assert turned or as_rows.shape == rows.shape


@EVERY_MAP
@pytest.mark.parametrize("n, count", [(10, 3), (21, 5), (300, 4), (9, 33)])
def test_threads_share_rounds(n, count, function, isa):
    rounds = 400_000 // (n * count)
    rng = np.random.default_rng(n)
    rows = (rng.standard_normal((rounds, count, n)) * 4).astype(np.float32)
    box = np.ascontiguousarray(rows.swapaxes(1, 2))
    with softlane.num_threads(1):
        want = bits(function(rows))
    for threads in (1, 2, 3):
        with softlane.num_threads(threads):
            assert bits(function(box, axis=1).swapaxes(1, 2)) == want


@EVERY_DTYPE
def test_rounds_touch_nothing_beside_the_arrays(dtype, isa):
    shapes = [(7, 10, 3), (40, 5, 2), (9, 130, 5), (3, 21, 17), (30, 1, 3)]
    area, target, masks = (Guarded(9 * 130 * 5 * 8) for _ in range(3))
    for (rounds, n, count), at_end in itertools.product(shapes, (False, True)):
        rows, box = box_of(rounds, n, count, dtype)
        out = target.place(box.shape, dtype, at_end)
        softmax(area.put(box, at_end), axis=1, out=out)
        assert bits(out.swapaxes(1, 2)) == bits(softmax(rows))
        log_softmax(area.put(box, at_end), axis=1, out=out)
        assert bits(out.swapaxes(1, 2)) == bits(log_softmax(rows))
        keep = np.random.default_rng(n).random(box.shape) < 0.7
        mask = masks.put(keep, at_end)
        softmax(area.put(box, at_end), axis=1, where=mask, out=out)
        assert bits(out) == bits(softmax(box, axis=1, where=keep))


def test_gradient_of_columns_from_memory(isa):
    """10 MB, and 17, which go through the caches too."""
    rng = np.random.default_rng(9)
    for n, count in ((21, 120_000), (5, 500_001), (21, 205_000)):
        x = rng.standard_normal((count, n)).astype(np.float32)
        labels = rng.integers(0, n, count)
        loss, grad = cross_entropy_with_grad(x, labels, reduction="none")
        columns = np.ascontiguousarray(x.T)
        got, got_grad = cross_entropy_with_grad(columns, labels, axis=0, reduction="none")
        assert bits(got) == bits(loss)
        assert bits(got_grad.T) == bits(grad)
