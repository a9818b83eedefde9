"""What `python -m softlane verify` does: the proof of the promises, on the user's machine.

Needs numpy alone; bfloat16 is verified where ml_dtypes is installed. The parts, each of which
imports only parts above it (the tests import them too):

- levels: dtypes, levels of instruction sets; outcome: what a check found
- exponential, logarithm: the kernels' functions by themselves
- calls: the functions and their arguments; promises: what is promised of their results
- hard_rows: rows to try them on
- half, rows, edges, guard_pages, invariance, published: the checks
- report: an outcome on a terminal
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import softlane
from softlane import _core
from softlane.bench import machine
from softlane.verify import (
    edges,
    exponential,
    guard_pages,
    half,
    invariance,
    logarithm,
    published,
    rows,
)
from softlane.verify.levels import DTYPES, LEVELS, level
from softlane.verify.outcome import Outcome

__all__ = ["EXHAUSTIVE", "QUICK", "Extent", "Outcome", "Result", "checks", "run"]

Result = dict[str, Any]


class Extent(NamedTuple):
    """How much of a domain is judged."""

    every: int  # so manyth chunk of exp and number of log1p: 1 for all
    pair_every: int  # 16-bit number so manyth beside every other
    pair_levels: tuple[str, ...]
    elements: int  # of a kind of rows
    kind_every: int  # kind so manyth


QUICK = Extent(1009, 4093, LEVELS, 700, 3)
EXHAUSTIVE = Extent(1, 1, LEVELS[:1], 30_000, 1)


def self_tests(outcome: Outcome) -> None:
    """Every kernel's self-test, as at its first use, on every level."""
    for isa in LEVELS:
        with level(isa):
            for (op, dtype), (found, known) in _core._self_test_hashes().items():
                outcome.expect(found == known, f"the {isa} kernels of {op} for {dtype}: other bits")


def quarantined(outcome: Outcome) -> None:
    """What the checks before found unfit at its first use."""
    for isa, op, dtype in softlane.show_config()["selftest"]["quarantined"]:
        outcome.expect(False, f"the {isa} kernels of {op} for {dtype} are quarantined")


def halves(outcome: Outcome, extent: Extent) -> None:
    """float16 and bfloat16: every number read and written, pairs of them."""
    for dtype in DTYPES.values():
        if dtype.itemsize == 2:
            half.read(outcome, dtype)
            half.written(outcome, dtype)
            half.pairs(outcome, dtype, extent.pair_every, extent.pair_levels)


def checks(extent: Extent) -> Iterator[tuple[str, Callable[[Outcome], None]]]:
    """The checks by name, in order."""
    yield "self-tests", self_tests
    yield "exp", lambda outcome: exponential.sweep(outcome, every=extent.every)
    yield "log1p", lambda outcome: logarithm.sweep(outcome, extent.every)
    yield "16 bits", lambda outcome: halves(outcome, extent)
    yield "rows", lambda outcome: rows.check(outcome, extent.elements, extent.kind_every)
    yield "edge table", edges.check
    yield "guard pages", guard_pages.check
    yield "invariance", invariance.check
    yield "published hashes", published.check
    yield "quarantine", quarantined


def run(
    extent: Extent,
    tick: Callable[[str, float], None] = lambda label, done: None,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Result:
    """Make every check.

    Parameters
    ----------
    extent : Extent
        How much of the domains.
    tick : callable
        Told the name of the running check and which part of it is done.
    tell : callable
        Told each outcome, as soon as it is there.

    Returns
    -------
    dict
        ``passed``, ``checks``, and what a bug report needs: for JSON.
    """
    began, outcomes = time.monotonic(), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of quarantined kernels: they are told as failures
        for name, check in checks(extent):
            start = time.monotonic()
            # mypy infers no lambda that has defaults; here and in rows.py, half.py.
            outcome = Outcome(name, lambda done, name=name: tick(name, done))  # type: ignore[misc]
            with outcome.case(name):
                check(outcome)
            outcome.close()
            outcome.seconds = time.monotonic() - start
            outcomes.append(outcome)
            tell(outcome)
    return {
        "passed": all(outcome.failed == 0 for outcome in outcomes),
        "exhaustive": extent == EXHAUSTIVE,
        "extent": extent._asdict(),
        "seconds": round(time.monotonic() - began, 1),
        "machine": machine.machine(),
        "versions": machine.versions(["ml_dtypes"] if "bfloat16" in DTYPES else []),
        "missing": [] if "bfloat16" in DTYPES else ["ml_dtypes"],
        "checks": [outcome.record() for outcome in outcomes],
    }
