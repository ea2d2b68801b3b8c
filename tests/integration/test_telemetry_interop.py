"""Traces of others: instrumented producers, CloudEvents, and our own publisher in a process that is instrumented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, SpanKind

from syncline.contracts.codec.encode import Encoder
from syncline.publisher.view import ViewPublisher
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import encode_key
from syncline.wire.trace_context import trace_context
from tests.integration.telemetry_world import AIRPORT, KEYS, Flights, awaited, read_until
from tests.integration.test_telemetry_weather import now_us
from tests.stack.stack import Stack
from tests.unit.publisher.airport import records
from tests.unit.telemetry.otlp_sink import OtlpSink, otlp_sink

pytestmark = pytest.mark.real


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    """A place for our spans."""
    with otlp_sink() as found:
        yield found


@pytest.fixture
def flights(stack: Stack, sink: OtlpSink, prefix: str, tmp_path: Path) -> Flights:
    """The demo's definitions, with everything traced, sent to the sink."""
    jaeger: Any = SimpleNamespace(otlp_endpoint=sink.endpoint)
    return Flights(stack, jaeger, prefix.rstrip("-"), tmp_path)


@pytest.fixture
def application() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    """A provider of somebody else's application."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def producer(flights: Flights) -> Producer:
    """Of a job that does not use our library, and puts keys where they belong."""
    servers = flights.stack.bootstrap_servers
    return Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})


def record(view: ViewPublisher, airport: str, **values: Any) -> dict[str, Any]:
    """A row that keeps its contract, as that job would write it."""
    row = {"airport": airport, "event_time": now_us(), "movements_1h": None, **AIRPORT, **values}
    return {
        "topic": view.contract.topic,
        "value": framing(view.schema_id) + Encoder(view.contract).encode(row),
        "key": encode_key([airport]),
    }


def ids(span: Span) -> tuple[bytes, bytes]:
    """(trace id, span id) as OTLP has them."""
    context = span.get_span_context()
    return context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")


def test_the_trace_of_an_instrumented_producer_goes_on(
    flights: Flights, sink: OtlpSink, application: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    """opentelemetry-instrumentation-confluent-kafka writes a record: its span is the parent of deliver and process."""
    provider, exporter = application
    with flights.publisher() as publisher, flights.agent(), flights.reader() as reader:
        view = publisher.view("airport_delay")
        instrumented = ConfluentKafkaInstrumentor.instrument_producer(producer(flights), provider)
        with provider.get_tracer("job").start_as_current_span("job") as job:
            instrumented.produce(**record(view, "EWR", departures_1h=41))
        instrumented.flush(10)
        read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 41)
        awaited(lambda: f"process {flights.topic}" in sink.names(), "the agent's spans")

    (sent,) = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.PRODUCER]
    trace_id, span_id = ids(sent)
    assert trace_id == ids(job)[0]
    followed = [span for span in sink.spans() if span.name.startswith(("deliver", "process"))]
    assert [(span.trace_id, span.parent_span_id) for span in followed] == [(trace_id, span_id)] * 2
    (process,) = [span for span in followed if span.name.startswith("process")]
    assert [(link.trace_id, link.span_id) for link in process.links] == [(trace_id, span_id)]


def test_of_a_producer_that_is_instrumented_twice_the_last_hop_counts(
    flights: Flights, sink: OtlpSink, application: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    """The instrumentation appends at each send: what it appended last is the parent."""
    provider, exporter = application
    with flights.publisher() as publisher, flights.agent():
        view = publisher.view("airport_delay")
        once = ConfluentKafkaInstrumentor.instrument_producer(producer(flights), provider)
        twice = ConfluentKafkaInstrumentor.instrument_producer(once, provider)
        twice.produce(**record(view, "EWR"))
        twice.flush(10)
        awaited(lambda: f"process {flights.topic}" in sink.names(), "the agent's spans")

    inner, outer = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.PRODUCER]
    assert inner.parent.span_id == outer.context.span_id
    (process,) = [span for span in sink.spans() if span.name.startswith("process")]
    assert (process.trace_id, process.parent_span_id) == ids(inner)


def test_a_cloud_event_keeps_its_trace_and_its_id(flights: Flights, sink: OtlpSink) -> None:
    """Binary content mode: `ce_traceparent` is followed, `ce_id` is there to be searched for."""
    with flights.publisher() as publisher, flights.agent(), flights.reader() as reader:
        view = publisher.view("airport_delay")
        parent = "00-" + "a1" * 16 + "-" + "b2" * 8 + "-01"
        headers = {
            "ce_specversion": "1.0",
            "ce_id": "event-4711",
            "ce_source": "/radar",
            "ce_type": "airport.delay",
            "ce_time": "2026-01-01T00:00:00Z",
            "ce_traceparent": parent,
            "ce_tracestate": "congo=t61",
            "content-type": "application/avro",
        }
        of = producer(flights)
        of.produce(**record(view, "EWR", departures_1h=42), headers=list(headers.items()))
        of.flush(10)
        read_until(reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == 42)
        awaited(lambda: f"process {flights.topic}" in sink.names(), "the agent's spans")

    followed = [span for span in sink.spans() if span.name.startswith(("deliver", "process"))]
    assert len(followed) == 2
    for span in followed:
        assert (span.trace_id, span.parent_span_id) == (b"\xa1" * 16, b"\xb2" * 8)
        assert span.trace_state == "congo=t61"
    (process,) = [span for span in followed if span.name.startswith("process")]
    said = {each.key: each.value.string_value for each in process.attributes}
    assert said["cloudevents.event_id"] == "event-4711"


# Our publisher in a process that is instrumented.

PROGRAM = """
import json, sys, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
ConfluentKafkaInstrumentor().instrument()
import logging
logging.basicConfig(level=logging.WARNING)
from opentelemetry.context import get_current
from syncline import Publisher
with Publisher.from_env(publisher="flights") as publisher:
    view = publisher.view("airport_delay")
    left = trace.get_current_span().get_span_context().span_id
    for number in range(5):
        view.publish({"airport": f"A0{number}"}, json.loads(sys.argv[1]), event_time=time.time_ns() // 1_000)
    publisher.flush()
print(json.dumps({
    "left": left,
    "spans": [
        [span.name, span.context.trace_id, span.context.span_id, span.parent.span_id if span.parent else 0]
        for span in exporter.get_finished_spans()
    ],
}))
"""


def instrumented(flights: Flights, share: str) -> tuple[dict[str, Any], list[list[tuple[str, bytes]]]]:
    """(what the program says, the headers of every update that it published)."""
    environment = {**os.environ, **flights.environment("publisher", SYNCLINE_TRACE_SHARE=share)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(AIRPORT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    batch = records(flights.log, flights.topic)
    headers = [
        list(batch.headers.get(row, ()))
        for row, key in enumerate(batch.keys)
        if key is not None and not key.startswith(b"\x00")
    ]
    return json.loads(done.stdout), headers


def test_a_traced_record_of_an_instrumented_process_carries_our_context_alone(flights: Flights) -> None:
    """Exactly one traceparent, of our `send`: an agent that follows the last one follows ours."""
    said, headers = instrumented(flights, "1")

    sends = {
        (trace_id, span_id) for name, trace_id, span_id, _ in said["spans"] if name == f"send {flights.topic}"
    }
    assert len(sends) == len(headers) == 5
    for each in headers:
        found = trace_context(each)
        assert found is not None
        assert (found.trace_id, found.span_id) in sends
        assert [name for name, _ in each].count("traceparent") == 1


def test_an_untraced_record_of_an_instrumented_process_carries_nothing(flights: Flights) -> None:
    """The share and the cap are kept: else every record is traced, by every agent that reads it."""
    _, headers = instrumented(flights, "0")

    assert headers == [[]] * 5


def test_reading_the_catalog_leaves_no_span_of_the_instrumentation_behind(flights: Flights) -> None:
    """What a client of ours consumed is not the parent of what the job does next."""
    said, _ = instrumented(flights, "1")

    assert said["left"] == 0
