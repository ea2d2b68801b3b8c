"""Every rule of log.md that rejects a record, holds a partition, or lets a record through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.state.verdict import Verdict, judge
from syncline.state.view_schema import ViewMajor, ViewSchema
from syncline.wire.framing import prefix as framing
from syncline.wire.headers import encode_time
from syncline.wire.keys import encode_key
from tests.unit.state.reference import Played, histories
from tests.unit.state.world import (
    NOW_MS,
    Record,
    Version,
    airports_of,
    delete,
    heartbeat,
    major_of,
    marker,
    rows,
)

NOW_US = NOW_MS * 1_000
SECOND_US = 1_000_000
FIRST = Version.make(7)
LATE = Version.make(7, late_arrival="10 min", max_ahead="1 min")
OTHER_VIEW = Version.make(8, view="weather")
NEXT_MAJOR = Version.make(9, version="2.0.0")
NUMBERED = Version.make(12, view="numbered", keys=(("airport", "long"),))
PAIRED = Version.make(13, view="paired", keys=(("airport", "string"), ("gate", "long")))
GOOD = FIRST.record(at_us=NOW_US)


def judged(
    records: Sequence[Record],
    version: Version = FIRST,
    *,
    t_ms: int = -1,
    partition: int = 0,
    known: Sequence[Version] = (),
    major: ViewMajor | None = None,
) -> Verdict:
    """The verdict when the catalog knows this version and the others."""
    schemas: Mapping[int, ViewSchema] = {each.schema_id: each.schema for each in (version, *known)}
    return judge(
        rows(records, partition=partition), t_ms=t_ms, major=major or major_of(version), schemas=schemas
    )


def rules(verdict: Verdict) -> list[tuple[int, str, str]]:
    """(row, stage, rule) of each reject."""
    return [(reject.row, reject.reason.stage, reject.reason.rule) for reject in verdict.rejects]


def value(**values: Any) -> bytes:
    """A framed value of the first version."""
    return FIRST.value(at_us=values.pop("at_us", NOW_US), **values)


def nulled() -> bytes:
    """A record whose required number was written as null, by someone with a laxer schema of the same id."""
    body = FIRST.body(at_us=NOW_US)
    return framing(7) + body[: -8 - 2] + b"\x00" + body[-2:]


REJECTED = {
    "null key": (Record(None, value(), NOW_MS), "KEY", "key"),
    "empty key": (Record(b"", value(), NOW_MS), "KEY", "key"),
    "null key of a delete": (
        Record(None, None, NOW_MS, (("ce_time", encode_time(NOW_US)),)),
        "KEY",
        "key",
    ),
    "empty key of a delete": (Record(b"", None, NOW_MS, (("ce_time", encode_time(NOW_US)),)), "KEY", "key"),
    "oversize key": (Record(b"E" * 512, value(airport="E" * 512), NOW_MS), "KEY", "key"),
    "key that is no text": (Record(b"\xff\xfe", value(), NOW_MS), "KEY", "key"),
    "key like a control record's with a value": (
        Record(b"\x00syncline.cut.7", value(), NOW_MS),
        "KEY",
        "key",
    ),
    "key of another entity": (Record(b"JFK", value(), NOW_MS), "KEY", "key"),
    "empty value": (Record(b"EWR", b"", NOW_MS), "FRAMING", "framing"),
    "short value": (Record(b"EWR", b"\x00\x00\x00\x00", NOW_MS), "FRAMING", "framing"),
    "wrong magic byte": (Record(b"EWR", b"\x01" + value()[1:], NOW_MS), "FRAMING", "framing"),
    "no body": (Record(b"EWR", framing(7), NOW_MS), "DECODE", "decode"),
    "truncated Avro": (Record(b"EWR", value()[:-1], NOW_MS), "DECODE", "decode"),
    "trailing bytes": (Record(b"EWR", value() + b"\x00", NOW_MS), "DECODE", "decode"),
    "a null where none is allowed": (Record(b"EWR", nulled(), NOW_MS), "DECODE", "decode"),
    "above the maximum": (Record(b"EWR", value(mean=100.5), NOW_MS), "CONTRACT", "maximum"),
    "below the minimum": (Record(b"EWR", value(mean=-100.5), NOW_MS), "CONTRACT", "minimum"),
    "not finite": (Record(b"EWR", value(mean=float("nan")), NOW_MS), "CONTRACT", "finite"),
    "nullable but too large": (Record(b"EWR", value(count=1_001), NOW_MS), "CONTRACT", "maximum"),
    "event time that no calendar has": (Record(b"EWR", value(at_us=2**63 - 1), NOW_MS), "CONTRACT", "range"),
    "event time before all calendars": (Record(b"EWR", value(at_us=-(2**63)), NOW_MS), "CONTRACT", "range"),
    "too far ahead": (
        Record(b"EWR", value(at_us=NOW_US + 300 * SECOND_US + 1), NOW_MS),
        "TIME",
        "ahead",
    ),
    "delete without a time": (Record(b"EWR", None, NOW_MS), "HEADERS", "event_time"),
    "delete with a null time": (Record(b"EWR", None, NOW_MS, (("ce_time", None),)), "HEADERS", "event_time"),
    "delete with no time of any calendar": (
        Record(b"EWR", None, NOW_MS, (("ce_time", b"2023-02-30T00:00:00Z"),)),
        "HEADERS",
        "event_time",
    ),
    "delete too far ahead": (delete(at_us=NOW_US + 300 * SECOND_US + 1, ms=NOW_MS), "TIME", "ahead"),
}


@pytest.mark.parametrize("name", REJECTED)
@pytest.mark.parametrize("company", [0, 20], ids=["alone", "in company"])
def test_bad_records_are_rejected_each_for_its_reason(name: str, company: int) -> None:
    """Bad input has one clear answer, in a batch of its own or among good records, and its neighbours are folded."""
    record, stage, rule = REJECTED[name]
    around = [GOOD] * company

    verdict = judged([*around, record, *around])

    assert rules(verdict) == [(company, stage, rule)]
    assert len(verdict.updates) == 2 * company
    assert (verdict.rows, verdict.stop) == (2 * company + 1, None)


def test_reasons_name_the_schema_the_version_and_the_feature() -> None:
    """What `dlq list` shows: under which version a record was judged, and which feature broke which rule."""
    (contract_reject,) = judged([Record(b"EWR", value(mean=101.0), NOW_MS)]).rejects
    (key_reject,) = judged([Record(None, value(), NOW_MS)]).rejects
    (framing_reject,) = judged([Record(b"EWR", b"", NOW_MS)]).rejects

    assert contract_reject.reason.feature == "mean"
    assert (contract_reject.reason.view_version, contract_reject.reason.schema_id) == ("delay@1.0", 7)
    assert (key_reject.reason.view_version, key_reject.reason.schema_id) == ("delay@1.0", 7)
    assert (framing_reject.reason.view_version, framing_reject.reason.schema_id) == ("delay@1", None)


def test_all_broken_rules_of_a_record_are_listed_and_the_first_one_names_it() -> None:
    """A foreign partition, two values out of range and a time too far ahead: one letter says it all."""
    two = Version.make(7, partitions=2)
    (home,) = airports_of(1, 2, 1)
    far = NOW_US + 400 * SECOND_US
    bad = two.record(home, at_us=far, ms=NOW_MS, mean=500.0, count=5_000)

    (reject,) = judged([bad], two, partition=0).rejects

    assert (reject.reason.rule, reject.reason.stage) == ("partition", "KEY")
    for part in ("partition 1", "mean: maximum", "count: maximum", "event_time: ahead"):
        assert part in reject.reason.message


@pytest.mark.parametrize("kind", ["update", "delete"])
def test_a_record_in_another_partition_than_its_keys_is_rejected(kind: str) -> None:
    """A foreign partitioner or a raised partition count: one key must have one cell."""
    two = Version.make(7, partitions=2)
    (home,) = airports_of(1, 2, 1)
    record = two.record(home, at_us=NOW_US) if kind == "update" else delete(home, at_us=NOW_US)

    assert rules(judged([record], two, partition=0)) == [(0, "KEY", "partition")]
    assert rules(judged([record], two, partition=1)) == []


def test_control_records_stand_in_any_partition() -> None:
    """Heartbeats go to each partition, whatever their key's hash is; unknown kinds are stepped over."""
    two = Version.make(7, partitions=2)
    unknown = Record(b"\x00syncline.something.new", None, NOW_MS)
    broken_marker = Record(b"\x00syncline.cut.seven", None, NOW_MS)

    for partition in (0, 1):
        verdict = judged([heartbeat(ms=NOW_MS), unknown, broken_marker], two, partition=partition)
        assert (verdict.controls, verdict.rejects, verdict.stop) == ((0, 1, 2), (), None)


