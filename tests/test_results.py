"""The dtype object of a result, and the rounding of a double to a half."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from plain import EVERY_FUNCTION

from softlane import _core

X = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16])
@EVERY_FUNCTION
def test_the_dtype_of_a_result_is_the_usual_object(function, dtype):
    x = X.astype(dtype)
    for result in (function(x, axis=0), function(X, dtype=dtype)):
        assert result.dtype is np.dtype(dtype)
    swapped = X.astype(np.dtype("f4").newbyteorder())
    assert function(swapped).dtype is np.dtype("f4")


def test_double_to_half_is_rounded_once(isa):
    """In steps of a quarter of the distance where a rounding to float in between would tie."""
    rng = np.random.default_rng(1)
    halves = rng.integers(0x0001, 0x7BFF, 5000).astype(np.uint16).view(np.float16)
    x = halves.astype(np.float64) + np.spacing(halves).astype(np.float64) / 2
    x = np.concatenate([x, np.nextafter(x, 0), np.nextafter(x, np.inf)])
    np.testing.assert_array_equal(_core._convert(x, np.float16), x.astype(np.float16))
    with pytest.raises(TypeError):
        _core._convert(x, None)
