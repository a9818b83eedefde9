"""What `python -m softlane bench` is made of: contestants, errors, the clock, threads."""

from __future__ import annotations

import json
import os
import sys
import timeit

import numpy as np
import pytest

import softlane
from softlane import bench
from softlane.bench import clock, errors, machine, measurement

CONTESTANTS = ["softlane", "numpy", "scipy", "numexpr", "torch", "onnxruntime", "jax"]
# What each can do: all ops, or these. Whoever is not named here does all of them.
OPS_OF = {
    "scipy": {"softmax", "log_softmax", "logsumexp"},
    "numexpr": {"softmax", "log_softmax", "logsumexp"},
    "onnxruntime": {"softmax", "log_softmax", "logsumexp", "cross_entropy"},
}
# The gradient of a label's own class, p - 1, loses all its digits near p = 1; so do logarithms.
LARGEST_ERROR = 2000
AXES = {"last": ((7, 50), -1), "second": ((2, 21, 5, 3), 1), "first": ((30, 4), 0)}


@pytest.mark.parametrize("where", AXES)
@pytest.mark.parametrize("dtype", bench.DTYPES)
@pytest.mark.parametrize("op", bench.OPS)
@pytest.mark.parametrize("name", CONTESTANTS)
@pytest.mark.filterwarnings("default")  # of the packages that are measured
def test_contestants_compute_the_op(name: str, op: str, dtype: str, where: str) -> None:
    """Both expressions of a contestant, against the oracle: it must be the op that is timed."""
    if name in machine.PACKAGES:
        pytest.importorskip(name)
    if dtype == "bf16":
        pytest.importorskip("ml_dtypes")
    shape, axis = AXES[where]
    case = bench.make_case(op, shape, dtype, axis)
    judge = errors.judge(case)
    try:
        contestant = bench.CONTESTANTS[name](case)
    except bench.Unsupported as error:
        assert str(error).startswith("no ")
        assert name in ("scipy", "numexpr", "onnxruntime")
        return
    assert op in OPS_OF.get(name, bench.OPS)
    assert contestant.fresh is not None and not contestant.floor
    for mode in bench.OPS[op].modes:
        expression = contestant.expression(mode)
        if expression is None:
            assert name != "softlane"
            continue
        case.out.fill(np.nan)
        with np.errstate(all="ignore"):
            result = eval(expression, contestant.namespace(case))
            parts = measurement.parts_of(contestant, case, mode, result)
        assert parts[-1].dtype == case.x.dtype or op.startswith("cross_entropy")
        found = judge(parts)
        assert tuple(found) == bench.OPS[op].parts
        for error in found.values():
            assert error is not None and error <= (3.0 if name == "softlane" else LARGEST_ERROR)


@pytest.mark.parametrize("op", bench.OPS)
def test_errors_see_one_wrong_element(op: str) -> None:
    case = bench.make_case(op, (2, 3, 4), "f32", 1)
    contestant = bench.CONTESTANTS["softlane"](case)
    assert contestant.fresh is not None
    result = eval(contestant.fresh, contestant.namespace(case))
    parts = measurement.parts_of(contestant, case, "fresh", result)
    judge = errors.judge(case)
    for at, part in enumerate(bench.OPS[op].parts):
        for wrong, least in ((np.float32(1.001), 1000), (np.float32(np.nan), np.inf)):
            damaged = [array.copy() for array in parts]
            largest = np.unravel_index(np.argmax(np.abs(damaged[at])), damaged[at].shape)
            damaged[at][largest] *= wrong
            found = judge(tuple(damaged))
            assert found.pop(part) >= least
            assert all(error <= 3 for error in found.values())


def test_errors_of_float64_need_a_wider_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "longdouble", np.float64)
    case = bench.make_case("softmax", (2, 3), "f64")
    assert errors.judge(case)((case.out,)) == {"result": None}


