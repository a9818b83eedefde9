// What help() says of the losses and of the gradients; the form is that of docstrings.hpp.
#pragma once

namespace softlane::bind {

constexpr const char *cross_entropy_doc =
    R"doc(cross_entropy($module, logits, targets, /, axis=-1, *, weight=None, ignore_index=-100, label_smoothing=0.0, temperature=1.0, z_loss=0.0, reduction='mean')
--

Cross-entropy of logits against class labels or probabilities, in nats.

Writes no row: no array of the size of `logits` is made (but for bool, integers
and masked arrays). The loss of a row is within 3 ULP of the exact value (3.5
with a temperature other than 1), relative, also where it is close to 0 because
the target is almost sure.

Parameters
----------
logits : array_like
    Scores of the C classes along `axis`; any shape and memory layout.
    float16, bfloat16 (of ml_dtypes), float32 or float64; bool and integers
    become float64. Masked elements of a masked array count as -inf.
targets : array_like
    Integers of the shape of `logits` without the axis: the class of each row,
    in [0, C). Or floats of the shape of `logits`: the probability of each
    class.
axis : int, optional
    The axis of the classes. The default is the last one (in torch it is the
    second).
weight : array_like, optional
    Of each class: C floats. The default is 1 for all.
ignore_index : int, optional
    Rows with this target take no part, whatever they hold. It may lie in
    [0, C) or outside. Not used if the targets are probabilities.
label_smoothing : float, optional
    In [0, 1]: the share of the target that is spread evenly over all classes.
temperature : float or array_like, optional
    Divides the logits: finite and > 0. An array holds one for each row: its
    shape broadcasts to that of `logits` without the axis, or with length 1
    there.
z_loss : float, optional
    Factor, finite and >= 0, of the square of each row's logsumexp, which is
    added to its loss.
reduction : {'mean', 'sum', 'none'}, optional
    Whether to return the mean of the rows, their sum, or the loss of each.

Returns
-------
scalar or ndarray
    The loss: float64 for float64 logits, float32 for narrower ones. With 'none',
    an array of the shape of `logits` without the axis, 0 where a row is ignored.

Raises
------
IndexError
    If a target is neither in [0, C) nor `ignore_index`; -1 does not wrap.
TypeError
    If a dtype is not supported, or an argument is of the wrong kind.
ValueError
    If a shape or the value of an option does not fit.
numpy.exceptions.AxisError
    If the axis is out of range.

See Also
--------
cross_entropy_with_grad : The same loss together with its gradient.

Notes
-----
The loss of a row is ``-sum(w * ((1 - e) * q + e / C) * lp)`` with
``lp = log_softmax(logits / T)``, the weights w, the smoothing e, and the
target q: probabilities, or 1 at the label and 0 elsewhere. A product of 0 and
-inf counts as 0; -inf at the target is a loss of +inf. A row that holds NaN
or +inf has the loss NaN.

For labels, 'mean' divides by the sum of the weights of the labels of the rows
that take part; for probabilities, by the number of rows. The z-loss, which
has no weight, is divided by the number of rows that take part. With no such
row the mean is NaN and the sum 0; weights that add up to 0 make it NaN, or inf.

The loss is that of Bridle (1990), "Probabilistic Interpretation of
Feedforward Classification Network Outputs"; label smoothing that of Szegedy
et al. (2016), "Rethinking the Inception Architecture for Computer Vision";
the z-loss that of Chowdhery et al. (2022), "PaLM: Scaling Language Modeling
with Pathways".

Examples
--------
>>> import numpy as np
>>> import softlane
>>> logits = np.array([[2.0, 1.0, 0.5], [-1.0, 3.0, 3.0]])
>>> softlane.cross_entropy(logits, np.array([0, 1]), reduction="none")
array([0.46436878, 0.70226332])
>>> print(f"{softlane.cross_entropy(logits, np.array([0, -100])):.8f}")
0.46436878
)doc";

constexpr const char *cross_entropy_with_grad_doc =
    R"doc(cross_entropy_with_grad($module, logits, targets, /, axis=-1, *, weight=None, ignore_index=-100, label_smoothing=0.0, temperature=1.0, z_loss=0.0, reduction='mean', out=None)
--

Cross-entropy and its gradient with respect to the logits, in one pass.

The loss is that of `cross_entropy` (of float64 logits, if `out` or the targets
are float64), but for the last bit in rare rows. The gradient may be written into the logits
themselves. For labels without smoothing and z-loss each of its elements is
within 3 ULP of the exact value in float32 and float64, where probabilities
that round to 0 count as 0; in the other cases, within 3 ULP of the largest
term of its formula, or of the result if that is larger. With a temperature
other than 1 it is 3.5 ULP in both.

Parameters
----------
logits : array_like
    Scores of the C classes along `axis`; any shape and memory layout.
    float16, bfloat16 (of ml_dtypes), float32 or float64; bool and integers
    become float64. Masked elements of a masked array count as -inf.
targets : array_like
    Integers of the shape of `logits` without the axis: the class of each row,
    in [0, C). Or floats of the shape of `logits`: the probability of each
    class.
axis : int, optional
    The axis of the classes. The default is the last one (in torch it is the
    second).
weight : array_like, optional
    Of each class: C floats. The default is 1 for all.
ignore_index : int, optional
    Rows with this target take no part, whatever they hold; their gradient is
    0. It may lie in [0, C) or outside. Not used if the targets are
    probabilities.
label_smoothing : float, optional
    In [0, 1]: the share of the target that is spread evenly over all classes.
