"""What softlane.softmax accepts, refuses and returns: every rule that the interface states."""

from __future__ import annotations

import inspect
import pickle

import ml_dtypes
import numpy as np
import pytest
from helpers import (
    BFLOAT16,
    DTYPES,
    EVERY_DTYPE,
    assert_accurate,
    bits,
    plain_softmax,
    promised_ulp,
    sample,
)
from numpy.exceptions import AxisError

from softlane import softmax

X = sample((2, 3, 4), np.dtype(np.float32))
ACCEPTED = r"\(accepted: float16, bfloat16, float32, float64"


# ---- axis


@pytest.mark.parametrize(
    "axis",
    [0, 1, 2, -1, -3, None, (0,), (0, 2), (2, 0), (-1, 1), (0, 1, 2), np.int8(1), ()],
    ids=str,
)
def test_axis(axis):
    plain = int(axis) if isinstance(axis, np.int8) else axis
    assert_accurate(softmax(X, axis), plain_softmax(X, plain), X.dtype)
    assert bits(softmax(X, axis)) == bits(softmax(X, axis=axis))


def test_axis_is_minus_one_by_default():
    assert bits(softmax(X)) == bits(softmax(X, -1)) != bits(softmax(X, None))


def test_axis_of_no_axes_makes_every_element_its_own_row():
    x = np.array([1.0, -2e300, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(softmax(x, ()), [1, 1, np.nan, np.nan, np.nan])
    kept = softmax(x, (), where=[True, False, False, True, False])
    np.testing.assert_array_equal(kept, [1, 0, 0, np.nan, 0])


@pytest.mark.parametrize("axis", [3, -4, (0, 3), (-4,)], ids=str)
def test_axis_out_of_range(axis):
    with pytest.raises(AxisError):
        softmax(X, axis)


@pytest.mark.parametrize("axis", [(0, 0), (0, -3), (1, 2, 1)], ids=str)
def test_axis_twice(axis):
    with pytest.raises(ValueError, match="axis"):
        softmax(X, axis)


@pytest.mark.parametrize("axis", [1.0, "1", [0, 1], (0, None), (0.0,)], ids=repr)
def test_axis_of_a_wrong_type(axis):
    with pytest.raises(TypeError):
        softmax(X, axis)


# ---- dtypes


@EVERY_DTYPE
def test_dtype_is_kept(dtype, isa):
    x = sample((40, 33), dtype)
    assert_accurate(softmax(x), plain_softmax(x), dtype)
    assert bits(softmax(x.astype(dtype.newbyteorder("S")))) == bits(softmax(x))


@pytest.mark.parametrize("kind", "?bhilqBHILQ")
def test_bool_and_integers_go_to_float64(kind):
    info = np.array([0, 1]) if kind == "?" else np.iinfo(kind)
    x = np.array([0, 1, 1] if kind == "?" else [info.min, info.max, info.max - 3, 0], kind)
    assert_accurate(softmax(x), plain_softmax(x.astype(np.float64)), DTYPES["float64"])
    assert bits(softmax(x.astype(x.dtype.newbyteorder("S")))) == bits(softmax(x))


FLOAT8 = [np.dtype(getattr(ml_dtypes, name)) for name in ("float8_e4m3fn", "float8_e5m2")]
UNSUPPORTED = [np.dtype(t) for t in "FDGgOSUVMm"] + FLOAT8 + [np.dtype([("a", "f4")])]


@pytest.mark.parametrize("dtype", UNSUPPORTED, ids=str)
def test_unsupported_dtypes_are_named_with_what_is_accepted(dtype):
    accepted = ACCEPTED + r", bool and integers\)"
    with pytest.raises(TypeError, match=rf"^softmax: unsupported dtype .*{accepted}"):
        softmax(np.zeros(3, "V4" if dtype.char == "V" and not dtype.itemsize else dtype))
    with pytest.raises(TypeError, match=r"^softmax: "):
        softmax(np.zeros(3), out=np.zeros(3, dtype))
    with pytest.raises(TypeError, match=rf"^softmax: .*{ACCEPTED}"):
        softmax(np.zeros(3), dtype=dtype)


def test_unsupported_dtype_text():
    text = r"softmax: unsupported dtype complex64 \(accepted: float16, bfloat16, float32, float64, "
    with pytest.raises(TypeError, match=f"^{text}bool and integers\\)$"):
        softmax(np.zeros(3, np.complex64))
    for x in (None, "12", [None, 1], {1: 2}):
        with pytest.raises(TypeError, match=r"^softmax: unsupported dtype"):
            softmax(x)


@pytest.mark.parametrize("dtype", [np.int32, bool, "u1"], ids=str)
def test_integer_results_are_refused(dtype):
    with pytest.raises(TypeError, match=rf"^softmax: .*{ACCEPTED}"):
        softmax(X, dtype=dtype)
    with pytest.raises(TypeError, match=r"^softmax: "):
        softmax(X, out=np.zeros(X.shape, dtype))


@pytest.mark.parametrize("source", [*DTYPES.values(), np.dtype(np.int16)], ids=str)
@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES.keys())
def test_dtype_sets_the_result(source, target, isa):
    x = sample((9, 50), source)
    want = plain_softmax(x)
    half_ulp = target.itemsize == 2 or x.dtype.itemsize > target.itemsize or source.kind == "i"
    bound = 0.51 if half_ulp and target != DTYPES["float64"] else 3.0
    result = softmax(x, dtype=target)
    assert_accurate(result, want, target, bound)
    out = np.zeros(x.shape, target)
    assert softmax(x, out=out) is out
    assert bits(out) == bits(result) == bits(softmax(x, dtype=target, out=out))


def test_dtype_by_any_name():
    for name in ("float64", "d", float, np.float64, np.dtype(">f8")):
        assert softmax(X, dtype=name).dtype == np.float64
    assert softmax(X, dtype=ml_dtypes.bfloat16).dtype == BFLOAT16
    with pytest.raises(TypeError):
        softmax(X, dtype="no such type")


def test_dtype_and_out_must_agree():
    with pytest.raises(
        TypeError, match=r"^softmax: .*float32.*float64|^softmax: .*float64.*float32"
    ):
        softmax(X, dtype=np.float64, out=np.zeros_like(X))
    with pytest.raises(TypeError, match=r"^softmax: "):
        softmax(X, dtype=np.float16, out=np.zeros(X.shape, BFLOAT16))


# ---- temperature

Q = sample((3, 4, 5), np.dtype(np.float32), scale=20)


@pytest.mark.parametrize(
    "temperature", [0.5, 3, np.float32(0.1), BFLOAT16.type(1.5), np.array(7), 1e-3, 1e300], ids=str
)
@EVERY_DTYPE
def test_temperature_scalar(temperature, dtype, isa):
    t = float(temperature)
    x = Q.astype(dtype)
    bound = promised_ulp(dtype, t)
    assert_accurate(softmax(x, temperature=temperature), plain_softmax(x, -1, t), dtype, bound)


@pytest.mark.parametrize(
    ("axis", "shape"),
    [(1, (3, 5)), (1, (5,)), (1, (3, 1)), (1, (3, 1, 5)), (1, (1, 1, 5)), (-1, (3, 4)), (-1, (4,)),
     ((0, 2), (4,)), ((0, 2), (1, 4, 1)), (None, ()), (None, (1, 1, 1)), ((), (3, 4, 5)), ((), 5)],
)  # fmt: skip
def test_temperature_per_row(axis, shape):
    t = np.random.default_rng(1).uniform(0.5, 20, shape)
    want = plain_softmax(Q, axis, t)
    for temperature in (t, np.array(t, order="F"), np.array(t).tolist(), np.array(t, ">f8")):
        assert_accurate(softmax(Q, axis, temperature=temperature), want, Q.dtype, 3.5)
    ones = np.ones(shape, np.int64)
    assert bits(softmax(Q, axis, temperature=ones)) == bits(softmax(Q, axis))


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 4, 5), (4, 4), (2,), (1, 3, 4, 1)], ids=str)
def test_temperature_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"^softmax: temperature"):
        softmax(Q, temperature=np.ones(shape))


