"""softmax and log_softmax of scalars, subclasses, memory maps and whatever becomes an array."""

from __future__ import annotations

import array

import numpy as np
import pytest
from helpers import DTYPES, EVERY_DTYPE, assert_accurate, bits, sample
from plain import EVERY_FUNCTION, MASKED, PLAIN

F32 = np.dtype(np.float32)
X = sample((3, 4, 17), F32)


@EVERY_DTYPE
@pytest.mark.parametrize("axis", [-1, 0, None, ()], ids=str)
@EVERY_FUNCTION
def test_zero_dimensions_in_scalar_out(function, dtype, axis):
    alone = PLAIN[function](0.0)
    for x in (np.array(3).astype(dtype), np.array(3).astype(dtype)[()]):
        result = function(x, axis)
        assert type(result) is dtype.type
        assert result == alone
    out = np.array(5).astype(dtype)
    assert function(x, axis, out=out) is out
    assert out[()] == alone
    assert np.isnan(function(np.array(np.inf).astype(dtype), axis))
    assert function(x, axis, where=False) == MASKED[function]


class Labelled(np.ndarray):
    """A subclass that carries something, as numpy's guide writes them."""

    label = None

    def __array_finalize__(self, parent):
        self.label = getattr(parent, "label", None)

    def __array_wrap__(self, result, context=None, return_scalar=False):
        wrapped = result.view(Labelled)
        wrapped.label = f"result of {self.label}"
        return wrapped


class Convertible:
    def __init__(self, result):
        self.result = result

    def __array__(self, dtype=None, copy=None):
        return self.result


@EVERY_FUNCTION
def test_array_likes(function):
    buffers = (array.array("f", [1, 2]), memoryview(b"\x01\x02"), Convertible(X), Convertible(X[0]))
    for x in ([[1, 2], [3, 4]], (1.0, 2.0), range(4), [X[0], X[1]], *buffers):
        want = np.asarray(x)
        dtype = want.dtype if want.dtype == np.float32 else DTYPES["float64"]
        assert_accurate(function(x), PLAIN[function](want), dtype)
    assert type(function(3)) is type(function(True)) is type(function(2.5)) is np.float64


@EVERY_FUNCTION
def test_subclasses_come_back_as_themselves(function):
    matrix = X[0].view(np.matrix)
    result = function(matrix, 0)
    assert type(result) is np.matrix
    assert bits(result) == bits(function(X[0], 0))
    labelled = X.view(Labelled)
    labelled.label = "x"
    result = function(labelled)
    assert type(result) is Labelled
    assert result.label == "result of x"
    assert bits(result) == bits(function(X))
    out = np.zeros(X.shape, F32)
    assert function(labelled, out=out) is out
    assert function(X, out=labelled.copy()).label == "x"


@EVERY_FUNCTION
def test_memmap_read_only(function, tmp_path):
    X.tofile(tmp_path / "x")
    x = np.memmap(tmp_path / "x", F32, "r", shape=X.shape)
    assert bits(function(x, 1)) == bits(function(X, 1))
    out = np.memmap(tmp_path / "y", F32, "w+", shape=X.shape)
    assert function(x, out=out) is out
    out.flush()
    assert (tmp_path / "y").read_bytes() == bits(function(X))
