"""Calls leave nothing behind: no reference, no object, no memory, whether they succeed or raise."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest
from forms import RIGHT, WATCHED, WRONG, Form, refused

import softlane

EVERY_FORM = pytest.mark.parametrize(
    "form", [*RIGHT.values(), *WRONG.values()], ids=[*RIGHT, *WRONG]
)


def test_right_forms_are_right_and_wrong_ones_are_refused():
    for form in RIGHT.values():
        form()
    assert [name for name, form in WRONG.items() if not refused(form)] == []


def traces(form: Form, count: int) -> tuple[list[int], int]:
    """What `count` calls add to each reference count, and to the number of Python's objects."""

    def now() -> tuple[list[int], int]:
        gc.collect()
        return [sys.getrefcount(thing) for thing in WATCHED], sys.getallocatedblocks()

    before, blocks = now()
    for _ in repeat(None, count):
        refused(form)
    after, more = now()
    return [b - a for a, b in zip(before, after, strict=True)], more - blocks


@pytest.fixture
def few_objects() -> Iterator[None]:
    """The collector looks at new objects only, or each test takes ten times as long."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("few_objects")
@EVERY_FORM
def test_no_reference_and_no_object_is_left(form):
    traces(form, 300)  # free lists and caches fill
    counts, blocks = traces(form, 1000)
    assert max(*map(abs, counts), blocks) < 500


def test_the_measure_sees_references_and_objects():
    kept = []
    counts, blocks = traces(lambda: kept.append((WATCHED[0], softlane.softmax(WATCHED[0]))), 300)
    assert counts[0] == 300
    assert blocks >= 600


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_measure_sees_memory():
    form = "lambda: kept.append(np.empty(4000, np.int8))"
    in_a_process(f"kept = []\nassert grown_mb(40_000, 0, {form}) > 1")


def grown_mb(right: int, wrong: int, *more: Form) -> float:
    """What so many calls, in every form by turns, add to the resident memory."""
    from soak import resident_mb

    def calls(right: int, wrong: int) -> None:
        for forms, count in (((*RIGHT.values(), *more), right), (WRONG.values(), wrong)):
            for form in chain.from_iterable(repeat(tuple(forms), count // len(forms))):
                refused(form)

    calls(20_000, 20_000)
    gc.collect()
    before, begin = resident_mb(), time.perf_counter()
    calls(right, wrong)
    gc.collect()
    after, seconds = resident_mb(), time.perf_counter() - begin
    print(f"{right} calls and {wrong} that raise: {before:.2f} MB, then {after:.2f}, {seconds:.1f} s")
    return after - before


def in_a_process(expression: str) -> str:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    code += f"import numpy as np\nimport softlane\nfrom test_leaks import grown_mb\n{expression}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (200_000, 50_000),
        pytest.param(5_000_000, 1_000_000, marks=pytest.mark.exhaustive),
    ],
    ids=["short", "long"],
)
def test_memory_does_not_grow(right, wrong, record_property):
    said = in_a_process(f"assert grown_mb({right}, {wrong}) < 1")
    record_property("memory", said)
