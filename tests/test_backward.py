"""softmax_backward and log_softmax_backward: shapes, dtypes, axis, out, temperature, torch."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, EVERY_LAYOUT, LAYOUTS, bits, laid_out, promised_ulp, sample
from plain import assert_gradient, plain_log_softmax_backward, plain_softmax_backward

from softlane import log_softmax, log_softmax_backward, softmax, softmax_backward
from softlane._oracle import ulp

F32, F64 = DTYPES["float32"], DTYPES["float64"]
PLAIN = {softmax_backward: plain_softmax_backward, log_softmax_backward: plain_log_softmax_backward}
FORWARD = {softmax_backward: softmax, log_softmax_backward: log_softmax}
EVERY_FUNCTION = pytest.mark.parametrize("function", PLAIN, ids=lambda f: f.__name__)


def arguments(function, shape, dtype, axis=-1, other=None) -> tuple[np.ndarray, np.ndarray]:
    """A gradient and a result of the forward function; `other` is the second's dtype."""
    grad = sample(shape, dtype, 1, 2.0)
    return grad, FORWARD[function](sample(shape, dtype), axis).astype(other or dtype)


def check(function, grad, y, axis=-1, temperature=1.0):
    """The result, which must lie within 3 ULP of its largest term."""
    result = function(grad, y, axis, temperature=temperature)
    want = PLAIN[function](grad, y, axis, temperature)
    assert_gradient(np.asarray(result), *want, promised_ulp(F32, temperature))
    return result


# ---- values, axis, shapes, temperature


@EVERY_DTYPE
@EVERY_FUNCTION
def test_xla_11772_every_shape_and_axis(function, dtype, isa):
    axes = (0, 1, 2, -1, (0, 1), (2, 0), (2, 1, 0), None, ())
    for shape in itertools.product((0, 1, 17), repeat=3):
        for axis in axes:
            grad, y = arguments(function, shape, dtype, axis)
            assert check(function, grad, y, axis).dtype == dtype


@EVERY_DTYPE
@EVERY_FUNCTION
def test_short_and_long_rows(function, dtype, isa):
    for n in (1, 2, 15, 16, 17, 33, 64, 130, 1000, 5000):
        grad, y = arguments(function, (3, n), dtype)
        result = check(function, grad, y)
        for row in range(3):
            assert bits(function(grad[row], y[row])) == bits(result[row])
        columns = function(np.ascontiguousarray(grad.T), np.ascontiguousarray(y.T), 0)
        assert bits(columns.T) == bits(result)


@EVERY_FUNCTION
def test_axis_is_minus_one_by_default(function):
    grad, y = arguments(function, (4, 4), F32)
    assert bits(function(grad, y)) == bits(function(grad, y, axis=-1))
    assert bits(function(grad, y)) != bits(function(grad, y, 0))


@pytest.mark.parametrize(
    ("axis", "shape"),
    [(1, ()), (1, (3, 5)), (1, (5,)), (1, (3, 1, 5)), (-1, (3, 4)), ((0, 2), (4,)),
     ((0, 2), (1, 4, 1)), (None, ()), ((), (3, 4, 5))], ids=str,
)  # fmt: skip
@EVERY_FUNCTION
def test_temperature(function, axis, shape, isa):
    t = np.random.default_rng(1).uniform(0.5, 20, shape)
    for dtype in DTYPES.values():
        grad, y = arguments(function, (3, 4, 5), dtype, axis)
        for temperature in (t, np.asarray(t).tolist()):
            check(function, grad, y, axis, temperature)
        halved = function(grad, y, axis, temperature=2.0).astype(np.float64)
        if dtype == F32:
            np.testing.assert_array_equal(halved * 2, function(grad, y, axis))


@EVERY_FUNCTION
def test_about_the_limits_of_float_arithmetic(function, isa):
    """Where sums, elements or temperatures end that let a row's products stay in floats."""
    grad, y = arguments(function, (5, 40), F32)
    y = np.concatenate([y, y])
    edges = {softmax_backward: [2.0**-49, 2.0**-51, 1e-40, 0.0, -0.5],
             log_softmax_backward: [-59.5, -60.5, -100.0, -1e-40, -np.inf]}  # fmt: skip
    y[:5, 7] = edges[function]
    for power in (-140, -60, -42, -40, -38, 0, 36, 38, 40, 42, 110):
        g = np.ldexp(np.concatenate([grad, grad]), power)
        for t in (1.0, 2.0**-10, 2.0**-11, 2.0**10, 2.0**11, 0.7):
            check(function, g, y, -1, t)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_temperature_extremes_give_the_limit(function, dtype, isa):
    """A gradient that overflows is infinite, never NaN; one that underflows is 0."""
    grad, y = arguments(function, (3, 20), dtype)
    y[:, ::3] = FORWARD[function](np.array([0.0, -np.inf]))[1]
    for temperature in (5e-324, 1e-310, 1e-100, 1e-40, 1e40, 1e300):
        check(function, grad, y, -1, temperature)
        check(function, np.zeros_like(grad), y, -1, temperature)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_zero_dimensions_in_scalar_out(function, dtype):
    one = np.array(FORWARD[function](0.0)).astype(dtype)
    for grad, axis in itertools.product(
        (np.array(3).astype(dtype), dtype.type(3)), (-1, 0, None, ())
    ):
        result = check(function, grad, one, axis)
        assert type(result) is dtype.type
    assert type(function(3, 1)) is type(function([2.0], [0])[0]) is np.float64


