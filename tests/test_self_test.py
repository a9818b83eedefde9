"""Layer 2 of the guard: kernels are tested when they are first used, and not used if they fail.

Here a failure is pretended (``_core._fail_self_test``); tests/mutants.py breaks kernels for good.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from helpers import LEVELS, level

import softlane
from softlane import _core


def run(code: str, mode: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, where no kernel has been used."""
    environment = {key: value for key, value in os.environ.items() if key != "SOFTLANE_SELFTEST"}
    if mode is not None:
        environment["SOFTLANE_SELFTEST"] = mode
    code = "import warnings; import numpy as np; import softlane\n" + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("name", LEVELS)
def test_every_kernel_passes(name):
    with level(name):
        hashes = _core._self_test_hashes()
    assert len(hashes) == 7 * 4
    assert len({found for found, _ in hashes.values()}) == len(hashes)
    for found, known in hashes.values():
        assert found == known


def test_kernels_are_tested_at_their_first_use_and_once():
    result = run(
        """
        state = lambda: softlane.show_config()["selftest"]
        best = softlane.show_config()["isa"]
        assert state() == {"mode": "on", "passed": [], "quarantined": []}, state()
        x = np.ones((3, 4), np.float32)
        for _ in range(2):
            softlane.softmax(x)
            assert state()["passed"] == [(best, "softmax", "float32")], state()
        softlane.cross_entropy(x.astype(np.float16), [0, 1, 2])
        assert (best, "cross_entropy", "float16") in state()["passed"]
        assert (best, "cross_entropy", "float32") in state()["passed"]  # it computes
        assert not state()["quarantined"]
        """
    )
    assert result.returncode == 0, result.stderr


def test_off_tests_nothing():
    result = run(
        """
        softlane.softmax(np.ones(3))
        assert softlane.show_config()["selftest"] == {
            "mode": "off", "passed": [], "quarantined": []}
        """,
        "off",
    )
    assert result.returncode == 0, result.stderr


def test_an_unknown_mode_is_an_import_error():
    result = run("", "maybe")
    assert "ImportError: SOFTLANE_SELFTEST: unknown mode 'maybe' (valid: off, on, strict)" in (
        result.stderr
    )


@pytest.mark.skipif(len(LEVELS) < 2, reason="there is no other level to fall back on")
def test_what_fails_is_quarantined_and_the_next_level_serves():
    result = run(
        """
        from softlane import _core
        x = np.random.default_rng(0).normal(size=(5, 300)).astype(np.float32)
        best, second = softlane.show_config()["isa_supported"][:2]
        _core._use_isa(second)
        expected = softlane.softmax(x)
        _core._use_isa(best)
        _core._fail_self_test(best, "softmax", "float32")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                assert softlane.softmax(x).tobytes() == expected.tobytes()
                assert softlane.softmax(x, temperature=2).shape == x.shape
            softlane.softmax(x.astype(np.float64))
            softlane.log_softmax(x)
        assert [w.category for w in caught] == [RuntimeWarning]
        text = str(caught[0].message)
        assert f"the {best} kernels of softmax for float32 failed" in text, text
        state = softlane.show_config()["selftest"]
        assert state["quarantined"] == [(best, "softmax", "float32")]
        assert (second, "softmax", "float32") in state["passed"]
        assert (best, "softmax", "float64") in state["passed"]
        assert (best, "log_softmax", "float32") in state["passed"]
        """
    )
    assert result.returncode == 0, result.stderr


def test_strict_raises_each_time():
    result = run(
        """
        from softlane import _core
        x = np.ones((3, 4), np.float32)
        _core._fail_self_test(softlane.show_config()["isa"], "softmax", "float32")
        out = np.full_like(x, 7)
        for _ in range(2):
            try:
                softlane.softmax(x, out=out)
            except RuntimeError as error:
                assert "SOFTLANE_SELFTEST=strict" in str(error), error
            else:
                raise AssertionError
        assert (out == 7).all()
        softlane.softmax(x.astype(np.float64))
        """,
        "strict",
    )
    assert result.returncode == 0, result.stderr


def test_where_no_level_passes_nothing_is_computed():
    result = run(
        """
        from softlane import _core
        for isa in softlane.show_config()["isa_supported"]:
            _core._fail_self_test(isa, "softmax", "float64")
        warnings.simplefilter("ignore")
        try:
            softlane.softmax(np.ones(3))
        except RuntimeError as error:
            assert "no level's kernels of softmax" in str(error), error
        else:
            raise AssertionError
        """
    )
    assert result.returncode == 0, result.stderr


def test_a_warning_that_is_an_error_leaves_the_next_call_right():
    result = run(
        """
        from softlane import _core
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        _core._fail_self_test(softlane.show_config()["isa"], "softmax", "float32")
        warnings.simplefilter("error")
        try:
            softlane.softmax(x)
        except RuntimeWarning:
            pass
        else:
            raise AssertionError
        assert abs(softlane.softmax(x).sum() - 3) < 1e-6
        """
    )
    assert result.returncode == 0, result.stderr


def test_threads_that_start_together_are_told_once():
    result = run(
        """
        import threading
        from softlane import _core
        x = np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32)
        _core._fail_self_test(softlane.show_config()["isa"], "softmax", "float32")
        results, barrier = [], threading.Barrier(8)
        def work():
            barrier.wait()
            results.append(softlane.softmax(x).tobytes())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(set(results)) == 1 and len(results) == 8
        assert len(caught) == 1, caught
        """
    )
    assert result.returncode == 0, result.stderr


def test_show_config_has_the_state():
    softlane.softmax([1.0, 2.0])
    state = softlane.show_config()["selftest"]
    assert set(state) == {"mode", "passed", "quarantined"}
    assert state["quarantined"] == []
