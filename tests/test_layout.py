"""Every shape, axis and way to lie in memory, of input and out; every kind of array and overlap."""

from __future__ import annotations

import array
import itertools
from functools import cache

import numpy as np
import pytest
from helpers import (
    DTYPES,
    EVERY_DTYPE,
    EVERY_LAYOUT,
    LAYOUTS,
    assert_accurate,
    bits,
    laid_out,
    plain_softmax,
    sample,
)
from numpy.exceptions import AxisError
from numpy.lib.stride_tricks import as_strided

from softlane import softmax

F32 = np.dtype(np.float32)
X = sample((3, 4, 17), F32)
AXES_OF_THREE = (0, 1, 2, (0, 1), (2, 0), (1, 2), (2, 1, 0), None, ())


@cache
def expected(shape, axis, dtype):
    return plain_softmax(sample(shape, dtype), axis)


@EVERY_DTYPE
def test_xla_11772_every_shape_and_axis(dtype, isa):
    for shape in itertools.product((0, 1, 2, 3, 17), repeat=3):
        x = sample(shape, dtype)
        for axis in AXES_OF_THREE:
            assert_accurate(softmax(x, axis), expected(shape, axis, dtype), dtype)


# ---- layouts: numpy 13512, 16660, 25231, 26775; pytorch 75923, 139740; onednn 1823;
# executorch 8595


@EVERY_LAYOUT
@EVERY_DTYPE
def test_layout_of_input_and_out_changes_no_bit(layout, dtype, isa):
    for shape in ((17,), (3, 40), (3, 4, 17), (2, 1, 3, 5)):
        values = sample(shape, dtype)
        x = laid_out(values, layout)
        x.flags.writeable = False
        for axis in (-1, 0, None, (0, -1)[: len(shape)]):
            want = bits(softmax(values, axis))
            assert bits(softmax(x, axis)) == want
            for other in LAYOUTS:
                out = LAYOUTS[other](shape, dtype)
                assert softmax(x, axis, out=out) is out
                assert bits(out) == want
        assert bits(x) == bits(values)


@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES.keys())
@EVERY_DTYPE
def test_layout_with_conversion_changes_no_bit(dtype, target):
    values = sample((3, 4, 17), dtype)
    for axis in (-1, 0, (0, 2)):
        want = bits(softmax(values, axis, dtype=target))
        for layout, other in itertools.product(LAYOUTS, LAYOUTS):
            out = LAYOUTS[other](values.shape, target)
            softmax(laid_out(values, layout), axis, out=out)
            assert bits(out) == want


@EVERY_DTYPE
def test_zero_strides(dtype, isa):
    row = sample((1, 1, 17), dtype)
    for small in (row, row[..., :1], sample((3, 1, 17), dtype), sample((3, 4, 1), dtype)):
        x = np.broadcast_to(small, (3, 4, 17))
        for axis in AXES_OF_THREE:
            result = softmax(x, axis)
            assert bits(result) == bits(softmax(x.copy(), axis))
            assert 0 not in result.strides


@EVERY_DTYPE
def test_result_has_the_memory_order_of_the_input(dtype):
    like = np.negative if dtype.name != "bfloat16" else np.empty_like
    inputs = [np.zeros((2, 3, 4, 5), dtype).transpose(p) for p in itertools.permutations(range(4))]
    inputs += [laid_out(sample((3, 4, 5), dtype), layout) for layout in LAYOUTS]
    for x in inputs:
        for axis in (-1, 0, None):
            for result in (softmax(x, axis), softmax(x, axis, temperature=2.0, where=True)):
                assert result.strides == like(x).strides
                assert result.flags.owndata
                assert result.flags.writeable
                assert result.flags.aligned
                assert result.dtype.isnative
        assert softmax(x, dtype=np.float64).strides == like(x.astype(np.float64, order="K")).strides


# ---- out that shares memory: as if buffered


@EVERY_LAYOUT
@EVERY_DTYPE
def test_in_place(layout, dtype, isa):
    for shape, axes in (((3, 4, 17), AXES_OF_THREE), ((200, 150), (0, 1))):
        for axis in axes:
            values = sample(shape, dtype)
            x = laid_out(values, layout)
            assert softmax(x, axis, out=x) is x
            assert bits(x) == bits(softmax(values, axis))
            x[...] = values
            softmax(x, axis, out=x[...])
            assert bits(x) == bits(softmax(values, axis))


