"""Which updates of a publisher are traced, what their records carry, and what is over the cap."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

from syncline.errors import ContractViolation, LogError, NotAcknowledged, PublisherBusy, PublisherClosed
from syncline.ports.log import Outcome, OutcomeKind
from syncline.telemetry.dropped import OVER_THE_CAP
from syncline.telemetry.no_step import NO_STEP
from syncline.telemetry.publisher_spans import SendSpans
from syncline.wire.trace_context import trace_context
from tests.unit.agent.world import Cluster
from tests.unit.state.world import NOW_MS, Version
from tests.unit.telemetry.spans_world import NOW_US, Recorded, publisher_on, spans_by, texts_of
from tests.unit.telemetry.test_metrics import scraped

ONE = Version.make(1)
TOPIC = ONE.contract.topic
SEND = f"send {TOPIC}"
KEY, ROW = {"airport": "EWR"}, {"mean": 1.5}


def rows(count: int) -> list[dict[str, Any]]:
    """So many good rows."""
    return [{**KEY, **ROW, "event_time": NOW_US + number} for number in range(count)]


def headers_of(cluster: Cluster) -> list[list[tuple[str, bytes]]]:
    """The headers of every record, in order."""
    return [list(record.headers) for record in cluster.read(TOPIC)]


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
def cluster() -> Cluster:
    """With the view applied."""
    return Cluster.ready(ONE)


def sampled_parent(*, flags: int = 1, state: str = "") -> NonRecordingSpan:
    """A span of another library."""
    kept = TraceState.from_header([state]) if state else None
    return NonRecordingSpan(
        SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(flags), trace_state=kept)
    )


def test_every_traced_record_carries_its_own_send_and_once(cluster: Cluster, recorded: Recorded) -> None:
    """One traceparent each, and it is that of the record's own span: rows keep their order."""
    with publisher_on(cluster, recorded) as publisher:
        publisher.view("delay").publish_many(rows(20))

    sends = {span.attributes["messaging.kafka.offset"]: span.context for span in recorded.spans(SEND)}
    assert len(sends) == 20
    for record in cluster.read(TOPIC):
        assert [name for name, _ in record.headers] == ["traceparent"]
        found = trace_context(record.headers)
        assert found.is_sampled
        assert (found.trace_id, found.span_id) == (
            sends[record.offset].trace_id,
            sends[record.offset].span_id,
        )


def test_an_untraced_record_carries_nothing(cluster: Cluster, recorded: Recorded) -> None:
    """Not a byte: ninety-nine of a hundred records."""
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        view = publisher.view("delay")
        view.publish(KEY, ROW, event_time=NOW_US)
        view.publish_many(rows(5))

    assert headers_of(cluster) == [[]] * 6
    assert recorded.spans() == []


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_the_order_and_number_of_rows_are_the_same_traced_or_not(
    cluster: Cluster, recorded: Recorded, share: float
) -> None:
    """A traced row goes by itself, between those before it and those after it."""
    other = Cluster.ready(ONE)
    for where, of in ((cluster, share), (other, 0.0)):
        with publisher_on(where, recorded, share=of) as publisher:
            delivery = publisher.view("delay").publish_many(rows(300))
        assert (delivery.queued, delivery.acknowledged) == (300, 300)

    assert [record.value for record in cluster.read(TOPIC)] == [record.value for record in other.read(TOPIC)]
    assert len(recorded.spans(SEND)) == sum(bool(headers) for headers in headers_of(cluster)) > 0


def test_a_deletes_own_header_stays(cluster: Cluster, recorded: Recorded) -> None:
    """Its event time, then its trace."""
    with publisher_on(cluster, recorded) as publisher:
        publisher.view("delay").delete(KEY, event_time=NOW_US)

    assert [[name for name, _ in headers] for headers in headers_of(cluster)] == [["ce_time", "traceparent"]]


def test_the_state_of_the_applications_trace_is_passed_on(cluster: Cluster, recorded: Recorded) -> None:
    """As W3C asks of every hop."""
    with publisher_on(cluster, recorded) as publisher, trace.use_span(sampled_parent(state="congo=t61")):
        publisher.view("delay").publish(KEY, ROW, event_time=NOW_US)

    (headers,) = headers_of(cluster)
    assert [name for name, _ in headers] == ["traceparent", "tracestate"]
    assert dict(headers)["tracestate"] == b"congo=t61"
    assert trace_context(headers).trace_id == 7


