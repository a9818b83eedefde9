"""Figures as SVG, by matplotlib, which is imported when it is needed.

The same figure gives the same bytes from the same matplotlib. The background is transparent; text
is drawn as outlines, so that it looks the same everywhere.
"""

from __future__ import annotations

import importlib
import io
import math
import pathlib
from collections.abc import Iterable
from typing import Any

from softlane.bench.figures import Figure, Series

THEMES = {
    "light": {"ink": "#1f2328", "grid": "#d1d9e0", "floor": "#7d8590"},
    "dark": {"ink": "#e6edf3", "grid": "#3d444d", "floor": "#8d96a0"},
}
# Colour for light pages, for dark pages (after Okabe and Ito, apart for most eyes), and marker.
LOOKS = {
    "softlane": ("#d1242f", "#ff6b6b", "o"),
    "numpy": ("#0072b2", "#56a9e8", "s"),
    "scipy": ("#56b4e9", "#9fd6ff", "v"),
    "numexpr": ("#7a6a00", "#d8c93a", "P"),
    "torch": ("#d55e00", "#f0a35e", "^"),
    "onnxruntime": ("#009e73", "#3ecf9f", "D"),
    "jax": ("#a3509c", "#dc9fd4", "X"),
}
DIGEST = "digest "  # before a figure's digest in its file


def svg(figure: Figure, theme: str) -> str:
    """A figure as the text of an SVG file.

    Parameters
    ----------
    figure : Figure
        What to draw.
    theme : str
        "light" or "dark": the pages that it is for.

    Returns
    -------
    str
        Without a date; the figure's digest stands in its description.
    """
    matplotlib = importlib.import_module("matplotlib")
    backend = importlib.import_module("matplotlib.backends.backend_svg")
    figures = importlib.import_module("matplotlib.figure")
    ink = THEMES[theme]["ink"]
    style = {
        "svg.hashsalt": "softlane",
        "svg.fonttype": "path",
        "font.family": ["DejaVu Sans"],
        "font.size": 11,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": THEMES[theme]["grid"],
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": THEMES[theme]["grid"],
        "grid.linewidth": 0.6,
    }
    with matplotlib.rc_context(style):
        page = figures.Figure(figsize=(8.8, 4.6), layout="constrained")
        backend.FigureCanvasSVG(page)
        axes = page.add_subplot()
        for series in figure.series:
            _plot(axes, figure, series, theme)
        _scales(axes, figure, theme)
        page.legend(loc="outside right upper", frameon=False)
        text = io.StringIO()
        description = DIGEST + figure.digest()
        metadata = {"Date": None, "Title": figure.name, "Description": description}
        page.savefig(text, format="svg", transparent=True, metadata=metadata)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _plot(axes: Any, figure: Figure, series: Series, theme: str) -> None:
    """The points of one contestant; a floor is a line without markers."""
    light, dark, marker = LOOKS.get(series.name, ("", "", ""))
    color = light if theme == "light" else dark
    own = series.name == "softlane"
    options: dict[str, Any] = {"label": series.name, "zorder": 4 if own else 3}
    if series.floor:
        dashes = "--" if series.name == "np.copyto" else ":"
        options |= {"color": THEMES[theme]["floor"], "linestyle": dashes, "linewidth": 1.5}
    else:
        options |= {"color": color or THEMES[theme]["ink"], "marker": marker or "."}
        options |= {"linewidth": 2.4 if own else 1.3, "markersize": 8 if own else 6}
    if figure.across:
        largest = max((y for s in figure.series for y in s.y if math.isfinite(y)), default=1)
        values = [y if math.isfinite(y) else 10 * largest for y in series.y]
        beside = 0.1 * (figure.series.index(series) - (len(figure.series) - 1) / 2)
        axes.plot(values, [x + beside for x in series.x], **(options | {"linestyle": "none"}))
    else:
        axes.plot(series.x, series.y, **options)


def _scales(axes: Any, figure: Figure, theme: str) -> None:
    """Axes, ticks, words."""
    ticker = importlib.import_module("matplotlib.ticker")
    axes.set_title(figure.title, loc="left", fontsize=11)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    values = axes.xaxis if figure.across else axes.yaxis
    if figure.across:
        axes.set_xscale("log")
        axes.set_yticks(range(len(figure.ticks)), figure.ticks)
        axes.set_ylim(len(figure.ticks) - 0.5, -0.5)
        axes.axvline(3, color=THEMES[theme]["floor"], linestyle="--", linewidth=1.5)
    else:
        axes.set_yscale("log")
        if figure.ticks:
            long = max(map(len, figure.ticks)) > 6
            turn = {"rotation": 30, "ha": "right"} if long else {}
            axes.set_xticks(range(len(figure.ticks)), figure.ticks, **turn)
        else:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    low, high = axes.get_xlim() if figure.across else axes.get_ylim()
    values.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    values.set_major_formatter(ticker.FuncFormatter(lambda value, at: f"{value:,.6g}"))
    values.set_minor_locator(ticker.NullLocator())
    axes.grid(True)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def write(figures: Iterable[Figure], folder: pathlib.Path) -> list[pathlib.Path]:
    """Write each figure for both themes; the files are <name>-<theme>.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        for theme in THEMES:
            path = folder / f"{figure.name}-{theme}.svg"
            path.write_text(svg(figure, theme), encoding="utf-8")
            written.append(path)
    return written
