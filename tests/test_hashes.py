"""The published hashes: SHA-256 of the results for 10^6 elements, of each function and dtype.

A change of a hash in tests/data/hashes.json is a change of results: it needs a line in the
CHANGELOG and the oracle's run on the same outputs, which is part of the command that writes the
file, and without which it writes none:

    python tests/test_hashes.py
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import CALLS, EVERY_CALL, Arrays, Call, Results
from helpers import DTYPES, FMA_LEVELS, LEVELS, bits, level, promised_ulp
from plain import LOGSUMEXP_ERROR, plain_logsumexp
from reference import error_of_largest

from softlane._oracle import (
    log_softmax_reference,
    logsumexp_reference,
    softmax_reference,
    ulp,
    ulp_error,
)
from softlane._oracle_losses import (
    cross_entropy_reference,
    log_softmax_backward_reference,
    softmax_backward_reference,
)

HASHES = Path(__file__).parent / "data" / "hashes.json"


def million_units(stream: int) -> list[np.ndarray]:
    """10^6 numbers in [-1, 1), rows of 1, 2, 3, ..., made of integers alone (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, 10**6 + 1, dtype=np.uint64) + np.uint64(stream * 10**6)
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = ((z >> np.uint64(12)).astype(np.float64) - 2.0**51) * 2.0**-51
    return np.split(unit, np.cumsum(np.arange(1, 1414)))


def million_inputs(dtype: np.dtype) -> list[Arrays]:
    """The arguments of all calls for each row, without a function of libm.

    The logits of row n spread over +-2^(n mod 8 - 2), every fifth row by 2^17 more on one element.
    """
    rows = []
    for i, (one, two, three) in enumerate(zip(*map(million_units, range(3)), strict=True)):
        n = one.size
        x = one * 2.0 ** (n % 8 - 2)
        if i % 5 == 0:
            x[0] -= 2.0**17 if dtype.itemsize > 2 else 2.0**10
        second, third = (v * v * v * v for v in (two, three))  # ** is libm's
        share = np.where(np.arange(n) % 5 == 1, 0, third)
        whole = {
            "x": x,
            "grad": two * 2.0 ** (n % 5 - 2),
            "y": second * 5 / n,
            "log_y": -np.abs(x),
            "b": np.where(two < -0.8, 0, three * 2.0 ** (n % 3)),
            "q": share / math.fsum(share),
        }
        row = {name: array.astype(dtype) for name, array in whole.items()}
        label = np.argmax(row["x"]) if n % 3 == 0 else n * n // 7 % n
        row["labels"] = np.array(-100 if n % 50 == 49 else label)
        row["weight"] = 0.25 + 2 * np.abs(two)
        rows.append(row)
    return rows


def results_of(call: Call, rows: list[Arrays]) -> list[Results]:
    return [call({name: row[name] for name in call.names}) for row in rows]


def digest(results: list[Results]) -> str:
    return hashlib.sha256(b"".join(bits(part) for parts in results for part in parts)).hexdigest()


@pytest.fixture(scope="module", params=DTYPES.values(), ids=DTYPES.keys())
def inputs(request: pytest.FixtureRequest) -> tuple[np.dtype, list[Arrays]]:
    return request.param, million_inputs(request.param)


@EVERY_CALL
def test_hash_of_a_million_outputs(call, inputs):
    if not FMA_LEVELS:
        pytest.skip(f"bits are promised with FMA only; this machine has {LEVELS}")
    dtype, rows = inputs
    assert sum(row["x"].size for row in rows) == 10**6
    operation = next(name for name, other in CALLS.items() if other is call)
    published = json.loads(HASHES.read_text())[operation][dtype.name]
    for name in FMA_LEVELS:
        with level(name):
            assert digest(results_of(call, rows)) == published, name


# ---- what the outputs are judged by before their hashes are published