@pytest.mark.parametrize(
    ("timestamp_ms", "took_ms"), [(NOW_MS + 300, 300), (None, 900), (NOW_MS - 1, 0), (NOW_MS - 5_000, 0)]
)
def test_a_send_ends_when_the_broker_took_it_not_when_its_answer_came(
    cluster: Cluster, recorded: Recorded, timestamp_ms: int | None, took_ms: int
) -> None:
    """What the answer waited for is no lag of the update; a repeated one is acknowledged without a time."""
    with publisher_on(cluster, recorded) as publisher:
        publisher.view("delay")
        (send,) = publisher._spans.begin(TOPIC, 1, view_version="delay@1.0", started_us=NOW_US)
        cluster.clock.us = NOW_US + 900_000
        offset = None if timestamp_ms is None else 7
        send.settle(Outcome(OutcomeKind.ACKNOWLEDGED, TOPIC, 0, offset, timestamp_ms))

    span = recorded.one(SEND)
    assert (span.end_time - span.start_time) // 1_000_000 == took_ms
    assert span.attributes.get("messaging.kafka.offset") == offset
    assert span.attributes.get("syncline.clock_skew") == (True if timestamp_ms == NOW_MS - 5_000 else None)
    assert "error.type" not in span.attributes


# Which.


def test_under_a_sampled_span_one_update_at_least_is_traced(cluster: Cluster, recorded: Recorded) -> None:
    """What is traced from its source on is traced to its end: the first of many."""
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        view = publisher.view("delay")
        with trace.use_span(sampled_parent()):
            view.publish_many(rows(50))
            view.publish_many(rows(50))

    (send,) = recorded.spans(SEND)
    assert (send.attributes["messaging.kafka.offset"], send.parent.span_id) == (0, 8)


def test_under_an_unsampled_span_nothing_is_traced(cluster: Cluster, recorded: Recorded) -> None:
    """Whoever decided before us decided for the whole trace."""
    with publisher_on(cluster, recorded) as publisher, trace.use_span(sampled_parent(flags=0)):
        publisher.view("delay").publish_many(rows(50))
        with publisher.source("flights"), publisher.transform("t"):
            publisher.view("delay").publish(KEY, ROW, event_time=NOW_US)

    assert recorded.spans() == []
    assert headers_of(cluster) == [[]] * 51


def test_what_must_not_be_traced_takes_nothing_out_of_the_budget(
    cluster: Cluster, recorded: Recorded
) -> None:
    """Rows under unsampled spans are no reason to drop others, and are not told as dropped."""
    with publisher_on(cluster, recorded, cap_per_s=5) as publisher:
        view = publisher.view("delay")
        with trace.use_span(sampled_parent(flags=0)):
            view.publish_many(rows(50))
        view.publish_many(rows(5))

    assert len(recorded.spans(SEND)) == 5
    assert recorded.dropped == {}


def test_steps_are_traced_where_an_update_is_and_the_share_is_kept(
    cluster: Cluster, recorded: Recorded
) -> None:
    """A source per event: about the share of them, and each that is traced has its send."""
    with publisher_on(cluster, recorded, share=0.1) as publisher:
        view = publisher.view("delay")
        for number in range(1_000):
            with publisher.source("flights"), publisher.transform("mean"):
                view.publish(KEY, ROW, event_time=NOW_US + number)

    sources, sends = recorded.spans("source flights"), recorded.spans(SEND)
    assert 50 < len(sources) < 170
    assert len(sends) == len(sources) == len(recorded.spans("transform mean"))
    assert {send.context.trace_id for send in sends} == {source.context.trace_id for source in sources}


def test_steps_of_many_rows_are_traced_as_often_as_their_rows(cluster: Cluster, recorded: Recorded) -> None:
    """A batch of a hundred at one in a hundred has one traced row in two of three; and no send is without its step."""
    with publisher_on(cluster, recorded, share=0.01) as publisher:
        view = publisher.view("delay")
        for _ in range(200):
            with publisher.transform("batch"):
                view.publish_many(rows(100))

    steps, sends = recorded.spans("transform batch"), recorded.spans(SEND)
    assert 90 < len(steps) < 165
    assert 130 < len(sends) < 280
    assert {send.context.trace_id for send in sends} == {step.context.trace_id for step in steps}


