"""`python -m softlane verify`: passes here, and names what fails."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from helpers import DTYPES, FMA_LEVELS, LEVELS

from softlane import _core, cli, verify
from softlane.verify import (
    calls,
    guard_pages,
    published,
    report,
)
from softlane.verify.outcome import EDGES, Errors, Outcome

TINY = verify.Extent(50021, 30011, LEVELS, 60, 7)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "QUICK", TINY)
    monkeypatch.setattr(verify, "EXHAUSTIVE", TINY._replace(every=100003))
    monkeypatch.setattr(guard_pages, "LENGTHS", range(1, 8))
    monkeypatch.setenv("COLUMNS", "120")


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let a run make these checks alone."""
    some = [(name, check) for name, check in verify.checks(TINY) if name in names]
    assert len(some) == len(names)
    monkeypatch.setattr(verify, "checks", lambda extent: iter(some))


def run_apart(code: str, checks: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with some checks at their smallest."""
    head = f"""
        from softlane import _core, cli, verify
        verify.QUICK = verify.QUICK._replace(every=50021, pair_every=30011, elements=60)
        some = [named for named in verify.checks(verify.QUICK) if named[0] in {checks.split(", ")}]
        verify.checks = lambda extent: some
    """
    text = "\n".join(map(textwrap.dedent, ("import sys", before, head, code)))
    environment = {k: v for k, v in os.environ.items() if k != "SOFTLANE_SELFTEST"}
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=300, env=environment
    )


# ---- the whole command


def test_every_check_passes_and_is_written(tmp_path, capsys) -> None:
    file = tmp_path / "verify.json"
    assert cli.main(["verify", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "Verified: every check passed" in printed
    result = json.loads(file.read_text())
    assert result["passed"] is True and result["exhaustive"] is False and not result["missing"]
    assert result["machine"]["softlane"]["isa_supported"] == list(LEVELS)
    assert result["versions"]["numpy"] == np.__version__
    names = [name for name, _ in verify.checks(TINY)]
    assert [check["name"] for check in result["checks"]] == names
    for check in result["checks"]:
        assert check["passed"] and check["failures"] == []
        if check["name"] == "published hashes" and not FMA_LEVELS:
            continue
        assert check["skipped"] == []
        assert check["cases"] > 0 or check["name"] == "quarantine"
        assert f"{check['name']}: passed" in printed
    judged = {}
    for check in result["checks"]:
        for errors in check["errors"]:
            assert 0 <= errors["max_ulp"] <= errors["bound_ulp"]
            assert sum(errors["counts"]) > 0 and len(errors["counts"]) == len(errors["edges_ulp"])
            judged.setdefault(errors["op"], set()).add((errors["dtype"], errors["level"]))
    every = {(dtype, level) for dtype in DTYPES for level in LEVELS}
    for op in ("softmax", "log_softmax", "logsumexp", "softmax_backward", "log_softmax_backward"):
        assert judged[op] == every
        assert f"{op}: ULP" in printed
    for part in ("gradient", "loss"):
        assert judged[f"cross_entropy_labels {part}"] == every
    assert judged["exp"] == {("float32", level) for level in LEVELS}
    wide = {(dtype, level) for dtype, level in every if dtype in ("float32", "float64")}
    assert judged["softmax temperature"] == wide


def test_exhaustive_takes_the_other_extent(monkeypatch, tmp_path, capsys) -> None:
    only(monkeypatch, "self-tests", "edge table")
    file = tmp_path / "verify.json"
    assert cli.main(["verify", "--exhaustive", "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    assert result["exhaustive"] is True and result["extent"]["every"] == 100003


def test_exhaustive_is_everything() -> None:
    """Of the real extents: each sweep takes every chunk, quick ones some of each binade."""
    package = subprocess.run(
        [sys.executable, "-c", "from softlane import verify as v; print(v.QUICK, v.EXHAUSTIVE)"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "every=1, pair_every=1," in package.stdout
    assert "every=1009, pair_every=4093," in package.stdout


def test_a_failure_is_named_and_the_status_is_1(monkeypatch, tmp_path, capsys) -> None:
    only(monkeypatch, "self-tests", "log1p")
    facts = {name: facts | {"log1p_bound": 1e-9} for name, facts in _core._log_facts().items()}
    monkeypatch.setattr(_core, "_log_facts", lambda: facts)
    file = tmp_path / "verify.json"
    assert cli.main(["verify", "--json", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "FAILED: log1p of float32 on every level: " in printed
    assert "ULP, 1e-09 promised: w = " in printed
    assert "FAILED: log1p, in " in printed
    result = json.loads(file.read_text())
    assert [check["passed"] for check in result["checks"]] == [True, False]
    assert result["passed"] is False


def test_a_check_that_raises_is_a_failure(monkeypatch, capsys) -> None:
    def broken(outcome: Outcome) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(verify, "checks", lambda extent: iter([("broken", broken)]))
    assert cli.main(["verify"]) == 1
    assert "FAILED: broken: MemoryError: no memory" in capsys.readouterr().out


@pytest.mark.skipif(len(LEVELS) < 2, reason="there is no level below to serve")
def test_a_kernel_that_fails_its_self_test() -> None:
    """The next level serves, so all else passes; once, as it is, and no warning is left."""
    done = run_apart(
        f"""
        _core._fail_self_test({LEVELS[0]!r}, "softmax", "float32")
        sys.exit(cli.main(["verify"]))
        """,
        "edge table, quarantine",
    )
    named = f"the {LEVELS[0]} kernels of softmax for float32 are quarantined"
    assert named in done.stdout, done.stdout + done.stderr
    assert "FAILED: quarantine, in " in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


def test_numpy_alone() -> None:
    """Text without rich; bfloat16 without ml_dtypes is not verified, which is said."""
    done = run_apart(
        'sys.exit(cli.main(["verify"]))',
        "self-tests, 16 bits, rows, edge table",
        before="""
        for name in ("rich", "ml_dtypes", "scipy", "matplotlib", "flint", "pytest"):
            sys.modules[name] = None
        """,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bfloat16 is not verified: pip install ml_dtypes" in done.stdout
    assert "Verified: every check passed" in done.stdout
    assert "bfloat16  " not in done.stdout


def test_where_the_file_cannot_be_written(capsys) -> None:
    assert cli.main(["verify", "--json", "absent/f.json"]) == 2
    captured = capsys.readouterr()
    assert "cannot write absent/f.json: there is no folder absent" in captured.err
    assert captured.out == ""


# ---- histograms and failures


def test_errors_keep_the_worst_and_all_counts() -> None:
    errors = Errors(3.0)
    errors.add(np.array([[0.0, 0.24], [0.25, 2.9]]), lambda i: f"case {i}")
    errors.add(np.array([np.nan, 0.1]), lambda i: f"second {i}")
    errors.add(np.array([7.0]), lambda i: "third")
    assert errors.worst == np.inf and errors.where == "second 0"
    assert errors.counts[[0, 1, 11, -1]].tolist() == [3, 1, 1, 2]
    assert errors.counts.sum() == 7 and len(errors.counts) == len(EDGES)


def test_what_is_printed_of_many_failures(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    outcome = Outcome("edge table")
    for case in range(25):
        outcome.expect(case >= 24, f"case {case}")
    outcome.skipped.append("some, for a reason")
    outcome.judge("softmax", "float32", "avx2", np.array([0.3, 2.5, 0.1]), 3.0, str)
    report.tell(outcome, report.terminal())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "edge table: 24 FAILED, 28 cases in 0.0 s"
    assert lines[1] == "  not verified: some, for a reason"
    assert lines[2] == "  FAILED: case 0" and lines[22] == "  and 4 more"
    assert lines[-1].split() == ["float32", "avx2", "2.5", "3", "66.7%", "33.3%"]


def test_the_package_has_its_hashes() -> None:
    assert published.HASHES == pathlib.Path(verify.__file__).parent / "hashes.json"
    assert set(json.loads(published.HASHES.read_text())) == set(calls.CALLS)
