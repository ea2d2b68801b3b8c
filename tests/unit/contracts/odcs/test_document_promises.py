"""Freshness, cadence, retention and lifecycle: what they say must be able to hold together."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.unit.contracts.odcs.documents import contract_of, document, places, problems


def promising(*levels: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The document with these service levels and settings."""
    changed = document()
    changed["slaProperties"] = list(levels)
    changed["customProperties"] = [
        {"property": f"syncline.{name}", "value": value} for name, value in settings.items()
    ]
    return changed


def level(name: str, value: object, unit: str | None = None, **more: Any) -> dict[str, Any]:
    """One service level."""
    return {"property": name, "value": value, **({"unit": unit} if unit else {}), **more}


def test_service_levels_are_read() -> None:
    """Durations come as number and unit or as text; the end of support is a date."""
    contract = contract_of(
        promising(
            level("frequency", 15, "min"),
            level("latency", "5 s"),
            level("retention", 30, "d", element="airport_delay"),
            level("endOfSupport", "2027-03-01"),
            level("availability", "99.9 %"),
        )
    )

    assert (contract.frequency_us, contract.latency_us) == (900_000_000, 5_000_000)
    assert contract.retention_us == 30 * 86_400_000_000
    assert contract.end_of_support == date(2027, 3, 1)
    assert contract.max_age_us == 1_800_000_000


@pytest.mark.parametrize(
    ("broken", "place", "rule"),
    [
        (
            promising(level("frequency", 1, "h"), maxAge="59 min"),
            "customProperties[0].value",
            "contradiction",
        ),
        (promising(level("latency", 5, "s"), maxAge="5 s"), "customProperties[0].value", "contradiction"),
        (
            promising(level("latency", 2, "h"), lateArrival="1 h"),
            "customProperties[0].value",
            "contradiction",
        ),
        (promising(level("latancy", 5, "s")), "slaProperties[0].property", "unknown-sla"),
        (promising(level("Frequency", 5, "s")), "slaProperties[0].property", "unknown-sla"),
        (promising(level("latency", 5, "s"), level("latency", 6, "s")), "slaProperties[1]", "duplicate-sla"),
        (
            promising(level("latency", 5, "s", element="other.column")),
            "slaProperties[0].element",
            "not-supported",
        ),
        (promising(level("retention", 3, "y")), "slaProperties[0].value", "duration"),
        (promising(level("retention", "P1Y")), "slaProperties[0].value", "duration"),
        (promising(level("retention", True, "d")), "slaProperties[0].value", "duration"),
        (promising(level("retention", None)), "slaProperties[0].value", "duration"),
        (promising(level("endOfSupport", "2027-02-30")), "slaProperties[0].value", "date"),
        (promising(level("endOfSupport", "20270301")), "slaProperties[0].value", "date"),
        (promising(level("endOfSupport", "2027-W09-1")), "slaProperties[0].value", "date"),
    ],
)
def test_promises_that_cannot_hold_are_named(broken: dict[str, Any], place: str, rule: str) -> None:
    """Promises that contradict each other, are misspelt or make no sense are named where they stand."""
    assert places(broken) == [(place, rule)]


def test_limits_that_just_hold_pass() -> None:
    """A value may get stale the moment that the next one is due."""
    contract = contract_of(
        promising(level("frequency", 1, "h"), level("latency", 1, "h"), maxAge="61 min", lateArrival="1 h")
    )

    assert contract.max_age_us == 3_660_000_000


def test_a_year_is_told_to_be_written_in_days() -> None:
    """A unit without a fixed length is refused with the one to use."""
    (only,) = problems(promising(level("retention", 3, "y")))

    assert "write a number of `d`" in only.message
