"""A coordinator as a process of its own that kills, or stops, itself at one of its writes: `python -m … AT HOW`.

What `syncline coordinator` runs, but for its writers; settings come from the environment. HOW is `killed`: right after
the write is in the log, or `stopped`: right before it, to be woken up with SIGCONT.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from syncline.clock import SystemClock
from syncline.coordinator.coordinator import Coordinator, Ports
from syncline.ports.log import LogWriter, Outcome
from syncline.settings import CoordinatorSettings
from syncline.telemetry.logging import configure_logging
from syncline.wire.topics import Topics
from syncline.wiring import open_log


class CountingLog:
    """Hands out writers that count all writes together, reports left out."""

    def __init__(self, log: Any, *, reports: str, at: int, how: str) -> None:
        self._log = log
        self.reports = reports
        self.left = at
        self.how = how

    def writer(self, *, client_id: str) -> Any:
        """See `Log.writer`."""
        return CountingWriter(self._log.writer(client_id=client_id), self)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the log's own."""
        return getattr(self._log, name)


class CountingWriter:
    """See `CountingLog`."""

    def __init__(self, writer: LogWriter, log: CountingLog) -> None:
        self._writer = writer
        self._log = log

    def append(self, topic: str, **stated: Any) -> None:
        """See `LogWriter.append`."""
        if topic != self._log.reports:
            self._log.left -= 1
            if self._log.left == 0 and self._log.how == "killed":
                self._append_and_die(topic, stated)
            if self._log.left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
        self._writer.append(topic, **stated)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the writer's own."""
        return getattr(self._writer, name)

    def _append_and_die(self, topic: str, stated: dict[str, Any]) -> None:
        outcomes: list[Outcome] = []
        self._writer.append(topic, **{**stated, "on_outcome": outcomes.append})
        while not outcomes:
            self._writer.flush(1)
        os.kill(os.getpid(), signal.SIGKILL)


def main(at: int, how: str) -> None:
    """Run it until SIGTERM."""
    settings = CoordinatorSettings.load()
    configure_logging("info")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log: Any = CountingLog(open_log(settings), reports=Topics(settings.prefix).reports, at=at, how=how)
    Coordinator(Ports(log, SystemClock()), settings=settings, stopped=stop.is_set, wait=stop.wait).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
