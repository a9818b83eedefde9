"""cross_entropy and its gradient against the formulas in long double and against torch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from helpers import (
    DTYPES,
    EVERY_DTYPE,
    LAYOUTS,
    LEVELS,
    assert_accurate,
    bits,
    laid_out,
    level,
    sample,
)
from plain import EVERY_LOSS, REDUCTIONS, checked_cross_entropy, plain_cross_entropy

from softlane import cross_entropy, cross_entropy_with_grad

INF, NAN = np.inf, np.nan
F32 = DTYPES["float32"]


def rows(dtype: np.dtype, shape: tuple[int, ...] = (11, 19), seed: int = 0) -> np.ndarray:
    """Logits whose logsumexp is far from 0, so that its square keeps its digits."""
    return (sample(shape, np.dtype(np.float64), seed, 3.0) + 6).astype(dtype)


def probabilities(shape: tuple[int, ...], dtype: np.dtype, axis: int = -1) -> np.ndarray:
    q = np.random.default_rng(4).random(shape) ** 4
    q[(q < 0.05) & (q < q.max(axis=axis, keepdims=True))] = 0
    return (q / q.sum(axis=axis, keepdims=True)).astype(dtype)


# ---- the cube of options


@pytest.mark.parametrize("target", ["labels", "probabilities"])
@EVERY_DTYPE
def test_pytorch_69339_72056_73205_the_cube_of_options(dtype, target):
    x = rows(dtype)
    weights = (None, np.random.default_rng(1).uniform(0.1, 3, 19))
    for weight, ignore, smoothing, z_loss, temperature, reduction in itertools.product(
        weights, (-100, 3, 2**40), (0.0, 0.1, 1.0), (0.0, 1e-3), (1.0, 0.7), REDUCTIONS
    ):
        labels = np.arange(11, dtype=np.int64) * 7 % 19
        labels[[2, 5, 10]] = ignore
        targets = labels if target == "labels" else probabilities(x.shape, dtype)
        options = {
            "weight": weight, "ignore_index": ignore, "label_smoothing": smoothing,
            "z_loss": z_loss, "temperature": temperature, "reduction": reduction,
        }  # fmt: skip
        level_of = {}  # of each result that differs in its bits
        for name in LEVELS:
            with level(name):
                loss, grad = cross_entropy_with_grad(x, targets, **options)
                level_of[bits(loss), bits(grad)] = name
        for name in level_of.values():
            with level(name):
                checked_cross_entropy(x, targets, **options)


@EVERY_DTYPE
def test_short_and_long_rows(dtype, isa):
    for classes in (1, 2, 3, 15, 16, 17, 33, 64, 130, 1000):
        x = rows(dtype, (5, classes), classes)
        labels = np.array([0, classes - 1, classes // 2, -100, 0])
        for reduction in REDUCTIONS:
            checked_cross_entropy(x, labels, reduction=reduction)
        checked_cross_entropy(x, labels, label_smoothing=0.2, z_loss=1e-2)
        checked_cross_entropy(x, probabilities(x.shape, dtype))


@EVERY_DTYPE
def test_confident_rows_keep_the_digits_of_loss_and_gradient(dtype, isa):
    for margin in (1, 5, 8, 12, 15, 20, 40, 80):
        x = np.full((3, 40), -margin, np.float64).astype(dtype)
        x[[0, 1, 2], [0, 17, 39]] = 0
        for labels in ([0, 17, 39], [1, 0, 0]):
            checked_cross_entropy(x, np.array(labels), reduction="none")


# ---- axis, shapes


@pytest.mark.parametrize(("shape", "axis"), [
    ((5, 7), -1), ((5, 7), 0), ((5, 7, 3), 1), ((2, 7, 3, 4), 1), ((2, 3, 7, 4), -2),
    ((2, 3, 4, 7), 3), ((7,), 0), ((7, 1, 1), 0), ((2, 3, 1), -1), ((3, 20, 33), np.int8(1)),
], ids=str)  # fmt: skip
def test_axis(shape, axis, isa):
    x = rows(F32, shape)
    axis_ = int(axis)
    outer = np.delete(shape, axis_)
    labels = np.asarray(np.random.default_rng(2).integers(0, shape[axis_], tuple(outer)))
    if labels.size > 2:
        labels.reshape(-1)[1] = -100
    weight = np.linspace(0.5, 2, shape[axis_])
    for targets, reduction in itertools.product(
        (labels, probabilities(shape, F32, axis_)), REDUCTIONS
    ):
        result = cross_entropy_with_grad(x, targets, axis, weight=weight, reduction=reduction)
        checked = checked_cross_entropy(x, targets, axis_, weight=weight, reduction=reduction)
        assert [bits(part) for part in result] == [bits(part) for part in checked]


def test_axis_is_minus_one_by_default():
    x, labels = rows(F32, (7, 7)), np.arange(7)
    assert cross_entropy(x, labels) == cross_entropy(x, labels, -1) != cross_entropy(x, labels, 0)


@EVERY_LOSS
@pytest.mark.parametrize("axis", [None, (0,), (0, 1), ()], ids=str)
def test_one_axis_only(function, axis):
    with pytest.raises(TypeError, match=f"^{function.__name__}: axis"):
        function(np.zeros((3, 3)), np.zeros(3, int), axis)


def test_one_row_without_dimensions(isa):
    x = rows(F32, (7,))
    for target in (3, np.int8(3), np.array(3, np.uint64)):
        for reduction in REDUCTIONS:
            loss, grad = checked_cross_entropy(x, target, reduction=reduction)
            assert type(loss) is np.float32
            assert type(grad) is np.ndarray
    q = probabilities((7,), F32)
    assert type(checked_cross_entropy(x, q, reduction="none")[0]) is np.float32
    assert type(cross_entropy([1, 2.0, 3], 0)) is np.float64


def test_logits_without_dimensions_have_no_classes():
    for target in (0, 1.0):
        for function in (cross_entropy, cross_entropy_with_grad):
            with pytest.raises(ValueError, match=f"^{function.__name__}: logits"):
                function(3.0, target)


# ---- dtypes of the results


@EVERY_DTYPE
def test_dtypes_of_loss_and_gradient(dtype):
    x, labels = rows(dtype), np.arange(11)
    scalar = np.float64 if dtype == np.float64 else np.float32
    for reduction in REDUCTIONS:
        loss, grad = cross_entropy_with_grad(x, labels, reduction=reduction)
        if reduction == "none":
            assert loss.shape == (11,)
            assert loss.dtype is np.dtype(scalar)
        else:
            assert type(loss) is type(cross_entropy(x, labels, reduction=reduction)) is scalar
        assert grad.dtype is dtype
    assert cross_entropy(x, probabilities(x.shape, np.dtype(np.float64))).dtype == scalar


@pytest.mark.parametrize("kind", "?bhilqBHILQ")
def test_integer_logits_go_to_float64(kind, isa):
    x = (np.arange(21).reshape(3, 7) * 5 % 4).astype(kind)
    for targets in (np.array([0, 6, -100]), probabilities((3, 7), F32)):
        assert type(checked_cross_entropy(x, targets)[0]) is np.float64


@pytest.mark.parametrize("kind", DTYPES.values(), ids=DTYPES.keys())
@EVERY_DTYPE
def test_probabilities_of_any_dtype(dtype, kind, isa):
    x, q = rows(dtype), probabilities((11, 19), kind)
    loss, grad = checked_cross_entropy(x, q, label_smoothing=0.1)
    for layout in LAYOUTS:
        again = cross_entropy_with_grad(x, laid_out(q, layout), label_smoothing=0.1)
        assert (bits(again[0]), bits(again[1])) == (bits(loss), bits(grad))


@EVERY_DTYPE
def test_weights_of_any_dtype_and_layout(dtype):
    x, labels = rows(F32), np.arange(11)
    weight = np.linspace(0.5, 2, 19).astype(dtype)
    want = checked_cross_entropy(x, labels, weight=weight)
    for layout in LAYOUTS:
        loss, grad = cross_entropy_with_grad(x, labels, weight=laid_out(weight, layout))
        assert (bits(loss), bits(grad)) == (bits(want[0]), bits(want[1]))
    assert cross_entropy(x, labels, weight=[1.0] * 19) == cross_entropy(x, labels)


@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (2, 3), (1, 1, 3), (2, 1, 1)], ids=str)
def test_temperature_per_row(shape, isa):
    x, labels = rows(F32, (2, 5, 3)), np.arange(6).reshape(2, 3) % 5
    t = np.random.default_rng(1).uniform(0.5, 9, shape)
    for temperature in (t, t.tolist(), np.array(t, ">f4").astype(">f8")):
        for reduction in REDUCTIONS:
            checked_cross_entropy(x, labels, 1, temperature=temperature, reduction=reduction)
    checked_cross_entropy(x, probabilities(x.shape, F32, 1), 1, temperature=t, z_loss=1e-3)


# ---- other packages


def test_pytorch_11752_two_equal_large_logits(isa):
    for dtype, value in itertools.product((np.float32, np.float64), (1e8, -1e8, 1e30)):
        loss, grad = cross_entropy_with_grad(np.full((1, 2), value, dtype), np.array([0]))
        assert loss == dtype(np.log(2))
        np.testing.assert_array_equal(grad, [[-0.5, 0.5]])


@pytest.mark.parametrize("offset", [-1e7, 1e7, 2.0**17, -1e30])
def test_pytorch_38839_logits_with_an_offset(offset, isa):
    x = rows(F32) + np.float32(offset)
    for targets in (np.arange(11), probabilities(x.shape, F32)):
        checked_cross_entropy(x, targets, reduction="none")


@EVERY_DTYPE
def test_candle_3727_executorch_20090_sums_do_not_stall(dtype, isa):
    for k in (8, 11, 12, 16):
        for classes in (2**k - 1, 2**k, 2**k + 1):
            loss, grad = cross_entropy_with_grad(np.full(classes, 3, dtype), classes - 1)
            share = 1 / np.longdouble(classes)
            assert_accurate(loss, -np.log(share), loss.dtype)
            assert_accurate(grad[-1], share - 1, dtype)
            assert_accurate(grad[0], share, dtype)
            assert np.all(grad[:-1] == grad[0])


def test_pytorch_55657_the_mean_of_more_than_2_to_the_24_rows():
    tile, labels = rows(F32, (1000, 3)), np.arange(1000, dtype=np.int8) % 3
    count = 2**24 // 1000 + 1
    many = np.broadcast_to(tile, (count, 1000, 3)), np.broadcast_to(labels, (count, 1000))
    want = plain_cross_entropy(tile, labels).value
    np.testing.assert_allclose(cross_entropy(*many), float(want), rtol=2.0**-23)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 100_003])
def test_sums_of_losses_keep_their_digits(rows):
    """Many that are far apart, against the sum of the losses that is exact but for one rounding."""
    rng = np.random.default_rng(4)
    x = np.column_stack([np.zeros(rows), -(2.0 ** rng.uniform(-40, 40, rows))])
    labels, weight = np.ones(rows, np.int64), np.array([1.0, 3.0])
    labels[::5] = 0
    for options in ({}, {"weight": weight}, {"z_loss": 1e-3}):
        each = math.fsum(cross_entropy(x, labels, reduction="none", **options))
        total = float(cross_entropy(x, labels, reduction="sum", **options))
        assert abs(total - each) <= np.spacing(each)
    mean = float(cross_entropy(x, labels, weight=weight))
    each = math.fsum(cross_entropy(x, labels, reduction="none", weight=weight))
    assert abs(mean - each / math.fsum(weight[labels])) <= 2 * np.spacing(mean)


def test_a_sum_of_losses_that_leaves_the_range():
    x = np.zeros((100, 2))
    x[:, 1] = -np.finfo(np.float64).max / 50
    assert cross_entropy(x, np.ones(100, int), reduction="sum") == np.inf
    x[:50, 1] = 0
    assert_accurate(
        cross_entropy(x, np.ones(100, int), reduction="sum"),
        -50 * x[-1, 1].astype(np.longdouble),
        np.dtype(np.float64),
    )
    both = np.ones(100, int)  # of both signs, which leave it unless they meet
    both[51::2] = 0
    x[51::2] = x[51::2, ::-1]
    total = cross_entropy(x, both, weight=np.array([-50.0, 50]), reduction="sum")
    np.testing.assert_allclose(total, 50 * 50 * np.log(2), rtol=1e-15)
    x[3, 1] = -np.inf
    assert cross_entropy(x, np.ones(100, int), reduction="sum") == np.inf
    x[4] = np.nan
    assert np.isnan(cross_entropy(x, np.ones(100, int), reduction="sum"))


TORCH_SHAPES = [((6, 5), 1), ((2, 5, 3, 4), 1), ((5,), 0)]


@pytest.mark.parametrize(("shape", "axis"), TORCH_SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_on_every_shared_argument(dtype, shape, axis):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = rows(np.dtype(dtype), shape)
    labels = np.asarray(np.random.default_rng(3).integers(0, 5, tuple(np.delete(shape, axis))))
    labels.reshape(-1)[::4] = 2
    weights = (None, np.linspace(0.5, 2, 5).astype(dtype))
    for targets, weight, smoothing, ignore, reduction in itertools.product(
        (labels, probabilities(shape, np.dtype(dtype), axis)), weights, (0.0, 0.3), (-100, 2),
        REDUCTIONS,
    ):  # fmt: skip
        if ignore == 2 and (targets is not labels or len(shape) == 1):
            continue  # torch refuses it with probabilities, and has NaN if no row is left
        options = {"label_smoothing": smoothing, "reduction": reduction}
        logits = torch.tensor(x, requires_grad=True)
        theirs = torch.nn.functional.cross_entropy(
            logits, torch.tensor(targets), ignore_index=ignore,
            weight=None if weight is None else torch.tensor(weight), **options,
        )  # fmt: skip
        theirs.sum().backward()
        loss, grad = cross_entropy_with_grad(
            x, targets, axis, weight=weight, ignore_index=ignore, **options
        )
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=50 * eps, atol=50 * eps)
        np.testing.assert_allclose(grad, logits.grad.numpy(), rtol=50 * eps, atol=50 * eps)
        alone = cross_entropy(x, targets, axis, weight=weight, ignore_index=ignore, **options)
        assert bits(alone) == bits(loss)
