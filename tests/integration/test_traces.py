"""Flights in a real Jaeger: from the source to the model input, and from a prediction back to its values."""

from __future__ import annotations

import itertools
import json
import signal
import time
from pathlib import Path

import pytest

from syncline.wiring import Publisher
from tests.integration.telemetry_world import AIRPORT, BUNDLE, KEYS, Flights, awaited, named, read_until
from tests.stack.jaeger import Jaeger
from tests.stack.stack import KafkaServer, Stack
from tests.stack.traces import Kind, Span

pytestmark = pytest.mark.real


@pytest.fixture
def flights(stack: Stack, jaeger: Jaeger, prefix: str, tmp_path: Path) -> Flights:
    """The demo's definitions, with everything traced."""
    return Flights(stack, jaeger, prefix.rstrip("-"), tmp_path)


def test_one_trace_from_the_source_to_the_model_input(flights: Flights) -> None:
    """One trace holds every stage with its parent and links; the stages add up to the whole within 5 ms."""
    topic = flights.topic
    predictions = []
    with (
        flights.agent(),
        flights.reader() as reader,
        flights.inference() as inference,
        flights.publisher() as publisher,
    ):
        view = publisher.view("airport_delay")
        for count in range(1, 8):
            with publisher.source("flights"), publisher.transform("rolling_mean"):
                row = {**AIRPORT, "departures_1h": count}
                view.publish({"airport": "EWR"}, row, event_time=time.time_ns() // 1_000)
            with inference.start_as_current_span("predict") as prediction:
                read_until(reader, KEYS, lambda got, n=count: got.values["origin_delay__departures_1h"] == n)
            predictions.append(prediction.get_span_context())

    found = flights.jaeger.traces.wait(
        flights.service("publisher"), lambda spans: sum(is_read(span) for span in spans) == len(predictions)
    )
    traces: dict[str, list[Span]] = {}
    for span in found:
        traces.setdefault(span.trace_id, []).append(span)
    assert len(traces) == len(predictions)
    off_ns = [_shown_whole(flights, spans, topic) for spans in traces.values()]
    # What an agent keeps beside a cell is written before it can know how long the commit takes: a disk that stalls
    # shows in `apply`, and must not fail this.
    assert sorted(off_ns)[len(off_ns) // 2] <= 5_000_000, off_ns

    asked = {link.trace_id: span for span in found if is_read(span) for link in span.links}
    for context in predictions:
        read = asked[f"{context.trace_id:032x}"]
        (predict,) = [
            span for span in flights.jaeger.traces.trace(f"{context.trace_id:032x}") if span.name == "predict"
        ]
        send = named(traces[read.trace_id], f"send {topic}")
        assert (send.trace_id, send.span_id) in {(link.trace_id, link.span_id) for link in predict.links}


def is_read(span: Span) -> bool:
    """Whether it is of the first read of an update."""
    return span.name == f"model input {BUNDLE}"


def _shown_whole(flights: Flights, spans: list[Span], topic: str) -> int:
    """Look at one trace; by how many nanoseconds its stages miss the whole."""
    by_name = {span.name: span for span in spans}
    assert len(spans) == len(by_name) == 8
    source, transform = by_name["source flights"], by_name["transform rolling_mean"]
    send, deliver, process = (by_name[f"{verb} {topic}"] for verb in ("send", "deliver", "process"))
    check, apply, read = (
        by_name[name] for name in ("check contract", "apply airport_delay", f"model input {BUNDLE}")
    )
    assert {span.name: span.parent_span_id for span in spans} == {
        source.name: None,
        transform.name: source.span_id,
        send.name: transform.span_id,
        deliver.name: send.span_id,
        process.name: send.span_id,
        check.name: process.span_id,
        apply.name: process.span_id,
        read.name: process.span_id,
    }
    assert {span.name: span.kind for span in spans if span.kind is not Kind.INTERNAL} == {
        send.name: Kind.PRODUCER,
        process.name: Kind.CONSUMER,
    }
    assert {span.name: span.service for span in spans} == {
        **dict.fromkeys((source.name, transform.name, send.name), flights.service("publisher")),
        **dict.fromkeys((deliver.name, process.name, check.name, apply.name), flights.service("agent")),
        read.name: flights.service("reader"),
    }
    assert [(link.trace_id, link.span_id) for link in process.links] == [(send.trace_id, send.span_id)]
    assert process.start_ns == deliver.end_ns
    assert check.start_ns >= process.start_ns
    assert apply.end_ns == process.end_ns
    assert send.attributes["messaging.kafka.offset"] == process.attributes["messaging.kafka.offset"]
    stages_ns = [
        send.start_ns - source.start_ns,
        *(span.end_ns - span.start_ns for span in (send, deliver, process, read)),
    ]
    return abs(sum(stages_ns) - (read.end_ns - source.start_ns))


DELAY_S = 1.5
STAGES = ("transform", "send", "deliver", "process", "model input")


@pytest.mark.timeout(240)
def test_a_delay_shows_in_exactly_its_stage_and_is_found_by_a_search(
    flights: Flights, kafka: KafkaServer
) -> None:
    """Slow transformation, publisher's queue, broker, agent, late read: each is one stage, and one search away."""
    # A broker that waits for more to send: what is acknowledged at once may be delivered later.
    agent_client = json.dumps({"fetch.min.bytes": 1_000_000, "fetch.wait.max.ms": 300})
    traces: dict[str, str] = {}
    with (
        flights.agent(SYNCLINE_CLIENT=agent_client) as agent,
        flights.reader() as reader,
        flights.publisher() as publisher,
        flights.publisher(client={"linger.ms": round(DELAY_S * 1_000)}) as hesitant,
    ):
        counts = itertools.count(1)

        def publish(by: Publisher, *, takes_s: float = 0.0) -> int:
            number = next(counts)
            with by.transform("rolling_mean"):
                time.sleep(takes_s)
                row = {**AIRPORT, "departures_1h": number}
                by.view("airport_delay").publish({"airport": "EWR"}, row, event_time=time.time_ns() // 1_000)
            by.flush()
            return number

        def to_a_paused_broker() -> int:
            number = publish(publisher)
            kafka.pause()
            time.sleep(DELAY_S)
            kafka.resume()
            return number

        def to_a_paused_agent() -> int:
            agent.send_signal(signal.SIGSTOP)
            number = publish(publisher)
            time.sleep(DELAY_S)
            agent.send_signal(signal.SIGCONT)
            return number

        def read_late() -> int:
            number = publish(publisher)
            time.sleep(DELAY_S + 0.5)
            return number

        known: set[str] = set()
        for what, stage, publishing in (
            # Before anything is measured: connections, and a first commit.
            ("nothing", "", lambda: publish(publisher)),
            ("transform", "transform", lambda: publish(publisher, takes_s=DELAY_S)),
            ("queue", "send", lambda: publish(hesitant)),
            ("broker", "deliver", to_a_paused_broker),
            ("agent", "deliver", to_a_paused_agent),
            ("read", "model input", read_late),
        ):
            # A machine that is busy with something else may delay another stage as well: then once more.
            for _ in range(4):
                number = publishing()
                read_until(reader, KEYS, lambda got, n=number: got.values["origin_delay__departures_1h"] == n)
                trace_id = _trace_of(flights, len(known) + 1, known)
                known.add(trace_id)
                stages = _stages(flights, trace_id)
                at = stages["deliver"].attributes["syncline.lag.at"]
                if _delayed(stages) == ({stage} if stage else set()) and (stage != "deliver" or at == what):
                    break
            assert _delayed(stages) == ({stage} if stage else set()), (what, stages)
            traces[what] = trace_id
            if stage:
                assert stages[stage].duration_s == pytest.approx(DELAY_S, abs=0.9), what
            if what in ("broker", "agent"):
                assert at == what

    slow = {
        trace_id
        for role in ("publisher", "agent", "reader")
        for trace_id in flights.jaeger.traces.tagged(flights.service(role), {"syncline.lag.bucket": "le_10s"})
    }
    assert set(traces.values()) - slow == {traces["nothing"]}


def _stages(flights: Flights, trace_id: str) -> dict[str, Span]:
    """The spans of one update's stages."""

    def all_of_them() -> dict[str, Span]:
        found = {
            stage: span
            for span in flights.jaeger.traces.trace(trace_id)
            for stage in STAGES
            if span.name.startswith(stage)
        }
        return found if set(found) == set(STAGES) else {}

    # A role may have sent some of its spans and not yet the others.
    return awaited(all_of_them, f"all stages of {trace_id}")


def _delayed(stages: dict[str, Span]) -> set[str]:
    """The stages that took more than a second."""
    return {stage for stage, span in stages.items() if span.attributes["syncline.lag.bucket"] == "le_10s"}


def _trace_of(flights: Flights, reads: int, known: set[str]) -> str:
    """The trace of the update that was read last."""
    found = flights.jaeger.traces.wait(
        flights.service("publisher"), lambda spans: sum(is_read(span) for span in spans) == reads
    )
    (new,) = {span.trace_id for span in found if is_read(span)} - known
    return new
