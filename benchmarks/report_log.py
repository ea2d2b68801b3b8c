"""Everything that agents and coordinators report from a moment on, with the moment at which each was sent."""

from __future__ import annotations

from typing import TypeVar

from syncline.ports.log import Log
from syncline.telemetry.reports import Report, decode_report

R = TypeVar("R")
_ASK_S = 15.0


class ReportLog:
    """Follows a reports topic from its beginning."""

    def __init__(self, log: Log, topic: str) -> None:
        """The topic exists."""
        described = log.describe_topic(topic, _ASK_S)
        if described is None:
            raise AssertionError("the definitions were applied")
        self._reader = log.reader(client_id="bench-reports")
        self._reader.assign([(topic, partition, 0) for partition in range(described.partitions)])
        self._said: list[tuple[int, Report]] = []

    def poll(self, timeout_s: float) -> None:
        """Take what has arrived, waiting up to `timeout_s` for the first."""
        batch = self._reader.poll(5_000, 16_000_000, timeout_s)
        for at_ms, value in zip(batch.timestamps_ms.tolist(), batch.values, strict=True):
            self._said.append((at_ms, decode_report(value)))

    def of(self, kind: type[R]) -> list[tuple[int, R]]:
        """(when it was sent, in milliseconds since the epoch; the report) of all of one kind."""
        return [(at_ms, report) for at_ms, report in self._said if isinstance(report, kind)]

    def close(self) -> None:
        """Release the reader."""
        self._reader.close()
