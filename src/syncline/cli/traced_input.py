"""Where the values of a model input come from, as the CLI shows it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from syncline.cli.get import shown
from syncline.cli.output import Output, counted, printable
from syncline.cli.stored_input import StoredInput
from syncline.cli.waterfall import Bar, waterfall
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment
from syncline.contracts.plain import plain_value
from syncline.inspection.ages import measured
from syncline.inspection.jaeger import Answer, Jaeger, Span, attribute
from syncline.inspection.origins import (
    Origin,
    Point,
    RecordFound,
    Stage,
    longest,
    stages,
    trace_of,
    why_untraced,
)
from syncline.inspection.update_spans import Nested, of_update
from syncline.reader import Status
from syncline.telemetry import names

_INDENT = "  "
_WIDTH_MIN, _WIDTH_MAX = 20, 150
_WORDS = {
    Point.EVENT: "event",
    Point.LOG: "log",
    Point.AGENT: "agent",
    Point.APPLIED: "applied",
    Point.READ: "read now",
}
_SHOWN_ATTRIBUTES = ("messaging.", "syncline.", "cloudevents.", names.ERROR_TYPE)
"""Of spans that others sent: theirs may hold values."""


@dataclass(frozen=True, slots=True)
class TracedAlias:
    """What is known of the values of one alias."""

    origin: Origin
    record: RecordFound
    answer: Answer | None = None
    """What Jaeger says of its trace; None where none was asked, or none answers."""
    heard: tuple[str, ...] = ()
    """The publishers that were heard on its topic lately."""

    @property
    def trace(self) -> tuple[str, str] | None:
        """(trace id, id of the send span) in hex; None where it is not traced."""
        return trace_of(self.origin, self.record)

    @property
    def spans(self) -> tuple[list[Nested], int]:
        """(the spans of its update, how many others their trace has)."""
        if self.trace is None or self.answer is None:
            return [], 0
        traced = self.origin.traced
        process_id = "" if traced is None else f"{traced.process_span_id:016x}"
        return of_update(self.answer.spans, send_id=self.trace[1], process_id=process_id)

    @property
    def sent_by(self) -> str:
        """The client that sent it, as its span says; empty where that is not known."""
        sends = [nested.span for nested in self.spans[0] if nested.span.name.startswith("send ")]
        return attribute(sends, names.CLIENT_ID)


@dataclass(frozen=True, slots=True)
class TracedInput:
    """One model input with all that is known of where it comes from."""

    stored: StoredInput
    aliases: tuple[TracedAlias, ...]
    jaeger: Jaeger | None

    def stages(self, alias: TracedAlias) -> tuple[Stage, ...]:
        """Those of its update, up to now."""
        return stages(alias.origin, alias.record, read_at_us=self.stored.read_at_us)


def show_traced(found: TracedInput, output: Output, *, values: bool) -> None:
    """For people, in the width of their terminal."""
    width = min(shutil.get_terminal_size((100, 24)).columns, _WIDTH_MAX)
    serving, moment = found.stored.serving, format_moment(found.stored.read_at_us, FeatureType.TIMESTAMP)
    cut = "-" if serving.cut is None else serving.cut
    for line in _wrapped(
        f"{found.stored.release}, epoch {serving.epoch}, cut {cut}, read {moment}", width, indent=""
    ):
        output.line(line)
    for alias in found.aliases:
        output.line()
        origin = alias.origin
        at = "" if origin.offset is None else f" offset {origin.offset}"
        head = f"{origin.alias}: {origin.view}, {origin.topic}[{origin.partition}]{at}"
        for line in _wrapped(head, width, indent=""):
            output.line(line, style="cyan")
        for fact in _facts(found, alias, values=values):
            for line in _wrapped(fact, width):
                output.line(line)
        for line, style in _drawn(found, alias, width=width - len(_INDENT)):
            output.line(_INDENT + line, style=style)


def _wrapped(text: str, width: int, *, indent: str = _INDENT) -> list[str]:
    """In lines of this width; what cannot be broken, such as a link, stays whole."""
    return textwrap.wrap(
        printable(text),
        max(width, _WIDTH_MIN),
        initial_indent=indent,
        subsequent_indent=indent + _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _facts(found: TracedInput, alias: TracedAlias, *, values: bool) -> Iterator[str]:
    origin, record = alias.origin, alias.record
    yield from _features(origin, values=values)
    if origin.event_time_us is None:
        return
    event = format_moment(origin.event_time_us, FeatureType.TIMESTAMP)
    age = measured(max(0, found.stored.read_at_us - origin.event_time_us))
    written = f"; written as {origin.written_as}" if origin.written_as not in (None, origin.view) else ""
    yield f"{'deleted by the event of' if origin.deleted else 'event'} {event}, {age} old{written}"
    if alias.sent_by:
        yield f"published by {alias.sent_by}"
    elif alias.heard:
        yield f"publishers heard on the topic: {', '.join(alias.heard)}"
    if record.event_id:
        yield f"CloudEvents id {record.event_id}"
    if record.missing:
        yield f"its record could not be read back: {record.missing}"
    if alias.trace is not None:
        yield f"trace {alias.trace[0] if found.jaeger is None else found.jaeger.page(alias.trace[0])}"
    untraced = why_untraced(origin, record)
    if untraced:
        yield untraced
    if alias.answer is not None and alias.answer.trouble:
        yield f"no spans from Jaeger: {alias.answer.trouble}"
    if alias.spans[0]:
        yield ", ".join(f"{_label(stage)} {measured(stage.took_us)}" for stage in found.stages(alias))


def _features(origin: Origin, *, values: bool) -> Iterator[str]:
    """Names by status, or with their values; why, where it is not what was stored."""
    if origin.offset is None and all(read.status == Status.NOT_FOUND for read in origin.features.values()):
        yield f"{Status.NOT_FOUND}: the store has nothing of this entity"
        return
    short = {name: name.removeprefix(f"{origin.alias}__") for name in origin.features}
    by_status: dict[tuple[str, str], list[str]] = {}
    for name, read in origin.features.items():
        value = f" = {shown(read.value)}" if values and read.status != Status.NOT_FOUND else ""
        reason = "--values shows why" if read.quotes_value and not values else read.reason
        by_status.setdefault((read.status, reason), []).append(short[name] + value)
    for (status, reason), named in by_status.items():
        yield f"{status}: {', '.join(named)}" + (f" ({reason})" if reason else "")


def _drawn(found: TracedInput, alias: TracedAlias, *, width: int) -> Iterator[tuple[str, str]]:
    """(line, style): the spans where there are any, else the stages."""
    passed = found.stages(alias)
    if not passed:
        return
    nested, others = alias.spans
    slowest = longest(passed)
    if not nested:
        bars = [_stage_bar(stage) for stage in passed]
        for line, stage in zip(waterfall(bars, width=width), passed, strict=True):
            yield line, "yellow" if stage is slowest else ""
        return
    bars = [_span_bar(depth, span, alias.origin.topic) for depth, span in nested]
    styles = ["red" if span.is_error else "" for _, span in nested]
    if passed[-1].start is Point.APPLIED:
        bars.append(_stage_bar(passed[-1]))
        styles.append("")
    yield from zip(waterfall(bars, width=width), styles, strict=True)
    if others:
        yield f"and {counted(others, 'other span')} of this trace", ""


def _label(stage: Stage) -> str:
    return f"{_WORDS[stage.start]} → {_WORDS[stage.end]}"


def _stage_bar(stage: Stage) -> Bar:
    # How long a value has been read from the store is no stage that anyone waited in.
    note = "clocks differ" if stage.has_clock_skew else ""
    return Bar(_label(stage), stage.start_us, stage.end_us, note=note, is_open=stage.end is Point.READ)


def _span_bar(depth: int, span: Span, topic: str) -> Bar:
    told = span.attributes
    notes = [str(told[names.ERROR_TYPE])] if names.ERROR_TYPE in told else []
    if names.LAG_AT in told:
        notes.append(f"at the {told[names.LAG_AT]}")
    if told.get(names.APPLY_RESULT) == names.SUPERSEDED:
        notes.append(names.SUPERSEDED)
    if told.get(names.CLOCK_SKEW):
        notes.append("clocks differ")
    label = " " * depth + span.name.removesuffix(f" {topic}")
    return Bar(label, span.start_ns / 1_000, span.end_ns / 1_000, span.service, ", ".join(notes))


def traced_document(found: TracedInput, *, values: bool) -> dict[str, Any]:
    """Everything as JSON data. Times are microseconds since 1970; ids are hex."""
    stored = found.stored
    condition = stored.condition
    return {
        "release": stored.release,
        "epoch": stored.serving.epoch,
        "cut": stored.serving.cut,
        "consumer": stored.serving.consumer,
        "read_at_us": stored.read_at_us,
        "agent": None
        if condition is None
        else {
            "agent": condition.agent,
            "state": condition.state,
            "reason": condition.reason,
            "ready": condition.ready,
            "reported_at_us": condition.reported_at_us,
        },
        "jaeger": None if found.jaeger is None else found.jaeger.url,
        "aliases": [_alias_document(found, alias, values=values) for alias in found.aliases],
    }


def _alias_document(found: TracedInput, alias: TracedAlias, *, values: bool) -> dict[str, Any]:
    origin, record, traced = alias.origin, alias.record, alias.origin.traced
    nested, others = alias.spans
    event_us = origin.event_time_us
    return {
        "alias": origin.alias,
        "view": origin.view,
        "written_as": origin.written_as,
        "schema_id": origin.schema_id,
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "deleted": origin.deleted,
        "event_time_us": event_us,
        "age_s": None if event_us is None else max(0, found.stored.read_at_us - event_us) / 1_000_000,
        "features": {
            name: {
                "status": read.status,
                "reason": None if read.quotes_value and not values else read.reason or None,
            }
            | ({"value": plain_value(read.value)} if values else {})
            for name, read in origin.features.items()
        },
        "record": {
            "appended_us": record.appended_us,
            "event_id": record.event_id,
            "missing": record.missing or None,
        },
        "publisher": alias.sent_by or None,
        "publishers_heard": list(alias.heard),
        "trace": None
        if alias.trace is None
        else {
            "trace_id": alias.trace[0],
            "send_span_id": alias.trace[1],
            "process_span_id": None if traced is None else f"{traced.process_span_id:016x}",
            "link": None if found.jaeger is None else found.jaeger.page(alias.trace[0]),
        },
        "untraced": why_untraced(origin, record) or None,
        "stages": [_stage_document(stage) for stage in found.stages(alias)],
        "spans": [_span_document(depth, span) for depth, span in nested],
        "other_spans": others,
        "spans_missing": None if alias.answer is None else alias.answer.trouble or None,
    }


def _stage_document(stage: Stage) -> dict[str, Any]:
    return {
        "from": str(stage.start),
        "to": str(stage.end),
        "start_us": stage.start_us,
        "end_us": stage.end_us,
        "took_us": stage.took_us,
        "clock_skew": stage.has_clock_skew,
    }


def _span_document(depth: int, span: Span) -> dict[str, Any]:
    return {
        "name": span.name,
        "service": span.service,
        "depth": depth,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id or None,
        "start_us": span.start_ns // 1_000,
        "took_us": max(0, span.end_ns - span.start_ns) / 1_000,
        "error": span.is_error,
        "attributes": {
            name: value for name, value in span.attributes.items() if name.startswith(_SHOWN_ATTRIBUTES)
        },
    }
