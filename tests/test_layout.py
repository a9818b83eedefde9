"""softmax and log_softmax: every shape and axis, every memory layout of input and out, overlap."""

from __future__ import annotations

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
    sample,
)
from numpy.lib.stride_tricks import as_strided
from plain import EVERY_FUNCTION, PLAIN

F32 = np.dtype(np.float32)
X = sample((3, 4, 17), F32)
AXES_OF_THREE = (0, 1, 2, (0, 1), (2, 0), (1, 2), (2, 1, 0), None, ())


@cache
def expected(function, shape, axis, dtype):
    return PLAIN[function](sample(shape, dtype), axis)


@EVERY_DTYPE
@EVERY_FUNCTION
def test_xla_11772_every_shape_and_axis(function, dtype, isa):
    for shape in itertools.product((0, 1, 2, 3, 17), repeat=3):
        x = sample(shape, dtype)
        for axis in AXES_OF_THREE:
            assert_accurate(function(x, axis), expected(function, shape, axis, dtype), dtype)


# ---- layouts

SHAPES = ((17,), (3, 40), (3, 4, 17), (2, 1, 3, 5))


def axes_of(shape: tuple[int, ...]) -> tuple:
    return (-1, 0, None, (0, -1)[: len(shape)])


@EVERY_LAYOUT
@EVERY_DTYPE
@EVERY_FUNCTION
def test_numpy_13512_16660_25231_26775_layout_of_the_input(function, layout, dtype, isa):
    """Strides that are ignored, strides of 9 bytes, addresses that no vector is aligned to."""
    for shape in (*SHAPES, (7, 130)):
        values = sample(shape, dtype)
        x = laid_out(values, layout)
        x.flags.writeable = False
        for axis in axes_of(shape):
            assert bits(function(x, axis)) == bits(function(values, axis))
        assert bits(x) == bits(values)


@EVERY_LAYOUT
@EVERY_DTYPE
@EVERY_FUNCTION
def test_pytorch_75923_139740_onednn_1823_executorch_8595_layout_of_out(
    function, layout, dtype, isa
):
    for shape in SHAPES:
        values = sample(shape, dtype)
        x = laid_out(values, layout)
        for axis in axes_of(shape):
            want = bits(function(values, axis))
            for other in LAYOUTS:
                out = LAYOUTS[other](shape, dtype)
                assert function(x, axis, out=out) is out
                assert bits(out) == want
        assert bits(x) == bits(values)


@pytest.mark.parametrize("target", DTYPES.values(), ids=DTYPES.keys())
@EVERY_DTYPE
@EVERY_FUNCTION
def test_layout_with_conversion_changes_no_bit(function, dtype, target):
    values = sample((3, 4, 17), dtype)
    for axis in (-1, 0, (0, 2)):
        want = bits(function(values, axis, dtype=target))
        for layout, other in itertools.product(LAYOUTS, LAYOUTS):
            out = LAYOUTS[other](values.shape, target)
            function(laid_out(values, layout), axis, out=out)
            assert bits(out) == want


@EVERY_DTYPE
@EVERY_FUNCTION
def test_zero_strides(function, dtype, isa):
    row = sample((1, 1, 17), dtype)
    for small in (row, row[..., :1], sample((3, 1, 17), dtype), sample((3, 4, 1), dtype)):
        x = np.broadcast_to(small, (3, 4, 17))
        for axis in AXES_OF_THREE:
            result = function(x, axis)
            assert bits(result) == bits(function(x.copy(), axis))
            assert 0 not in result.strides


@EVERY_DTYPE
@EVERY_FUNCTION
def test_result_has_the_memory_order_of_the_input(function, dtype):
    like = np.negative if dtype.name != "bfloat16" else np.empty_like
    inputs = [np.zeros((2, 3, 4, 5), dtype).transpose(p) for p in itertools.permutations(range(4))]
    inputs += [laid_out(sample((3, 4, 5), dtype), layout) for layout in LAYOUTS]
    for x in inputs:
        for axis in (-1, 0, None):
            for result in (function(x, axis), function(x, axis, temperature=2.0, where=True)):
                assert result.strides == like(x).strides
                assert result.flags.owndata
                assert result.flags.writeable
                assert result.flags.aligned
                assert result.dtype.isnative
        assert (
            function(x, dtype=np.float64).strides == like(x.astype(np.float64, order="K")).strides
        )


# ---- out that shares memory: as if buffered


