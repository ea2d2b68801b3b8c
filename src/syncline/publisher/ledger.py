"""What was queued, and what became of it: the publisher's one truth about outcomes (P1)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.errors import NotAcknowledged, Violation
from syncline.ports.log import Outcome, OutcomeKind

if TYPE_CHECKING:
    from syncline.telemetry.publisher_metrics import PublisherMetrics

_REASONS_MAX = 5
_VIOLATIONS_MAX = 1_000
_OTHER = "(other)"
"""What stands for every further feature and rule: a job may hand in a new unknown name with each row."""


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """Counts since the publisher was made. Dead letters are among those queued, and have outcomes as well."""

    queued: int
    acknowledged: int
    failed: int
    unknown: int
    dead_lettered: int
    violations: Mapping[tuple[str, str, str], int]
    """(view, feature, rule) → how often a row broke it, published or not; `(other)` beyond the first thousand."""
    unreported: str = ""
    """Why the last counts of violations did not reach the reports topic; empty when they did."""

    @property
    def outstanding(self) -> int:
        """How many have no outcome yet."""
        return self.queued - self.acknowledged - self.failed - self.unknown


class Account:
    """What was acknowledged of one topic; belongs to the one thread that serves outcomes."""

    __slots__ = ("acknowledged",)

    def __init__(self) -> None:
        self.acknowledged = 0


class Ledger:
    """Counts outcomes. `acknowledged` and `settle` belong to the one thread that serves outcomes; the rest to any."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self.metrics: PublisherMetrics | None = None
        self._queued = 0
        self._failed = 0
        self._unknown = 0
        self._dead_lettered = 0
        self._told = (0, 0)
        self._reasons: Counter[str] = Counter()
        self._troubles: list[BaseException] = []
        self._violations: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()
        self._served = threading.Condition(self._lock)
        self._rounds = 0

    @property
    def acknowledged(self) -> int:
        """How many updates are in the log for certain."""
        return sum([account.acknowledged for account in list(self._accounts.values())])

    def account(self, topic: str) -> Account:
        """Where what is acknowledged of a topic is counted."""
        account = self._accounts.get(topic)
        return self._accounts.setdefault(topic, Account()) if account is None else account

    def acknowledged_by_topic(self) -> dict[str, int]:
        """The same for each topic."""
        return {topic: account.acknowledged for topic, account in list(self._accounts.items())}

    @property
    def rounds(self) -> int:
        """Grows whenever outcomes were served: what `wait_for_room` compares with."""
        return self._rounds

    def queue(self, count: int) -> None:
        """Expect `count` more outcomes (fewer if negative). Called before the append, as outcomes come at any time."""
        with self._lock:
            self._queued += count

    def settle(self, outcome: Outcome) -> None:
        """Count an outcome other than acknowledged."""
        with self._lock:
            if outcome.kind is OutcomeKind.FAILED:
                self._failed += 1
            else:
                self._unknown += 1
            if self.metrics is not None:
                self.metrics.not_acknowledged[outcome.topic, outcome.kind] += 1
            reason = outcome.reason or "no reason given"
            if reason in self._reasons or len(self._reasons) < _REASONS_MAX:
                self._reasons[reason] += 1

    def note_trouble(self, error: BaseException) -> None:
        """Keep what a job's callback, or the serving of outcomes, raised: `flush` raises it."""
        with self._lock:
            if len(self._troubles) < _REASONS_MAX:
                self._troubles.append(error)

    def note_violations(self, view: str, found: Iterable[Violation]) -> None:
        """Count broken rules."""
        with self._lock:
            for violation in found:
                key = (view, violation.feature, violation.rule)
                known = key in self._violations or len(self._violations) < _VIOLATIONS_MAX
                self._violations[key if known else (view, _OTHER, _OTHER)] += 1

    def note_dead_letters(self, topic: str, rules: Collection[str]) -> None:
        """Count rows of this topic that were dead-lettered, each by the rule that it broke first."""
        with self._lock:
            self._dead_lettered += len(rules)
            if self.metrics is not None:
                self.metrics.dead_letters.update((topic, rule) for rule in rules)

    def announce(self) -> None:
        """Wake who waits for outcomes: some were served."""
        with self._served:
            self._rounds += 1
            self._served.notify_all()

    def wait_for_room(self, rounds: int, timeout_s: float) -> bool:
        """Wait until outcomes were served after `rounds` was read; False if none was in time."""
        with self._served:
            return self._served.wait_for(lambda: self._rounds != rounds, timeout_s)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `condition` holds, which outcomes decide; False if it does not in time."""
        with self._served:
            return self._served.wait_for(condition, timeout_s)

    def is_settled(self) -> bool:
        """Whether everything that was queued has its outcome."""
        return self._queued <= self.acknowledged + self._failed + self._unknown

    def close_account(self) -> None:
        """Tell what was not acknowledged since this was called last.

        Raises:
            NotAcknowledged: something failed, is unknown, or has no outcome yet (counted as unknown here; it is
                counted again, as what it turns out to be, when its outcome comes).
            BaseException: what a callback raised, if nothing worse happened.
        """
        with self._lock:
            failed, unknown = self._failed - self._told[0], self._unknown - self._told[1]
            outstanding = self._queued - self.acknowledged - self._failed - self._unknown
            self._told = (self._failed, self._unknown)
            reasons = [f"{reason} ({count} times)" for reason, count in self._reasons.items()]
            self._reasons.clear()
            troubles, self._troubles = self._troubles, []
        if outstanding > 0:
            reasons.append(f"{outstanding} had no answer in time")
        if failed or unknown or outstanding > 0:
            raise NotAcknowledged(failed, unknown + max(outstanding, 0), reasons)
        if len(troubles) == 1:
            raise troubles[0]
        if troubles:
            raise BaseExceptionGroup("several outcome callbacks raised", troubles)

    def stats(self) -> PublisherStats:
        """The counts at this moment."""
        with self._lock:
            return PublisherStats(
                queued=self._queued,
                acknowledged=self.acknowledged,
                failed=self._failed,
                unknown=self._unknown,
                dead_lettered=self._dead_lettered,
                violations=dict(self._violations),
            )
