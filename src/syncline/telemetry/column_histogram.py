"""Histograms of columns: what a batch brings is counted at once, and single values cost an append."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from syncline.telemetry.forks import renew_in_child

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

_T = TypeVar("_T")

WAITING_MAX = 16_384
COLUMNS_MAX = 256
"""How many values, and in how many columns, wait to be counted together: numpy's calls cost as much as some thousand
values do."""
_SINGLE_MAX = 4_096
"""How many single values wait until they are counted."""


class ColumnHistogram:
    """One histogram, in seconds, of values in whole microseconds; safe for use by several threads.

    A negative value counts as none: clocks of several machines are compared, and nothing takes less than no time.
    """

    def __init__(self, bounds_s: Sequence[float]) -> None:
        """`bounds_s` are the buckets' upper bounds, ascending, without infinity."""
        self._bounds_s = tuple(bounds_s)
        self._bounds_us = [round(bound * 1_000_000) for bound in bounds_s]
        self._counts = np.zeros(len(bounds_s) + 1, np.int64)
        """Of each bucket, the last being infinite: how many values are not above its bound."""
        self._sum_us = 0.0
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._buffer: deque[int] = deque()
        self._columns: deque[npt.NDArray[np.int64]] = deque()
        self._waiting = 0
        """About how many values wait in columns."""
        self._exemplars: dict[int, tuple[int, int, float]] = {}
        """Bucket → (trace id, µs, when)."""

    def add(self, us: int) -> None:
        """One value."""
        self._buffer.append(us)
        if len(self._buffer) >= _SINGLE_MAX:
            self._count_waiting()

    def add_many(self, us: npt.NDArray[np.int64]) -> None:
        """A column of values, which nobody changes afterwards."""
        self._columns.append(us)
        self._waiting += len(us)
        if self._waiting >= WAITING_MAX or len(self._columns) >= COLUMNS_MAX:
            self._count_waiting()

    def add_same(self, us: int, count: int) -> None:
        """One value, so many times."""
        us = max(0, us)
        place = bisect_left(self._bounds_us, us)
        with self._lock:
            self._counts[place:] += count
            self._sum_us += float(us) * count

    def remember(self, us: int, trace_id: int) -> None:
        """That a value, which was added, belongs to this trace: the last one of each bucket is kept."""
        us = max(0, us)
        self._exemplars[bisect_left(self._bounds_us, us)] = (trace_id, us, time.time())

    def buckets(self) -> tuple[list[tuple[str, float] | tuple[str, float, Exemplar]], float]:
        """((upper bound as text, count up to it, exemplar if any) …, sum in seconds), as Prometheus wants them."""
        self._count_waiting()
        with self._lock:
            counted, total_us = self._counts.tolist(), self._sum_us
        bounds = [*map(floatToGoString, self._bounds_s), "+Inf"]
        found: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for place, (bound, count) in enumerate(zip(bounds, counted, strict=True)):
            remembered = self._exemplars.get(place)
            if remembered is None:
                found.append((bound, count))
            else:
                trace_id, us, at_s = remembered
                found.append((bound, count, Exemplar({"trace_id": f"{trace_id:032x}"}, us / 1_000_000, at_s)))
        return found, total_us / 1_000_000

    def _count_waiting(self) -> None:
        self._waiting = 0
        single, columns = taken(self._buffer), taken(self._columns)
        if single:
            columns.append(np.asarray(single, np.int64))
        if columns:
            self._count(columns[0] if len(columns) == 1 else np.concatenate(columns))

    def _count(self, us: npt.NDArray[np.int64]) -> None:
        count = len(us)
        if not count:
            return
        least, most = int(np.minimum.reduce(us)), int(np.maximum.reduce(us))
        if least < 0:
            us, least, most = np.maximum(us, 0), 0, max(0, most)
        # The values of a column lie in few buckets: counting those is ten times as fast as placing each value.
        first, last = bisect_left(self._bounds_us, least), bisect_left(self._bounds_us, most)
        below = [np.count_nonzero(us <= self._bounds_us[place]) for place in range(first, last)]
        # Years in µs, many times: more than 64 bits hold.
        total_us = float(us.sum(dtype=np.float64))
        with self._lock:
            self._counts[last:] += count
            self._counts[first:last] += np.asarray(below, np.int64)
            self._sum_us += total_us


def taken(waiting: deque[_T]) -> list[_T]:
    """All that wait now, taken away: others may go on appending, or take at the same time, and each is had once."""
    found: list[_T] = []
    with suppress(IndexError):
        for _ in range(len(waiting)):
            found.append(waiting.popleft())  # noqa: PERF401  what was taken before it was empty is kept
    return found


class ColumnHistograms:
    """One `ColumnHistogram` per set of labels, under one name in a registry."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        bounds_s: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._bounds_s = tuple(bounds_s)
        self._children: dict[tuple[str, ...], ColumnHistogram] = {}
        registry.register(self)

    def labels(self, *values: str) -> ColumnHistogram:
        """The histogram of these labels, made when it is first asked for. Keep it: this looks it up."""
        child = self._children.get(values)
        if child is None:
            child = self._children.setdefault(values, ColumnHistogram(self._bounds_s))
        return child

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For the registry."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, child in sorted(self._children.items()):
            buckets, total = child.buckets()
            family.add_metric(values, buckets, total)
        return [family]

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """For the registry: what names this takes."""
        return [HistogramMetricFamily(self._name, self._documentation, labels=self._labels)]
