"""The spans of one update, out of a trace that may hold those of many updates, agents and readers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from syncline.inspection.jaeger import Span
from syncline.telemetry import names

_READS_MAX = 5
_DEPTH_MAX = 50


class Nested(NamedTuple):
    """A span, and how deep it stands under the others that are shown."""

    depth: int
    span: Span


def of_update(spans: Sequence[Span], *, send_id: str, process_id: str = "") -> tuple[list[Nested], int]:
    """(the spans of the update that `send_id` sent, outermost first; how many others the trace has).

    What led to it, its `send`, and of what became of it what the agent did that has `process_id`; of every agent where
    that is not given, or not there. Of many first reads the first few are shown.
    """
    by_id = {span.span_id: span for span in spans}
    below: dict[str, list[Span]] = {}
    for span in spans:
        below.setdefault(span.parent_span_id, []).append(span)
    shown: list[Nested] = []
    send = by_id.get(send_id)
    if send is not None:
        shown += [Nested(depth, span) for depth, span in enumerate([*_above(send, by_id), send])]
    depth = len(shown)
    seen = {nested.span.span_id for nested in shown}
    process = by_id.get(process_id)
    for span in below.get(send_id, []):
        if process is None or span is process or _delivered_to(span, process):
            shown += _with_what_is_below(span, below, depth, seen)
    return shown, len(by_id) - len(shown)


def _above(send: Span, by_id: Mapping[str, Span]) -> list[Span]:
    """What led to it, outermost first."""
    found: list[Span] = []
    span = by_id.get(send.parent_span_id)
    while span is not None and span is not send and span not in found:
        found.append(span)
        span = by_id.get(span.parent_span_id)
    return found[::-1]


def _delivered_to(span: Span, process: Span) -> bool:
    """Whether it is how the update came to the agent that processed it."""
    return (span.service, span.attributes.get(names.CLIENT_ID), span.name.partition(" ")[0]) == (
        process.service,
        process.attributes.get(names.CLIENT_ID),
        "deliver",
    )


def _with_what_is_below(
    span: Span, below: Mapping[str, Sequence[Span]], depth: int, seen: set[str]
) -> list[Nested]:
    """Anyone can send spans: one that stands under itself is shown once."""
    if span.span_id in seen or depth > _DEPTH_MAX:
        return []
    seen.add(span.span_id)
    shown, reads = [Nested(depth, span)], 0
    for child in below.get(span.span_id, []):
        if names.BUNDLE in child.attributes:
            reads += 1
            if reads > _READS_MAX:
                continue
        shown += _with_what_is_below(child, below, depth + 1, seen)
    return shown
