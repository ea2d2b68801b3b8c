"""Steps of a job as spans: which of them are recorded, so that updates keep the share that they are to have."""

from __future__ import annotations

import random
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from syncline.telemetry.sampling import Budget
from syncline.telemetry.tracing import Tracing, finish_stage, mark_failed

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_NAMES_MAX = 1_000
"""Of how many steps it is remembered how many rows they have."""
_FORGETTING = 0.98
"""How fast the largest number of rows is forgotten: a step that is taken for too large costs a span, one that is taken
for too small a row that was due."""
_TRACES_MAX = 1_000


class Steps:
    """What is known of a job's steps. Safe for use by several threads."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing = tracing
        self._lock = threading.Lock()
        self._budget = Budget(tracing.cap_per_s)
        self._rows: dict[str, float] = {}
        self._begun: dict[int, None] = {}
        """The traces that have an update, or are of a step of ours, which needs none."""

    def is_due(self, name: str) -> bool:
        """Whether a step of this name will have a row that is to be traced, as far as steps before it tell."""
        rows, now_s = self.tracing.rows, self.tracing.clock.monotonic_s()
        if not rows.is_due(max(1, round(self._rows.get(name, 1.0))), now_s):
            return False
        with self._lock:
            return bool(self._budget.take(now_s))

    def belongs(self, name: str, trace_id: int) -> bool:
        """Whether a step of this name is recorded inside a trace that is.

        Where a row of it is due; where it is not known to publish anything, as what made ready what others publish; and
        where the trace has no update yet. All within the cap.
        """
        now_s = self.tracing.clock.monotonic_s()
        rows = self._rows.get(name, 0.0)
        if rows and not self.is_first(trace_id) and not self.tracing.rows.is_due(round(rows), now_s):
            return False
        with self._lock:
            return bool(self._budget.take(now_s))

    def ended(self, name: str, rows: int) -> None:
        """A step had so many rows."""
        if name in self._rows or len(self._rows) < _NAMES_MAX:
            self._rows[name] = max(float(rows), self._rows.get(name, 0.0) * _FORGETTING)

    def is_first(self, trace_id: int) -> bool:
        """Whether no update of this trace was there before."""
        return trace_id not in self._begun

    def begin(self, trace_id: int) -> None:
        """This trace has an update."""
        with self._lock:
            if trace_id not in self._begun:
                if len(self._begun) >= _TRACES_MAX:
                    self._begun.pop(next(iter(self._begun)))
                self._begun[trace_id] = None


class Step:
    """A span of the job's own, current inside the block. What the block raises is named by its type alone.

    May be entered again, by any thread. An outermost one that is not recorded is current all the same: what is inside
    it is not recorded either.
    """

    __slots__ = ("_attributes", "_last", "_name", "_since_us", "_steps")

    def __init__(
        self, steps: Steps, name: str, attributes: dict[str, str], *, since_us: int | None = None
    ) -> None:
        self._steps = steps
        self._name = name
        self._attributes = attributes
        self._since_us = since_us
        self._last: Entered | None = None

    def __enter__(self) -> Self:
        """Begin."""
        entered = Entered(self, STEP.get())
        entered.token = STEP.set(entered)
        self._last = entered
        parent = trace.get_current_span().get_span_context()
        if not parent.is_valid:
            if self._steps.is_due(self._name):
                self._begin(entered, is_root=True)
            else:
                unsampled = _unsampled(random.getrandbits(128) or 1)
                entered.context_token = attach(trace.set_span_in_context(unsampled))
        # One that does not belong leaves the span that is current as it is: what others record is not hidden.
        elif parent.trace_flags.sampled and self._steps.belongs(self._name, parent.trace_id):
            self._begin(entered, is_root=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        entered = STEP.get()
        if entered is None or entered.step is not self:
            # Frameworks that drive generators leave them in another context than they entered them in.
            entered = self._last
        if entered is None:
            return
        entered.leave()
        if entered.outer is not None:
            entered.outer.rows += entered.rows
        self._steps.ended(self._name, entered.rows)
        if not entered.rows and entered.outer is None:
            # A step without updates counts as one: else the one that is due would be due for ever.
            rows = self._steps.tracing.rows
            if entered.span is None:
                rows.pass_by(1)
            else:
                rows.draw_again()
        if entered.span is not None:
            if kind is not None:
                mark_failed(entered.span, kind.__qualname__)
            finish_stage(entered.span, start_us=entered.started_us, end_us=self._steps.tracing.clock.now_us())

    def _begin(self, entered: Entered, *, is_root: bool) -> None:
        tracing = self._steps.tracing
        now_us = tracing.clock.now_us()
        entered.started_us = now_us if self._since_us is None else min(self._since_us, now_us)
        entered.span = tracing.current_span(
            self._name, attributes=self._attributes, start_us=entered.started_us
        )
        if is_root:
            # It is recorded for the row that is due in it, and for no other.
            self._steps.begin(entered.span.get_span_context().trace_id)
        entered.context_token = attach(trace.set_span_in_context(entered.span))


@dataclass(slots=True)
class Entered:
    """A step that was entered, until it is left."""

    step: Step
    outer: Entered | None
    rows: int = 0
    """How many updates were published inside it."""
    span: Span | None = None
    started_us: int = 0
    token: Token[Entered | None] | None = None
    context_token: Token[Context] | None = None

    def leave(self) -> None:
        """Let what was current before be current again, as far as this context knows of it."""
        if self.context_token is not None:
            detach(self.context_token)
        if self.token is not None:
            try:
                STEP.reset(self.token)
            except ValueError:
                STEP.set(self.outer)


def text(name: str) -> str:
    """A name as it can be sent: one that is no text would take all that is sent with it along."""
    return str(name).encode("utf-8", "replace").decode()


STEP: ContextVar[Entered | None] = ContextVar("syncline_step", default=None)
"""The innermost step that is open here."""
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


def _unsampled(trace_id: int) -> Span:
    """What says to everything inside that it is not recorded."""
    return NonRecordingSpan(
        SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_UNSAMPLED)
    )
