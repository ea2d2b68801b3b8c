"""The publisher's one thread: serves outcomes, sends heartbeats and reports, even while the job does something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from syncline.clock import Clock
from syncline.errors import LogError
from syncline.ports.log import LogWriter, Outcome, OutcomeKind
from syncline.publisher.event_times import Timeline
from syncline.publisher.ledger import Ledger
from syncline.telemetry.publisher_metrics import PublisherMetrics
from syncline.wire.control import Heartbeat

_POLL_S = 0.05
_PAUSE_S = 0.002
"""Between two polls that brought nothing, for logs whose poll does not wait."""


@dataclass(frozen=True, slots=True)
class PublishedTopic:
    """A topic that this publisher writes to, and what it wrote there."""

    name: str
    partitions: int
    timeline: Timeline = field(compare=False)


class Courier:
    """Owns the writer's `poll`: nobody else calls it while this runs. One per publisher; `stop` ends it."""

    def __init__(
        self,
        writer: LogWriter,
        ledger: Ledger,
        *,
        metrics: PublisherMetrics,
        publisher: str,
        clock: Clock,
        heartbeat_interval_s: float,
        on_turn: Callable[[], object],
    ) -> None:
        """`on_turn` is called many times a second; it may append."""
        self._writer = writer
        self._ledger = ledger
        self._metrics = metrics
        self._clock_us = clock.now_us
        self._publisher = publisher
        self._clock = clock
        self._interval_s = heartbeat_interval_s
        self._beat_at_s = clock.monotonic_s() + heartbeat_interval_s
        self._on_turn = on_turn
        self._topics: tuple[PublishedTopic, ...] = ()
        self._stopping = threading.Event()
        # A daemon, as a publisher that nobody closed must not keep the job from ending.
        self._thread = threading.Thread(target=self._run, name=f"syncline-publisher-{publisher}", daemon=True)
        self._thread.start()

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is a callback of this very thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def attend(self, topics: Sequence[PublishedTopic]) -> None:
        """Send heartbeats to every partition of these topics from now on."""
        self._topics = tuple(topics)

    def stop(self) -> None:
        """End the thread; outcomes are then served by whoever closes the writer. Idempotent."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                acknowledged = self._ledger.acknowledged
                if self._writer.poll(_POLL_S):
                    self._ledger.announce()
                    self._metrics.served(self._clock.monotonic_s())
                    if self._ledger.acknowledged > acknowledged:
                        self._metrics.contact_us = self._clock_us()
                else:
                    self._stopping.wait(_PAUSE_S)
                self._beat()
                self._on_turn()
            except Exception as error:  # noqa: BLE001  this thread must not end silently: flush raises what it met
                self._ledger.note_trouble(error)
                self._ledger.announce()
                self._stopping.wait(_POLL_S)

    def _beat(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._beat_at_s:
            return
        self._beat_at_s = now_s + self._interval_s
        for topic in self._topics:
            watermark_us, published = topic.timeline.progress()
            heartbeat = Heartbeat(self._publisher, watermark_us, published)
            key, headers = heartbeat.key(), heartbeat.headers()
            for partition in range(topic.partitions):
                try:
                    self._writer.append(
                        topic.name,
                        key=key,
                        value=None,
                        headers=headers,
                        partition=partition,
                        on_outcome=self._heard,
                    )
                except (BufferError, LogError):
                    # A full queue, or a log that is away: the next heartbeat says all that this one would.
                    return

    def _heard(self, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACKNOWLEDGED:
            self._metrics.contact_us = self._clock_us()
