"""The coordinator's loop. What to do next is a pure function (rollout/steps.py); this does it, and reads it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from syncline.catalog.coordination import Rollout
from syncline.catalog.coordination_rules import why_void_record
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import Claimed, Coordinated, CutAborted, CutCommitted
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import Clock
from syncline.coordinator.claiming import Claiming
from syncline.coordinator.hearing import Hearing
from syncline.coordinator.markers import Markers
from syncline.coordinator.partition_counts import PartitionCounts
from syncline.coordinator.standing import Standing
from syncline.coordinator.states import CoordinatorState
from syncline.errors import CatalogError, LogError, LogUnavailable, SynclineError, TopicMissing
from syncline.ports.log import Log
from syncline.rollout.step import Append, Lost, Mark, View, Wait
from syncline.rollout.steps import next_step
from syncline.settings import CoordinatorSettings
from syncline.telemetry.coordinator_events import CoordinatorEvents
from syncline.telemetry.coordinator_metrics import CoordinatorMetrics
from syncline.telemetry.coordinator_spans import CoordinatorSpans
from syncline.telemetry.cut_reports import CoordinatorStatus
from syncline.telemetry.metrics import metrics_in
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import Topics

RETRY_S = 1.0
"""How long the coordinator waits before it tries again what a broker refused."""
AGAIN_S = 0.25
"""How long it waits after a record whose outcome is not known, before it looks what became of it."""
ASK_S = 1.0
"""How long it waits for one answer of a broker: told to stop meanwhile, it must end within two seconds."""
RECORD_S = 5.0
"""How long one record may take to be acknowledged, and as long again to be read back."""
IDLE_S = 0.1
"""How long it waits for news of the catalog while there is nothing to do."""
MARKERS_S = 0.02
"""How long it waits for an acknowledgement of a marker before it looks at everything else."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a coordinator works with."""

    log: Log
    clock: Clock
    telemetry: Telemetry | None = None
    """What it counts in and traces with; None: counts that nobody reads, and no spans."""