@pytest.mark.parametrize("other", [OTHER_VIEW, NEXT_MAJOR], ids=["another view's", "another MAJOR's"])
def test_a_foreign_schema_id_is_rejected(other: Version) -> None:
    """A record under an id that the catalog knows for another topic does not belong here, though it decodes."""
    verdict = judged([Record(b"EWR", other.value(at_us=NOW_US), NOW_MS), GOOD], known=[other])

    assert rules(verdict) == [(0, "FRAMING", "schema")]
    assert other.contract.reference in verdict.rejects[0].reason.message


def test_the_boundaries_of_event_time_belong_to_the_good_side() -> None:
    """Exactly T - L and exactly timestamp + maxAhead keep the contract; a microsecond beyond breaks it."""
    oldest, newest = NOW_US - 600 * SECOND_US, NOW_US + 60 * SECOND_US
    moments = [oldest, oldest - 1, newest, newest + 1]

    updates = judged([LATE.record(at_us=at_us, ms=NOW_MS) for at_us in moments], LATE)
    deletes = judged([delete(at_us=at_us, ms=NOW_MS) for at_us in moments], LATE)

    assert rules(updates) == rules(deletes) == [(1, "TIME", "late"), (3, "TIME", "ahead")]


def test_late_is_judged_by_the_partitions_largest_timestamp_ahead_by_the_records_own() -> None:
    """T counts every record, rejects and control records included, and never falls."""
    at_us = NOW_US - 600 * SECOND_US
    good = LATE.record(at_us=at_us, ms=NOW_MS)

    after_reject = judged([Record(None, b"", NOW_MS + 1), good], LATE)
    after_heartbeat = judged([heartbeat(ms=NOW_MS + 1), good], LATE)
    carried = judged([good], LATE, t_ms=NOW_MS + 1)
    ahead_of_own = judged([LATE.record(at_us=NOW_US + 61 * SECOND_US, ms=NOW_MS)], LATE, t_ms=NOW_MS + 60_000)

    assert rules(after_reject) == [(0, "KEY", "key"), (1, "TIME", "late")]
    assert rules(after_heartbeat) == [(1, "TIME", "late")]
    assert rules(carried) == [(0, "TIME", "late")]
    assert (carried.t_ms, after_heartbeat.t_ms) == (NOW_MS + 1, NOW_MS + 1)
    assert rules(ahead_of_own) == [(0, "TIME", "ahead")]


