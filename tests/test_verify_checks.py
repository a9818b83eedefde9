"""Each check of `python -m softlane verify` is shown to fail, and names what failed."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import DTYPES, LEVELS

import softlane
from softlane import _core, verify
from softlane.verify import (
    calls,
    edges,
    exponential,
    guard_pages,
    half,
    invariance,
    logarithm,
    published,
    report,
    rows,
)
from softlane.verify.outcome import Outcome

FLOAT32 = {"float32": DTYPES["float32"]}
posix = pytest.mark.skipif(not guard_pages.SUPPORTED, reason=guard_pages.NEEDS)
fma = pytest.mark.skipif(not published.FMA_LEVELS, reason="no level with FMA: bits are its promise")


def failures(check, *arguments) -> list[str]:
    """What a check finds."""
    outcome = Outcome("check")
    with outcome.case("check"):
        check(outcome, *arguments)
    outcome.close()
    return outcome.failures


def instead(monkeypatch: pytest.MonkeyPatch, name: str, function) -> None:
    """Another function in the place of one of the calls."""
    monkeypatch.setitem(calls.CALLS, name, calls.CALLS[name]._replace(function=function))


def test_self_tests(monkeypatch) -> None:
    hashes = _core._self_test_hashes() | {("softmax", "float64"): (1, 2)}
    monkeypatch.setattr(_core, "_self_test_hashes", lambda: hashes)
    want = [f"the {isa} kernels of softmax for float64: other bits" for isa in LEVELS]
    assert failures(verify.self_tests) == want


def test_exp_beyond_its_bound(monkeypatch) -> None:
    facts = exponential.FACTS["float32"] | {"bound_ulp": 0.52}
    monkeypatch.setitem(exponential.FACTS, "float32", facts)
    found = failures(exponential.sweep, (-1, 1), 5003)
    assert len(found) == len(LEVELS)
    assert all("ULP, 0.52 promised: x = " in text for text in found)


@pytest.mark.parametrize("shift", [0, 5])
def test_exp_of_another_shift(shift, monkeypatch) -> None:
    """One ULP more with one of the shifts."""

    def wrong(x: np.ndarray, n: int) -> np.ndarray:
        e = _core._exp(x, n)
        return np.nextafter(e, np.float32(np.inf)) if n == shift else e

    monkeypatch.setattr(exponential, "_core", SimpleNamespace(_exp=wrong))
    (found,) = failures(exponential.sweep, (1,), 10007)
    assert "has other bits" in found and "Wrong: exp of " in found


def test_log1p_of_another_level(monkeypatch) -> None:
    if len(LEVELS) < 2:
        pytest.skip("this machine has one level")
    real, seen = _core._log1p, []

    def wrong(w: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        seen.append(softlane.show_config()["isa"])
        high, low = real(w, name)
        return high * (1 + 2.0**-52 * (seen[-1] == LEVELS[-1])), low

    monkeypatch.setattr(_core, "_log1p", wrong)
    (found,) = failures(logarithm.sweep, 50021)
    assert f"of float32 on {LEVELS[-1]} has other bits" in found


def altered(function, ulps: float, where=np.s_[..., -1]):
    """The function with some elements so many ULP too large."""

    def wrong(*arguments, **options):
        result = function(*arguments, **options)
        spacing = 2.0 ** np.floor(np.log2(np.abs(result[where].astype(np.float64)) + 1e-300))
        eps = 2.0 ** -{2: 10, 4: 23, 8: 52}[result.itemsize]
        result[where] = (result[where] + ulps * eps * spacing).astype(result.dtype)
        return result

    return wrong


@pytest.mark.parametrize("check", [half.read, half.written, half.pairs])
def test_half(check, monkeypatch) -> None:
    wrong = SimpleNamespace(softmax=altered(softlane.softmax, 5))
    monkeypatch.setattr(half, "softlane", wrong)
    found = failures(check, DTYPES["float16"], *((30011,) if check is half.pairs else ()))
    assert any("ULP, " in text and "promised: softmax of [" in text for text in found), found


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "softmax_backward"])
def test_rows(name, monkeypatch) -> None:
    where = np.s_[...] if name == "logsumexp" else np.s_[..., -1]
    instead(monkeypatch, name, altered(getattr(softlane, name), 4, where))
    monkeypatch.setattr(rows, "DTYPES", FLOAT32 | {"float64": DTYPES["float64"]})
    found = failures(rows.check, 60, 9)
    for level in LEVELS:
        begin = f"{name} of float32 on {level}: "
        assert any(f.startswith(begin) and "promised: n = " in f for f in found), found


def test_rows_of_levels_that_differ(monkeypatch) -> None:
    if len(published.FMA_LEVELS) < 2:
        pytest.skip("this machine has fewer than two levels with FMA")

    def wrong(x: np.ndarray) -> np.ndarray:
        best = softlane.show_config()["isa"] == LEVELS[0]
        return altered(softlane.softmax, 1)(x) if best else softlane.softmax(x)

    instead(monkeypatch, "softmax", lambda x, axis=-1, **options: wrong(x))
    monkeypatch.setattr(rows, "DTYPES", FLOAT32 | {"float64": DTYPES["float64"]})
    found = failures(rows.check, 60, 9)
    assert any("Wrong: avx2 has other bits than avx512" in text for text in found), found


def test_rows_without_a_wider_float(monkeypatch) -> None:
    def no_wider_float() -> None:
        raise NotImplementedError("long double is double")

    monkeypatch.setattr(rows, "wide_float", no_wider_float)
    outcome = Outcome("rows")
    rows.check(outcome, 60, 9)
    assert outcome.skipped == ["float64: long double is double"]
    assert {dtype for _, dtype, _ in outcome.errors} == set(DTYPES) - {"float64"}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("softmax", lambda x, axis=-1, **options: np.full_like(x, 1 / max(1, x.shape[-1]))),
        ("log_softmax", lambda *a, **o: -softlane.log_softmax(*a, **o)),
        ("logsumexp", lambda x, axis=-1, **options: np.zeros(x.shape[:-1], x.dtype)),
    ],
)
def test_edge_table(name, wrong, monkeypatch) -> None:
    instead(monkeypatch, name, wrong)
    monkeypatch.setattr(edges, "DTYPES", FLOAT32)
    found = failures(edges.check)
    assert found[0].startswith(f"{name} of float32 on {LEVELS[0]}: ") and "gave" in found[0]


def test_edge_table_knows_one_nan() -> None:
    nan = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert edges.same(nan[:1], [np.nan])
    assert not edges.same(nan[1:2], [np.nan]) and not edges.same(nan[2:], [np.nan])


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy_with_grad"])
def test_edge_table_labels(name, monkeypatch) -> None:
    function = getattr(softlane, name)

    def accepts(x, labels, **options):
        return function(x, np.clip(labels, 0, x.shape[1] - 1), **options)

    monkeypatch.setattr(softlane, name, accepts)
    monkeypatch.setattr(edges, "DTYPES", FLOAT32)
    assert any("a label outside 3 classes, float32" in text for text in failures(edges.check))


@pytest.mark.parametrize(
    ("way", "unlike"),
    [
        ("alone", lambda x: x.ndim == 1),
        ("with stride -1", lambda x: x.strides[-1] == -4),
        ("1 bytes on", lambda x: x.__array_interface__["data"][0] % 64 == 1),
        ("on 3 threads", lambda x: softlane.get_num_threads() == 3),
    ],
)
def test_invariance(way, unlike, monkeypatch) -> None:
    def wrong(x: np.ndarray, axis: int = -1, out: np.ndarray | None = None) -> np.ndarray:
        y = softlane.softmax(x, axis, out=out)
        return -y if unlike(x) else y

    instead(monkeypatch, "softmax", wrong)
    monkeypatch.setattr(invariance, "DTYPES", FLOAT32)
    found = failures(invariance.check)
    assert found and all(text.endswith(f"other bits {way}") for text in found), found


@fma
def test_published_hashes(monkeypatch, tmp_path) -> None:
    hashes = json.loads(published.HASHES.read_text())
    hashes["logsumexp"]["float32"] = "0" + hashes["logsumexp"]["float32"][1:]
    file = tmp_path / "hashes.json"
    file.write_text(json.dumps(hashes))
    monkeypatch.setattr(published, "HASHES", file)
    monkeypatch.setattr(published, "DTYPES", FLOAT32)
    want = [
        f"logsumexp of float32 on {isa} has not the published hash" for isa in published.FMA_LEVELS
    ]
    assert failures(published.check) == want


def test_published_hashes_without_fma(monkeypatch) -> None:
    monkeypatch.setattr(published, "FMA_LEVELS", ())
    outcome = Outcome("published")
    published.check(outcome)
    assert "bits are promised with FMA only" in outcome.skipped[0]


# ---- guard pages


@posix
def test_a_crash_is_told_with_its_case() -> None:
    """A read of the forbidden page, by the child's own means."""
    code = """
        import ctypes
        import numpy as np
        from softlane.verify.guard_pages import Guarded
        area = Guarded(100)
        last = area.place((25,), np.dtype(np.float32), True)
        print("softmax of float32 on avx2, rows of 25", flush=True)
        last.sum()
        ctypes.string_at(last.ctypes.data + last.nbytes, 1)
        print("not reached", flush=True)
    """
    outcome = Outcome("guard pages")
    guard_pages.watch(outcome, [sys.executable, "-c", textwrap.dedent(code)], 2)
    signals = {f"crashed with signal {int(s)}" for s in (signal.SIGSEGV, signal.SIGBUS)}
    (found,) = outcome.failures
    assert found.partition(" at ")[0] in signals
    assert found.endswith(" at softmax of float32 on avx2, rows of 25")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("print('one'); print('failed: one: other bits')", "one: other bits"),
        ("print('one'); raise SystemExit(3)", "ended with status 3 at one"),
        ("pass", "made 0 of 1 calls, the last at its start"),
    ],
)
def test_what_a_child_may_do(code, found) -> None:
    outcome = Outcome("guard pages")
    guard_pages.watch(outcome, [sys.executable, "-c", code], 1)
    assert outcome.failures == [found]


def test_guard_pages_elsewhere(monkeypatch) -> None:
    monkeypatch.setattr(guard_pages, "SUPPORTED", False)
    outcome = Outcome("guard pages")
    guard_pages.check(outcome)
    assert report.summary(outcome) == "guard pages: skipped, 0 cases in 0.0 s"
    assert outcome.skipped == ["guard pages need mprotect, which is POSIX's"]
