"""The SDK's batch processor, with what is dropped counted. Whoever ends a span never waits for an exporter."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from syncline.telemetry.dropped import EXPORT_FAILED, QUEUE_FULL, OnDropped
from syncline.telemetry.forks import in_child

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

_QUEUE_SPANS = 2_048
_EXPORTED_SPANS = 512
"""The defaults of OTEL_BSP_MAX_QUEUE_SIZE and OTEL_BSP_MAX_EXPORT_BATCH_SIZE."""


class CountedBatches(SpanProcessor):
    """Sends spans in batches. What finds the queue full is dropped and counted, as is what the exporter gives up.

    The SDK by itself would drop the oldest span, and say nothing that could be counted.
    """

    def __init__(
        self, exporter: SpanExporter, *, on_dropped: OnDropped, queue_spans: int | None = None
    ) -> None:
        """`queue_spans` is what `OTEL_BSP_MAX_QUEUE_SIZE` says unless given."""
        self._most = queue_spans or _number("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE_SPANS)
        self._on_dropped = on_dropped
        self._ended = False
        self._waiting = _Waiting()
        self._batches = BatchSpanProcessor(
            _Exporter(exporter, self._waiting, on_dropped),
            max_queue_size=self._most,
            max_export_batch_size=min(self._most, _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _EXPORTED_SPANS)),
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing happens when a span begins."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue the span, if it is sampled and there is room."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        if self._ended:
            # An outcome that came after the publisher was closed.
            self._on_dropped(EXPORT_FAILED, 1)
        elif self._waiting.came(self._most):
            self._batches.on_end(span)
        else:
            self._on_dropped(QUEUE_FULL, 1)

    def shutdown(self) -> None:
        """Send what waits, and end. May take as long as the exporter tries: see `Spans.close`."""
        self._ended = True
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # the SDK's is untyped

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._batches.force_flush(timeout_millis)


class _Exporter(SpanExporter):
    def __init__(self, exporter: SpanExporter, waiting: _Waiting, on_dropped: OnDropped) -> None:
        self._exporter = exporter
        self._waiting = waiting
        self._on_dropped = on_dropped

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._waiting.left(len(spans))
        try:
            result = self._exporter.export(spans)
        except Exception:
            self._on_dropped(EXPORT_FAILED, len(spans))
            raise
        if result is not SpanExportResult.SUCCESS:
            self._on_dropped(EXPORT_FAILED, len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Waiting:
    """How many spans wait for the exporter. In a forked child none does: the SDK empties its queue there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        in_child(self, _Waiting.forget)

    def came(self, most: int) -> bool:
        with self._lock:
            fits = self._count < most
            self._count += fits
        return fits

    def left(self, count: int) -> None:
        with self._lock:
            self._count = max(0, self._count - count)

    def forget(self) -> None:
        self._lock, self._count = threading.Lock(), 0


def _number(name: str, default: int) -> int:
    try:
        return max(1, int(os.environ.get(name, default)))
    except ValueError:
        return default
