"""Options and fixtures that every test file shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from softlane import _core


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive", action="store_true", help="run the sweeps of whole domains as well"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--exhaustive"):
        return
    skip = pytest.mark.skip(reason="a sweep of a whole domain: run with --exhaustive")
    for item in items:
        if "exhaustive" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(params=_core._isa_supported())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction-set level of this machine in turn, active for the length of the test."""
    former = _core._use_isa(request.param)
    yield request.param
    _core._use_isa(former)
