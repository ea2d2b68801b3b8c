"""How an agent follows traced updates: whoever wrote them, whatever its clock says, and however they come again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from syncline.catalog.events import RecordSkipped
from syncline.clock import ManualClock
from syncline.errors import StoreFull
from syncline.ports.log import Batch, OutcomeKind, Slice
from syncline.state.traced import Traced
from syncline.telemetry.agent_spans import AgentSpans
from syncline.telemetry.attention import Attention
from syncline.telemetry.dropped import OVER_THE_CAP
from syncline.wire.keys import encode_key
from tests.unit.agent.world import Cluster
from tests.unit.state.world import NOW_MS, Record, Version, heartbeat, marker
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
    with_headers,
)

ONE = Version.make(1)
HALTING = Version.make(1, on_violation="halt")
TOPIC = ONE.contract.topic
DELIVER, PROCESS, POLL = f"deliver {TOPIC}", f"process {TOPIC}", f"poll {TOPIC}"
PARENT = b"00-%032x-%016x-01" % (TRACE, SPAN)


@pytest.fixture(autouse=True, scope="module", params=["the SDK", "ourselves"])
def _makers(request: pytest.FixtureRequest) -> Iterator[None]:
    """An application's provider makes the spans, or we do: they are the same."""
    with spans_by(request.param):
        yield


def read(host: TracedHost, *records: Record, after_s: float = 0.2) -> None:
    """The agent reads records, and commits."""
    host.cluster.put(TOPIC, records)
    host.cluster.clock.us = NOW_US + round(after_s * SECOND_US)
    host.settle()


def good(airport: str = "EWR", **values: Any) -> Record:
    """A record that keeps its contract."""
    return ONE.record(airport, at_us=NOW_US, ms=NOW_MS, **values)


# What a cell keeps.


def test_the_store_keeps_the_ids_of_send_and_process_and_the_times() -> None:
    """What a reader in another process goes on with."""
    host = agent_on(ONE)
    read(host, traced(good()))

    with host.store.snapshot() as snapshot:
        packed = snapshot.trace(TOPIC, 0, encode_key(["EWR"]))
    process = host.recorded.one(PROCESS)
    assert Traced.unpack(packed) == Traced(
        TRACE, SPAN, process.context.span_id, NOW_US, NOW_US + SECOND_US // 5, NOW_US + SECOND_US // 5
    )


# Which records are followed.


def test_junk_does_not_use_up_the_budget_of_what_is_traced() -> None:
    """A producer whose traceparents are malformed blinds nobody: junk is none, and none is dropped."""
    host = agent_on(ONE, stated={"cap_per_s": 5})
    junk = [with_headers(good(f"A{number}"), ("traceparent", b"1" * 55)) for number in range(20)]
    read(host, *junk, traced(good()))

    assert len(host.recorded.spans(PROCESS)) == 1
    assert host.recorded.dropped == {}


