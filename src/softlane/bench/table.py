"""A result on a terminal: one table for each op, the machine below. Draws with rich."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from softlane.bench.cases import OPS, elements
from softlane.bench.measurement import Cell, Result, shape_text

if TYPE_CHECKING:
    from rich.console import Console

PER_CALL_BELOW = 1000  # elements: below, the time is given per call, not per element
HEADS = {"out": "out= given", "fresh": "fresh result"}


def digits(value: float) -> str:
    """Three significant digits, no exponent below a million."""
    if value >= 1e6:
        return f"{value:.2e}"
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def errors(cell: Cell) -> str:
    """The errors of a cell's parts, in the order of its op's parts; nothing for a floor."""
    found = cell["max_ulp"].values()
    return " / ".join("?" if error is None else digits(error) for error in found)


def loses(cell: Cell, own: Cell) -> bool:
    """Whether this contestant is faster than softlane's cell `own`."""
    if "ns_per_call" not in cell or "ns_per_call" not in own:
        return False
    faster = cell["ns_per_call"]["median"] < own["ns_per_call"]["median"]
    return bool(faster and not cell["floor"] and cell is not own)


def per(cell: Cell) -> int:
    """What a cell's times are divided by: its elements, or 1 for a small call."""
    count = elements(cell["shape"])
    return 1 if count < PER_CALL_BELOW else count


def cell_text(cell: Cell, own: Cell) -> str:
    """Speed and error of one contestant, as rich markup."""
    if "ns_per_call" not in cell:
        return str(cell["unsupported"])
    times = {key: digits(value / per(cell)) for key, value in cell["ns_per_call"].items()}
    ratio = ""
    if "ns_per_call" in own:
        ratio = f"{cell['ns_per_call']['median'] / own['ns_per_call']['median']:.2f}x"
        if loses(cell, own):
            ratio = f"[bold red]{ratio}, faster[/]"
    error = f"{errors(cell)} ULP" if cell["max_ulp"] else ""
    lower = "  ".join(part for part in (error, ratio) if part)
    return f"{times['min']}  {times['median']} ({times['p10']}-{times['p90']})\n{lower}"


Groups = dict[tuple[str, tuple[int, ...]], dict[str, dict[str, Cell]]]


def grouped(cells: Sequence[Cell], op: str) -> Groups:
    """The cells of an op: by dtype and shape, then by contestant, then by mode."""
    groups: Groups = {}
    for cell in cells:
        if cell["op"] == op:
            group = groups.setdefault((cell["dtype"], tuple(cell["shape"])), {})
            group.setdefault(cell["contestant"], {})[cell["mode"]] = cell
    return groups


def report(result: Result, console: Console) -> None:
    """Print the result of a measurement as one table for each op, with the machine below."""
    lost: list[str] = []
    for op in dict.fromkeys(cell["op"] for cell in result["cells"]):
        _table(result, op, console, lost)
    floors = dict.fromkeys(cell["contestant"] for cell in result["cells"] if cell.get("floor"))
    console.print(
        "Each cell: minimum, median (10th-90th percentile) of the time; the maximum error of the "
        "result in units in the last place (of cross_entropy_with_grad: of the loss / of the "
        "gradient); the median divided by softlane's."
        + (f" {', '.join(floors)}: floors, which do less than the op." if floors else "")
    )
    console.print(f"Faster than softlane: {', '.join(lost) or 'no contestant in any cell'}.")
    footer(result, console)


def _table(result: Result, op: str, console: Console, lost: list[str]) -> None:
    """Print the table of one op; adds to `lost` where softlane is slower."""
    from rich.table import Table

    groups = grouped(result["cells"], op)
    axis = next(cell["axis"] for cell in result["cells"] if cell["op"] == op)
    modes = OPS[op].modes
    title = f"{op} along {'the last axis' if axis == -1 else f'axis {axis}'}"
    table = Table(title=f"{title}, {conditions(result)}", title_justify="left")
    table.add_column("contestant")
    for mode in modes:
        table.add_column(HEADS[mode])
    for (dtype, shape), contestants in groups.items():
        case = f"{shape_text(shape)} {dtype}"
        unit = "call" if elements(shape) < PER_CALL_BELOW else "element"
        table.add_row(f"[bold]{case}[/]", *[f"ns per {unit}"] * len(modes))
        own = contestants["softlane"]
        for name, cells in contestants.items():
            table.add_row(name, *(cell_text(cells[mode], own[mode]) for mode in modes))
            lost += [
                f"{name} in {op} of {case} ({mode})"
                for mode in modes
                if loses(cells[mode], own[mode])
            ]
        table.add_section()
    console.print(table)


def conditions(result: Result) -> str:
    """How many threads, and the state of the caches where it is not the usual one."""
    threads = result["settings"]["threads"]
    text = "one thread" if threads == 1 else f"{threads} threads"
    return text + (", cold caches" if result["settings"]["evicted_bytes"] else "")


def footer(result: Result, console: Console) -> None:
    """Print where the figures come from and who was not there."""
    machine, settings = result["machine"], result["settings"]
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    caches = "".join(f", {key} {size >> 10:,} KiB" for key, size in machine["caches"].items())
    console.print(
        f"{machine['cpu']}{caches}, {machine['system']}, "
        f"softlane on {machine['softlane']['isa']}; {found}."
    )
    held = "" if settings["cpus"] is None else f", on processors {settings['cpus']}"
    if settings["softlane_threads"] != settings["threads"]:
        held += f", softlane with {settings['softlane_threads']} as this build has no threads"
    repeated = "" if settings["runs"] == 1 else f"; medians of {settings['runs']} runs"
    samples = f"samples of at least {settings['sample_seconds'] * 1e3:g} ms"
    if settings["evicted_bytes"]:
        samples = f"samples of one call, after writing {settings['evicted_bytes'] >> 20} MiB"
    console.print(
        f"Every contestant: {conditions(result)}{held}. Logits {settings['logits']}; {samples}, "
        f"interleaved in random order{repeated}; the error is taken over about "
        f"{settings['error_elements']:,} elements, whole rows.",
        markup=False,
    )
    if result["missing"]:
        console.print(
            f"Not installed, so not measured: {', '.join(result['missing'])} "
            '(pip install ".[peers]").',
            markup=False,
        )


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Callable[[str, float], None]]:
    """A progress bar on a terminal, nothing elsewhere.

    It is redrawn between rounds only, at most ten times a second: a thread that redraws would
    disturb what is being timed.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns: Any = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=1.0)
        drawn = 0.0

        def tick(label: str, fraction: float) -> None:
            nonlocal drawn
            now = time.monotonic()
            bar.update(task, description=label, completed=fraction, refresh=now - drawn > 0.1)
            drawn = now if now - drawn > 0.1 else drawn

        yield tick
