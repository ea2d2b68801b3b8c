"""Reads that were made and wait to be counted: a read pays for one append, whatever it brought."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from syncline.reader.model_input import event_time_us_of
from syncline.telemetry.column_histogram import taken

if TYPE_CHECKING:
    from syncline.reader.selection import Resolved, SelectedView
    from syncline.telemetry.reader_watch import ReaderWatch

    Read = tuple[float, int, Sequence[SelectedView], Sequence[Resolved]]
    """Seconds that it took, when its cells were read (µs), and what it brought of each view."""

WAITING_MAX = 512
"""So many reads are counted together at the latest: in a fifth of a millisecond."""


class Reads:
    """Counts single reads together: when many wait, and at each scrape. Safe for use by several threads."""

    def __init__(self, watch: ReaderWatch) -> None:
        self._watch = watch
        self.waiting: deque[Read] = deque()
        self.append: Callable[[Read], None] = self.waiting.append
        """One more; call `count` where more than `WAITING_MAX` wait."""
        watch.before_scrapes(self.count)

    def count(self) -> None:
        """Count what waits."""
        reads = taken(self.waiting)
        ages: dict[str, list[int]] = {}
        for _, read_at_us, views, resolved in reads:
            for view, one in zip(views, resolved, strict=True):
                event_time_us = event_time_us_of(one)
                if event_time_us is not None:
                    ages.setdefault(view.name, []).append(read_at_us - event_time_us)
        for name, of_view in ages.items():
            self._watch.read_many(name, of_view)
        self._watch.succeeded([took_s for took_s, *_ in reads])
