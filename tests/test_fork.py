"""Threads inside a process that forks, is interrupted, or exits while they work.

Each script runs in a process of its own, whose threads these tests may start as they like.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

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


def run(code: str, timeout: float = 120, **variables: str) -> str:
    """What the script prints; it must exit with 0 and say nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code],
        env=os.environ | {"SOFTLANE_NUM_THREADS": "3"} | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_openblas_240_343_use_fork_use_in_the_child():
    code = """
assert right() and _core._pool_facts()["started"] == 2
def with_threads_of_its_own():
    before = _core._pool_facts()
    ok = right()
    after = _core._pool_facts()
    started = before["started"], after["started"]
    return ok and started == (0, 2) and after["jobs"] > before["jobs"]
for _ in range(5):
    assert child_is_right(with_threads_of_its_own)
assert child_is_right(lambda: child_is_right() and right())  # and its child
assert right() and _core._pool_facts()["started"] == 2
print("done")
"""
    assert run(code) == "done\n"


def test_fork_while_other_threads_are_inside_calls():
    code = """
stop = False
def loop():
    while not stop:
        assert right()
threads = [threading.Thread(target=loop) for _ in range(3)]
for thread in threads:
    thread.start()
shared = 0
def uses_the_pool():
    before = _core._pool_facts()["jobs"]
    return right() and _core._pool_facts()["jobs"] == before + 1
for i in range(30):
    assert child_is_right(uses_the_pool)
stop = True
for thread in threads:
    thread.join()
print("done")
"""
    assert run(code) == "done\n"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method, tmp_path):
    code = """
import softlane, numpy as np
x = (np.arange(512 * 600) % 1009 / 100).reshape(600, 512).astype(np.float32)
def total(n):
    return float(softlane.softmax(x[: 400 + n]).sum(dtype=np.float64))
"""
    (tmp_path / "work_of_softlane.py").write_text(code)
    code = f"""
sys.path.insert(0, {str(tmp_path)!r})
from work_of_softlane import total
assert right()
if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(total, range(4), 1) == [total(n) for n in range(4)])
"""
    assert run(code, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])) == "True\n"


EXITS = """
# Each child ends as a process ends, through the interpreter's own finalization, while its threads
# are inside calls. The parent never starts a thread.
def busy():
    def loop():
        while True:
            softlane.softmax(x)
    for _ in range(2):
        threading.Thread(target=loop, daemon=True).start()
    time.sleep(0.002)
for i in range(%d):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        busy()
        sys.exit(i %% 100)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == i %% 100, status
print("done")
"""


def test_pthreadpool_92_tensorflow_932_exits_with_a_busy_pool():
    assert run(EXITS % 50) == "done\n"


@pytest.mark.exhaustive
def test_200_exits_with_a_busy_pool():
    assert run(EXITS % 200) == "done\n"


def test_exit_of_the_first_process_with_a_busy_pool():
    code = """
def loop():
    while True:
        softlane.softmax(x)
for _ in range(3):
    threading.Thread(target=loop, daemon=True).start()
time.sleep(0.01)
print("done")
"""
    for _ in range(3):
        assert run(code) == "done\n"


def test_highs_1593_ctrl_c_during_long_calls():
    """Python's main thread gets the signal, not a thread of the pool, and no result is lost."""
    code = """
assert right()
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()  # of the call that starts the threads
def interrupt():
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
calls = 0
begin = time.perf_counter()
try:
    while time.perf_counter() < begin + 60:
        assert right()
        calls += 1
except KeyboardInterrupt:
    print("interrupted", calls > 0)
assert right()
"""
    assert run(code) == "interrupted True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_of_the_pool_block_signals_and_run_where_the_process_may():
    code = """
allowed = os.sched_getaffinity(0)
def pinned():  # the call that starts the threads
    os.sched_setaffinity(threading.get_native_id(), {min(allowed)})
    assert right()
thread = threading.Thread(target=pinned)
thread.start()
thread.join()
def named(task):
    with open(f"/proc/self/task/{task}/comm") as file:
        return file.read() == "softlane\\n"
def settled():  # a thread may only just have begun
    tasks = [task for task in os.listdir("/proc/self/task") if named(task)]
    return len(tasks) == 2 and all(os.sched_getaffinity(int(task)) == allowed for task in tasks)
end = time.monotonic() + 20
while not settled() and time.monotonic() < end:
    time.sleep(0.01)
found = 0
for task in filter(named, os.listdir("/proc/self/task")):
    with open(f"/proc/self/task/{task}/status") as file:
        blocked = int(next(line for line in file if line.startswith("SigBlk:")).split()[1], 16)
    ordinary = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGPROF)
    assert all(blocked >> number - 1 & 1 for number in ordinary)
    assert os.sched_getaffinity(int(task)) == allowed
    found += 1
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(found, blocked)
"""
    assert run(code) == "2 set()\n"


def test_a_process_that_never_gets_a_thread():
    code = """
_core._refuse_threads(True)
assert all(right() for _ in range(300))  # asks again now and then
facts = _core._pool_facts()
print(facts["started"], facts["jobs"], facts["alone"])
_core._refuse_threads(False)
assert right() and _core._pool_facts()["started"] == 2
"""
    assert run(code) == "0 0 300\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_without_memory_for_stacks():
    code = """
import resource
y = np.zeros_like(x)
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
limit = pages * resource.getpagesize() + 300_000
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
with softlane.num_threads(4):
    softlane.softmax(x, out=y)
facts = _core._pool_facts()
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(facts["started"], y.tobytes() == want)
"""
    assert run(code) == "0 True\n"


def test_no_thread_before_a_large_call():
    code = """
for n in (10, 1000, 100000):
    softlane.softmax(np.zeros(n))
print(_core._pool_facts()["started"], _core._pool_facts()["jobs"])
"""
    assert run(code) == "0 0\n"
