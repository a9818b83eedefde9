"""What softmax and log_softmax accept and return: axis, dtypes, temperature, out."""

from __future__ import annotations

import pickle
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from helpers import (
    BFLOAT16,
    DTYPES,
    EVERY_DTYPE,
    assert_accurate,
    bits,
    promised_ulp,
    sample,
)
from plain import EVERY_FUNCTION, MASKED, PLAIN

import softlane

X = sample((2, 3, 4), np.dtype(np.float32))
Q = sample((3, 4, 5), np.dtype(np.float32), scale=20)


# ---- axis


@pytest.mark.parametrize(
    "axis",
    [0, 1, 2, -1, -3, None, (0,), (0, 2), (2, 0), (-1, 1), (0, 1, 2), np.int8(1), ()],
    ids=str,
)
@EVERY_FUNCTION
def test_axis(function, axis):
    plain = int(axis) if isinstance(axis, np.int8) else axis
    assert_accurate(function(X, axis), PLAIN[function](X, plain), X.dtype)
    assert bits(function(X, axis)) == bits(function(X, axis=axis))


@EVERY_FUNCTION
def test_axis_is_minus_one_by_default(function):
    assert bits(function(X)) == bits(function(X, -1)) != bits(function(X, None))


@EVERY_FUNCTION
def test_axis_of_no_axes_makes_every_element_its_own_row(function):
    x = np.array([1.0, -2e300, np.nan, np.inf, -np.inf])
    alone, masked = PLAIN[function](0.0), MASKED[function]
    np.testing.assert_array_equal(function(x, ()), [alone, alone, np.nan, np.nan, np.nan])
    kept = function(x, (), where=[True, False, False, True, False])
    np.testing.assert_array_equal(kept, [alone, masked, masked, np.nan, masked])


# ---- dtypes


@EVERY_DTYPE
@EVERY_FUNCTION
def test_dtype_is_kept(function, dtype, isa):
    x = sample((40, 33), dtype)
    assert_accurate(function(x), PLAIN[function](x), dtype)
    assert bits(function(x.astype(dtype.newbyteorder("S")))) == bits(function(x))


@pytest.mark.parametrize("kind", "?bhilqBHILQ")
@EVERY_FUNCTION
def test_bool_and_integers_go_to_float64(function, kind):
    info = np.array([0, 1]) if kind == "?" else np.iinfo(kind)
    x = np.array([0, 1, 1] if kind == "?" else [info.min, info.max, info.max - 3, 0], kind)
    assert_accurate(function(x), PLAIN[function](x.astype(np.float64)), DTYPES["float64"])
    assert bits(function(x.astype(x.dtype.newbyteorder("S")))) == bits(function(x))


@pytest.mark.parametrize("source", [*DTYPES.values(), np.dtype(np.int16)], ids=str)
@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES.keys())
@EVERY_FUNCTION
def test_dtype_sets_the_result(function, source, target, isa):
    x = sample((9, 50), source)
    want = PLAIN[function](x)
    half_ulp = target.itemsize == 2 or x.dtype.itemsize > target.itemsize or source.kind == "i"
    bound = 0.51 if half_ulp and target != DTYPES["float64"] else 3.0
    result = function(x, dtype=target)
    assert_accurate(result, want, target, bound)
    out = np.zeros(x.shape, target)
    assert function(x, out=out) is out
    assert bits(out) == bits(result) == bits(function(x, dtype=target, out=out))


@EVERY_FUNCTION
def test_dtype_by_any_name(function):
    for name in ("float64", "d", float, np.float64, np.dtype(">f8")):
        assert function(X, dtype=name).dtype == np.float64
    assert function(X, dtype=ml_dtypes.bfloat16).dtype == BFLOAT16


# ---- temperature


@pytest.mark.parametrize(
    "temperature", [0.5, 3, np.float32(0.1), BFLOAT16.type(1.5), np.array(7), 1e-3, 1e300], ids=str
)
@EVERY_DTYPE
@EVERY_FUNCTION
def test_temperature_scalar(function, temperature, dtype, isa):
    t = float(temperature)
    x = Q.astype(dtype)
    result = function(x, temperature=temperature)
    assert_accurate(result, PLAIN[function](x, -1, t), dtype, promised_ulp(dtype, t))


