"""Threads inside a process that forks, exits while they work, or gets none.

Each script runs in a process of its own, whose threads these tests may start as they like.
"""

from __future__ import annotations

import os
import sys

import pytest
from processes import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


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


HOOKS = """
import os
wrong = []
def hook(where):
    return lambda: right() or wrong.append(where)
os.register_at_fork(before=hook(0), after_in_parent=hook(1), after_in_child=hook(2))
"""


@pytest.mark.parametrize("first", ["softlane", "the program"])
def test_hooks_of_fork_that_call(first):
    """Before the fork, after it in the parent, and in the child; whoever registered his first."""
    code = """
assert child_is_right(lambda: not wrong and _core._pool_facts()["started"] == 2)
assert child_is_right(lambda: child_is_right(lambda: not wrong) and not wrong)
print(wrong)
"""
    said = run(HOOKS + code) if first == "softlane" else run(code, before=HOOKS)
    assert said == "[]\n"


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
# Each child ends as a process ends, through the interpreter's own finalization, at a moment at
# random while its threads are inside calls. The parent never starts a thread.
import random
random.seed(0)
def busy(seconds):
    def loop():
        while True:
            softlane.softmax(x)
    for _ in range(2):
        threading.Thread(target=loop, daemon=True).start()
    time.sleep(seconds)
for i in range(%d):
    seconds = random.random() * 0.01
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        busy(seconds)
        sys.exit(i %% 100)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == i %% 100, (status, seconds)
print("done")
"""


def test_pthreadpool_92_tensorflow_932_exits_with_a_busy_pool():
    assert run(EXITS % 20) == "done\n"


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
