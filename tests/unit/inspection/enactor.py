"""A coordinator for tests of those who ask one: the shipped decisions, on a cluster in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from syncline.catalog.rollout_events import Claimed
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import SystemClock
from syncline.ports.log import Outcome
from syncline.rollout.step import Append, Mark, View
from syncline.rollout.steps import next_step
from syncline.telemetry.cut_reports import CoordinatorStatus
from syncline.telemetry.reports import Report, encode_report
from syncline.wire.control import Marker
from tests.unit.agent.world import CATALOG, REPORTS, Cluster


@dataclass
class Enactor:
    """Claims once, then enacts what was asked for."""

    cluster: Cluster
    name: str = "c1"
    partitions: int = 1
    claim: int = -1
    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)

    def enact(self) -> None:
        """Do everything that is to be done now."""
        clock = SystemClock()
        catalog = CatalogClient(self.cluster.log, CATALOG, clock=clock, client_id=self.name)
        try:
            picture = catalog.catch_up(5)
            if self.claim < 0:
                (self.claim,) = catalog.propose(
                    [Claimed(picture.coordination.last, self.name)], Author(self.name, "first")
                )
            while True:
                view = View(
                    catalog.picture,
                    self.claim,
                    clock.now_us(),
                    10_000_000,
                    lambda _topic: self.partitions,
                    self.acknowledged,
                )
                match next_step(view):
                    case Append(payload, reason):
                        catalog.propose([payload], Author(self.name, reason))
                    case Mark(cut, places):
                        for place in places:
                            self._mark(cut, place)
                        continue
                    case _:
                        return
                if catalog.picture.coordination.open_cut is None:
                    self.acknowledged.clear()
        finally:
            catalog.close()

    def report(
        self, *, waiting: tuple[str, ...] = (), state: str = "ACTIVE", at_us: int | None = None
    ) -> None:
        """Say that it is there."""
        now_us = SystemClock().now_us() if at_us is None else at_us
        status = CoordinatorStatus(self.name, now_us, state, "", self.claim, 0, waiting, 15_000_000)
        tell(self.cluster, status)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Enact what is asked for meanwhile, in a thread of its own, from the next catalog record on."""
        over = threading.Event()
        before = len(self.cluster.read(CATALOG))

        def run() -> None:
            while not over.is_set():
                if len(self.cluster.read(CATALOG)) > before:
                    self.enact()
                over.wait(0.005)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(10)

    def _mark(self, cut: int, place: tuple[str, int]) -> None:
        outcomes: list[Outcome] = []
        writer = self.cluster.log.writer(client_id=self.name)
        writer.append(
            place[0],
            key=Marker(cut).key(),
            value=None,
            headers=(),
            partition=place[1],
            on_outcome=outcomes.append,
        )
        writer.poll(0)
        offset = outcomes[0].offset
        assert offset is not None
        self.acknowledged[place] = offset


def tell(cluster: Cluster, report: Report) -> None:
    """Put a report into the reports topic."""
    outcomes: list[Outcome] = []
    writer = cluster.log.writer(client_id="tests")
    writer.append(
        REPORTS,
        key=b"tests",
        value=encode_report(report),
        headers=(),
        partition=0,
        on_outcome=outcomes.append,
    )
    writer.poll(0)
    assert outcomes
