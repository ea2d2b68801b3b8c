"""What can happen to an agent: each happening has one name, and one place that says what becomes of it.

Call sites only announce. Counts are kept here too, for the agent's reports. No keys, no values.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from syncline.telemetry.logging import logger
from syncline.telemetry.repeats import Repeats

if TYPE_CHECKING:
    from syncline.contracts.checks.tally import Tally
    from syncline.wire.dead_letters import Reason


class AgentEvents:
    """Announces what happens to one agent."""

    def __init__(self, agent: str) -> None:
        self._log = logger(agent=agent)
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

    def release_active(self, bundle: str, release: int, epoch: int) -> None:
        """A release is served from now on."""
        self._log.info("release_active", bundle=bundle, release=release, epoch=epoch)

    def decision_enacted(
        self, bundle: str, *, release: int, epoch: int, cut: int | None, aligned: bool, held_us: int
    ) -> None:
        """A cut or an Immediate took effect here."""
        self._log.info(
            "decision_enacted",
            bundle=bundle,
            release=release,
            epoch=epoch,
            cut=cut,
            aligned=aligned,
            held_ms=held_us / 1_000 if held_us >= 0 else None,
        )

    def cut_given_up(self, cut: int, *, limit_s: float) -> None:
        """Partitions stood for a cut for too long: they go on under the old release, and it is enacted later."""
        self._log.warning("cut_given_up", cut=cut, limit_s=limit_s)

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

    def batch_applied(self, view: str, *, rows: int, written: int) -> None:
        """Rows were folded; those that were not written came too late for their key."""
        self.applied_rows += rows
        if rows > written:
            self.late_updates_skipped[view] += rows - written

    def rejected(self, topic: str, partition: int, reasons: list[Reason]) -> None:
        """Rows went to the dead letters, and were acknowledged there."""
        self.dead_letters += len(reasons)
        rules = Counter(reason.rule for reason in reasons)
        self._log.warning("dead_lettered", topic=topic, partition=partition, rules=dict(rules))

    def judged(self, tally: Tally) -> None:
        """Rows were judged, and committed or held; some may have broken rules."""
        for (view_version, feature, rule, _), count in tally.violations.items():
            self.violations[view_version, feature, rule] += count

    def violations_not_reported(self, reason: str) -> None:
        """Counts of violations are lost: the reports topic does not take them. The agent goes on without."""
        self._log.warning("violations_not_reported", reason=reason)

    def held(self, topic: str, partition: int, reason: str) -> None:
        """A partition does not go on."""
        self._log.error("partition_held", topic=topic, partition=partition, reason=reason)

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
