"""The calls of softlane.verify.calls as parameters of tests."""

from __future__ import annotations

import fnmatch

import pytest

from softlane.verify.calls import (  # noqa: F401 (for the tests)
    CALLS,
    OF_CLASS,
    OF_ROW,
    Arrays,
    Call,
    Results,
    all_bits,
    alone,
    argument,
    mapped,
    of_columns,
    taken,
)

EVERY_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def calls(*wanted: str) -> pytest.MarkDecorator:
    """Parametrize over the calls whose names match one of these patterns."""
    some = {n: c for n, c in CALLS.items() if any(fnmatch.fnmatch(n, p) for p in wanted)}
    return pytest.mark.parametrize("call", some.values(), ids=some.keys())
