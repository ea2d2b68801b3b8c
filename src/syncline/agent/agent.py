"""The agent's loop. Decisions are pure functions that it calls; it owns the order in which things happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from syncline.agent.cursor import Cursor
from syncline.agent.dead_letter_office import DeadLetterOffice
from syncline.agent.identity import LogIdentity
from syncline.agent.ingest import Ingest
from syncline.agent.opening import open_cursors, require_identity
from syncline.agent.standing import Standing
from syncline.agent.states import AgentState
from syncline.catalog.serving import META_AGENT, META_SERVING, Serving, serve
from syncline.catalog_client import CatalogClient
from syncline.clock import Clock
from syncline.contracts.checks.tally import Tally
from syncline.errors import LogUnavailable, StoreFull, SynclineError, TopicMismatch, TopicMissing
from syncline.ports.log import EventKind, Log, LogEvent, LogReader, TopicPartition
from syncline.ports.store import Store
from syncline.schema_book import SchemaBook
from syncline.settings import AgentSettings
from syncline.state.partition import FOLD_VERSION
from syncline.telemetry.agent_events import AgentEvents
from syncline.telemetry.reports import AgentStatus, encode_report
from syncline.telemetry.violation_reports import OnAnswer, ViolationReports
from syncline.telemetry.violations import AGENT, Reporter
from syncline.wire.topics import Topics

RETRY_S = 1.0
"""How long the agent waits before it tries again what a broker refused."""
ASK_S = 1.0
"""How long the agent waits for one answer of a broker: told to stop meanwhile, it must end within two seconds."""
IDENTITY_CHECK_S = 30.0
"""How often the agent makes sure that its topics are still the same ones."""
IDENTITY_ASK_S = 0.4
"""How long it waits for that while it works; without an answer it goes on, and asks again in `IDENTITY_AGAIN_S`."""
IDENTITY_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What an agent works with."""

    log: Log
    store: Store
    clock: Clock


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
        self._consumer = consumer
        self._stopped = stopped
        self._wait = wait
        self.name = f"{consumer}/{settings.instance}"
        self._client_id = f"syncline-agent-{consumer}-{settings.instance}"
        self._topics = Topics(settings.prefix)
        self._events = AgentEvents(self.name)
        self._standing = Standing(self.name, store=ports.store, clock=ports.clock, events=self._events)
        self._catalog = CatalogClient(
            ports.log, self._topics.catalog, clock=ports.clock, client_id=self._client_id
        )
        self._book = SchemaBook()
        self._cursors: dict[TopicPartition, Cursor] = {}
        self._reader: LogReader | None = None
        self._writer = ports.log.writer(client_id=self._client_id)
        self._ingest = Ingest(
            store=ports.store,
            office=DeadLetterOffice(self._writer, stopped=stopped, wait=wait),
            events=self._events,
            agent=self.name,
            stopped=stopped,
            wait=wait,
            on_trouble=self._hold,
            on_turn=self._report_if_due,
            on_judged=self._count,
        )
        self._violations = ViolationReports(
            Reporter(AGENT, self.name, consumer),
            window_s=settings.violation_window_s,
            append=self._append_counts,
            on_trouble=self._events.violations_not_reported,
        )
        self._serving: Serving | None = None
        self._folded_to = -1
        self._report_due_s = 0.0
        self._identity_due_s = 0.0
        with ports.store.snapshot() as snapshot:
            serving = snapshot.meta(META_SERVING)
        self._served_topics = set(_topics(Serving.unpack(serving)).values()) if serving else set()
        """The topics of what the store's readers are told to read."""

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
            self._report()
            raise
        else:
            self._standing.become(AgentState.STOPPED, "it was asked to stop")
            self._report()
        finally:
            self.close()

    def step(self) -> int:
        """One turn of the loop: catalog, then one micro-batch, then the report if it is due. Returns rows read."""
        rows = 0
        try:
            if self._reader is None:
                self._start()
            if self._reader is not None:
                self._follow_catalog(0.0)
                rows = self._take_batch()
                self._check_identity()
        except LogUnavailable as error:
            self._events.log_unavailable(str(error))
            if self._reader is None:
                self._standing.become(AgentState.STARTING, str(error))
            self._wait(RETRY_S)
        except StoreFull as error:
            self._events.store_full(str(error))
            self._standing.become(AgentState.HOLDING, str(error))
            self._wait(RETRY_S)
        self._report_if_due()
        return rows

    def status(self) -> AgentStatus:
        """What this agent is doing, as it reports it."""
        serving = self._serving
        return AgentStatus(
            agent=self.name,
            consumer=self._consumer,
            reported_at_us=self._ports.clock.now_us(),
            state=str(self._standing.state),
            reason=self._standing.reason,
            bundle=serving.bundle if serving else "",
            release=serving.release if serving else None,
            epoch=serving.epoch if serving else None,
            catalog_offset=self._catalog.picture.next_offset,
            fold_version=FOLD_VERSION,
            applied_rows=self._events.applied_rows,
            dead_letters=self._events.dead_letters,
            partitions=tuple(cursor.status() for _, cursor in sorted(self._cursors.items())),
        )

    def close(self) -> None:
        """Release readers and writers; the store is the caller's. Bounded by the settings' stop time."""
        self._close_reader()
        self._catalog.close()
        self._violations.end(self._ports.clock.now_us())
        self._writer.close(self._settings.stop_timeout_s / 3)
        self._events.stopped(clean=self._standing.state is not AgentState.FAILED)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

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
        if self._serving is None:
            self._wait(RETRY_S)
            return
        views = _topics(self._serving)
        identity = self._require_identity(set(views.values()), ASK_S)
        self._cursors.clear()
        reader = self._ports.log.reader(client_id=self._client_id, group=self._client_id)
        try:
            for view, major in views:
                opened = open_cursors(
                    self._book.major(view, major),
                    reader=reader,
                    store=self._ports.store,
                    identity=identity,
                    timeout_s=ASK_S,
                )
                self._cursors.update({cursor.place: cursor for cursor in opened})
            self._standing.trimmed = any(cursor.state.head_trimmed for cursor in self._cursors.values())
        except BaseException:
            reader.close()
            raise
        self._reader = reader
        self._assign()
        self._standing.become(AgentState.CATCHING_UP, "")

    def _require_identity(self, topics: set[str], timeout_s: float) -> LogIdentity:
        # The catalog too: made again, it would give schema ids another meaning.
        ports, asked = self._ports, {*topics, self._topics.catalog}
        identity = require_identity(ports.log, ports.store, asked, timeout_s=timeout_s)
        self._identity_due_s = ports.clock.monotonic_s() + IDENTITY_CHECK_S
        return identity

    def _check_identity(self) -> None:
        now_s = self._ports.clock.monotonic_s()
        if now_s < self._identity_due_s:
            return
        self._identity_due_s = now_s + IDENTITY_AGAIN_S
        try:
            self._require_identity({topic for topic, _ in self._cursors}, IDENTITY_ASK_S)
        except LogUnavailable as error:
            # Nothing to hold for: while no broker answers nothing is read, and the reader goes on by itself.
            self._events.log_unavailable(str(error))

    # The catalog: what to serve, and which schema ids are known.

    def _follow_catalog(self, timeout_s: float) -> None:
        while self._catalog.poll(timeout_s):
            timeout_s = 0.0
        if self._catalog.picture.next_offset != self._folded_to:
            self._learn()
            self._folded_to = self._catalog.picture.next_offset
            self._retry_held()
            if self._serving is not None and not self._assigned(self._serving):
                # The consumer was declared anew, for a bundle with other topics: they are opened as at a start.
                self._close_reader()
                self._standing.become(
                    AgentState.STARTING, f"bundle {self._serving.bundle} has topics to be opened"
                )

    def _assigned(self, serving: Serving) -> bool:
        return set(_topics(serving).values()) <= {topic for topic, _ in self._cursors}

    def _learn(self) -> None:
        picture = self._catalog.picture
        self._book.learn(picture)
        declared = picture.subscriptions.get(self._consumer)
        if declared is None:
            self._standing.become(
                AgentState.STARTING,
                f"subscription {self._consumer} is not in the catalog: run `syncline apply`",
            )
            return
        releases = picture.releases[declared.payload.bundle]
        # The first release is simply active; the next ones are enacted at a cut, never by being there.
        serving = serve(picture, declared.payload, releases[0])
        if serving == self._serving:
            return
        topics = set(_topics(serving).values())
        if not topics <= self._served_topics:
            # Values of topics that were never read are not those of the log.
            self._standing.must_catch_up()
        self._ports.store.commit(
            [], {META_SERVING: serving.pack(), META_AGENT: self._standing.condition().pack()}
        )
        self._served_topics = topics
        if self._serving is None:
            self._events.release_active(serving.bundle, serving.release, serving.epoch)
        if len(releases) > serving.release:
            self._events.releases_waiting(serving.bundle, serving.release, len(releases))
        self._serving = serving

    def _retry_held(self) -> None:
        held = [cursor for cursor in self._cursors.values() if cursor.held]
        if held:
            for cursor in held:
                cursor.held = ""
                self._events.released(*cursor.place)
            self._assign()

    # The log: one micro-batch at a time.

    def _take_batch(self) -> int:
        if self._reader is None:
            return 0
        settings = self._settings
        batch = self._reader.poll(settings.batch_rows, settings.batch_bytes, settings.poll_timeout_s)
        for event in batch.events:
            self._heed(event)
        if len(batch):
            held = self._ingest.fold(batch, self._cursors, self._book)
            for cursor in held:
                self._events.held(*cursor.place, cursor.held)
            if held:
                # While they are still assigned: a partition that is held is behind, and nothing tells its end later.
                self._look_at_ends()
                self._assign()
        folded_to = {(cut.topic, cut.partition): cut.next_offset for cut in batch.slices}
        for topic, partition, end in batch.eof:
            reached = self._cursors.get((topic, partition))
            if reached is not None and not reached.held:
                reached.end_offset = end
                if (
                    end
                    > reached.state.next_offset
                    == folded_to.get((topic, partition), reached.state.next_offset)
                ):
                    # What stands between is no record for us (a transaction's marker): pass it with the next commit.
                    reached.state = replace(reached.state, next_offset=end)
        self._settle()
        return len(batch)

    def _heed(self, event: LogEvent) -> None:
        match event.kind:
            case EventKind.UNAVAILABLE:
                self._events.log_unavailable(event.message)
            case EventKind.OFFSET_OUT_OF_RANGE | EventKind.TOPIC_MISSING:
                raise TopicMismatch(
                    f"{event.topic} partition {event.partition} cannot be read on: {event.message}. Nothing was "
                    "skipped. Start this agent with an empty store folder once the topic is there"
                )
            case EventKind.FATAL:
                self._events.reader_rebuilt(event.message)
                if self._reader is not None:
                    self._reader.close()
                self._reader = self._ports.log.reader(client_id=self._client_id, group=self._client_id)
                self._assign()
            case EventKind.OTHER:
                self._events.log_unavailable(event.message)

    def _assign(self) -> None:
        if self._reader is not None:
            self._reader.assign(
                [
                    (topic, partition, cursor.state.next_offset)
                    for (topic, partition), cursor in sorted(self._cursors.items())
                    if not cursor.held
                ]
            )

    # What the agent says of itself.

    def _settle(self) -> None:
        """Which state all of this amounts to."""
        held = [cursor.held for cursor in self._cursors.values() if cursor.held]
        trimmed = sorted(cursor.major.topic for cursor in self._cursors.values() if cursor.state.head_trimmed)
        if self._ingest.trouble:
            self._standing.become(AgentState.HOLDING, self._ingest.trouble)
        elif held:
            self._standing.become(AgentState.HOLDING, held[0])
        elif trimmed:
            self._standing.become(
                AgentState.HOLDING,
                f"the beginning of {trimmed[0]} is gone, so the values cannot be proven: start from a snapshot",
            )
        elif all(cursor.caught_up for cursor in self._cursors.values()):
            self._standing.become(AgentState.LIVE, "")
        else:
            self._standing.become(AgentState.CATCHING_UP, "")

    def _hold(self, reason: str) -> None:
        """Nothing can be committed for now: say so while it lasts."""
        self._standing.become(AgentState.HOLDING, reason)
        self._report_if_due()

    def _count(self, tally: Tally) -> None:
        self._events.judged(tally)
        self._violations.count(tally, self._ports.clock.now_us())

    def _append_counts(self, key: bytes, value: bytes, on_answer: OnAnswer) -> None:
        self._writer.append(
            self._topics.reports,
            key=key,
            value=value,
            on_outcome=lambda outcome: on_answer(outcome.trouble),
        )

    def _report_if_due(self) -> None:
        if self._violations.send(self._ports.clock.now_us()):
            self._writer.poll(0.0)
        if self._ports.clock.monotonic_s() >= self._report_due_s:
            self._report()

    def _report(self) -> None:
        """Status to the reports topic, offsets to the lag tools: best effort, the store knows better."""
        self._report_due_s = self._ports.clock.monotonic_s() + self._settings.report_interval_s
        self._standing.save()
        self._look_at_ends()
        try:
            self._writer.append(
                self._topics.reports, key=self.name.encode(), value=encode_report(self.status())
            )
        except (BufferError, LogUnavailable, TopicMissing) as error:
            self._events.log_unavailable(f"the status was not reported: {error}")
        self._writer.poll(0.0)
        if self._reader is not None:
            self._reader.commit({place: cursor.state.next_offset for place, cursor in self._cursors.items()})

    def _look_at_ends(self) -> None:
        # An agent that is behind meets no end of a partition, and its lag is asked for most of all then.
        if self._reader is None:
            return
        for place, cursor in self._cursors.items():
            end = self._reader.end_seen(*place)
            if end is not None:
                cursor.end_offset = end


def _topics(serving: Serving) -> dict[tuple[str, int], str]:
    """(view, MAJOR) → topic."""
    return {(view.view, view.major): view.topic for view in serving.views}
