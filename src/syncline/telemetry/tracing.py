"""What a role makes spans with: a tracer, how many updates may be traced, and the times of spans that are over."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from syncline.telemetry import names
from syncline.telemetry.dropped import OVER_THE_CAP, OnDropped
from syncline.telemetry.provider import Spans, find_spans
from syncline.telemetry.sampling import Budget, RowSampler
from syncline.version import __version__
from syncline.wire.trace_context import TraceContext

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from syncline.clock import Clock
    from syncline.settings import TelemetrySettings

SHARE = 0.01
"""Which share of updates is traced, where neither a setting nor `OTEL_TRACES_SAMPLER` says another."""
HAPPENINGS_PER_S = 5.0
"""How many cuts, holds, rollbacks and batches of dead letters a second have a span, sampled or not."""
LINKS_MAX = 128
"""As many links as the SDK keeps by default."""
_ROUNDED_US = 1_000
"""Brokers cut their timestamps off to milliseconds: that much backwards is no skew."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class MadeSpan(Protocol):
    """A span that is told and never current: the SDK's, or one of `OwnSpans`."""

    def get_span_context(self) -> SpanContext:
        """Its ids."""
        ...

    def is_recording(self) -> bool:
        """Whether it is kept."""
        ...

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Say one more thing of it."""
        ...

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Say more of it."""
        ...

    def set_status(self, status: Status) -> None:
        """Say how it went."""
        ...

    def end(self, end_time: int | None = None) -> None:
        """It is over, since then, in nanoseconds since 1970."""
        ...


class Tracing:
    """The spans of one role. Where nobody asked for any there is no `Tracing`, and nothing to pay."""

    def __init__(
        self, spans: Spans, *, share: float, cap_per_s: float, clock: Clock, on_dropped: OnDropped
    ) -> None:
        self.clock = clock
        self.cap_per_s = cap_per_s
        self.rows = RowSampler(share, cap_per_s, on_capped=lambda count: on_dropped(OVER_THE_CAP, count))
        self._happenings = Budget(min(cap_per_s, HAPPENINGS_PER_S))
        self._on_dropped = on_dropped
        self._spans = spans
        self._maker = spans.maker
        self._tracer = spans.provider.get_tracer(names.SCOPE, __version__, schema_url=names.SCHEMA_URL)

    @classmethod
    def of_process(
        cls,
        settings: TelemetrySettings,
        *,
        service: str,
        instance: str,
        clock: Clock,
        on_dropped: OnDropped,
    ) -> Tracing | None:
        """As the application or the `OTEL_…` variables say (`find_spans`); None where neither asks for spans."""
        spans = find_spans(service=service, instance=instance, on_dropped=on_dropped)
        if spans is None:
            return None
        return cls(
            spans,
            share=settled_share(settings.trace_share, os.environ),
            cap_per_s=settings.trace_cap_per_s,
            clock=clock,
            on_dropped=on_dropped,
        )

    def span(
        self,
        name: str,
        *,
        start_us: int,
        parent: SpanContext | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[SpanContext] = (),
    ) -> MadeSpan:
        """A span that began at `start_us` (since 1970); a root without `parent`, whatever span is current."""
        if self._maker is not None:
            return self._maker.span(
                name,
                start_ns=_ns(start_us),
                parent=parent,
                kind=kind,
                attributes=attributes,
                links=links,
            )
        context = Context()
        if parent is not None:
            context = trace.set_span_in_context(NonRecordingSpan(parent), context)
        return self._tracer.start_span(
            name,
            context,
            kind=kind,
            attributes=attributes,
            links=[Link(link) for link in links],
            start_time=_ns(start_us),
        )

    def current_span(self, name: str, *, attributes: Mapping[str, AttributeValue], start_us: int) -> Span:
        """A span under the current one."""
        return self._tracer.start_span(name, attributes=attributes, start_time=_ns(start_us))

    def happening(
        self,
        name: str,
        *,
        start_us: int,
        end_us: int | None = None,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[SpanContext] = (),
        parent: SpanContext | None = None,
        error: str = "",
    ) -> dict[str, str]:
        """A span of something that is traced whether or not an update is; rate-limited.

        `end_us` is now unless given; `error` is a type, where it is a trouble. Returns its ids, for a line of the log.
        """
        if not self._happenings.take(self.clock.monotonic_s()):
            self._on_dropped(OVER_THE_CAP, 1)
            return {}
        span = self.span(name, start_us=start_us, parent=parent, attributes=attributes, links=links)
        if error:
            mark_failed(span, error)
        finish(span, start_us=start_us, end_us=self.clock.now_us() if end_us is None else end_us)
        context = span.get_span_context()
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}

    def flush(self, timeout_s: float) -> None:
        """Send what waits, as far as that is possible in time."""
        self._spans.flush(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Send what waits, and end. Idempotent."""
        self._spans.close(timeout_s)


def settled_share(setting: float | None, environment: Mapping[str, str]) -> float:
    """The share of updates to trace: the setting's, else what `OTEL_TRACES_SAMPLER` says, else one in a hundred."""
    if setting is not None:
        return setting
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip().lower().removeprefix("parentbased_")
    if sampler == "always_on":
        return 1.0
    if sampler == "always_off":
        return 0.0
    if sampler == "traceidratio":
        try:
            return min(1.0, max(0.0, float(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))))
        except ValueError:
            return 1.0
    return SHARE


def finish(span: MadeSpan, *, start_us: int, end_us: int) -> None:
    """End a span whose times were taken by several clocks: a negative duration is none, and is said to be skew (P7)."""
    if end_us < start_us:
        if start_us - end_us > _ROUNDED_US:
            span.set_attribute(names.CLOCK_SKEW, value=True)
        end_us = start_us
    span.end(_ns(end_us))


def _ns(us: int) -> int:
    """As spans have times. One before 1970 cannot be sent, and would take all that is sent with it along."""
    return max(0, us) * 1_000


def finish_stage(span: MadeSpan, *, start_us: int, end_us: int) -> None:
    """`finish`, and say in a word how long it took: how a search finds the stage that was slow."""
    span.set_attribute(names.LAG_BUCKET, names.lag_bucket(end_us - start_us))
    finish(span, start_us=start_us, end_us=end_us)


def mark_failed(span: MadeSpan, error_type: str) -> None:
    """Say that what the span is of did not work. No message: messages may quote values."""
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


def span_context(found: TraceContext) -> SpanContext:
    """What a record carries, as OpenTelemetry has it."""
    state = TraceState.from_header([found.state]) if found.state else None
    return SpanContext(
        found.trace_id, found.span_id, is_remote=True, trace_flags=TraceFlags(found.flags), trace_state=state
    )


def remote(trace_id: int, span_id: int) -> SpanContext:
    """A recorded span of another process."""
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)


def carried(context: SpanContext) -> TraceContext:
    """A span as records carry it."""
    return TraceContext(
        context.trace_id, context.span_id, int(context.trace_flags), context.trace_state.to_header()
    )
