"""What a publisher counts, read off at each scrape: an update pays nothing for it."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from syncline.telemetry import names
from syncline.telemetry.contract_metrics import contract_samples
from syncline.telemetry.metrics import Metrics, Sample

if TYPE_CHECKING:
    from syncline.contracts.checks.tally import Tally

TIMED_MAX = 64
"""How many calls are timed at once: of a job that has more under way, these stand for all."""


class Call(Protocol):
    """A call whose updates are on their way."""

    @property
    def done(self) -> bool:
        """Whether every update has its outcome."""
        ...


class PublisherMetrics:
    """Counts of one publisher. `began` is safe from any thread, the rest belongs to the thread that serves outcomes."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        totals: Tally,
        acknowledged: Callable[[], Mapping[str, int]],
        deprecated: Callable[[], Iterable[str]],
    ) -> None:
        """`acknowledged` gives topic → how many are in the log so far, `deprecated` view versions (`view@1.3`)."""
        self._process = os.getpid()
        self._totals = totals
        self._acknowledged = acknowledged
        self._deprecated = deprecated
        self._durations = metrics.histogram("messaging_client_operation_duration_seconds")
        self._timed: deque[tuple[Call, float, str]] = deque()
        self.not_acknowledged: Counter[tuple[str, str]] = Counter()
        """(topic, failed or unknown) → how many."""
        self.dead_letters: Counter[tuple[str, str]] = Counter()
        """(topic, rule) → how many rows went to its dead letters."""
        self.contact_us = 0
        """When a broker answered last; 0 before it did."""
        self._end = metrics.watch(self._samples)

    def began(self, call: Call, topic: str, now_s: Callable[[], float]) -> None:
        """A call queued its updates, or is about to. `now_s` is asked where the call is timed."""
        if len(self._timed) < TIMED_MAX:
            self._timed.append((call, now_s(), topic))

    def served(self, now_s: float) -> None:
        """Outcomes were served."""
        timed = self._timed
        while timed and timed[0][0].done:
            _, began_s, topic = timed.popleft()
            duration = self._durations.labels(names.KAFKA, names.SEND, topic)
            duration.add(max(0, round((now_s - began_s) * 1_000_000)))

    def end(self) -> None:
        """The publisher is closed: what it counted stays."""
        self._timed.clear()
        self._end()

    def _samples(self) -> Iterator[Sample]:
        if self._process != os.getpid():
            # A publisher stays in the process that made it, and so do the locks that this would wait for.
            return
        for topic, count in self._acknowledged().items():
            yield "messaging_client_sent_messages_total", (names.KAFKA, names.SEND, topic, ""), count
        for (topic, kind), count in dict(self.not_acknowledged).items():
            yield "messaging_client_sent_messages_total", (names.KAFKA, names.SEND, topic, kind), count
        for (topic, rule), count in dict(self.dead_letters).items():
            yield "syncline_dead_letters_total", (topic, rule), count
        yield from contract_samples(self._totals)
        if self.contact_us:
            yield "syncline_last_broker_contact_timestamp_seconds", (), self.contact_us / 1_000_000
        for reference in self._deprecated():
            view, _, version = reference.partition("@")
            yield "syncline_deprecated_versions_in_use", (view, version), 1
