"""How many threads: the functions, the environment, affinity masks and quotas, threadpoolctl."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import softlane
from softlane import _core, get_num_threads, num_threads, set_num_threads


@pytest.fixture(autouse=True)
def restored():
    former = get_num_threads()
    yield
    set_num_threads(former)


def test_set_returns_the_former_number():
    set_num_threads(3)
    assert set_num_threads(5) == 3
    assert get_num_threads() == 5
    assert softlane.show_config()["num_threads"] == 5
    assert softlane.show_config()["num_threads_from"] == "set_num_threads"
    assert set_num_threads(np.int8(1)) == 5


@pytest.mark.parametrize("function", [set_num_threads, num_threads], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("n", "error", "text"),
    [
        (0, ValueError, "n is 0, expected 1 to 1024"),
        (-1, ValueError, "n is -1, expected 1 to 1024"),
        (1025, ValueError, "n is 1025, expected 1 to 1024"),
        (10**30, ValueError, f"n is {10**30}, expected 1 to 1024"),
        (2.0, TypeError, "n has type float, expected int"),
        ("2", TypeError, "n has type str, expected int"),
        (None, TypeError, "n has type NoneType, expected int"),
    ],
)
def test_wrong_numbers(function, n, error, text):
    before = get_num_threads()
    with pytest.raises(error) as caught:
        function(n)
    assert str(caught.value) == f"{function.__name__}: {text}"
    assert get_num_threads() == before


def test_blocks_nest_and_restore():
    set_num_threads(7)
    with num_threads(3):
        assert get_num_threads() == 3
        assert softlane.show_config()["num_threads_from"] == "num_threads"
        with num_threads(2):
            assert get_num_threads() == 2
            assert set_num_threads(6) == 7  # the process's, not the block's
            assert get_num_threads() == 2
        assert get_num_threads() == 3
        with pytest.raises(KeyError), num_threads(4):
            raise KeyError
        assert get_num_threads() == 3
    assert get_num_threads() == 6

    @num_threads(4)
    def decorated() -> int:
        return get_num_threads()

    assert (decorated(), decorated(), get_num_threads()) == (4, 4, 6)


def test_a_block_holds_for_its_own_context():
    set_num_threads(7)
    seen: list[int] = []
    with num_threads(3):
        thread = threading.Thread(target=lambda: seen.append(get_num_threads()))
        thread.start()
        thread.join()
    # From Python 3.14 a thread may begin with a copy of the context that started it.
    inherits = getattr(sys.flags, "thread_inherit_context", 0)
    assert seen == [3 if inherits else 7]

    async def task(n: int) -> list[int]:
        numbers = []
        with num_threads(n):
            for _ in range(3):
                await asyncio.sleep(0)
                numbers += [get_num_threads(), await asyncio.to_thread(get_num_threads)]
        return [*numbers, get_num_threads()]

    async def tasks() -> list[list[int]]:
        return await asyncio.gather(task(2), task(5))

    assert asyncio.run(tasks()) == [[2] * 6 + [7], [5] * 6 + [7]]


# ---- the environment, read at import


def start(affinity: int | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Import softlane in a new process; prints number and source as JSON."""
    code = "import json, softlane; c = softlane.show_config();"
    code += "print(json.dumps([c['num_threads'], c['num_threads_from']]))"
    if affinity is not None:
        code = f"import os; os.sched_setaffinity(0, {{{affinity}}});" + code
    names = ("SOFTLANE_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("own", "openmp", "want"),
    [
        ("3", "5", [3, "SOFTLANE_NUM_THREADS"]),
        ("", "4,2", [4, "OMP_NUM_THREADS"]),
        ("", " 6 ", [6, "OMP_NUM_THREADS"]),
        ("", "many", None),
        ("", "0", None),
        ("", "", None),
    ],
)
def test_environment(own, openmp, want):
    process = start(SOFTLANE_NUM_THREADS=own, OMP_NUM_THREADS=openmp)
    assert process.returncode == 0, process.stderr
    number, source = json.loads(process.stdout)
    if want is None:
        assert number >= 1 and source in ("cores", "quota")
    else:
        assert [number, source] == want