@pytest.mark.parametrize("axis", [0, 1])
@EVERY_DTYPE
def test_numpy_22867_26972_shifted_overlap(dtype, axis, isa):
    """Out begins anywhere from directly before the input to directly after it."""
    values = sample((2, 20), dtype)
    size = values.nbytes
    want = bits(softmax(values, axis))
    step = 1 if dtype == np.float32 else dtype.itemsize
    for offset in (*range(0, 2 * size + 1, step), size - 1, size + 1):
        memory = np.zeros(3 * size, np.uint8)
        x = memory[size : 2 * size].view(dtype).reshape(2, 20)
        x[...] = values
        out = memory[offset : offset + size].view(dtype).reshape(2, 20)
        softmax(x, axis, out=out)
        assert bits(out) == want
        if offset in (0, 2 * size):
            assert bits(x) == bits(values)


ALIASES = {
    "reversed": lambda x: x[::-1, ::-1],
    "rows_reversed": lambda x: x[::-1],
    "transposed": lambda x: x.T,
    "anti_transposed": lambda x: x[::-1].T,
    "shifted_reshape": lambda x: x.reshape(-1)[: x.size].reshape(x.shape, order="F"),
}


@pytest.mark.parametrize("alias", ALIASES)
@EVERY_DTYPE
def test_numpy_22867_out_is_another_view_of_the_input(dtype, alias, isa):
    for size in (19, 200):
        for axis in (0, 1, None, ()):
            values = sample((size, size), dtype)
            x = values.copy()
            out = ALIASES[alias](x)
            softmax(x, axis, out=out)
            assert bits(out) == bits(softmax(values, axis))


def test_out_interleaved_with_the_input(isa):
    memory = np.zeros(200, np.float32)
    memory[::2] = values = sample((100,), F32)
    softmax(memory[::2], out=memory[1::2])
    assert bits(memory[::2]) == bits(values)
    assert bits(memory[1::2]) == bits(softmax(values))


@pytest.mark.parametrize("shape", [(4, 30), (200, 300)], ids=str)
def test_out_shares_memory_with_an_input_of_another_width_or_of_equal_rows(shape, isa):
    values = sample(shape, np.dtype(np.float64))
    narrow = values.astype(F32)
    for half in (np.s_[: values.size], np.s_[values.size :]):
        memory = values.copy()
        out = memory.reshape(-1).view(F32)[half].reshape(shape)
        assert bits(softmax(memory, out=out)) == bits(softmax(values, dtype=F32))
        x = memory.reshape(-1).view(F32)[half].reshape(shape)
        x[...] = narrow
        assert bits(softmax(x, out=memory)) == bits(softmax(narrow, dtype=np.float64))
    rows = values.copy()
    softmax(np.broadcast_to(rows[2], shape), out=rows)
    assert bits(rows) == bits(softmax(np.tile(values[2], (shape[0], 1))))


@pytest.mark.parametrize("shape", [(4, 30), (200, 300)], ids=str)
def test_out_shares_memory_with_where_and_temperature(shape, isa):
    values = sample(shape, np.dtype(np.float64))
    memory = np.zeros(values.nbytes, np.uint8)
    for part in (np.s_[: values.size], np.s_[-values.size :]):
        memory[...] = 0
        memory[::3] = 1
        keep = memory[part].view(bool).reshape(shape)
        want = softmax(values, where=keep.copy())
        out = memory.view(np.float64).reshape(shape)
        assert bits(softmax(values, where=keep, out=out)) == bits(want)
    for axis, part in ((1, np.s_[:, 7]), (0, np.s_[2]), (1, np.s_[:, :1])):
        out = np.abs(values) + 1
        temperature = out[part]
        want = softmax(values, axis, temperature=temperature.copy())
        assert bits(softmax(values, axis, temperature=temperature, out=out)) == bits(want)


