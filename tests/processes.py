"""Scripts that run in a process of their own, which they may fork, interrupt, starve or end."""

from __future__ import annotations

import os
import subprocess
import sys

HEAD = """
import multiprocessing, os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, from Python 3.12
import numpy as np
import softlane
from softlane import _core

x = (np.arange(512 * 600) % 1009 / 100).reshape(600, 512).astype(np.float32)
with softlane.num_threads(1):
    want = softlane.softmax(x).tobytes()

def right():
    return softlane.softmax(x).tobytes() == want

def child_is_right(body=right):
    # Forks; whether the child, which has 60 s, found its results right.
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        os._exit(0 if body() else 3)
    return os.waitpid(pid, 0)[1] == 0
"""


def run(code: str, timeout: float = 120, before: str = "", **variables: str) -> str:
    """What `before`, HEAD and the script print; it must exit with 0 and say nothing else.

    It may import the modules of this folder.
    """
    found = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "SOFTLANE_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", before + HEAD + code],
        env=os.environ | found | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
