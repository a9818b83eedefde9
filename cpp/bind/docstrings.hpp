// What help() says of the public functions: numpydoc, the first line being the signature that
// inspect reads. Here softmax, log_softmax and logsumexp; the others in docstrings_losses.hpp.
#pragma once

namespace softlane::bind {

constexpr const char *softmax_doc =
    R"doc(softmax($module, x, /, axis=-1, *, temperature=1.0, where=None, dtype=None, out=None)
--

Exponentials of the elements along an axis, divided by their sum.

Turns scores (logits) into weights that are positive and add up to one:
``exp(x / T) / sum(exp(x / T))``, within 3 ULP of the exact value in float32
and float64 (3.5 with a temperature other than 1), within 0.51 ULP in float16
and bfloat16, and with the same bits for every memory layout, batch position and FMA-capable instruction set.

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

constexpr const char *log_softmax_doc =
    R"doc(log_softmax($module, x, /, axis=-1, *, temperature=1.0, where=None, dtype=None, out=None)
--

Logarithm of the softmax along an axis, in nats.

``x / T - log(sum(exp(x / T)))``, within 3 ULP of the exact value in float32
and float64 (3.5 with a temperature other than 1), within 0.51 ULP in float16
and bfloat16. That bound is relative
and holds for every element, also for the small logarithm of a probability
close to 1.

Parameters
----------
x : array_like
    Scores, of any shape and memory layout. float16, bfloat16 (of ml_dtypes),
    float32 and float64 keep their dtype; bool and integers become float64.
axis : int, tuple of int or None, optional
    The axis or axes along which the probabilities add up to one; None is the
    whole array. The default is the last axis (in scipy it is None).
temperature : float or array_like, optional
    Divides the scores: finite and > 0. An array holds one for each row: its
    shape broadcasts to that of `x` without the axis, or with length 1 there.
where : array_like of bool, optional
    Broadcasts to the shape of `x`; elements that are False take no part and
    get -inf, whatever they hold. A row of nothing but such elements is all
    -inf.
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
A row that holds NaN or +inf, or nothing but -inf, is NaN throughout; -inf
among finite values gives -inf there. No floating-point warning is raised and
no flag is left behind.

Near a probability of 1 the maximum is kept out of the sum, which then enters
by log1p: the form of Blanchard, Higham and Higham (2021), "Accurately
computing the log-sum-exp and softmax functions", IMA Journal of Numerical
Analysis 41, 2311-2330.

Examples
--------
>>> import numpy as np
>>> import softlane
>>> softlane.log_softmax(np.array([1.0, 2.0, 3.0]))
array([-2.40760596, -1.40760596, -0.40760596])
>>> sure = softlane.log_softmax(np.array([0.0, -20.0], dtype=np.float32))
>>> print(f"{sure[0]:.3g}")
-2.06e-09
)doc";

constexpr const char *logsumexp_doc =
    R"doc(logsumexp($module, x, /, axis=-1, *, b=None, keepdims=False, return_sign=False, where=None, dtype=None, out=None)
--

Logarithm of the sum of exponentials along an axis, in nats.

``log(sum(b * exp(x)))``, without overflow. With no `b` it is within 1 ULP of
the exact value plus 2**-22 in float32 or 2**-51 in float64, within 0.51 ULP
plus 2**-22 in float16 and bfloat16. The absolute part counts where the
result is close to 0, where the maximum and the logarithm of the sum cancel.

Parameters
----------
x : array_like
    Exponents, of any shape and memory layout. float16, bfloat16 (of
    ml_dtypes), float32 and float64 keep their dtype; bool and integers become
    float64.
axis : int, tuple of int or None, optional
    The axis or axes to sum along; None is the whole array. The default is the
    last axis (in scipy it is None).
b : array_like, optional
    Factors of the exponentials, of any sign; broadcasts to the shape of `x`.
    Where it is 0 the element takes no part, whatever it holds. The result has
    the wider dtype of the two, where bool and integers count as float64, and
    float32 for a float16 beside a bfloat16; a Python number does not count.
keepdims : bool, optional
    Whether the axes that are summed stay in the result, with length 1.
return_sign : bool, optional
    Whether to return the sign of the sum as well. Without it, the logarithm
    of a negative sum is NaN.
where : array_like of bool, optional
    Broadcasts to the shape of `x`; elements that are False take no part,
    whatever they hold.
dtype : dtype, optional
    Of the result: float16, bfloat16, float32 or float64. The computation has
    the precision of the wider of this and the input's dtype.
out : ndarray or tuple of one ndarray, optional
    Where to write the logarithm; of the shape of the result. It may overlap
    `x`.

Returns
-------
result : ndarray or scalar
    Of the shape of `x` without the axes; `out` if that was given. A masked
    array for a masked array, whose masked elements take no part.
sign : ndarray or scalar
    1, 0 or -1, of the shape and dtype of `result`; only if `return_sign` is
    true. `result` is then the logarithm of the absolute value of the sum.

Raises
------
TypeError
    If a dtype is not supported, or an argument is of the wrong kind.
ValueError
    If a shape does not fit, an axis is named twice, or `out` is read-only.
numpy.exceptions.AxisError
    If an axis is out of range.

Notes
-----
A row that holds NaN gives NaN, otherwise one that holds +inf gives +inf. A
row of nothing but -inf, or of length 0, or without an element that takes
part, gives -inf. No floating-point warning is raised and no flag is left
behind.

Where `b` has both signs the terms cancel: the error of the sum is then
relative to that of their absolute values.

Forms of this function and their rounding errors are compared in Blanchard,
Higham and Higham (2021), "Accurately computing the log-sum-exp and softmax
functions", IMA Journal of Numerical Analysis 41, 2311-2330.

Examples
--------
>>> import numpy as np
>>> import softlane
>>> softlane.logsumexp(np.array([[0.0, 0.0], [1.0, -np.inf]]))
array([0.69314718, 1.        ])
>>> result, sign = softlane.logsumexp(
...     np.array([1.0, 2.0]), b=np.array([1.0, -1.0]), return_sign=True
... )
>>> print(f"{result:.8f} {sign:g}")
1.54132485 -1
)doc";

} // namespace softlane::bind
