"""What the program around a call may do: reshape its arguments, end, have several interpreters."""

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


def in_a_sub_interpreter(code: str) -> str:
    """A program that runs the code in an interpreter beside its own."""
    return f"""
try:
    import _interpreters as interpreters  # from Python 3.13
except ImportError:
    import _xxsubinterpreters as interpreters
inner = interpreters.create()
interpreters.run_string(inner, {code!r})
interpreters.destroy(inner)
"""


IMPORT = """
import warnings
warnings.simplefilter("ignore")  # numpy's, which does not promise to work there
try:
    import softlane
except ImportError as error:
    print(error)
"""
CALL = """
import softlane
print(softlane.softmax([0.0, 0.0]).tolist())
"""


@pytest.mark.parametrize("first", ["main", "inner"])
def test_a_sub_interpreter_is_refused_and_the_main_one_works(first):
    """An import there used to wait for ever, before Python 3.12."""
    inner = in_a_sub_interpreter(IMPORT)
    code = [CALL, inner, CALL] if first == "main" else [inner, inner, CALL]
    done = subprocess.run(
        [sys.executable, "-c", "".join(code)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    for part, line in zip(code, done.stdout.splitlines(), strict=True):
        assert line == "[0.5, 0.5]" if part == CALL else "interpreter" in line