@pytest.mark.parametrize("own", ["0", "two", "-1", "2.5", "4,2", "99999999999999999999"])
def test_an_own_variable_that_says_nothing_is_an_error(own):
    process = start(SOFTLANE_NUM_THREADS=own)
    assert process.returncode == 1
    message = process.stderr.splitlines()[-1]
    assert message == (
        f"ImportError: SOFTLANE_NUM_THREADS: '{own}' is no number of threads (expected 1 to 1024)"
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_default_of_a_process_on_one_cpu():
    process = start(affinity=min(os.sched_getaffinity(0)))
    assert json.loads(process.stdout) == [1, "cores"], process.stderr


# ---- cores and quotas, from recorded texts


def siblings(*texts: str) -> dict[str, str]:
    folder = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return {folder.format(cpu): text + "\n" for cpu, text in enumerate(texts)}


@pytest.mark.parametrize(
    ("cpus", "files", "want"),
    [
        (range(2), siblings("0", "1"), 2),  # a virtual machine without hyperthreads
        (range(4), siblings("0-1", "0-1", "2-3", "2-3"), 2),
        (range(8), siblings(*["0,4", "1,5", "2,6", "3,7"] * 2), 4),
        ([0, 4], siblings(*["0,4", "1,5", "2,6", "3,7"] * 2), 1),  # both threads of one core
        ([4, 5, 6], siblings(*["0,4", "1,5", "2,6", "3,7"] * 2), 3),
        (range(8), siblings(*["0-7"] * 8), 1),  # four and more threads a core
        (range(6), siblings("0,1", "0,1", "2,3", "2,3", "4", "5"), 4),  # cores of two kinds
        (range(3), {}, 3),  # no topology: each is a core
        (range(3), siblings("0", "", "2"), 3),
        ([], {}, 0),
    ],
)
def test_physical_cores(cpus, files, want):
    assert _core._physical_cores(list(cpus), files) == want


def group(own: str, files: dict[str, str]) -> dict[str, str]:
    """/proc/self/cgroup and files of /sys/fs/cgroup."""
    named = {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
    return {"/proc/self/cgroup": own} | named


V2 = "0::/\n"
SLICE = "0::/kubepods.slice/pod7.slice/container.scope\n"
V1 = "12:memory:/docker/ab:c\n4:cpu,cpuacct:/docker/ab:c\n3:cpuset:/docker/ab:c\n0::/docker/ab:c\n"
PLAIN_V1 = "9:name=systemd:/\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n"


def v1(folder: str, quota: str, period: str = "100000\n") -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": period}


@pytest.mark.parametrize(
    ("files", "want"),
    [
        (group(V2, {"cpu.max": "200000 100000\n"}), 2),  # docker --cpus 2
        (group(V2, {"cpu.max": "150000 100000\n"}), 2),
        (group(V2, {"cpu.max": "1000 100000\n"}), 1),
        (group(V2, {"cpu.max": "max 100000\n"}), 0),
        (group(V2, {}), 0),
        (group(SLICE, {"kubepods.slice/pod7.slice/cpu.max": "300000 100000\n"}), 3),
        (
            group(
                SLICE,
                {
                    "kubepods.slice/cpu.max": "1000000 100000\n",
                    "kubepods.slice/pod7.slice/cpu.max": "max 100000\n",
                    "kubepods.slice/pod7.slice/container.scope/cpu.max": "400000 50000\n",
                },
            ),
            8,
        ),
        (group("0::/../../outside\n", {"cpu.max": "500000 100000\n"}), 5),
        (group(V1, v1("cpu,cpuacct", "250000\n")), 3),  # of a container, which sees its own root
        (group(V1, v1("cpu/docker/ab:c", "400000\n")), 4),
        (group(PLAIN_V1, v1("cpu", "-1\n")), 0),
        (group(PLAIN_V1, v1("cpu", "600000\n")), 6),
        (group("", {"cpu.max": "200000 100000\n"}), 0),
        (group("garbage\n:::\n0:\n0::/", {"cpu.max": "garbage\n"}), 0),
        (group(V2, {"cpu.max": "1e300 0\n"}), 1000000),
        ({}, 0),
    ],
)
def test_onetbb_190_golang_73193_quotas(files, want):
    assert _core._quota_cores(files) == want


def test_threadpoolctl():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    import softlane.threadpoolctl

    def number() -> int:
        infos = threadpoolctl.threadpool_info()
        (own,) = [info for info in infos if info["internal_api"] == "softlane"]
        assert own["version"] == softlane.__version__
        assert os.path.samefile(own["filepath"], _core.__file__)
        return own["num_threads"]

    set_num_threads(5)
    assert number() == 5
    with threadpoolctl.threadpool_limits(2):
        assert number() == get_num_threads() == 2
    with threadpoolctl.threadpool_limits(3, user_api="softlane"):
        assert number() == get_num_threads() == 3
    assert number() == get_num_threads() == 5