@pytest.mark.parametrize("bad", [0.0, -0.0, -1.0, np.nan, np.inf, -np.inf])
def test_temperature_must_be_finite_and_positive(bad):
    out = np.full_like(Q, 7)
    rows = np.ones((3, 4))
    rows[2, 3] = bad
    for temperature in (bad, np.float32(bad), np.array(bad), rows, rows[..., None]):
        with pytest.raises(ValueError, match=r"^softmax: temperature"):
            softmax(Q, temperature=temperature, out=out)
    assert np.all(out == 7), "a refused call writes nothing"


@pytest.mark.parametrize("bad", ["warm", 1j, [object()], {}], ids=repr)
def test_temperature_of_a_wrong_type(bad):
    with pytest.raises(TypeError):
        softmax(Q, temperature=bad)


# ---- out


def test_out_is_returned_itself():
    out = np.zeros(X.shape, np.float32)
    for given in (out, (out,)):
        out[...] = -1
        assert softmax(X, out=given) is out
        assert bits(out) == bits(softmax(X))
    assert softmax(X, out=None).shape == X.shape
    x = X.copy()
    assert softmax(x, out=x) is x
    assert bits(x) == bits(softmax(X))


def test_out_refused():
    x = np.zeros((3, 2), np.float32)
    shape = r"^softmax: out has shape \(2, 3\), expected \(3, 2\)"
    with pytest.raises(ValueError, match=shape):
        softmax(x, out=np.zeros((2, 3), np.float32))
    for other in ((2,), (1, 3, 2), (), (1, 2)):
        with pytest.raises(ValueError, match=r"^softmax: out has shape"):
            softmax(x, out=np.zeros(other, np.float32))
    read_only = np.zeros_like(x)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match=r"^softmax: output array is read-only"):
        softmax(x, out=read_only)
    for not_one in ((), (np.zeros_like(x), np.zeros_like(x))):
        with pytest.raises((TypeError, ValueError), match=r"^softmax: out"):
            softmax(x, out=not_one)
    for no_array in ([[0.0, 0.0]] * 3, 1.0, "out", bytearray(24), x.data):
        with pytest.raises(TypeError, match=r"^softmax: out"):
            softmax(x, out=no_array)


# ---- the function as an object, its arguments


def test_wrong_calls():
    for call in (
        lambda: softmax(),
        lambda: softmax(x=X),
        lambda: softmax(X, 0, 1.0),
        lambda: softmax(X, 0, axis=0),
        lambda: softmax(X, dim=0),
        lambda: softmax(X, **{"": 1}),
    ):
        with pytest.raises(TypeError):
            call()


def test_keywords_that_are_not_interned():
    name = "".join(["ax", "is"])
    keywords = {name: 0, "".join(["temper", "ature"]): 2.0}
    assert bits(softmax(X, **keywords)) == bits(softmax(X, 0, temperature=2.0))


def test_signature_documentation_and_pickle():
    signature = "(x, /, axis=-1, *, temperature=1.0, where=None, dtype=None, out=None)"
    assert str(inspect.signature(softmax)) == signature
    assert softmax.__name__ == softmax.__qualname__ == "softmax"
    assert softmax.__module__.split(".")[0] == "softlane"
    for part in (
        "Parameters",
        "Returns",
        "Raises",
        "Examples",
        "temperature",
        "where",
        "dtype",
        "out",
    ):
        assert part in softmax.__doc__
    assert pickle.loads(pickle.dumps(softmax)) is softmax