@pytest.mark.parametrize(
    ("axis", "shape"),
    [(1, (3, 5)), (1, (5,)), (1, (3, 1)), (1, (3, 1, 5)), (1, (1, 1, 5)), (-1, (3, 4)), (-1, (4,)),
     ((0, 2), (4,)), ((0, 2), (1, 4, 1)), (None, ()), (None, (1, 1, 1)), ((), (3, 4, 5)), ((), 5)],
)  # fmt: skip
@EVERY_FUNCTION
def test_temperature_per_row(function, axis, shape):
    t = np.random.default_rng(1).uniform(0.5, 20, shape)
    want = PLAIN[function](Q, axis, t)
    for temperature in (t, np.array(t, order="F"), np.array(t).tolist(), np.array(t, ">f8")):
        assert_accurate(function(Q, axis, temperature=temperature), want, Q.dtype, 3.5)
    ones = np.ones(shape, np.int64)
    assert bits(function(Q, axis, temperature=ones)) == bits(function(Q, axis))


@pytest.mark.parametrize("temperature", [2, np.int8(2), Fraction(2), np.float16(2), [2, 2, 2]])
@EVERY_FUNCTION
def test_a_temperature_of_any_real_type(function, temperature):
    want = function(X, temperature=2.0)
    np.testing.assert_array_equal(function(X, temperature=temperature), want)


# ---- other packages


@pytest.mark.parametrize("axis", [0, -1, (0, 2), None], ids=str)
@EVERY_FUNCTION
def test_scipy_on_every_shared_argument(function, axis, isa):
    special = pytest.importorskip("scipy.special", reason="scipy is not installed")
    theirs = getattr(special, function.__name__)
    for x in (Q, Q.astype(np.float64), np.array([[[0, -1e308, 1e3]]])):
        want = theirs(x, axis=axis)
        eps = np.finfo(want.dtype).eps
        np.testing.assert_allclose(function(x, axis=axis), want, rtol=80 * eps, atol=80 * eps)


@pytest.mark.parametrize("axis", [0, 1, -1])
@EVERY_FUNCTION
def test_torch_on_every_shared_argument(function, axis, isa):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = getattr(torch, function.__name__)
    for dtype in (np.float32, np.float64):
        x = Q.astype(dtype)
        want = theirs(torch.tensor(x), axis).numpy()
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(function(x, axis), want, rtol=80 * eps, atol=80 * eps)
        wider = theirs(torch.tensor(x), axis, dtype=torch.float64).numpy()
        np.testing.assert_allclose(function(x, axis, dtype="f8"), wider, rtol=1e-13, atol=1e-15)
        assert bits(function(torch.tensor(x), axis)) == bits(function(x, axis))


# ---- out, keywords, the function as an object


@EVERY_FUNCTION
def test_out_is_returned_itself(function):
    out = np.zeros(X.shape, np.float32)
    for given in (out, (out,)):
        out[...] = -1
        assert function(X, out=given) is out
        assert bits(out) == bits(function(X))
    for absent in (None, (None,)):
        assert bits(function(X, out=absent)) == bits(function(X))
    x = X.copy()
    assert function(x, out=x) is x
    assert bits(x) == bits(function(X))


@EVERY_FUNCTION
def test_keywords_that_are_not_interned(function):
    name = "".join(["ax", "is"])
    keywords = {name: 0, "".join(["temper", "ature"]): 2.0}
    assert bits(function(X, **keywords)) == bits(function(X, 0, temperature=2.0))


@pytest.mark.parametrize(
    "name",
    ["softmax", "log_softmax", "logsumexp", "softmax_backward", "log_softmax_backward",
     "cross_entropy", "cross_entropy_with_grad"],
)  # fmt: skip
def test_the_function_as_an_object(name):
    function = getattr(softlane, name)
    assert function.__name__ == function.__qualname__ == name
    assert function.__module__.split(".")[0] == "softlane"
    assert pickle.loads(pickle.dumps(function)) is function
