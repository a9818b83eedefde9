"""cross_entropy: special values, ignored rows, nothing to do, and what its arguments must be."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, bits, nan_row, sample
from plain import EVERY_LOSS, REDUCTIONS, checked_cross_entropy

from softlane import cross_entropy, cross_entropy_with_grad

INF, NAN = np.inf, np.nan
X = sample((5, 4), DTYPES["float32"])
LABELS = np.array([0, 3, 2, 1, 0])


# ---- special values


@EVERY_DTYPE
def test_nan_and_plus_inf_rows_are_nan_and_no_other_row_is(dtype, isa):
    for classes in (2, 3, 16, 17, 40):
        x = sample((4, classes), dtype, classes)
        x[1, classes // 2], x[2, classes - 1] = NAN, INF
        clean = x.copy()
        clean[1:3] = 0
        q = np.full((4, classes), 1 / classes)
        for targets, smoothing in itertools.product((np.array([0, 0, 0, 1]), q), (0.0, 0.1)):
            options = {"label_smoothing": smoothing, "reduction": "none"}
            loss, grad = cross_entropy_with_grad(x, targets, **options)
            want = cross_entropy_with_grad(clean, targets, **options)
            assert bits(loss[1:3]) == nan_row(loss.dtype, 2)
            assert bits(grad[1:3]) == nan_row(dtype, 2 * classes)
            assert bits(loss[::3]) == bits(want[0][::3])
            assert bits(grad[::3]) == bits(want[1][::3])
            for reduction in ("mean", "sum"):
                options["reduction"] = reduction
                loss, grad = cross_entropy_with_grad(x, targets, **options)
                assert np.isnan(loss)
                assert bits(grad[1:3]) == nan_row(dtype, 2 * classes)
                assert np.all(np.isfinite(grad[::3].astype(np.float64)))


@EVERY_DTYPE
def test_a_row_of_nothing_but_minus_inf_is_nan(dtype, isa):
    for classes in (1, 2, 17):
        x = np.full((2, classes), -INF).astype(dtype)
        x[1] = 0
        loss, grad = cross_entropy_with_grad(x, np.array([0, 0]), reduction="none")
        assert np.isnan(loss[0])
        assert np.all(np.isnan(grad[0].astype(np.float64)))
        assert np.isfinite(loss[1])


@EVERY_DTYPE
def test_pytorch_31829_jax_6811_minus_inf_among_the_logits(dtype, isa):
    """Infinite loss where it is the target's; the gradient is finite everywhere."""
    for classes in (2, 3, 17, 40):
        x = sample((classes, classes), dtype, classes)
        x[np.eye(classes, dtype=bool)] = -INF
        loss, grad = checked_cross_entropy(x, np.arange(classes), reduction="none")
        assert np.all(loss == INF)
        assert np.all(np.isfinite(grad.astype(np.float64)))
        beside = np.arange(1, classes + 1) % classes
        for z_loss in (0.0, 0.1):
            loss, grad = cross_entropy_with_grad(x, beside, z_loss=z_loss, reduction="none")
            assert np.all(np.isfinite(loss))
            assert np.all(grad.diagonal() == 0)
        checked_cross_entropy(x, beside, reduction="sum")
        assert cross_entropy(x, beside, label_smoothing=0.1) == INF


