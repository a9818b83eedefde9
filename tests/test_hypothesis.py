"""softmax and log_softmax of any array that numpy can make, with any arguments.

A result within the bound of the definition in long double, or the exception that is due.
"""

from __future__ import annotations

import numpy as np
from helpers import DTYPES, LEVELS, assert_accurate, promised_ulp
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import PLAIN
from strategies import (
    FLOATS,
    PROFILE,
    SHAPES,
    UNSUPPORTED,
    Argument,
    attempt,
    axes,
    inputs,
    masks,
    outs,
    placed,
    temperatures,
)

FUNCTIONS = st.sampled_from(list(PLAIN))


@settings(PROFILE, max_examples=1500)
@given(data=st.data(), function=FUNCTIONS, isa=st.sampled_from(LEVELS), x=inputs())
def test_any_call_gives_a_result_within_the_bound_or_a_clean_exception(data, function, isa, x):
    axis = data.draw(axes(x.ndim), "axis")
    good_axis = -1 if axis.error else axis.value
    temperature = data.draw(temperatures(x, good_axis), "temperature")
    where = data.draw(masks(x.shape), "where")
    dtype = data.draw(st.none() | st.sampled_from(FLOATS), "dtype")
    source = x.dtype.newbyteorder("=")
    target = dtype or (source if source in FLOATS else DTYPES["float64"])
    x, out = data.draw(outs(x, target), "x and out")
    before, array = x.copy(), out.value[0] if isinstance(out.value, tuple) else out.value
    content = array.tobytes() if isinstance(array, np.ndarray) else None
    arguments = {"axis": axis, "temperature": temperature, "where": where, "out": out}
    result = attempt(function, isa, (x,), arguments | {"dtype": Argument(dtype)})
    refused = isinstance(result, Exception)
    if refused and isinstance(array, np.ndarray):
        assert array.tobytes() == content
    if refused or array is None or not np.may_share_memory(x, array):
        assert x.tobytes() == before.tobytes()
    if refused:
        return
    if array is not None:
        assert result is array
        result = np.asarray(result).astype(target)
    if source not in FLOATS:
        before = before.astype(np.float64)
    want = PLAIN[function](before, good_axis, temperature.value, where.value)
    assert_accurate(result, want, target, promised_ulp(target, temperature.value))


@settings(PROFILE, max_examples=150)
@given(
    data=st.data(),
    function=FUNCTIONS,
    shape=SHAPES,
    dtype=st.sampled_from(UNSUPPORTED),
    axis=st.sampled_from([-1, 0, None, ()]),
)
def test_any_array_of_an_unsupported_dtype_is_a_type_error(data, function, shape, dtype, axis):
    x = data.draw(placed(shape, dtype))
    result = attempt(function, LEVELS[0], (x,), {"axis": Argument(axis, TypeError)})
    assert str(result).startswith(f"{function.__name__}: unsupported dtype")


@settings(PROFILE, max_examples=200)
@given(
    function=FUNCTIONS,
    x=inputs(),
    names=st.lists(st.text(max_size=8) | st.sampled_from(["x", "dim", "keepdims"])),
)
def test_unknown_keywords_are_type_errors(function, x, names):
    known = {"axis", "temperature", "where", "dtype", "out"}
    names = [name for name in names if name not in known]
    if names:
        unknown = {name: Argument(None, TypeError) for name in names}
        attempt(function, LEVELS[0], (x,), unknown)
