"""The handle on one call's updates: what became of them."""

from __future__ import annotations

from collections.abc import Callable

from syncline.errors import NotAcknowledged
from syncline.ports.log import Outcome, OutcomeKind
from syncline.publisher.ledger import Account, Ledger

_REASONS_MAX = 5


class Delivery:
    """What became of the updates of one `publish`, `publish_many` or `delete`. Dropping it costs nothing.

    `queued` counts what was handed to the log; `dead_lettered` those of them that went to the dead letters, as
    their rows broke the contract.
    """

    __slots__ = (
        "_ledger",
        "_on_outcome",
        "account",
        "acknowledged",
        "dead_lettered",
        "failed",
        "queued",
        "reasons",
        "unknown",
    )

    def __init__(self, ledger: Ledger, on_outcome: Callable[[Outcome], None] | None = None) -> None:
        self._ledger = ledger
        self._on_outcome = on_outcome
        self.account: Account | None = None
        """Where what is acknowledged is counted; set when the first update is queued."""
        self.queued = 0
        self.dead_lettered = 0
        self.acknowledged = 0
        self.failed = 0
        self.unknown = 0
        self.reasons: tuple[str, ...] = ()
        """Why some were not acknowledged: the first few reasons."""

    @property
    def done(self) -> bool:
        """Whether every update has its outcome."""
        return self.acknowledged + self.failed + self.unknown >= self.queued

    def outcome(self) -> OutcomeKind | None:
        """None while any outcome is missing; then the worst of them: failed, unknown or acknowledged."""
        if not self.done:
            return None
        if self.failed:
            return OutcomeKind.FAILED
        return OutcomeKind.UNKNOWN if self.unknown else OutcomeKind.ACKNOWLEDGED

    def result(self, timeout_s: float = 60.0) -> Delivery:
        """Wait until every update is acknowledged, and return this delivery.

        Raises:
            NotAcknowledged: some failed, or are unknown, or have no outcome after `timeout_s` (told as unknown).
        """
        done = self._ledger.wait_until(lambda: self.done, timeout_s)
        if not done or self.failed or self.unknown:
            missing = self.queued - self.acknowledged - self.failed - self.unknown
            reasons = self.reasons if done else (*self.reasons, f"{missing} had no answer in {timeout_s:g} s")
            raise NotAcknowledged(self.failed, self.unknown + missing, reasons)
        return self

    def settle(self, outcome: Outcome) -> None:
        """Count one outcome; called by the thread that serves outcomes."""
        ledger = self._ledger
        if outcome.kind is OutcomeKind.ACKNOWLEDGED:
            self.acknowledged += 1
            assert self.account is not None, "an outcome comes of what was queued"
            self.account.acknowledged += 1
        else:
            ledger.settle(outcome)
            if len(self.reasons) < _REASONS_MAX and outcome.reason and outcome.reason not in self.reasons:
                self.reasons = (*self.reasons, outcome.reason)
            if outcome.kind is OutcomeKind.FAILED:
                self.failed += 1
            else:
                self.unknown += 1
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except BaseException as error:  # noqa: BLE001  a callback may raise anything; flush raises it again
                ledger.note_trouble(error)