@EVERY_DTYPE
def test_zero_times_minus_inf_is_zero(dtype, isa):
    for classes in (2, 3, 17, 40):
        x = sample((6, classes), dtype, classes)
        x[:, 1::2] = -INF
        q = np.zeros((6, classes))
        q[:, ::2] = 1 / len(range(0, classes, 2))
        loss, _ = checked_cross_entropy(x, q, reduction="none")
        assert np.all(np.isfinite(loss))
        weight = (np.arange(classes) % 2 == 0).astype(np.float64)
        for targets in (np.zeros(6, int), q):
            for smoothing in (0.3, 1.0):
                options = {"weight": weight, "label_smoothing": smoothing}
                assert np.isfinite(checked_cross_entropy(x, targets, **options)[0])
        q[:, 1] = 1e-3
        assert np.all(checked_cross_entropy(x, q, reduction="none")[0] == INF)


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-100, 1e-40, 1e40, 1e300])
@EVERY_DTYPE
def test_temperature_extremes_give_the_limit(dtype, temperature, isa):
    """A gradient that overflows is infinite, never NaN; one that underflows is 0."""
    for row in ([0.0, 0, 0], [0, 1, -1], [1, 0, -INF], [3, 3, -7]):
        x = np.tile(np.array(row), (2, 1)).astype(dtype)
        for targets in (np.array([0, 1]), np.array([[0.5, 0.25, 0.25], [0, 1, 0]])):
            for smoothing in (0.0, 0.1):
                options = {"temperature": temperature, "label_smoothing": smoothing}
                checked_cross_entropy(x, targets, reduction="none", **options)


# ---- ignored rows


@EVERY_DTYPE
@pytest.mark.parametrize("junk", [NAN, INF, -INF, 6e4])
def test_an_ignored_row_poisons_nothing(dtype, junk, isa):
    weight = np.linspace(0.5, 2, 19)
    x, labels = sample((8, 19), dtype), np.arange(8)
    ignored = np.array([0, 3, 4, 7])
    kept = np.setdiff1d(np.arange(8), ignored)
    labels[ignored] = -100
    x[ignored] = junk
    x[3, 1:] = 0
    some = {"weight": weight, "label_smoothing": 0.1, "z_loss": 1e-3, "temperature": 2.0}
    for options, reduction in itertools.product(({}, some), REDUCTIONS):
        loss, grad = checked_cross_entropy(x, labels, reduction=reduction, **options)
        want = cross_entropy_with_grad(x[kept], labels[kept], reduction=reduction, **options)
        assert bits(loss if reduction != "none" else loss[kept]) == bits(want[0])
        assert bits(grad[kept]) == bits(want[1])
        assert bits(grad[ignored]) == bytes(grad[ignored].nbytes)
        if reduction == "none":
            assert bits(loss[ignored]) == bytes(loss[ignored].nbytes)


@EVERY_DTYPE
def test_all_rows_ignored(dtype, isa):
    x = np.full((3, 5), NAN).astype(dtype)
    for options in ({}, {"weight": np.ones(5), "label_smoothing": 0.5, "z_loss": 1.0}):
        for reduction, want in (("mean", NAN), ("sum", 0), ("none", [0, 0, 0])):
            loss, grad = cross_entropy_with_grad(x, [-100] * 3, reduction=reduction, **options)
            np.testing.assert_array_equal(loss, want)
            np.testing.assert_array_equal(
                cross_entropy(x, [-100] * 3, reduction=reduction, **options), want
            )
            assert bits(grad) == bytes(grad.nbytes)


# ---- nothing to do


@EVERY_DTYPE
def test_pytorch_17262_77895_no_rows_and_no_classes(dtype, isa):
    for shape, axis in (((0, 5), 1), ((5, 0), 0), ((2, 5, 0), 1), ((0, 0), 1)):
        x = np.zeros(shape, dtype)
        outer = tuple(np.delete(shape, axis))
        for targets in (np.zeros(outer, int), np.zeros(shape)):
            loss, grad = cross_entropy_with_grad(x, targets, axis, reduction="none")
            assert loss.shape == outer
            assert grad.shape == shape
            assert cross_entropy_with_grad(x, targets, axis, reduction="sum")[0] == 0
            assert np.isnan(cross_entropy_with_grad(x, targets, axis)[0])
            assert np.isnan(cross_entropy(x, targets, axis))
    for shape, axis in (((3, 0), 1), ((0, 3), 0), ((0,), 0), ((2, 0, 3), 1)):
        x = np.zeros(shape, dtype)
        for targets in (np.zeros(tuple(np.delete(shape, axis)), int), np.zeros(shape)):
            for function in (cross_entropy, cross_entropy_with_grad):
                with pytest.raises(ValueError, match=f"^{function.__name__}: .*class"):
                    function(x, targets, axis)


