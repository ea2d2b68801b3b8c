"""Counted violations on their way to the reports topic: best effort, and in nobody's way."""

from __future__ import annotations

from collections.abc import Callable

from syncline.contracts.checks.tally import Tally
from syncline.telemetry.reports import encode_report
from syncline.telemetry.violations import Reporter, ViolationWindows

OnAnswer = Callable[[str | None], None]
"""Hears why a report was not taken; None if it was."""


class ViolationReports:
    """Counts what one reporter judged, and sends each window once it is over. `send` and `end` belong to one thread.

    Nothing is raised for a report that cannot be sent: it is given up, and the reason is told once, until a report is
    taken again. A report that finds the queue full waits for the next `send`.
    """

    def __init__(
        self,
        reporter: Reporter,
        *,
        window_s: float,
        append: Callable[[bytes, bytes, OnAnswer], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        """`append` queues a record of this key and value, and may raise; its answer comes later.

        `on_trouble` hears why reports are lost.
        """
        self._key = reporter.name.encode()
        self._windows = ViolationWindows(reporter, window_us=max(1, round(window_s * 1_000_000)))
        self._append = append
        self._on_trouble = on_trouble
        self.trouble = ""
        """Why the last report was lost; empty when it was not."""

    @property
    def totals(self) -> Tally:
        """All that was counted since this was made."""
        return self._windows.totals

    def count(self, tally: Tally, now_us: int) -> None:
        """Count what was judged just now. From any thread."""
        self._windows.add(tally, now_us)

    def count_kept(self, view_version: str, rows: int, now_us: int) -> None:
        """Count rows that broke nothing. From any thread."""
        self._windows.add_kept(view_version, rows, now_us)

    def send(self, now_us: int) -> int:
        """Queue the windows that are over; returns how many were queued."""
        sent = 0
        while (counts := self._windows.next_finished(now_us)) is not None:
            try:
                self._append(self._key, encode_report(counts), self._heed)
            except BufferError:
                break
            except Exception as error:  # noqa: BLE001  whatever is wrong with a report must not stop what it reports of
                self._heed(str(error))
            else:
                sent += 1
            self._windows.drop(counts)
        return sent

    def end(self, now_us: int) -> int:
        """Queue the window at hand as well, which ends now."""
        self._windows.end(now_us)
        return self.send(now_us)

    def _heed(self, reason: str | None) -> None:
        if reason is None:
            self.trouble = ""
            return
        if not self.trouble:
            self._on_trouble(reason)
        self.trouble = reason