def test_an_unknown_schema_id_holds_exactly_there() -> None:
    """P6: nothing from that record on is judged, what stands before it is, and the reason says what to do."""
    unknown = Record(b"EWR", framing(99) + b"\x00", NOW_MS)

    verdict = judged([GOOD, Record(None, b"", NOW_MS), unknown, GOOD, marker(1, ms=NOW_MS)])

    assert verdict.rows == 2
    assert verdict.stop is not None
    assert (verdict.stop.row, verdict.stop.marker) == (2, False)
    assert "schema id 99 at offset 2" in verdict.stop.reason
    assert "syncline apply" in verdict.stop.reason
    assert (len(verdict.updates), len(verdict.rejects)) == (1, 1)


def test_a_marker_before_an_unknown_schema_id_comes_first() -> None:
    """Stops are met in log order."""
    unknown = Record(b"EWR", framing(99) + b"\x00", NOW_MS)

    verdict = judged([GOOD, marker(1, ms=NOW_MS), unknown])

    assert verdict.stop is not None
    assert (verdict.stop.row, verdict.stop.marker) == (1, True)


def test_the_largest_schema_id_is_an_id() -> None:
    """Four bytes without a sign: 2^32 - 1 is unknown, not a wrong magic byte."""
    verdict = judged([Record(b"EWR", b"\x00\xff\xff\xff\xff", NOW_MS)])

    assert verdict.stop is not None
    assert "4294967295" in verdict.stop.reason


