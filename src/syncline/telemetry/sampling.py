"""Which updates are traced: a share of them, evenly by chance, and at most so many a second. Reads no clock."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Sequence

from syncline.telemetry.forks import renew_in_child


class Budget:
    """So many a second, and at most one second's worth at once. Not safe for use by several threads."""

    def __init__(self, per_s: float) -> None:
        """`per_s` may be infinite, or less than one; 0 allows nothing."""
        self._per_s = per_s
        self._most = max(1.0, per_s) if per_s > 0 else 0.0
        self._left = self._most
        self._at_s: float | None = None

    def take(self, now_s: float, wanted: int = 1) -> int:
        """How many of these may be had now; `now_s` is of a clock that never goes backwards."""
        if math.isinf(self._per_s):
            return wanted
        self._refill(now_s)
        granted = min(wanted, int(self._left))
        self._left -= granted
        return granted

    def allows(self, now_s: float) -> bool:
        """Whether one could be had now."""
        if math.isinf(self._per_s):
            return True
        self._refill(now_s)
        return self._left >= 1

    def _refill(self, now_s: float) -> None:
        if self._at_s is None:
            self._at_s = now_s
        elif now_s > self._at_s:
            # Threads read the clock before they wait for their turn: a time before the last one adds nothing.
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
            self._at_s = now_s


_STRETCH_MAX = 8
"""Where rows come slowly from one moment to the next, so many gaps at most pass without a trace."""


class RowSampler:
    """Picks rows out of batches: each with the same chance, however the rows come in batches.

    A batch of which no row is picked costs one subtraction: the next row to be picked is known beforehand. Safe for
    use by several threads, which may pick a row more or less together.
    """

    def __init__(
        self,
        share: float,
        cap_per_s: float,
        *,
        chance: Callable[[], float] = random.random,
        on_capped: Callable[[int], object] = lambda _: None,
    ) -> None:
        """`chance` gives numbers from 0 up to, not including, 1. `on_capped` hears how many were over the cap."""
        self._share = share
        self._log_of_none = math.log1p(-share) if share < 1 else -math.inf
        self._budget = Budget(cap_per_s)
        self._chance = chance
        self._on_capped = on_capped
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._stretch = 1
        """How many rows in a row pass by when one that was due is over the cap."""
        self._owed = 0
        """How many of them were not told yet."""
        self._ahead = self._gap()
        """How many rows pass before the next one that is picked."""

    def passes(self, count: int) -> bool:
        """Whether none of `count` rows that come now is to be traced: then they have passed, and no clock was read."""
        ahead = self._ahead - count
        if ahead < 0:
            return False
        self._ahead = ahead
        return True

    def pick(self, count: int, now_s: float) -> Sequence[int]:
        """The numbers of the rows to be traced, of `count` that come now; ascending, and most often none."""
        return () if self.passes(count) else self._picked(count, now_s)

    def is_due(self, count: int, now_s: float) -> bool:
        """Whether one of the next `count` rows would be picked."""
        return self._ahead < count and self._budget.allows(now_s)

    def take(self, now_s: float, wanted: int, *, tell: bool = True) -> int:
        """How many of these, which somebody else has chosen already, may be traced under the cap.

        The others are told as over it, unless they were before.
        """
        with self._lock:
            granted = self._budget.take(now_s, wanted)
        if granted < wanted and tell:
            self._on_capped(wanted - granted)
        return granted

    def over_the_cap(self, count: int) -> None:
        """So many had to be left out, and were not told; most often none."""
        if count:
            self._on_capped(count)

    def _picked(self, count: int, now_s: float) -> Sequence[int]:
        with self._lock:
            capped, self._owed = self._owed, 0
            picked, row = [], self._ahead
            while row < count:
                if not self._budget.take(now_s):
                    # The next ones would find nothing either: they pass at once, and are told when they have.
                    row += sum(1 + self._gap() for _ in range(self._stretch))
                    capped, self._owed = capped + 1, self._stretch - 1
                    if row < count:
                        # All that is left of the second: what would have been picked is reckoned, not drawn.
                        capped += self._owed + round((count - row) * self._share)
                        row, self._owed = count + self._gap(), 0
                    self._stretch = min(2 * self._stretch, _STRETCH_MAX)
                    break
                picked.append(row)
                row += 1 + self._gap()
                self._stretch = max(self._stretch // 2, 1)
            self._ahead = row - count
        if capped:
            self._on_capped(capped)
        return picked

    def _gap(self) -> int:
        """How many rows pass between two picks: geometric, so that each row has the same chance."""
        if self._share >= 1:
            return 0
        if self._share <= 0:
            return 1 << 60
        return int(min(float(1 << 60), math.log(1.0 - self._chance()) / self._log_of_none))