def test_what_stands_in_a_header_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Headers come from anyone, and may hold anything: no values in logs."""
    host = agent_on(ONE)
    with caplog.at_level(logging.DEBUG):
        read(
            host,
            with_headers(traced(good("AAA")), ("tracestate", b"password hunter2")),
            with_headers(traced(good("BBB")), ("traceparent", b"hunter2"), ("ce_id", b"hunter2")),
        )

    assert "hunter2" not in caplog.text


def test_a_record_without_a_timestamp_can_be_told() -> None:
    """Kafka says -1 for it: one span that cannot be encoded takes five hundred with it."""
    host = agent_on(ONE)
    host.cluster.put(TOPIC, [traced(ONE.record("EWR", at_us=NOW_US, ms=-1))])
    host.settle()

    encode_spans(host.recorded.spans())


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", None)],
        [("traceparent", b"junk")],
        [("traceparent", PARENT.upper())],
        [("traceparent", PARENT + b"-tail")],
        [("traceparent", b"ff" + PARENT[2:])],
        [("traceparent", PARENT[:-2] + b"00")],
        [("traceparent", b"00-" + b"0" * 32 + PARENT[35:])],
        [("traceparent", b"\xff" * 55)],
        [("traceparent", b"1" * 55)],
        [("traceparent", PARENT), ("traceparent", PARENT[:-2] + b"00")],
        [("traceparent", PARENT), ("traceparent", b"junk")],
        [("tracestate", b"a=1")],
        [("ce_id", b"e-1")],
    ],
)
def test_what_is_malformed_or_not_sampled_is_folded_and_not_traced(headers: list[tuple[str, bytes]]) -> None:
    """The update is applied as if nothing were there."""
    host = agent_on(ONE)
    read(host, with_headers(good(), *headers))

    assert host.recorded.spans() == []
    assert host.agent.status().partitions[0].cells == 1


def test_of_two_traceparents_the_last_is_followed() -> None:
    """Ours is the last where a producer is instrumented as well."""
    host = agent_on(ONE)
    stale = b"00-%032x-%016x-01" % (1, 2)
    read(host, with_headers(good(), ("traceparent", stale), ("traceparent", PARENT)))

    process = host.recorded.one(PROCESS)
    assert (process.context.trace_id, process.parent.span_id) == (TRACE, SPAN)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (b"congo=t61", "congo=t61"),
        (b"a=" + b"x" * 10_240, ""),
        (b"not a state", ""),
        (b"\xff\xfe", ""),
        (b",".join(b"k%d=v" % number for number in range(60)), ""),
    ],
)
def test_a_state_that_is_none_does_not_end_the_trace(state: bytes, kept: str) -> None:
    """Ten kilobytes of it neither."""
    host = agent_on(ONE)
    read(host, with_headers(traced(good()), ("tracestate", state)))

    assert host.recorded.one(PROCESS).parent.trace_state.to_header() == kept


@settings(max_examples=25)
@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["traceparent", "tracestate", "ce_traceparent", "ce_tracestate", "ce_id"]),
            st.none() | st.binary(max_size=60) | st.just(PARENT),
        ),
        max_size=5,
    )
)
def test_no_header_whatever_stops_an_agent(headers: list[tuple[str, bytes | None]]) -> None:
    """Anyone may write to a topic: each record is applied."""
    host = agent_on(ONE)
    read(host, with_headers(good(), *headers))

    assert host.agent.status().applied_rows == 1
    assert len(host.recorded.spans(DELIVER)) == len(host.recorded.spans(PROCESS)) <= 1


def test_a_traced_control_record_is_no_update() -> None:
    """Heartbeats, markers and what else begins with a zero byte are stepped over without a span of their own."""
    host = agent_on(ONE)
    read(
        host,
        traced(heartbeat(ms=NOW_MS)),
        traced(marker(999, ms=NOW_MS)),
        traced(Record(b"\x00syncline.unknown", None, NOW_MS)),
        traced(Record(b"\x00syncline.cut.x", None, NOW_MS)),
    )

    assert host.recorded.spans() == []


def test_over_its_cap_an_agent_traces_no_more_and_says_so() -> None:
    """Whatever publishers sample: a traced update costs eighty times an untraced one."""
    host = agent_on(ONE, stated={"cap_per_s": 5})
    read(host, *(traced(good(f"A{number}")) for number in range(20)))

    assert len(host.recorded.spans(PROCESS)) == 5
    assert host.recorded.dropped[OVER_THE_CAP] == 15
    assert host.agent.status().applied_rows == 20


def test_happenings_have_a_cap_of_their_own() -> None:
    """A storm of dead letters, batch by batch, is a handful of spans a second, and the rest is counted."""
    host = agent_on(ONE, batch_rows=1)
    read(host, *(good(f"A{number}", mean=500.0) for number in range(30)))

    assert len(host.recorded.spans(f"dead letter {TOPIC}")) == 5
    assert host.recorded.dropped[OVER_THE_CAP] == 25
    assert host.agent.status().dead_letters == 30


def test_links_are_bounded() -> None:
    """As many as the SDK keeps: a thousand traced updates in one poll are no kilobytes of links."""
    host = agent_on(ONE)
    read(host, *(traced(good(f"A{number}"), span_id=number + 1) for number in range(300)))
    host.cluster.clock.advance(seconds=6)
    host.settle()

    (poll,) = host.recorded.spans(POLL)
    (commit,) = [span for span in host.recorded.spans() if span.name.startswith("commit")]
    assert len(poll.links) == len(commit.links) == 128
    assert poll.attributes["messaging.batch.message_count"] == 300


def test_where_the_sampler_wants_nothing_nothing_is_kept() -> None:
    """Beside no cell stands a trace that is in no backend."""
    with spans_by("the SDK"):
        recorded = Recorded(provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    host = agent_on(ONE, recorded=recorded)
    read(host, traced(good()))

    with host.store.snapshot() as snapshot:
        assert snapshot.trace(TOPIC, 0, encode_key(["EWR"])) is None
    assert host.agent.status().applied_rows == 1


def test_a_newer_untraced_value_takes_the_trace_away() -> None:
    """A model input is never said to have used an update that it did not use."""
    host = agent_on(ONE)
    read(host, traced(good()))
    later = ONE.record(at_us=NOW_US + 1, ms=NOW_MS + 300)
    host.cluster.put(TOPIC, [later])
    host.settle()

    with host.store.snapshot() as snapshot:
        assert snapshot.trace(TOPIC, 0, encode_key(["EWR"])) is None


# Clocks.


@pytest.mark.parametrize("ahead_us", [-5 * SECOND_US, 5 * SECOND_US, -2 * 86_400 * SECOND_US])
def test_a_clock_that_is_off_gives_no_negative_duration_and_is_told(ahead_us: int) -> None:
    """Behind the broker's: what would be negative is nothing, and tagged. Ahead of it nothing shows, but in the lag."""
    host = agent_on(ONE, ahead_us=ahead_us)
    read(host, traced(good()))

    spans = host.recorded.spans()
    assert spans
    assert all(span.end_time >= span.start_time for span in spans)
    deliver = host.recorded.one(DELIVER)
    assert deliver.attributes.get("syncline.clock_skew") == (True if ahead_us < 0 else None)
    assert deliver.attributes["syncline.lag.bucket"] == ("le_100ms" if ahead_us < 0 else "le_10s")
    assert not [span for span in spans if "syncline.clock_skew" in span.attributes and span.name != DELIVER]


