"""Spans of our own, in the SDK's pipeline: the golden tests run on them too; here is what those do not ask."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from syncline.telemetry.own_spans import OwnSpan, OwnSpans
from syncline.telemetry.provider import Spans, find_spans

SCOPE = InstrumentationScope("syncline", "1", "https://example.test")
PARENT = SpanContext(
    7, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "1")])
)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Where spans go."""
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> OwnSpans:
    """A maker."""
    provider = TracerProvider(shutdown_on_exit=False)
    processors = [SimpleSpanProcessor(exporter)]
    return OwnSpans(provider.resource, SCOPE, ids=provider.id_generator, processors=processors)


def made(spans: OwnSpans, parent: SpanContext | None = PARENT) -> OwnSpan:
    """One span."""
    return spans.span(
        "deliver t", start_ns=1, parent=parent, kind=SpanKind.INTERNAL, attributes={"a": 1}, links=[PARENT]
    )


def test_a_span_is_in_its_parents_trace_or_a_root(spans: OwnSpans) -> None:
    """With its vendor's state; ids are the provider's."""
    below, root, other = made(spans), made(spans, None), made(spans, None)

    assert below.get_span_context().trace_id == 7
    assert below.get_span_context().trace_state.get("vendor") == "1"
    assert below.parent == PARENT
    assert root.parent is None
    assert root.get_span_context().trace_flags.sampled
    assert len({span.get_span_context().span_id for span in (below, root, other)}) == 3
    assert root.get_span_context().trace_id != other.get_span_context().trace_id


def test_after_its_end_nothing_of_it_changes(spans: OwnSpans, exporter: InMemorySpanExporter) -> None:
    """It is sent once; two threads may have it in hand."""
    span = made(spans)
    span.set_attributes({"b": 2})
    span.set_status(Status(StatusCode.ERROR))
    assert span.is_recording()
    assert exporter.get_finished_spans() == ()
    span.end(5)
    span.set_attribute("late", value=True)
    span.set_attributes({"late": True})
    span.set_status(Status(StatusCode.OK))
    span.end(9)

    (sent,) = exporter.get_finished_spans()
    assert dict(sent.attributes or {}) == {"a": 1, "b": 2}
    assert (sent.start_time, sent.end_time, sent.status.status_code) == (1, 5, StatusCode.ERROR)
    assert not span.is_recording()


def test_the_makers_attributes_are_not_the_givers(spans: OwnSpans) -> None:
    """What several spans begin with is one mapping."""
    given = {"a": 1}
    one, two = (
        spans.span("s", start_ns=1, parent=None, kind=SpanKind.PRODUCER, attributes=given, links=())
        for _ in range(2)
    )
    one.set_attribute("b", value=2)

    assert given == {"a": 1}
    assert dict(two.attributes or {}) == {"a": 1}


def test_the_console_exporter_can_print_it(spans: OwnSpans) -> None:
    """As it prints the SDK's."""
    span = made(spans)
    span.end(5)

    printed = json.loads(span.to_json())
    assert (printed["name"], printed["attributes"], printed["parent_id"]) == (
        "deliver t",
        {"a": 1},
        f"0x{8:016x}",
    )


def found(**variables: str) -> Spans:
    """What these variables ask for."""
    spans = find_spans(
        service="s",
        instance="i",
        on_dropped=lambda reason, count: None,
        environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **variables},
    )
    assert spans is not None
    spans.close(0.1)
    return spans


def test_who_limits_what_spans_hold_has_the_sdks() -> None:
    """They keep to the variables that say how much; ours would not."""
    assert found().maker is not None
    assert found(OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="3").maker is None
    assert found(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="10").maker is None
