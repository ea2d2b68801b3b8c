"""Steps of a job as spans: which of them are recorded, so that updates keep the share that they are to have."""

from __future__ import annotations

import random
import threading
from contextvars import ContextVar
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
        if not rows.is_due(round(self._rows.get(name, 1.0)), now_s):
            return False
        with self._lock:
            return bool(self._budget.take(now_s))

    def ended(self, name: str, rows: int) -> None:
        """A step had so many rows."""
        if name in self._rows or len(self._rows) < _NAMES_MAX:
            self._rows[name] = max(1.0, float(rows), self._rows.get(name, 1.0) * _FORGETTING)

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

    May be entered again, once it was left. One that is not recorded is current all the same: what is inside it is not
    recorded either.
    """

    __slots__ = (
        "_attributes",
        "_name",
        "_outer",
        "_since_us",
        "_span",
        "_started_us",
        "_step_token",
        "_steps",
        "_token",
        "rows",
    )

    def __init__(
        self, steps: Steps, name: str, attributes: dict[str, str], *, since_us: int | None = None
    ) -> None:
        self._steps = steps
        self._name = name
        self._attributes = attributes
        self._since_us = since_us
        self._started_us = 0
        self._span: Span | None = None
        self._token: Token[Context] | None = None
        self._outer: Step | None = None
        self._step_token: Token[Step | None] | None = None
        self.rows = 0
        """How many updates were published inside it."""

    def __enter__(self) -> Self:
        """Begin."""
        self.rows, self._span, self._token = 0, None, None
        self._outer = STEP.get()
        self._step_token = STEP.set(self)
        parent = trace.get_current_span().get_span_context()
        if not parent.is_valid:
            if self._steps.is_due(self._name):
                self._begin(is_root=True)
            else:
                self._token = attach(trace.set_span_in_context(_unsampled(random.getrandbits(128) or 1)))
        elif parent.trace_flags.sampled:
            # Under a span of the application's, one update at least; and whatever else is due.
            if self._steps.is_first(parent.trace_id) or self._steps.is_due(self._name):
                self._begin(is_root=False)
            else:
                self._token = attach(trace.set_span_in_context(_unsampled(parent.trace_id)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        if self._token is not None:
            detach(self._token)
        if self._step_token is not None:
            try:
                STEP.reset(self._step_token)
            except ValueError:
                # Frameworks that drive generators leave them in another context than they entered them in.
                STEP.set(self._outer)
        if self._outer is not None:
            self._outer.rows += self.rows
        self._steps.ended(self._name, self.rows)
        if not self.rows:
            self._had_none()
        if self._span is not None:
            if kind is not None:
                mark_failed(self._span, kind.__qualname__)
            finish_stage(self._span, start_us=self._started_us, end_us=self._steps.tracing.clock.now_us())

    def _begin(self, *, is_root: bool) -> None:
        tracing = self._steps.tracing
        now_us = tracing.clock.now_us()
        self._started_us = now_us if self._since_us is None else min(self._since_us, now_us)
        self._span = tracing.current_span(self._name, attributes=self._attributes, start_us=self._started_us)
        if is_root:
            # It is recorded for the row that is due in it, and for no other.
            self._steps.begin(self._span.get_span_context().trace_id)
        self._token = attach(trace.set_span_in_context(self._span))

    def _had_none(self) -> None:
        """A step without updates counts as one: else the one that is due would be due for ever."""
        if self._outer is None:
            rows = self._steps.tracing.rows
            if self._span is None:
                rows.pass_by(1)
            else:
                rows.draw_again()


def text(name: str) -> str:
    """A name as it can be sent: one that is no text would take all that is sent with it along."""
    return str(name).encode("utf-8", "replace").decode()


STEP: ContextVar[Step | None] = ContextVar("syncline_step", default=None)
"""The innermost step that is open here."""
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


def _unsampled(trace_id: int) -> Span:
    """What says to everything inside that it is not recorded."""
    return NonRecordingSpan(
        SpanContext(trace_id, random.getrandbits(64) or 1, is_remote=False, trace_flags=_UNSAMPLED)
    )
