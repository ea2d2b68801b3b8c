"""What can happen to an agent: each happening has one name, and one place that says what becomes of it.

Call sites only announce: here is what becomes a line of the log, a metric, a span. Counts are kept here too, for the
agent's reports. No keys, no values.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from syncline.telemetry.agent_metrics import AgentMetrics
from syncline.telemetry.logging import logger
from syncline.telemetry.metrics import Metrics
from syncline.telemetry.repeats import Repeats

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from syncline.contracts.checks.tally import Tally
    from syncline.ports.log import Batch
    from syncline.telemetry.agent_spans import AgentSpans
    from syncline.telemetry.attention import Attention
    from syncline.wire.dead_letters import DeadLetter


class AgentEvents:
    """Announces what happens to one agent."""

    def __init__(
        self, agent: str, *, metrics: AgentMetrics | None = None, spans: AgentSpans | None = None
    ) -> None:
        """`metrics` None: counts that nobody reads. `spans` None: nothing is traced."""
        self._log = logger(agent=agent)
        self.metrics = metrics or AgentMetrics(Metrics(CollectorRegistry()), group=agent)
        self._spans = spans
        self.applied_rows = 0
        self.dead_letters = 0
        self.late_updates_skipped: Counter[str] = Counter()
        self.violations: Counter[tuple[str, str, str]] = Counter()
        """(view version, feature, rule) → count."""
        self._repeats = Repeats()

    def state_changed(self, before: str, after: str, reason: str) -> None:
        """The agent went from one state to another, or is in the same one for another reason."""
        self._log.info("agent_state_changed", before=before, after=after, reason=reason)

    def log_unavailable(self, message: str) -> None:
        """Kafka cannot be reached; the agent keeps trying. A client says so many times a second: repeats are few."""
        if self._repeats.is_news(message, time.monotonic()):
            self._log.warning("log_unavailable", message=message)

    def release_active(self, bundle: str, release: int, epoch: int, views: Iterable[str]) -> None:
        """A release is served from now on."""
        self.metrics.serves(views)
        self._log.info("release_active", bundle=bundle, release=release, epoch=epoch)

    def decision_enacted(
        self, bundle: str, *, release: int, epoch: int, cut: int | None, aligned: bool, held_us: int
    ) -> None:
        """A cut or an Immediate took effect here."""
        ids: dict[str, str] = {}
        if self._spans is not None:
            ids = self._spans.enacted(
                bundle, release=release, epoch=epoch, cut=cut, aligned=aligned, held_us=held_us
            )
        self._log.info(
            "decision_enacted",
            bundle=bundle,
            release=release,
            epoch=epoch,
            cut=cut,
            aligned=aligned,
            held_ms=held_us / 1_000 if held_us >= 0 else None,
            **ids,
        )
        if cut is not None and held_us >= 0:
            self.metrics.aligned(bundle, held_us=held_us)

    def cut_given_up(self, bundle: str, cut: int, *, limit_s: float) -> None:
        """Partitions stood for a cut for too long: they go on under the old release, and it is enacted later."""
        ids: dict[str, str] = {}
        if self._spans is not None:
            ids = self._spans.gave_up(bundle, cut, limit_us=round(limit_s * 1_000_000))
        self._log.warning("cut_given_up", bundle=bundle, cut=cut, limit_s=limit_s, **ids)
        self.metrics.gave_up(bundle)

    def cannot_serve(self, bundle: str, release: int, why: str) -> None:
        """A release is to come that this agent could not serve."""
        self._log.error("cannot_serve_release", bundle=bundle, release=release, reason=why)

    def topics_dropped(self, topics: list[str]) -> None:
        """The cells of releases that were let go are forgotten."""
        self._log.info("topics_dropped", topics=topics)

    def deprecated_versions_served(self, versions: dict[str, str]) -> None:
        """What is served is on its way out."""
        self._log.warning("deprecated_versions_served", versions=versions)

    def restoring(self, snapshot_id: str) -> None:
        """The store was filled from a snapshot."""
        self._log.info("restored", snapshot=snapshot_id)

    def snapshot_passed_over(self, snapshot_id: str, reason: str) -> None:
        """A snapshot cannot be used here."""
        self._log.warning("snapshot_passed_over", snapshot=snapshot_id, reason=reason)

    def snapshot_taken(self, snapshot_id: str, cells: int) -> None:
        """This agent left a snapshot."""
        self._log.info("snapshot_taken", snapshot=snapshot_id, cells=cells)

    def snapshot_failed(self, reason: str) -> None:
        """A snapshot was not taken, or not found; the agent goes on as it can."""
        self._log.warning("snapshot_failed", reason=reason)

    def resync(self, reason: str) -> None:
        """The store does not belong to the log any more: it is filled anew."""
        self._log.error("resync", reason=reason)

    def polled(self, batch: Batch, attention: Attention) -> None:
        """A poll was over."""
        self.metrics.polled(batch, took_us=attention.received_us - attention.polled_us)

    def processed(self, topic: str, *, took_us: int) -> None:
        """A batch of this topic was received and committed."""
        self.metrics.processed(topic, took_us=took_us)

    def propagated(
        self,
        topic: str,
        *,
        events_us: npt.NDArray[np.int64],
        appended_ms: npt.NDArray[np.int64],
        received_us: int,
        applied_us: int,
        traces: Sequence[tuple[int, int]],
    ) -> None:
        """Updates were committed; see `AgentMetrics.propagated`."""
        self.metrics.propagated(
            topic,
            events_us=events_us,
            appended_ms=appended_ms,
            received_us=received_us,
            applied_us=applied_us,
            traces=traces,
        )

    def batch_applied(self, view: str, *, rows: int, written: int) -> None:
        """Rows were folded; those that were not written came too late for their key."""
        self.applied_rows += rows
        if rows > written:
            self.late_updates_skipped[view] += rows - written
            self.metrics.skipped_late(view, rows - written)

    def rejected(self, topic: str, partition: int, letters: Sequence[DeadLetter]) -> None:
        """Rows went to the dead letters, and were acknowledged there."""
        self.dead_letters += len(letters)
        rules = Counter(letter.reason.rule for letter in letters)
        ids: dict[str, str] = {}
        if self._spans is not None:
            ids = self._spans.rejected(
                (topic, partition),
                [(letter.offset, letter.reason.rule, letter.headers) for letter in letters],
            )
        self._log.warning("dead_lettered", topic=topic, partition=partition, rules=dict(rules), **ids)
        self.metrics.dead_lettered(topic, rules)

    def digest_mismatched(self, topic: str, partition: int, offset: int) -> None:
        """The cells of a partition are not what its digest says: something changed them behind the agent's back."""
        self._log.error("digest_mismatched", topic=topic, partition=partition, offset=offset)
        self.metrics.mismatched(topic, partition)

    def judged(self, tally: Tally) -> None:
        """Rows were judged, and committed or held; some may have broken rules."""
        for (view_version, feature, rule, _), count in tally.violations.items():
            self.violations[view_version, feature, rule] += count

    def violations_not_reported(self, reason: str) -> None:
        """Counts of violations are lost: the reports topic does not take them. The agent goes on without."""
        self._log.warning("violations_not_reported", reason=reason)

    def offsets_committed(self, began_us: int, *, took_us: int) -> None:
        """Offsets were published under the group id, for lag tools."""
        self.metrics.committed(took_us=took_us)
        if self._spans is not None:
            self._spans.committed(began_us)

    def held(self, topic: str, partition: int, reason: str, *, offset: int) -> None:
        """A partition does not go on from this offset."""
        ids = {} if self._spans is None else self._spans.held((topic, partition), offset)
        self._log.error(
            "partition_held", topic=topic, partition=partition, reason=reason, offset=offset, **ids
        )

    def released(self, topic: str, partition: int) -> None:
        """A held partition goes on."""
        self._log.info("partition_released", topic=topic, partition=partition)

    def reader_rebuilt(self, reason: str) -> None:
        """The client was thrown away and made anew."""
        self._log.warning("log_reader_rebuilt", reason=reason)

    def store_full(self, message: str) -> None:
        """Nothing could be written; the agent waits for room."""
        self._log.error("store_full", message=message)

    def stopped(self, *, clean: bool) -> None:
        """The agent has ended."""
        self._log.info("agent_stopped", clean=clean, applied_rows=self.applied_rows)
        self.metrics.end()
