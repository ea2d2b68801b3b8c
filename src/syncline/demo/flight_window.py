"""What happened to one thing lately: a sliding window over events that may come late."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

_KEEP_MIN = 3 * 1_440
_TRIM_AT = 4_096


class FlightWindow:
    """Counts and sums of whole-number values over the last minutes before any moment of the last days.

    A late event takes its place in the past, so an answer for an earlier moment stays possible. Memory is
    bounded: what is more than three days older than the newest event is forgotten from time to time.
    """

    __slots__ = ("_sums", "_times")

    def __init__(self) -> None:
        self._times: list[int] = []
        self._sums: list[int] = [0]
        """Entry i is the sum of the values before time i, so a range is one subtraction, and exact."""

    def add(self, at_min: int, value: int) -> None:
        """Take one event into account; events at the same minute are all kept."""
        times, sums = self._times, self._sums
        if not times or at_min >= times[-1]:
            times.append(at_min)
            sums.append(sums[-1] + value)
        else:
            place = bisect_right(times, at_min)
            times.insert(place, at_min)
            sums.insert(place, sums[place])
            for later in range(place + 1, len(sums)):
                sums[later] += value
        if len(times) >= _TRIM_AT:
            self._forget(before_min=times[-1] - _KEEP_MIN)

    def over(self, at_min: int, *, last_min: int) -> tuple[int, int]:
        """How many events, and the sum of their values, after `at_min - last_min` and up to `at_min`."""
        times = self._times
        first = bisect_right(times, at_min - last_min)
        end = bisect_right(times, at_min, first)
        return end - first, self._sums[end] - self._sums[first]

    def mean(self, at_min: int, *, last_min: int) -> tuple[int, float | None]:
        """How many events, and the mean of their values (None where there are none). Range as in `over`."""
        count, total = self.over(at_min, last_min=last_min)
        return count, total / count if count else None

    def latest(self, at_min: int) -> int | None:
        """The time of the last event up to `at_min`, or None."""
        end = bisect_right(self._times, at_min)
        return self._times[end - 1] if end else None

    def __len__(self) -> int:
        """How many events are remembered."""
        return len(self._times)

    def _forget(self, *, before_min: int) -> None:
        count = bisect_left(self._times, before_min)
        del self._times[:count]
        del self._sums[:count]
