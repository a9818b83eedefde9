"""Options and fixtures that every test file shares."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from softlane import _core


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive", action="store_true", help="run what takes minutes or gigabytes as well"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--exhaustive"):
        return
    skip = pytest.mark.skip(reason="takes minutes or gigabytes: run with --exhaustive")
    for item in items:
        if "exhaustive" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(params=_core._isa_supported())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction-set level of this machine in turn, active for the length of the test."""
    former = _core._use_isa(request.param)
    yield request.param
    _core._use_isa(former)


@pytest.fixture
def record_property(record_property: Callable[[str, object], None]) -> Callable[[str, Any], None]:
    """As JSON text: numpy's numbers do not pass from one test process to another."""
    return lambda name, value: record_property(name, json.dumps(value, default=str))
