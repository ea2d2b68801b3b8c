"""What a reader counts and traces: each read pays an append; only values of traced updates pay more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from syncline.state.traced import Traced

if TYPE_CHECKING:
    from syncline.telemetry.column_histogram import ColumnHistogram
    from syncline.telemetry.metrics import Metrics
    from syncline.telemetry.reader_spans import ReaderSpans
    from syncline.telemetry.telemetry import Telemetry

INTERFACE = "python"
"""Reads in the process that uses them; others come over HTTP."""


class TracedValue(NamedTuple):
    """A value that was read, of an update that is traced."""

    view: str
    version: str
    topic: str
    partition: int
    offset: int
    event_time_us: int
    traced: Traced


class ReaderWatch:
    """Watches the reads of one reader. Safe for use by several threads."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        metrics: Metrics = telemetry.metrics
        self._ages_by_view = metrics.histogram("syncline_served_feature_age_seconds")
        self._ages: dict[str, ColumnHistogram] = {}
        durations = metrics.histogram("syncline_read_duration_seconds")
        self._succeeded = durations.labels(INTERFACE, "ok")
        self._failed = durations.labels(INTERFACE, "error")
        self._before: Callable[[], None] = lambda: None
        self._deprecated: tuple[str, ...] = ()
        self._end = metrics.watch(self._samples)
        self._spans: ReaderSpans | None = None
        self._asked_for_spans = False

    def before_scrapes(self, count: Callable[[], None]) -> None:
        """Before each scrape this counts what waits."""
        self._before = count

    def succeeded(self, took_s: Sequence[float]) -> None:
        """Reads that gave model inputs took so many seconds each."""
        self._succeeded.add_many((np.asarray(took_s, np.float64) * 1_000_000).astype(np.int64))

    def failed(self, took_s: float) -> None:
        """A read was refused."""
        self._failed.add(round(took_s * 1_000_000))

    def ages(self, view: str) -> ColumnHistogram:
        """Where the ages of this view's values are counted."""
        found = self._ages.get(view)
        if found is None:
            found = self._ages[view] = self._ages_by_view.labels(view)
        return found

    def read_many(self, view: str, ages_us: Iterable[int]) -> None:
        """The ages of many values of one view."""
        self.ages(view).add_many(np.fromiter(ages_us, np.int64))

    def read_traced(self, bundle: str, values: Sequence[TracedValue], read_at_us: int) -> None:
        """Values of traced updates were read into a model input, or several at once."""
        for value in values:
            age_us = read_at_us - value.event_time_us
            self.ages(value.view).remember(age_us, value.traced.trace_id)
        if not self._asked_for_spans:
            self._spans, self._asked_for_spans = self._find_spans(), True
        if self._spans is not None:
            self._spans.read(bundle, values, read_at_us)

    def uses(self, deprecated: Iterable[str]) -> None:
        """These view versions, and no others, are on their way out and are read here."""
        self._deprecated = tuple(deprecated)

    def close(self) -> None:
        """The reader is closed."""
        self._before()
        self._end()
        self._telemetry.close(_SPANS_S_MAX)

    def _find_spans(self) -> ReaderSpans | None:
        tracing = self._telemetry.tracing
        if tracing is None:
            return None
        # Not before it is needed: a process that traces nothing loads nothing for it.
        from syncline.telemetry.reader_spans import ReaderSpans  # noqa: PLC0415  see above

        return ReaderSpans(tracing, since_us=self._telemetry.made_us)

    def _samples(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        self._before()
        for reference in self._deprecated:
            view, _, version = reference.partition("@")
            yield "syncline_deprecated_versions_in_use", (view, version), 1


_SPANS_S_MAX = 2.0
"""How long closing waits for spans to be sent."""
