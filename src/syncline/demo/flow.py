"""The streaming job once it has caught up: flights keep flowing, and it changes what it writes while they do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from syncline.demo.airport_versions import AIRPORT_VIEW, FIRST_VERSION, VERSIONS
from syncline.demo.flight_job import MINUTE_US, Row
from syncline.demo.flights import VIEWS

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from syncline.demo.flights import UpdateBatch
    from syncline.wiring import Publisher

RATE = 500
"""Updates a second at first. It falls with what is left: flights still flow where a slow machine needs longer."""
_STOP_S = 60.0


class Told:
    """What the job has said of each airport, as version 1.0 says it: the truth that model inputs are held to."""

    def __init__(self) -> None:
        self.newest: dict[str, Row] = {}
        self._rows: dict[tuple[str, int], tuple[Row, ...]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """They are about to be published. All of one minute are kept: which of them wins is the log's matter."""
        for row in rows:
            place = (row["airport"], row["event_time"] // MINUTE_US)
            self._rows[place] = (*self._rows.get(place, ()), row)
            known = self.newest.get(row["airport"])
            if known is None or row["event_time"] >= known["event_time"]:
                self.newest[row["airport"]] = row

    def forget_the_past(self) -> None:
        """Keep of each airport only its newest minute: nobody reads what came before it."""
        places = {(code, row["event_time"] // MINUTE_US) for code, row in self.newest.items()}
        self._rows = {place: rows for place, rows in self._rows.items() if place in places}

    def of(self, airport: str, event_time_us: int) -> tuple[Row, ...]:
        """What was said of the airport at that minute; empty where nothing was."""
        return self._rows.get((airport, event_time_us // MINUTE_US), ())


class Flow:
    """Publishes batch after batch at a steady rate, in a thread of its own. Use as a context manager.

    `write` changes the versions that airports are written in, from the next batch on. `finish` publishes what is left
    without waiting. What went wrong in the thread is raised by `require_flowing` and `finish`.
    """

    def __init__(
        self, publisher: Publisher, batches: Iterator[UpdateBatch], told: Told, *, total: int
    ) -> None:
        self._publisher = publisher
        self._batches = batches
        self._told = told
        self._total = total
        self._versions: tuple[str, ...] = (FIRST_VERSION,)
        self._views = {view: publisher.view(view) for view in (*VIEWS, FIRST_VERSION) if view != AIRPORT_VIEW}
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._between_batches = threading.Lock()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="syncline-demo-flow", daemon=True)
        self.sent = 0
        """Updates published so far."""

    def __enter__(self) -> Self:
        """Start flowing."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, wherever it is."""
        self._stop.set()
        self._hurry.set()
        self._thread.join(_STOP_S)

    def write(self, *versions: str) -> None:
        """Write airports in these versions from now on. A version of a topic that is new gets what stands, first."""
        with self._between_batches:
            for version in versions:
                view = self._views[version] = self._publisher.view(version)
                if _major(version) not in map(_major, self._versions):
                    view.publish_many([VERSIONS[version](row) for row in self._told.newest.values()])
            self._publisher.flush()
            self._versions = versions

    def require_flowing(self) -> None:
        """Make sure that flights still flow.

        Raises:
            SynclineError: publishing failed; what failed is the cause of this.
        """
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Publish the rest at once, and wait until all of it is acknowledged."""
        self._hurry.set()
        self._thread.join()
        self.require_flowing()
        self._publisher.flush()

    def _run(self) -> None:
        try:
            self._publish()
        except Exception as error:  # noqa: BLE001  # it is raised where somebody looks
            self._error = error

    def _publish(self) -> None:
        for batch in self._batches:
            if self._stop.is_set():
                return
            with self._between_batches:
                self._publish_batch(batch)
            self.sent += len(batch.rows)
            left = max(self._total - self.sent, 1)
            self._hurry.wait(len(batch.rows) / (RATE * left / self._total))

    def _publish_batch(self, batch: UpdateBatch) -> None:
        if batch.view != AIRPORT_VIEW:
            self._views[batch.view].publish_many(batch.rows)
            return
        self._told.add(batch.rows)
        for version in self._versions:
            self._views[version].publish_many([VERSIONS[version](row) for row in batch.rows])


def _major(version: str) -> str:
    return version.partition(".")[0]
