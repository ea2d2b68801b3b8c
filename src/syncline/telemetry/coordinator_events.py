"""What can happen to a coordinator: each happening has one name, and one place that says what becomes of it.

Call sites only announce.
"""

from __future__ import annotations

import time

from syncline.telemetry.logging import logger
from syncline.telemetry.repeats import Repeats


class CoordinatorEvents:
    """Announces what happens to one coordinator."""

    def __init__(self, coordinator: str) -> None:
        self._log = logger(coordinator=coordinator)
        self._repeats = Repeats()

    def state_changed(self, before: str, after: str, reason: str) -> None:
        """The coordinator went from one state to another, or is in the same one for another reason."""
        self._log.info("coordinator_state_changed", before=before, after=after, reason=reason)

    def log_unavailable(self, message: str) -> None:
        """Kafka cannot be reached; the coordinator keeps trying. Repeats are few."""
        if self._repeats.is_news(message, time.monotonic()):
            self._log.warning("log_unavailable", message=message)

    def decided(self, kind: str, subject: str, offset: int, reason: str) -> None:
        """A record of this coordinator counts."""
        self._log.info("decided", kind=kind, subject=subject, offset=offset, reason=reason)

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

    def stopped(self, *, clean: bool) -> None:
        """The coordinator has ended."""
        self._log.info("coordinator_stopped", clean=clean)
