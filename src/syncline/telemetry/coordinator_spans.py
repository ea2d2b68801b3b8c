"""The spans of a coordinator: each cut from prepared to its outcome, and each rollback. Agents' are below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanContext, SpanKind

from syncline.catalog.rollout_events import CutAborted, CutCommitted, CutPrepared, Immediate
from syncline.telemetry import names
from syncline.telemetry.tracing import MadeSpan, Tracing, carried, finish_stage, mark_failed

if TYPE_CHECKING:
    from syncline.catalog.rollout_events import Coordinated
    from syncline.ports.log import Headers


class CoordinatorSpans:
    """At most one cut is open. Belongs to the coordinator's thread."""

    def __init__(self, tracing: Tracing, *, client_id: str) -> None:
        self._tracing = tracing
        self._client_id = client_id
        self._cut: int | None = None
        self._span: MadeSpan | None = None
        self._began_us = 0

    def decided(self, payload: Coordinated, offset: int) -> None:
        """A record of this coordinator counts."""
        now_us = self._tracing.clock.now_us()
        match payload:
            case CutPrepared():
                self._end(names.SUPERSEDED)
                self._cut, self._began_us = offset, now_us
                self._span = self._tracing.span(
                    names.cut(payload.bundle),
                    start_us=now_us,
                    kind=SpanKind.INTERNAL,
                    attributes={
                        names.BUNDLE: payload.bundle,
                        names.CUT: offset,
                        names.CLIENT_ID: self._client_id,
                        names.DECISION: payload.kind,
                    },
                )
            case CutCommitted() if payload.cut == self._cut:
                self._end("")
            case CutAborted() if payload.cut == self._cut:
                self._end(names.ABORTED)
            case Immediate():
                self._end(names.SUPERSEDED)
                self._tracing.happening(
                    names.rollback(payload.bundle),
                    start_us=now_us,
                    end_us=now_us,
                    attributes={
                        names.BUNDLE: payload.bundle,
                        names.RELEASE: payload.to_release,
                        names.EPOCH: offset,
                        names.CLIENT_ID: self._client_id,
                    },
                )
            case _:
                pass

    def marker_headers(self, cut: int) -> Headers:
        """What a marker of this cut carries, so that agents go on with its trace."""
        if self._span is None or cut != self._cut:
            return ()
        context: SpanContext = self._span.get_span_context()
        return carried(context).headers() if context.is_valid else ()

    def leave(self, why: str) -> None:
        """Whatever becomes of an open cut, this coordinator does not see it."""
        self._end(why)

    def _end(self, error: str) -> None:
        span, self._span, self._cut = self._span, None, None
        if span is not None:
            if error:
                mark_failed(span, error)
            finish_stage(span, start_us=self._began_us, end_us=self._tracing.clock.now_us())
