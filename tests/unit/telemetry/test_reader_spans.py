"""Model inputs join the traces of their values: first reads only, a bounded number of links, by many threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

from syncline.errors import MissingJoinKey
from syncline.state.traced import Traced
from syncline.telemetry.dropped import OVER_THE_CAP
from syncline.telemetry.reader_spans import _REMEMBERED_MAX, LINKS_MAX, ReaderSpans
from syncline.telemetry.reader_watch import TracedValue
from tests.unit.state.world import NOW_MS, Version
from tests.unit.telemetry.spans_world import (
    NOW_US,
    SECOND_US,
    SPAN,
    TRACE,
    Recorded,
    TracedHost,
    agent_on,
    spans_by,
    traced,
)
from tests.unit.telemetry.test_metrics import scraped

ONE = Version.make(1)
TOPIC = ONE.contract.topic
READ = "model input inputs"
KEY = {"airport": "EWR"}


def value(number: int = 0, *, applied_us: int = NOW_US, trace_id: int = TRACE) -> TracedValue:
    """A traced value; its number is its offset."""
    kept = Traced(trace_id, SPAN, number + 1, NOW_US, NOW_US, applied_us)
    return TracedValue("delay", "delay@1.0", TOPIC, 0, number, NOW_US, kept)


@pytest.fixture(autouse=True, scope="module", params=["the SDK", "ourselves"])
def _makers(request: pytest.FixtureRequest) -> Iterator[None]:
    """An application's provider makes the spans, or we do: they are the same."""
    with spans_by(request.param):
        yield


@pytest.fixture
def recorded() -> Recorded:
    """Where spans go."""
    return Recorded()


@pytest.fixture
def host(recorded: Recorded) -> TracedHost:
    """An agent with two traced values, and one untraced."""
    made = agent_on(ONE, recorded=recorded)
    made.cluster.put(
        TOPIC,
        [
            traced(ONE.record("EWR", at_us=NOW_US), span_id=1),
            traced(ONE.record("LGA", at_us=NOW_US, ms=NOW_MS), span_id=2),
            ONE.record("JFK", at_us=NOW_US, ms=NOW_MS),
        ],
    )
    return made


def spans_of(recorded: Recorded, clock: Any, **stated: Any) -> ReaderSpans:
    """A reader's spans, made long ago."""
    return ReaderSpans(recorded.tracing(clock, **stated), since_us=0)


def test_only_the_first_read_of_an_update_is_a_span(host: TracedHost, recorded: Recorded) -> None:
    """A value that is read a thousand times a second is one span; the next update is another."""
    with host.reader() as reader:
        host.cluster.clock.us = NOW_US + SECOND_US
        host.settle()
        for _ in range(10):
            reader.get("inputs", KEY)
        host.cluster.put(TOPIC, [traced(ONE.record("EWR", at_us=NOW_US + 1, ms=NOW_MS + 1_000), span_id=9)])
        host.settle()
        for _ in range(10):
            reader.get("inputs", KEY)

    assert len(recorded.spans(READ)) == 2


def test_many_at_once_are_each_told(host: TracedHost, recorded: Recorded) -> None:
    """`get_many` as `get`: two traced values, however many rows ask for them."""
    with host.reader() as reader:
        host.cluster.clock.us = NOW_US + SECOND_US
        host.settle()
        with recorded.provider.get_tracer("t").start_as_current_span("predict"):
            reader.get_many("inputs", {"airport": ["EWR", "LGA", "JFK", "EWR", "LGA", "NONE"]})

    assert len(recorded.spans(READ)) == 2
    assert {link.context.span_id for link in recorded.one("predict").links} == {1, 2}


def test_an_untraced_value_costs_nothing_and_says_nothing(host: TracedHost, recorded: Recorded) -> None:
    """Ninety-nine of a hundred."""
    with host.reader() as reader:
        host.settle()
        reader.get("inputs", {"airport": "JFK"})
        reader.get("inputs", {"airport": "NONE"})
        assert not reader._watch._asked_for_spans

    assert recorded.spans(READ) == []


def test_what_was_applied_before_the_reader_was_made_may_have_been_read_by_another(
    host: TracedHost, recorded: Recorded
) -> None:
    """A restarted inference service does not tell that every value waited for hours; its requests link all the same."""
    host.settle()
    host.cluster.clock.advance(seconds=60)
    with host.reader() as reader, recorded.provider.get_tracer("t").start_as_current_span("predict"):
        reader.get("inputs", KEY)

    assert recorded.spans(READ) == []
    assert len(recorded.one("predict").links) == 1


