"""Whatever objects a row holds, a call raises what is documented, and publishes all of what it was given or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, tzinfo
from typing import Any

import numpy as np
import pytest

from syncline.adapters.memory.log import MemoryLog
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import ManualClock
from syncline.errors import CatalogError, ContractViolation
from syncline.publisher import ViewPublisher
from tests.unit.all_types import NOW_US, flight, flight_contract
from tests.unit.publisher.airport import airport_contract, make_publisher, records, register

PREFIX = "syncline"


class Closed(list[float]):
    """Cannot be gone through."""

    def __iter__(self) -> Any:
        """Raise."""
        raise RuntimeError("no")


class Array(np.ndarray[Any, Any]):
    """Has no list."""

    def tolist(self) -> Any:
        """Raise."""
        raise RuntimeError("no")


class Nowhere(tzinfo):
    """A zone that knows no offset: all that Python's own class says of it is that it is to be overridden."""


def nested(levels: int) -> list[Any]:
    """A list in a list in a list."""
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


LIAR = type("Liar", (), {"__class__": dict})()
WRONG = [
    ("delays", Closed([1.5])),
    ("delays", np.array([1.5]).view(Array)),
    ("delays", nested(20_000)),
    ("by_cabin", LIAR),
    ("holidays", [type("Day", (date,), {"toordinal": lambda _: 1 / 0})(2027, 1, 1)]),
    ("dep_time", datetime(2027, 1, 1, tzinfo=Nowhere())),
    ("event_time", datetime(2027, 1, 1, tzinfo=Nowhere())),
    ("event_time", nested(20_000)),
    ("event_time", Closed([1.5])),
]


@pytest.fixture
def log() -> MemoryLog:
    """With the flight view applied."""
    log = MemoryLog(ManualClock(NOW_US))
    register(log, flight_contract(PREFIX), prefix=PREFIX)
    return log


def published(log: MemoryLog, view: ViewPublisher) -> int:
    """How many records and dead letters there are."""
    topic = view.contract.topic
    return len(records(log, topic)) + len(records(log, f"{topic}.dlq"))


@pytest.mark.parametrize(("name", "value"), WRONG)
@pytest.mark.parametrize("count", [1, 300])
def test_an_odd_object_breaks_a_rule_and_nothing_goes(
    log: MemoryLog, name: str, value: object, count: int
) -> None:
    """P1: no such object gets through as an error of its own, neither by rows nor by columns."""
    with make_publisher(log, ManualClock(NOW_US), prefix=PREFIX) as publisher:
        view = publisher.view(flight_contract(PREFIX).view)

        with pytest.raises(ContractViolation, match=name):
            view.publish_many([*[flight()] * count, {**flight(), name: value}])
        publisher.flush()

        assert published(log, view) == 0


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_odd_object_is_dead_lettered_beside_the_good_rows(
    log: MemoryLog, name: str, value: object
) -> None:
    """P1: all that was handed in has its outcome; a call does not end half-way through."""
    with make_publisher(log, ManualClock(NOW_US), prefix=PREFIX, on_violation="deadLetter") as publisher:
        view = publisher.view(flight_contract(PREFIX).view)

        view.publish_many([flight(), {**flight(), name: value}, flight()])
        publisher.flush()

        assert published(log, view) == 3
        assert publisher.stats().dead_lettered == 1


@pytest.mark.parametrize("time", [10**5_000, -(10**5_000), nested(20_000)], ids=["far", "long ago", "nested"])
def test_a_delete_at_no_time_is_a_violation(log: MemoryLog, time: Any) -> None:
    """Python does not even write such a number down."""
    with make_publisher(log, ManualClock(NOW_US), prefix=PREFIX) as publisher:
        view = publisher.view(flight_contract(PREFIX).view)

        with pytest.raises(ContractViolation, match="event_time"):
            view.delete({"flight": "UA1"}, event_time=time)


@pytest.mark.parametrize("changed", [{"contract": '{"kind": "Later"}'}, {"avro_schema": "{}"}])
def test_a_contract_of_a_newer_program_is_named(changed: dict[str, str]) -> None:
    """What stands in the catalog and cannot be used is one documented error with a sentence."""
    log, contract = MemoryLog(ManualClock(NOW_US)), airport_contract(PREFIX)
    register(log, contract, prefix=PREFIX)
    catalog = CatalogClient(log, f"{PREFIX}.catalog", clock=ManualClock(NOW_US), client_id="tests")
    standing = catalog.catch_up(5).version(contract.view, contract.version)
    assert standing is not None
    later = replace(standing, version=replace(contract.version, minor=1), schema_id=8, **changed)
    catalog.propose([later], Author("tests", "from a newer program"))

    with make_publisher(log, ManualClock(NOW_US), prefix=PREFIX) as publisher:
        publisher.view("airport_delay@1.0")
        with pytest.raises(CatalogError, match=r"airport_delay@1\.1 stands in the catalog with a contract"):
            publisher.view("airport_delay")
