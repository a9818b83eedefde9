"""logsumexp and cross_entropy_with_grad of any array that numpy can make, with any arguments.

A result within the bound of the definition in long double, or the exception that is due.
"""

from __future__ import annotations

import numpy as np
from helpers import DTYPES, LEVELS
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from plain import assert_cross_entropy, assert_logsumexp, plain_logsumexp
from strategies import (
    FLOATS,
    INTEGERS,
    PROFILE,
    Argument,
    Draw,
    attempt,
    axes,
    inputs,
    masks,
    outs,
    placed,
    temperatures,
    values,
)

from softlane import cross_entropy_with_grad, logsumexp


@st.composite
def factors(draw: Draw, shape: tuple[int, ...]) -> Argument:
    choice = draw(
        st.sampled_from(["none"] * 3 + ["whole"] * 2 + ["part", "scalar", "shape", "type"])
    )
    if choice == "none":
        return Argument(None)
    if choice == "scalar":
        return Argument(draw(st.sampled_from([1, -1.0, 0.5, True, 0])))
    if choice == "shape":
        return Argument(np.ones((*shape, 7, 2)), ValueError)
    if choice == "type":
        return Argument(draw(st.sampled_from(["1", 1j, np.ones(shape, "F")])), TypeError)
    if choice == "part":
        cut = shape[draw(st.integers(0, len(shape))) :]
        shape = tuple(draw(st.sampled_from([1, n])) for n in cut)
    contents = draw(values(shape, draw(st.sampled_from(FLOATS))))
    b = draw(placed(shape, contents.dtype))
    b[...] = contents
    return Argument(b)


def promoted(x: np.dtype, b) -> np.dtype:
    """The dtype of logsumexp's result."""
    kinds = {x.newbyteorder("=")} | (
        {b.dtype.newbyteorder("=")} if isinstance(b, np.ndarray) else set()
    )
    if not kinds <= set(FLOATS) or DTYPES["float64"] in kinds:
        return DTYPES["float64"]
    return kinds.pop() if len(kinds) == 1 else DTYPES["float32"]


@settings(PROFILE, max_examples=350)
@given(data=st.data(), isa=st.sampled_from(LEVELS), x=inputs())
def test_any_logsumexp(data, isa, x):
    axis = data.draw(axes(x.ndim), "axis")
    arguments = {
        "axis": axis,
        "b": data.draw(factors(x.shape), "b"),
        "where": data.draw(masks(x.shape), "where"),
        "keepdims": Argument(data.draw(st.booleans(), "keepdims")),
        "return_sign": Argument(data.draw(st.booleans(), "return_sign")),
        "dtype": Argument(data.draw(st.none() | st.sampled_from(FLOATS), "dtype")),
    }
    refused = any(argument.error for argument in arguments.values())
    plain = {name: arguments[name].value for name in ("b", "where", "keepdims")}
    exact = x if x.dtype.newbyteorder("=") in FLOATS else x.astype(np.float64)
    want = None if refused else plain_logsumexp(exact, axis.value, **plain)
    target = arguments["dtype"].value or promoted(x.dtype, arguments["b"].value)
    out = None
    if not refused and data.draw(st.booleans(), "out"):
        out = data.draw(placed(want.log.shape, target))
        arguments["out"] = Argument(out)
    before = x.tobytes()
    result = attempt(logsumexp, isa, (x,), arguments)
    assert x.tobytes() == before
    if refused:
        return
    if out is not None:
        log = result[0] if arguments["return_sign"].value else result
        assert log is out
        native = log.astype(target)
        result = (native, result[1]) if arguments["return_sign"].value else native
    first = np.asarray(result[0] if arguments["return_sign"].value else result)
    assert first.dtype == target
    assert_logsumexp(result, want, arguments["return_sign"].value)