def test_torch_nn_825_and_pybind11_338_2455_a_slice_is_written_and_nothing_beside_it(isa):
    for dtype in DTYPES.values():
        for part in (
            np.s_[1],
            np.s_[:, 2],
            np.s_[::2, :, 3:9],
            np.s_[::-1, 1:3, ::-5],
            np.s_[1, 2, 16:],
        ):
            parent = np.full(X.shape, 7, dtype)
            values = sample(parent[part].shape, dtype)
            softmax(values, 0, out=parent[part])
            assert bits(parent[part]) == bits(softmax(values, 0))
            parent[part] = 7
            assert np.all(parent == 7)


# ---- no dimension, other kinds of arrays


@EVERY_DTYPE
@pytest.mark.parametrize("axis", [-1, 0, None, ()], ids=str)
def test_zero_dimensions_in_scalar_out(dtype, axis):
    for x in (np.array(3).astype(dtype), np.array(3).astype(dtype)[()]):
        result = softmax(x, axis)
        assert type(result) is dtype.type
        assert result == 1
    out = np.array(5).astype(dtype)
    assert softmax(x, axis, out=out) is out
    assert out[()] == 1
    assert np.isnan(softmax(np.array(np.inf).astype(dtype), axis))
    assert softmax(x, axis, where=False) == 0


@pytest.mark.parametrize("axis", [1, -2, (0,), (-1,), (0, 0)], ids=str)
def test_zero_dimensions_have_no_other_axis(axis):
    with pytest.raises(AxisError if axis != (0, 0) else ValueError):
        softmax(np.float32(1), axis)


class Labelled(np.ndarray):
    """A subclass that carries something, as numpy's guide writes them."""

    label = None

    def __array_finalize__(self, parent):
        self.label = getattr(parent, "label", None)

    def __array_wrap__(self, result, context=None, return_scalar=False):
        wrapped = result.view(Labelled)
        wrapped.label = f"softmax of {self.label}"
        return wrapped


class Convertible:
    def __init__(self, result):
        self.result = result

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_array_likes():
    buffers = (array.array("f", [1, 2]), memoryview(b"\x01\x02"), Convertible(X), Convertible(X[0]))
    for x in ([[1, 2], [3, 4]], (1.0, 2.0), range(4), [X[0], X[1]], *buffers):
        want = np.asarray(x)
        dtype = want.dtype if want.dtype == np.float32 else DTYPES["float64"]
        assert_accurate(softmax(x), plain_softmax(want), dtype)
    assert type(softmax(3)) is type(softmax(True)) is type(softmax(2.5)) is np.float64


def test_what_cannot_become_an_array():
    needs_grad = RuntimeError("Can't call numpy() on Tensor that requires grad.")
    bfloat16 = TypeError("Got unsupported ScalarType BFloat16")
    for failure, hint in ((needs_grad, r"detach\(\)"), (bfloat16, r"float\(\)")):
        with pytest.raises((TypeError, RuntimeError), match=f"^softmax: .*{hint}"):
            softmax(Convertible(failure))
    with pytest.raises(KeyError, match="mine"):
        softmax(Convertible(KeyError("mine")))
    with pytest.raises(ValueError):
        softmax([[1, 2], [3]])


def test_subclasses_come_back_as_themselves():
    matrix = X[0].view(np.matrix)
    result = softmax(matrix, 0)
    assert type(result) is np.matrix
    assert bits(result) == bits(softmax(X[0], 0))
    labelled = X.view(Labelled)
    labelled.label = "x"
    result = softmax(labelled)
    assert type(result) is Labelled
    assert result.label == "softmax of x"
    assert bits(result) == bits(softmax(X))
    out = np.zeros(X.shape, F32)
    assert softmax(labelled, out=out) is out
    assert softmax(X, out=labelled.copy()).label == "x"


def test_memmap_read_only(tmp_path):
    X.tofile(tmp_path / "x")
    x = np.memmap(tmp_path / "x", F32, "r", shape=X.shape)
    assert bits(softmax(x, 1)) == bits(softmax(X, 1))
    out = np.memmap(tmp_path / "y", F32, "w+", shape=X.shape)
    assert softmax(x, out=out) is out
    out.flush()
    assert (tmp_path / "y").read_bytes() == bits(softmax(X))


def test_rows_that_overlap_each_other():
    values = sample((30,), F32)
    windows = as_strided(values, (11, 20), (4, 4))
    assert bits(softmax(windows)) == bits(softmax(windows.copy()))
    assert bits(softmax(windows, 0)) == bits(softmax(windows.copy(), 0))
