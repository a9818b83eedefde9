"""Calls leave nothing behind: no reference, no object, no memory, whether they succeed or raise."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from forms import RIGHT, SLOW, WATCHED, WRONG, Form, refused
from processes import run
from soak import resident_mb

COUNT = 300
FORMS = {**RIGHT, **SLOW, **WRONG}
EVERY_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


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


def left(form: Form) -> int:
    """What COUNT calls leave, of objects or of references to one, each time that it is measured."""
    least = COUNT
    for _ in range(4):  # free lists and caches fill once
        counts, blocks = traces(form, COUNT)
        least = min(least, max(*map(abs, counts), blocks))
        if least < COUNT / 2:
            break
    return least


@pytest.fixture
def few_objects() -> Iterator[None]:
    """The collector looks at new objects only, or each test takes ten times as long."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("few_objects")
@EVERY_FORM
def test_no_reference_and_no_object_is_left(form):
    assert left(form) < COUNT / 2


def test_the_measure_sees_references_and_objects():
    kept = []
    assert left(lambda: kept.append(WATCHED[0])) >= COUNT
    assert left(lambda: kept.append(float(len(kept)))) >= COUNT


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_measure_sees_memory():
    form = "lambda: kept.append(np.empty(4000, np.int8))"
    run(f"from test_leaks import grown_mb\nkept = []\nassert grown_mb(40_000, 0, {form}) > 1")


def grown_mb(right: int, wrong: int, *more: Form) -> float:
    """What so many calls, in every form by turns, add to the resident memory."""

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
    print(f"{right} calls, {wrong} that raise: {before:.2f} MB, {after:.2f} after {seconds:.1f} s")
    return after - before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (100_000, 30_000),
        pytest.param(5_000_000, 1_000_000, marks=pytest.mark.exhaustive),
    ],
    ids=["short", "long"],
)
def test_memory_does_not_grow(right, wrong, record_property):
    code = f"from test_leaks import grown_mb\nassert grown_mb({right}, {wrong}) < 1"
    said = run(code, timeout=1200)
    record_property("memory", said)
