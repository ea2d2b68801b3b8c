"""Violations counted by windows of the clock: what a publisher or agent reports of the rows that it judged."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TypeVar

from syncline.contracts.checks.tally import Tally
from syncline.telemetry.forks import renew_in_child

_Key = TypeVar("_Key", str, tuple[str, str], tuple[str, str, str, str])

PUBLISHER = "publisher"
AGENT = "agent"
OTHER = "(other)"
"""What stands for everything beyond a window's bounds."""
ENTRIES_MAX = 1_000
"""How many (view version, feature, rule, action) a window counts apart, and how many view versions."""
WAITING_MAX = 60
"""How many finished windows wait to be sent; the oldest are given up first."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who counts."""

    kind: str
    """`publisher` or `agent`."""
    name: str
    consumer: str = ""
    """An agent's consumer."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """How many rows broke one rule, and what became of them."""

    feature: str
    """Empty where no single feature is to blame."""
    rule: str
    action: str
    """See `contracts.tally.Action`."""
    count: int


@dataclass(frozen=True, slots=True)
class ViewCounts:
    """How the rows of one view version fared."""

    view_version: str
    """`airport_delay@1.3`; `airport_delay@1` for rows that name no version, as deletes."""
    rows_judged: int
    rows_broken: int
    violations: tuple[RuleCount, ...]


@dataclass(frozen=True, slots=True)
class ViolationCounts:
    """What one reporter counted from `window_start_us` on and before `window_end_us`, by its own clock."""

    reporter: Reporter
    window_start_us: int
    window_end_us: int
    views: tuple[ViewCounts, ...]


class ViolationWindows:
    """Adds up tallies by window: window n is [n·w, (n+1)·w) in microseconds since 1970.

    Safe for use by several threads. It reads no clock. A window in which nothing was judged leaves no counts. Where the
    clock is put back, a window may come twice: who reads adds up.
    """

    def __init__(self, reporter: Reporter, *, window_us: int) -> None:
        self.reporter = reporter
        self._window_us = window_us
        self._number = 0
        self._tally = Tally()
        self.totals = Tally()
        """All that was counted since this was made; read it, whole columns at a time."""
        self._waiting: deque[ViolationCounts] = deque(maxlen=WAITING_MAX)
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")

    def add(self, tally: Tally, now_us: int) -> None:
        """Count what was judged just now."""
        with self._lock:
            self._turn(now_us)
            for counted in (self._tally, self.totals):
                _merge(counted.judged, tally.judged, OTHER)
                _merge(counted.broken, tally.broken, OTHER)
                _merge(counted.violations, tally.violations, (OTHER, OTHER, OTHER, OTHER))
                _merge(counted.actions, tally.actions, (OTHER, OTHER))

    def add_kept(self, view_version: str, rows: int, now_us: int) -> None:
        """Count rows that broke nothing: `add` for the most frequent case."""
        with self._lock:
            self._turn(now_us)
            judged = self._tally.judged
            if view_version not in judged and len(judged) >= ENTRIES_MAX:
                view_version = OTHER
            judged[view_version] += rows
            self.totals.judged[view_version] += rows

    def next_finished(self, now_us: int) -> ViolationCounts | None:
        """The oldest window that is over and not dropped yet."""
        with self._lock:
            self._turn(now_us)
            return self._waiting[0] if self._waiting else None

    def drop(self, counts: ViolationCounts) -> None:
        """Let go of counts that `next_finished` gave: they are sent, or never will be."""
        with self._lock:
            if self._waiting and self._waiting[0] is counts:
                self._waiting.popleft()

    def end(self, now_us: int) -> None:
        """Finish the window at hand early; it ends now."""
        with self._lock:
            self._turn(now_us)
            self._finish(now_us)

    def _turn(self, now_us: int) -> None:
        number = now_us // self._window_us
        if number != self._number:
            self._finish(None)
            self._number = number

    def _finish(self, ended_us: int | None) -> None:
        tally, self._tally = self._tally, Tally()
        views = _views(tally)
        if not views:
            return
        start_us = self._number * self._window_us
        end_us = start_us + self._window_us if ended_us is None else ended_us
        self._waiting.append(ViolationCounts(self.reporter, start_us, end_us, views))


def _merge(into: Counter[_Key], more: Counter[_Key], other: _Key) -> None:
    for key, count in more.items():
        known = key in into or len(into) < ENTRIES_MAX
        into[key if known else other] += count


def _views(tally: Tally) -> tuple[ViewCounts, ...]:
    rules: dict[str, list[RuleCount]] = {}
    for (version, feature, rule, action), count in sorted(tally.violations.items()):
        rules.setdefault(version, []).append(RuleCount(feature, rule, str(action), count))
    named = {version for version, count in tally.judged.items() if count} | rules.keys()
    return tuple(
        ViewCounts(version, tally.judged[version], tally.broken[version], tuple(rules.get(version, ())))
        for version in sorted(named)
    )
