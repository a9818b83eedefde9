"""The published hashes: SHA-256 of the results for 10^6 elements, of each function and dtype."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np

from softlane.verify.calls import CALLS, Arrays, Call, Results
from softlane.verify.levels import DTYPES, FMA_LEVELS, LEVELS, Array, DType, bits, level
from softlane.verify.outcome import Outcome

HASHES = Path(__file__).parent / "hashes.json"


def million_units(stream: int) -> list[Array]:
    """10^6 numbers in [-1, 1), rows of 1, 2, 3, ..., made of integers alone (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, 10**6 + 1, dtype=np.uint64) + np.uint64(stream * 10**6)
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = ((z >> np.uint64(12)).astype(np.float64) - 2.0**51) * 2.0**-51
    return np.split(unit, np.cumsum(np.arange(1, 1414)))


def million_inputs(dtype: DType) -> list[Arrays]:
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


def check(outcome: Outcome) -> None:
    """Compare the hashes of the results on every level with FMA with the published ones."""
    if not FMA_LEVELS:
        outcome.skipped.append(f"bits are promised with FMA only; this machine has {LEVELS}")
        return
    published = json.loads(HASHES.read_text(encoding="utf-8"))
    for done, dtype in enumerate(DTYPES.values()):
        rows = million_inputs(dtype)
        for place, (name, call) in enumerate(CALLS.items()):
            outcome.tick((done + place / len(CALLS)) / len(DTYPES))
            for isa in FMA_LEVELS:
                case = f"{name} of {dtype.name} on {isa}"
                with outcome.case(case), level(isa):
                    same = digest(results_of(call, rows)) == published[name][dtype.name]
                    outcome.expect(same, f"{case} has not the published hash")
