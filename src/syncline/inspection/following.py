"""Follows the reports topic from near its end, for as long as somebody watches."""

from __future__ import annotations

import time

from syncline.errors import LogUnavailable
from syncline.inspection.fleet import ReportCollector, Reports
from syncline.ports.log import Log, LogReader

_TIMEOUT_S = 30.0
_WAIT_S = 0.2
_ROWS = 5_000
_BYTES = 16_000_000
_LAST = 300
"""How many offsets of each partition are looked at to begin with: what agents said in the last minutes."""


class ReportFollower:
    """What was reported lately, and all that comes. A topic that is missing has no reports: they are best effort."""

    def __init__(self, log: Log, topic: str, *, last: int = _LAST) -> None:
        """Begin `last` offsets before the end of each partition."""
        self._topic = topic
        self._collector = ReportCollector()
        self._reader: LogReader | None = None
        self._behind: dict[int, int] = {}
        """Partition → its end when we began, as long as that is not reached."""
        described = log.describe_topic(topic, _TIMEOUT_S)
        if described is None:
            return
        self._reader = log.reader(client_id="syncline-reports")
        positions = []
        for partition in range(described.partitions):
            first, end = self._reader.watermarks(topic, partition, _TIMEOUT_S)
            begin = max(first, end - last)
            positions.append((topic, partition, begin))
            if begin < end:
                self._behind[partition] = end
        self._reader.assign(positions)

    def poll(self) -> Reports:
        """Take what has arrived: the first time all that stood there when we began, then without waiting.

        Raises:
            LogUnavailable: nothing came for 30 s although reports stand there.
        """
        deadline_s = time.monotonic() + _TIMEOUT_S
        while self._reader is not None:
            rows = self._take(self._reader, _WAIT_S if self._behind else 0.0)
            if rows:
                deadline_s = time.monotonic() + _TIMEOUT_S
            elif not self._behind:
                break
            elif time.monotonic() > deadline_s:
                raise LogUnavailable(
                    f"nothing came from {self._topic} for {_TIMEOUT_S:g} s; check the brokers"
                )
        return self._collector.reports()

    def _take(self, reader: LogReader, wait_s: float) -> int:
        batch = reader.poll(_ROWS, _BYTES, wait_s)
        for value in batch.values:
            self._collector.take(value)
        reached = [(rows.partition, rows.next_offset) for rows in batch.slices]
        reached += [(partition, offset) for _, partition, offset in batch.eof]
        for partition, offset in reached:
            if offset >= self._behind.get(partition, offset + 1):
                del self._behind[partition]
        return len(batch)

    def close(self) -> None:
        """Release the reader. Idempotent."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
