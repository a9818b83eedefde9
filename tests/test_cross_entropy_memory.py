"""cross_entropy in memory: layouts, out and what it shares memory with, masked arrays."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from helpers import BFLOAT16, DTYPES, EVERY_DTYPE, EVERY_LAYOUT, LAYOUTS, bits, laid_out, sample
from plain import EVERY_LOSS, checked_cross_entropy

from softlane import cross_entropy, cross_entropy_with_grad

F32, F64 = DTYPES["float32"], DTYPES["float64"]
SHAPES_AND_AXES = [((6, 40), 1), ((40, 6), 0), ((3, 17, 4), 1), ((17,), 0), ((150, 200), 1)]


def labels_for(shape: tuple[int, ...], axis: int) -> np.ndarray:
    outer = tuple(n for d, n in enumerate(shape) if d != axis)
    labels = np.asarray(np.random.default_rng(5).integers(0, shape[axis], outer))
    if labels.size > 1:
        labels.reshape(-1)[::5] = -100
    return labels


def probabilities(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.random.default_rng(6).random(shape).astype(dtype)


# ---- layouts


@EVERY_LAYOUT
@EVERY_DTYPE
def test_numpy_13512_pytorch_75923_layout_of_logits_and_out(layout, dtype, isa):
    for shape, axis in SHAPES_AND_AXES[:4]:
        values = sample(shape, dtype)
        x = laid_out(values, layout)
        x.flags.writeable = False
        for targets in (labels_for(shape, axis), probabilities(shape, dtype)):
            loss, grad = cross_entropy_with_grad(values, targets, axis)
            assert bits(cross_entropy(x, targets, axis)) == bits(loss)
            assert bits(cross_entropy_with_grad(x, targets, axis)[1]) == bits(grad)
            for other in LAYOUTS:
                out = LAYOUTS[other](shape, dtype)
                result = cross_entropy_with_grad(x, targets, axis, out=out)
                assert result[1] is out
                assert (bits(result[0]), bits(out)) == (bits(loss), bits(grad))
        assert bits(x) == bits(values)


@EVERY_DTYPE
def test_the_gradient_has_the_memory_order_of_the_logits(dtype):
    for order in itertools.permutations(range(3)):
        x = np.zeros((2, 3, 4), dtype).transpose(order)
        for axis in range(3):
            grad = cross_entropy_with_grad(x, labels_for(x.shape, axis), axis)[1]
            assert grad.strides == x.strides
            assert grad.flags.owndata


@EVERY_DTYPE
def test_zero_strides(dtype, isa):
    row = sample((1, 17), dtype)
    x = np.broadcast_to(row, (9, 17))
    labels = np.arange(9)
    loss, grad = cross_entropy_with_grad(x, labels, reduction="none")
    want = cross_entropy_with_grad(x.copy(), labels, reduction="none")
    assert (bits(loss), bits(grad)) == (bits(want[0]), bits(want[1]))
    q = np.broadcast_to(probabilities((1, 17), dtype), (9, 17))
    assert cross_entropy(x, q) == cross_entropy(x.copy(), q.copy())


# ---- out


@EVERY_DTYPE
def test_the_gradient_is_written_into_the_logits(dtype, isa):
    options = {"weight": np.linspace(1, 2, 200), "label_smoothing": 0.1, "z_loss": 1e-3}
    for shape, axis in SHAPES_AND_AXES:
        for targets in (labels_for(shape, axis), probabilities(shape, dtype)):
            for reduction, given in itertools.product(("none", "mean", "sum"), ({}, options)):
                given = given | {"reduction": reduction}
                if "weight" in given:
                    given["weight"] = options["weight"][: shape[axis]]
                values = sample(shape, dtype)
                loss, grad = cross_entropy_with_grad(values, targets, axis, **given)
                x = values.copy()
                again, out = cross_entropy_with_grad(x, targets, axis, out=(x,), **given)
                assert out is x
                assert (bits(again), bits(x)) == (bits(loss), bits(grad))


@pytest.mark.parametrize("target", DTYPES.values(), ids=lambda dtype: f"to_{dtype}")
@EVERY_DTYPE
def test_out_of_another_width(dtype, target, isa):
    """float32 keeps what float16 would lose: p / N of a mean over many rows."""
    x, labels = sample((2000, 5), dtype), np.arange(2000) % 5
    for targets in (labels, probabilities(x.shape, dtype)):
        out = np.zeros(x.shape, target)
        loss, grad = cross_entropy_with_grad(x, targets, out=out)
        assert grad is out
        wide = cross_entropy_with_grad(x, targets, out=np.zeros(x.shape, F64))[1]
        assert bits(loss) == bits(cross_entropy(x, targets))
        eps = 2.0**-9 if target == BFLOAT16 else 2.0**-11 if target.itemsize == 2 else 2.0**-22
        least = 2.0**-25 if target == np.float16 else 1e-40
        term = 1 / (2000 if targets is labels else 800)
        np.testing.assert_allclose(out.astype(np.float64), wide, rtol=eps, atol=least + eps * term)
    if target == F32:
        assert np.count_nonzero(out) == out.size


@pytest.mark.parametrize("axis", [0, 1])
@EVERY_DTYPE
def test_numpy_22867_26972_shifted_overlap(dtype, axis, isa):
    """Out begins anywhere from directly before the logits to directly after them."""
    values = sample((3, 20), dtype)
    targets = labels_for(values.shape, axis), probabilities(values.shape, dtype)
    wanted = [cross_entropy_with_grad(values, t, axis)[1] for t in targets]
    size = values.nbytes
    for offset, (target, want) in itertools.product(
        (*range(0, 2 * size + 1, dtype.itemsize * 7), size - 1, size + 1, 2 * size),
        zip(targets, wanted, strict=True),
    ):
        memory = np.zeros(3 * size, np.uint8)
        x = memory[size : 2 * size].view(dtype).reshape(3, 20)
        x[...] = values
        out = memory[offset : offset + size].view(dtype).reshape(3, 20)
        cross_entropy_with_grad(x, target, axis, out=out)
        assert bits(out) == bits(want)


@pytest.mark.parametrize("size", [19, 200])
@EVERY_DTYPE
def test_out_is_another_view_of_the_logits_or_of_the_probabilities(dtype, size, isa):
    views = (lambda a: a, lambda a: a[::-1, ::-1], lambda a: a[::-1], lambda a: a.T)
    values, q = sample((size, size), dtype), probabilities((size, size), dtype)
    for axis, view in itertools.product((0, 1), views):
        loss, grad = cross_entropy_with_grad(values, q, axis)
        for x, targets in ((values.copy(), q), (values, q.copy())):
            out = view(x if targets is q else targets)
            again = cross_entropy_with_grad(x, targets, axis, out=out)[0]
            assert (bits(again), bits(out)) == (bits(loss), bits(grad))
    labels = labels_for((size, size), 1)
    for view in views:
        x = values.copy()
        out = view(x)
        cross_entropy_with_grad(x, labels, out=out)
        assert bits(out) == bits(cross_entropy_with_grad(values, labels)[1])


@pytest.mark.parametrize("shape", [(8, 30), (200, 300)], ids=str)
def test_out_that_shares_memory_with_labels_weights_and_temperature(shape, isa):
    values, labels = sample(shape, F64), labels_for(shape, 1)
    weight, temperature = np.linspace(1, 2, shape[1]), np.linspace(0.5, 3, shape[0])
    options = {"weight": weight, "temperature": temperature, "reduction": "none"}
    want = cross_entropy_with_grad(values, labels, **options)
    for where in (np.s_[: shape[0]], np.s_[-shape[0] :]):
        out = np.zeros(shape)
        given = out.reshape(-1)[where].view(np.int64)
        given[...] = labels
        loss, _ = cross_entropy_with_grad(values, given, out=out, **options)
        assert (bits(loss), bits(out)) == (bits(want[0]), bits(want[1]))
    out = np.zeros(shape)
    out[2] = weight
    cross_entropy_with_grad(values, labels, out=out, **options | {"weight": out[2]})
    assert bits(out) == bits(want[1])
    out[:, 3] = temperature
    cross_entropy_with_grad(values, labels, out=out, **options | {"temperature": out[:, 3]})
    assert bits(out) == bits(want[1])


def test_canaries_around_a_strided_out(isa):
    for dtype, (shape, axis) in itertools.product(DTYPES.values(), SHAPES_AND_AXES[:2]):
        values, labels = sample(shape, dtype), labels_for(shape, axis)
        want = cross_entropy_with_grad(values, labels, axis)[1]
        for step in (1, 2, 3):
            parent = np.full((shape[0] + 2, (shape[1] + 2) * step), 7, dtype)
            part = np.s_[1:-1, step:-step:step]
            cross_entropy_with_grad(values, labels, axis, out=parent[part])
            assert bits(parent[part]) == bits(want)
            parent[part] = 7
            assert np.all(parent == 7)


# ---- masked arrays


@EVERY_DTYPE
def test_masked_classes_take_no_part(dtype, isa):
    values, labels = sample((6, 9), dtype), np.arange(6)
    mask = np.random.default_rng(3).random(values.shape) < 0.4
    mask[np.arange(6), labels] = False
    q = np.where(mask, 0, probabilities(values.shape, F64))
    filled = np.where(mask, -np.inf, values).astype(dtype)
    for junk, targets in itertools.product((np.nan, np.inf, 3.0), (labels, q)):
        x = np.ma.MaskedArray(np.where(mask, np.array(junk).astype(dtype), values), mask)
        loss, grad = cross_entropy_with_grad(x, targets)
        want = checked_cross_entropy(filled, targets)
        assert bits(loss) == bits(want[0]) == bits(cross_entropy(x, targets))
        assert type(grad) is np.ma.MaskedArray
        assert bits(grad.mask) == bits(mask)
        assert bits(grad.data) == bits(want[1])
        assert not np.any(grad.data[mask])
        out = np.zeros(x.shape, dtype)
        assert cross_entropy_with_grad(x, targets, out=out)[1] is out
        assert bits(out) == bits(want[1])
    x = np.ma.MaskedArray(values, mask)
    x[0, 0] = np.ma.masked
    assert cross_entropy(x, labels) == np.inf, "the target itself is masked"
    assert not np.any(np.ma.getmaskarray(cross_entropy_with_grad(np.ma.array(values), labels)[1]))


@EVERY_LOSS
def test_masked_targets_are_refused_with_a_hint(function):
    for targets in (np.arange(3), np.full((3, 3), 1 / 3)):
        masked = np.ma.MaskedArray(targets, np.zeros(targets.shape, bool))
        masked[1] = np.ma.masked
        with pytest.raises(TypeError, match=rf"^{function.__name__}: targets .*ignore_index"):
            function(np.eye(3), masked)


# ---- found by cpp/tests/fuzz_rows.cpp


@EVERY_DTYPE
@pytest.mark.parametrize("maximum", ["zero", "subnormal"])
def test_z_loss_of_a_long_row_does_not_read_what_is_written_over_it(maximum, dtype, isa):
    """A maximum below the normal numbers was looked up among the exponentials."""
    x = -np.abs(sample((2, 5000), dtype))
    x[:, 3] = 0 if maximum == "zero" else ml_dtypes.finfo(dtype).smallest_subnormal
    loss, grad = cross_entropy_with_grad(x, [1, 3], z_loss=0.1)
    assert bits(loss) == bits(cross_entropy(x, [1, 3], z_loss=0.1))
    assert np.all(np.abs(grad.astype(np.float64)) < 2)
    out = x.copy()
    in_place = cross_entropy_with_grad(out, [1, 3], z_loss=0.1, out=out)
    assert (bits(in_place[0]), bits(out)) == (bits(loss), bits(grad))