# ---- refused arguments


@pytest.mark.parametrize("shape", [(3,), (5,), (0,), (), (1, 4), (4, 1)], ids=str)
@EVERY_LOSS
def test_onnxruntime_28004_pytorch_194799_weights_of_a_wrong_shape(function, shape):
    with pytest.raises(
        ValueError, match=rf"^{function.__name__}: weight .*{re.escape(str(shape))}"
    ):
        function(X, LABELS, weight=np.ones(shape))
    with pytest.raises(ValueError, match=f"^{function.__name__}: weight"):
        function(X, np.full((5, 4), 0.25), weight=np.ones(shape))


@pytest.mark.parametrize(
    "weight", [np.ones(4, int), np.ones(4, bool), np.ones(4, complex), [1, 2, 3, 4], "abcd",
               np.ones(4, object), np.zeros(4, "m8[s]")],
    ids=lambda weight: str(np.asarray(weight).dtype),
)  # fmt: skip
@EVERY_LOSS
def test_weights_of_a_wrong_dtype(function, weight):
    with pytest.raises(TypeError, match=f"^{function.__name__}: weight"):
        function(X, LABELS, weight=weight)


@pytest.mark.parametrize("bad", [-0.1, 1.0000001, 2, -1e-300, NAN, INF, -INF])
@EVERY_LOSS
def test_label_smoothing_outside_0_to_1(function, bad):
    for targets in (LABELS, np.full((5, 4), 0.25)):
        with pytest.raises(ValueError, match=f"^{function.__name__}: label_smoothing"):
            function(X, targets, label_smoothing=bad)


@pytest.mark.parametrize("bad", [-1e-9, -1, NAN, INF, -INF])
@EVERY_LOSS
def test_z_loss_negative_or_not_finite(function, bad):
    with pytest.raises(ValueError, match=f"^{function.__name__}: z_loss"):
        function(X, LABELS, z_loss=bad)


@pytest.mark.parametrize("option", ["label_smoothing", "z_loss"])
@pytest.mark.parametrize("bad", ["0.1", None, [0.1, 0.2], 1j, {}], ids=repr)
@EVERY_LOSS
def test_options_of_a_wrong_type(function, option, bad):
    with pytest.raises(TypeError, match=f"^{function.__name__}: {option}"):
        function(X, LABELS, **{option: bad})


@pytest.mark.parametrize("good", [0, 1, True, np.float32(0.5), np.int8(1)], ids=repr)
def test_options_of_any_real_type(good):
    for option in ("label_smoothing", "z_loss"):
        want = cross_entropy(X, LABELS, **{option: float(good)})
        assert cross_entropy(X, LABELS, **{option: good}) == want


@pytest.mark.parametrize("bad", ["MEAN", "", "average", "mean ", b"mean", None, 1, True], ids=repr)
@EVERY_LOSS
def test_an_unknown_reduction_lists_the_known(function, bad):
    error = ValueError if isinstance(bad, str) else (TypeError, ValueError)
    with pytest.raises(error, match=rf"^{function.__name__}: reduction") as caught:
        function(X, LABELS, reduction=bad)
    assert all(name in str(caught.value) for name in REDUCTIONS)


@EVERY_LOSS
def test_a_refused_call_leaves_the_logits_alone(function):
    for bad in (
        {"weight": np.ones(3)}, {"label_smoothing": 2.0}, {"z_loss": -1.0}, {"reduction": "most"},
        {"temperature": 0.0}, {"ignore_index": "none"}, {"axis": 5}, {"axis": 0},
    ):  # fmt: skip
        x = X.copy()
        options = bad | ({"out": x} if function is cross_entropy_with_grad else {})
        with pytest.raises((ValueError, TypeError)):
            function(x, LABELS, **options)
        assert bits(x) == bits(X)