def test_halt_holds_at_the_first_broken_record_and_folds_what_stands_before() -> None:
    """`onViolation: halt`: a gap would be worse than staleness, so nothing after the fault is taken."""
    halting = Version.make(7, on_violation="halt")
    bad = Record(b"EWR", halting.value(at_us=NOW_US, mean=500.0), NOW_MS + 5)

    verdict = judged(
        [halting.record(at_us=NOW_US), bad, halting.record(at_us=NOW_US, ms=NOW_MS + 9)], halting
    )

    assert (verdict.rows, len(verdict.updates), verdict.rejects, verdict.t_ms) == (1, 1, (), NOW_MS)
    assert verdict.stop is not None
    assert (verdict.stop.row, verdict.stop.marker) == (1, False)
    assert "mean" in verdict.stop.reason


@pytest.mark.parametrize("name", REJECTED)
def test_halt_holds_at_every_kind_of_fault(name: str) -> None:
    """Late, too far ahead, key, partition and framing faults are held under halt too, at the first record even."""
    halting = Version.make(7, on_violation="halt")

    verdict = judged([REJECTED[name][0]], halting)

    assert (verdict.rows, verdict.rejects) == (0, ())
    assert verdict.stop is not None
    assert not verdict.stop.marker


@pytest.mark.parametrize("name", REJECTED)
def test_observe_lets_feature_rules_pass_and_nothing_else(name: str) -> None:
    """`onViolation: observe` folds what breaks a feature's rule and says so; all other faults are dead-lettered."""
    observing = Version.make(7, on_violation="observe")
    record, stage, rule = REJECTED[name]

    verdict = judged([record], observing)

    if stage == "CONTRACT" and rule != "range":
        assert (len(verdict.updates), verdict.rejects) == (1, ())
        assert [(row, seen.rule) for row, seen in verdict.observed] == [(0, rule)]
    else:
        assert rules(verdict) == [(0, stage, rule)]
        assert (len(verdict.updates), verdict.observed) == (0, ())


def test_a_late_record_is_not_counted_as_observed() -> None:
    """What is dead-lettered for its time was not folded, so it is not `observed`."""
    observing = Version.make(7, on_violation="observe", late_arrival="10 min")
    record = observing.record(at_us=NOW_US - 601 * SECOND_US, ms=NOW_MS, mean=500.0)

    verdict = judged([record], observing)

    assert (rules(verdict), verdict.observed) == ([(0, "TIME", "late")], ())


def test_the_contract_of_the_records_own_schema_id_decides_what_happens_to_it() -> None:
    """Not the newest version's, nor the MAJOR's first: whatever fault it is, found early or late."""
    letters, halts = Version.make(7), Version.make(8, version="1.1.0", on_violation="halt")
    major = major_of(letters, halts)

    def under(version: Version, key: bytes | None) -> Verdict:
        record = Record(key, version.value(at_us=NOW_US, mean=500.0), NOW_MS)
        return judged([record], letters, known=[halts], major=major)

    for key in (b"EWR", None, b"JFK"):
        assert under(letters, key).stop is None
        assert under(halts, key).stop is not None


def test_what_names_no_schema_is_treated_as_the_first_version_says() -> None:
    """For good: a later MINOR cannot change what becomes of records that name none."""
    letters, halts = Version.make(7), Version.make(8, version="1.1.0", on_violation="halt")
    junk = Record(b"EWR", b"junk!", NOW_MS)
    known = {7: letters.schema, 8: halts.schema}

    as_letters = judge(rows([junk]), t_ms=-1, major=major_of(letters, halts), schemas=known)
    as_halts = judge(rows([junk]), t_ms=-1, major=major_of(halts), schemas=known)

    assert as_letters.stop is None
    assert as_halts.stop is not None


@pytest.mark.parametrize(
    "key", [b"05", b"+5", b"5 ", b"5.0", b"-0", "\u0665".encode(), b"9223372036854775808", b"9" * 400]
)
def test_integer_keys_have_one_spelling(key: bytes) -> None:
    """Another spelling of the same number would be a second cell; a number beyond 64 bits is none."""
    good = (
        NUMBERED.schema_id,
        NUMBERED.encoder.encode({"airport": 5, "event_time": NOW_US, "mean": 1.0, "count": None}),
    )
    framed = framing(good[0]) + good[1]

    verdict = judged([Record(b"5", framed, NOW_MS), Record(key, framed, NOW_MS)], NUMBERED)

    assert rules(verdict) == [(1, "KEY", "key")]


