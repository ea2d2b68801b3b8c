"""The spans of a publisher: steps of the job, and each traced update from publish to the broker's log."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from syncline.telemetry import names
from syncline.telemetry.tracing import Tracing, carried, finish_stage, mark_failed

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from syncline.ports.log import Headers, Outcome

_STEPS_MAX = 1_000
"""Of how many steps it is remembered how many rows they had."""


class SendSpans:
    """Chooses the updates that are traced, and follows each until its outcome. Safe for use by several threads."""

    def __init__(self, tracing: Tracing, *, client_id: str) -> None:
        self._tracing = tracing
        self._client_id = client_id
        self._started_for = 0
        """The id of the parent under which the last update was traced because of it."""
        self._rows_of_step: dict[str, int] = {}
        self._lock = threading.Lock()

    def source(self, name: str, *, since_us: int | None) -> Step:
        """What the job reads from: all that is made of what it reads is under it."""
        return Step(
            self._tracing, self._rows_of_step, names.source(name), {names.SOURCE: name}, since_us=since_us
        )

    def transform(self, name: str) -> Step:
        """A step of the job: the updates that are published inside it are under it."""
        return Step(self._tracing, self._rows_of_step, names.transform(name), {names.TRANSFORM: name})

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
        step = _STEP.get()
        if step is not None:
            step.rows += count
        if not parent.trace_flags.sampled:
            rows.pass_by(count)
            return (), None
        picked = rows.pick(count, now_s)
        if not picked and parent.span_id != self._started_for and rows.take(now_s, 1):
            # What is traced from its source on is traced to its end: one update of each such span, at least.
            picked = (0,)
        self._started_for = parent.span_id
        return picked, parent


@dataclass(slots=True)
class SendSpan:
    """One traced update on its way to the broker's log."""

    row: int
    span: Span
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
        if outcome.partition is not None:
            self.span.set_attribute(names.PARTITION, str(outcome.partition))
        if outcome.offset is not None:
            self.span.set_attribute(names.OFFSET, outcome.offset)
        if outcome.trouble is not None:
            mark_failed(self.span, outcome.kind)
        # Only a broker's clock says when it took a record; a repeated one is acknowledged without.
        end_us = self.now_us() if outcome.timestamp_ms is None else outcome.timestamp_ms * 1_000
        finish_stage(self.span, start_us=self.started_us, end_us=end_us)

    def give_up(self, error_type: str) -> None:
        """It was not queued."""
        mark_failed(self.span, error_type)
        finish_stage(self.span, start_us=self.started_us, end_us=self.now_us())


class Step:
    """A span of the job's own, current inside the block. What the block raises is named by its type alone."""

    __slots__ = (
        "_attributes",
        "_name",
        "_rows_of_step",
        "_since_us",
        "_span",
        "_started_us",
        "_step_token",
        "_token",
        "_tracing",
        "rows",
    )

    def __init__(
        self,
        tracing: Tracing,
        rows_of_step: dict[str, int],
        name: str,
        attributes: dict[str, str],
        *,
        since_us: int | None = None,
    ) -> None:
        self._tracing = tracing
        self._rows_of_step = rows_of_step
        self._name = name
        self._attributes = attributes
        self._since_us = since_us
        self._span: Span | None = None
        self._token: Token[Context] | None = None
        self._step_token: Token[Step | None] | None = None
        self._started_us = 0
        self.rows = 0
        """How many updates were published inside it, where it is the outermost."""

    def __enter__(self) -> Self:
        """Begin."""
        parent = trace.get_current_span().get_span_context()
        if parent.is_valid:
            if parent.trace_flags.sampled:
                self._begin()
            return self
        self._step_token = _STEP.set(self)
        tracing = self._tracing
        # A step is traced where one of its updates will be: how many it has is taken from the one before it.
        expected = self._rows_of_step.get(self._name, 1)
        if tracing.rows.is_due(expected, tracing.clock.monotonic_s()):
            self._begin()
        else:
            self._token = attach(trace.set_span_in_context(_unsampled()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        if self._token is not None:
            detach(self._token)
        if self._step_token is not None:
            _STEP.reset(self._step_token)
            if self._name in self._rows_of_step or len(self._rows_of_step) < _STEPS_MAX:
                self._rows_of_step[self._name] = max(1, self.rows)
        if self._span is not None:
            if kind is not None:
                mark_failed(self._span, kind.__qualname__)
            finish_stage(self._span, start_us=self._started_us, end_us=self._tracing.clock.now_us())

    def _begin(self) -> None:
        now_us = self._tracing.clock.now_us()
        self._started_us = now_us if self._since_us is None else min(self._since_us, now_us)
        self._span = self._tracing.current_span(
            self._name, attributes=self._attributes, start_us=self._started_us
        )
        self._token = attach(trace.set_span_in_context(self._span))


_STEP: ContextVar[Step | None] = ContextVar("syncline_step", default=None)
"""The outermost step that is open here."""
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


def _unsampled() -> Span:
    """What says to everything inside that this trace is not recorded."""
    return NonRecordingSpan(
        SpanContext(
            random.getrandbits(128) or 1, random.getrandbits(64) or 1, is_remote=False, trace_flags=_UNSAMPLED
        )
    )
