"""Steps of a job as spans: a step is recorded where an update inside it is traced, and is begun when that is known."""

from __future__ import annotations

import random
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from syncline.telemetry.forks import renew_in_child
from syncline.telemetry.sampling import Budget
from syncline.telemetry.tracing import MadeSpan, Tracing, finish_stage, mark_failed

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_NAMES_MAX = 1_000
_TRACES_MAX = 1_000
_EARLIER_MAX = 100
"""How many steps that published nothing are told of one step around them."""


class Steps:
    """What is known of a job's steps. Safe for use by several threads."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._budget = Budget(tracing.cap_per_s)
        self._idle: set[str] = set()
        """Steps that were begun for an update that did not come: the next ones wait for it."""
        self._begun: dict[int, None] = {}
        """The application's traces that have an update."""
        self._refused: dict[int, None] = {}
        """Those that have none, as there were too many."""

    def is_due(self, name: str, trace_id: int) -> bool:
        """Whether the very next row is to be traced, so that the step and all inside it may be spans from the start.

        `trace_id` is that of a recorded span of the application's; 0: there is none.
        """
        rows, now_s = self.tracing.rows, self.tracing.clock.monotonic_s()
        if name in self._idle:
            return False
        if not ((trace_id and self.is_first(trace_id)) or rows.is_due(1, now_s)):
            return False
        with self._lock:
            return bool(self._budget.take(now_s))

    def ended(self, name: str, rows: int) -> None:
        """A step that was begun at once, or had rows all the same, had so many."""
        if rows:
            self._idle.discard(name)
        elif len(self._idle) < _NAMES_MAX:
            self._idle.add(name)

    def is_first(self, trace_id: int) -> bool:
        """Whether no update of this trace was there before."""
        return trace_id not in self._begun

    def take(self, now_s: float, trace_id: int) -> bool:
        """Whether the first update of this trace may be traced under the cap; one that may not is told once."""
        if self.tracing.rows.take(now_s, 1, tell=trace_id not in self._refused):
            return True
        with self._lock:
            _remember(self._refused, trace_id)
        return False

    def begin(self, trace_id: int) -> None:
        """This trace has an update."""
        with self._lock:
            _remember(self._begun, trace_id)


class Step:
    """A span of the job's own. What the block raises is named by its type alone.

    May be entered again, also inside itself and by several threads at once.
    """

    __slots__ = ("_open", "attributes", "name", "since_us", "steps")

    def __init__(
        self, steps: Steps, name: str, attributes: dict[str, str], *, since_us: int | None = None
    ) -> None:
        self.steps = steps
        self.name = name
        self.attributes = attributes
        self.since_us = since_us
        self._open: list[OpenStep] = []

    def __enter__(self) -> Self:
        """Begin."""
        block = OpenStep(self)
        block.begin()
        self._open.append(block)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        current = STEP.get()
        # Frameworks that drive generators leave them in another context than they entered them in.
        block = current if current in self._open else self._open[-1]
        assert block is not None
        self._open.remove(block)
        block.end(kind)


