"""No memory, no threads: MemoryError or the right result, and afterwards all is as before."""

from __future__ import annotations

import importlib.util
import itertools
import resource
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from calls import CALLS, Arrays, Call, all_bits, mapped
from forms import RIGHT, WRONG, Form, refused
from helpers import DTYPES, bits, laid_out
from processes import run
from test_leaks import COUNT, few_objects, left  # noqa: F401

T = TypeVar("T")
STEP = 1 << 17  # bytes
EVERY_NAME = pytest.mark.parametrize("name", CALLS)
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
needs_testcapi = pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi"
)


def within(more: int, call: Callable[[], T]) -> T | None:
    """The result of a call that may add so many bytes to the address space; None: MemoryError."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    former = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more, former[1]))
    try:
        return call()
    except MemoryError:
        return None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, former)


def cases(call: Call) -> list[tuple[str, Arrays, dict[str, object]]]:
    """Calls whose result, workspace, vectors for each row and copies are each some pages large."""
    rows, n = 20_000, 17
    maps = call is CALLS["softmax"] or call is CALLS["log_softmax"]
    f16, f32, f64 = (
        call.arrays(n, DTYPES[name], rows) for name in ("float16", "float32", "float64")
    )
    long = call.arrays(100_003, DTYPES["float16"], 3)
    return [
        ("direct", f32, {}),
        ("tiles", f16, {}),
        ("panels", mapped(f32, lambda a: laid_out(a.T, "C")), {"axis": 0}),
        ("swapped", mapped(f64, lambda a: laid_out(a, "swapped")), {}),
        ("long", long, {}),
        *([("masked", call.arrays(n, DTYPES["float32"], rows, "where"), {})] if maps else []),
    ]


def starve(name: str) -> None:
    """Let the memory end at each point of the calls in turn."""
    call = CALLS[name]
    for case, arrays, options in cases(call):
        want = all_bits(call(arrays, **options))
        failed = attempts = 0
        # Once more where the stack of a thread that ends was counted, and made room.
        while failed == 0 and attempts < 5:
            attempts, more = attempts + 1, -(1 << 22)  # the system may count less than it tells
            while (results := within(more, lambda: call(arrays, **options))) is None:  # noqa: B023
                failed += 1
                more += STEP
                assert more < 1 << 27, case
        assert failed > 0, case
        assert all_bits(results) == want, case
        assert all_bits(call(arrays, **options)) == want, case


@linux
@EVERY_NAME
def test_address_space(name):
    """Also that of the threads' stacks: at some point there is room for the result alone."""
    code = f"""
from test_exhaustion import starve
assert _core._pool_facts()["started"] == 0
starve({name!r})
assert right()
_core._refuse_threads(False)  # asks for threads again
assert right() and _core._pool_facts()["started"] == 2
"""
    # Else the allocator hands out what it kept of earlier arrays.
    run(code, MALLOC_MMAP_THRESHOLD_=str(STEP // 2))


def failing(form: Form, n: int) -> Any:
    """The result of a call whose n-th allocation of Python's fails, or its exception."""
    import _testcapi

    _testcapi.set_nomemory(n, n + 1)
    try:
        return form()
    except Exception as error:
        return error
    finally:
        _testcapi.remove_mem_hooks()


def bytes_of(results: Any) -> bytes:
    return b"".join(map(bits, results)) if isinstance(results, tuple) else bits(results)


def fail_each_allocation() -> None:
    failed = 0
    for name, form in RIGHT.items():
        want, n, right = bytes_of(form()), 0, 0
        while right < 20:
            n += 1
            result = failing(form, n)
            if isinstance(result, Exception):
                # numpy.ma finds functions of numpy's that raise nothing.
                accepted = (MemoryError, SystemError) if "masked" in name else MemoryError
                assert isinstance(result, accepted), (name, n, result)
                right, failed = 0, failed + 1
            else:
                assert bytes_of(result) == want, (name, n)
                right += 1
        assert bytes_of(form()) == want
    assert failed > 100
    for name, form in WRONG.items():  # what is raised may change
        assert all(isinstance(failing(form, n), Exception) for n in range(1, 60)), name
        assert refused(form), name


@needs_testcapi
def test_each_allocation_of_python():
    run("from test_exhaustion import fail_each_allocation\nfail_each_allocation()")


@needs_testcapi
def test_a_failed_allocation_leaves_nothing_behind(few_objects):  # noqa: F811
    for (name, form), n in itertools.product(RIGHT.items(), range(1, 11)):
        assert left(lambda: failing(form, n)) < COUNT / 2, (name, n)  # noqa: B023


@linux
def test_openblas_1668_numpy_21376_no_more_processes_for_the_user():
    """pthread_create fails with EAGAIN. The limit does not bind root, who becomes nobody."""
    code = """
import resource
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
former = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (0, former[1]))
try:
    threading.Thread(target=time.sleep, args=(0,)).start()
except RuntimeError:
    assert all(right() for _ in range(300))
    facts = _core._pool_facts()
    print(facts["started"], facts["jobs"], facts["alone"])
else:
    print("not bound")
resource.setrlimit(resource.RLIMIT_NPROC, former)
assert any(right() and _core._pool_facts()["started"] == 2 for _ in range(300))
"""
    said = run(code)
    if said == "not bound\n":
        pytest.skip("RLIMIT_NPROC does not bind this user")
    assert said == "0 0 300\n"


def test_a_thread_needs_no_more_stack_than_the_documents_say():
    code = """
threading.stack_size(140 * 1024)
x = np.random.default_rng(0).normal(0, 4, (40, 1000)).astype(np.float32)
labels, long = np.arange(40), np.repeat(x.reshape(1, -1), 4, axis=1)
calls = [lambda a=a, axis=axis, f=f: f(a, axis=axis)
         for a, axis in [(x, -1), (x[:, :200], -1), (x[:, :20], -1), (x, 0), (x.astype(float), -1),
                         (x.astype(float), 0), (x.astype(np.float16), -1), (x, None),
                         (long, -1), (np.repeat(long.T, 3, axis=1), 0), (long.astype(float), -1),
                         (long.astype(np.float16), -1)]
         for f in (softlane.softmax, softlane.log_softmax, softlane.logsumexp)]
calls += [lambda a=a, f=f: f(a, labels[:len(a)])
          for a in (x, x[:, :100], x[:, :500].astype(float), x.astype(np.float16))
          for f in (softlane.cross_entropy, softlane.cross_entropy_with_grad)]
calls += [lambda: softlane.softmax_backward(x, x), lambda: softlane.log_softmax_backward(x, x)]
done = []
shared = np.repeat(long, 2, axis=1)  # by two threads
calls += [lambda a=a: softlane.softmax(a) for a in (shared, shared.astype(float))]
for count in (1, 2):
    softlane.set_num_threads(count)
    for call in calls:
        thread = threading.Thread(target=lambda: done.append(call()))
        thread.start()
        thread.join()
print(len(done) == 2 * len(calls))
"""
    assert run(code) == "True\n"
