"""A whole measurement: every contestant on every case, in one process, into one result."""

from __future__ import annotations

import dataclasses
import itertools
import json
import timeit
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from softlane.bench import clock, errors, machine
from softlane.bench.cases import (
    LOGIT_SPREAD,
    OPS,
    Array,
    Case,
    Contestant,
    Shape,
    Unsupported,
    make_case,
)
from softlane.bench.in_jax import in_jax
from softlane.bench.in_numpy import FLOORS, in_numexpr, in_numpy, in_scipy, in_softlane
from softlane.bench.in_onnxruntime import in_onnxruntime
from softlane.bench.in_torch import in_torch

SCHEMA = 2  # of the result: described in bench/README.md

CONTESTANTS: dict[str, Callable[[Case], Contestant]] = {
    "softlane": in_softlane,
    "numpy": in_numpy,
    "scipy": in_scipy,
    "numexpr": in_numexpr,
    "torch": in_torch,
    "onnxruntime": in_onnxruntime,
    "jax": in_jax,
    **FLOORS,
}

Cell = dict[str, Any]
Result = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to measure; `seconds` is the time spent on one case in one run."""

    shapes: Sequence[Shape]
    dtypes: Sequence[str]
    against: Sequence[str]
    seconds: float
    ops: Sequence[str] = ("softmax",)
    axis: int = -1
    threads: int = 1
    runs: int = 1
    cold: bool = False


def shape_text(shape: Sequence[int]) -> str:
    """A shape as the command line takes it."""
    return "x".join(map(str, shape))


def parts_of(contestant: Contestant, case: Case, mode: str, result: Any) -> tuple[Array, ...]:
    """The parts of a result as NumPy arrays; with `out` the last of them is there."""
    count = len(OPS[case.op].parts)
    if mode == "out" and count == 1:
        return (case.out,)
    whole = contestant.to_numpy(result)
    parts = tuple(map(np.asarray, whole if count > 1 else (whole,)))
    return (*parts[:-1], case.out) if mode == "out" else parts


def enter(names: Sequence[str], case: Case) -> tuple[dict[str, Contestant], dict[str, str]]:
    """The contestants that can do a case, and what the others lack."""
    able: dict[str, Contestant] = {}
    unable: dict[str, str] = {}
    for name in names:
        try:
            able[name] = CONTESTANTS[name](case)
        except Unsupported as error:
            unable[name] = str(error)
    return able, unable


def measure(
    case: Case,
    contestants: dict[str, Contestant],
    seconds: float,
    tick: Callable[[float], None],
    before: Callable[[], object] | None,
    single: bool,
    judged: bool,
) -> Iterator[tuple[str, dict[str, errors.Errors], dict[str, list[float]]]]:
    """For each mode of the op: its name, the errors if asked for, and the samples in seconds."""
    judge = errors.judge(case) if judged else None
    modes = OPS[case.op].modes
    for at, mode in enumerate(modes):
        timers: dict[str, timeit.Timer] = {}
        found: dict[str, errors.Errors] = {}
        for name, contestant in contestants.items():
            expression = contestant.expression(mode)
            if expression is None:
                continue
            namespace = contestant.namespace(case)
            timers[name] = timeit.Timer(expression, globals=namespace)
            if judge is None or contestant.floor:
                continue
            case.out.fill(np.nan)
            result = eval(expression, namespace)
            found[name] = judge(parts_of(contestant, case, mode, result))

        def part(fraction: float, at: int = at) -> None:
            tick((at + fraction) / len(modes))

        samples = clock.sample(timers, seconds / len(modes), part, before, single) if timers else {}
        yield mode, found, samples


def run(plan: Plan, tick: Callable[[str, float], None]) -> Result:
    """Measure everything.

    Parameters
    ----------
    plan : Plan
        What to measure.
    tick : callable
        Hears what is measured, and the part done of the whole.

    Returns
    -------
    dict
        What `save` can write: machine, versions, settings, missing contestants, and a list of
        cells with every sample, as described in bench/README.md.

    Raises
    ------
    ValueError
        If the process may not use so many processors, or a shape has no such axis.
    """
    for shape in plan.shapes:
        if not -len(shape) <= plan.axis < len(shape):
            raise ValueError(
                f"axis {plan.axis} is out of bounds for the shape {shape_text(shape)} "
                f"(expected {-len(shape)} to {len(shape) - 1})"
            )
    absent = machine.missing(plan.against)
    names = ["softlane", *(name for name in plan.against if name not in absent)]
    cases = list(itertools.product(plan.ops, plan.dtypes, plan.shapes))
    steps = plan.runs * len(cases)
    cells: dict[tuple[Any, ...], Cell] = {}
    before: Callable[[], object] | None = clock.rest if plan.threads > 1 else None
    evicted = 0
    if plan.cold:
        before, evicted = clock.evictor(max(machine.caches().values(), default=0))
    with machine.pinned(plan.threads) as pinning, np.errstate(all="ignore"):
        for step, (turn, (op, dtype, shape)) in enumerate(
            itertools.product(range(plan.runs), cases)
        ):
            label = f"{op} of {shape_text(shape)} {dtype}"
            if plan.runs > 1:
                label += f", run {turn + 1} of {plan.runs}"

            def part(fraction: float, step: int = step, label: str = label) -> None:
                tick(label, (step + fraction) / steps)

            part(0.0)
            case = make_case(op, shape, dtype, plan.axis, plan.threads)
            fit = [name for name in names if name not in FLOORS or name in OPS[op].floors]
            able, unable = enter(fit, case)
            for mode, found, samples in measure(
                case, able, plan.seconds, part, before, plan.cold, judged=turn == 0
            ):
                for name in fit:
                    key = (op, dtype, shape, mode, name)
                    if turn == 0:
                        cells[key] = {
                            "op": op,
                            "shape": list(shape),
                            "axis": plan.axis,
                            "dtype": dtype,
                            "mode": mode,
                            "contestant": name,
                        }
                    _record(cells[key], samples.get(name), unable.get(name), found.get(name))
    for cell in cells.values():
        if "runs_ns_per_call" in cell:
            cell["ns_per_call"] = clock.statistics(cell["runs_ns_per_call"])
    return {
        "schema": SCHEMA,
        "machine": machine.machine(),
        "versions": machine.versions([*names, *(["ml_dtypes"] if "bf16" in plan.dtypes else [])]),
        "settings": {
            **pinning,
            "logits": f"normal, standard deviation {LOGIT_SPREAD:g}",
            "runs": plan.runs,
            "seconds_per_case": plan.seconds,
            "sample_seconds": clock.SAMPLE_SECONDS,
            "evicted_bytes": evicted,
            "error_elements": errors.ERROR_ELEMENTS,
        },
        "missing": absent,
        "cells": list(cells.values()),
    }


def _record(
    cell: Cell, samples: list[float] | None, lack: str | None, found: errors.Errors | None
) -> None:
    """Add one run to a cell."""
    if samples is None:
        cell["unsupported"] = lack or "no out="
        return
    if "runs_ns_per_call" not in cell:
        cell["floor"] = cell["contestant"] in FLOORS
        cell["max_ulp"] = found or {}
        cell["runs_ns_per_call"] = []
    cell["runs_ns_per_call"].append([float(f"{1e9 * value:.5g}") for value in samples])


def save(result: Result) -> str:
    """The result as JSON text, a line for each cell."""
    head = {key: value for key, value in result.items() if key != "cells"}
    lines = ",\n".join("  " + json.dumps(cell) for cell in result["cells"])
    return json.dumps(head, indent=1)[:-2] + f',\n "cells": [\n{lines}\n ]\n}}\n'
