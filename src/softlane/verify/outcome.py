"""What a check found: how many cases, which failed, histograms of the errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from softlane.verify.levels import Array

Tick = Callable[[float], None]
EDGES = [k / 4 for k in range(16)]  # of the histograms' bins, in ULP; the last has no end
MOST_FAILURES, LONGEST = 20, 1000  # that are told, the others are counted; characters of one


class Errors:
    """The errors of one part of an op's results, of one dtype, on one level."""

    def __init__(self, bound: float) -> None:
        self.bound, self.worst, self.where = bound, 0.0, ""
        self.counts = np.zeros(len(EDGES), np.int64)

    def add(self, error: Array, where: Callable[[Any], str]) -> None:
        """Count errors in ULP; `where` describes the case of a place in the flat array."""
        error = np.ravel(np.where(np.isnan(error), np.inf, error))
        bins = np.minimum(error * 4, len(EDGES) - 1).astype(np.intp)
        self.counts += np.bincount(bins, minlength=len(EDGES))
        place = np.argmax(error)
        if error[place] > self.worst:
            self.worst, self.where = float(error[place]), where(place)


class Outcome:
    """Of one check; several threads may report to it."""

    def __init__(self, name: str, tick: Tick = lambda done: None) -> None:
        self.name, self.tick = name, tick  # `tick` is told which part is done
        self.cases, self.failed, self.seconds = 0, 0, 0.0
        self.failures: list[str] = []
        self.skipped: list[str] = []
        self.errors: dict[tuple[str, str, str], Errors] = {}
        self._lock = threading.Lock()

    def expect(self, good: object, case: str) -> None:
        """Count a case, which failed unless it is good."""
        with self._lock:
            self.cases += 1
            if not good:
                self.failed += 1
                if self.failed <= MOST_FAILURES:
                    self.failures.append(case[:LONGEST])

    @contextmanager
    def case(self, name: str) -> Iterator[None]:
        """What is a failed case if it ends in an exception."""
        try:
            yield
        except Exception as error:
            self.expect(False, f"{name}: {type(error).__name__}: {error}")

    def judge(
        self,
        op: str,
        dtype: str,
        level: str,
        error: Array,
        bound: float,
        where: Callable[[Any], str],
    ) -> None:
        """Count errors in ULP, which may be as large as the bound."""
        if error.size:
            with self._lock:
                self.cases += error.size
                self.errors.setdefault((op, dtype, level), Errors(bound)).add(error, where)

    def close(self) -> None:
        """Tell which errors are beyond their bounds."""
        for (op, dtype, level), errors in self.errors.items():
            if errors.worst > errors.bound:
                over = f"{errors.worst:.4g} ULP, {errors.bound:.4g} promised"
                self.expect(False, f"{op} of {dtype} on {level}: {over}: {errors.where}")

    def record(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "name": self.name,
            "passed": self.failed == 0,
            "cases": self.cases,
            "failed": self.failed,
            "failures": self.failures,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 2),
            "errors": [
                {
                    "op": op,
                    "dtype": dtype,
                    "level": level,
                    "bound_ulp": errors.bound,
                    "max_ulp": errors.worst if np.isfinite(errors.worst) else str(errors.worst),
                    "worst": errors.where,
                    "edges_ulp": EDGES,
                    "counts": errors.counts.tolist(),
                }
                for (op, dtype, level), errors in self.errors.items()
            ],
        }
