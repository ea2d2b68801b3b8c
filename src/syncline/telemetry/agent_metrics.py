"""What an agent counts: by batches and slices, and the rest read off its status at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from syncline.telemetry import names
from syncline.telemetry.contract_metrics import contract_samples
from syncline.telemetry.propagation import Propagation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from syncline.contracts.checks.tally import Tally
    from syncline.ports.log import Batch
    from syncline.telemetry.metrics import Metrics, Sample
    from syncline.telemetry.reports import AgentStatus


class AgentMetrics:
    """Counts of one agent."""

    def __init__(self, metrics: Metrics, *, group: str) -> None:
        self._metrics = metrics
        self._group = group
        self._consumed: Counter[str] = Counter()
        self._dead_letters: Counter[tuple[str, str]] = Counter()
        self._late: Counter[str] = Counter()
        self._mismatches: Counter[tuple[str, str]] = Counter()
        self._given_up: Counter[str] = Counter()
        self._views: tuple[str, ...] = ()
        self._operations = metrics.histogram("messaging_client_operation_duration_seconds")
        self._polls = self._operations.labels(names.KAFKA, "poll", "")
        self._commits = self._operations.labels(names.KAFKA, "commit", "")
        self._processing = metrics.histogram("messaging_process_duration_seconds")
        self._propagation = metrics.histogram("syncline_propagation_seconds")
        self._of_topic: dict[str, Propagation] = {}
        self._alignment = metrics.histogram("syncline_cut_alignment_seconds")
        self._end: Callable[[], None] = lambda: None

    def follow(
        self,
        status: Callable[[], AgentStatus],
        *,
        states: tuple[str, ...],
        totals: Tally,
        now_us: Callable[[], int],
    ) -> None:
        """Take gauges from `status` from now on, and what was judged from `totals`; called by the scraper's thread."""
        self._end = self._metrics.watch(lambda: self._samples(status, states, totals, now_us))

    def serves(self, views: Iterable[str]) -> None:
        """These views are served from now on."""
        self._views = tuple(views)

    def polled(self, batch: Batch, *, took_us: int) -> None:
        """A poll brought this."""
        if len(batch):
            self._polls.add(took_us)
            for cut in batch.slices:
                self._consumed[cut.topic] += cut.count

    def committed(self, *, took_us: int) -> None:
        """Offsets were published under the group id."""
        self._commits.add(took_us)

    def processed(self, topic: str, *, took_us: int) -> None:
        """A batch of this topic was received and committed."""
        self._processing.labels(names.KAFKA, names.PROCESS, topic).add(took_us)

    def propagated(
        self,
        topic: str,
        *,
        events_us: npt.NDArray[np.int64],
        appended_ms: npt.NDArray[np.int64],
        received_us: int,
        applied_us: int,
        traces: Iterable[tuple[int, int]] = (),
    ) -> None:
        """How long updates took, as columns; `traces` gives (row, trace id) of those that are traced."""
        of_topic = self._of_topic.get(topic)
        if of_topic is None:
            of_topic = self._of_topic[topic] = Propagation(self._propagation, topic)
        of_topic.add(events_us, appended_ms, received_us=received_us, applied_us=applied_us, traces=traces)

    def skipped_late(self, view: str, count: int) -> None:
        """Updates were not written: newer ones stood there."""
        self._late[view] += count

    def dead_lettered(self, topic: str, rules: Counter[str]) -> None:
        """Rows went to the dead letters."""
        for rule, count in rules.items():
            self._dead_letters[topic, rule] += count

    def mismatched(self, topic: str, partition: int) -> None:
        """The cells of a partition are not what its digest says."""
        self._mismatches[topic, str(partition)] += 1

    def aligned(self, bundle: str, *, held_us: int) -> None:
        """A cut took effect, after partitions stood for it."""
        self._alignment.labels(bundle).add(held_us)

    def gave_up(self, bundle: str) -> None:
        """Partitions stood for a cut for too long."""
        self._given_up[bundle] += 1

    def end(self) -> None:
        """The agent has ended: counts stay, its gauges go."""
        self._count()
        self._end()

    def _samples(
        self,
        read: Callable[[], AgentStatus],
        states: tuple[str, ...],
        totals: Tally,
        now_us: Callable[[], int],
    ) -> Iterator[Sample]:
        self._count()
        status = read()
        for state in states:
            yield "syncline_agent_state", (state,), float(state == status.state)
        if status.release is not None and status.epoch is not None:
            yield "syncline_active_release", (status.bundle, status.cohort), status.release
            yield "syncline_epoch", (status.bundle,), status.epoch
            yield "syncline_cuts_given_up_total", (status.bundle,), self._given_up[status.bundle]
            self._alignment.labels(status.bundle)
        if status.contact_us:
            yield "syncline_last_broker_contact_timestamp_seconds", (), status.contact_us / 1_000_000
        for topic, limit_us in status.freshness:
            yield "syncline_freshness_limit_seconds", (topic,), limit_us / 1_000_000
        for reference, _ in status.deprecated:
            view, _, version = reference.partition("@")
            yield "syncline_deprecated_versions_in_use", (view, version), 1
        yield from self._of_partitions(status, now_us())
        for topic, count in dict(self._consumed).items():
            labels = (names.KAFKA, "poll", topic, self._group)
            yield "messaging_client_consumed_messages_total", labels, count
        for letter, count in dict(self._dead_letters).items():
            yield "syncline_dead_letters_total", letter, count
        for view in {*self._views, *dict(self._late)}:
            yield "syncline_late_updates_skipped_total", (view,), self._late[view]
        yield from contract_samples(totals)

    def _count(self) -> None:
        for of_topic in list(self._of_topic.values()):
            of_topic.count()

    def _of_partitions(self, status: AgentStatus, now_us: int) -> Iterator[Sample]:
        for found in status.partitions:
            place = (found.topic, str(found.partition))
            yield "syncline_partition_held", place, float(bool(found.held))
            yield "syncline_digest_mismatches_total", place, self._mismatches[place]
            lag, waited_us = found.lag, found.waited_us(now_us)
            if lag is not None:
                yield "syncline_partition_lag_messages", (self._group, *place), lag
            if waited_us is not None:
                yield "syncline_partition_lag_seconds", (self._group, *place), waited_us / 1_000_000
            for name, us in (
                ("syncline_last_applied_event_timestamp_seconds", found.last_event_us),
                ("syncline_last_heartbeat_timestamp_seconds", found.heartbeat_us),
                ("syncline_last_published_event_timestamp_seconds", found.published_us),
            ):
                if us is not None:
                    yield name, place, us / 1_000_000
