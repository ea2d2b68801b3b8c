"""A cluster in memory with the airport view applied, and publishers that are closed after the test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from syncline.adapters.memory.log import MemoryLog
from syncline.clock import ManualClock
from syncline.errors import PublishError
from tests.unit.publisher.airport import NOW_US, airport_contract, make_publisher, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncline.contracts.model import Contract
    from syncline.publisher import Publisher

PREFIX = "syncline"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at NOW_US."""
    return ManualClock(NOW_US)


@pytest.fixture
def contract() -> Contract:
    """The airport view's contract."""
    return airport_contract(PREFIX)


@pytest.fixture
def log(clock: ManualClock, contract: Contract) -> MemoryLog:
    """A log with the airport view applied."""
    log = MemoryLog(clock)
    register(log, contract, prefix=PREFIX)
    return log


@pytest.fixture
def publish_with(log: MemoryLog, clock: ManualClock) -> Iterator[Callable[..., Publisher]]:
    """Makes publishers with the settings given."""
    made: list[Publisher] = []

    def make(**settings: Any) -> Publisher:
        made.append(make_publisher(log, clock, prefix=PREFIX, **settings))
        return made[-1]

    yield make
    for publisher in made:
        with contextlib.suppress(PublishError):
            publisher.close(timeout_s=0)


@pytest.fixture
def publisher(publish_with: Callable[..., Publisher]) -> Publisher:
    """A publisher with the defaults."""
    return publish_with()
