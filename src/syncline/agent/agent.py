"""The agent's loop. Decisions are pure functions that it calls; it owns the order in which things happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from syncline.agent.cursor import Cursor
from syncline.agent.dead_letter_office import DeadLetterOffice
from syncline.agent.enacting import Enacting
from syncline.agent.ingest import Ingest
from syncline.agent.markers import Markers
from syncline.agent.partitions import Partitions
from syncline.agent.proofs import Proofs
from syncline.agent.reporting import Reporting
from syncline.agent.restoring import Restoring
from syncline.agent.standing import Standing
from syncline.agent.states import AgentState
from syncline.agent.warming import Warming
from syncline.catalog.enactment import Member
from syncline.catalog_client import CatalogClient
from syncline.clock import Clock
from syncline.errors import (
    CatalogLost,
    LogUnavailable,
    SnapshotError,
    StoreFull,
    SynclineError,
    TopicMismatch,
    TopicMissing,
)
from syncline.ports.log import Batch, EventKind, Log, LogEvent
from syncline.ports.snapshots import SnapshotStore
from syncline.ports.store import Store
from syncline.schema_book import SchemaBook
from syncline.settings import AgentSettings
from syncline.telemetry.agent_events import AgentEvents
from syncline.telemetry.agent_metrics import AgentMetrics
from syncline.telemetry.agent_spans import AgentSpans
from syncline.telemetry.attention import Attention
from syncline.telemetry.metrics import metrics_in
from syncline.telemetry.reports import AgentStatus
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import Topics

RETRY_S = 1.0
"""How long the agent waits before it tries again what a broker refused."""
ASK_S = 1.0
"""How long the agent waits for one answer of a broker: told to stop meanwhile, it must end within two seconds."""
STANDING_POLL_S = 0.005
"""How long it waits for records while partitions stand at a marker: what lets them go on comes by the catalog."""
HOLDING_AFTER_S = 1.0
"""How long partitions stand for a cut before the agent calls it HOLDING: a cut is no trouble by itself."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What an agent works with."""

    log: Log
    store: Store
    clock: Clock
    snapshots: SnapshotStore | None = None
    """Where a new store begins from; None: from the log's beginning."""
    telemetry: Telemetry | None = None
    """What it counts in and traces with; None: counts that nobody reads, and no spans."""


