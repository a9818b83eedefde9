"""Integer targets: every dtype and layout, those out of range, ignore_index, shapes, threads."""

from __future__ import annotations

import itertools
import re
import sys
import threading

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, LAYOUTS, bits, laid_out, sample
from plain import EVERY_LOSS, checked_cross_entropy

from softlane import cross_entropy, cross_entropy_with_grad

F32 = DTYPES["float32"]
X = sample((5, 4), F32)
LABELS = np.array([0, 3, 2, 1, 0])
INT64 = np.iinfo(np.int64)


def outside(function, target: int, position: tuple[int, ...], classes: int) -> str:
    """The pattern of the message that a label is out of range."""
    place = re.escape(str(position))
    return rf"^{function.__name__}: .*(?<!\d){target}\D.*{place}.*\D{classes}(?!\d)"


# ---- every integer dtype, byte order and layout


@pytest.mark.parametrize("kind", "bhilqBHILQ")
def test_integers_of_every_kind(kind, isa):
    x = sample((4, 9, 11), F32)
    labels = np.arange(36).reshape(4, 9) % 11
    ignore = min(np.iinfo(kind).max, INT64.max)
    ignored = np.where(labels == 4, ignore, labels)
    want = cross_entropy_with_grad(x, labels)
    without = cross_entropy_with_grad(x, labels, ignore_index=4)
    for layout in LAYOUTS:
        given = laid_out(labels.astype(kind), layout)
        given.flags.writeable = False
        loss, grad = cross_entropy_with_grad(x, given)
        assert (bits(loss), bits(grad)) == (bits(want[0]), bits(want[1]))
        given = laid_out(ignored.astype(kind), layout)
        loss, grad = cross_entropy_with_grad(x, given, ignore_index=ignore)
        assert (bits(loss), bits(grad)) == (bits(without[0]), bits(without[1]))


def test_lists_scalars_and_broadcast_labels():
    want = cross_entropy(X, LABELS)
    for given in (LABELS.tolist(), tuple(LABELS.tolist()), memoryview(LABELS)):
        assert cross_entropy(X, given) == want
    same = np.broadcast_to(np.int8(2), 5)
    assert cross_entropy(X, same) == cross_entropy(X, np.full(5, 2)) == cross_entropy(X, [2] * 5)


def test_subclasses_of_labels_and_logits():
    class Named(np.ndarray):
        pass

    assert cross_entropy(X, LABELS.view(Named)) == cross_entropy(X, LABELS)
    grad = cross_entropy_with_grad(X.view(Named), LABELS)[1]
    assert type(grad) is Named
    assert bits(grad) == bits(cross_entropy_with_grad(X, LABELS)[1])


# ---- out of range


@pytest.mark.parametrize("bad", [-1, 4, 5, 127, -101, 2**31, INT64.min, INT64.max], ids=str)
@EVERY_LOSS
def test_onnxruntime_27568_pytorch_194802_39769_labels_out_of_range(function, bad, isa):
    for place in range(5):
        labels = LABELS.copy()
        labels[place] = bad
        x = X.copy()
        options = {"out": x} if function is cross_entropy_with_grad else {}
        with pytest.raises(IndexError, match=outside(function, bad, (place,), 4)):
            function(x, labels, **options)
        assert bits(x) == bits(X), "a bad label leaves the logits untouched"
        if abs(bad) < 128:
            with pytest.raises(IndexError, match=outside(function, bad, (place,), 4)):
                function(X, labels.astype(np.int8), reduction="none")


@pytest.mark.parametrize("bad", [2**63, 2**64 - 1, 2**64 - 100, 2**63 + 3, 4, 255], ids=str)
@EVERY_LOSS
def test_unsigned_labels_do_not_wrap(function, bad):
    for dtype in (np.uint64, np.dtype(np.uint64).newbyteorder("S")):
        labels = LABELS.astype(dtype)
        labels[3] = bad
        for ignore in (-100, -1, 3, INT64.min):
            with pytest.raises(IndexError, match=outside(function, bad, (3,), 4)):
                function(X, labels, ignore_index=ignore)


