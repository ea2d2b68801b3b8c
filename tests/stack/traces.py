"""What Jaeger tells of spans, as plain values."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from tests.stack.eventually import eventually

# Jaeger's memory refuses to look for none, which is its default, and for more than it can hold.
_TRACES_MAX = 5_000
# As they were sent. What Jaeger alters for its page it alters in its memory, too: each look adds warnings.
_RAW = "true"
# Those warnings, which nobody sent.
_WARNINGS = "@jaeger@warnings"


class Kind(IntEnum):
    """A span's kind, by its number in OTLP."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Status(IntEnum):
    """A span's status, by its number in OTLP."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Link:
    """What a span points at."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened within a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A span: ids in hex, times in nanoseconds since 1970, values of Python.

    The schema's URL is not here, as Jaeger's memory does not keep it.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: Kind
    start_ns: int
    end_ns: int
    status: Status
    status_message: str
    attributes: Mapping[str, Any]
    links: Sequence[Link]
    events: Sequence[Event]
    resource: Mapping[str, Any]
    scope: str

    @property
    def service(self) -> str:
        """The service that sent it."""
        return str(self.resource.get("service.name", ""))

    @property
    def duration_s(self) -> float:
        """How long it was."""
        return (self.end_ns - self.start_ns) / 1e9


class Traces:
    """Asks the API of the Jaeger at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def services(self) -> set[str]:
        """The names of all services that ever sent a span."""
        told = self._ask("/api/v3/services", {})
        return set((told or {}).get("services") or [])

    def find(self, service: str, *, operation: str | None = None, since_s: float = 3600.0) -> list[Span]:
        """All spans of the newest traces in which this service has a span (of this name), oldest first.

        Whole traces: spans of other services are among them.
        """
        now = datetime.now(UTC)
        words = {
            "query.service_name": service,
            "query.start_time_min": _rfc3339(now - timedelta(seconds=since_s)),
            "query.start_time_max": _rfc3339(now + timedelta(minutes=1)),
            "query.num_traces": str(_TRACES_MAX),
            "query.raw_traces": _RAW,
        }
        if operation is not None:
            words["query.operation_name"] = operation
        return spans_of(self._ask("/api/v3/traces", words))

    def trace(self, trace_id: str, *, as_shown: bool = False) -> list[Span]:
        """All spans of one trace, oldest first, or as Jaeger's page shows them; none where it is not known (yet)."""
        return spans_of(self._ask(f"/api/v3/traces/{trace_id}", {} if as_shown else {"raw_traces": _RAW}))

    def tagged(self, service: str, tags: Mapping[str, str], *, since_s: float = 3600.0) -> set[str]:
        """The ids of the service's traces that the search of Jaeger's own page finds by these tags.

        The page asks an API that is not documented: the one that is, v3, cannot search by tags over HTTP.
        """
        now = datetime.now(UTC)
        words = {
            "service": service,
            "tags": json.dumps(dict(tags)),
            "start": str(int((now - timedelta(seconds=since_s)).timestamp() * 1e6)),
            "end": str(int((now + timedelta(minutes=1)).timestamp() * 1e6)),
            "limit": str(_TRACES_MAX),
        }
        told = self._ask("/api/traces", words) or {}
        return {trace["traceID"].rjust(32, "0") for trace in told.get("data") or []}

    def wait(
        self,
        service: str,
        holds: Callable[[list[Span]], object] = bool,
        *,
        operation: str | None = None,
        timeout_s: float = 30.0,
    ) -> list[Span]:
        """What `find` gives once that holds: spans arrive some time after they ended.

        Raises:
            TimeoutError: it does not hold within `timeout_s`; the message has the last spans' names.
        """
        return eventually(
            lambda: self.find(service, operation=operation), holds, timeout_s=timeout_s, show=_names
        )

    def wait_trace(
        self, trace_id: str, holds: Callable[[list[Span]], object] = bool, *, timeout_s: float = 30.0
    ) -> list[Span]:
        """What `trace` gives once that holds.

        Raises:
            TimeoutError: it does not hold within `timeout_s`; the message has the last spans' names.
        """
        return eventually(lambda: self.trace(trace_id), holds, timeout_s=timeout_s, show=_names)

    def _ask(self, path: str, words: Mapping[str, str]) -> dict[str, Any] | None:
        query = f"?{urllib.parse.urlencode(words)}" if words else ""
        try:
            with urllib.request.urlopen(f"{self._url}{path}{query}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise RuntimeError(
                    f"Jaeger refuses {path}{query}: {error.read().decode(errors='replace')}"
                ) from error


def spans_of(told: Mapping[str, Any] | None) -> list[Span]:
    """The spans in an answer of the API v3 (OTLP as JSON in a `result`), oldest first."""
    spans = [
        _span(span, scope.get("scope", {}).get("name", ""), _values(by_resource.get("resource", {})))
        for by_resource in (told or {}).get("result", {}).get("resourceSpans", [])
        for scope in by_resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]
    return sorted(spans, key=lambda span: (span.start_ns, span.span_id))


def _span(told: Mapping[str, Any], scope: str, resource: Mapping[str, Any]) -> Span:
    attributes = _values(told)
    attributes.pop(_WARNINGS, None)
    status = told.get("status", {})
    return Span(
        trace_id=told["traceId"],
        span_id=told["spanId"],
        parent_span_id=told.get("parentSpanId") or None,
        name=told.get("name", ""),
        kind=Kind(told.get("kind", 0)),
        start_ns=int(told.get("startTimeUnixNano", 0)),
        end_ns=int(told.get("endTimeUnixNano", 0)),
        status=Status(status.get("code", 0)),
        status_message=status.get("message", ""),
        attributes=attributes,
        links=tuple(Link(link["traceId"], link["spanId"], _values(link)) for link in told.get("links", [])),
        events=tuple(
            Event(event.get("name", ""), int(event.get("timeUnixNano", 0)), _values(event))
            for event in told.get("events", [])
        ),
        resource=resource,
        scope=scope,
    )


def _values(told: Mapping[str, Any]) -> dict[str, Any]:
    return {pair["key"]: _value(pair.get("value", {})) for pair in told.get("attributes", [])}


def _value(told: Mapping[str, Any]) -> Any:
    match dict(told):
        case {"intValue": value}:
            return int(value)  # 64 bits are text in JSON
        case {"doubleValue": value}:
            return float(value)
        case {"arrayValue": value}:
            return [_value(each) for each in value.get("values", [])]
        case {"kvlistValue": value}:
            return {each["key"]: _value(each["value"]) for each in value.get("values", [])}
        case {"stringValue": value} | {"boolValue": value} | {"bytesValue": value}:
            return value
    return None


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _names(spans: Sequence[Span]) -> str:
    return f"{len(spans)} spans: {', '.join(f'{span.service}: {span.name}' for span in spans[-40:])}"
