"""What can happen to a coordinator: each happening has one name, and one place that says what becomes of it.

Call sites only announce.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from syncline.telemetry.coordinator_metrics import CoordinatorMetrics
from syncline.telemetry.logging import logger
from syncline.telemetry.metrics import Metrics
from syncline.telemetry.repeats import Repeats

if TYPE_CHECKING:
    from syncline.catalog.rollout_events import Coordinated
    from syncline.ports.log import Headers
    from syncline.telemetry.coordinator_spans import CoordinatorSpans


class CoordinatorEvents:
    """Announces what happens to one coordinator."""

    def __init__(
        self,
        coordinator: str,
        *,
        metrics: CoordinatorMetrics | None = None,
        spans: CoordinatorSpans | None = None,
    ) -> None:
        """`metrics` None: counts that nobody reads. `spans` None: nothing is traced."""
        self._log = logger(coordinator=coordinator)
        self.metrics = metrics or CoordinatorMetrics(Metrics(CollectorRegistry()))
        self._spans = spans
        self._repeats = Repeats()

    def state_changed(self, before: str, after: str, reason: str) -> None:
        """The coordinator went from one state to another, or is in the same one for another reason."""
        self._log.info("coordinator_state_changed", before=before, after=after, reason=reason)

    def log_unavailable(self, message: str) -> None:
        """Kafka cannot be reached; the coordinator keeps trying. Repeats are few."""
        if self._repeats.is_news(message, time.monotonic()):
            self._log.warning("log_unavailable", message=message)

    def decided(self, payload: Coordinated, offset: int, reason: str) -> None:
        """A record of this coordinator counts."""
        kind = type(payload).__name__
        self._log.info("decided", kind=kind, subject=payload.subject, offset=offset, reason=reason)
        if self._spans is not None:
            self._spans.decided(payload, offset)

    def marker_headers(self, cut: int) -> Headers:
        """What markers of this cut carry of its trace."""
        return () if self._spans is None else self._spans.marker_headers(cut)

    def heard_from_broker(self, now_us: int) -> None:
        """A broker has answered."""
        self.metrics.contact_us = now_us

    def digests_differ(self, agent: str, cut: int, topic: str, partition: int) -> None:
        """An agent's state at a cut is not what another's was: `syncline verify` says who is right."""
        self._log.error("digests_differ", agent=agent, cut=cut, topic=topic, partition=partition)
        self.metrics.mismatches[topic, partition] += 1

    def decision_void(self, kind: str, subject: str, offset: int, reason: str) -> None:
        """A record of this coordinator does not count: something came before it."""
        self._log.warning("decision_void", kind=kind, subject=subject, offset=offset, reason=reason)

    def decision_unresolved(self, kind: str, subject: str, reason: str) -> None:
        """Nobody knows whether a record landed: the catalog is read to its end before anything else."""
        self._log.warning("decision_unresolved", kind=kind, subject=subject, reason=reason)

    def waiting(self, reason: str) -> None:
        """Somebody asked for something that cannot be done yet."""
        self._log.info("waiting", reason=reason)

    def marker_refused(self, cut: int, topic: str, partition: int, reason: str) -> None:
        """A partition did not acknowledge a marker; it is tried again until the cut's deadline."""
        if self._repeats.is_news(f"{topic} partition {partition}: {reason}", time.monotonic()):
            self._log.warning("marker_refused", cut=cut, topic=topic, partition=partition, reason=reason)

    def claim_lost(self, holder: str) -> None:
        """Another coordinator has claimed; whatever this one would write is void."""
        self._log.warning("claim_lost", holder=holder)
        if self._spans is not None:
            self._spans.leave("claim_lost")

    def stopped(self, *, clean: bool) -> None:
        """The coordinator has ended."""
        self._log.info("coordinator_stopped", clean=clean)
        if self._spans is not None:
            self._spans.leave("stopped")
        self.metrics.end()