class Agent:
    """One agent: `step` it, or `run` it until it is told to stop. Not safe for use by two threads."""

    def __init__(
        self,
        ports: Ports,
        *,
        settings: AgentSettings,
        consumer: str,
        stopped: Callable[[], bool],
        wait: Callable[[float], object],
    ) -> None:
        """`stopped` says whether to end; `wait` sleeps up to so many seconds, and less when told to end."""
        self._ports = ports
        self._settings = settings
        self._stopped = stopped
        self._wait = wait
        member = Member(consumer, settings.instance)
        self.name = f"{consumer}/{settings.instance}"
        client_id = f"syncline-agent-{consumer}-{settings.instance}"
        self._topics = Topics(settings.prefix)
        registry = CollectorRegistry() if ports.telemetry is None else ports.telemetry.registry
        metrics = AgentMetrics(metrics_in(registry), group=client_id)
        tracing = None if ports.telemetry is None else ports.telemetry.tracing
        spans = None if tracing is None else AgentSpans(tracing, group=client_id, client_id=client_id)
        self._events = AgentEvents(self.name, metrics=metrics, spans=spans)
        self._attention = Attention()
        self._standing = Standing(self.name, store=ports.store, clock=ports.clock, events=self._events)
        self._catalog = CatalogClient(ports.log, self._topics.catalog, clock=ports.clock, client_id=client_id)
        self._book = SchemaBook()
        self._writer = ports.log.writer(client_id=client_id)
        self._partitions = Partitions(
            ports.log,
            ports.store,
            self._book,
            client_id=client_id,
            catalog_topic=self._topics.catalog,
            events=self._events,
            clock=ports.clock,
        )
        self._enacting = Enacting(
            member,
            store=ports.store,
            clock=ports.clock,
            book=self._book,
            standing=self._standing,
            events=self._events,
            alignment_limit_s=settings.alignment_limit_s,
        )
        self._warming = Warming(
            ports.log,
            ports.clock,
            partitions=self._partitions,
            enacting=self._enacting,
            standing=self._standing,
            ask_s=ASK_S,
            can_restore=lambda majors: self._restoring.has_one(
                self._partitions, majors, catalog_topic=self._topics.catalog, timeout_s=ASK_S
            ),
        )
        self._reporting = Reporting(
            self.name,
            consumer,
            topic=self._topics.reports,
            settings=settings,
            writer=self._writer,
            clock=ports.clock,
            catalog=self._catalog,
            partitions=self._partitions,
            enacting=self._enacting,
            standing=self._standing,
            events=self._events,
        )
        proofs = Proofs(agent=self.name, consumer=consumer, store=ports.store, clock=ports.clock)
        self._markers = Markers(self._enacting, proofs, ports.clock, self._events)
        self._restoring = Restoring(
            ports.log,
            ports.store,
            ports.snapshots,
            ports.clock,
            self._standing,
            self._events,
            settings.snapshot_interval_s,
        )
        self._ingest = Ingest(
            store=ports.store,
            office=DeadLetterOffice(self._writer, stopped=stopped, wait=wait),
            events=self._events,
            spans=spans,
            clock=ports.clock,
            agent=self.name,
            markers=self._markers,
            stopped=stopped,
            wait=wait,
            on_trouble=self._hold,
            on_turn=self._reporting.report_if_due,
            on_judged=self._reporting.count,
        )
        metrics.follow(
            self.status, states=tuple(AgentState), totals=self._reporting.totals, now_us=ports.clock.now_us
        )
        self._started = False
        self._folded_to = -1
        self._resynced_for = ""
        """Why the store was filled anew last, until it is LIVE again."""

    def run(self) -> None:
        """Work until told to stop; returns after a clean end.

        Raises:
            SynclineError: the agent has FAILED; the message says why and what to do.
        """
        try:
            while not self._stopped():
                self.step()
        except Exception as error:
            # A fault of ours is a failure like any other to those who look at the fleet.
            said = str(error)
            if not isinstance(error, SynclineError):
                said = f"unexpected {type(error).__name__}: {said}"
            self._standing.become(AgentState.FAILED, said)
            self._reporting.report()
            raise
        else:
            self._standing.become(AgentState.STOPPED, "it was asked to stop")
            self._reporting.report()
        finally:
            self.close()

    def step(self) -> int:
        """One turn of the loop: catalog, cuts, one micro-batch, then the report if it is due. Returns rows read."""
        rows = 0
        try:
            if not self._started:
                self._start()
            if self._started:
                self._follow_catalog()
                self._enact()
                rows = self._take_batch()
                for topic, why in self._partitions.check_identity(self._enacting.needed_topics).items():
                    self._warming.lose(topic, why)
                if not any(cursor.stand for cursor in self._partitions.cursors.values()):
                    self._restoring.take_if_due()
        except LogUnavailable as error:
            self._events.log_unavailable(str(error))
            if not self._started:
                self._standing.become(AgentState.STARTING, str(error))
            self._wait(RETRY_S)
        except StoreFull as error:
            self._events.store_full(str(error))
            self._standing.become(AgentState.HOLDING, str(error))
            self._wait(RETRY_S)
        except SnapshotError as error:
            self._events.snapshot_failed(str(error))
            self._standing.become(AgentState.RESTORING, str(error))
            self._wait(RETRY_S)
        except TopicMismatch as error:
            self._resync(error)
        self._reporting.report_if_due()
        return rows

    def status(self) -> AgentStatus:
        """What this agent is doing, as it reports it."""
        return self._reporting.status()

    def close(self) -> None:
        """Release readers and writers; the store is the caller's. Bounded by the settings' stop time."""
        self._partitions.close()
        self._catalog.close()
        self._reporting.end()
        self._writer.close(self._settings.stop_timeout_s / 3)
        self._events.stopped(clean=self._standing.state is not AgentState.FAILED)
        if self._ports.telemetry is not None:
            self._ports.telemetry.close(self._settings.stop_timeout_s / 3)

    @property
    def _served(self) -> frozenset[str]:
        """The topics of what is served."""
        serving = self._enacting.serving
        return frozenset() if serving is None else serving.topics

    # Starting: rule 1 of log.md. The catalog first; no feature record before that.

    def _start(self) -> None:
        try:
            self._catalog.catch_up(ASK_S)
        except TopicMissing:
            self._standing.become(
                AgentState.STARTING, f"{self._topics.catalog} does not exist yet: run `syncline apply`"
            )
            self._wait(RETRY_S)
            return
        self._learn()
        if self._enacting.undeclared or self._enacting.serving is None:
            self._standing.become(AgentState.STARTING, self._enacting.undeclared)
            self._wait(RETRY_S)
            return
        if self._restoring.is_needed():
            self._restoring.restore(
                self._partitions,
                self._warming.to_restore(),
                begin_anew=self._enacting.begin_anew,
                catalog_topic=self._topics.catalog,
                timeout_s=ASK_S,
            )
            self._learn()
        if self._enacting.alignment.queue:
            # What was decided while it was away comes first: it lags until then.
            self._standing.must_catch_up()
        self._warming.open_topics()
        self._started = True
        self._partitions.assign()
        self._standing.become(AgentState.CATCHING_UP, "")
        self._reporting.tell_again(self._ports.store)

    def _resync(self, error: TopicMismatch) -> None:
        """The store does not belong to the log any more: never a silent jump (P6)."""
        if self._ports.snapshots is None or isinstance(error, CatalogLost):
            # No snapshot has decisions: filled anew, it would stand where it stands now.
            raise error
        if self._resynced_for == str(error):
            # It was filled anew for this very reason, and has not been LIVE since: no snapshot mends it.
            raise error
        self._resynced_for = str(error)
        self._events.resync(str(error))
        # At once: while no broker answers, readers must not take the store for what it was.
        self._standing.must_catch_up()
        self._standing.become(AgentState.RESYNC, str(error))
        self._restoring.resync = str(error)
        self._partitions.close()
        self._partitions.cursors.clear()
        self._started = False

    # The catalog: what to serve, what to enact, and which schema ids are known.

    def _follow_catalog(self) -> None:
        while self._catalog.poll(0.0):
            pass
        if self._catalog.picture.next_offset != self._folded_to:
            self._learn()
            self._warming.must_look()
        if not self._warming.is_due or self._enacting.serving is None:
            return
        # Nothing is enacted before what it needs is open, however long a broker is away.
        changed = self._warming.open_topics()
        for cursor in self._partitions.cursors.values():
            if cursor.held:
                cursor.held, changed = "", True
                self._events.released(*cursor.place)
        if changed:
            self._partitions.assign()

    def _learn(self) -> None:
        picture = self._catalog.picture
        self._book.learn(picture)
        self._markers.learn(picture)
        before = self._enacting.serving
        self._enacting.learn(picture)
        serving = self._enacting.serving
        if self._started and serving is not None and before is not None and serving.bundle != before.bundle:
            # The consumer was declared anew, for another bundle.
            self._standing.become(AgentState.STARTING, f"bundle {serving.bundle} has topics to be opened")
        # At last: what could not be written for want of room is to be learned again.
        self._folded_to = picture.next_offset

    def _enact(self) -> None:
        """Give up what was held for too long, enact what is ready, and let go what stood for it."""
        now_s = self._ports.clock.monotonic_s()
        alignment = self._enacting.alignment
        for cut in alignment.give_up(now_s):
            bundle = self._enacting.serving.bundle if self._enacting.serving else ""
            self._events.cut_given_up(bundle, cut, limit_s=self._settings.alignment_limit_s)
        epoch = self._enacting.serving.epoch if self._enacting.serving else None
        for reached in self._enacting.enact_what_is_ready(self._partitions.cursors):
            self._reporting.tell_until_heard(reached)
        changed = self._enacting.serving is not None and self._enacting.serving.epoch != epoch
        if changed:
            self._warming.open_topics()
        for cursor in self._partitions.cursors.values():
            if cursor.stand is not None:
                cursor.stand = self._markers.stand_at(
                    cursor.place, offset=cursor.stand.offset, cut=cursor.stand.cut
                )
                changed |= cursor.stand is None
        if changed:
            self._partitions.assign()
        for proof in self._markers.proven:
            self._reporting.tell(proof)
        self._markers.proven.clear()
        # After the proofs: whoever reads that an audit was passed has read them all.
        for reached in self._markers.audits_passed(self._partitions.cursors):
            self._reporting.tell_until_heard(reached)

    # The log: one micro-batch at a time.

    def _take_batch(self) -> int:
        settings = self._settings
        cursors = self._partitions.cursors
        stands = any(cursor.stand for cursor in cursors.values())
        timeout_s = min(settings.poll_timeout_s, STANDING_POLL_S) if stands else settings.poll_timeout_s
        began_us = self._ports.clock.now_us()
        batch = self._partitions.poll(settings.batch_rows, settings.batch_bytes, timeout_s)
        self._attention.polled(began_us, self._ports.clock.now_us(), round(timeout_s * 1_000_000))
        self._events.polled(batch, self._attention)
        if len(batch) or batch.eof:
            self._reporting.heard()
        for event in batch.events:
            self._heed(event)
        if len(batch):
            stopped = self._ingest.fold(batch, cursors, self._book, self._attention)
            for cursor in stopped:
                if cursor.held:
                    self._events.held(*cursor.place, cursor.held, offset=cursor.state.next_offset)
            if stopped:
                # While they are still assigned: a partition that stops is behind, and nothing tells its end later.
                self._partitions.look_at_ends()
                self._partitions.assign()
        self._note_ends(batch)
        self._settle()
        return len(batch)

    def _note_ends(self, batch: Batch) -> None:
        folded_to = {(cut.topic, cut.partition): cut.next_offset for cut in batch.slices}
        for topic, partition, end in batch.eof:
            reached = self._partitions.cursors.get((topic, partition))
            if reached is None or not reached.goes_on:
                continue
            reached.end_offset = end
            position = reached.state.next_offset
            if end > position == folded_to.get((topic, partition), position):
                # What stands between is no record for us (a transaction's marker): pass it with the next commit.
                reached.state = replace(reached.state, next_offset=end)

    def _heed(self, event: LogEvent) -> None:
        match event.kind:
            case EventKind.UNAVAILABLE:
                self._events.log_unavailable(event.message)
            case EventKind.OFFSET_OUT_OF_RANGE | EventKind.TOPIC_MISSING:
                where = f"{event.topic} partition {event.partition}"
                why = f"{where} cannot be read on: {event.message}. Nothing was skipped"
                if event.topic and event.topic not in self._enacting.needed_topics:
                    self._warming.lose(event.topic, why)
                    return
                raise TopicMismatch(
                    f"{why}. Start this agent with an empty store folder once the topic is there"
                )
            case EventKind.FATAL:
                self._events.reader_rebuilt(event.message)
                self._partitions.rebuild()
            case EventKind.OTHER:
                self._events.log_unavailable(event.message)

    # What the agent says of itself.

    def _settle(self) -> None:
        """Which state all of this amounts to."""
        if not any(cursor.goes_on and not cursor.at_end for cursor in self._partitions.cursors.values()):
            # What could not be committed is not to be read any more.
            self._ingest.trouble = ""
        why = self._why_holding()
        cursors = self._partitions.cursors.values()
        behind = [cursor for cursor in cursors if cursor.major.topic in self._served and not cursor.caught_up]
        if why:
            self._standing.become(AgentState.HOLDING, why)
        elif (
            behind
            or self._served - self._partitions.topics
            or (self._enacting.alignment.queue and not self._standing.caught_up)
        ):
            self._standing.become(AgentState.CATCHING_UP, "")
        else:
            self._standing.become(AgentState.LIVE, "")
            self._resynced_for = ""

    def _why_holding(self) -> str:
        cursors = [cursor for _, cursor in sorted(self._partitions.cursors.items())]
        if self._ingest.trouble:
            return self._ingest.trouble
        for cursor in cursors:
            if cursor.held:
                return cursor.held
        if self._standing.trimmed:
            trimmed = next(cursor.major.topic for cursor in cursors if cursor.state.head_trimmed)
            return (
                f"the beginning of {trimmed} is gone, so the values cannot be proven: start from a snapshot"
            )
        if self._enacting.undeclared:
            return self._enacting.undeclared
        return self._standing.refuses or self._enacting.blocked() or self._why_standing(cursors)

    def _why_standing(self, cursors: list[Cursor]) -> str:
        now_s = self._ports.clock.monotonic_s()
        for cursor in cursors:
            if cursor.stand is not None:
                since_s = self._enacting.alignment.held_since_s(cursor.stand.cut)
                if since_s is not None and now_s - since_s >= HOLDING_AFTER_S:
                    return cursor.stand.reason
        return ""

    def _hold(self, reason: str) -> None:
        """Nothing can be committed for now: say so while it lasts."""
        self._standing.become(AgentState.HOLDING, reason)
        self._reporting.report_if_due()
