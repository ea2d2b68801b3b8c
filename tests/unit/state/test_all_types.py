"""Records of every type: judged by the agent as the publisher judged them, and folded, observed or rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncline.contracts.codec.avro import avro_text
from syncline.contracts.codec.encode import Encoder
from syncline.contracts.model import Contract
from syncline.state.verdict import Verdict, judge
from syncline.state.view_schema import ViewMajor, ViewSchema
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import encode_key
from tests.unit.all_types import BROKEN, NOW_US, canonical, flight, flight_contract
from tests.unit.state.world import Record, rows

NOW_MS = NOW_US // 1_000
FLIGHT = flight_contract(partitions=1)
OBSERVING = flight_contract(partitions=1, onViolation="observe")
HALTING = flight_contract(partitions=1, onViolation="halt")
OF_NO_CALENDAR: list[dict[str, Any]] = [
    {"built": 2_932_897},
    {"arr_time": 2**63 - 1},
    {"dep_time": -(2**63)},
    {"holidays": [2**31 - 1]},
    {"seen": [0, 2**62]},
    {"checked": {"a": -(2**31)}},
]
"""What Avro can carry, and no calendar of Python's holds; each at one feature."""


def record(contract: Contract, **features: Any) -> Record:
    """A record of the flight, whatever its values."""
    row = canonical(flight(**features), contract)
    return Record(encode_key(["UA1545"]), framing(7) + Encoder(contract).encode(row), NOW_MS)


def judged(records: list[Record], contract: Contract) -> Verdict:
    """The agent's verdict."""
    schema = ViewSchema.compile(
        schema_id=7,
        contract_json=json.dumps(contract.document, default=str),
        avro_schema=avro_text(contract),
        topic=contract.topic,
    )
    return judge(rows(records), t_ms=-1, major=ViewMajor.of(contract), schemas={7: schema})


def told(verdict: Verdict) -> set[tuple[int, str, str]]:
    """(row, feature, rule) of what was observed."""
    return {(row, violation.feature, violation.rule) for row, violation in verdict.observed}


def test_good_records_of_every_type_are_folded() -> None:
    """A batch, and a single record, that keep the contract are folded with the bytes that they came with."""
    for count in (1, 20):
        records = [record(FLIGHT)] * count
        verdict = judged(records, FLIGHT)
        assert (len(verdict.updates), verdict.rejects) == (count, ())
        assert list(verdict.updates.payloads) == [(each.value or b"")[5:] for each in records]


@pytest.mark.parametrize("company", [0, 20], ids=["alone", "in company"])
@pytest.mark.parametrize(("values", "broken"), BROKEN, ids=str)
def test_broken_rules_are_those_that_the_publisher_tells(
    values: dict[str, Any], broken: set[tuple[str, str]], company: int
) -> None:
    """The letter of a rejected record names a broken rule, and its message all of them; neighbours are folded."""
    verdict = judged([*[record(FLIGHT)] * company, record(FLIGHT, **values)], FLIGHT)

    assert len(verdict.updates) == company
    (reject,) = verdict.rejects
    assert (reject.row, reject.reason.stage) == (company, "CONTRACT")
    assert (reject.reason.feature, reject.reason.rule) in broken
    assert reject.reason.message.count("; ") == len(broken) - 1
    for feature, rule in broken:
        assert f"{feature or 'record'}: {rule}: " in reject.reason.message


@pytest.mark.parametrize(("values", "broken"), BROKEN, ids=str)
def test_observe_covers_limits_of_items_and_rules_between_features(
    values: dict[str, Any], broken: set[tuple[str, str]]
) -> None:
    """Under `observe` the record is folded whatever rule of features it breaks, and every rule is told."""
    verdict = judged([record(OBSERVING), record(OBSERVING, **values)], OBSERVING)
    assert (len(verdict.updates), verdict.rejects) == (2, ())
    assert told(verdict) == {(1, feature, rule) for feature, rule in broken}


def test_observe_does_not_cover_what_is_about_no_feature() -> None:
    """A record that breaks a rule of features and stands too far ahead is rejected, and the letter says both."""
    ahead = record(OBSERVING, event_time=NOW_US + 300_000_001, seats=13)
    verdict = judged([ahead], OBSERVING)
    assert len(verdict.updates) == 0
    (reject,) = verdict.rejects
    assert reject.reason.rule == "ahead"
    assert "cel:no_thirteen" in reject.reason.message
    assert verdict.observed == ()


def test_halt_holds_at_a_rule_between_features() -> None:
    """Under `halt` a broken rule in CEL stops the partition before its record."""
    verdict = judged([record(HALTING), record(HALTING, stops=[]), record(HALTING)], HALTING)
    assert (verdict.rows, len(verdict.updates)) == (1, 1)
    assert verdict.stop is not None
    assert "cel:no_stops_no_delays" in verdict.stop.reason


@pytest.mark.parametrize("values", OF_NO_CALENDAR, ids=str)
@pytest.mark.parametrize("company", [0, 20], ids=["alone", "in company"])
def test_days_of_no_calendar_are_rejected(values: dict[str, Any], company: int) -> None:
    """Dates and times beyond the years 1 to 9999, written by another producer, are dead letters and no crash."""
    verdict = judged([*[record(FLIGHT)] * company, record(FLIGHT, **values)], FLIGHT)
    (reject,) = verdict.rejects
    (name, value) = next(iter(values.items()))
    assert reject.reason.feature == name
    assert reject.reason.rule == ("itemType" if isinstance(value, list | dict) else "type")
    assert len(verdict.updates) == company


def test_what_is_redacted_is_not_in_the_letter() -> None:
    """The value of a redacted feature stands in no reason."""
    (reject,) = judged([record(FLIGHT, tailnum="X14228")], FLIGHT).rejects
    assert "X14228" not in reject.reason.message