temperature : float or array_like, optional
    Divides the logits: finite and > 0. An array holds one for each row: its
    shape broadcasts to that of `logits` without the axis, or with length 1
    there.
z_loss : float, optional
    Factor, finite and >= 0, of the square of each row's logsumexp, which is
    added to its loss.
reduction : {'mean', 'sum', 'none'}, optional
    Whether the loss is the mean of the rows, their sum, or an array of the
    loss of each. With 'none' the gradient is that of each row's own loss.
out : ndarray or tuple of one ndarray, optional
    Where to write the gradient; of the shape of `logits`. It may be `logits`
    itself or overlap it. After an error it is as it was.

Returns
-------
loss : scalar or ndarray
    As `cross_entropy` returns it.
grad : ndarray
    The derivative of the loss with respect to each logit, of the shape, the
    dtype and the memory layout of `logits`; `out` if that was given. A masked
    array for a masked array, with 0 behind the mask.

Raises
------
IndexError
    If a target is neither in [0, C) nor `ignore_index`; -1 does not wrap.
TypeError
    If a dtype is not supported, or an argument is of the wrong kind.
ValueError
    If a shape or the value of an option does not fit, or `out` is read-only.
numpy.exceptions.AxisError
    If the axis is out of range.

See Also
--------
cross_entropy : The loss alone, its formula and its sources.

Notes
-----
The gradient of a row is ``(p * sum(v) - v) / T``, divided by what 'mean'
divides by, with ``p = softmax(logits / T)`` and ``v = w * ((1 - e) * q + e / C)``
of `cross_entropy`; the z-loss adds ``2 * z_loss * logsumexp(logits / T) * p / T``.
At a label without smoothing it is formed as minus the sum of the other
probabilities: ``p - 1`` would cancel. Ignored rows have the gradient 0; a row
that holds NaN or +inf has NaN, and that row only.

float16 gradients of a mean over many rows may underflow: give a float32
`out`.

Examples
--------
>>> import numpy as np
>>> import softlane
>>> logits = np.array([[2.0, 1.0, 0.5], [-1.0, 3.0, 3.0]])
>>> loss, grad = softlane.cross_entropy_with_grad(
...     logits, np.array([0, 1]), reduction="sum", out=logits
... )
>>> print(f"{loss:.8f}")
1.16663211
>>> grad is logits
True
>>> grad
array([[-0.37146828,  0.2312239 ,  0.14024438],
       [ 0.00907471, -0.50453736,  0.49546264]])
)doc";

constexpr const char *softmax_backward_doc =
    R"doc(softmax_backward($module, grad, y, /, axis=-1, *, temperature=1.0, out=None)
--

Gradient through a softmax: with respect to its input, from its output.

``y * (grad - sum(grad * y)) / T`` for ``y = softmax(x, temperature=T)``; each
element within 3 ULP (3.5 with a temperature other than 1) of the larger of its
two terms in float32 and float64.

Parameters
----------
grad : array_like
    Derivative of a loss with respect to `y`.
y : array_like
    What `softmax` returned, of the shape of `grad`. The result has the
    wider dtype of the two, where bool and integers count as float64, and
    float32 for a float16 beside a bfloat16.
axis : int, tuple of int or None, optional
    The axis or axes that `softmax` was given.
temperature : float or array_like, optional
    That which `softmax` was given.
out : ndarray or tuple of one ndarray, optional
    Where to write the result; of the shape of `y`. It may be `grad` or `y`
    itself or overlap them.

Returns
-------
ndarray or scalar
    The derivative of the loss with respect to the input, of the shape of `y`;
    `out` if that was given.

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
The derivative is given in Bridle (1990), "Probabilistic Interpretation of
Feedforward Classification Network Outputs".

Examples
--------
>>> import numpy as np
>>> import softlane
>>> y = softlane.softmax(np.array([1.0, 2.0, 3.0]))
>>> softlane.softmax_backward(np.array([1.0, 0.0, 0.0]), y)
array([ 0.08192507, -0.02203304, -0.05989202])
)doc";

constexpr const char *log_softmax_backward_doc =
    R"doc(log_softmax_backward($module, grad, y, /, axis=-1, *, temperature=1.0, out=None)
--

Gradient through a log-softmax: with respect to its input, from its output.

``(grad - exp(y) * sum(grad)) / T`` for ``y = log_softmax(x, temperature=T)``;
each element within 3 ULP (3.5 with a temperature other than 1) of the larger
of its two terms in float32 and float64.

Parameters
----------
grad : array_like
    Derivative of a loss with respect to `y`.
y : array_like
    What `log_softmax` returned, of the shape of `grad`. The result has
    the wider dtype of the two, where bool and integers count as float64, and
    float32 for a float16 beside a bfloat16.
axis : int, tuple of int or None, optional
    The axis or axes that `log_softmax` was given.
temperature : float or array_like, optional
    That which `log_softmax` was given.
out : ndarray or tuple of one ndarray, optional
    Where to write the result; of the shape of `y`. It may be `grad` or `y`
    itself or overlap them.

Returns
-------
ndarray or scalar
    The derivative of the loss with respect to the input, of the shape of `y`;
    `out` if that was given.

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
It follows from the derivative of the softmax in Bridle (1990), "Probabilistic
Interpretation of Feedforward Classification Network Outputs".

Examples
--------
>>> import numpy as np
>>> import softlane
>>> y = softlane.log_softmax(np.array([1.0, 2.0, 3.0]))
>>> softlane.log_softmax_backward(np.array([1.0, 0.0, 0.0]), y)
array([ 0.90996943, -0.24472847, -0.66524096])
)doc";

} // namespace softlane::bind
