"""What the program around a call may do meanwhile: reshape its arguments, or end."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import softlane


class Reshaping:
    """An array-like whose conversion changes the shape of another array."""

    def __init__(self, victim: np.ndarray, value: object) -> None:
        self.victim, self.value = victim, value

    def reshape(self) -> None:
        # NumPy deprecates setting the attribute; programs do it all the same.
        np.ndarray.shape.__set__(self.victim, (2,) * 4 + (1,) * 20 + (375,))

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self.reshape()
        return np.asarray(self.value)

    def __index__(self) -> int:
        self.reshape()
        return int(self.value)


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize("argument", ["where", "temperature", "axis"])
def test_arguments_that_reshape_the_input(argument):
    x = np.linspace(-3, 3, 6000, dtype=np.float32)
    want = softlane.softmax(x)
    value = {"where": np.ones(6000, bool), "temperature": 1.0, "axis": 0}[argument]
    got = softlane.softmax(x, **{argument: Reshaping(x, value)})
    np.testing.assert_array_equal(np.ravel(got), want)


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
def test_an_argument_that_reshapes_out():
    out = np.empty(6000, np.float32)
    with pytest.raises(ValueError, match="softmax: out has shape"):
        softlane.softmax(np.ones(6000, np.float32), temperature=Reshaping(out, 1.0), out=out)


@pytest.mark.parametrize("axis", [-1, 0])
def test_daemon_threads_inside_a_call_when_the_interpreter_ends(axis):
    program = f"""
        import threading, time
        import numpy as np
        import softlane
        x = np.ones((1500, 1500), np.float32)
        def work():
            while True:
                softlane.softmax(x, axis={axis})
        for _ in range(2):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
    """
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b"")
