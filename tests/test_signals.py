"""Signals go to Python's threads, not to those of the pool, and no result is lost.

Each script runs in a process of its own, whose threads these tests may start as they like.
"""

from __future__ import annotations

import sys

import pytest
from processes import run


def test_highs_1593_ctrl_c_during_long_calls():
    """Python's main thread gets the signal, not a thread of the pool, and no result is lost."""
    code = """
assert right()
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()  # of the call that starts the threads
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
called = threading.Event()
def interrupt():
    called.wait()
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
calls = 0
begin = time.perf_counter()
try:
    threading.Thread(target=interrupt).start()
    while time.perf_counter() < begin + 60:
        assert right()
        calls += 1
        called.set()
except KeyboardInterrupt:
    print("interrupted", calls > 0)
assert right()
"""
    assert run(code) == "interrupted True\n"


def test_highs_1593_ctrl_c_in_the_middle_of_one_call():
    """It arrives with the call's return, and the next call has the pool again."""
    code = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background job
rows = np.broadcast_to(x[0], (1 << 20, 512))
long = softlane.logsumexp(rows).tobytes()
inside = threading.Event()
def interrupt():
    inside.wait()
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
for _ in range(3):
    thread = threading.Thread(target=interrupt)
    thread.start()
    returned = 0
    try:
        inside.set()
        while returned < 1000:
            softlane.logsumexp(rows)
            returned += 1
    except KeyboardInterrupt:
        print(returned < 1000)
    thread.join()
    inside.clear()
    jobs = _core._pool_facts()["jobs"]
    assert right() and _core._pool_facts()["jobs"] == jobs + 1
assert softlane.logsumexp(rows).tobytes() == long
"""
    assert run(code) == "True\n" * 3


def test_a_signal_handler_that_calls():
    """A handler runs between two calls of the thread that it interrupts, whatever they are."""
    code = """
calls = 0
def handler(*_):
    global calls
    calls += right()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
begin = time.monotonic()
while calls < 20 and time.monotonic() < begin + 60:
    assert right()
signal.setitimer(signal.ITIMER_REAL, 0)
print(calls >= 20)
"""
    assert run(code) == "True\n"


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
    try:
        with open(f"/proc/self/task/{task}/comm") as file:
            return file.read() == "softlane\\n"
    except (FileNotFoundError, ProcessLookupError):  # a joined thread may still be listed
        return False
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