def test_a_step_leaves_nothing_behind(cluster: Cluster, recorded: Recorded) -> None:
    """Neither a current span nor a step, whether it was traced or raised."""
    before = get_current()
    with publisher_on(cluster, recorded, share=0.5) as publisher:
        for number in range(20):
            with suppress(ZeroDivisionError), publisher.source("s"), publisher.transform("t"):
                publisher.view("delay").publish(KEY, ROW, event_time=NOW_US + number)
                assert 1 / (number % 3)
            assert get_current() == before


def test_names_of_steps_without_end_take_no_memory_without_end(cluster: Cluster, recorded: Recorded) -> None:
    """A job that names a step for each file it reads."""
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        for number in range(1_500):
            with publisher.source(f"file-{number}"):
                pass

        kept = [held for held in vars(publisher._spans._steps).values() if isinstance(held, dict | set)]
        assert kept
        assert max(map(len, kept)) <= 1_000


# The cap.


def test_over_the_cap_updates_go_untraced_and_are_counted(cluster: Cluster, recorded: Recorded) -> None:
    """They are published all the same."""
    with publisher_on(cluster, recorded, cap_per_s=5) as publisher:
        publisher.view("delay").publish_many(rows(100))
        publisher.flush()
        cluster.clock.advance(seconds=1)
        publisher.view("delay").publish_many(rows(100))

    assert len(headers_of(cluster)) == 200
    assert len(recorded.spans(SEND)) == 10
    assert recorded.dropped[OVER_THE_CAP] == 190


def test_a_cap_of_nothing_traces_nothing(cluster: Cluster, recorded: Recorded) -> None:
    """Steps neither."""
    with publisher_on(cluster, recorded, cap_per_s=0) as publisher, publisher.source("s"):
        publisher.view("delay").publish_many(rows(10))

    assert recorded.spans() == []
    assert headers_of(cluster) == [[]] * 10


