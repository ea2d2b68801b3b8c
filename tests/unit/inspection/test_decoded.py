"""Dead letters as a person reads them: the row behind the bytes, whatever its types."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from syncline.adapters.memory.log import MemoryLog
from syncline.catalog.fold import Picture
from syncline.catalog_client import CatalogClient
from syncline.clock import ManualClock, SystemClock
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.codec.encode import Encoder
from syncline.contracts.model import Contract, Version
from syncline.inspection.dead_letters import FoundLetter, decoded
from syncline.wire.dead_letters import DeadLetter, Reason
from syncline.wire.framing import prefix as framing
from syncline.wire.topics import Topics
from tests.unit.all_types import FEATURES, NOW_US, canonical, flight, flight_contract
from tests.unit.publisher.airport import register

FLIGHT = flight_contract()


def _found(letter: DeadLetter, topic: str = FLIGHT.topic) -> FoundLetter:
    """The letter, as it was found in the dead letters of this topic."""
    return FoundLetter(letter, topic, 0, 0)


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

    fields = json.loads(json.dumps(decoded(picture, _found(letter))["fields"]), parse_constant=pytest.fail)

    assert fields == FEATURES | {
        "flight": "UA1545",
        "event_time": "2027-01-15T08:00:00Z",
        "load": "nan",
        "tailnum": "a redacted value",
        "wide": [1e300, "inf"],
        # Beyond all calendars a number is all that can be said.
        "built": str(2**31 - 1),
        "seen": [str(-(2**63))],
        "dep_time": "2027-01-15T07:30:00.123456Z",
        "arr_time": "2027-01-15T10:30:00.123456Z",
        "holidays": ["2027-01-01", "2027-07-04"],
        "checked": {"engine": "2026-12-31"},
    }


def _letter(value: bytes, **given: object) -> DeadLetter:
    fields: dict[str, object] = {
        "topic": FLIGHT.topic,
        "partition": 0,
        "offset": 3,
        "timestamp_ms": 0,
        "key": b"UA1545",
        "value": value,
        "headers": (),
        "reason": Reason("finite", "load", "", "CONTRACT", "flight@1.0", 7),
        "agent": "model/a",
    }
    return DeadLetter(**{**fields, **given})  # type: ignore[arg-type]  # each field is one of a letter


def _redacting(name: str) -> tuple[Contract, Picture]:
    features = tuple(replace(f, redact=f.name == name) for f in FLIGHT.features)
    contract = replace(FLIGHT, features=features)
    settings = [{"property": "syncline.redact", "value": True}]
    document = json.loads(json.dumps(FLIGHT.document))
    for item in document["schema"][0]["properties"]:
        if item["name"] == name:
            item["customProperties"] = [*item.get("customProperties", []), *settings]
    log = MemoryLog(ManualClock(NOW_US))
    register(log, replace(contract, document=document), prefix="syncline")
    catalog = CatalogClient(log, Topics("syncline").catalog, clock=SystemClock(), client_id="tests")
    picture = catalog.catch_up(5)
    catalog.close()
    return contract, picture


def test_a_redacted_feature_is_not_among_the_fields_of_a_letter() -> None:
    """What the contract redacts is shown neither from Avro nor from a publisher's JSON."""
    contract, picture = _redacting("load")
    row = canonical(flight(load=12345.5), contract)
    avro = _letter(framing(7) + Encoder(contract).encode(row))
    headers = [("content-type", b"application/json")]
    as_json = _letter(json.dumps({"load": "12345.5", "flight": "UA1545"}).encode(), headers=headers)

    shown = [decoded(picture, _found(letter))["fields"] for letter in (avro, as_json)]

    assert [fields["load"] for fields in shown] == ["a redacted value"] * 2
    assert shown[1]["flight"] == "UA1545"


def test_a_publishers_row_without_an_avro_form_is_readable() -> None:
    """Its letter is JSON, and says so in its header; what only claims to be JSON is told."""
    _, picture = _redacting("load")
    headers = [("content-type", b"application/json")]

    good = decoded(picture, _found(_letter(b'{"flight": "UA1545", "seats": "many"}', headers=headers)))
    broken = decoded(picture, _found(_letter(b"{", headers=headers)))
    listed = decoded(picture, _found(_letter(b"[1]", headers=headers)))

    assert good == {"fields": {"flight": "UA1545", "seats": "many"}}
    assert broken["not_decoded"].startswith("the value is no JSON")
    assert listed == {"not_decoded": "the value is no JSON object"}


def test_what_a_letter_says_of_its_version_does_not_show_what_is_redacted() -> None:
    """The topic that it was found in belongs to the view; a header may name none, or another."""
    _, picture = _redacting("load")
    headers = [("content-type", b"application/json")]
    letter = _letter(json.dumps({"load": "12345.5"}).encode(), headers=headers)

    for version in ("", "other@1.0", "load"):
        claiming = replace(letter, reason=replace(letter.reason, view_version=version), topic="elsewhere")
        assert decoded(picture, _found(claiming))["fields"] == {"load": "a redacted value"}


def test_what_a_later_version_redacts_is_hidden_in_rows_of_an_earlier_one() -> None:
    """Avro bytes under a schema that did not know it was to be redacted."""
    redacting, picture = _redacting("load")
    registered = next(iter(picture.views[FLIGHT.view].values()))
    earlier = replace(
        registered, payload=replace(registered.payload, avro_schema=avro_text(FLIGHT), schema_id=6)
    )
    views = {FLIGHT.view: {Version(0, 9): earlier, redacting.version: registered}}
    letter = _letter(framing(6) + Encoder(FLIGHT).encode(canonical(flight(load=12345.5), FLIGHT)))

    alone = decoded(replace(picture, views={FLIGHT.view: {Version(0, 9): earlier}}), _found(letter))
    both = decoded(replace(picture, views=views), _found(letter))

    assert alone["fields"]["load"] == 12345.5
    assert both["fields"]["load"] == "a redacted value"
