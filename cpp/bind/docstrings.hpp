// What help() says of the public functions: numpydoc, the first line being the signature that
// inspect reads.
#pragma once

namespace softlane::bind {

constexpr const char *softmax_doc =
    R"doc(softmax($module, x, /, axis=-1, *, temperature=1.0, where=None, dtype=None, out=None)
--

Exponentials of the elements along an axis, divided by their sum.

Turns scores (logits) into weights that are positive and add up to one:
``exp(x / T) / sum(exp(x / T))``, within 3 ULP of the exact value in float32
and float64, within 0.51 ULP in float16 and bfloat16, and with the same bits
for every memory layout, batch position and FMA-capable instruction set.

Parameters
----------
x : array_like
    Scores, of any shape and memory layout. float16, bfloat16 (of ml_dtypes),
    float32 and float64 keep their dtype; bool and integers become float64.
axis : int, tuple of int or None, optional
    The axis or axes that add up to one; None is the whole array. The default
    is the last axis (in scipy it is None).
temperature : float or array_like, optional
    Divides the scores: finite and > 0. An array holds one for each row: its
    shape broadcasts to that of `x` without the axis, or with length 1 there.
where : array_like of bool, optional
    Broadcasts to the shape of `x`; elements that are False take no part and
    get 0, whatever they hold. A row of nothing but such elements is all 0.
dtype : dtype, optional
    Of the result: float16, bfloat16, float32 or float64. The computation has
    the precision of the wider of this and the input's dtype.
out : ndarray or tuple of one ndarray, optional
    Where to write the result; of the shape of `x`. It may be `x` itself or
    overlap it.

Returns
-------
ndarray or scalar
    Of the shape and the memory layout of `x`; `out` if that was given. A
    scalar if `x` is one. A masked array for a masked array, whose masked
    elements take no part.

Raises
------
TypeError
    If a dtype is not supported, or an argument is of the wrong kind.
ValueError
    If a shape or a temperature does not fit, an axis is named twice, or `out`
    is read-only.
numpy.exceptions.AxisError
    If an axis is out of range.

Notes
-----
A row that holds NaN or +inf, or nothing but -inf, is NaN throughout. No
floating-point warning is raised and no flag is left behind.

The formula and the name are those of Bridle (1990), "Probabilistic
Interpretation of Feedforward Classification Network Outputs".

Examples
--------
>>> import numpy as np
>>> import softlane
>>> softlane.softmax(np.array([1.0, 2.0, 3.0]))
array([0.09003057, 0.24472847, 0.66524096])
>>> scores = np.array([[2.0, 2.0], [0.0, -np.inf]], dtype=np.float32)
>>> softlane.softmax(scores, axis=1)
array([[0.5, 0.5],
       [1. , 0. ]], dtype=float32)
)doc";

} // namespace softlane::bind
