"""What a view's contract asks of rows at this moment, and which broken rules a publisher can do something about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from syncline.contracts.durations import format_duration
from syncline.contracts.model import Contract, FeatureType
from syncline.contracts.moments import format_moment
from syncline.errors import Violation

_EARLIEST_US = -(2**63)
_TIME_RULES = frozenset(("late", "ahead"))
_UNWRITABLE_RULES = frozenset(("type", "itemType", "missing", "null", "unknown", "key", "range"))
"""Such a row has no Avro that would say what the job meant: it cannot be published, and its dead letter is JSON."""


class Window(NamedTuple):
    """The event times that are neither late nor too far ahead, by the job's own clock; both ends included."""

    earliest_us: int
    latest_us: int
    now_us: int
    contract: Contract

    @classmethod
    def at(cls, contract: Contract, now_us: int) -> Window:
        """The window of a contract at this moment."""
        late = contract.late_arrival_us
        earliest_us = _EARLIEST_US if late is None else now_us - late
        return cls(earliest_us, now_us + contract.max_ahead_us, now_us, contract)

    def judge(self, event_time_us: int) -> list[Violation]:
        """Why an event time lies outside; empty when it does not."""
        if self.earliest_us <= event_time_us <= self.latest_us:
            return []
        if event_time_us > self.latest_us:
            rule, limit = "ahead", f"at most {format_duration(self.contract.max_ahead_us)} ahead of"
        else:
            rule, limit = "late", f"at most {format_duration(self.contract.late_arrival_us or 0)} old by"
        value = format_moment(event_time_us, FeatureType.TIMESTAMP)
        return [Violation(self.contract.event_time, rule, f"{limit} this job's clock", value)]


def must_raise(violations: Sequence[Violation], *, on_violation: str) -> bool:
    """Whether a row with these violations stops the call, whatever becomes of the others.

    `observe` covers feature rules only, and a row without a key belongs to no partition, not even as a dead letter.
    """
    rules = {violation.rule for violation in violations}
    if on_violation == "raise" or "key" in rules:
        return True
    return on_violation == "observe" and bool(rules & (_TIME_RULES | _UNWRITABLE_RULES))


def is_writable(violations: Sequence[Violation]) -> bool:
    """Whether a row with these violations still has an Avro form."""
    return not any(violation.rule in _UNWRITABLE_RULES for violation in violations)
