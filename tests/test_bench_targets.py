"""`python -m softlane targets`: every target is measured, and none is met by accident."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import timeit

import numpy as np
import pytest

from softlane import _core, cli
from softlane.bench import machine, package_facts, target_groups, target_rows, targets


def pinned_times(value: float = 1.0) -> target_rows.Times:
    """Times in which every timer of every target takes as long."""

    class Same(dict[str, float]):
        def __missing__(self, name: str) -> float:
            return value

    groups = targets.chosen(None)
    return {name: Same() for name in groups}


def test_every_target_reads_a_group_that_is_measured() -> None:
    rows = list(target_rows.every_target())
    assert len({row.what for row in rows}) == len(rows) > 50
    for row in rows:
        assert row.value(pinned_times()) >= 0
        assert row.relation in ("<=", ">=")
        assert row.met(row.limit)
        assert row.met(row.limit * 0.9) == (row.relation == "<=")


def test_the_median_of_the_runs_counts() -> None:
    target = target_rows.at_most("what", 1.5, "group", "a", "b")
    runs = [{"group": {"a": a, "b": 1.0}} for a in (1.0, 9.0, 1.4)]
    row = target_rows.judged(target, runs, True)
    assert row is not None
    assert (row["measured"], row["met"], row["runs"]) == (1.4, True, [1.0, 9.0, 1.4])
    absent = target_rows.judged(target, [{}], True)
    assert absent is not None and absent["measured"] is absent["met"] is None
    assert target_rows.judged(target, [{}], False) is None


LARGE = ("out of cache", "fresh result", "4096", "1x21x512x512")  # ten million numbers and more


@pytest.mark.parametrize(
    "name", [n for n in target_groups.own_groups() if not any(word in n for word in LARGE)]
)
def test_groups_run(name: str) -> None:
    """Each timer once, in shapes that are those of the targets."""
    for timer, elements in target_groups.own_groups()[name]().values():
        assert timer.timeit(1) > 0
        assert elements >= 1


def test_unaligned_arrays_are_so() -> None:
    array = np.arange(10, dtype=np.float32)
    for offset in (0, 1, 4):
        moved = target_groups._at_offset(array, offset)
        assert moved.ctypes.data % 64 == offset
        np.testing.assert_array_equal(moved, array)


def test_two_threads_are_set_before_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr("softlane.set_num_threads", chosen.append, raising=False)
    monkeypatch.setattr(machine, "cpus", lambda: [0, 1])
    timers = target_groups.two_threads((2, 3))
    for timer, elements in timers.values():
        timer.timeit(3)
        assert elements == 6
    assert chosen == [1, 2]
    monkeypatch.setattr(machine, "cpus", lambda: [0])
    assert target_groups.two_threads((2, 3)) == {}


def test_targets_are_measured_printed_and_written(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "150")
    file = tmp_path / "targets.json"
    words = ["tiny", "hostile", "package"]
    options = ["--runs", "2", "--seconds", "0.01", "--json", str(file)]
    assert cli.main(["targets", "--only", *words, *options]) == 0
    result = json.loads(file.read_text())
    what = [row["what"] for row in result["targets"]]
    assert len(what) == 1 + len(target_groups.HOSTILE) + 2
    assert [sorted(run) for run in result["runs"]] == [
        sorted(name for name in targets.chosen(None) if any(word in name for word in words))
    ] * 2
    for row in result["targets"]:
        assert len(row["runs"]) == 2 and row["measured"] > 0 and isinstance(row["met"], bool)
    printed = capsys.readouterr().out
    for text in (*what, "yes", f"of {len(what)} targets met; 0 not measured"):
        assert text in printed


def test_what_is_not_installed_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "150")
    for name in ("torch", "onnxruntime", "ml_dtypes"):
        monkeypatch.setitem(sys.modules, name, None)
    every = targets.chosen(None)
    chosen = ["dtypes", "in cache 64x1000"]
    monkeypatch.setattr(targets, "chosen", lambda words: chosen if words is None else every)
    assert cli.main(["targets", "--runs", "1", "--seconds", "0.01"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Not installed: onnxruntime, torch, ml_dtypes." in printed
    # np.exp, numpy and float16 beside float32
    assert f"of 3 targets met; {len(list(target_rows.every_target())) - 3} not measured" in printed


def test_avx2_is_measured_in_a_process_that_is_held_to_it() -> None:
    if "avx2" not in _core._isa_supported():
        pytest.skip("this machine has no AVX2")
    name = "avx2 64x1000"
    found = targets.avx2_samples([name], 0.01)
    assert list(found) == [name] and "softlane" in found[name]
    assert all(of["elements"] == 64000 for of in found[name].values())


def test_a_process_that_is_not_held_to_avx2_measures_nothing() -> None:
    code = "from softlane.bench import targets; targets.child()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SOFTLANE_ISA": "scalar"},
        input='[["avx2 64x1000"], 0.01]',
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "{}\n")


def test_unknown_words_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    assert cli.main(["targets", "--only", "nothing"]) == 2
    assert "targets: no group's name holds nothing (groups: in cache 512x512, " in (
        capsys.readouterr().err
    )


def test_package_is_weighed() -> None:
    assert 100_000 < package_facts.wheel_bytes() < 1_500_000
    assert 0 < package_facts.import_seconds() < 60


def test_timers_are_named_by_their_expression() -> None:
    [(name, (timer, elements))] = target_groups.timed("x + 1", {"x": 1}, 5).items()
    assert (name, elements) == ("x + 1", 5)
    assert isinstance(timer, timeit.Timer) and timer.timeit(1) > 0
