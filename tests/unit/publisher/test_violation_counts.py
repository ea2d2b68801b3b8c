"""What a publisher reports of the rows that it judged."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest

from syncline.errors import ContractViolation, NotAcknowledged
from syncline.ports.log import OutcomeKind, TopicSpec
from syncline.telemetry.reports import decode_report
from syncline.telemetry.violations import Reporter, ViolationCounts
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.headers import EVENT_TIME, last
from tests.unit.publisher.airport import FEATURES, NOW_US, records, row
from tests.unit.publisher.test_view import FORMS

REPORTS = "syncline.reports"
TOPIC = "syncline.features.airport_delay.v1"
VERSION = "airport_delay@1.0"
LATE_US = NOW_US - 4_000_000_000


@pytest.fixture(autouse=True)
def topic(log):
    """A reports topic."""
    log.create_topic(TopicSpec(REPORTS, 6))


def windows(log) -> list[ViolationCounts]:
    """Every window reported, in order."""
    found = [decode_report(value) for value in records(log, REPORTS).values]
    return sorted(found, key=lambda counts: counts.window_start_us)


def counted(publisher, log) -> tuple[int, int, dict[tuple[str, str, str], int]]:
    """(rows judged, rows broken, (feature, rule, action) → count) of all that a publisher judged: it is closed."""
    publisher.close()
    judged, broken, rules = 0, 0, Counter()
    for counts in windows(log):
        assert counts.reporter == Reporter("publisher", "job")
        (view,) = counts.views
        assert view.view_version == VERSION
        judged += view.rows_judged
        broken += view.rows_broken
        for each in view.violations:
            rules[each.feature, each.rule, each.action] += each.count
    return judged, broken, rules


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [4, 500])
@pytest.mark.parametrize("mode", ["raise", "deadLetter", "observe"])
def test_each_mode_counts_what_became_of_the_rows(log, publish_with, form, count, mode):
    """Some rows of a batch break one rule, one breaks two: rows and rules are counted under the mode's action."""
    publisher = publish_with(on_violation=mode)
    rows = [row(f"A{number}") for number in range(count)]
    rows[1] = row("A1", delay=5_000.0)
    rows[3] = row("A3", delay=5_000.0, departures=-1)

    try:
        publisher.view("airport_delay").publish_many(FORMS[form](rows))
    except ContractViolation:
        assert mode == "raise"
    else:
        assert mode != "raise"

    action = {"raise": "raised", "deadLetter": "deadLettered", "observe": "observed"}[mode]
    assert counted(publisher, log) == (
        count,
        2,
        {("delay", "maximum", action): 2, ("departures", "minimum", action): 1},
    )


def test_good_rows_are_counted_one_by_one_and_in_batches(log, publisher):
    """A window in which nothing broke is reported, so that a rate can be computed."""
    view = publisher.view("airport_delay")
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    view.publish_many([row("JFK"), row("LGA")])
    view.delete({"airport": "EWR"}, event_time=NOW_US + 5)

    assert counted(publisher, log) == (4, 0, {})


def test_a_publisher_that_judged_nothing_reports_nothing(log, publisher):
    """No rows, no report."""
    publisher.view("airport_delay")
    publisher.close()

    assert windows(log) == []


@pytest.mark.parametrize("count", [3, 500])
@pytest.mark.parametrize("bad", [{"airport": ""}, {"event_time": LATE_US}, {"event_time": NOW_US + 10**12}])
@pytest.mark.parametrize("mode", ["observe", "raise"])
def test_what_observe_does_not_cover_raises_the_whole_call(log, publish_with, bad, count, mode):
    """Key and time faults are no feature rules: nothing goes, and each broken row of the call was raised."""
    publisher = publish_with(on_violation=mode)
    rows = [row(f"A{number}") for number in range(count)]
    rows[0] = row("A0", delay=5_000.0)
    rows[1] = {**row("A1"), **bad}
    rows[2] = {**row("A2", delay=5_000.0), **bad}

    with pytest.raises(ContractViolation) as caught:
        publisher.view("airport_delay").publish_many(rows)

    assert {number for number, _ in caught.value.violations} == ({1, 2} if mode == "observe" else {0, 1, 2})
    assert publisher.stats().queued == 0
    judged, broken, rules = counted(publisher, log)
    assert (judged, broken) == (count, 3)
    assert rules["delay", "maximum", "raised"] == 2
    assert sum(rules.values()) == 4
    assert publisher.stats().violations["airport_delay", "delay", "maximum"] == 2


