"""The programs in examples/, run as a user runs them, and a recipe of the documentation."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest

import softlane

pytest.importorskip("rich", reason="rich is not installed")
datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
tree = pytest.importorskip("sklearn.tree", reason="scikit-learn is not installed")

ROOT = pathlib.Path(__file__).parent.parent


def digits(cwd: pathlib.Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "examples" / "digits.py", *arguments],
        cwd=cwd,  # not the checkout, whose src/ has no extension
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def losses(printed: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^epoch \d+: loss (\S+) nats$", printed, re.M)]


def accuracy(printed: str) -> float:
    match = re.search(r"^held-out accuracy: (\S+) \(360 images\)$", printed, re.M)
    assert match is not None, printed
    return float(match[1])


def test_digits_learns(tmp_path: pathlib.Path) -> None:
    done = digits(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    loss = losses(done.stdout)
    assert len(loss) == 60
    assert loss[0] < np.log(10)  # the loss of a model that knows nothing
    assert np.all(np.diff(loss[:10]) < 0)
    assert np.all(np.diff(loss) < 1e-3)
    assert loss[-1] < loss[0] / 5
    assert accuracy(done.stdout) >= 0.95
    assert digits(tmp_path, "--seed", "0").stdout == done.stdout


def test_digits_takes_options(tmp_path: pathlib.Path) -> None:
    options = ["--epochs", "20", "--seed", "3", "--batch-size", "32", "--learning-rate", "1"]
    done = digits(tmp_path, *options, "--label-smoothing", "0.1")
    assert (done.returncode, done.stderr) == (0, "")
    loss = losses(done.stdout)
    assert len(loss) == 20
    # No model comes below the entropy of a smoothed label: 0.91 for one class, 0.01 for the others.
    entropy = -(0.91 * np.log(0.91) + 9 * 0.01 * np.log(0.01))
    assert entropy < loss[-1] < loss[0]
    assert accuracy(done.stdout) >= 0.93


def test_digits_draws_a_progress_bar_on_a_terminal(tmp_path: pathlib.Path) -> None:
    done = digits(tmp_path, "--epochs", "2", FORCE_COLOR="1", TERM="xterm", COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert "training" in done.stdout
    assert "100%" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs and --batch-size must be at least 1"),
        (["--label-smoothing", "1.5"], "--label-smoothing must lie in [0, 1]"),
    ],
)
def test_digits_refuses(tmp_path: pathlib.Path, arguments: list[str], message: str) -> None:
    done = digits(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_boosting_recipe_trains_trees() -> None:
    """The objective of docs/recipes.md grows trees by Newton's method on the digits."""
    names = {"np": np, "softlane": softlane}
    page = (ROOT / "docs" / "recipes.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    exec(next(block for block in blocks if "def objective" in block), names)

    pixels, labels = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[360:], order[:360]
    data = types.SimpleNamespace(get_label=lambda: labels[train].astype(np.float32))
    scores = np.zeros((len(labels), 10))
    loss = [softlane.cross_entropy(scores[train], labels[train])]
    for _ in range(20):
        gradient, hessian = names["callback"](scores[train], data)
        for k in range(10):
            # A leaf's value is the sum of its gradients over that of its Hessians, negated.
            regressor = tree.DecisionTreeRegressor(max_depth=4, random_state=0)
            step = -gradient[:, k] / hessian[:, k]
            regressor.fit(pixels[train], step, sample_weight=hessian[:, k])
            scores[:, k] += 0.5 * regressor.predict(pixels)
        loss.append(softlane.cross_entropy(scores[train], labels[train]))
    assert np.all(np.diff(loss) < 0)
    assert np.mean(softlane.softmax(scores[test]).argmax(axis=1) == labels[test]) > 0.9
