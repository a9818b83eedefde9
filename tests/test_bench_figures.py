"""`python -m softlane plot`: figures and tables are what results say, the README's too."""

from __future__ import annotations

import json
import pathlib
import re
import sys
import xml.etree.ElementTree
from typing import Any

import pytest

from softlane import bench, cli
from softlane.bench import draw, figures, markdown

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
# The results that the last command of bench/run_all draws, in its order.
NAMES = re.search(r'plot "\$results"/\{([a-z,]+)\}\.json', (ROOT / "bench" / "run_all").read_text())


def committed() -> list[bench.Result]:
    assert NAMES is not None
    return figures.load(RESULTS / f"{name}.json" for name in NAMES[1].split(","))


def cell(contestant: str, shape: tuple[int, ...], mode: str = "out", **other: Any) -> bench.Cell:
    """A cell of softmax, f32, whose one sample is its number of elements times 2."""
    time = 2.0
    for length in shape:
        time *= length
    return {
        "op": "softmax",
        "shape": list(shape),
        "axis": -1,
        "dtype": "f32",
        "mode": mode,
        "contestant": contestant,
        "floor": contestant.startswith("np."),
        "max_ulp": {} if contestant.startswith("np.") else {"result": 1.5},
        "runs_ns_per_call": [[time]],
        "ns_per_call": {"min": time, "median": time, "p10": time, "p90": time},
        **other,
    }


def result(*cells: bench.Cell) -> bench.Result:
    """A result of a tiny measurement, with these cells."""
    made = bench.run(bench.Plan([(1, 3)], ["f32"], [], 0.001), lambda label, part: None)
    return {**made, "cells": list(cells)}


ORDER = [f"{name}-{theme}.svg" for name in ("time", "error", "small") for theme in draw.THEMES]
LADDER = [(1 << (20 - bits), 1 << bits) for bits in range(2, 21, 3)]


