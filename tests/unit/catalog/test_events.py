"""Decisions and their bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.events import (
    BundleReleased,
    BundleView,
    Decision,
    PolicyKind,
    RecordSkipped,
    SchemaRefused,
    SubscriptionDeclared,
    ViewVersionRegistered,
    _format,
    decision_headers,
    decode_decision,
    encode_decision,
)
from syncline.contracts.model import Version
from syncline.errors import UnknownFormat, WireError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTS = st.integers(0, 2**31 - 1)
LONGS = st.integers(-(2**63), 2**63 - 1)
PAIRS = st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda pairs: tuple(sorted(pairs.items())))
REGISTERED = st.builds(
    ViewVersionRegistered,
    view=TEXTS,
    version=st.builds(Version, INTS, INTS, INTS),
    topic=TEXTS,
    contract=TEXTS,
    avro_schema=TEXTS,
    schema_id=INTS,
    contract_hash=TEXTS,
    owner=TEXTS,
    release_date=st.dates(),
)
RELEASED = st.builds(
    BundleReleased,
    bundle=TEXTS,
    release=INTS,
    owner=TEXTS,
    views=st.lists(
        st.builds(
            BundleView,
            alias=TEXTS,
            view=TEXTS,
            version=st.builds(Version, INTS, INTS),
            keys=st.lists(st.tuples(TEXTS, TEXTS), max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
            features=st.lists(TEXTS, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    compatibility=TEXTS,
)
DECLARED = st.builds(
    SubscriptionDeclared,
    consumer=TEXTS,
    bundle=TEXTS,
    policy=st.sampled_from(PolicyKind),
    policy_release=st.none() | INTS,
    labels=PAIRS,
    freshness_us=st.dictionaries(TEXTS, LONGS, max_size=3).map(lambda pairs: tuple(sorted(pairs.items()))),
    model_name=st.none() | TEXTS,
    model_version=st.none() | TEXTS,
    required=st.booleans(),
    accepts_widening=st.booleans(),
)
SKIPPED = st.builds(RecordSkipped, topic=TEXTS, partition=INTS, offset=LONGS)
REFUSED = st.builds(SchemaRefused, schema_id=st.integers(0, 2**32 - 1))
DECISIONS = st.builds(
    Decision,
    event_id=TEXTS,
    recorded_at_us=LONGS,
    actor=TEXTS,
    reason=TEXTS,
    based_on=LONGS,
    payload=REGISTERED | RELEASED | DECLARED | SKIPPED | REFUSED,
)
ONE = Decision("1", 0, "me", "why", 3, SubscriptionDeclared("model", "inputs", PolicyKind.PIN, 1))


@given(decision=DECISIONS)
def test_a_decision_comes_back_whole(decision: Decision) -> None:
    """P11: actor, reason and payload are kept as they were, the order of a view's join keys too."""
    assert decode_decision(encode_decision(decision)) == decision


def test_a_decision_is_a_cloud_event() -> None:
    """Always on for catalog records: id, source, type and time."""
    headers = dict(decision_headers(replace(ONE, recorded_at_us=1_000_000)))

    assert headers["ce_id"] == b"1"
    assert headers["ce_type"] == b"syncline.catalog.SubscriptionDeclared"
    assert headers["ce_time"] == b"1970-01-01T00:00:01.000000Z"


@given(data=st.binary(max_size=60), framed=st.booleans())
def test_junk_is_no_decision_and_no_crash(data: bytes, framed: bool) -> None:
    """Every reader of the catalog must come to the same answer about any bytes."""
    junk = encode_decision(ONE)[:10] + data if framed else data
    with suppress(WireError, UnknownFormat):
        decode_decision(junk)


@given(place=st.integers(10, 60), change=st.integers(1, 255))
def test_a_changed_byte_is_no_crash(place: int, change: int) -> None:
    """Whatever a byte turns into, it is a decision or it is none."""
    data = bytearray(encode_decision(ONE))
    data[min(place, len(data) - 1)] ^= change
    with suppress(WireError, UnknownFormat):
        decode_decision(bytes(data))


@pytest.mark.parametrize("days", [2**31 - 1, -(2**31), -1_000_000])
def test_a_date_of_no_calendar_is_no_decision(days: int) -> None:
    """Avro's `date` holds more days than there are; one such record must not stop every reader for ever."""
    payload = ViewVersionRegistered("v", Version(1, 0), "t", "{}", "{}", 1, "h", "o", date(2026, 1, 1))
    record = _format().decode(encode_decision(replace(ONE, payload=payload)))
    record["payload"][1]["release_date"] = days

    with pytest.raises(WireError):
        decode_decision(_format().encode(record))