@pytest.mark.parametrize("weight", [1e-309, 1e-300, 1e-280, 1e300, 1e308])
def test_a_common_factor_of_the_weights_cancels_in_the_mean(weight, isa):
    for dtype in (np.float32, np.float64):
        x, targets = np.array([[1, 2, 0], [3, 1, 1]], dtype), [0, 1]
        for options in ({}, {"label_smoothing": 0.1}):
            want = cross_entropy_with_grad(x, targets, weight=np.ones(3), **options)
            got = cross_entropy_with_grad(x, targets, weight=np.full(3, weight), **options)
            for a, b in zip(got, want, strict=True):
                np.testing.assert_allclose(a, b, rtol=4 * np.finfo(dtype).eps)


def test_terms_of_a_sure_row_do_not_overflow_before_they_are_subtracted(isa):
    x = np.array([[0, 60]], np.float32)
    weight = np.array([1, 1e-10])
    gradient = cross_entropy_with_grad(x, [1], label_smoothing=0.1, weight=weight)[1]
    np.testing.assert_allclose(gradient, [[-5e8, 5e8]], rtol=1e-6)


@pytest.mark.parametrize("temperature", [1e-8, 1e-40, 1e-45, 1e-100])
def test_classes_far_below_have_no_share_of_the_z_loss(temperature, isa):
    x = np.array([1, 2, -np.inf], np.float32)
    gradient = cross_entropy_with_grad(x, 0, z_loss=0.1, temperature=temperature)[1]
    assert gradient[2] == 0
    assert gradient[0] == (np.float32(-1e8) if temperature == 1e-8 else -INF)
    assert gradient[1] > 0


def test_sizes_beyond_memory_are_memory_errors():
    huge = np.broadcast_to(np.float16(0), (2**61,))
    with pytest.raises(MemoryError):
        cross_entropy(huge, 0)
    with pytest.raises(MemoryError):
        cross_entropy(np.broadcast_to(np.float32(0), (2**60,)), 0, label_smoothing=0.1)


@EVERY_DTYPE
def test_terms_that_overflow_are_no_nan(dtype, isa):
    """Found by cpp/tests/fuzz_rows.cpp as inf - inf, which is a negative NaN on x86."""
    x = np.array([[-54, -26, -39, 38, -40, 46, 49]])
    for weight in (-1e300, 1e300, 1e308):
        for smoothing in (0.0, 0.5, 1.0):
            options = {"weight": np.full(7, weight), "label_smoothing": smoothing, "z_loss": 1e300}
            grad, wide = (
                cross_entropy_with_grad(x.astype(t), [6], reduction="sum", **options)[1]
                for t in (dtype, np.float64)
            )
            assert np.isfinite(wide).all()
            assert np.array_equal(np.sign(grad), np.sign(wide))
            assert np.isinf(grad).all() or dtype == np.float64


@EVERY_DTYPE
@pytest.mark.parametrize("odd", [NAN, -NAN, INF, -INF])
def test_nan_of_odd_probabilities_has_no_sign(odd, dtype, isa):
    x = np.array([[1, 2, 3, -1], [0, 1, 0, 1]], dtype)
    q = np.array([[0.2, odd, 0.3, 0.5], [0.25, 0.25, 0.25, 0.25]], dtype)
    for weight in (1e-300, 1.0, 1e300):
        grad = cross_entropy_with_grad(x, q, weight=np.full(4, weight), reduction="sum")[1]
        assert np.isnan(grad[0]).any()
        assert not np.signbit(grad[np.isnan(grad)]).any()
        assert not np.isnan(grad[1]).any()


def test_the_gradient_of_a_huge_z_loss_is_infinite(isa):
    """Not NaN where there is no FMA, as a factor too large for its products to be split gave."""
    for temperature in (1.0, 1e-100, 1e-310):
        _, grad = cross_entropy_with_grad(
            np.zeros((1, 2)), [0], z_loss=1e308, temperature=temperature
        )
        assert np.all(grad == INF) or temperature == 1
        assert not np.isnan(grad).any()
