"""The command line: `python -m softlane {info,verify,bench,targets,plot}`.

`info` and `verify` need numpy alone; the others import what they draw with, rich or matplotlib,
when they run.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Callable, Sequence

import softlane
from softlane import bench

SECONDS = {"quick": 1.6, "default": 2.4, "full": 8.0}  # for one op on one shape of one dtype
SHAPES = {"quick": bench.QUICK, "default": bench.DEFAULT, "full": bench.FULL}
NEEDS_RICH = 'bench needs rich, which is not installed: pip install ".[bench]"'
NEEDS_MATPLOTLIB = "figures need matplotlib, which is not installed: pip install matplotlib"


def shape(text: str) -> tuple[int, ...]:
    """A shape from "64x1000"."""
    if re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a shape (expected lengths of at least 1, such as 64x1000 or 10)"
        )
    return tuple(map(int, text.split("x")))


def positive(text: str) -> int:
    """A number from 1 on."""
    if re.fullmatch(r"[1-9]\d*", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """A time."""
    if re.fullmatch(r"\d*\.?\d+", text) is None or float(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return float(text)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m softlane", description="The softmax family for NumPy on the CPU."
    )
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, instruction sets, compiler, processor")
    proof = commands.add_parser(
        "verify",
        help="repeat the proof of accuracy, safety and same bits on this machine",
        description="Verify every kernel that this machine can run: self-tests, errors against an "
        "oracle in higher precision, edge cases, guard pages, invariance, published hashes. Takes "
        "half a minute; the exit status is 1 if anything failed.",
    )
    proof.add_argument(
        "--exhaustive",
        action="store_true",
        help="every float32 through exp and log1p, every pair of 16-bit numbers, more rows: "
        "takes minutes",
    )
    proof.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every figure here")
    _bench(
        commands.add_parser(
            "bench",
            help="time and maximum error against other packages",
            description="Time and maximum error of softlane's functions against other packages, "
            "and against floors that do less, such as copying the array.",
        )
    )
    aims = commands.add_parser(
        "targets",
        help="the project's targets of speed, measured",
        description="Measure every target as a ratio inside one run; each is the median of runs.",
    )
    aims.add_argument("--only", nargs="+", metavar="WORD", help="groups whose name holds a word")
    aims.add_argument("--runs", type=positive, default=5, metavar="N", help="default: 5")
    aims.add_argument("--seconds", type=seconds, default=0.4, help="for a group in a run")
    aims.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every sample here")
    drawn = commands.add_parser(
        "plot",
        help="figures and README tables from results",
        description="Draw figures, each for light and for dark pages, and write the README's "
        "tables, from what `bench --json` wrote.",
    )
    drawn.add_argument("results", nargs="+", type=pathlib.Path, metavar="RESULT.json")
    drawn.add_argument("-o", "--output", type=pathlib.Path, metavar="DIR", help="figures go here")
    drawn.add_argument(
        "--table", type=pathlib.Path, metavar="README.md", help="renew the tables in this file"
    )
    return top


def _bench(run: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    length = run.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="three shapes, about 8 seconds")
    length.add_argument("--full", action="store_true", help="ten shapes, about two minutes")
    run.add_argument(
        "--op",
        nargs="+",
        choices=tuple(bench.OPS),
        default=["softmax"],
        metavar="OP",
        help="one or several of " + " ".join(bench.OPS) + " (default: softmax)",
    )
    run.add_argument(
        "--dtype", nargs="+", choices=bench.DTYPES, default=["f32"], help="default: f32"
    )
    run.add_argument("--shape", nargs="+", type=shape, metavar="SHAPE", help="such as 64x1000")
    run.add_argument("--axis", type=int, default=-1, help="the axis of a row (default: -1)")
    others = [name for name in bench.CONTESTANTS if name != "softlane"]
    run.add_argument(
        "--against",
        nargs="+",
        choices=others,
        default=others,
        metavar="NAME",
        help="contestants: " + " ".join(others) + " (default: all that are installed)",
    )
    run.add_argument("--threads", type=positive, default=1, metavar="N", help="default: 1")
    run.add_argument("--cold", action="store_true", help="empty the caches before each sample")
    run.add_argument("--runs", type=positive, default=1, metavar="N", help="repeat all of it")
    run.add_argument("--seconds", type=seconds, help="for one op on one shape of one dtype")
    run.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every sample here")
    run.add_argument("--plot", type=pathlib.Path, metavar="F.svg", help="draw the times")


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


def refuse(reason: str) -> int:
    """Say on stderr why nothing was measured."""
    print(reason, file=sys.stderr)
    return 2


def unwritable(*paths: pathlib.Path | None) -> str | None:
    """Why one of the files that a measurement is to end in cannot be written, None if they can."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            return f"cannot write {path}: there is no folder {path.parent} (create it first)"
    return None


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, write the JSON and the figure."""
    try:
        from rich.console import Console

        from softlane.bench import table
    except ImportError:
        return refuse(NEEDS_RICH)
    if arguments.plot is not None and bench.missing(["matplotlib"]):
        return refuse(NEEDS_MATPLOTLIB)
    if "bf16" in arguments.dtype and bench.missing(["ml_dtypes"]):
        return refuse("--dtype bf16 needs ml_dtypes, which is not installed: pip install ml_dtypes")
    if reason := unwritable(arguments.json, arguments.plot):
        return refuse(reason)
    length = "quick" if arguments.quick else "full" if arguments.full else "default"
    plan = bench.Plan(
        shapes=list(dict.fromkeys(arguments.shape or SHAPES[length])),
        dtypes=list(dict.fromkeys(arguments.dtype)),
        against=list(dict.fromkeys(arguments.against)),
        seconds=arguments.seconds or SECONDS[length],
        ops=list(dict.fromkeys(arguments.op)),
        axis=arguments.axis,
        threads=arguments.threads,
        runs=arguments.runs,
        cold=arguments.cold,
    )
    console = Console(highlight=False)
    try:
        with table.progress(console) as tick:
            result = bench.run(plan, tick)
    except ValueError as error:
        return refuse(f"bench: {error}")
    table.report(result, console)
    if arguments.json is not None:
        arguments.json.write_text(bench.save(result), encoding="utf-8")
        console.print(f"Every sample is in {arguments.json}.", markup=False)
    if arguments.plot is not None:
        from softlane.bench import draw, figures

        figure = figures.time_figure(result["cells"])
        arguments.plot.write_text(draw.svg(figure, "light"), encoding="utf-8")
        console.print(f"The times are drawn in {arguments.plot}.", markup=False)
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Verify, print what was found, write the JSON; 1 if anything failed."""
    from softlane import verify
    from softlane.verify import report

    if reason := unwritable(arguments.json):
        return refuse(reason)
    terminal = report.terminal()
    extent = verify.EXHAUSTIVE if arguments.exhaustive else verify.QUICK
    with terminal.progress() as tick:
        result = verify.run(extent, tick, lambda outcome: report.tell(outcome, terminal))
    for name in result["missing"]:
        terminal.line(f"bfloat16 is not verified: pip install {name}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        terminal.line(f"Every figure is in {arguments.json}.")
    failed = [check["name"] for check in result["checks"] if not check["passed"]]
    verdict = f"FAILED: {', '.join(failed)}" if failed else "Verified: every check passed"
    terminal.line(f"{verdict}, in {result['seconds']} s.")
    return 1 if failed else 0


def run_targets(arguments: argparse.Namespace) -> int:
    """Measure the targets, print them, write the JSON."""
    try:
        from rich.console import Console

        from softlane.bench import table
    except ImportError:
        return refuse(NEEDS_RICH)
    from softlane.bench import targets

    if reason := unwritable(arguments.json):
        return refuse(reason)
    console = Console(highlight=False)
    try:
        with table.progress(console) as tick:
            result = targets.run(arguments.only, arguments.runs, arguments.seconds, tick)
    except ValueError as error:
        return refuse(f"targets: {error}")
    targets.report(result, console)
    if arguments.json is not None:
        arguments.json.write_text(targets.save(result), encoding="utf-8")
        console.print(f"Every sample is in {arguments.json}.", markup=False)
    return 0


def run_plot(arguments: argparse.Namespace) -> int:
    """Draw the figures, renew the tables."""
    from softlane.bench import figures, markdown

    if arguments.output is not None and bench.missing(["matplotlib"]):
        return refuse(NEEDS_MATPLOTLIB)
    try:
        results = figures.load(arguments.results)
        if arguments.table is not None:
            markdown.renew(arguments.table, results)
    except (OSError, ValueError, json.JSONDecodeError) as error:
        return refuse(f"plot: {error}")
    if arguments.output is not None:
        from softlane.bench import draw

        for path in draw.write(figures.figures(results), arguments.output):
            print(path)
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "info": lambda arguments: info(),
    "verify": run_verify,
    "bench": run_bench,
    "targets": run_targets,
    "plot": run_plot,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit status."""
    arguments = parser().parse_args(argv)
    return COMMANDS[arguments.command](arguments)