def test_a_row_that_is_late_and_out_of_range_is_not_observed(log, publish_with):
    """Every broken rule is listed: a feature rule does not hide that the row is too late."""
    publisher = publish_with(on_violation="observe")
    with pytest.raises(ContractViolation) as caught:
        publisher.view("airport_delay").publish_many([row(time_us=LATE_US, delay=5_000.0)])

    assert [violation.rule for _, violation in caught.value.violations] == ["maximum", "late"]


@pytest.mark.parametrize("mode", ["deadLetter", "observe"])
@pytest.mark.parametrize("count", [1, 300])
@pytest.mark.parametrize("time_us", [2**70, -(2**63), 253_402_300_800_000_000])
def test_a_time_of_no_year_is_never_published(log, publish_with, mode, count, time_us):
    """An event time beyond the years that Avro's readers know is a letter with what was given, or raised."""
    publisher = publish_with(on_violation=mode)
    rows = [row(f"A{number}") for number in range(count)]
    rows[0] = row("EWR", time_us)
    view = publisher.view("airport_delay")

    if mode == "observe":
        with pytest.raises(ContractViolation, match="range"):
            view.publish_many(rows)
        assert len(records(log, TOPIC)) == 0
        return
    view.publish_many(rows).result()

    assert len(records(log, TOPIC)) == count - 1
    (value,) = records(log, TOPIC + ".dlq").values
    assert str(time_us).encode() in value


@pytest.mark.parametrize(
    ("mode", "action"), [("raise", "raised"), ("deadLetter", "deadLettered"), ("observe", "raised")]
)
def test_deletes_are_judged_in_every_mode(log, publish_with, contract, mode, action):
    """A late delete has no feature to observe: it is raised under `observe`, kept under `deadLetter`."""
    publisher = publish_with(on_violation=mode)
    view = publisher.view("airport_delay")
    view.delete({"airport": "EWR"}, event_time=NOW_US).result()
    if mode == "deadLetter":
        assert view.delete({"airport": "JFK"}, event_time=LATE_US).result().dead_lettered == 1
    else:
        with pytest.raises(ContractViolation, match="late"):
            view.delete({"airport": "JFK"}, event_time=LATE_US)

    assert records(log, contract.topic).keys == [b"EWR"]
    assert counted(publisher, log) == (2, 1, {("event_time", "late", action): 1})


@pytest.mark.parametrize("time", [None, "x", 2**70, -(2**63)])
def test_no_time_is_made_up_for_a_dead_lettered_delete(log, publish_with, contract, time: Any):
    """A delete without a usable time keeps none, and its reason tells what was given."""
    publisher = publish_with(on_violation="deadLetter")
    publisher.view("airport_delay").delete({"airport": "EWR"}, event_time=time).result()

    batch = records(log, contract.topic + ".dlq")
    assert last(batch.headers[0], EVENT_TIME) is None
    letter = DeadLetter.parse(batch.keys[0], batch.values[0], batch.headers[0], 0)
    assert letter.key == b"EWR"
    assert ascii(time).strip("'") in letter.reason.message or time is None


def test_names_that_the_contract_does_not_know_are_not_reported(log, publish_with):
    """A job that mistakes entities for features must not write entity keys into reports."""
    publisher = publish_with(on_violation="deadLetter")
    view = publisher.view("airport_delay")
    view.publish_many([row() | {"EWR": 1.5}])
    with pytest.raises(ContractViolation, match="given twice"):
        view.publish({"airport": "EWR"}, {**FEATURES, "airport": "JFK"}, event_time=NOW_US)

    assert counted(publisher, log) == (
        2,
        2,
        {("", "unknown", "deadLettered"): 1, ("", "unknown", "raised"): 1},
    )
    assert not any(b"EWR" in value for value in records(log, REPORTS).values)


