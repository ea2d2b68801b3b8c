"""The spans of a publisher: steps of the job, and each traced update from publish to the broker's log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import SpanContext, SpanKind

from syncline.telemetry import names
from syncline.telemetry.steps import STEP, Step, Steps, text
from syncline.telemetry.tracing import MadeSpan, Tracing, carried, finish_stage, mark_failed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from syncline.ports.log import Headers, Outcome


class SendSpans:
    """Chooses the updates that are traced, and follows each until its outcome. Safe for use by several threads."""

    def __init__(self, tracing: Tracing, *, client_id: str) -> None:
        self._tracing = tracing
        self._client_id = client_id
        self._steps = Steps(tracing)
        self._rows_pass = tracing.rows.passes

    def source(self, name: str, *, since_us: int | None) -> Step:
        """What the job reads from: all that is made of what it reads is under it."""
        named = text(name)
        return Step(self._steps, names.source(named), {names.SOURCE: named}, since_us=since_us)

    def transform(self, name: str) -> Step:
        """A step of the job: the updates that are published inside it are under it."""
        named = text(name)
        return Step(self._steps, names.transform(named), {names.TRANSFORM: named})

    def passes(self, count: int) -> bool:
        """Whether none of `count` updates that go now is to be traced; most often so, and then they have passed."""
        return not get_current() and self._rows_pass(count)

    def begin(self, topic: str, count: int, *, view_version: str, started_us: int) -> Sequence[SendSpan]:
        """The traced ones of `count` updates that go to `topic` now, by row number; most often none."""
        tracing = self._tracing
        context = get_current()
        if not context:
            picked = tracing.rows.pick(count, tracing.clock.monotonic_s())
            parent = None
        else:
            picked, parent = self._under(context, count)
        if not picked:
            return ()
        attributes = {
            names.SYSTEM: names.KAFKA,
            names.OPERATION_NAME: names.SEND,
            names.OPERATION_TYPE: names.SEND,
            names.DESTINATION: topic,
            names.CLIENT_ID: self._client_id,
            names.VIEW_VERSION: view_version,
        }
        name = names.send(topic)
        begun = []
        for row in picked:
            span = tracing.span(
                name, start_us=started_us, parent=parent, kind=SpanKind.PRODUCER, attributes=attributes
            )
            # The application's own sampler may not want it.
            if span.is_recording():
                begun.append(SendSpan(row, span, started_us, tracing.clock.now_us))
        return begun

    def _under(self, context: Context, count: int) -> tuple[Sequence[int], SpanContext | None]:
        """The rows to be traced where a span may be current, and that span."""
        rows, now_s = self._tracing.rows, self._tracing.clock.monotonic_s()
        parent = trace.get_current_span(context).get_span_context()
        if not parent.is_valid:
            return rows.pick(count, now_s), None
        step = STEP.get()
        if step is not None:
            step.rows += count
        waits = step is not None and step.waits_in(parent)
        if not parent.trace_flags.sampled and not waits:
            # They are no rows that might be picked: the chance of all others stays what it is.
            return (), None
        picked = rows.pick(count, now_s)
        if parent.trace_flags.sampled:
            if (
                not picked
                and self._steps.is_first(parent.trace_id)
                and self._steps.take(now_s, parent.trace_id)
            ):
                # What the application traces is traced to its end: one update of each such trace, at least.
                picked = (0,)
            if picked:
                self._steps.begin(parent.trace_id)
        if step is not None and picked and waits:
            # A span of the application's that is current inside the step stays the parent.
            begun = step.become()
            parent = begun if step.is_innermost(parent) else parent
        return picked, parent


@dataclass(slots=True)
class SendSpan:
    """One traced update on its way to the broker's log."""

    row: int
    span: MadeSpan
    started_us: int
    now_us: Callable[[], int]

    def headers(self) -> Headers:
        """What its record carries."""
        return carried(self.span.get_span_context()).headers()

    @property
    def trace_id(self) -> int:
        """Its trace."""
        return self.span.get_span_context().trace_id

    def settle(self, outcome: Outcome) -> None:
        """Its outcome is there: it stands in the log since the record's timestamp, or does not."""
        where: dict[str, AttributeValue] = {}
        if outcome.partition is not None:
            where[names.PARTITION] = str(outcome.partition)
        if outcome.offset is not None:
            where[names.OFFSET] = outcome.offset
        self.span.set_attributes(where)
        if outcome.trouble is not None:
            mark_failed(self.span, outcome.kind)
        # Only a broker's clock says when it took a record; a repeated one is acknowledged without.
        end_us = self.now_us() if outcome.timestamp_ms is None else outcome.timestamp_ms * 1_000
        finish_stage(self.span, start_us=self.started_us, end_us=end_us)

    def give_up(self, error_type: str) -> None:
        """It was not queued."""
        mark_failed(self.span, error_type)
        finish_stage(self.span, start_us=self.started_us, end_us=self.now_us())
