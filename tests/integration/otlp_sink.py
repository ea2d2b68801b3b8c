"""What a sink for OTLP was sent, as a test asks about it: spans with parents and links, and every text in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from tests.integration.telemetry_world import awaited
from tests.unit.telemetry.otlp_sink import OtlpSink
from tests.unit.telemetry.otlp_sink import otlp_sink as raw_sink


@dataclass(frozen=True)
class Sent:
    """A span that came."""

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    start_ns: int
    end_ns: int

    @property
    def context(self) -> tuple[str, str]:
        """Its trace and itself, as a link names them."""
        return self.trace_id, self.span_id


@dataclass
class Sink:
    """A place for spans that answers at once, unless `raw` is told something else."""

    raw: OtlpSink

    @property
    def otlp_endpoint(self) -> str:
        """For OTEL_EXPORTER_OTLP_ENDPOINT: called as a Jaeger calls it, so that a world takes either."""
        return self.raw.endpoint

    def spans(self) -> list[Sent]:
        """Every span that came so far."""
        return [
            _sent(span, resource)
            for request in self.raw.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Sent]:
        """Those of this name."""
        return [span for span in self.spans() if span.name == name]

    def wait(self, wanted: Callable[[list[Sent]], Any], what: str) -> list[Sent]:
        """All spans, once they are as wanted."""

        def found() -> list[Sent] | None:
            spans = self.spans()
            return spans if wanted(spans) else None

        spans: list[Sent] = awaited(found, what)
        return spans

    def texts(self) -> str:
        """All that stands in what came, keys and values and bytes of any kind, a line each."""
        return "\n".join(text for request in self.raw.requests() for text in _texts(request))


@contextmanager
def sink(*, status: int = 200, delay_s: float = 0.0) -> Iterator[Sink]:
    """One on the loopback address; see `tests.unit.telemetry.otlp_sink`."""
    with raw_sink(status=status, delay_s=delay_s) as raw:
        yield Sink(raw)


def _sent(span: Any, resource: Any) -> Sent:
    of_resource = _attributes(resource.resource)
    return Sent(
        span.name,
        of_resource["service.name"],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _attributes(span),
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _attributes(holder: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}


def _texts(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        several = value if field.is_repeated else (value,)
        for one in several:
            if isinstance(one, Message):
                yield from _texts(one)
            else:
                yield one.decode("latin-1") if isinstance(one, bytes) else str(one)