def test_each_window_is_reported_once_it_is_over(log, clock, publish_with):
    """The courier sends what is over while the job does something else; the last one goes at close."""
    publisher = publish_with(violation_window_s=10.0)
    view = publisher.view("airport_delay")
    start_us = NOW_US - NOW_US % 10_000_000
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    clock.us = start_us + 10_000_000
    reader = log.reader(client_id="test")
    reader.assign([(REPORTS, partition, 0) for partition in range(6)])
    found: list[bytes] = []
    while not found:
        found += reader.poll(10, 1_000_000, 1).values
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)
    clock.us = start_us + 13_000_000
    publisher.close()

    assert [(each.window_start_us - start_us, each.window_end_us - start_us) for each in windows(log)] == [
        (0, 10_000_000),
        (10_000_000, 13_000_000),
    ]


def test_reports_are_nobodys_outcome(log, publish_with):
    """P1: a report that fails is neither in the counts of updates nor in what close tells."""
    publisher = publish_with()
    view = publisher.view("airport_delay")
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US).result()
    log.fail_next_appends(1, OutcomeKind.FAILED)
    publisher.close()

    stats = publisher.stats()
    assert stats.unreported == "the test asked for it"
    assert (stats.queued, stats.acknowledged, stats.failed, stats.unknown) == (1, 1, 0, 0)


@pytest.mark.parametrize("windows_lost", [1, 3])
def test_a_missing_reports_topic_is_said_once(log, clock, publish_with, caplog, windows_lost):
    """Publishing, dead letters, flush and close go on as ever."""
    log.delete_topic(REPORTS)
    publisher = publish_with(on_violation="deadLetter")
    view = publisher.view("airport_delay")
    with caplog.at_level(logging.WARNING, logger="syncline.publisher"):
        for _ in range(windows_lost):
            delivery = view.publish_many([row(delay=5_000.0), row("JFK", clock.us)]).result()
            assert (delivery.acknowledged, delivery.dead_lettered) == (2, 1)
            clock.advance(seconds=61)
        publisher.flush()
        publisher.close()

    assert publisher.stats().unreported
    assert len([line for line in caplog.messages if REPORTS in line]) == 1


def test_closing_without_a_broker_ends(log, publish_with):
    """The last report holds nothing up: what had no outcome is told, as ever."""
    publisher = publish_with()
    view = publisher.view("airport_delay")
    log.available = False
    view.publish({"airport": "EWR"}, FEATURES, event_time=NOW_US)

    with pytest.raises(NotAcknowledged):
        publisher.close(timeout_s=0)

    assert publisher.stats().queued == 1


def test_a_batch_that_is_looked_at_twice_is_counted_once(log, publish_with):
    """A key that no column can be written for sends the batch through the rows' lane: counts do not double."""
    publisher = publish_with(on_violation="observe")
    rows = [row(f"A{number}", delay=5_000.0 if number == 7 else 1.0) for number in range(400)]
    rows[9] = row("x" * 600)
    with pytest.raises(ContractViolation):
        publisher.view("airport_delay").publish_many(rows)

    assert publisher.stats().violations["airport_delay", "delay", "maximum"] == 1
    judged, broken, rules = counted(publisher, log)
    assert (judged, broken, rules["delay", "maximum", "raised"]) == (400, 2, 1)


def test_names_that_never_come_again_do_not_fill_the_memory(log, publish_with):
    """A job that makes up a feature name for each row is counted, within bounds (P10)."""
    publisher = publish_with(on_violation="deadLetter")
    view = publisher.view("airport_delay@1.0")

    view.publish_many([row(f"A{number}", **{f"made_up_{number}": 1}) for number in range(1_200)])

    violations = publisher.stats().violations
    assert len(violations) == 1_001
    assert violations["airport_delay", "(other)", "(other)"] == 200
    assert sum(violations.values()) == 1_200