@st.composite
def targets_of(draw: Draw, shape: tuple[int, ...], axis: int) -> Argument:
    outer = tuple(n for d, n in enumerate(shape) if d != axis % len(shape))
    classes = shape[axis]
    error = ValueError if classes == 0 and 0 not in outer else None
    choice = draw(st.sampled_from(["labels"] * 4 + ["soft"] * 3 + ["outside", "shape", "bool"]))
    if choice == "bool":
        return Argument(np.zeros(outer, bool), TypeError if error is None else (TypeError, error))
    if choice == "shape":
        return Argument(np.zeros((*outer, 2, 3), np.int64), ValueError)
    if choice == "soft":
        contents = draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 1) | st.just(0.0)))
        contents[contents < 1e-30] = 0
        q = draw(placed(shape, draw(st.sampled_from(FLOATS))))
        q[...] = contents
        return Argument(q, error)
    good = st.sampled_from([*range(classes), -100, -100])
    chosen = draw(hnp.arrays(np.int64, outer, elements=good))
    if choice == "outside" and chosen.size:
        place = draw(st.integers(0, chosen.size - 1))
        chosen.reshape(-1)[place] = draw(st.sampled_from([-1, classes, 2**62, -(2**63)]))
        return Argument(chosen, IndexError if classes else ValueError)
    labels = draw(placed(outer, draw(st.sampled_from([k for k in INTEGERS if k.kind == "i"]))))
    labels[...] = chosen
    return Argument(labels, error)


@st.composite
def weights(draw: Draw, classes: int) -> Argument:
    choice = draw(st.sampled_from(["none"] * 3 + ["good"] * 3 + ["length", "integers"]))
    if choice == "none":
        return Argument(None)
    if choice == "length":
        return Argument(np.ones(classes + 1), ValueError)
    if choice == "integers":
        return Argument(np.ones(classes, int), TypeError)
    weight = draw(placed((classes,), draw(st.sampled_from(FLOATS))))
    weight[...] = draw(hnp.arrays(np.float64, classes, elements=st.floats(0.125, 8)))
    return Argument(weight)


@settings(PROFILE, max_examples=450)
@given(data=st.data(), isa=st.sampled_from(LEVELS), x=inputs())
def test_any_cross_entropy(data, isa, x):
    assume(x.ndim > 0)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1), "axis")
    targets = data.draw(targets_of(x.shape, axis), "targets")
    sizes = np.abs(x.astype(np.float64))
    sums_overflow = np.any((sizes > 1e300) & (sizes < np.inf))
    reductions = ["none"] if sums_overflow else ["none", "none", "mean", "sum"]
    smoothing = st.sampled_from([0.0, 0.0, 0.1, 1.0]).map(Argument)
    wrong = st.sampled_from([-0.1, 1.5, np.nan]).map(lambda e: Argument(e, ValueError))
    arguments = {
        "axis": Argument(axis),
        "weight": data.draw(weights(x.shape[axis]), "weight"),
        "label_smoothing": data.draw(smoothing | smoothing | smoothing | wrong, "smoothing"),
        "temperature": data.draw(temperatures(x, axis), "temperature"),
        "reduction": Argument(data.draw(st.sampled_from(reductions), "reduction")),
    }
    source = x.dtype.newbyteorder("=")
    target = source if source in FLOATS else DTYPES["float64"]
    x, out = data.draw(outs(x, target), "x and out")
    arguments["out"] = out
    before, array = x.copy(), out.value[0] if isinstance(out.value, tuple) else out.value
    content = array.tobytes() if isinstance(array, np.ndarray) else None
    result = attempt(cross_entropy_with_grad, isa, (x, targets), arguments)
    if isinstance(result, Exception):
        assert x.tobytes() == before.tobytes()
        if content is not None:
            assert array.tobytes() == content
        return
    loss, grad = result
    if array is not None:
        assert grad is array
        grad = grad.astype(target)
    names = ("weight", "label_smoothing", "temperature", "reduction")
    options = {name: arguments[name].value for name in names}
    if source not in FLOATS:
        before = before.astype(np.float64)
    assert_cross_entropy(loss, grad, before, targets.value, axis, **options)
