"""A coordinator, agents and a publisher, each a process as it ships, and the cuts that are made among them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from benchmarks.cluster import apply_definitions
from benchmarks.flights import BUNDLE, CONSUMER, release_files
from benchmarks.processes import Processes, as_json
from benchmarks.report_log import ReportLog
from benchmarks.run import Run
from syncline.catalog.coordination import Ruling
from syncline.catalog.events import Payload
from syncline.catalog.rollout_events import RolloutAction, RolloutMode, RolloutRequested
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import SystemClock
from syncline.settings import ConnectionSettings
from syncline.telemetry.cut_reports import CoordinatorStatus, CutReached
from syncline.telemetry.reports import AgentStatus
from syncline.wire.topics import Topics
from syncline.wiring import open_log

T = TypeVar("T")
PATIENCE_S = 120.0
_AUTHOR = Author("benchmarks", "a run")


@dataclass(frozen=True, slots=True)
class Enacted:
    """One cut that all agents have enacted."""

    ruling: Ruling
    reports: tuple[tuple[int, CutReached], ...]
    """(when it was sent, in milliseconds since the epoch; the report) of every agent, once it had switched."""


class Fleet:
    """A context: all agents are live inside, release 1 is served, and release 2 stands in the catalog."""

    def __init__(self, run: Run, subject: str, *, agents: int) -> None:
        """Logs and stores come into a folder of this name; what an earlier run left there goes."""
        self.place = run.place_of(subject)
        self.folder = run.folder / subject
        self._settings = {"SYNCLINE_REPORT_INTERVAL_S": str(run.sizes.report_interval_s)}
        self.instances = [f"a{number}" for number in range(agents)]
        self._until = ExitStack()

    def __enter__(self) -> Self:
        """Start everything but a publisher."""
        with ExitStack() as until:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            apply_definitions(self.place, release_files(1))
            topics = Topics(self.place.prefix)
            self.log = open_log(ConnectionSettings.load(**self.place.settings()))
            self.catalog = CatalogClient(self.log, topics.catalog, clock=SystemClock(), client_id="bench")
            until.callback(self.catalog.close)
            self.reports = ReportLog(self.log, topics.reports)
            until.callback(self.reports.close)
            self.processes = Processes(self.place, self.folder, until, self._settings)
            self.processes.start("coordinator", "syncline", "coordinator", "--name", "bench")
            for name in self.instances:
                store = str(self.store_of(name))
                arguments = ["--subscription", CONSUMER, "--store", store, "--instance", name]
                self.processes.start(name, "syncline", "agent", *arguments)
            self.await_that(self.all_live, "all agents are live, and a coordinator is")
            apply_definitions(self.place, release_files(2))
            self._until = until.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self._until.__exit__(kind, error, trace)

    def store_of(self, instance: str) -> Path:
        """The folder of an agent's store."""
        return self.folder / f"store-{instance}"

    def publish(self, rows_per_s: int) -> None:
        """Begin to publish at this rate; the first rows are in the log."""
        self.processes.start("load", "benchmarks.load", as_json(self.place), str(rows_per_s), piped=True)

    def ask(self, payload: Payload) -> int:
        """Put a request into the catalog; its offset."""
        self.catalog.catch_up(15.0)
        landed = self.catalog.record(payload, _AUTHOR)
        if landed.void is not None:
            raise AssertionError(landed.void)
        return landed.offset

    def cut(self) -> Enacted:
        """Change the release at a cut, from 1 to 2 or back, and wait until every agent has, and all is settled."""
        self.catalog.catch_up(15.0)
        is_live = self.catalog.picture.coordination.under_way(BUNDLE) is not None
        action = RolloutAction.ROLLBACK if is_live else RolloutAction.START
        # A rollback names the rollout's own releases, too: from where it came, to where it went.
        source, target = (2, 1) if is_live else (1, 2)
        request = self.ask(RolloutRequested(BUNDLE, action, source, target, mode=RolloutMode.CUT))

        def decided() -> Ruling | None:
            found = self.catalog.picture.coordination.rulings.get(BUNDLE, ())
            return found[-1] if found and found[-1].epoch > request else None

        ruling = self.await_that(decided, f"a cut to release {target} is committed")

        def enacted() -> tuple[tuple[int, CutReached], ...] | None:
            found = [
                (at_ms, report) for at_ms, report in self.reports.of(CutReached) if report.cut == ruling.cut
            ]
            return tuple(found) if len({report.agent for _, report in found}) == len(self.instances) else None

        def settled() -> bool:
            rollout = self.catalog.picture.coordination.under_way(BUNDLE)
            return rollout is None if is_live else rollout is not None and bool(rollout.step)

        reached = self.await_that(enacted, f"all agents enact the cut {ruling.cut}")
        self.await_that(settled, "the rollout goes on")
        return Enacted(ruling, reached)

    def await_that(self, found: Callable[[], T | None], what: str) -> T:
        """What `found` gives in the end; catalog and reports are followed meanwhile."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (result := found()):
            if time.monotonic() > deadline_s:
                raise TimeoutError(
                    f"it did not come about within {PATIENCE_S:.0f} s that {what}: {self.folder}"
                )
            self.processes.require_running()
            self.catalog.poll(0.0)
            self.reports.poll(0.01)
        return result

    def all_live(self) -> bool:
        """Whether every agent has said that it is live, and a coordinator that it is active."""
        live = {report.agent for _, report in self.reports.of(AgentStatus) if report.state == "LIVE"}
        active = any(report.state == "ACTIVE" for _, report in self.reports.of(CoordinatorStatus))
        return len(live) == len(self.instances) and active

    def published(self) -> float:
        """End publishing; how many rows a second it was."""
        told = json.loads(self.processes.finish("load"))
        return float(told["rows"] / told["seconds"])