def test_threads_each_trace_their_own(cluster: Cluster, recorded: Recorded) -> None:
    """The current span belongs to a thread: no record carries another's trace."""
    with publisher_on(cluster, recorded) as publisher:
        view = publisher.view("delay")

        def work(name: str) -> None:
            for number in range(50):
                with publisher.transform(name):
                    view.publish({"airport": name}, ROW, event_time=NOW_US + number)

        threads = [threading.Thread(target=work, args=(name,)) for name in ("AAA", "BBB", "CCC")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    steps = {
        span.context.span_id: span.name for span in recorded.spans() if span.name.startswith("transform")
    }
    by_trace = {span.context.span_id: steps[span.parent.span_id] for span in recorded.spans(SEND)}
    assert len(by_trace) == 150
    for record in cluster.read(TOPIC):
        assert by_trace[trace_context(record.headers).span_id] == f"transform {record.key.decode()}"


# Where nobody wants them.


def test_the_applications_sampler_may_not_want_it(cluster: Cluster) -> None:
    """Then the record carries no trace that nobody keeps."""
    with spans_by("the SDK"):
        recorded = Recorded(provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    with publisher_on(cluster, recorded) as publisher:
        publisher.view("delay").publish_many(rows(10))

    assert headers_of(cluster) == [[]] * 10


def test_without_spans_a_step_is_nothing(cluster: Cluster, recorded: Recorded) -> None:
    """It loads nothing, and changes nothing."""
    publisher = publisher_on(cluster, recorded)
    publisher._telemetry._tracing = None
    with publisher:
        assert publisher.source("s") is NO_STEP
        with publisher.transform("t"):
            publisher.view("delay").publish_many(rows(10))

    assert headers_of(cluster) == [[]] * 10


def test_a_row_that_was_not_queued_ends_its_span(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, recorded: Recorded
) -> None:
    """In the middle of a batch: those before are sent, those after are given up; none stays open."""
    with publisher_on(cluster, recorded, busy_timeout_s=0.01) as publisher:
        view = publisher.view("delay")
        cluster.log.available = False
        monkeypatch.setattr("syncline.adapters.memory.log._QUEUE_MAX", 7)
        with pytest.raises(PublisherBusy, match="7 of 20"):
            view.publish_many(rows(20))
        monkeypatch.undo()
        cluster.log.available = True

    ended = recorded.spans(SEND)
    assert len(ended) == 20
    assert [span.attributes.get("error.type") for span in ended].count("PublisherBusy") == 13
    assert len(headers_of(cluster)) == 7


def test_closing_twice_and_publishing_afterwards(cluster: Cluster, recorded: Recorded) -> None:
    """A closed publisher refuses, traced or not, and begins no span for it."""
    publisher = publisher_on(cluster, recorded)
    view = publisher.view("delay")
    publisher.close()
    publisher.close()

    with pytest.raises(PublisherClosed):
        view.publish(KEY, ROW, event_time=NOW_US)
    assert recorded.spans() == []


def test_the_span_of_a_publish_that_raises_for_its_contract_is_none(
    cluster: Cluster, recorded: Recorded
) -> None:
    """Nothing was sent."""
    exporter = InMemorySpanExporter()
    recorded.provider.add_span_processor(SimpleSpanProcessor(exporter))
    with publisher_on(cluster, recorded) as publisher, pytest.raises(ContractViolation, match="maximum"):
        publisher.view("delay").publish(KEY, {"mean": 500.0}, event_time=NOW_US)

    assert exporter.get_finished_spans() == ()


def test_a_span_that_is_given_up_says_what_stopped_it(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, recorded: Recorded
) -> None:
    """A full queue is one thing, a log that refuses another."""

    def refuse(*_: object, **__: object) -> int:
        raise LogError("no such topic")

    with publisher_on(cluster, recorded) as publisher:
        view = publisher.view("delay")
        monkeypatch.setattr(publisher._outbox._writer, "append_many", refuse)
        with pytest.raises(LogError):
            view.publish(KEY, ROW, event_time=NOW_US)

    assert recorded.one(SEND).attributes["error.type"] == "LogError"


def test_an_application_whose_processor_is_broken_has_true_counts_all_the_same(
    cluster: Cluster, recorded: Recorded
) -> None:
    """P1: what was never queued is not told as unknown, nor waited for."""

    class Broken(SpanProcessor):
        def on_start(self, *_: object, **__: object) -> None:
            raise RuntimeError("it is broken")

    recorded.provider.add_span_processor(Broken())
    publisher = publisher_on(cluster, recorded)
    view = publisher.view("delay")
    with suppress(RuntimeError):
        view.publish(KEY, ROW, event_time=NOW_US)
    publisher.close(0.2)

    assert publisher.stats().queued == len(headers_of(cluster))


def test_a_callback_that_raises_ends_its_span(cluster: Cluster, recorded: Recorded) -> None:
    """It is the job's, and comes out of flush; the update is acknowledged all the same."""

    def broken(_: Outcome) -> None:
        raise RuntimeError("mine")

    publisher = publisher_on(cluster, recorded)
    publisher.view("delay").publish(KEY, ROW, event_time=NOW_US, on_outcome=broken)
    with pytest.raises(RuntimeError, match="mine"):
        publisher.close()

    assert "error.type" not in recorded.one(SEND).attributes


# Steps of a job, harder.


def test_a_step_for_each_row_of_a_batch_keeps_the_share(cluster: Cluster, recorded: Recorded) -> None:
    """One row in a hundred, in whatever steps the job does its work; and not a span for each of the others."""
    with publisher_on(cluster, recorded, share=0.01) as publisher:
        view = publisher.view("delay")
        for batch in range(100):
            with publisher.source("batch"):
                for number in range(30):
                    with publisher.transform("mean"):
                        view.publish(KEY, ROW, event_time=NOW_US + 30 * batch + number)

    # 3,000 rows: 30 are expected, with a standard deviation of 5.5.
    assert 5 <= len(recorded.spans(SEND)) <= 60
    assert len(recorded.spans("transform mean")) <= 300


def test_steps_under_the_applications_span_have_one_update_at_least_and_not_all_of_them(
    cluster: Cluster, recorded: Recorded
) -> None:
    """One of what it asked for: its trace is told to the end by that."""
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        view = publisher.view("delay")
        with trace.use_span(sampled_parent()):
            for number in range(100):
                with publisher.transform("mean"):
                    view.publish(KEY, ROW, event_time=NOW_US + number)

    assert 1 <= len(recorded.spans(SEND)) <= 3


def test_spans_that_take_turns_have_one_update_each(cluster: Cluster, recorded: Recorded) -> None:
    """Two requests at once, in two threads or tasks: as when they came one after the other."""
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        view = publisher.view("delay")
        spans = [
            NonRecordingSpan(SpanContext(each, each, is_remote=False, trace_flags=TraceFlags(1)))
            for each in (1, 2)
        ]
        for number in range(50):
            for span in spans:
                with trace.use_span(span):
                    view.publish(KEY, ROW, event_time=NOW_US + number)

    assert sorted(span.parent.span_id for span in recorded.spans(SEND)) == [1, 2]


def test_steps_without_updates_stay_under_the_cap(cluster: Cluster, recorded: Recorded) -> None:
    """A job that polls an empty topic ten thousand times a second."""
    with publisher_on(cluster, recorded, cap_per_s=5) as publisher:
        publisher.view("delay")
        for _ in range(200):
            with publisher.source("poll"):
                pass

    assert len(recorded.spans("source poll")) <= 10


@pytest.mark.parametrize("sizes", [[100], [1], [7, 7, 7, 8], list(range(60))])
def test_batches_in_steps_meet_the_share_in_the_long_run(
    cluster: Cluster, recorded: Recorded, sizes: list[int]
) -> None:
    """Whatever their sizes: within a quarter."""
    spans = SendSpans(recorded.tracing(cluster.clock, share=0.05), client_id="job")
    total = 0
    for count in itertools.islice(itertools.cycle(sizes), max(400, 12_000 * len(sizes) // sum(sizes))):
        with spans.transform("batch"):
            for send in spans.begin(TOPIC, count, view_version="delay@1.0", started_us=NOW_US):
                send.give_up("none")
        total += count

    traced = len(recorded.spans(SEND))
    assert 0.75 * total * 0.05 <= traced <= 1.25 * total * 0.05


@pytest.mark.parametrize("polls", [10, 50])
def test_polls_that_bring_nothing_do_not_change_the_share_of_updates(
    cluster: Cluster, recorded: Recorded, polls: int
) -> None:
    """A batch of a hundred, then nothing for a while: one row in a hundred, and no flood of empty steps."""
    spans = SendSpans(recorded.tracing(cluster.clock, share=0.01), client_id="job")
    for _ in range(300):
        for count in (100, *[0] * polls):
            with spans.source("poll", since_us=None):
                for send in (
                    spans.begin(TOPIC, count, view_version="delay@1.0", started_us=NOW_US) if count else ()
                ):
                    send.give_up("none")

    # 300 are expected, with a standard deviation of 17.
    assert 200 <= len(recorded.spans(SEND)) <= 400
    assert len(recorded.spans("source poll")) <= 600


def test_the_applications_spans_in_its_own_trace_are_never_hidden(
    cluster: Cluster, recorded: Recorded
) -> None:
    """It chose to record them; that we tell of one step of three is our matter."""
    tracer = recorded.provider.get_tracer("application")
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        view = publisher.view("delay")
        with tracer.start_as_current_span("request"):
            for number in range(3):
                with publisher.transform("mean"), tracer.start_as_current_span("query"):
                    view.publish(KEY, ROW, event_time=NOW_US + number)

    assert len(recorded.spans("query")) == 3


def test_a_step_that_publishes_nothing_belongs_to_the_trace_of_what_is_published_next(
    cluster: Cluster, recorded: Recorded
) -> None:
    """From the source on: cleaning a batch is part of how its rows came about."""
    with publisher_on(cluster, recorded, share=0.01) as publisher:
        view = publisher.view("delay")
        for _ in range(100):
            with publisher.source("batch"):
                with publisher.transform("clean"):
                    pass
                with publisher.transform("mean"):
                    view.publish_many(rows(100))

    sources = {span.context.span_id for span in recorded.spans("source batch")}
    assert len(sources) > 30
    assert {span.parent.span_id for span in recorded.spans("transform clean")} == sources
    assert {span.parent.span_id for span in recorded.spans("transform mean")} == sources


def test_steps_without_updates_under_the_applications_span_stay_under_the_cap(
    cluster: Cluster, recorded: Recorded
) -> None:
    """A thousand events that are filtered out, in one trace."""
    with publisher_on(cluster, recorded, cap_per_s=5) as publisher, trace.use_span(sampled_parent()):
        publisher.view("delay")
        for _ in range(200):
            with publisher.transform("filter"):
                pass

    assert len(recorded.spans("transform filter")) <= 100


def test_rows_in_steps_within_steps_count_for_those_around_them(cluster: Cluster, recorded: Recorded) -> None:
    """A source is recorded as often as what is made of it demands, however deep it is published."""
    spans = SendSpans(recorded.tracing(cluster.clock, share=0.01), client_id="job")
    for _ in range(1_000):
        with spans.source("batch", since_us=None), spans.transform("mean"):
            for send in spans.begin(TOPIC, 100, view_version="delay@1.0", started_us=NOW_US):
                send.give_up("none")

    # 1,000 are expected, with a standard deviation of 32.
    assert 870 <= len(recorded.spans(SEND)) <= 1_130


def test_rows_have_the_same_chance_in_small_and_large_steps(cluster: Cluster, recorded: Recorded) -> None:
    """A key that always comes by itself is not traced eighty times as often as those that come in crowds."""
    spans = SendSpans(recorded.tracing(cluster.clock, share=0.01), client_id="job")
    traced: Counter[int] = Counter()
    for _ in range(3_000):
        for count in (1, 100):
            with spans.transform("batch"):
                for send in spans.begin(TOPIC, count, view_version="delay@1.0", started_us=NOW_US):
                    traced[count] += 1
                    send.give_up("none")

    assert traced[1] <= 300
    assert traced[100] >= 1_500


def test_a_step_of_the_job_under_an_unsampled_one_is_none(cluster: Cluster, recorded: Recorded) -> None:
    """And neither is a span of the application's below it: its trace id says so to everyone."""
    tracer = recorded.provider.get_tracer("application")
    with publisher_on(cluster, recorded, share=0.0) as publisher:
        view = publisher.view("delay")
        with publisher.source("flights"), tracer.start_as_current_span("theirs"), publisher.transform("mean"):
            assert not trace.get_current_span().is_recording()
            view.publish(KEY, ROW, event_time=NOW_US)

    assert recorded.spans() == []
    assert headers_of(cluster) == [[]]


def test_steps_nest_and_the_applications_spans_between_them(cluster: Cluster, recorded: Recorded) -> None:
    """Each under the one around it, down to the send."""
    tracer = recorded.provider.get_tracer("application")
    with publisher_on(cluster, recorded) as publisher:
        view = publisher.view("delay")
        with publisher.source("flights"), tracer.start_as_current_span("theirs"), publisher.transform("mean"):
            view.publish(KEY, ROW, event_time=NOW_US)

    assert [(told.name, told.parent) for told in recorded.told()] == [
        ("transform mean", "theirs"),
        ("theirs", "source flights"),
        ("source flights", None),
        (SEND, "transform mean"),
    ]
    assert len({span.context.trace_id for span in recorded.spans()}) == 1


def test_what_raises_in_a_step_is_the_jobs_and_is_named_by_its_type_in_each_step(
    cluster: Cluster, recorded: Recorded
) -> None:
    """It passes through; no message, no traceback, no event: they may hold values."""

    class TooLateError(Exception):
        """One of the job's own."""

    with (
        publisher_on(cluster, recorded) as publisher,
        pytest.raises(TooLateError, match="hunter2"),
        publisher.source("flights"),
        publisher.transform("mean"),
    ):
        raise TooLateError("hunter2")

    assert "hunter2" not in texts_of(recorded.spans())
    assert [span.attributes["error.type"].rpartition(".")[2] for span in recorded.spans()] == [
        "TooLateError"
    ] * 2


def test_tasks_of_one_loop_do_not_mix(cluster: Cluster, recorded: Recorded) -> None:
    """Each update is under the step of its own task, and a task that is made inside a step is under that step."""
    with publisher_on(cluster, recorded) as publisher:
        view = publisher.view("delay")

        async def work(name: str) -> None:
            for number in range(10):
                with publisher.source(name):
                    await asyncio.sleep(0)
                    with publisher.transform(name):
                        await asyncio.sleep(0)
                        view.publish({"airport": name}, ROW, event_time=NOW_US + number)
                    await asyncio.sleep(0)

        async def all_of_them() -> None:
            await asyncio.gather(work("AAA"), work("BBB"), work("CCC"))
            with publisher.source("outer"):
                await asyncio.create_task(work("DDD"))

        asyncio.run(all_of_them())

    known = {span.context.span_id: span for span in recorded.spans()}
    steps = {number: span.name for number, span in known.items()}
    for span in recorded.spans():
        if span.name.startswith("transform"):
            assert steps[span.parent.span_id] == span.name.replace("transform", "source")
        elif span.name == "source DDD":
            assert steps[span.parent.span_id] == "source outer"
        elif span.name.startswith("source"):
            assert span.parent is None
    sends = {span.context.span_id: steps[span.parent.span_id] for span in recorded.spans(SEND)}
    assert len(sends) == 40
    for record in cluster.read(TOPIC):
        assert sends[trace_context(record.headers).span_id] == f"transform {record.key.decode()}"


def test_a_step_that_ends_in_another_context_does_not_raise(cluster: Cluster, recorded: Recorded) -> None:
    """Frameworks enter and leave generators in different contexts; OpenTelemetry's own spans bear that."""
    with publisher_on(cluster, recorded) as publisher:
        step = publisher.source("flights")
        contextvars.copy_context().run(step.__enter__)
        step.__exit__(None, None, None)

    assert recorded.names() == ["source flights"]


def test_a_step_that_is_entered_inside_itself_does_not_raise(cluster: Cluster, recorded: Recorded) -> None:
    """A function that calls itself, with a step that was made once: without spans that works."""
    with publisher_on(cluster, recorded) as publisher:
        view, step = publisher.view("delay"), publisher.transform("tree")

        def descend() -> None:
            with step, step:
                view.publish(KEY, ROW, event_time=NOW_US)
            assert not get_current()

        contextvars.copy_context().run(descend)

    inner, outer = recorded.spans("transform tree")
    assert (inner.parent.span_id, outer.parent) == (outer.context.span_id, None)


def test_a_step_that_threads_share_is_each_ones_own(
    cluster: Cluster, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """Made once for the whole job: nothing of it stays current in any thread."""
    with publisher_on(cluster, recorded) as publisher:
        view, step, first, second = publisher.view("delay"), publisher.transform("t"), Event(), Event()
        left: list[bool] = []

        def enter_first() -> None:
            with step:
                first.set()
                second.wait(5)
                view.publish(KEY, ROW, event_time=NOW_US)
            left.append(bool(get_current()))

        def enter_second() -> None:
            first.wait(5)
            with step:
                second.set()
                threads[0].join()
                view.publish(KEY, ROW, event_time=NOW_US + 1)
            left.append(bool(get_current()))

        threads = [threading.Thread(target=enter_first), threading.Thread(target=enter_second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert left == [False, False]
    assert "detach" not in caplog.text
    assert len({span.context.trace_id for span in recorded.spans("transform t")}) == 2


def test_a_step_that_is_used_again_is_a_new_one(
    cluster: Cluster, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """Made once and entered for each event: without spans that works, so with them it must."""
    with publisher_on(cluster, recorded, share=0.1) as publisher:
        view, step = publisher.view("delay"), publisher.source("flights")
        for number in range(500):
            with step:
                view.publish(KEY, ROW, event_time=NOW_US + number)

    assert "ended span" not in caplog.text
    assert len(recorded.spans("source flights")) == len(recorded.spans(SEND)) <= 100


def test_a_step_that_is_used_again_under_a_span_does_not_raise(cluster: Cluster, recorded: Recorded) -> None:
    """The first time nothing was current; the second time something is."""
    with publisher_on(cluster, recorded) as publisher:
        view, step = publisher.view("delay"), publisher.source("flights")
        with step:
            view.publish(KEY, ROW, event_time=NOW_US)
        with trace.use_span(sampled_parent()), step:
            view.publish(KEY, ROW, event_time=NOW_US)

    assert len(recorded.spans("source flights")) == 2


def test_the_applications_sampler_that_drops_a_step_drops_all_below_it(cluster: Cluster) -> None:
    """No send is without its step, and none is carried that nobody keeps."""
    recorded = Recorded(
        provider=TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.3)), shutdown_on_exit=False)
    )
    with publisher_on(cluster, recorded) as publisher:
        view = publisher.view("delay")
        for number in range(300):
            with publisher.source("flights"), publisher.transform("mean"):
                view.publish(KEY, ROW, event_time=NOW_US + number)

    sources, sends = recorded.spans("source flights"), recorded.spans(SEND)
    assert 40 < len(sources) < 150
    assert len(sources) == len(sends) == sum(bool(headers) for headers in headers_of(cluster))
    assert {span.context.trace_id for span in sources} == {span.context.trace_id for span in sends}


@pytest.mark.parametrize(
    ("since_us", "name"),
    [
        (-1, "f"),
        (None, "f\ud800"),
        (0, "f"),
        (2**53, "f" * 10_000),
    ],
)
def test_whatever_a_job_says_of_a_step_can_be_sent(
    cluster: Cluster, recorded: Recorded, since_us: int | None, name: str
) -> None:
    """One span that cannot be encoded takes the other five hundred of its batch with it."""
    with publisher_on(cluster, recorded) as publisher, publisher.source(name, since=since_us):
        pass

    encode_spans(recorded.spans())


# What is counted.


def test_the_count_of_what_was_sent_never_falls(cluster: Cluster, recorded: Recorded) -> None:
    """Prometheus takes a counter that falls by one for a restart, and adds all of it once more."""
    publisher = publisher_on(cluster, recorded, share=0.0)
    view, seen = publisher.view("delay"), []

    def sent() -> float:
        found = scraped(publisher._telemetry.registry)
        return found["messaging_client_sent_messages_total", ("kafka", "send", TOPIC, "")]

    cluster.log.available = False
    view.publish_many(rows(10))
    seen.append(sent())
    cluster.log.fail_next_appends(4, OutcomeKind.FAILED)
    cluster.log.available = True
    with pytest.raises(NotAcknowledged):
        publisher.flush()
    seen.append(sent())
    view.publish_many(rows(2))
    publisher.flush()
    seen.append(sent())
    publisher.close()
    seen.append(sent())

    assert seen == sorted(seen)
    assert seen[-1] == 8


def test_what_goes_to_the_dead_letters_is_counted_under_their_topic(
    cluster: Cluster, recorded: Recorded
) -> None:
    """One call, two topics: each record where it is."""
    publisher = publisher_on(cluster, recorded, share=0.0, on_violation="deadLetter")
    good, bad = rows(2)
    publisher.view("delay").publish_many([good, {**bad, "mean": 500.0}, good])
    publisher.close()

    found = scraped(publisher._telemetry.registry)
    sent = {labels[2]: count for (name, labels), count in found.items() if "sent_messages" in name}
    assert sent == {TOPIC: 2, f"{TOPIC}.dlq": 1}


def test_a_trace_that_is_over_the_cap_is_told_once(cluster: Cluster, recorded: Recorded) -> None:
    """One update of it would have been traced, however many it has."""
    with publisher_on(cluster, recorded, share=0.0, cap_per_s=1.0) as publisher:
        view = publisher.view("delay")
        for trace_id in (101, 102, 103):
            parent = SpanContext(trace_id, 8, is_remote=False, trace_flags=TraceFlags(1))
            with trace.use_span(NonRecordingSpan(parent)):
                for number in range(50):
                    view.publish(KEY, ROW, event_time=NOW_US + number)

    assert len(recorded.spans(SEND)) == 1
    assert recorded.dropped["cap"] == 2


def test_rows_that_must_not_be_traced_change_no_other_rows_chance(
    cluster: Cluster, recorded: Recorded
) -> None:
    """Nine of ten are under an unrecorded span of the application's; of the tenth, one in a hundred is traced."""
    spans = SendSpans(recorded.tracing(cluster.clock, share=0.01), client_id="job")
    unsampled = NonRecordingSpan(SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(0)))
    picked = 0
    for _ in range(10_000):
        with trace.use_span(unsampled):
            assert spans.begin(TOPIC, 9, view_version="delay@1.0", started_us=NOW_US) == ()
        for send in spans.begin(TOPIC, 1, view_version="delay@1.0", started_us=NOW_US):
            picked += 1
            send.give_up("none")

    # 100 are expected, with a standard deviation of 10.
    assert 50 <= picked <= 150


def test_an_idle_step_stays_under_the_applications_span_that_it_was_in(
    cluster: Cluster, recorded: Recorded
) -> None:
    """Told late, it is told where it was: not under the step around that span."""
    tracer = recorded.provider.get_tracer("application")
    with publisher_on(cluster, recorded, share=0.5) as publisher:
        view = publisher.view("delay")
        publisher._sends()._tracing.rows._ahead = 1
        with tracer.start_as_current_span("job"):
            view.publish(KEY, ROW, event_time=NOW_US)
            publisher._sends()._tracing.rows._ahead = 1
            with publisher.transform("outer"):
                with tracer.start_as_current_span("between"), publisher.transform("inner"):
                    pass
                view.publish_many(rows(3))

    inner, between = recorded.one("transform inner"), recorded.one("between")
    assert inner.parent.span_id == between.context.span_id
    assert recorded.one("transform outer").parent.span_id == recorded.one("job").context.span_id
