"""The README's tables, from results: nothing in them is written by hand."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Sequence

from softlane.bench import cases, table
from softlane.bench.figures import SMALL, cells_of
from softlane.bench.measurement import Cell, Result

BEGIN = "<!-- tables: python -m softlane plot --table -->"
LACKS = "–"  # noqa: RUF001
WIDTH = 120
END = "<!-- end of tables -->"

Row = dict[str, dict[str, Cell]]  # by contestant, by mode


def renew(path: pathlib.Path, results: Sequence[Result]) -> None:
    """Write the tables between their marks in a file.

    Raises
    ------
    ValueError
        If the marks are not in the file.
    """
    text = path.read_text(encoding="utf-8")
    head, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {BEGIN!r} and {END!r} for the tables to go between")
    path.write_text(head + begin + section(results) + end + tail, encoding="utf-8")


def section(results: Sequence[Result]) -> str:
    """The tables, what they mean, and where they come from, as Markdown."""
    rows: dict[tuple[str, str, tuple[int, ...]], Row] = {}
    for result in results:
        for cell in result["cells"]:
            key = (cell["op"], cell["dtype"], tuple(cell["shape"]))
            if key[2] in cases.FULL or cell["axis"] != -1:
                rows.setdefault(key, {}).setdefault(cell["contestant"], {}).setdefault(
                    cell["mode"], cell
                )
    main = {key: row for key, row in rows.items() if key[:2] == ("softmax", "f32")}
    main = {key: main[key] for key in sorted(main, key=_place)}
    others = {key: row for key, row in rows.items() if key not in main}
    text = f"{_wrapped(_origin(results))}\n\n{_table('softmax, float32', main)}\n"
    if others:
        text += f"\n{_table('the other functions and dtypes', others)}\n"
    return text + "\n" + _wrapped(_legend(results)) + "\n"


def _wrapped(text: str) -> str:
    """A paragraph in lines."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _place(key: tuple[str, str, tuple[int, ...]]) -> tuple[bool, int]:
    """The order of the shapes of `bench --full`, small calls last, others behind."""
    shape = key[2]
    place = cases.FULL.index(shape) if shape in cases.FULL else len(cases.FULL)
    return cases.elements(shape) <= SMALL, place


def _origin(results: Sequence[Result]) -> str:
    """The machine and the versions."""
    machine = results[0]["machine"]
    versions: dict[str, str] = {}
    for result in results:
        versions |= result["versions"]
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    runs = dict.fromkeys(str(result["settings"]["runs"]) for result in results)
    return (
        f"{machine['cpu']}, softlane on {machine['softlane']['isa']}, "
        f"{table.conditions(results[0])}; logits {results[0]['settings']['logits']}; medians of "
        f"{' or '.join(runs)} runs. {found[0].upper()}{found[1:]}."
    )


def _legend(results: Sequence[Result]) -> str:
    """How to read the tables."""
    cells = cells_of(results)
    absent = dict.fromkeys(name for result in results for name in result["missing"])
    text = (
        "Each cell: nanoseconds for an element (for a call on 10 elements, of the call); the "
        "maximum error in ULP (with the gradient: of the loss / of the gradient); the time against "
        "softlane's. `out=` is given, except in a cell with *, whose function has none; a call on "
        f"10 elements returns a fresh result. {LACKS}: no such function or dtype. **Bold**: faster "
        "than softlane."
    )
    if any(cell["contestant"] == "np.copyto" for cell in cells):
        text += " Copy is `np.copyto` of the same arrays."
    return text + (f" Not measured: {', '.join(absent)}." if absent else "")


def _table(title: str, rows: dict[tuple[str, str, tuple[int, ...]], Row]) -> str:
    """One table; contestants that are in no row have no column."""
    names = [name for name in _names(rows) if not name.startswith("np.")]
    copies = any("np.copyto" in row for row in rows.values())
    lines = [
        f"| {title} | {' | '.join(names)} |" + (" copy |" if copies else ""),
        "|---" * (1 + len(names) + copies) + "|",
    ]
    for (op, dtype, shape), row in rows.items():
        mode = _mode(row["softlane"], shape)
        cells = [_cell(row.get(name), row["softlane"][mode], mode) for name in names]
        if copies:
            cells.append(_cell(row.get("np.copyto"), row["softlane"][mode], mode))
        lines.append(f"| {_label(op, dtype, shape, row)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _names(rows: dict[tuple[str, str, tuple[int, ...]], Row]) -> list[str]:
    """The contestants in the order of their first row."""
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def _label(op: str, dtype: str, shape: tuple[int, ...], row: Row) -> str:
    """What a row is about; the main table's rows need no op and no dtype."""
    if cases.elements(shape) <= SMALL:
        return f"a call on {cases.elements(shape)} elements"
    [axis] = dict.fromkeys(cell["axis"] for cell in row["softlane"].values())
    words = [] if (op, dtype) == ("softmax", "f32") else [op, *([] if dtype == "f32" else [dtype])]
    words.append("(" + ", ".join(map(str, shape)) + ")")
    return " ".join(words) + ("" if axis == -1 else f" axis {axis}")


def _mode(own: dict[str, Cell], shape: tuple[int, ...]) -> str:
    """The mode that a row shows: `out` if softlane has it, but a fresh result of a small call."""
    return (
        "fresh"
        if cases.elements(shape) <= SMALL or "ns_per_call" not in own.get("out", {})
        else "out"
    )


def _short(value: float) -> str:
    """Two significant digits, but all of them before the point."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:#.2g}"


def _cell(cells: dict[str, Cell] | None, own: Cell, mode: str) -> str:
    """One contestant's time, error and ratio."""
    if cells is None:
        return LACKS
    cell, mark = cells[mode], ""
    if "ns_per_call" not in cell and "ns_per_call" in cells.get("fresh", {}):
        cell, mark = cells["fresh"], "*"
    if "ns_per_call" not in cell:
        return LACKS
    median = cell["ns_per_call"]["median"]
    words = [table.digits(median / table.per(cell)) + mark]
    if cell["max_ulp"]:
        found = ["?" if error is None else _short(error) for error in cell["max_ulp"].values()]
        words.append(f"{' / '.join(found)} ULP")
    if cell is not own:
        words.append(f"{_short(median / own['ns_per_call']['median'])}x")
    text = ", ".join(words)
    return f"**{text}**" if table.loses(cell, own) else text
