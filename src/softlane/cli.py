"""The command line: `python -m softlane {info,bench}`.

`info` needs numpy alone; `bench` draws its table with rich, which is imported when it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import softlane
from softlane import bench

if TYPE_CHECKING:
    from rich.console import Console

SECONDS = {"quick": 1.6, "default": 2.4, "full": 8.0}  # for one shape of one dtype
SHAPES = {"quick": bench.QUICK, "default": bench.DEFAULT, "full": bench.FULL}
PER_CALL_BELOW = 1000  # elements: below, the time is given per call, not per element


def shape(text: str) -> tuple[int, int]:
    """A shape of two axes from "64x1000"."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROWSxCOLS, such as 64x1000")
    return int(match[1]), int(match[2])


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m softlane", description="The softmax family for NumPy on the CPU."
    )
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, instruction sets, compiler, processor")
    run = commands.add_parser(
        "bench",
        help="time and maximum error of softmax against other packages",
        description="Time and maximum error of softmax along the last axis, one thread, against "
        "other packages and against two floors: copying the array, and np.exp of it.",
    )
    length = run.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="three shapes, about 8 seconds")
    length.add_argument("--full", action="store_true", help="ten shapes, about two minutes")
    run.add_argument(
        "--dtype", nargs="+", choices=bench.DTYPES, default=["f32"], help="default: f32"
    )
    run.add_argument("--shape", nargs="+", type=shape, metavar="ROWSxCOLS", help="own shapes")
    others = [name for name in bench.CONTESTANTS if name != "softlane"]
    run.add_argument(
        "--against",
        nargs="+",
        choices=others,
        default=others,
        metavar="NAME",
        help="contestants: " + " ".join(others) + " (default: all that are installed)",
    )
    run.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every sample here")
    return top


def info() -> int:
    """Print show_config()."""
    for key, value in softlane.show_config().items():
        if isinstance(value, dict):
            print(f"{key}:")
            for name, fact in value.items():
                print(f"  {name}: {fact}")
        elif isinstance(value, (list, tuple)):
            print(f"{key}: {', '.join(map(str, value))}")
        else:
            print(f"{key}: {'none' if value is None else value}")
    return 0


def digits(value: float) -> str:
    """Three significant digits, no exponent below a million."""
    if value >= 1e6:
        return f"{value:.2e}"
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def loses(cell: dict[str, Any], own: dict[str, Any]) -> bool:
    """Whether this contestant is faster than softlane's cell `own`."""
    faster = cell["ns_per_call"]["median"] < own["ns_per_call"]["median"]
    return bool(faster and not cell["floor"] and cell is not own)


def cell_text(cell: dict[str, Any], own: dict[str, Any]) -> str:
    """Speed and error of one contestant, as rich markup."""
    if "ns_per_call" not in cell:
        return cell["unsupported"] or "-"
    rows, columns = cell["shape"]
    elements = 1 if rows * columns < PER_CALL_BELOW else rows * columns
    times = {key: digits(value / elements) for key, value in cell["ns_per_call"].items()}
    error = "" if cell["floor"] else "? ULP  "
    if cell["max_ulp"] is not None:
        error = f"{digits(cell['max_ulp'])} ULP  "
    ratio = f"{cell['ns_per_call']['median'] / own['ns_per_call']['median']:.2f}x"
    if loses(cell, own):
        ratio = f"[bold red]{ratio}, faster[/]"
    return f"{times['min']}  {times['median']} ({times['p10']}-{times['p90']})\n{error}{ratio}"


def report(result: dict[str, Any], console: Console) -> None:
    """Print the result of bench.run() as one table, with the machine below it."""
    from rich.table import Table

    groups: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for cell in result["cells"]:
        group = groups.setdefault((cell["dtype"], *cell["shape"], cell["mode"]), {})
        group[cell["contestant"]] = cell

    table = Table(title="softmax along the last axis, one thread", title_justify="left")
    table.add_column("contestant")
    table.add_column("out= given")
    table.add_column("fresh result")
    cases = list(dict.fromkeys(key[:3] for key in groups))
    lost: list[str] = []
    for dtype, rows, columns in cases:
        unit = "call" if rows * columns < PER_CALL_BELOW else "element"
        table.add_row(f"[bold]{rows}x{columns} {dtype}[/]", f"ns per {unit}", f"ns per {unit}")
        for name in groups[dtype, rows, columns, "out"]:
            texts = []
            for mode in bench.MODES:
                group = groups[dtype, rows, columns, mode]
                texts.append(cell_text(group[name], group["softlane"]))
                if "ns_per_call" in group[name] and loses(group[name], group["softlane"]):
                    lost.append(f"{name} at {rows}x{columns} {dtype} ({mode})")
            table.add_row(name, *texts)
        table.add_section()
    console.print(table)
    console.print(
        "Each cell: minimum, median (10th-90th percentile) of the time; the maximum error of the "
        "result in units in the last place; the median divided by softlane's. np.copyto and "
        "np.exp are floors: they do less than a softmax.",
    )
    console.print(f"Faster than softlane: {', '.join(lost) or 'no contestant in any cell'}.")
    footer(result, console)


def footer(result: dict[str, Any], console: Console) -> None:
    """Print where the figures come from and who was not there."""
    machine, settings = result["machine"], result["settings"]
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    console.print(
        f"{machine['cpu']}, {machine['system']}, softlane on {machine['softlane']['isa']}; {found}."
    )
    console.print(
        f"Logits {settings['logits']}; samples of at least "
        f"{settings['sample_seconds'] * 1e3:g} ms, interleaved in random order; the error is taken "
        f"over about {settings['error_elements']:,} elements, whole rows."
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

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
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


def refuse(reason: str) -> int:
    """Say on stderr why nothing was measured."""
    print(reason, file=sys.stderr)
    return 2


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure, print the table, write the JSON."""
    try:
        from rich.console import Console
    except ImportError:
        return refuse('bench needs rich, which is not installed: pip install ".[bench]"')
    if "bf16" in arguments.dtype and bench.missing(["ml_dtypes"]):
        return refuse("--dtype bf16 needs ml_dtypes, which is not installed: pip install ml_dtypes")
    length = "quick" if arguments.quick else "full" if arguments.full else "default"
    console = Console(highlight=False)
    with progress(console) as tick:
        result = bench.run(
            arguments.shape or SHAPES[length],
            list(dict.fromkeys(arguments.dtype)),
            list(dict.fromkeys(arguments.against)),
            SECONDS[length],
            tick,
        )
    report(result, console)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        console.print(f"Every sample is in {arguments.json}.", markup=False)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit status."""
    arguments = parser().parse_args(argv)
    return info() if arguments.command == "info" else run_bench(arguments)