@EVERY_LAYOUT
@EVERY_DTYPE
@EVERY_FUNCTION
def test_in_place(function, layout, dtype, isa):
    for shape, axes in (((3, 4, 17), AXES_OF_THREE), ((200, 150), (0, 1))):
        for axis in axes:
            values = sample(shape, dtype)
            x = laid_out(values, layout)
            assert function(x, axis, out=x) is x
            assert bits(x) == bits(function(values, axis))
            x[...] = values
            function(x, axis, out=x[...])
            assert bits(x) == bits(function(values, axis))


@pytest.mark.parametrize("axis", [0, 1])
@EVERY_DTYPE
@EVERY_FUNCTION
def test_numpy_22867_26972_shifted_overlap(function, dtype, axis, isa):
    """Out begins anywhere from directly before the input to directly after it."""
    values = sample((2, 20), dtype)
    size = values.nbytes
    want = bits(function(values, axis))
    step = 1 if dtype == np.float32 else dtype.itemsize
    for offset in (*range(0, 2 * size + 1, step), size - 1, size + 1):
        memory = np.zeros(3 * size, np.uint8)
        x = memory[size : 2 * size].view(dtype).reshape(2, 20)
        x[...] = values
        out = memory[offset : offset + size].view(dtype).reshape(2, 20)
        function(x, axis, out=out)
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
@EVERY_FUNCTION
def test_numpy_22867_out_is_another_view_of_the_input(function, dtype, alias, isa):
    for size in (19, 200):
        for axis in (0, 1, None, ()):
            values = sample((size, size), dtype)
            x = values.copy()
            out = ALIASES[alias](x)
            function(x, axis, out=out)
            assert bits(out) == bits(function(values, axis))


@EVERY_FUNCTION
def test_out_interleaved_with_the_input(function, isa):
    memory = np.zeros(200, np.float32)
    memory[::2] = values = sample((100,), F32)
    function(memory[::2], out=memory[1::2])
    assert bits(memory[::2]) == bits(values)
    assert bits(memory[1::2]) == bits(function(values))


@pytest.mark.parametrize("shape", [(4, 30), (200, 300)], ids=str)
@EVERY_FUNCTION
def test_out_shares_memory_with_an_input_of_another_width_or_of_equal_rows(function, shape, isa):
    values = sample(shape, np.dtype(np.float64))
    narrow = values.astype(F32)
    for half in (np.s_[: values.size], np.s_[values.size :]):
        memory = values.copy()
        out = memory.reshape(-1).view(F32)[half].reshape(shape)
        assert bits(function(memory, out=out)) == bits(function(values, dtype=F32))
        x = memory.reshape(-1).view(F32)[half].reshape(shape)
        x[...] = narrow
        assert bits(function(x, out=memory)) == bits(function(narrow, dtype=np.float64))
    rows = values.copy()
    function(np.broadcast_to(rows[2], shape), out=rows)
    assert bits(rows) == bits(function(np.tile(values[2], (shape[0], 1))))


@pytest.mark.parametrize("shape", [(4, 30), (200, 300)], ids=str)
@EVERY_FUNCTION
def test_out_shares_memory_with_where_and_temperature(function, shape, isa):
    values = sample(shape, np.dtype(np.float64))
    memory = np.zeros(values.nbytes, np.uint8)
    for part in (np.s_[: values.size], np.s_[-values.size :]):
        memory[...] = 0
        memory[::3] = 1
        keep = memory[part].view(bool).reshape(shape)
        want = function(values, where=keep.copy())
        out = memory.view(np.float64).reshape(shape)
        assert bits(function(values, where=keep, out=out)) == bits(want)
    for axis, part in ((1, np.s_[:, 7]), (0, np.s_[2]), (1, np.s_[:, :1])):
        out = np.abs(values) + 1
        temperature = out[part]
        want = function(values, axis, temperature=temperature.copy())
        assert bits(function(values, axis, temperature=temperature, out=out)) == bits(want)


@EVERY_FUNCTION
def test_torch_nn_825_and_pybind11_338_2455_a_slice_is_written_and_nothing_beside_it(function, isa):
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
            function(values, 0, out=parent[part])
            assert bits(parent[part]) == bits(function(values, 0))
            parent[part] = 7
            assert np.all(parent == 7)


@EVERY_FUNCTION
def test_rows_that_overlap_each_other(function):
    values = sample((30,), F32)
    windows = as_strided(values, (11, 20), (4, 4))
    assert bits(function(windows)) == bits(function(windows.copy()))
    assert bits(function(windows, 0)) == bits(function(windows.copy(), 0))
