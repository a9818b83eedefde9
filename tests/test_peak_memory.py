"""Losses and in-place calls need no array of the size of their input."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=f"VmHWM is Linux's, not {sys.platform}'s"
)
CALL = """
import re, sys
import numpy as np
from softlane import cross_entropy, cross_entropy_with_grad, logsumexp, log_softmax, softmax
rows, classes, dtype, call = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
x = np.zeros((rows, classes), dtype)
for row in x:
    row[...] = np.arange(classes) % 7
labels = np.arange(rows) % classes
def run(x, labels):
    return eval(call)
run(x[:8].copy(), labels[:8])
def peak():  # ru_maxrss would be that of the parent, if it is larger
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
before = peak()
result = run(x, labels)
print(peak() - before)
"""
CALLS = [
    "cross_entropy(x, labels)",
    "cross_entropy(x, labels, reduction='none', label_smoothing=0.1, z_loss=1e-4)",
    "cross_entropy(x.T, labels, 0)",
    "cross_entropy(x, x)",
    "cross_entropy(x[::-1, ::-1], labels, temperature=2.0)",
    "cross_entropy_with_grad(x, labels, out=x)",
    "logsumexp(x)",
    "logsumexp(x, 0)",
    "log_softmax(x, out=x)",
    "softmax(x, out=x)",
]


def extra_megabytes(rows: int, classes: int, dtype: str, call: str) -> float:
    """What the call adds to the largest memory that the process ever had, with two threads."""
    command = [sys.executable, "-c", CALL, str(rows), str(classes), dtype, call]
    environment = os.environ | {"SOFTLANE_NUM_THREADS": "2"}  # each of which has tiles
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.mark.parametrize("call", CALLS)
def test_no_array_of_the_size_of_the_input(call):
    assert extra_megabytes(8192, 2000, "float32", call) < 5


@pytest.mark.parametrize("call", [CALLS[0], CALLS[2], CALLS[5]])
def test_no_wider_copy_of_float16(call):
    assert extra_megabytes(8192, 2000, "float16", call) < 5


def test_the_measure_sees_a_copy():
    assert extra_megabytes(8192, 2000, "float32", "softmax(x)") > 60


@pytest.mark.exhaustive
@pytest.mark.parametrize("call", CALLS[:6])
def test_a_batch_of_a_language_model(call):
    assert extra_megabytes(8192, 32000, "float32", call) < 5