def test_pairs_of_keys_have_one_spelling_and_must_be_the_records_own() -> None:
    """Several join keys are a canonical JSON array; each part must be what the record says."""
    row = {"airport": "EWR", "gate": 5, "event_time": NOW_US, "mean": 1.0, "count": None}
    framed = framing(13) + PAIRED.encoder.encode(row)
    keys = [b'["EWR",5]', b'["EWR", 5]', b'["EWR",6]', b'["EWR","5"]', b'["EWR"]', b"[" * 400]

    verdict = judged([Record(key, framed, NOW_MS) for key in keys], PAIRED)

    assert encode_key(["EWR", 5]) == keys[0]
    assert rules(verdict) == [(row, "KEY", "key") for row in range(1, len(keys))]


def test_an_empty_join_key_inside_a_pair_breaks_the_contract() -> None:
    """A text key has at least one character, in the record as in the key."""
    row = {"airport": "", "gate": 5, "event_time": NOW_US, "mean": 1.0, "count": None}
    record = Record(b'["",5]', framing(13) + PAIRED.encoder.encode(row), NOW_MS)

    assert rules(judged([record], PAIRED)) == [(0, "CONTRACT", "key")]


def test_of_several_event_time_headers_the_last_is_meant() -> None:
    """Kafka keeps duplicates; a relay that appended its own said the last word."""
    headers = (("ce_time", encode_time(NOW_US - 9)), ("ce_time", encode_time(NOW_US)))

    verdict = judged([Record(b"EWR", None, NOW_MS, headers)])

    assert verdict.updates.event_times_us.tolist() == [NOW_US]


@settings(max_examples=60, deadline=None)
@given(
    history=histories(
        [LATE, Version.make(9, version="1.1.0", late_arrival="10 min", max_ahead="1 min")], ["EWR", "JFK"]
    ),
    cut=st.integers(0, 40),
)
def test_a_verdict_does_not_depend_on_where_batches_end(history: list[Played], cut: int) -> None:
    """P2: judged in one go or in two, each record gets the same answer."""
    records = [each.record for each in history if each.kind != "marker"]
    second = Version.make(9, version="1.1.0", late_arrival="10 min", max_ahead="1 min")
    cut = min(cut, len(records))

    whole = judged(records, LATE, known=[second])
    head = judged(records[:cut], LATE, known=[second])
    tail = judged(records[cut:], LATE, known=[second], t_ms=head.t_ms)

    assert [(reject.row, reject.reason) for reject in whole.rejects] == [
        *((reject.row, reject.reason) for reject in head.rejects),
        *((reject.row + cut, reject.reason) for reject in tail.rejects),
    ]
    assert whole.t_ms == tail.t_ms
    assert whole.updates.event_times_us.tolist() == [
        *head.updates.event_times_us.tolist(),
        *tail.updates.event_times_us.tolist(),
    ]


@settings(max_examples=200, deadline=None)
@given(
    key=st.none() | st.binary(max_size=20) | st.sampled_from([b"EWR", b"\x00syncline.cut.1"]),
    junk=st.none() | st.binary(max_size=30) | st.binary(max_size=30).map(lambda body: framing(7) + body),
    name=st.sampled_from(["ce_time", "x"]),
    header=st.none() | st.binary(max_size=30),
    ms=st.integers(-1, 2**43),
)
def test_no_record_whatever_stops_the_judge(
    key: bytes | None, junk: bytes | None, name: str, header: bytes | None, ms: int
) -> None:
    """Bad input has one clear answer: each record is folded, rejected, stepped over or held, and nothing raises."""
    verdict = judged([Record(key, junk, ms, ((name, header),)), GOOD])

    if verdict.stop is None:
        assert verdict.rows == 2
        assert len(verdict.updates) + len(verdict.rejects) + len(verdict.controls) == 2


def test_a_compiled_schema_stands_where_its_topic_says() -> None:
    """The prefix is the topic's, so a cluster with prefixed topics judges its own records."""
    version = Version.make(7, prefix="team-a.syncline")

    assert version.schema.contract.topic == "team-a.syncline.features.delay.v1"
    assert json.dumps(version.contract.document)
