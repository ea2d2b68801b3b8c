"""Trace context in record headers: W3C `traceparent` and `tracestate`, or CloudEvents' extension of them.

Sources: W3C Trace Context (level 1 and 2), CloudEvents' Distributed Tracing extension. Headers come from anyone: what
is not well-formed is no context, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
CLOUD_EVENT_TRACEPARENT = "ce_traceparent"
CLOUD_EVENT_TRACESTATE = "ce_tracestate"
CLOUD_EVENT_ID = "ce_id"

TRACESTATE_BYTES_MAX = 512
"""What a vendor has to pass on at least (W3C, 3.3.1.5); a longer one is left out, and the trace goes on without."""
_EVENT_ID_CHARACTERS_MAX = 200

_FLAGS = slice(53, 55)
_SAMPLED = 0x01
_ODD = frozenset(b"13579bdf")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MEMBER = r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_TRACESTATE = re.compile(rf"[ \t]*{_MEMBER}[ \t]*(,[ \t]*{_MEMBER}[ \t]*){{0,31}}")
"""W3C, 3.3.1. OpenTelemetry's own parser would log what it cannot read, word for word."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Which span a record was sent in."""

    trace_id: int
    span_id: int
    flags: int
    state: str = ""
    """`tracestate` as it came; empty where there is none, or one that cannot be passed on."""

    @property
    def is_sampled(self) -> bool:
        """Whether the trace is recorded."""
        return bool(self.flags & _SAMPLED)

    def headers(self) -> list[tuple[str, bytes]]:
        """As a record carries it: exactly one header each."""
        found = [(TRACEPARENT, b"00-%032x-%016x-%02x" % (self.trace_id, self.span_id, self.flags))]
        if self.state:
            found.append((TRACESTATE, self.state.encode()))
        return found


def looks_sampled(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether the flag of the last `traceparent` says so: a peek, at a fraction of what parsing costs."""
    parent = event = None
    for name, value in headers:
        if name == TRACEPARENT:
            parent = value
        elif name == CLOUD_EVENT_TRACEPARENT:
            event = value
    found = parent if parent is not None and len(parent) >= _FLAGS.stop else event
    return found is not None and len(found) >= _FLAGS.stop and found[_FLAGS.stop - 1] in _ODD


def trace_context(headers: Iterable[tuple[str, bytes | None]]) -> TraceContext | None:
    """The context that a record carries; None where it carries none, or none that is well-formed.

    Of duplicates the last one counts: instrumented producers append theirs at each send. `traceparent` counts before
    CloudEvents' `ce_traceparent`, which stays what it was when the event was made.
    """
    found = {name: value for name, value in headers if name in _NAMES}
    for parent, state in ((TRACEPARENT, TRACESTATE), (CLOUD_EVENT_TRACEPARENT, CLOUD_EVENT_TRACESTATE)):
        context = _parsed(found.get(parent), found.get(state))
        if context is not None:
            return context
    return None


def event_id(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The CloudEvents id of a record, where it has one."""
    found = None
    for name, value in headers:
        if name == CLOUD_EVENT_ID:
            found = value
    return None if found is None else found.decode(errors="replace")[:_EVENT_ID_CHARACTERS_MAX]


_NAMES = frozenset({TRACEPARENT, TRACESTATE, CLOUD_EVENT_TRACEPARENT, CLOUD_EVENT_TRACESTATE})


def _parsed(parent: bytes | None, state: bytes | None) -> TraceContext | None:
    match = None if parent is None else _TRACEPARENT.fullmatch(parent)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    # Version ff is none; version 00 ends with its flags; later ones may go on, and begin the same way.
    if version == b"ff" or (version == b"00" and more is not None):
        return None
    context = TraceContext(int(trace_id, 16), int(span_id, 16), int(flags, 16), _passed_on(state))
    return context if context.trace_id and context.span_id else None


def _passed_on(state: bytes | None) -> str:
    if not state or len(state) > TRACESTATE_BYTES_MAX:
        return ""
    text = state.decode("ascii", errors="replace")
    return text if _TRACESTATE.fullmatch(text) else ""
