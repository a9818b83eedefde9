"""Hypothesis strategies: arrays of every dtype and layout, arguments good and wrong, and the call.

Each drawn argument comes with the exception that it must cause, None for a good one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from helpers import DTYPES, LAYOUTS, level
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.exceptions import AxisError

Draw = Callable[[st.SearchStrategy[Any]], Any]
PROFILE = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FLOATS = tuple(DTYPES.values())
INTEGERS = tuple(np.dtype(kind) for kind in "?bhiqBHIQ")
UNSUPPORTED = tuple(np.dtype(kind) for kind in ("F", "D", "g", "O", "U3", "M8[s]", "m8[s]"))
UNSUPPORTED += (np.dtype(ml_dtypes.float8_e5m2),)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5) | st.tuples(
    st.integers(0, 4), st.integers(0, 90)
)


class Argument(NamedTuple):
    value: Any
    error: type[Exception] | tuple[type[Exception], ...] | None = None

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Any of these is due."""
        return self.error if isinstance(self.error, tuple) else (self.error,) if self.error else ()


def special_values(dtype: np.dtype) -> list[float]:
    info = ml_dtypes.finfo(dtype)
    finite = [0.0, 1.0, 20.0, 88.5, 709.0, info.max, info.smallest_normal, info.smallest_subnormal]
    values = [sign * float(value) for value in finite for sign in (1, -1)]
    return [*values, 2.0**17, -(2.0**17) - 1, 3e4, np.inf, -np.inf, np.nan]


