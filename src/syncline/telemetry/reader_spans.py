"""The spans of a reader: how long an update waited until it was read, and which updates an inference request used."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry import trace

from syncline.telemetry import names
from syncline.telemetry.forks import renew_in_child
from syncline.telemetry.tracing import Tracing, finish_stage, remote

if TYPE_CHECKING:
    from syncline.telemetry.reader_watch import TracedValue

LINKS_MAX = 32
"""How many sends one read links an inference request to."""
_REMEMBERED_MAX = 10_000


class ReaderSpans:
    """Joins model inputs to the traces of their values. Safe for use by several threads."""

    def __init__(self, tracing: Tracing, *, since_us: int) -> None:
        """`since_us` is when the reader was made: what was applied earlier may have been read by another process."""
        self._tracing = tracing
        self._since_us = since_us
        self._read: dict[tuple[str, int, int], None] = {}
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")

    def read(self, bundle: str, values: Sequence[TracedValue], read_at_us: int) -> None:
        """These values were read together."""
        request = trace.get_current_span()
        context = request.get_span_context()
        if request.is_recording():
            for value in values[:LINKS_MAX]:
                request.add_link(
                    remote(value.traced.trace_id, value.traced.send_span_id),
                    {
                        names.VIEW_VERSION: value.version,
                        names.DESTINATION: value.topic,
                        names.PARTITION: str(value.partition),
                        names.OFFSET: value.offset,
                    },
                )
        for value in values:
            if value.traced.applied_us < self._since_us or not self._is_first(value):
                continue
            if not self._tracing.rows.take(self._tracing.clock.monotonic_s(), 1):
                continue
            start_us = value.traced.applied_us
            span = self._tracing.span(
                names.model_input(bundle),
                start_us=start_us,
                parent=remote(value.traced.trace_id, value.traced.process_span_id),
                attributes={names.BUNDLE: bundle, names.VIEW_VERSION: value.version},
                links=(context,) if context.is_valid else (),
            )
            finish_stage(span, start_us=start_us, end_us=read_at_us)

    def _is_first(self, value: TracedValue) -> bool:
        """Whether this reader has not used the update before."""
        place = (value.topic, value.partition, value.offset)
        with self._lock:
            if place in self._read:
                return False
            if len(self._read) >= _REMEMBERED_MAX:
                self._read.pop(next(iter(self._read)))
            self._read[place] = None
        return True