def test_the_readme_shows_the_committed_results() -> None:
    """Not a digit of the tables was written by hand."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = markdown.section(committed())
    assert f"{markdown.BEGIN}\n{section}{markdown.END}" in text


def test_the_committed_figures_are_of_the_committed_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = figures.figures(committed())
    assert [figure.name for figure in drawn] == ["time", "error", "small"]
    for figure in drawn:
        for theme in draw.THEMES:
            text = (RESULTS / f"{figure.name}-{theme}.svg").read_text(encoding="utf-8")
            assert f">{draw.DIGEST}{figure.digest()}<" in text
            assert f"bench/results/{figure.name}-{theme}.svg" in readme
    assert sorted(path.name for path in RESULTS.glob("*.svg")) == sorted(ORDER)


def test_the_readme_names_the_command_that_measures_it() -> None:
    assert "`bench/run_all`" in (ROOT / "README.md").read_text(encoding="utf-8")
    run_all = (ROOT / "bench" / "run_all").read_text()
    names = {path.stem for path in RESULTS.glob("*.json")}
    assert NAMES is not None and names == {*NAMES[1].split(","), "targets"}
    measured = set(re.findall(r"^measure (\w+)", run_all, re.MULTILINE))
    assert measured == set(NAMES[1].split(","))


def test_committed_results_name_no_machine() -> None:
    for path in RESULTS.glob("*.json"):
        facts = json.loads(path.read_text())["machine"]
        assert set(facts) == {"cpu", "cores", "caches", "system", "utc", "softlane"}
        assert not re.search(r"/(home|root|Users|work|tmp)/", path.read_text())


def test_time_takes_the_shapes_that_share_a_number_of_elements() -> None:
    cells = [cell(name, shape) for name in ("softlane", "np.copyto") for shape in LADDER]
    cells += [cell("scipy", shape, "fresh") for shape in LADDER] + [cell("softlane", (3, 5))]
    figure = figures.time_figure(cells)
    assert [series.name for series in figure.series] == ["softlane", "scipy", "np.copyto"]
    assert figure.ticks == tuple(f"{length:,}" for _, length in LADDER)
    assert figure.title == "softmax, f32, out= given (not to scipy)"
    assert figure.x_label == "row length, of 1,048,576 elements"
    for series in figure.series:
        assert series.x == tuple(range(len(LADDER))) and set(series.y) == {2.0}


def test_time_of_other_shapes_names_each_shape() -> None:
    figure = figures.time_figure([cell("softlane", (3, 5)), cell("softlane", (9, 2))])
    assert figure.ticks == ("9x2", "3x5")


def test_error_is_the_largest_of_all_shapes() -> None:
    cells = [cell("softlane", (1, n), max_ulp={"result": float(n)}) for n in (1, 5, 3)]
    parts = {"loss": 100.0, "gradient": 7.0}
    cells.append(cell("softlane", (1, 2), op="cross_entropy_with_grad", max_ulp=parts))
    cells.append(cell("softlane", (1, 2), dtype="f64", max_ulp={"result": 1000.0}))
    figure = figures.error_figure(cells)
    assert figure.ticks == ("softmax", "cross_entropy_with_grad:\ngradient")
    assert figure.series == (figures.Series("softlane", (0, 1), (5.0, 7.0), False),)


def test_small_takes_fresh_results_of_one_row() -> None:
    cells = [cell("softlane", (1, n), mode) for n in (3, 30) for mode in ("out", "fresh")]
    cells += [cell("softlane", (2, 3), "fresh"), cell("softlane", (1, 1 << 20), "fresh")]
    [series] = figures.small_figure(cells).series
    assert (series.x, series.y) == ((3, 30), (6.0, 60.0))


def test_the_tables_say_who_is_faster_and_what_is_missing() -> None:
    fast = dict.fromkeys(("min", "median", "p10", "p90"), 64000.0)
    cells = [
        cell("softlane", (64, 1000)),
        cell("softlane", (64, 1000), "fresh"),
        cell("torch", (64, 1000), ns_per_call=fast),
        cell("torch", (64, 1000), "fresh"),
        cell("scipy", (64, 1000), "fresh"),
        cell("softlane", (64, 1000), "fresh", op="cross_entropy"),
    ]
    lacking = {"op": "softmax", "shape": [64, 1000], "axis": -1, "dtype": "f32", "mode": "out"}
    cells.append({**lacking, "contestant": "scipy", "unsupported": "no out="})
    text = markdown.section([{**result(*cells), "missing": ["jax"]}])
    times = ["2.00, 1.5 ULP", "**1.00, 1.5 ULP, 0.50x**", "2.00*, 1.5 ULP, 1.0x"]
    assert f"| (64, 1000) | {' | '.join(times)} |" in text
    assert "| cross_entropy (64, 1000) | 2.00, 1.5 ULP |" in text
    assert "Not measured: jax." in " ".join(text.split())


def test_figures_are_drawn_alike_each_time(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    cells = [cell(name, shape) for name in ("softlane", "numpy", "np.copyto") for shape in LADDER]
    cells += [cell("numpy", (1, n), "fresh", max_ulp={"result": float("inf")}) for n in (3, 30)]
    file = tmp_path / "result.json"
    file.write_text(bench.save(result(*cells)))
    for folder in ("one", "two"):
        assert cli.main(["plot", str(file), "-o", str(tmp_path / folder)]) == 0
    names = {path.name for path in (tmp_path / "one").iterdir()}
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / folder / n) for folder in ("one", "two") for n in ORDER]
    assert names == set(ORDER)
    for name in names:
        text = (tmp_path / "one" / name).read_bytes()
        assert text == (tmp_path / "two" / name).read_bytes()
        xml.etree.ElementTree.fromstring(text)
        assert b"<dc:date>" not in text
    light, dark = ((tmp_path / "one" / f"time-{theme}.svg").read_text() for theme in draw.THEMES)
    assert draw.THEMES["light"]["ink"] in light and draw.THEMES["dark"]["ink"] in dark


def test_bench_draws_what_it_measured(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("rich")
    file = tmp_path / "f.svg"
    options = ["--seconds", "0.02", "--against", "numpy", "--op", "logsumexp", "--plot", str(file)]
    assert cli.main(["bench", "--shape", "4x40", "40x4", *options]) == 0
    assert draw.DIGEST in file.read_text()


def test_plot_renews_the_tables_and_nothing_else(tmp_path: pathlib.Path) -> None:
    file, page = tmp_path / "result.json", tmp_path / "README.md"
    file.write_text(bench.save(result(cell("softlane", (64, 1000)))))
    page.write_text(f"before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter\n")
    for _ in range(2):
        assert cli.main(["plot", str(file), "--table", str(page)]) == 0
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"before\n{markdown.BEGIN}\n")
        assert text.endswith(f"{markdown.END}\nafter\n")
        assert text.count("(64, 1000)") == 1 and "\nold" not in text


def test_plot_refuses_what_it_cannot_use(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "result.json", tmp_path / "README.md"

    def refused(text: str, *options: str) -> str:
        file.write_text(text)
        assert cli.main(["plot", str(file), *options]) == 2
        return capsys.readouterr().err

    page.write_text("no marks")
    made = result(cell("softlane", (64, 1000)))
    assert "is not a result of this version (expected schema 2" in refused("[]")
    assert "is not a result of this version" in refused(json.dumps({**made, "schema": 1}))
    assert "plot: Expecting value" in refused("nonsense")
    assert "has no lines" in refused(bench.save(made), "--table", str(page))
    other = tmp_path / "other.json"
    other.write_text(bench.save({**made, "machine": {**made["machine"], "cpu": "another"}}))
    assert "more than one processor" in refused(bench.save(made), str(other))
    assert cli.main(["plot", str(tmp_path / "absent.json")]) == 2
    assert "absent.json" in capsys.readouterr().err


def test_figures_without_matplotlib_say_what_to_install(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["plot", "any.json", "-o", str(tmp_path)]) == 2
    assert "pip install matplotlib" in capsys.readouterr().err
    assert cli.main(["bench", "--quick", "--plot", str(tmp_path / "f.svg")]) == 2
    assert "pip install matplotlib" in capsys.readouterr().err