@st.composite
def values(draw: Draw, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of the shape in C order, biased to special values."""
    if dtype not in FLOATS:
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        spread = draw(st.sampled_from([2, 30, 2**63]))
        whole = random.integers(0, spread, shape, np.uint64)
        return np.asarray(whole if draw(st.booleans()) else ~whole).astype(dtype)
    ordinary = st.floats(-100, 100)
    specials = st.sampled_from(special_values(dtype))
    chosen = draw(hnp.arrays(np.float64, shape, elements=specials | ordinary, fill=ordinary))
    with np.errstate(all="ignore"):
        return chosen.astype(dtype)


@st.composite
def placed(draw: Draw, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Writable memory of the shape, in any order of axes and any layout."""
    order = draw(st.permutations(range(len(shape))))
    layout = draw(st.sampled_from(tuple(LAYOUTS)))
    array = LAYOUTS[layout](tuple(shape[axis] for axis in order), dtype)
    return array.transpose(np.argsort(order).astype(int))


@st.composite
def inputs(draw: Draw) -> np.ndarray:
    shape = draw(SHAPES)
    contents = draw(values(shape, draw(st.sampled_from(FLOATS * 3 + INTEGERS))))
    if shape and draw(st.integers(0, 5)) == 0:
        axis = draw(st.integers(0, len(shape) - 1))
        return np.broadcast_to(contents[(slice(None),) * axis + (slice(0, 1),)], shape)
    x = draw(placed(shape, contents.dtype))
    x[...] = contents
    x.flags.writeable = draw(st.booleans())
    return x


@st.composite
def axes(draw: Draw, ndim: int) -> Argument:
    valid = st.integers(-ndim, ndim - 1) if ndim else st.sampled_from([0, -1])
    tuples = st.lists(st.integers(0, ndim - 1), unique=True).map(tuple) if ndim else st.just(())
    good = st.one_of(st.none(), valid, valid.map(np.int64), tuples).map(Argument)
    out_of_range = st.integers(ndim + 1, ndim + 9).map(lambda a: Argument(a, AxisError))
    twice = valid.map(lambda a: Argument((a, a), ValueError))
    wrong = st.sampled_from([1.0, "0", [0], (0.5,), object]).map(lambda a: Argument(a, TypeError))
    return draw(st.one_of(good, good, good, good, good, good, out_of_range, twice, wrong))


@st.composite
def temperatures(draw: Draw, x: np.ndarray, axis: Any) -> Argument:
    choice = draw(
        st.sampled_from(["one"] * 6 + ["scalar", "rows", "keepdims", "value", "type", "shape"])
    )
    if choice == "one":
        return Argument(1.0)
    positive = st.floats(1e-3, 1e3) | st.sampled_from([1e-300, 1e300, 1e-40, 5e-324])
    if choice == "scalar":
        return Argument(draw(positive))
    if choice in ("rows", "keepdims"):
        whole = range(x.ndim)
        gone = (
            tuple(whole)
            if axis is None or not x.ndim
            else np.atleast_1d(np.array(axis, int)) % x.ndim
        )
        kept = tuple(x.shape[a] for a in whole if a not in gone)
        if choice == "keepdims":
            kept = tuple(1 if a in gone else x.shape[a] for a in whole)
        return Argument(draw(hnp.arrays(np.float64, kept, elements=st.floats(1e-3, 1e3))))
    if choice == "value":
        return Argument(draw(st.sampled_from([0.0, -0.0, -1.0, np.inf, np.nan])), ValueError)
    if choice == "type":
        return Argument(draw(st.sampled_from(["1", 1j, [object()], {}])), TypeError)
    return Argument(np.ones((3, *x.shape, 2)), ValueError)


@st.composite
def masks(draw: Draw, shape: tuple[int, ...]) -> Argument:
    choice = draw(st.sampled_from(["none"] * 4 + ["whole", "part", "type", "shape"]))
    if choice == "none":
        return Argument(None)
    if choice == "type":
        return Argument(
            draw(st.sampled_from([1, [0, 1], "x", np.ones(shape, np.uint8)])), TypeError
        )
    if choice == "shape":
        return Argument(np.ones((*shape, 7, 2), bool), ValueError)
    if choice == "part":
        cut = shape[draw(st.integers(0, len(shape))) :]
        return Argument(draw(hnp.arrays(bool, tuple(draw(st.sampled_from([1, n])) for n in cut))))
    mask = draw(placed(shape, np.dtype(bool)))
    mask[...] = draw(hnp.arrays(bool, shape))
    return Argument(mask)


@st.composite
def outs(draw: Draw, x: np.ndarray, result: np.dtype) -> tuple[np.ndarray, Argument]:
    """Out of the result's dtype: fresh, the input itself, another view of its memory, or wrong.

    Comes with the input, which moves where out is to overlap it.
    """
    kinds = ["none"] * 4 + ["fresh"] * 4 + ["itself", "flipped", "shifted", "tuple"] * 2
    choice = draw(st.sampled_from([*kinds, "shape", "dtype", "read-only", "list", "pair"]))
    event(f"out: {choice}")
    if choice == "none":
        return x, Argument(None)
    if choice in ("itself", "flipped") and x.dtype == result and x.flags.writeable:
        flipped = x[(*[slice(None, None, -1)] * x.ndim, ...)]
        return x, Argument(x if choice == "itself" else flipped)
    if choice == "shifted":
        memory = np.zeros(x.size * (x.itemsize + 2 * result.itemsize), np.uint8)
        moved = memory[x.size * result.itemsize :][: x.nbytes].view(x.dtype).reshape(x.shape)
        moved[...] = x
        start = draw(st.integers(0, x.size * (x.itemsize + result.itemsize)))
        out = memory[start:][: x.size * result.itemsize].view(result).reshape(x.shape)
        return moved, Argument(out)
    fresh = draw(placed(x.shape, result))
    if choice == "shape":
        return x, Argument(np.zeros((*x.shape, 2), result), ValueError)
    if choice == "dtype":
        wrong = draw(st.sampled_from(INTEGERS + UNSUPPORTED))
        return x, Argument(np.zeros(x.shape, wrong), TypeError)
    if choice == "read-only":
        fresh.flags.writeable = False
        return x, Argument(fresh, ValueError)
    if choice == "list":
        return x, Argument(fresh.tolist(), TypeError)
    if choice == "pair":
        return x, Argument((fresh, fresh), ValueError)
    return x, Argument((fresh,) if choice == "tuple" else fresh)


def attempt(function, isa: str, arrays: tuple, arguments: dict[str, Argument]) -> Any:
    """The result; or the exception, which must be one that the arguments call for."""
    places = [array if isinstance(array, Argument) else Argument(array) for array in arrays]
    errors = tuple(error for given in (*places, *arguments.values()) for error in given.errors)
    options = {name: argument.value for name, argument in arguments.items()}
    with level(isa), np.errstate(all="raise"):
        try:
            result = function(*(place.value for place in places), **options)
        except errors as error:
            assert errors, error
            event(f"refused: {type(error).__name__}")
            return error
    assert not errors, f"accepted, but {errors} was due"
    return result
