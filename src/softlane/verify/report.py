"""Outcomes on a terminal: with a progress bar and tables where rich is installed, else as text."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from softlane.verify.outcome import EDGES, Outcome

Tick = Callable[[str, float], None]
ENDS = (2, 4, 8)  # of the bins that are shown together, as places in EDGES
HEAD = ["dtype", "levels", "max", "bound"] + [f"to {EDGES[end]:g}" for end in ENDS] + ["more"]


def share(part: int, whole: int) -> str:
    """A part of the errors, readable also where it is small."""
    percent = 100 * part / whole
    return "" if part == 0 else f"{percent:.1f}%" if percent >= 0.05 else f"{part:,}"


def histograms(outcome: Outcome) -> dict[str, list[list[str]]]:
    """For each op, a row for each dtype and levels whose errors are the same."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for (op, dtype, level), errors in outcome.errors.items():
        key = (op, dtype, errors.bound, errors.worst, *errors.counts.tolist())
        groups.setdefault(key, []).append(level)
    tables: dict[str, list[list[str]]] = {}
    for (op, dtype, bound, worst, *counts), levels in sorted(groups.items()):
        bounds = zip((0, *ENDS), (*ENDS, len(counts)), strict=True)
        shares = [share(sum(counts[a:b]), sum(counts)) for a, b in bounds]
        row = [dtype, " ".join(levels), f"{worst:.3g}", f"{bound:g}", *shares]
        tables.setdefault(op, []).append(row)
    return tables


def summary(outcome: Outcome) -> str:
    """One line."""
    result = "passed" if outcome.failed == 0 else f"{outcome.failed} FAILED"
    if outcome.skipped and not outcome.cases:
        result = "skipped"
    return f"{outcome.name}: {result}, {outcome.cases:,} cases in {outcome.seconds:.1f} s"


class Plain:
    """Lines of text."""

    @contextlib.contextmanager
    def progress(self) -> Iterator[Tick]:
        """Nothing: a line is printed when a check ends."""
        yield lambda label, done: None

    def line(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print columns."""
        print(title)
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            cells = zip(row, widths, strict=True)
            print("   ", "  ".join(cell.ljust(width) for cell, width in cells).rstrip())


class Rich(Plain):
    """With rich."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)

    # The base has a decorated generator for it, which mypy takes for another type.
    def progress(self) -> contextlib.AbstractContextManager[Tick]:  # type: ignore[override]
        """A bar."""
        from softlane.bench.table import progress

        return progress(self.console)

    def line(self, text: str) -> None:
        """Print it above the bar."""
        self.console.print(text, markup=False, soft_wrap=True)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        from rich.table import Table

        table = Table(*head, title=title, title_justify="left", box=None)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def terminal() -> Plain:
    """What is there to draw with."""
    try:
        return Rich()
    except ImportError:
        return Plain()


def tell(outcome: Outcome, on: Plain) -> None:
    """Print what a check found: one line, the errors, why something was left out, failures."""
    on.line(summary(outcome))
    for reason in outcome.skipped:
        on.line(f"  not verified: {reason}")
    for failure in outcome.failures:
        on.line(f"  FAILED: {failure}")
    if outcome.failed > len(outcome.failures):
        on.line(f"  and {outcome.failed - len(outcome.failures)} more")
    for op, rows in histograms(outcome).items():
        on.table(f"  {op}: ULP", HEAD, rows)
