"""`python -m softlane info` and `python -m softlane bench`."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import softlane
from softlane import bench, cli

OWN_BOUND = {"f32": 3.0, "f64": 3.0, "f16": 0.51, "bf16": 0.51}


def quick(*arguments: str) -> int:
    """One tiny measurement, so that the test takes as long as five rounds of it."""
    return cli.main(["bench", "--quick", "--shape", "4x40", *arguments])


def stdout(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, its lines joined."""
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.SECONDS, "quick", 0.02)
    monkeypatch.setenv("COLUMNS", "120")


def test_info_prints_all_of_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for key in softlane.show_config():
        assert f"{key}:" in printed
    assert f"version: {softlane.__version__}\n" in printed


def test_info_needs_numpy_alone() -> None:
    code = (
        "import sys, runpy\n"
        "for name in ('rich', 'scipy', 'torch', 'onnxruntime', 'jax', 'numexpr', 'matplotlib',\n"
        "             'ml_dtypes', 'mpmath', 'flint'):\n"
        "    sys.modules[name] = None\n"
        "sys.argv = ['softlane', 'info']\n"
        "runpy.run_module('softlane', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"isa: {softlane.show_config()['isa']}\n" in done.stdout


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "softlane", "bench", "--shape", "axb"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "'axb' is not a shape (expected lengths of at least 1, such as 64x1000" in done.stderr


def test_bench_measures_every_cell(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    pytest.importorskip("scipy")
    file = tmp_path / "result.json"
    names = ["numpy", "scipy", "np.copyto", "np.exp"]
    options = ["--dtype", "f32", "f16", "--runs", "2", "--json", str(file)]
    assert quick("--against", *names, *options) == 0
    cells = json.loads(file.read_text())["cells"]
    keys = [(cell["dtype"], cell["mode"], cell["contestant"]) for cell in cells]
    assert sorted(keys) == sorted(
        (dtype, mode, name)
        for dtype in ("f32", "f16")
        for mode in ("out", "fresh")
        for name in ("softlane", *names)
    )
    for cell in cells:
        assert (cell["op"], cell["axis"], cell["shape"]) == ("softmax", -1, [4, 40])
        if cell["contestant"] == "scipy" and cell["mode"] == "out":
            assert cell["unsupported"] == "no out="
            continue
        times, runs = cell["ns_per_call"], cell["runs_ns_per_call"]
        assert len(runs) == 2
        assert all(len(samples) >= 5 for samples in runs)
        assert 0 < times["min"] <= times["p10"] <= times["median"] <= times["p90"]
        assert times["min"] == min(map(min, runs))
        assert times["median"] == pytest.approx(np.mean([np.median(run) for run in runs]))
        if cell["contestant"] == "softlane":
            assert cell["max_ulp"]["result"] <= OWN_BOUND[cell["dtype"]]
        elif cell["floor"]:
            assert cell["max_ulp"] == {}
        else:
            assert cell["max_ulp"]["result"] > 0

    printed = stdout(capsys)
    for text in ("4x40 f32", "4x40 f16", "ns per call", "Faster than softlane", "ULP", *names):
        assert text in printed
    for text in (np.__version__, softlane.__version__, "one thread", "medians of 2 runs"):
        assert text in printed


@pytest.mark.parametrize("op", bench.OPS)
def test_bench_prints_a_table_for_each_op(op: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    floors = ["np.copyto", "np.exp", "np.max", "np.multiply"]
    assert quick("--op", op, "--against", "numpy", "scipy", *floors) == 0
    printed = stdout(capsys)
    assert f"{op} along the last axis, one thread" in printed
    assert ("out= given" in printed) == ("out" in bench.OPS[op].modes)
    if op.startswith("cross_entropy") or op.endswith("_backward"):
        assert f"no {op}" in printed  # scipy
    floors_there = f"{', '.join(bench.OPS[op].floors)}: floors, which do less than the op"
    assert floors_there in printed


def test_an_axis_that_is_not_the_last(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    file = tmp_path / "result.json"
    options = ["--axis", "1", "--against", "numpy", "--json", str(file)]
    assert cli.main(["bench", "--quick", "--shape", "2x3x4x5", *options]) == 0
    assert "softmax along axis 1, one thread" in stdout(capsys)
    for cell in json.loads(file.read_text())["cells"]:
        assert (cell["axis"], cell["shape"]) == (1, [2, 3, 4, 5])
        assert cell["max_ulp"]["result"] < 50  # the oracle's axis was the same


def test_cold_samples_are_single_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("softlane.bench.clock.EVICT_BYTES", (1 << 20, 1 << 20))
    file = tmp_path / "result.json"
    assert quick("--cold", "--against", "numpy", "--json", str(file)) == 0
    printed = stdout(capsys)
    assert "one thread, cold caches" in printed
    assert "samples of one call, after writing 1 MiB" in printed
    assert json.loads(file.read_text())["settings"]["evicted_bytes"] == 1 << 20


def test_a_faster_contestant_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    nothing = bench.Contestant("x", "x", {})
    monkeypatch.setitem(bench.CONTESTANTS, "numpy", lambda case: nothing)
    assert quick("--against", "numpy") == 0
    printed = stdout(capsys)
    assert "x, faster" in printed
    lost = "numpy in softmax of 4x40 f32 (out), numpy in softmax of 4x40 f32 (fresh)."
    assert f"Faster than softlane: {lost}" in printed
    assert "inf ULP" in printed  # it wrote nothing into out


def test_missing_contestants_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    absent = ["torch", "onnxruntime", "jax", "numexpr"]
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    assert quick("--against", *absent, "numpy") == 0
    printed = stdout(capsys)
    assert f"Not installed, so not measured: {', '.join(absent)}" in printed
    assert 'pip install ".[peers]"' in printed


@pytest.mark.parametrize("command", ["bench", "targets"])
def test_without_its_extra_a_command_says_what_to_install(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert cli.main([command]) == 2
    assert 'pip install ".[bench]"' in capsys.readouterr().err


def test_bf16_without_ml_dtypes_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert quick("--dtype", "bf16") == 2
    assert "pip install ml_dtypes" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "64x", "0x3", "3x0", "-1x3", "64X1000", "1x2x", "1.5", "x"])
def test_bad_shape(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", f"--shape={text}"])
    assert stop.value.code == 2
    assert f"{text!r} is not a shape" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "f8"], "invalid choice"),
        (["--against", "nobody"], "invalid choice"),
        (["--op", "softmin"], "invalid choice"),
        (["--threads", "0"], "'0' is not a whole number from 1 on"),
        (["--runs", "two"], "'two' is not a whole number from 1 on"),
        (["--seconds", "0"], "'0' is not a number of seconds above 0"),
        (["--seconds", "-1"], "'-1' is not a number of seconds above 0"),
        (["--seconds", "nan"], "'nan' is not a number of seconds above 0"),
        (["--axis", "1.5"], "invalid int value"),
    ],
)
def test_bad_options_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "100000"], "bench: threads is 100000, but this process may use "),
        (["--axis", "2"], "bench: axis 2 is out of bounds for the shape 4x40 (expected -2 to 1)"),
        (["--json", "absent/f.json"], "cannot write absent/f.json: there is no folder absent"),
        (["--plot", "absent/f.svg"], "cannot write absent/f.svg: there is no folder absent"),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_is_measured(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib") if "--plot" in arguments else None
    assert quick("--against", "numpy", *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