def error_of_logsumexp(results: Results, x: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    """In units of its ULPs and of what may cancel: the terms, the maximum with the logarithm."""
    log, sign = logsumexp_reference(x, b=b)
    terms = plain_logsumexp(x, b=b)
    absolute, relative = LOGSUMEXP_ERROR[x.dtype.name]
    allowed = (0.51 if x.itemsize == 2 else 1.0) * ulp(log, x.dtype)
    allowed = allowed + absolute * terms.condition + relative * terms.size
    assert b is None or results[1] == sign
    error = ulp_error(results[0], log)
    return error * ulp(log, x.dtype) / allowed if np.isfinite(log) else error


def assert_sums_to_zero(gradient: np.ndarray) -> None:
    """Within 2 ULP of the largest element for each 1,000 classes, but for subnormal elements."""
    info = np.finfo(gradient.dtype)
    size = np.abs(gradient)
    rounding = np.count_nonzero(size < info.smallest_normal) * float(info.smallest_subnormal) / 2
    allowed = 2 * max(1, gradient.size / 1000) * ulp(np.float64(size.max()), gradient.dtype)
    assert np.abs(math.fsum(gradient.astype(np.float64))) <= allowed + rounding


def errors(operation: str, call: Call, row: Arrays, results: Results) -> list[np.ndarray]:
    """The results' errors in units of what is promised."""
    result, dtype = np.asarray(results[0]), row["x"].dtype
    if operation == "softmax":
        return [ulp_error(result, softmax_reference(row["x"])) / promised_ulp(dtype)]
    if operation == "log_softmax":
        return [ulp_error(result, log_softmax_reference(row["x"])) / promised_ulp(dtype)]
    if operation.startswith("logsumexp"):
        return [error_of_logsumexp(results, row["x"], row["b"] if "b" in call.names else None)]
    if operation == "softmax_backward":
        return [error_of_largest(result, softmax_backward_reference(row["grad"], row["y"]))]
    if operation == "log_softmax_backward":
        exact = log_softmax_backward_reference(row["grad"], row["log_y"])
        return [error_of_largest(result, exact)]
    options: dict[str, Any] = {k: v for k, v in call.options.items() if k != "reduction"}
    options |= {"weight": row["weight"]} if "weight" in call.names else {}
    targets = row["labels" if "labels" in call.names else "q"]
    exact = cross_entropy_reference(row["x"], targets, **options)
    loss = ulp_error(results[1], exact.loss) / 3
    if "labels" in call.names and "label_smoothing" not in options:
        if dtype.itemsize > 2:
            assert_sums_to_zero(result)
        return [ulp_error(result, exact.gradient.value) / promised_ulp(dtype), loss]
    return [error_of_largest(result, exact.gradient), loss]


def judged(operation: str, dtype: np.dtype) -> str:
    """The hash of results that keep every promise and are the same on every level with FMA."""
    call, rows = CALLS[operation], million_inputs(dtype)
    results = {}
    for name in FMA_LEVELS:
        with level(name):
            results[name] = results_of(call, rows)
    hashes = {digest(some) for some in results.values()}
    assert len(hashes) == 1, f"{operation}, {dtype}: the levels differ"
    worst, above_2_ulp = 0.0, 0
    for row, parts in zip(rows, results[FMA_LEVELS[0]], strict=True):
        for error in errors(operation, call, row, parts):
            worst = max(worst, np.max(error))
            if operation == "softmax" and dtype.itemsize > 2:
                above_2_ulp += np.count_nonzero(error > 2 / 3)
        n = row["x"].size
        assert worst <= 1, f"{operation}, {dtype}, row of {n}: {worst:.3f} of what is promised"
    assert above_2_ulp <= 10, f"{operation}, {dtype}: {above_2_ulp} of 10^6 above 2 ULP"
    print(f"{operation}, {dtype}: errors up to {worst:.3f} of what is promised")
    return hashes.pop()


def write_hashes() -> None:
    hashes = {
        operation: {dtype.name: judged(operation, dtype) for dtype in DTYPES.values()}
        for operation in CALLS
    }
    HASHES.parent.mkdir(exist_ok=True)
    HASHES.write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    write_hashes()
