"""Histograms of columns: what a batch brings is counted at once, and single values cost an append."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from syncline.telemetry.forks import renew_in_child

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

_BUFFERED_MAX = 4_096
"""How many single values wait until `settle` counts them."""


class ColumnHistogram:
    """One histogram, in seconds. `add` and `add_many` take whole microseconds; safe for use by several threads."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        """`bounds_s` are the buckets' upper bounds, ascending, without infinity."""
        self._bounds_s = tuple(bounds_s)
        self._bounds_us = np.asarray([round(bound * 1_000_000) for bound in bounds_s], np.int64)
        self._counts = np.zeros(len(bounds_s) + 1, np.int64)
        """Of each bucket, the last being infinite: how many values are not above its bound."""
        self._sum_us = 0.0
        self._lock = threading.Lock()
        renew_in_child(self, "_lock")
        self._buffer: deque[int] = deque()
        self.append: Callable[[int], None] = self._buffer.append
        """One value, and nothing else: whoever takes this for `add` calls `settle` now and then."""
        self._exemplars: dict[int, Exemplar] = {}

    def add(self, us: int) -> None:
        """One value."""
        self._buffer.append(us)
        self.settle()

    def settle(self) -> None:
        """Count what single values wait: call it now and then."""
        if len(self._buffer) >= _BUFFERED_MAX:
            self._count_buffered()

    def add_many(self, us: npt.NDArray[np.int64]) -> None:
        """A column of values."""
        count = len(us)
        if not count:
            return
        # The values of a column lie in few buckets: counting those is ten times as fast as placing each value.
        first, last = self._bounds_us.searchsorted((us.min(), us.max())).tolist()
        below = [np.count_nonzero(us <= self._bounds_us[place]) for place in range(first, last)]
        # Years in µs, many times: more than 64 bits hold.
        total_us = float(us.sum(dtype=np.float64))
        with self._lock:
            self._counts[last:] += count
            self._counts[first:last] += np.asarray(below, np.int64)
            self._sum_us += total_us

    def add_same(self, us: int, count: int) -> None:
        """One value, so many times."""
        place = int(self._bounds_us.searchsorted(us))
        with self._lock:
            self._counts[place:] += count
            self._sum_us += float(us) * count

    def remember(self, us: int, trace_id: int) -> None:
        """That a value, which was added, belongs to this trace: the last one of each bucket is kept."""
        place = int(np.searchsorted(self._bounds_us, us, side="left"))
        self._exemplars[place] = Exemplar({"trace_id": f"{trace_id:032x}"}, us / 1_000_000, time.time())

    def buckets(self) -> tuple[list[tuple[str, float] | tuple[str, float, Exemplar]], float]:
        """((upper bound as text, count up to it, exemplar if any) …, sum in seconds), as Prometheus wants them."""
        self._count_buffered()
        with self._lock:
            counted, total_us = self._counts.tolist(), self._sum_us
        bounds = [*map(floatToGoString, self._bounds_s), "+Inf"]
        found: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for place, (bound, count) in enumerate(zip(bounds, counted, strict=True)):
            exemplar = self._exemplars.get(place)
            found.append((bound, count) if exemplar is None else (bound, count, exemplar))
        return found, total_us / 1_000_000

    def _count_buffered(self) -> None:
        buffer = self._buffer
        # As many as there are now: others go on appending, and one takes at a time.
        with self._lock:
            values = [buffer.popleft() for _ in range(len(buffer))]
        if values:
            self.add_many(np.asarray(values, np.int64))


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