class OpenStep:
    """One block of a step.

    Where the next row is due it is a span from the start, current inside the block. Else it becomes one, with the time
    at which it began, when a row inside it is traced; until then what is inside it is not recorded, unless a recorded
    span of the application's is around it, which stays current.
    """

    __slots__ = (
        "_earlier",
        "_kept",
        "_outer",
        "_started_us",
        "_step",
        "_step_token",
        "_token",
        "own_trace_id",
        "parent",
        "rows",
        "span",
        "waits",
    )

    def __init__(self, step: Step) -> None:
        self._step = step
        self.rows = 0
        """How many updates were published inside it."""
        self._started_us = 0
        self.span: MadeSpan | None = None
        self.parent: SpanContext | None = None
        """The span that was current when it began, where that is recorded."""
        self.waits = False
        """Whether it becomes a span when a row is traced."""
        self.own_trace_id = 0
        """The trace id of what it made current while it waits."""
        self._earlier: list[tuple[OpenStep, int, str]] = []
        """(step, when it ended, error) of those inside it that published nothing."""
        self._kept = 0
        self._outer: OpenStep | None = None
        self._token: Token[Context] | None = None
        self._step_token: Token[OpenStep | None] | None = None

    def begin(self) -> None:
        """The block begins."""
        step, steps = self._step, self._step.steps
        now_us = steps.tracing.clock.now_us()
        self._started_us = now_us if step.since_us is None else min(step.since_us, now_us)
        self._outer = outer = STEP.get()
        self._step_token = STEP.set(self)
        parent = trace.get_current_span().get_span_context()
        if parent.is_valid and not parent.trace_flags.sampled:
            self.waits = outer is not None and outer.waits_in(parent)
            self.own_trace_id = outer.own_trace_id if outer is not None and self.waits else 0
            return
        self.parent = parent if parent.is_valid else None
        theirs = parent.trace_id if parent.is_valid and outer is None else 0
        if steps.is_due(step.name, theirs):
            self.span = span = steps.tracing.current_span(
                step.name, attributes=step.attributes, start_us=self._started_us
            )
            if self.parent is None:
                # It is recorded for the row that is due in it, and for no other.
                steps.begin(span.get_span_context().trace_id)
            self._token = attach(trace.set_span_in_context(span))
            return
        self.waits = True
        if self.parent is None:
            self.own_trace_id = random.getrandbits(128) or 1
            self._token = attach(trace.set_span_in_context(_unsampled(self.own_trace_id)))

    def end(self, error: type[BaseException] | None) -> None:
        """The block is over."""
        if self._token is not None:
            detach(self._token)
        if self._step_token is not None:
            try:
                STEP.reset(self._step_token)
            except ValueError:
                # Frameworks that drive generators leave them in another context than they entered them in.
                if STEP.get() is self:
                    STEP.set(self._outer)
        outer, ended_us = self._outer, self._step.steps.tracing.clock.now_us()
        failed = "" if error is None else error.__qualname__
        if outer is not None:
            outer.rows += self.rows
        if self.rows or not self.waits:
            self._step.steps.ended(self._step.name, self.rows)
        if self.span is not None:
            self._finish(self.span, ended_us, failed)
        elif outer is not None and not self.rows and self.waits:
            outer.keep(self, ended_us, failed)

    def waits_in(self, current: SpanContext) -> bool:
        """Whether it becomes a span when a row is traced where this span is current."""
        return self.waits and (current.trace_flags.sampled or current.trace_id == self.own_trace_id)

    def is_innermost(self, current: SpanContext) -> bool:
        """Whether no recorded span of the application's is current inside it."""
        return not current.trace_flags.sampled or current == self.parent

    def become(self) -> SpanContext:
        """Be a span from now on, with the time at which it began."""
        if self.span is None:
            step, outer = self._step, self._outer
            parent = self.parent
            if outer is not None and (outer.waits or outer.span is not None) and self._is_under(outer):
                parent = outer.become()
            self.span = step.steps.tracing.span(
                step.name, start_us=self._started_us, parent=parent, attributes=step.attributes
            )
            earlier, self._earlier = self._earlier, []
            for idle, ended_us, failed in earlier:
                self._tell(idle, ended_us, failed)
        return self.span.get_span_context()

    def _is_under(self, outer: OpenStep) -> bool:
        """Whether nothing of the application's is between the two."""
        return self.parent is None or self.parent == outer.parent

    def keep(self, step: OpenStep, ended_us: int, failed: str) -> None:
        """One inside it is over that published nothing: it belongs to whatever is published next to it."""
        if self._kept >= _EARLIER_MAX:
            return
        self._kept += 1
        if self.span is None:
            self._earlier.append((step, ended_us, failed))
        else:
            self._tell(step, ended_us, failed)

    def _tell(self, step: OpenStep, ended_us: int, failed: str) -> None:
        assert self.span is not None
        if step._is_under(self):
            step.parent = self.span.get_span_context()
        step._outer = None
        step.become()
        assert step.span is not None
        step._finish(step.span, ended_us, failed)

    def _finish(self, span: MadeSpan, ended_us: int, failed: str) -> None:
        if failed:
            mark_failed(span, failed)
        finish_stage(span, start_us=self._started_us, end_us=ended_us)


def _remember(traces: dict[int, None], trace_id: int) -> None:
    if trace_id not in traces:
        if len(traces) >= _TRACES_MAX:
            traces.pop(next(iter(traces)))
        traces[trace_id] = None


def text(name: str) -> str:
    """A name as it can be sent: one that is no text would take all that is sent with it along."""
    return str(name).encode("utf-8", "replace").decode()


STEP: ContextVar[OpenStep | None] = ContextVar("syncline_step", default=None)
"""The innermost step that is open here."""
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


def _unsampled(trace_id: int) -> Span:
    """What says to everything inside that it is not recorded."""
    return NonRecordingSpan(
        SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_UNSAMPLED)
    )