@EVERY_LOSS
def test_the_position_is_that_in_targets(function):
    x = sample((2, 6, 3), F32)
    for index in np.ndindex(2, 3):
        labels = np.zeros((2, 3), np.int16)
        labels[index] = 6
        for given in (labels, np.asfortranarray(labels)):
            with pytest.raises(IndexError, match=outside(function, 6, index, 6)):
                function(x, given, 1)
        with pytest.raises(IndexError, match=outside(function, 6, index[::-1], 6)):
            function(x.T, labels.T, 1)
    with pytest.raises(IndexError, match=rf"^{function.__name__}: .*\b7\b.*\b3\b"):
        function([1.0, 2, 3], 7)


@EVERY_DTYPE
def test_tensorflow_10268_8484_the_last_of_many_labels(dtype):
    """An error, never NaN; and nothing is written before all labels are checked."""
    x = sample((4000, 50), dtype)
    labels = np.zeros(4000, np.int64)
    labels[-1] = 50
    for reduction in ("none", "mean", "sum"):
        with pytest.raises(IndexError, match=outside(cross_entropy, 50, (3999,), 50)):
            cross_entropy(x, labels, reduction=reduction)
        out = x.copy()
        with pytest.raises(IndexError, match=outside(cross_entropy_with_grad, 50, (3999,), 50)):
            cross_entropy_with_grad(out, labels, out=out, reduction=reduction)
        assert bits(out) == bits(x)


@EVERY_LOSS
def test_labels_of_rows_that_hold_nan_are_checked_too(function):
    x = np.full((5, 4), np.nan)
    with pytest.raises(IndexError):
        function(x, [0, 1, 2, 3, 4])
    with pytest.raises(IndexError):
        function(x, [-100, -100, -100, -100, -1])


# ---- ignore_index


@pytest.mark.parametrize("ignore", [-100, -1, 4, 3, 0, 255, 2**31, INT64.min, INT64.max], ids=str)
def test_paddle_25549_pytorch_15508_ignore_index_inside_and_outside(ignore, isa):
    labels = np.array([1, ignore, 2, 2, ignore])
    kept = np.array([0, 2, 3])
    for given in (labels, labels.astype(">i8")):
        for reduction in ("none", "mean", "sum"):
            options = {"ignore_index": ignore, "reduction": reduction}
            loss, grad = checked_cross_entropy(X, given, **options)
            want = cross_entropy_with_grad(X[kept], labels[kept], reduction=reduction)
            assert bits(loss[kept] if reduction == "none" else loss) == bits(want[0])
            assert bits(grad[kept]) == bits(want[1])
            assert not np.any(grad[[1, 4]])
    for other in (-2, 5):
        with pytest.raises(IndexError):
            cross_entropy(X, [1, other, 2, 2, 0], ignore_index=ignore)


@pytest.mark.parametrize("ignore", [0.0, "0", None, [0], 1j], ids=repr)
@EVERY_LOSS
def test_ignore_index_of_a_wrong_type(function, ignore):
    with pytest.raises(TypeError, match=f"^{function.__name__}: ignore_index"):
        function(X, LABELS, ignore_index=ignore)


@pytest.mark.parametrize("ignore", [2**63, -(2**63) - 1, 2**64 - 100, 10**30], ids=str)
@EVERY_LOSS
def test_ignore_index_beyond_64_bits(function, ignore):
    with pytest.raises(ValueError, match=f"^{function.__name__}: ignore_index"):
        function(X, LABELS, ignore_index=ignore)


def test_ignore_index_of_any_integer_type():
    want = cross_entropy(X, LABELS, ignore_index=3)
    for ignore in (np.int8(3), np.uint64(3), np.array(3)):
        assert cross_entropy(X, LABELS, ignore_index=ignore) == want