class Coordinator:
    """One coordinator: `step` it, or `run` it until it is told to stop. Not safe for use by two threads."""

    def __init__(
        self,
        ports: Ports,
        *,
        settings: CoordinatorSettings,
        stopped: Callable[[], bool],
        wait: Callable[[float], object],
    ) -> None:
        """`stopped` says whether to end; `wait` sleeps up to so many seconds, and less when told to end."""
        self._ports = ports
        self._settings = settings
        self._stopped = stopped
        self._wait = wait
        self.name = settings.coordinator
        self._topics = Topics(settings.prefix)
        self._client_id = f"syncline-coordinator-{self.name}"
        registry = CollectorRegistry() if ports.telemetry is None else ports.telemetry.registry
        metrics = CoordinatorMetrics(metrics_in(registry))
        tracing = None if ports.telemetry is None else ports.telemetry.tracing
        spans = None if tracing is None else CoordinatorSpans(tracing, client_id=self._client_id)
        self._events = CoordinatorEvents(self.name, metrics=metrics, spans=spans)
        self._writer = ports.log.writer(client_id=self._client_id)
        self._standing = Standing(settings, writer=self._writer, clock=ports.clock, events=self._events)
        self._markers = Markers(self._writer, coordinator=self.name, clock=ports.clock, events=self._events)
        self._partition_counts = PartitionCounts()
        self._catalog = self._new_catalog()
        self._hearing = self._new_hearing()
        self._claiming = Claiming(self.name, takeover_after_s=settings.takeover_after_s)
        metrics.follow(
            state=lambda: self._standing.state, states=tuple(CoordinatorState), rollouts=self._open_rollouts
        )
        self._in_doubt = False
        """Whether a record may have landed that was not read back."""

    def run(self) -> None:
        """Work until told to stop; returns after a clean end.

        Raises:
            SynclineError: the coordinator has FAILED; the message says why and what to do.
        """
        try:
            while not self._stopped():
                self.step()
            self._let_go()
        except Exception as error:
            said = str(error)
            if not isinstance(error, SynclineError):
                said = f"unexpected {type(error).__name__}: {said}"
            self._standing.become(CoordinatorState.FAILED, said)
            self._standing.report(self.status())
            raise
        else:
            self._standing.become(CoordinatorState.STOPPED, "it was asked to stop")
            self._standing.report(self.status())
        finally:
            self.close()

    def step(self) -> None:
        """One turn of the loop: what is new in catalog and reports, then one thing to do, then the report if due.

        Raises:
            UnknownFormat: a newer Syncline writes this catalog.
            CatalogLost: what was read before is not there any more.
            CatalogError: another coordinator of this name is running.
        """
        try:
            if self._standing.state is CoordinatorState.STARTING:
                self._start()
            else:
                self._follow()
                if self._standing.state is CoordinatorState.ACTIVE:
                    self._decide()
                else:
                    self._stand_by()
        except TopicMissing as error:
            self._start_over(str(error))
        except LogUnavailable as error:
            self._events.log_unavailable(str(error))
            self._hearing.interrupted()
            if self._standing.state is CoordinatorState.STARTING:
                self._standing.become(CoordinatorState.STARTING, str(error))
            self._wait(RETRY_S)
        if self._standing.is_due:
            self._standing.report(self.status())

    def status(self) -> CoordinatorStatus:
        """What this coordinator is doing, as it reports it."""
        return self._standing.status(
            claim=self._claiming.held, catalog_offset=self._catalog.picture.next_offset
        )

    def close(self) -> None:
        """Release readers and writers. Bounded by the settings' stop time."""
        self._catalog.close()
        self._hearing.close()
        self._writer.close(self._settings.stop_timeout_s / 3)
        self._events.stopped(clean=self._standing.state is not CoordinatorState.FAILED)
        if self._ports.telemetry is not None:
            self._ports.telemetry.close(self._settings.stop_timeout_s / 3)

    def _open_rollouts(self) -> list[Rollout]:
        """Every rollout that is not final."""
        return [
            rollout
            for rollouts in list(self._catalog.picture.coordination.rollouts.values())
            for rollout in rollouts
            if rollout.outcome is None
        ]

    # Starting: both topics to their ends, before anything is decided.

    def _start(self) -> None:
        self._catalog.catch_up(ASK_S)
        self._hearing.catch_up(ASK_S)
        self._claiming.begin(self._catalog.picture.coordination)
        self._standing.become(CoordinatorState.STANDBY, "it has just begun to listen")

    def _start_over(self, reason: str) -> None:
        """The catalog, or the reports, are not there (any more): nothing that was read counts."""
        self._catalog.close()
        self._hearing.close()
        self._catalog, self._hearing = self._new_catalog(), self._new_hearing()
        self._claiming.lose()
        self._standing.become(
            CoordinatorState.STARTING, f"catalog or reports are missing: run `syncline apply` ({reason})"
        )
        self._wait(RETRY_S)

    def _follow(self) -> None:
        """Everything that has arrived."""
        if self._in_doubt:
            self._catalog.catch_up(ASK_S)
            self._in_doubt = False
        while self._catalog.poll():
            pass
        self._hearing.poll()
        if not self._hearing.is_open:
            # Something was missed: nothing is decided before the fleet is known again.
            self._hearing.catch_up(ASK_S)
        if self._claiming.look(self._catalog.picture.coordination):
            self._hearing.note(self._catalog.picture.coordination.holder)

    # Standing by, and taking over.

    def _stand_by(self) -> None:
        why = self._why_claim()
        if why:
            # One that slept has heard nothing, whoever spoke: only the end of the reports tells.
            self._hearing.catch_up(ASK_S)
            why = self._why_claim()
        if not why:
            holder = self._catalog.picture.coordination.holder
            self._standing.become(CoordinatorState.STANDBY, f"{holder} is live")
            self._catalog.poll(IDLE_S)
            return
        self._claiming.attempt()
        offset = self._record(Append(Claimed(self._catalog.picture.coordination.last, self.name), why))
        if offset is not None and offset == self._catalog.picture.coordination.claim:
            self._claiming.take(offset)
            self._standing.become(CoordinatorState.ACTIVE, "")

    def _why_claim(self) -> str:
        return self._claiming.why(self._catalog.picture.coordination, self._hearing)

    # Deciding: one thing at a time, and nothing is believed but what was read back.

    def _decide(self) -> None:
        picture = self._catalog.picture
        step = next_step(self._view(picture))
        match step:
            case Lost():
                self._lose(step.holder)
            case Append():
                why_void = why_void_record(picture.coordination, step.payload, picture.topics_of)
                if why_void:
                    # Written, it would be written again and again.
                    self._idle((self._told_of(step.payload, f"{step.payload.subject}: {why_void}"),))
                else:
                    self._record(step)
            case Mark():
                self._markers.write(step.cut, step.places)
                self._markers.await_outcomes(MARKERS_S)
            case Wait():
                self._idle(step.reasons)

    def _view(self, picture: Picture) -> View:
        held = self._claiming.held
        return View(
            picture=picture,
            claim=-1 if held is None else held,
            now_us=self._ports.clock.now_us(),
            prepare_timeout_us=round(self._settings.prepare_timeout_s * 1_000_000),
            partitions_of=lambda topic: self._partition_counts.of(picture, topic),
            acknowledged=self._markers.acknowledged(picture.coordination.open_cut),
            fleet=self._hearing.fleet(),
        )

    def _record(self, step: Append) -> int | None:
        """Append one record and read it back; its offset where it counts."""
        kind, subject = type(step.payload).__name__, step.payload.subject
        self._in_doubt = True
        try:
            landed = self._catalog.record(
                step.payload, Author(self.name, step.reason), RECORD_S, stopped=self._stopped
            )
        except TopicMissing:
            raise
        except (LogError, BufferError) as error:
            # What was refused for good is tried again, too: it may be a right that is missing.
            self._events.decision_unresolved(kind, subject, str(error))
            self._standing.waiting = (self._told_of(step.payload, f"{kind} about {subject}: {error}"),)
            self._wait(AGAIN_S)
            return None
        self._in_doubt = False
        if landed.void is not None:
            self._events.decision_void(kind, subject, landed.offset, landed.void)
            return None
        self._events.decided(step.payload, landed.offset, step.reason)
        return landed.offset

    def _told_of(self, payload: Coordinated, reason: str) -> str:
        """The reason as it is told to whoever asks about the record's bundle: it begins with its name."""
        match payload:
            case Claimed():
                return reason
            case CutCommitted() | CutAborted():
                cut = self._catalog.picture.coordination.cuts.get(payload.cut)
                return reason if cut is None else f"{cut.prepared.bundle}: {reason}"
            case _:
                return f"{payload.bundle}: {reason}"

    def _idle(self, reasons: tuple[str, ...]) -> None:
        self._standing.wait_for(reasons)
        self._writer.poll(0.0)
        self._catalog.poll(IDLE_S)

    def _lose(self, holder: str) -> None:
        was = self._claiming.held
        self._claiming.lose()
        self._events.claim_lost(holder)
        if holder == self.name:
            raise CatalogError(
                f"another coordinator named {holder} has claimed after this one did (at catalog offset {was}): each "
                "needs a name of its own (SYNCLINE_COORDINATOR)"
            )
        self._standing.waiting = ()
        self._standing.become(CoordinatorState.STANDBY, f"{holder} took over")

    def _let_go(self) -> None:
        """Told to stop: leave no cut open, as nobody would write its markers."""
        limit_s = self._settings.stop_timeout_s / 3
        try:
            if self._in_doubt:
                self._catalog.catch_up(limit_s)
            standing = self._catalog.picture.coordination
            if standing.claim == self._claiming.held and standing.open_cut is not None:
                aborted = CutAborted(standing.last, standing.claim, standing.open_cut)
                author = Author(self.name, "its coordinator was asked to stop")
                landed = self._catalog.record(aborted, author, limit_s)
                if landed.void is None:
                    self._events.decided(aborted, landed.offset, author.reason)
        except (LogError, BufferError) as error:
            self._events.log_unavailable(f"an open cut was not aborted: {error}")

    def _new_catalog(self) -> CatalogClient:
        catalog = CatalogClient(
            self._ports.log, self._topics.catalog, clock=self._ports.clock, client_id=self._client_id
        )
        catalog.prepare_to_write()
        return catalog

    def _new_hearing(self) -> Hearing:
        return Hearing(
            self._ports.log,
            self._topics.reports,
            clock=self._ports.clock,
            client_id=self._client_id,
            memory_s=self._settings.fleet_memory_s,
            events=self._events,
        )