# ---- special values


@EVERY_DTYPE
def test_pytorch_31829_jax_6811_log_softmax_backward_at_minus_inf_is_the_gradient(dtype, isa):
    for n in (2, 3, 16, 17, 40, 130):
        grad = sample((5, n), dtype, n)
        x = sample((5, n), dtype, n + 1)
        x[:, 1::2] = -np.inf
        y = log_softmax(x)
        result = check(log_softmax_backward, grad, y)
        assert bits(result[:, 1::2]) == bits(grad[:, 1::2])
        nothing = np.full((5, n), -np.inf).astype(dtype)
        assert bits(log_softmax_backward(grad, nothing)) == bits(grad)
        in_place = grad.copy()
        log_softmax_backward(in_place, y, out=in_place)
        assert bits(in_place) == bits(result)


@EVERY_DTYPE
def test_pytorch_31829_jax_6811_softmax_backward_at_zero_is_zero(dtype, isa):
    for n in (2, 3, 16, 17, 40, 130):
        x = sample((5, n), dtype, n)
        x[:, 1::2] = -np.inf
        result = check(softmax_backward, sample((5, n), dtype, 3), softmax(x))
        assert np.all(result[:, 1::2] == 0)
        assert np.all(softmax_backward(np.ones((5, n), dtype), np.zeros((5, n), dtype)) == 0)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_nan_stays_in_its_row(function, dtype, isa):
    for n in (2, 16, 17, 40, 130):
        grad, y = arguments(function, (4, n), dtype)
        clean = function(grad, y)
        for array in (grad.copy(), y.copy()):
            array[1, n - 1] = np.nan
            pair = (array, y) if bits(array[0]) == bits(grad[0]) else (grad, array)
            result = function(*pair)
            assert np.any(np.isnan(result[1].astype(np.float64)))
            assert np.isnan(np.float64(result[1, n - 1]))
            assert bits(np.delete(result, 1, 0)) == bits(np.delete(clean, 1, 0))


# ---- dtypes, layouts


PROMOTIONS = [
    ("float16", "float16", "float16"), ("bfloat16", "bfloat16", "bfloat16"),
    ("float32", "float32", "float32"), ("float64", "float64", "float64"),
    ("float16", "bfloat16", "float32"), ("bfloat16", "float32", "float32"),
    ("float16", "float32", "float32"), ("float32", "float64", "float64"),
    ("bfloat16", "float64", "float64"), ("float16", "float64", "float64"),
    ("float16", "int8", "float64"), ("float32", "int64", "float64"), ("int32", "int32", "float64"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "result"), PROMOTIONS, ids="-".join)
@EVERY_FUNCTION
def test_dtypes_promote(function, first, second, result):
    dtypes = DTYPES | {name: np.dtype(name) for name in ("int8", "int32", "int64")}
    for one, other in ((first, second), (second, first)):
        grad, y = arguments(function, (3, 7), dtypes[one], other=dtypes[other])
        assert check(function, grad, y).dtype is dtypes[result]
        swapped = grad.astype(grad.dtype.newbyteorder("S"))
        assert bits(function(swapped, y)) == bits(function(grad, y))


@EVERY_LAYOUT
@EVERY_DTYPE
@EVERY_FUNCTION
def test_numpy_13512_pytorch_75923_layout_changes_no_bit(function, layout, dtype, isa):
    for shape, axis in (((3, 40), 1), ((40, 3), 0), ((3, 4, 17), (0, 2))):
        grad, y = arguments(function, shape, dtype, axis)
        want = bits(function(grad, y, axis))
        for other in LAYOUTS:
            assert bits(function(laid_out(grad, layout), laid_out(y, other), axis)) == want
            out = LAYOUTS[other](shape, dtype)
            assert function(laid_out(grad, layout), y, axis, out=out) is out
            assert bits(out) == want


@EVERY_FUNCTION
def test_the_result_has_the_memory_order_of_y(function):
    for order in itertools.permutations(range(3)):
        x = np.zeros((2, 3, 4), np.float32).transpose(order)
        assert function(x, x).strides == x.strides


@EVERY_FUNCTION
def test_array_likes_and_subclasses(function):
    grad, y = arguments(function, (3, 4), F64)
    want = bits(function(grad, y))
    assert bits(function(grad.tolist(), y)) == bits(function(grad, y.tolist())) == want
    assert bits(function(grad.astype(object).astype(float), memoryview(y))) == want


