"""Event times: what a job may hand in, and how ties of a key are made distinct."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from syncline.clock import to_us


def event_time_us(value: object) -> int:
    """Microseconds since the Unix epoch of an aware datetime (pandas' Timestamp is one) or a whole number.

    Raises:
        ValueError: anything else; the message is what was expected, as a violation's limit says it.
    """
    if type(value) is int:
        return value
    if isinstance(value, datetime):
        try:
            return int(to_us(value))
        except Exception:  # noqa: BLE001  a zone is any object, and may raise anything
            raise ValueError("a time with a time zone, as datetime(..., tzinfo=UTC)") from None
    raise ValueError("an aware datetime, or microseconds since 1970 as a whole number")


class Timeline:
    """The event times published to one topic: makes ties of a key distinct, and keeps the watermark.

    Of two updates of one key with the same event time the log's order would decide; a microsecond between them
    makes it the job's order, wherever the records end up. An update that is older than the key's last one goes as
    it is. The last times of `memory_keys` keys are remembered at most, those used longest ago are forgotten first
    (in halves, which costs nothing per update). Safe for use by several threads.
    """

    def __init__(self, memory_keys: int) -> None:
        self._half = max(1, memory_keys // 2)
        self._recent: dict[bytes, int] = {}
        self._former: dict[bytes, int] = {}
        self._bumps: dict[bytes, int] = {}
        """By how much the key's last event time was moved; only keys whose last one was."""
        self._lock = threading.Lock()
        self._watermark_us: int | None = None
        self._published = 0

    def separate(self, keys: Sequence[bytes], times_us: Sequence[int]) -> tuple[list[int], bool]:
        """The event times to publish, in the order given, and whether any differs from what was given."""
        result = list(times_us)
        moved = False
        with self._lock:
            recent = self._recent
            for row, key in enumerate(keys):
                given = result[row]
                last = recent.get(key)
                if last is not None and given > last and not self._bumps:
                    recent[key] = given
                    continue
                result[row] = self._next(key, given)
                moved = moved or result[row] != given
                recent = self._recent
        return result, moved

    def move(self, key: bytes, time_us: int) -> int:
        """The event time to publish for one update."""
        with self._lock:
            return self._next(key, time_us)

    def _next(self, key: bytes, given: int) -> int:
        last = self._recent.get(key)
        if last is None:
            last = self._former.get(key)
            if len(self._recent) >= self._half:
                self._forget(key)
            if last is None:
                self._recent[key] = given
                return given
            self._recent[key] = last
        bumps = self._bumps
        if given > last:
            self._recent[key] = given
            bumps.pop(key, None)
            return given
        if given < last - bumps.get(key, 0):
            return given
        # As old as what was last given for the key, or amid the microseconds that ties were moved to.
        self._recent[key] = last + 1
        bumps[key] = last + 1 - given
        return last + 1

    def record(self, count: int, largest_us: int) -> None:
        """Note that `count` updates were queued, the largest event time among them being `largest_us`."""
        with self._lock:
            self._published += count
            if self._watermark_us is None or largest_us > self._watermark_us:
                self._watermark_us = largest_us

    def progress(self) -> tuple[int | None, int]:
        """(the largest event time queued so far, how many updates were)."""
        with self._lock:
            return self._watermark_us, self._published

    def _forget(self, current: bytes) -> None:
        """Let go of the older half; the key at hand is about to be remembered anew."""
        self._former, self._recent = self._recent, {}
        self._bumps = {k: bump for k, bump in self._bumps.items() if k in self._former or k == current}
