"""Beside packages that bring runtimes of threads of their own, whichever is imported first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

OTHERS = ("sklearn.ensemble", "torch", "onnxruntime")


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("first", ["softlane", "other"])
def test_threadpoolctl_41_pytorch_98836_import_in_each_order(first, other):
    """Both work in threads, and threadpoolctl finds softlane's."""
    if importlib.util.find_spec(other.partition(".")[0]) is None:
        pytest.skip(f"{other} is not installed")
    names = ["softlane", other] if first == "softlane" else [other, "softlane"]
    code = f"""
import {names[0]}
import {names[1]}
import sys
import numpy as np
import softlane.threadpoolctl
import threadpoolctl
x = np.random.default_rng(1).standard_normal((2000, 500))
y = x[:, 0] > 0
softlane.set_num_threads(2)
want = softlane.softmax(x[:1]).tobytes()
for _ in range(3):
    assert softlane.softmax(x)[:1].tobytes() == want
    if "torch" in sys.modules:
        sys.modules["torch"].softmax(sys.modules["torch"].from_numpy(x), -1)
    if "sklearn.ensemble" in sys.modules:
        forest = sys.modules["sklearn.ensemble"].RandomForestClassifier(4, n_jobs=2)
        forest.fit(x[:200], y[:200]).predict(x)
found = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "softlane"]
print(len(found), found[0]["num_threads"])
"""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300
    )
    assert (process.returncode, process.stdout) == (0, "1 2\n"), process.stderr
