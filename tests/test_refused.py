"""What the functions refuse, by the same rules and in the same words; each names itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest
from helpers import BFLOAT16, sample
from numpy.exceptions import AxisError

import softlane
from softlane import (
    cross_entropy,
    cross_entropy_with_grad,
    log_softmax,
    log_softmax_backward,
    logsumexp,
    softmax,
    softmax_backward,
)

X = sample((2, 3, 4), np.dtype(np.float32))
ACCEPTED = r"\(accepted: float16, bfloat16, float32, float64"
LOSSES = ("cross_entropy", "cross_entropy_with_grad")


class Case(NamedTuple):
    id: str
    name: str  # of the function, with which its messages begin
    call: Callable  # of one array and the options; the other arguments are good

    def has(self, option: str) -> bool:
        return option in inspect.signature(getattr(softlane, self.name)).parameters


def zeros(x) -> np.ndarray:
    return np.zeros(np.shape(x))


def labels(x) -> np.ndarray:
    return np.zeros(np.shape(x)[:-1], np.int64)


CASES = [
    Case("softmax", "softmax", softmax),
    Case("log_softmax", "log_softmax", log_softmax),
    Case("logsumexp", "logsumexp", logsumexp),
    Case("softmax_backward_grad", "softmax_backward",
         lambda x, *rest, **options: softmax_backward(x, zeros(x), *rest, **options)),
    Case("softmax_backward_y", "softmax_backward",
         lambda x, *rest, **options: softmax_backward(zeros(x), x, *rest, **options)),
    Case("log_softmax_backward_grad", "log_softmax_backward",
         lambda x, *rest, **options: log_softmax_backward(x, zeros(x), *rest, **options)),
    Case("log_softmax_backward_y", "log_softmax_backward",
         lambda x, *rest, **options: log_softmax_backward(zeros(x), x, *rest, **options)),
    Case("cross_entropy", "cross_entropy",
         lambda x, *rest, **options: cross_entropy(x, labels(x), *rest, **options)),
    Case("cross_entropy_with_grad", "cross_entropy_with_grad",
         lambda x, *rest, **options: cross_entropy_with_grad(x, labels(x), *rest, **options)),
]  # fmt: skip
TUPLES = [case for case in CASES if case.name not in LOSSES]  # several axes allowed


def every(cases: list[Case], option: str = "axis") -> pytest.MarkDecorator:
    chosen = [case for case in cases if case.has(option)]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.id)


# ---- axis


@pytest.mark.parametrize("axis", [3, -4, np.int8(5)], ids=str)
@every(CASES)
def test_axis_out_of_range(case, axis):
    with pytest.raises(AxisError, match=f"^{case.name}: axis {axis} is out of bounds"):
        case.call(X, axis)


@pytest.mark.parametrize("axis", [(0, 3), (-4,)], ids=str)
@every(TUPLES)
def test_one_of_the_axes_out_of_range(case, axis):
    with pytest.raises(AxisError, match=f"^{case.name}: axis"):
        case.call(X, axis)


@pytest.mark.parametrize("axis", [1, -2, (0,), (-1,)], ids=str)
@every(TUPLES)
def test_zero_dimensions_have_no_other_axis(case, axis):
    with pytest.raises(AxisError):
        case.call(np.float32(1), axis)


@pytest.mark.parametrize("axis", [(0, 0), (0, -3), (1, 2, 1)], ids=str)
@every(TUPLES)
def test_axis_twice(case, axis):
    with pytest.raises(ValueError, match=f"^{case.name}: axis"):
        case.call(X, axis)


@pytest.mark.parametrize("axis", [1.0, "1", [0, 1], (0, None), (0.0,), 1j], ids=repr)
@every(CASES)
def test_axis_of_a_wrong_type(case, axis):
    with pytest.raises(TypeError, match=f"^{case.name}: axis"):
        case.call(X, axis)


# ---- dtypes

FLOAT8 = [np.dtype(getattr(ml_dtypes, name)) for name in ("float8_e4m3fn", "float8_e5m2")]
UNSUPPORTED = [np.dtype(t) for t in "FDGgOSUVMm"] + FLOAT8 + [np.dtype([("a", "f4")])]


@pytest.mark.parametrize("dtype", UNSUPPORTED, ids=str)
@every(CASES)
def test_unsupported_dtypes_are_named_with_what_is_accepted(case, dtype):
    accepted = ACCEPTED + r", bool and integers\)"
    with pytest.raises(TypeError, match=rf"^{case.name}: .*unsupported dtype .*{accepted}"):
        case.call(np.zeros(3, "V4" if dtype.char == "V" and not dtype.itemsize else dtype))
    if case.has("out"):
        with pytest.raises(TypeError, match=rf"^{case.name}: .*{ACCEPTED}"):
            case.call(np.zeros(3), out=np.zeros(() if case.name == "logsumexp" else 3, dtype))
    if case.has("dtype"):
        with pytest.raises(TypeError, match=rf"^{case.name}: .*{ACCEPTED}"):
            case.call(np.zeros(3), dtype=dtype)


@every(CASES)
def test_unsupported_dtype_text(case):
    text = r"unsupported dtype complex64 \(accepted: float16, bfloat16, float32, float64, "
    with pytest.raises(TypeError, match=f"^{case.name}: .*{text}bool and integers\\)$"):
        case.call(np.zeros(3, np.complex64))
    for x in (None, "12", [None, 1], {1: 2}):
        with pytest.raises(TypeError, match=f"^{case.name}: .*unsupported dtype"):
            case.call(x)


@pytest.mark.parametrize("dtype", [np.int32, bool, "u1"], ids=str)
@every(CASES, "out")
def test_integer_results_are_refused(case, dtype):
    if case.has("dtype"):
        with pytest.raises(TypeError, match=rf"^{case.name}: .*{ACCEPTED}"):
            case.call(X, dtype=dtype)
    shape = X.shape[:-1] if case.name == "logsumexp" else X.shape
    with pytest.raises(TypeError, match=f"^{case.name}: out"):
        case.call(X, out=np.zeros(shape, dtype))


@every(CASES, "dtype")
def test_dtype_and_out_must_agree(case):
    shape = X.shape[:-1] if case.name == "logsumexp" else X.shape
    both = "float32.*float64|float64.*float32"
    with pytest.raises(TypeError, match=f"^{case.name}: .*({both})"):
        case.call(X, dtype=np.float64, out=np.zeros(shape, np.float32))
    with pytest.raises(TypeError, match=f"^{case.name}: "):
        case.call(X, dtype=np.float16, out=np.zeros(shape, BFLOAT16))


@every(CASES, "dtype")
def test_an_unknown_dtype_is_named_with_the_function(case):
    with pytest.raises(TypeError, match=rf"^{case.name}: dtype= is not a dtype .*bfloat17"):
        case.call(X, dtype="bfloat17")


# ---- temperature


@pytest.mark.parametrize("shape", [(2,), (2, 4), (2, 3, 4), (3, 3), (1, 2, 3, 1)], ids=str)
@every(CASES, "temperature")
def test_temperature_of_a_wrong_shape(case, shape):
    with pytest.raises(ValueError, match=f"^{case.name}: temperature"):
        case.call(X, temperature=np.ones(shape))


@pytest.mark.parametrize("bad", [0.0, -0.0, -1.0, np.nan, np.inf, -np.inf])
@every(CASES, "temperature")
def test_temperature_must_be_finite_and_positive(case, bad):
    rows = np.ones((2, 3))
    rows[1, 2] = bad
    out = np.full_like(X, 7)
    options = {"out": out} if case.has("out") else {}
    for temperature in (bad, np.float32(bad), np.array(bad), rows, rows[..., None]):
        with pytest.raises(ValueError, match=f"^{case.name}: temperature"):
            case.call(X, temperature=temperature, **options)
    assert np.all(out == 7), "a refused call writes nothing"


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize(
    "bad", [None, "warm", "2", 1j, np.longdouble(2), [None, 1j], [1, None], {}], ids=repr
)
@every(CASES, "temperature")
def test_a_temperature_that_is_no_real_number(case, axis, bad):
    with pytest.raises(TypeError, match=f"^{case.name}: temperature"):
        case.call(np.zeros((3, 3)), axis, temperature=bad)


# ---- where


@every(CASES, "where")
def test_where_refused(case):
    x = np.zeros((3, 4))
    for not_boolean in (1, 1.0, [1, 0, 1, 1], np.ones((3, 4), np.int8), "yes", np.ones(4, object)):
        with pytest.raises(TypeError, match=f"^{case.name}: where"):
            case.call(x, where=not_boolean)
    for shape in ((3,), (4, 3), (2, 3, 4), (1, 3, 4), (2, 1)):
        with pytest.raises(ValueError, match=f"^{case.name}: where"):
            case.call(x, where=np.ones(shape, bool))


# ---- out


@every(CASES, "out")
def test_out_refused(case):
    x = np.zeros((5, 3), np.float32)
    shape = (5,) if case.name == "logsumexp" else (5, 3)
    for other in ((3, 5), (3,), (1, *shape), (), (1, 3)):
        text = f"out has shape {other}, expected {shape}"
        with pytest.raises(ValueError, match=f"^{case.name}: {re.escape(text)}"):
            case.call(x, out=np.zeros(other, np.float32))
    good = np.zeros(shape, np.float32)
    read_only = good.copy()
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match=f"^{case.name}: output array is read-only"):
        case.call(x, out=read_only)
    for not_one in ((), (good, good.copy())):
        with pytest.raises((TypeError, ValueError), match=f"^{case.name}: out"):
            case.call(x, out=not_one)
    for no_array in ([[0.0, 0.0]] * 3, 1.0, "out", bytearray(24), x.data):
        with pytest.raises(TypeError, match=f"^{case.name}: out"):
            case.call(x, out=no_array)


# ---- arrays and arguments


class Unwilling:
    def __init__(self, failure: Exception):
        self.failure = failure

    def __array__(self, dtype=None, copy=None):
        raise self.failure


def unwilling_calls(failure: Exception) -> list[tuple[str, Callable]]:
    """Each function with this array-like in each place."""
    bad, row = Unwilling(failure), [1.0, 2.0]
    return [
        ("softmax", lambda: softmax(bad)),
        ("log_softmax", lambda: log_softmax(bad)),
        ("logsumexp", lambda: logsumexp(bad)),
        ("logsumexp", lambda: logsumexp(row, b=bad)),
        ("softmax_backward", lambda: softmax_backward(bad, row)),
        ("softmax_backward", lambda: softmax_backward(row, bad)),
        ("log_softmax_backward", lambda: log_softmax_backward(bad, row)),
        ("log_softmax_backward", lambda: log_softmax_backward(row, bad)),
        ("cross_entropy", lambda: cross_entropy(bad, 0)),
        ("cross_entropy", lambda: cross_entropy(row, bad)),
        ("cross_entropy", lambda: cross_entropy(row, 0, weight=bad)),
        ("cross_entropy_with_grad", lambda: cross_entropy_with_grad(bad, 0)),
        ("cross_entropy_with_grad", lambda: cross_entropy_with_grad(row, bad)),
    ]


@pytest.mark.parametrize(
    ("failure", "hint"),
    [
        (RuntimeError("Can't call numpy() on Tensor that requires grad."), r"detach\(\)"),
        (TypeError("Got unsupported ScalarType BFloat16"), r"float\(\)"),
    ],
    ids=["requires_grad", "bfloat16"],
)
def test_what_cannot_become_an_array(failure, hint):
    for name, call in unwilling_calls(failure):
        with pytest.raises((TypeError, RuntimeError), match=f"^{name}: .*{hint}"):
            call()


def test_an_exception_of_an_array_like_passes_through():
    for _, call in unwilling_calls(KeyError("mine")):
        with pytest.raises(KeyError, match="mine"):
            call()


ARRAYS = {
    softmax: 1, log_softmax: 1, logsumexp: 1, softmax_backward: 2, log_softmax_backward: 2,
    cross_entropy: 2, cross_entropy_with_grad: 2,
}  # fmt: skip


ANY_FUNCTION = pytest.mark.parametrize("function", ARRAYS, ids=lambda f: f.__name__)


@ANY_FUNCTION
def test_a_ragged_list(function):
    with pytest.raises(ValueError, match=f"^{function.__name__}: "):
        function(*[[[1, 2], [3]]] * ARRAYS[function])


@ANY_FUNCTION
def test_wrong_calls(function):
    arrays = [X, labels(X) if function.__name__ in LOSSES else X][: ARRAYS[function]]
    name = function.__name__
    first = next(iter(inspect.signature(function).parameters))
    for call in (
        lambda: function(),
        lambda: function(*arrays[1:]),
        lambda: function(*arrays[1:], **{first: X}),
        lambda: function(*arrays, -1, 1.0),
        lambda: function(*arrays, 0, axis=0),
        lambda: function(*arrays, dim=0),
        lambda: function(*arrays, **{"": 1}),
    ):
        with pytest.raises(TypeError, match=rf"^{name}(\(\))?:? "):
            call()


def test_masks_that_mean_nothing_are_not_dropped():
    x, masked = np.zeros((2, 3)), np.ma.array([1.0, 2.0, 3.0], mask=[1, 0, 0])
    for call in (
        lambda m: softlane.softmax(x, where=m > 1),
        lambda m: softlane.softmax(x.T, temperature=m, axis=1),
        lambda m: softlane.logsumexp(x, b=m),
        lambda m: softlane.cross_entropy(x, [0, 1], weight=m),
        lambda m: softlane.cross_entropy(x.T, m.astype(int)),
    ):
        with pytest.raises(TypeError, match="has masked elements"):
            call(masked)
        call(np.ma.array([1.0, 1.0, 1.0]))
