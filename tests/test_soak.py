"""The soak, for some seconds, and that it sees what it is there to see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=f"reads Linux's /proc, not {sys.platform}'s"
)
HERE = Path(__file__).parent


def soak(*options: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    """Run it in a process in which `fault` came first."""
    code = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import soak
from soak_requests import Request
{fault}
sys.exit(soak.main())
"""
    command = [sys.executable, "-c", code, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_some_seconds(tmp_path):
    file = tmp_path / "soak.json"
    done = soak("--seconds", "2", "--json", str(file))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    result = json.loads(file.read_text())
    assert result["faults"] == []
    assert min(result[name] for name in ("calls", "forks", "signals", "collections")) > 0
    assert len(result["latencies_us"]) > 11  # calls of CALLS, large and small


def test_it_sees_one_wrong_bit(tmp_path):
    """In the process, and in its children."""
    fault = """
def run(self, *settings):
    Request.answer = wrong
    return run_right(self, *settings)
def wrong(self):
    answer, took = right(self)
    if self.name == "softmax, small":
        answer = [bytes([answer[0][0] ^ 1]) + answer[0][1:]]
    return answer, took
right, run_right = Request.answer, soak.Service.run
soak.Service.run = run
"""
    file = tmp_path / "soak.json"
    done = soak("--seconds", "3", "--json", str(file), fault=fault)
    assert done.returncode == 1
    assert "differs: softmax, small(x " in done.stdout
    assert "a child ended with 3" in json.loads(file.read_text())["faults"]
    assert "differs: softmax, small(x " in done.stderr


def test_it_sees_a_leak():
    fault = """
def leaks(self):
    leaked.append(b"x" * 50_000)
    return right(self)
leaked, right = [], Request.answer
Request.answer, soak.JUDGED_FROM = leaks, 0
"""
    done = soak("--seconds", "2", fault=fault)
    assert done.returncode == 1
    assert "\n0 faults\n" in done.stdout
