"""Dead letters as a person reads them: the row behind the bytes, whatever its types."""

from __future__ import annotations

import json

import pytest

from syncline.adapters.memory.log import MemoryLog
from syncline.catalog_client import CatalogClient
from syncline.clock import ManualClock, SystemClock
from syncline.contracts.codec.encode import Encoder
from syncline.inspection.dead_letters import decoded
from syncline.wire.dead_letters import DeadLetter, Reason
from syncline.wire.framing import prefix as framing
from syncline.wire.topics import Topics
from tests.unit.all_types import FEATURES, NOW_US, canonical, flight, flight_contract
from tests.unit.publisher.airport import register

FLIGHT = flight_contract()


def test_days_and_moments_of_a_letter_are_readable() -> None:
    """`dlq show` has dates and times as ISO text, inside lists and maps as well, and is strict JSON."""
    log = MemoryLog(ManualClock(NOW_US))
    register(log, FLIGHT, prefix="syncline")
    catalog = CatalogClient(log, Topics("syncline").catalog, clock=SystemClock(), client_id="tests")
    picture = catalog.catch_up(5)
    catalog.close()
    row = canonical(flight(built=2**31 - 1, load=float("nan"), seen=[-(2**63)]), FLIGHT)
    letter = DeadLetter(
        topic=FLIGHT.topic,
        partition=0,
        offset=3,
        timestamp_ms=NOW_US // 1_000,
        key=b"UA1545",
        value=framing(7) + Encoder(FLIGHT).encode(row),
        headers=(),
        reason=Reason("finite", "load", "", "CONTRACT", "flight@1.0", 7),
        agent="model/a",
    )

    fields = json.loads(json.dumps(decoded(picture, letter)["fields"]), parse_constant=pytest.fail)

    assert fields == FEATURES | {
        "flight": "UA1545",
        "event_time": "2027-01-15T08:00:00Z",
        "load": "nan",
        "wide": [1e300, "inf"],
        # Beyond all calendars a number is all that can be said.
        "built": str(2**31 - 1),
        "seen": [str(-(2**63))],
        "dep_time": "2027-01-15T07:30:00.123456Z",
        "arr_time": "2027-01-15T10:30:00.123456Z",
        "holidays": ["2027-01-01", "2027-07-04"],
        "checked": {"engine": "2026-12-31"},
    }
