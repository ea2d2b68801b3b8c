"""The clock of one contender among several that take turns."""

from __future__ import annotations

from syncline.clock import SystemClock


class OwnTime(SystemClock):
    """Its seconds are those that the contender has worked: what the cap saves up meanwhile is its own, and no more."""

    def __init__(self) -> None:
        self.worked_s = 0.0
        """Add to it after each piece of work."""

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return self.worked_s
