"""Clocks. Nothing below a role reads the time by itself: it is handed a clock, or a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a role gets its time from."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC: comparable with event times."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go backwards: for durations and deadlines only."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.time_ns() // 1_000

    # Python's own: reads are timed by it, and a call around it would cost as much again.
    monotonic_s = staticmethod(time.monotonic)


@dataclass
class ManualClock:
    """A clock that moves only when told to: for tests and for replays."""

    us: int = 0

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return self.us

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return self.us / 1_000_000

    def advance(self, *, seconds: float) -> None:
        """Move forward by `seconds`."""
        self.us += round(seconds * 1_000_000)


def to_us(when: datetime) -> int:
    """Microseconds since the epoch of an aware datetime; a naive one is refused, as its zone is anyone's guess.

    Raises:
        ValueError: `when` has no time zone.
    """
    if when.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone; write datetime(..., tzinfo=UTC)")
    delta = when - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(us: int) -> datetime:
    """The aware UTC datetime of a number of microseconds since the epoch."""
    return datetime.fromtimestamp(us // 1_000_000, tz=UTC).replace(microsecond=us % 1_000_000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