def test_the_broker_rounds_to_milliseconds_and_that_is_no_skew() -> None:
    """A timestamp of the future by less than one is none."""
    host = agent_on(ONE, ahead_us=-800)
    host.cluster.put(TOPIC, [traced(good())])
    host.cluster.clock.us = NOW_US
    host.settle()

    deliver = host.recorded.one(DELIVER)
    assert deliver.end_time == deliver.start_time
    assert "syncline.clock_skew" not in deliver.attributes


# What comes again.


def test_a_record_that_waits_behind_a_held_one_is_delivered_once() -> None:
    """It is fetched, passed by, and fetched again once the partition goes on."""
    host = agent_on(HALTING)
    read(host, HALTING.record(at_us=NOW_US, mean=500.0), traced(good("LGA")))

    assert host.recorded.spans(PROCESS) == []
    assert len(host.recorded.spans(DELIVER)) <= 1


def test_what_could_not_be_committed_is_delivered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store has no room the same records are fetched every second: that is one delivery, not hundreds."""
    host = agent_on(ONE)
    commit, full = host.store.commit, [True]

    def refuse(writes: list[Any], *more: Any, **named: Any) -> None:
        if writes and full[0]:
            raise StoreFull("no room")
        commit(writes, *more, **named)

    monkeypatch.setattr(host.store, "commit", refuse)
    host.cluster.put(TOPIC, [traced(good())])
    for _ in range(20):
        host.agent.step()
    full[0] = False
    host.settle()

    assert len(host.recorded.spans(PROCESS)) == 1
    assert len(host.recorded.spans(DELIVER)) == 1


def test_what_waits_behind_a_marker_is_delivered_once() -> None:
    """It came with the marker, and comes again when the cut is over: its lag is known from the first time."""
    host = agent_on(ONE)
    (cut,) = host.cluster.decide(RecordSkipped(TOPIC, 0, 999))
    host.cluster.put(
        TOPIC, [traced(good(), span_id=1), marker(cut + 1, ms=NOW_MS), traced(good("LGA"), span_id=2)]
    )
    for _ in range(5):
        host.agent.step()
    assert host.agent.status().standing_at == cut + 1
    host.cluster.decide(RecordSkipped(TOPIC, 0, 1_000))
    host.settle()

    assert [span.parent.span_id for span in host.recorded.spans(PROCESS)] == [1, 2]
    assert [span.parent.span_id for span in host.recorded.spans(DELIVER)] == [1, 2]


def test_what_was_begun_is_ended_whatever_the_budget_has_become(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was counted when it came first: a second fetch costs nothing, and drops nothing."""
    host = agent_on(ONE, stated={"cap_per_s": 2})
    commit, full = host.store.commit, [1]

    def refuse(writes: list[Any], *more: Any, **named: Any) -> None:
        if writes and full[0]:
            full[0] -= 1
            raise StoreFull("no room")
        commit(writes, *more, **named)

    monkeypatch.setattr(host.store, "commit", refuse)
    monkeypatch.setattr(host.agent._ingest, "_wait", lambda _: None)
    host.cluster.put(TOPIC, [traced(good("AAA"), span_id=1), traced(good("BBB"), span_id=2)])
    host.settle()

    assert [span.parent.span_id for span in host.recorded.spans(PROCESS)] == [1, 2]
    assert host.recorded.dropped == {}


