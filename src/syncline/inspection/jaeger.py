"""Traces as a Jaeger has them: asked by its API v3, which answers in OTLP as JSON."""

from __future__ import annotations

import http.client
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_TIMEOUT_S = 3.0
_ANSWER_BYTES_MAX = 16_000_000
_PART_BYTES = 65_536
_REASON_CHARACTERS_MAX = 200
_NS_END = 1 << 64
_NO_SPANS = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)
"""What comes of an answer that holds something else."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span: ids in hex, times in nanoseconds since 1970."""

    span_id: str
    parent_span_id: str
    """Empty for a root."""
    name: str
    service: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    is_error: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What Jaeger says of one trace."""

    spans: tuple[Span, ...] = ()
    """Oldest first."""
    trouble: str = ""
    """Why there are none."""
    is_reachable: bool = True


class Jaeger:
    """The Jaeger at `url`, which `jaeger_url` gave. Follows no redirect, asks no proxy, and waits 3 s at most."""

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def page(self, trace_id: str) -> str:
        """The address of a trace's page."""
        return f"{self.url}/trace/{trace_id}"

    def trace(self, trace_id: str) -> Answer:
        """All spans of a trace. Never raises: what goes wrong is in the answer."""
        # As they were sent: what Jaeger alters for its page, it alters in its memory as well.
        asked = f"{self.url}/api/v3/traces/{trace_id}?raw_traces=true"
        try:
            with self._opener.open(asked, timeout=self._timeout_s) as answer:
                body = _read(answer, time.monotonic() + self._timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                return _refused(error)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            said = " ".join(str(reason).split())[:_REASON_CHARACTERS_MAX] or type(error).__name__
            return Answer(trouble=f"it does not answer ({said})", is_reachable=False)
        if body is None:
            return Answer(
                trouble=f"the trace is larger than {_ANSWER_BYTES_MAX // 1_000_000} MB, or comes too slowly"
            )
        try:
            return Answer(spans_of(body))
        except _NO_SPANS:
            return Answer(trouble="its answer is not one of its API v3: is this a Jaeger?")


def jaeger_url(text: str) -> str:
    """The root of a Jaeger's pages and API, without a slash at its end.

    Raises:
        ValueError: this is no address that may be asked; says why.
    """
    try:
        parts = urllib.parse.urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or not text.strip().isascii():
        raise ValueError(f"{text!r} is no http or https URL: write http://127.0.0.1:16686")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into the URL: they would be shown")
    if parts.query or parts.fragment or any(character.isspace() for character in parts.path):
        raise ValueError(f"{text!r} is more than the root of a Jaeger: write http://127.0.0.1:16686")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def spans_of(body: bytes) -> tuple[Span, ...]:
    """The spans in an answer, oldest first: OTLP as JSON in a `result`, or several of those, one after another.

    Raises:
        ValueError, or another of `_NO_SPANS`: it is no such answer.
    """
    spans = [
        _span(span, _text(_attributes(by_resource.get("resource", {})).get("service.name")))
        for told in _documents(body)
        for by_resource in told["result"].get("resourceSpans", [])
        for scope in by_resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]
    return tuple(sorted(spans, key=lambda span: (span.start_ns, span.end_ns, span.span_id)))


def _read(answer: http.client.HTTPResponse, deadline_s: float) -> bytes | None:
    """The whole body; None where it is too large, or comes so slowly that its time is over."""
    parts, size = [], 0
    while part := answer.read1(_PART_BYTES):
        parts.append(part)
        size += len(part)
        if size > _ANSWER_BYTES_MAX or time.monotonic() > deadline_s:
            return None
    return b"".join(parts)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever was named is asked, and nobody else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """None: an error, then."""


def _refused(error: urllib.error.HTTPError) -> Answer:
    if error.code == HTTPStatus.NOT_FOUND:
        return Answer(trouble="it does not have this trace: not yet, not any more, or it was not sent there")
    if HTTPStatus.MULTIPLE_CHOICES <= error.code < HTTPStatus.BAD_REQUEST:
        return Answer(
            trouble="it answers with a redirect, which is not followed: give the address that it leads to"
        )
    return Answer(trouble=f"it answers HTTP {error.code}")


def _documents(body: bytes) -> Iterator[dict[str, Any]]:
    decoder, text = json.JSONDecoder(), body.decode().strip()
    while text:
        told, end = decoder.raw_decode(text)
        yield told
        text = text[end:].lstrip()


def _span(told: Mapping[str, Any], service: str) -> Span:
    return Span(
        span_id=_text(told["spanId"]),
        parent_span_id=_text(told.get("parentSpanId")),
        name=_text(told.get("name")),
        service=service,
        # 64 bits are text in JSON.
        start_ns=_ns(told.get("startTimeUnixNano", 0)),
        end_ns=_ns(told.get("endTimeUnixNano", 0)),
        attributes=_attributes(told),
        is_error=told.get("status", {}).get("code") in (_ERROR, "STATUS_CODE_ERROR"),
    )


_ERROR = 2


def _ns(told: str | int) -> int:
    found = int(told)
    if not 0 <= found < _NS_END:
        raise ValueError(f"{told!r} is no time")
    return found


def _attributes(told: Mapping[str, Any]) -> dict[str, Any]:
    return {_text(pair["key"]): _value(pair.get("value", {})) for pair in told.get("attributes", [])}


def _value(told: Mapping[str, Any]) -> Any:  # noqa: ANN401  # OTLP's values
    match told:
        case {"intValue": value}:
            return int(value)
        case {"doubleValue": value}:
            # What is no number of JSON, OTLP writes as text.
            number = float(value)
            return number if math.isfinite(number) else str(number)
        case {"stringValue": value}:
            return _text(value)
        case {"boolValue": value}:
            return value is True
    return None


def _text(value: object) -> str:
    # JSON can escape halves of a surrogate pair, which no terminal and no file takes.
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def attribute(spans: Sequence[Span], name: str) -> str:
    """The first of these spans' attribute of this name, as text; empty where none has it."""
    return next((str(span.attributes[name]) for span in spans if span.attributes.get(name) is not None), "")