def test_ignore_index_is_not_used_with_probabilities():
    q = np.full((5, 4), 0.25)
    for ignore in (0, 1, -100):
        assert cross_entropy(X, q, ignore_index=ignore) == cross_entropy(X, q)


# ---- targets of a wrong kind or shape


@EVERY_LOSS
def test_boolean_targets(function):
    for targets in (np.ones(5, bool), np.ones((5, 4), bool), [True] * 5):
        hint = "convert a boolean one-hot array to float"
        with pytest.raises(TypeError, match=rf"^{function.__name__}: targets .*bool.*{hint}"):
            function(X, targets)


@pytest.mark.parametrize("dtype", ["F", "D", "g", "O", "S1", "U1", "M8[s]", "V4"])
@EVERY_LOSS
def test_targets_of_a_wrong_dtype(function, dtype):
    for shape in ((5,), (5, 4)):
        with pytest.raises(TypeError, match=rf"^{function.__name__}: targets"):
            function(X, np.zeros(shape, dtype))


@EVERY_LOSS
def test_integers_of_the_shape_of_the_logits(function):
    for dtype in (np.int64, np.uint8):
        with pytest.raises(
            ValueError, match=rf"^{function.__name__}: .*targets .*\(5, 4\).*(float|probabilities)"
        ):
            function(X, np.eye(5, 4, dtype=dtype))


@pytest.mark.parametrize("shape", [(4,), (5, 1), (1, 5), (), (6,), (0,), (5, 4, 1)], ids=str)
@EVERY_LOSS
def test_labels_of_a_wrong_shape(function, shape):
    text = rf"{re.escape(str(shape))}.*\(5,\)|\(5, 4\).*{re.escape(str(shape))}"
    with pytest.raises(ValueError, match=rf"^{function.__name__}: .*targets .*({text})"):
        function(X, np.zeros(shape, np.int64))


@pytest.mark.parametrize("shape", [(5,), (4, 5), (5, 1), (1, 4), (4,), (), (1, 5, 4)], ids=str)
@EVERY_LOSS
def test_probabilities_of_a_wrong_shape(function, shape):
    for dtype in (np.float32, np.float64):
        text = rf"{re.escape(str(shape))}.*\(5, 4\)|\(5, 4\).*{re.escape(str(shape))}"
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .*targets .*({text})"):
            function(X, np.zeros(shape, dtype))


# ---- another thread writes the labels


@pytest.mark.parametrize(
    "dtype", [np.int64, np.int32, np.uint64, np.dtype(np.int64).newbyteorder()]
)
def test_labels_written_by_another_thread_while_calls_run(dtype):
    """Each label is read once: a call sees a good value, or raises; it never reads outside."""
    count, classes = 3000, 5
    x = sample((count, classes), F32)
    good, bad = 2, 2**31 - 1 if np.dtype(dtype).itemsize == 4 else 2**44
    labels = np.full(count, good, dtype)
    wanted = {
        label: cross_entropy_with_grad(x, np.full(count, label), reduction="none")
        for label in (good, 4)
    }
    stop = threading.Event()

    def write() -> None:
        values = itertools.cycle([bad, 4, good])
        while not stop.is_set():
            labels[...] = next(values)

    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    writer = threading.Thread(target=write)
    writer.start()
    returned = raised = 0
    try:
        while (returned < 100 or raised < 100) and returned + raised < 20000:
            try:
                loss, grad = cross_entropy_with_grad(x, labels, reduction="none")
            except IndexError as error:
                assert str(bad) in str(error)
                raised += 1
                continue
            returned += 1
            first = loss == wanted[good][0]
            assert np.all(first | (loss == wanted[4][0]))
            rows = np.where(first[:, None], wanted[good][1], wanted[4][1])
            np.testing.assert_array_equal(grad, rows)
    finally:
        stop.set()
        writer.join()
        sys.setswitchinterval(former)
    assert returned >= 100
    assert raised >= 100
