"""What can happen to an agent: each happening has one name, and one place that says what becomes of it.

Call sites only announce. Counts are kept here too, for the agent's reports. No keys, no values.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from syncline.telemetry.logging import logger

if TYPE_CHECKING:
    from syncline.contracts.checks.tally import Tally
    from syncline.wire.dead_letters import Reason

REPEAT_S = 10.0
"""How long nothing is said again that was just said of the log."""
_DIGITS = re.compile(r"\d+")
_GISTS_MAX = 100


class AgentEvents:
    """Announces what happens to one agent."""

    def __init__(self, agent: str) -> None:
        self._log = logger(agent=agent)
        self.applied_rows = 0
        self.dead_letters = 0
        self.late_updates_skipped: Counter[str] = Counter()
        self.violations: Counter[tuple[str, str, str]] = Counter()
        """(view version, feature, rule) → count."""
        self._quiet_until_s: dict[str, float] = {}

    def state_changed(self, before: str, after: str, reason: str) -> None:
        """The agent went from one state to another, or is in the same one for another reason."""
        self._log.info("agent_state_changed", before=before, after=after, reason=reason)

    def log_unavailable(self, message: str) -> None:
        """Kafka cannot be reached; the agent keeps trying. A client says so many times a second: repeats are few."""
        now_s = time.monotonic()
        # Times and attempts differ from one saying to the next.
        gist = _DIGITS.sub("", message)
        if now_s < self._quiet_until_s.get(gist, now_s):
            return
        if len(self._quiet_until_s) >= _GISTS_MAX:
            self._quiet_until_s.clear()
        self._quiet_until_s[gist] = now_s + REPEAT_S
        self._log.warning("log_unavailable", message=message)

    def release_active(self, bundle: str, release: int, epoch: int) -> None:
        """A release is served from now on."""
        self._log.info("release_active", bundle=bundle, release=release, epoch=epoch)

    def releases_waiting(self, bundle: str, active: int, newest: int) -> None:
        """A newer release than the active one stands in the catalog."""
        self._log.info("releases_waiting", bundle=bundle, active=active, newest=newest)

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