def test_links_of_one_read_are_bounded(recorded: Recorded, host: TracedHost) -> None:
    """A thousand values in one model input are thirty-two links."""
    spans = spans_of(recorded, host.cluster.clock)
    with recorded.provider.get_tracer("t").start_as_current_span("predict"):
        spans.read("inputs", [value(number) for number in range(1_000)], NOW_US + 1)

    assert len(recorded.one("predict").links) == LINKS_MAX == 32
    assert len(recorded.spans(READ)) == 1_000


def test_a_request_that_is_not_recorded_is_linked_to_and_has_no_links(
    recorded: Recorded, host: TracedHost
) -> None:
    """Its trace is the other's to keep."""
    parent = trace.NonRecordingSpan(trace.SpanContext(5, 6, is_remote=True, trace_flags=trace.TraceFlags(0)))
    spans = spans_of(recorded, host.cluster.clock)
    with trace.use_span(parent):
        spans.read("inputs", [value(1)], NOW_US + 1)
    spans.read("inputs", [value(2)], NOW_US + 1)

    under, alone = recorded.spans(READ)
    assert [(link.context.trace_id, link.context.span_id) for link in under.links] == [(5, 6)]
    assert alone.links == ()


def test_over_the_cap_reads_are_not_told_and_are_counted(recorded: Recorded, host: TracedHost) -> None:
    """And not later either: a first read that was not told is over."""
    spans = spans_of(recorded, host.cluster.clock, cap_per_s=5)
    spans.read("inputs", [value(number) for number in range(20)], NOW_US + 1)
    host.cluster.clock.advance(seconds=10)
    spans.read("inputs", [value(number) for number in range(20)], NOW_US + 1)

    assert len(recorded.spans(READ)) == 5
    assert recorded.dropped[OVER_THE_CAP] == 15


def test_what_is_remembered_is_bounded(recorded: Recorded, host: TracedHost) -> None:
    """A reader lives for months."""
    spans = spans_of(recorded, host.cluster.clock, cap_per_s=0)
    for number in range(_REMEMBERED_MAX + 500):
        spans.read("inputs", [value(number)], NOW_US + 1)

    assert len(spans._read) == _REMEMBERED_MAX


def test_threads_tell_a_first_read_once(recorded: Recorded, host: TracedHost) -> None:
    """One reader is shared by the threads of a service."""
    spans, gate = spans_of(recorded, host.cluster.clock), threading.Barrier(8)

    def work() -> None:
        gate.wait()
        for number in range(200):
            spans.read("inputs", [value(number)], NOW_US + 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(recorded.spans(READ)) == 200


def test_a_reader_whose_clock_is_behind_gives_no_negative_duration(
    recorded: Recorded, host: TracedHost
) -> None:
    """Nothing, and tagged."""
    spans_of(recorded, host.cluster.clock).read("inputs", [value(applied_us=NOW_US)], NOW_US - 5 * SECOND_US)

    (read,) = recorded.spans(READ)
    assert read.end_time == read.start_time
    assert read.attributes["syncline.clock_skew"] is True
    assert read.attributes["syncline.lag.bucket"] == "le_100ms"


# What is counted.


def test_reads_are_counted_by_outcome_and_ages_by_view(host: TracedHost) -> None:
    """One age a value, not a row: and what is refused is counted as that."""
    with host.reader() as reader:
        host.cluster.clock.us = NOW_US + 2 * SECOND_US
        host.settle()
        reader.get("inputs", KEY)
        reader.get_many("inputs", {"airport": ["EWR", "LGA", "EWR", "NONE"]})
        with pytest.raises(MissingJoinKey):
            reader.get("inputs", {})
        found = scraped(reader._watch._telemetry.registry)

    def read(name: str, **labels: str) -> float:
        (of,) = (
            number
            for (known, values), number in found.items()
            if known == name and set(labels.values()) == {*values}
        )
        return of

    assert read("syncline_read_duration_seconds_count", interface="python", status="ok") == 2
    assert read("syncline_read_duration_seconds_count", interface="python", status="error") == 1
    assert read("syncline_served_feature_age_seconds_count", view="delay") == 4
    assert read("syncline_served_feature_age_seconds_sum", view="delay") == pytest.approx(8.0)


@pytest.mark.parametrize(
    "many",
    [True, False],
)
def test_an_event_of_the_future_has_no_negative_age(host: TracedHost, many: bool) -> None:
    """Up to five minutes ahead is no violation; a histogram whose sum falls looks like a restart to Prometheus."""
    with host.reader(ahead_us=-60 * SECOND_US) as reader:
        host.settle()
        if many:
            reader.get_many("inputs", {"airport": ["JFK"]})
        else:
            reader.get("inputs", {"airport": "JFK"})
        found = scraped(reader._watch._telemetry.registry)

    assert found["syncline_served_feature_age_seconds_sum", ("delay",)] == 0