def test_cases_are_the_same_in_every_run() -> None:
    for op in bench.OPS:
        one, two = (bench.make_case(op, (3, 5), "f32") for _ in range(2))
        for name in ("x", "labels", "grad", "y", "out"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


class Recorder(timeit.Timer):
    """A timer whose call takes three microseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[float] = []

    def timeit(self, calls: int = 1) -> float:
        self.taken.append(3e-6 * calls)
        return self.taken[-1]


def test_samples_are_long_enough() -> None:
    """Each sample is at least SAMPLE_SECONDS long, whatever the call takes."""
    timers = {"a": Recorder(), "b": Recorder()}
    samples = clock.sample(dict(timers), 0.01, lambda part: None)
    assert all(value == pytest.approx(3e-6) for name in timers for value in samples[name])
    for name, timer in timers.items():
        long = sum(took >= clock.SAMPLE_SECONDS for took in timer.taken)
        assert long == len(samples[name]) + 1  # and the one that warms up


def test_cold_samples_evict_before_each_call() -> None:
    events: list[str] = []

    class Logged(Recorder):
        def timeit(self, calls: int = 1) -> float:
            events.append(f"call {calls}")
            return super().timeit(calls)

    clock.sample({"a": Logged()}, 1e-9, lambda part: None, lambda: events.append("evict"), True)
    assert events == ["evict", "call 1"] * (1 + clock.ROUNDS)


def test_evictor_writes_the_size_of_the_last_level_cache_within_bounds() -> None:
    for cache, expected in ((0, 64 << 20), (80 << 20, 80 << 20), (1 << 40, 256 << 20)):
        evict, written = clock.evictor(cache)
        assert written == expected
        if written < 100 << 20:
            evict()


def test_statistics_are_the_median_runs() -> None:
    runs = [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [4.0, 5.0, 6.0]]
    found = clock.statistics(runs)
    assert found["min"] == 1.0
    assert found["median"] == 5.0
    assert found["p10"] == pytest.approx(4.2) and found["p90"] == pytest.approx(5.8)


def test_progress_goes_from_zero_to_one() -> None:
    parts: list[float] = []
    plan = bench.Plan([(2, 30), (3, 4)], ["f32"], ["numpy"], 0.02, runs=2)
    bench.run(plan, lambda label, part: parts.append(part))
    assert parts == sorted(parts)
    assert parts[0] == 0.0 and parts[-1] == 1.0


def test_threads_are_pinned_and_released() -> None:
    before = machine.cpus()
    threads = machine.softlane_threads()
    with machine.pinned(1) as settings:
        assert settings["threads"] == settings["softlane_threads"] == 1
        assert machine.softlane_threads() == 1
        if sys.platform == "linux":
            assert settings["cpus"] == machine.cpus() == before[-1:]
    assert machine.cpus() == before
    assert machine.softlane_threads() == threads
    if len(before) > 1:
        with machine.pinned(2) as settings:
            assert settings["softlane_threads"] == (
                2 if hasattr(softlane, "set_num_threads") else 1
            )


def test_softlane_is_told_its_threads_and_gets_the_former_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = [7]

    def set_num_threads(threads: int) -> int:
        told.append(threads)
        return told[-2]

    monkeypatch.setattr(softlane, "set_num_threads", set_num_threads, raising=False)
    monkeypatch.setattr(softlane, "get_num_threads", lambda: told[-1], raising=False)
    with machine.pinned(1) as settings:
        assert settings["softlane_threads"] == 1
    assert told == [7, 1, 7]


@pytest.mark.parametrize("threads", [0, 100_000])
def test_more_threads_than_processors_are_refused(threads: int) -> None:
    expected = rf"threads is {threads}, but this process may use \d+ processors \(expected 1 to"
    with pytest.raises(ValueError, match=expected), machine.pinned(threads):
        pytest.fail("measured")


def test_machine_is_described() -> None:
    facts = machine.machine()
    assert facts["cpu"] and facts["cores"] == os.cpu_count()
    assert all(size >= 1024 for size in facts["caches"].values())


def test_result_is_json_with_a_line_for_each_cell() -> None:
    plan = bench.Plan([(2, 30)], ["f32"], ["numpy", "np.exp"], 0.01)
    result = bench.run(plan, lambda label, part: None)
    text = bench.save(result)
    assert json.loads(text) == json.loads(json.dumps(result))
    assert sum(line.startswith('  {"op": ') for line in text.splitlines()) == len(result["cells"])
