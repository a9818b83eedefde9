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


def quick(*arguments: str) -> int:
    """One tiny measurement, so that the test takes as long as five rounds of it."""
    return cli.main(["bench", "--quick", "--shape", "4x40", *arguments])


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.SECONDS, "quick", 0.02)
    monkeypatch.setenv("COLUMNS", "100")


def test_info_prints_all_of_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    for key in softlane.show_config():
        assert f"{key}:" in printed
    assert f"version: {softlane.__version__}\n" in printed


def test_info_needs_numpy_alone() -> None:
    code = (
        "import sys, runpy\n"
        "for name in ('rich', 'scipy', 'torch', 'onnxruntime', 'ml_dtypes', 'mpmath', 'flint'):\n"
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
    assert "'axb' is not ROWSxCOLS, such as 64x1000" in done.stderr


def test_bench_measures_every_cell(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    pytest.importorskip("scipy")
    file = tmp_path / "result.json"
    names = ["numpy", "scipy", "np.copyto", "np.exp"]
    assert quick("--against", *names, "--dtype", "f32", "f16", "--json", str(file)) == 0
    cells = json.loads(file.read_text())["cells"]
    keys = [(cell["dtype"], cell["mode"], cell["contestant"]) for cell in cells]
    assert sorted(keys) == sorted(
        (dtype, mode, name)
        for dtype in ("f32", "f16")
        for mode in ("out", "fresh")
        for name in ("softlane", *names)
    )
    for cell in cells:
        if cell["contestant"] == "scipy" and cell["mode"] == "out":
            assert cell["unsupported"] == "no out="
            continue
        times, samples = cell["ns_per_call"], cell["samples_ns_per_call"]
        assert len(samples) >= 5
        assert 0 < times["min"] <= times["p10"] <= times["median"] <= times["p90"]
        assert times["min"] == pytest.approx(min(samples), abs=1e-3)
        if cell["contestant"] == "softlane":
            assert cell["max_ulp"] <= (3.0 if cell["dtype"] == "f32" else 0.51)
        elif cell["floor"]:
            assert cell["max_ulp"] is None
        else:
            assert cell["max_ulp"] > 0

    printed = capsys.readouterr().out
    for text in ("4x40 f32", "4x40 f16", "ns per call", "Faster than softlane", "ULP", *names):
        assert text in printed
    assert np.__version__ in printed and softlane.__version__ in printed


def test_a_faster_contestant_is_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    nothing = bench.Contestant("x", "x", {}, to_numpy=np.asarray)
    monkeypatch.setitem(bench.CONTESTANTS, "numpy", lambda x, out: nothing)
    assert quick("--against", "numpy") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "x, faster" in printed
    assert "Faster than softlane: numpy at 4x40 f32 (out), numpy at 4x40 f32 (fresh)." in printed
    assert "inf ULP" in printed  # it wrote nothing into out


def test_missing_contestants_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert quick("--against", "torch", "onnxruntime", "numpy") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Not installed, so not measured: torch, onnxruntime" in printed
    assert 'pip install ".[peers]"' in printed


def test_bench_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert quick() == 2
    assert 'pip install ".[bench]"' in capsys.readouterr().err


def test_bf16_without_ml_dtypes_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert quick("--dtype", "bf16") == 2
    assert "pip install ml_dtypes" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["64", "64x", "0x3", "3x0", "-1x3", "64X1000", "1x2x3"])
def test_bad_shape(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", f"--shape={text}"])
    assert stop.value.code == 2
    assert "is not ROWSxCOLS" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--dtype", "f8"], ["--against", "nobody"]])
def test_unknown_names_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", *arguments])
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", bench.DTYPES)
@pytest.mark.parametrize("name", ["numpy", "scipy", "torch", "onnxruntime"])
def test_contestants_compute_softmax(name: str, dtype: str) -> None:
    """Both expressions of a contestant, against the oracle: it must be softmax that is timed."""
    if name != "numpy":
        pytest.importorskip(name)
    if dtype == "bf16":
        pytest.importorskip("ml_dtypes")
    x = bench.logits((3, 50), bench.numpy_dtype(dtype))
    out = np.zeros_like(x)
    try:
        contestant = bench.CONTESTANTS[name](x, out)
    except bench.Unsupported as error:
        pytest.skip(f"{name}: {error}")
    names = {"x": x, "out": out, **contestant.names}
    assert contestant.fresh is not None
    fresh = contestant.to_numpy(eval(contestant.fresh, names))
    assert fresh.dtype == x.dtype
    error = bench.max_error(fresh, x)
    assert error is not None and error < 50
    if contestant.out is not None:
        eval(contestant.out, names)
        error = bench.max_error(out, x)
        assert error is not None and error < 50


def test_samples_are_long_enough() -> None:
    """Each sample is at least SAMPLE_SECONDS long, whatever the call takes."""
    taken: list[float] = []

    class Recorder:
        def timeit(self, calls: int) -> float:
            took = 3e-6 * calls
            taken.append(took)
            return took

    timers = {"a": Recorder(), "b": Recorder()}
    samples = bench.sample(timers, 0.01, lambda part: None)  # type: ignore[arg-type]
    assert all(value == pytest.approx(3e-6) for name in timers for value in samples[name])
    assert sum(took >= bench.SAMPLE_SECONDS for took in taken) >= 2 * len(samples["a"])


def test_progress_goes_from_zero_to_one() -> None:
    parts: list[float] = []
    bench.run([(2, 30)], ["f32"], ["numpy"], 0.02, lambda label, part: parts.append(part))
    assert parts == sorted(parts)
    assert 0 <= parts[0] < 0.1 and parts[-1] == 1.0
