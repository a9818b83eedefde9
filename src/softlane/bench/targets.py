"""Measuring the targets: the rows of target_rows.py, read from the groups of target_groups.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from softlane.bench import clock, machine, package_facts
from softlane.bench import target_groups as groups
from softlane.bench.target_rows import Samples, every_target, judged, times

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 1
AVX2 = {"SOFTLANE_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2"}


def sampled(
    builders: dict[str, Callable[[], groups.Timers]], seconds: float, tick: Callable[[str], None]
) -> Samples:
    """The samples of each group, in nanoseconds for a call."""
    found: Samples = {}
    with np.errstate(all="ignore"):
        for group, build in builders.items():
            tick(group)
            timers = build()
            if not timers:
                continue
            samples = clock.sample(
                {name: timer for name, (timer, _) in timers.items()}, seconds, lambda part: None
            )
            found[group] = {
                name: {
                    "elements": timers[name][1],
                    "ns_per_call": [float(f"{1e9 * value:.5g}") for value in samples[name]],
                }
                for name in samples
            }
    return found


def chosen(words: Sequence[str] | None) -> list[str]:
    """The names of the groups that hold one of the words; all without words.

    Raises
    ------
    ValueError
        If there is none.
    """
    names = [*groups.own_groups(), *groups.avx2_groups(), *groups.thread_groups(), "package"]
    if words is None:
        return names
    found = [name for name in names if any(word in name for word in words)]
    if not found:
        raise ValueError(f"no group's name holds {' or '.join(words)} (groups: {', '.join(names)})")
    return found


def avx2_samples(names: Sequence[str], seconds: float) -> Samples:
    """The groups of AVX2, measured in a process of their own; empty where there is no AVX2."""
    code = "from softlane.bench import targets; targets.child()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **AVX2},
        input=json.dumps([list(names), seconds]),
        capture_output=True,
        text=True,
        check=True,
    )
    found: Samples = json.loads(done.stdout)
    return found


def child() -> None:
    """What the process of `avx2_samples` does: reads names and seconds, prints samples."""
    import softlane

    names, seconds = json.load(sys.stdin)
    builders = {name: build for name, build in groups.avx2_groups().items() if name in names}
    held = softlane.show_config()["isa"] == "avx2"
    with machine.pinned(1):
        print(json.dumps(sampled(builders, seconds, lambda name: None) if held else {}))


def one_run(names: Sequence[str], seconds: float, tick: Callable[[str], None]) -> Samples:
    """Every chosen group, once."""

    def those(of: dict[str, Callable[[], groups.Timers]]) -> dict[str, Callable[[], groups.Timers]]:
        return {name: build for name, build in of.items() if name in names}

    with machine.pinned(1):
        found = sampled(those(groups.own_groups()), seconds, tick)
        avx2 = list(those(groups.avx2_groups()))
        if avx2 and "avx2" in package_facts.levels():
            tick("avx2")
            found |= avx2_samples(avx2, seconds)
        if "package" in names:
            tick("package")
            found["package"] = package_facts.package()
    former = machine.softlane_threads()
    found |= sampled(those(groups.thread_groups()), seconds, tick)
    machine.set_softlane_threads(former)
    return found


def run(
    only: Sequence[str] | None, runs: int, seconds: float, tick: Callable[[str, float], None]
) -> dict[str, Any]:
    """Measure the targets.

    Parameters
    ----------
    only : sequence of str or None
        Words: groups whose name holds one of them.
    runs : int
        How often all of it is measured.
    seconds : float
        For a group in a run.
    tick : callable
        Hears what is measured, and the part done of the whole.

    Returns
    -------
    dict
        Machine, versions, settings, the targets with the value of each run, and all samples, as
        described in bench/README.md.
    """
    names = chosen(only)
    every: list[Samples] = []
    for turn in range(runs):
        done: list[str] = []

        def step(name: str, turn: int = turn, done: list[str] = done) -> None:
            part = min(len(done) / len(names), 1.0)
            tick(f"{name}, run {turn + 1} of {runs}", (turn + part) / runs)
            done.append(name)

        every.append(one_run(names, seconds, step))
    tick("done", 1.0)
    of_runs = [times(samples) for samples in every]
    rows = [row for target in every_target() if (row := judged(target, of_runs, only is None))]
    absent = machine.missing([*groups.PEERS, "ml_dtypes"])
    peers = [name for name in groups.PEERS if name not in absent]
    return {
        "schema": SCHEMA,
        "machine": machine.machine(),
        "versions": machine.versions(peers),
        "settings": {"runs": runs, "seconds_per_group": seconds},
        "missing": absent,
        "targets": rows,
        "runs": every,
    }


def report(result: dict[str, Any], console: Console) -> None:
    """Print the targets, and how many are met."""
    from rich.table import Table

    table = Table(
        title=f"targets, medians of {result['settings']['runs']} runs", title_justify="left"
    )
    for head in ("what", "target", "measured", "runs", "met"):
        table.add_column(head)
    met = 0
    measured = [row for row in result["targets"] if row["measured"] is not None]
    for row in result["targets"]:
        limit = f"{row['relation']} {row['limit']:g}"
        if row["measured"] is None:
            table.add_row(row["what"], limit, "", "", "not measured")
            continue
        met += row["met"]
        spread = f"{min(row['runs']):.3g}-{max(row['runs']):.3g}"
        word = "yes" if row["met"] else "[bold red]no[/]"
        table.add_row(row["what"], limit, f"{row['measured']:.3g}", spread, word)
    console.print(table)
    absent = len(result["targets"]) - len(measured)
    console.print(f"{met} of {len(measured)} targets met; {absent} not measured.")
    if result["missing"]:
        console.print(f"Not installed: {', '.join(result['missing'])}.", markup=False)
    found = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    console.print(
        f"{result['machine']['cpu']}, softlane on {result['machine']['softlane']['isa']}; {found}."
    )


def save(result: dict[str, Any]) -> str:
    """The result as JSON text, a line for each target and for each group of a run."""
    head = {key: value for key, value in result.items() if key not in ("targets", "runs")}
    rows = ",\n".join("  " + json.dumps(row) for row in result["targets"])
    runs = ",\n".join(
        "  {\n"
        + ",\n".join(f"   {json.dumps(g)}: {json.dumps(of)}" for g, of in run.items())
        + "\n  }"
        for run in result["runs"]
    )
    text = json.dumps(head, indent=1)[:-2]
    return f'{text},\n "targets": [\n{rows}\n ],\n "runs": [\n{runs}\n ]\n}}\n'
