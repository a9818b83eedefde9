"""The published hashes: SHA-256 of the results for 10^6 elements, of each function and dtype.

A change of a hash in src/softlane/verify/hashes.json is a change of results: it needs a line in the
CHANGELOG and the oracle's run on the same outputs, which is part of the command that writes the
file, and without which it writes none:

    python tests/test_hashes.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from calls import CALLS, EVERY_CALL, Arrays, Results
from helpers import DTYPES, FMA_LEVELS, LEVELS, level

from softlane._oracle import ulp
from softlane.verify.promises import measures
from softlane.verify.published import HASHES, digest, million_inputs, results_of


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


def assert_sums_to_zero(gradient: np.ndarray) -> None:
    """Within 2 ULP of the largest element for each 1,000 classes, but for subnormal elements."""
    info = np.finfo(gradient.dtype)
    size = np.abs(gradient)
    rounding = np.count_nonzero(size < info.smallest_normal) * float(info.smallest_subnormal) / 2
    allowed = 2 * max(1, gradient.size / 1000) * ulp(np.float64(size.max()), gradient.dtype)
    assert np.abs(math.fsum(gradient.astype(np.float64))) <= allowed + rounding


def errors(operation: str, row: Arrays, results: Results) -> list[np.ndarray]:
    """The results' errors in units of what is promised."""
    given = {name: row[name] for name in CALLS[operation].names}
    parts = zip(measures(operation, given).items(), results, strict=True)
    found = []
    for (part, measure), result in parts:
        found.append(measure(np.asarray(result)))
        exact_labels = "labels" in given and "label_smoothing" not in CALLS[operation].options
        if part == "gradient" and exact_labels and row["x"].itemsize > 2:
            assert_sums_to_zero(result)
    return found


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
        for error in errors(operation, row, parts):
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
    source = Path(__file__).parents[1] / "src" / "softlane" / "verify" / HASHES.name
    source.write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    write_hashes()
