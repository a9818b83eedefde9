"""What the figures show: numbers out of results, no drawing. Imports no drawing package.

A figure's digest stands in its SVG file; tests compare it with that of the committed results.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from softlane.bench.cases import OPS, elements
from softlane.bench.measurement import CONTESTANTS, SCHEMA, Cell, Result, shape_text

SMALL = 4096  # elements: a call of at most so many is a small one


@dataclasses.dataclass(frozen=True)
class Series:
    """One contestant's points."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    floor: bool


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure's words and numbers; with `ticks`, x or y (`across`) counts them from 0."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()
    across: bool = False  # the ticks are rows, the values go to the right

    def digest(self) -> str:
        """A fingerprint of all of it."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load(paths: Iterable[pathlib.Path]) -> list[Result]:
    """The results in files that `bench --json` wrote.

    Raises
    ------
    ValueError
        If a file holds something else, or if the results are of different processors or versions.
    """
    results: list[Result] = []
    for path in paths:
        result = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(result, dict) or "cells" not in result or result.get("schema") != SCHEMA:
            raise ValueError(
                f"{path} is not a result of this version (expected schema {SCHEMA}, as "
                "`python -m softlane bench --json FILE` writes it)"
            )
        results.append(result)
    for key, of in (("processor", _cpu), ("number of threads", _threads)):
        found = dict.fromkeys(map(of, results))
        if len(found) > 1:
            raise ValueError(f"results of more than one {key}: {', '.join(map(str, found))}")
    return results


def _cpu(result: Result) -> object:
    return result["machine"]["cpu"]


def _threads(result: Result) -> object:
    return result["settings"]["threads"]


def cells_of(results: Sequence[Result]) -> list[Cell]:
    """The cells of all results that hold times; of one that is there twice, the first."""
    cells: dict[tuple[object, ...], Cell] = {}
    for cell in (cell for result in results for cell in result["cells"]):
        if "ns_per_call" in cell:
            key = tuple(cell[name] for name in ("op", "axis", "dtype", "mode", "contestant"))
            cells.setdefault((*key, *cell["shape"]), cell)
    return list(cells.values())


def figures(results: Sequence[Result]) -> list[Figure]:
    """Those figures for which the results hold the points."""
    cells = cells_of(results)
    drawn: list[Callable[[Sequence[Cell]], Figure]] = [time_figure, error_figure, small_figure]
    return [figure for draw in drawn if (figure := draw(cells)).series]


def _of_points(name: str, points: Iterable[tuple[float, float]], floor: bool) -> Series:
    """A series from its points, in the order of x."""
    ordered = sorted(points)
    return Series(name, tuple(x for x, _ in ordered), tuple(y for _, y in ordered), floor)


def _series(
    cells: Sequence[Cell], x: Callable[[Cell], float], y: Callable[[Cell], float]
) -> tuple[Series, ...]:
    """One series for each contestant."""
    points: dict[str, list[tuple[float, float]]] = {}
    floor: dict[str, bool] = {}
    for cell in cells:
        points.setdefault(cell["contestant"], []).append((x(cell), y(cell)))
        floor[cell["contestant"]] = cell["floor"]
    return tuple(
        _of_points(name, points[name], floor[name]) for name in CONTESTANTS if name in points
    )


def time_figure(cells: Sequence[Cell]) -> Figure:
    """Time for an element against row length.

    Of the op and dtype with most cells, where shapes of several row lengths share a number of
    elements: these; otherwise all shapes. A contestant without `out` has its fresh result there.
    """
    cells = [cell for cell in cells if "ns_per_call" in cell]
    if not cells:
        return Figure("time", "", "", "", ())
    cells = _most(cells, lambda cell: (cell["op"], cell["dtype"], cell["axis"]))
    ladder = _most(cells, lambda cell: elements(cell["shape"]))
    shapes = {tuple(cell["shape"]) for cell in ladder}
    same = len(shapes) > 3
    if same:
        cells = ladder
    axis = cells[0]["axis"]
    order = sorted(
        {tuple(cell["shape"]) for cell in cells}, key=lambda shape: (shape[axis], elements(shape))
    )
    has_out = {cell["contestant"] for cell in cells if cell["mode"] == "out"}
    shown = [cell for cell in cells if cell["mode"] == "out" or cell["contestant"] not in has_out]
    series = _series(
        shown,
        lambda cell: order.index(tuple(cell["shape"])),
        lambda cell: cell["ns_per_call"]["median"] / elements(cell["shape"]),
    )
    op, dtype = cells[0]["op"], cells[0]["dtype"]
    lacking = ", ".join(dict.fromkeys(c["contestant"] for c in shown if c["mode"] != "out"))
    title = f"{op}, {dtype}, out= given" + (f" (not to {lacking})" if lacking else "")
    ticks = [f"{shape[axis]:,}" if same else shape_text(shape) for shape in order]
    return Figure(
        "time",
        title if has_out else f"{op}, {dtype}",
        f"row length, of {elements(order[0]):,} elements" if same else "shape",
        "ns per element",
        series,
        tuple(ticks),
    )


def _most(cells: Sequence[Cell], key: Callable[[Cell], Any]) -> list[Cell]:
    """The cells of the key that has most of them."""
    [(most, _)] = collections.Counter(map(key, cells)).most_common(1)
    return [cell for cell in cells if key(cell) == most]


def error_figure(cells: Sequence[Cell]) -> Figure:
    """The largest error of each contestant in each op, float32, over all shapes."""
    worst: dict[tuple[str, str], float] = {}
    labels: dict[str, None] = {}
    for op in OPS:
        for cell in cells:
            if cell["op"] != op or cell["dtype"] != "f32":
                continue
            for part, error in cell["max_ulp"].items():
                label = op if part in ("result", "loss") else f"{op}:\n{part}"
                if op == "cross_entropy_with_grad" and part == "loss":
                    continue  # that of cross_entropy
                labels[label] = None
                if error is not None:
                    key = (cell["contestant"], label)
                    worst[key] = max(worst.get(key, 0.0), error)
    rows = tuple(labels)
    series = tuple(
        _of_points(
            name,
            ((at, worst[name, row]) for at, row in enumerate(rows) if (name, row) in worst),
            False,
        )
        for name in CONTESTANTS
        if any(name == entered for entered, _ in worst)
    )
    return Figure(
        "error",
        "float32; 3 ULP is the bound that softlane promises",
        "maximum error in ULP",
        "",
        series,
        rows,
        across=True,
    )


def small_figure(cells: Sequence[Cell]) -> Figure:
    """The time of a call of softmax on one small row with a fresh result, float32."""
    small = [
        cell
        for cell in cells
        if cell["op"] == "softmax"
        and cell["mode"] == "fresh"
        and cell["dtype"] == "f32"
        and elements(cell["shape"]) == cell["shape"][-1] <= SMALL
    ]
    series = _series(
        small, lambda cell: elements(cell["shape"]), lambda cell: cell["ns_per_call"]["median"]
    )
    return Figure(
        "small", "softmax of one row, f32, fresh result", "elements", "ns per call", series
    )