def test_what_was_told_is_not_kept() -> None:
    """Applied, superseded, dead-lettered: an agent that runs for months remembers none of it."""
    host = agent_on(ONE)
    late = ONE.record("AAA", at_us=NOW_US - 1, ms=NOW_MS)
    read(host, traced(good("AAA")), traced(late), traced(good("BBB", mean=500.0)))

    assert len(host.recorded.spans(PROCESS)) == 3
    assert host.agent._ingest._telling._spans._open == {}


def test_dead_letters_that_cannot_be_delivered_keep_nothing_open_for_ever() -> None:
    """Once they can be, the update is told as dead-lettered, once."""
    host = agent_on(ONE)
    host.cluster.put(TOPIC, [traced(good(mean=500.0))])
    host.cluster.log.fail_next_appends(3, OutcomeKind.FAILED)
    host.settle()

    (process,) = host.recorded.spans(PROCESS)
    assert process.attributes["error.type"] == "maximum"
    assert len(host.recorded.spans(f"dead letter {TOPIC}")) == 1


def test_the_rows_after_a_marker_are_told_once() -> None:
    """A batch that is cut by markers is folded in pieces."""
    host = agent_on(ONE)
    read(
        host,
        traced(good("AAA"), span_id=1),
        marker(0, ms=NOW_MS),
        traced(good("BBB"), span_id=2),
        marker(1, ms=NOW_MS),
        traced(good("CCC", mean=500.0), span_id=3),
    )

    offsets = [span.attributes["messaging.kafka.offset"] for span in host.recorded.spans(PROCESS)]
    assert offsets == [0, 2, 4]
    assert [span.name for span in host.recorded.spans()].count("check contract") == 3


def test_all_versions_of_a_key_in_one_batch_are_told_and_one_is_written() -> None:
    """The others were superseded before they were ever stored."""
    host = agent_on(ONE)
    read(
        host,
        *(
            traced(ONE.record(at_us=NOW_US + number, ms=NOW_MS + 1), span_id=number + 1)
            for number in range(5)
        ),
    )

    results = [span.attributes["syncline.apply.result"] for span in host.recorded.spans("apply delay")]
    assert sorted(results) == ["superseded"] * 4 + ["written"]


def test_duplicates_of_a_record_are_each_told() -> None:
    """A retry is in the log twice; one of them is the value."""
    host = agent_on(ONE)
    read(host, traced(good()), traced(good()))

    results = [span.attributes["syncline.apply.result"] for span in host.recorded.spans("apply delay")]
    assert sorted(results) == ["superseded", "written"]


def test_an_agent_without_spans_folds_the_same() -> None:
    """Tracing changes nothing about state: equal digests."""
    records = [traced(good(f"A{number}"), span_id=number + 1) for number in range(30)]
    with_spans, without = agent_on(ONE), TracedHost(Cluster.ready(ONE))
    without.telemetry._tracing = None
    without.settle()
    for host in (with_spans, without):
        read(host, *records)

    assert [each.digest for each in with_spans.agent.status().partitions] == [
        each.digest for each in without.agent.status().partitions
    ]


def test_what_comes_again_behind_what_is_over_the_cap_is_found() -> None:
    """Its span is open and was counted: that nothing more may be traced is no reason to leave it open."""
    recorded = Recorded()
    spans = AgentSpans(
        recorded.tracing(ManualClock(NOW_US), share=0.0, cap_per_s=1.0), group="g", client_id="c"
    )
    attention = Attention()
    attention.polled(NOW_US, NOW_US, 1)

    first = spans.received(batch_of((1, 5, 11)), attention)
    again = spans.received(batch_of((0, 9, 12), (0, 10, 13), (1, 5, 11)), attention)

    assert again.by_place == first.by_place
    assert set(again.at(("t", 1))) == {5}
    assert recorded.dropped["cap"] == 2


def batch_of(*rows: tuple[int, int, int]) -> Batch:
    """Traced records: (partition, offset, the span that sent it)."""
    return Batch(
        slices=[
            Slice("t", partition, row, 1, offset, offset + 1)
            for row, (partition, offset, _) in enumerate(rows)
        ],
        offsets=np.asarray([offset for _, offset, _ in rows], np.int64),
        timestamps_ms=np.full(len(rows), NOW_MS, np.int64),
        keys=[b"k"] * len(rows),
        values=[b"v"] * len(rows),
        headers={
            row: [("traceparent", b"00-%032x-%016x-01" % (TRACE, span_id))]
            for row, (_, _, span_id) in enumerate(rows)
        },
    )