@pytest.mark.parametrize("shape", [(4,), (3, 1), (1, 4), (4, 3), (1, 3, 4), (3, 4, 1), ()], ids=str)
@EVERY_FUNCTION
def test_shapes_must_be_the_same(function, shape):
    both = rf"{re.escape(str(shape))}.*\(3, 4\)|\(3, 4\).*{re.escape(str(shape))}"
    for pair in ((np.ones((3, 4)), np.ones(shape)), (np.ones(shape), np.ones((3, 4)))):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .*({both})"):
            function(*pair)


# ---- out


@pytest.mark.parametrize("shape", [(3, 40), (200, 150)], ids=str)
@EVERY_DTYPE
@EVERY_FUNCTION
def test_in_place_over_either_argument(function, dtype, shape, isa):
    for axis in (0, 1, None):
        grad, y = arguments(function, shape, dtype, axis)
        want = bits(function(grad, y, axis))
        one, other = grad.copy(), y.copy()
        assert function(one, other, axis, out=one) is one
        assert bits(one) == want
        assert bits(other) == bits(y)
        one = grad.copy()
        assert function(one, other, axis, out=(other,)) is other
        assert bits(other) == want
        assert bits(one) == bits(grad)
        same = y.copy()
        want = bits(function(y, y, axis))
        assert bits(function(same, same, axis, out=same)) == want


@EVERY_DTYPE
@EVERY_FUNCTION
def test_numpy_22867_out_is_another_view_of_an_argument(function, dtype, isa):
    views = (lambda a: a[::-1, ::-1], lambda a: a[::-1], lambda a: a.T, lambda a: a[::-1].T)
    for size, axis, view in itertools.product((19, 150), (0, 1), views):
        grad, y = arguments(function, (size, size), dtype, axis)
        want = bits(function(grad, y, axis))
        one = grad.copy()
        assert bits(function(one, y, axis, out=view(one))) == want
        other = y.copy()
        assert bits(function(grad, other, axis, out=view(other))) == want


@EVERY_DTYPE
@EVERY_FUNCTION
def test_numpy_26972_shifted_overlap_with_both(function, dtype, isa):
    grad, y = arguments(function, (2, 20), dtype)
    want, size = bits(function(grad, y)), grad.nbytes
    ends = (size - 1, 2 * size + 1, 3 * size - dtype.itemsize, 3 * size - 1)
    for offset in (*range(0, 3 * size + 1, 3 * dtype.itemsize), *ends):
        memory = np.zeros(4 * size, np.uint8)
        one, other = (memory[n * size :][:size].view(dtype).reshape(2, 20) for n in (1, 2))
        one[...], other[...] = grad, y
        out = memory[offset:][:size].view(dtype).reshape(2, 20)
        function(one, other, out=out)
        assert bits(out) == want


@pytest.mark.parametrize("target", DTYPES.values(), ids=lambda dtype: f"to_{dtype}")
@EVERY_DTYPE
@EVERY_FUNCTION
def test_out_of_another_width(function, dtype, target, isa):
    grad, y = arguments(function, (9, 40), dtype)
    out = np.zeros((9, 40), target)
    assert function(grad, y, out=out) is out
    want, scale = PLAIN[function](grad, y)
    wide = F64 if F64 in (dtype, target) else F32
    allowed = 3 * ulp(scale, wide) + 0.51 * ulp(want, target)
    assert np.all(np.abs(out.astype(np.longdouble) - want) <= allowed)


# ---- torch


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EVERY_FUNCTION
def test_torch_autograd(function, dtype, axis, isa):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = {softmax_backward: torch.softmax, log_softmax_backward: torch.log_softmax}[function]
    values, grad = sample((3, 4, 5), np.dtype(dtype)), sample((3, 4, 5), np.dtype(dtype), 1)
    values[1, 2, 3] = values[0, 0, :2] = -np.inf
    for temperature in (1.0, 2.5):
        x = torch.tensor(values, requires_grad=True)
        theirs(x / temperature, axis).backward(torch.tensor(grad))
        y = FORWARD[function](values, axis, temperature=temperature)
        result = function(grad, y, axis, temperature=temperature)
        np.testing.assert_allclose(result, x.grad.numpy(), rtol=0, atol=60 * np.finfo(dtype).eps)


def test_the_difference_to_the_mean_may_overflow(isa):
    dx = softmax_backward(np.array([1.7e308, -1.7e308, -1.7e308]), np.full(3, 1 / 3))
    np.testing.assert_allclose(dx / 1e307, [7.5555555555555556, *[-3.7777777777777778] * 2])


@pytest.mark.parametrize("shape", [(2,), (3,)])
def test_a_masked_y_of_another_shape_is_refused_like_a_plain_one(shape):
    y = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]])
    with pytest.raises(ValueError, match=r"^softmax_backward: grad has shape"):
        softmax_backward(np.ones(shape), y)
