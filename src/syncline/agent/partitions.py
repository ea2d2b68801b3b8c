"""The partitions that an agent reads: opened from the store's positions, assigned while they go on, dropped at last."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from syncline.agent.opening import forget_topics, noted_topics, open_cursors, require_identity
from syncline.errors import LogUnavailable, TopicMismatch, TopicMissing

if TYPE_CHECKING:
    from syncline.agent.cursor import Cursor
    from syncline.agent.releases import Majors
    from syncline.clock import Clock
    from syncline.ports.log import Batch, Log, LogReader, TopicPartition
    from syncline.ports.store import Store
    from syncline.schema_book import SchemaBook
    from syncline.telemetry.agent_events import AgentEvents

IDENTITY_CHECK_S = 30.0
"""How often the agent makes sure that its topics are still the same ones."""
IDENTITY_ASK_S = 0.4
"""How long it waits for that while it works; without an answer it goes on, and asks again in `IDENTITY_AGAIN_S`."""
IDENTITY_AGAIN_S = 5.0


class Partitions:
    """The cursors of one agent and the reader that follows them."""

    def __init__(
        self,
        log: Log,
        store: Store,
        book: SchemaBook,
        *,
        client_id: str,
        catalog_topic: str,
        events: AgentEvents,
        clock: Clock,
    ) -> None:
        self._log = log
        self._store = store
        self._book = book
        self._client_id = client_id
        self._catalog_topic = catalog_topic
        self._events = events
        self._clock = clock
        self._identity_due_s = 0.0
        self.reader: LogReader | None = None
        self.cursors: dict[TopicPartition, Cursor] = {}

    @property
    def topics(self) -> set[str]:
        """The topics that are open."""
        return {topic for topic, _ in self.cursors}

    def require_same_log(self, timeout_s: float) -> None:
        """Make sure that this is the cluster, and the catalog, that the store belongs to.

        Raises:
            TopicMismatch: it is not.
            LogUnavailable: no broker answered in time.
        """
        require_identity(self._log, self._store, {self._catalog_topic}, timeout_s=timeout_s)

    def stored_topics(self) -> set[str]:
        """The topics that the store has something of."""
        with self._store.snapshot() as snapshot:
            return {topic for topic, _ in snapshot.partitions()}

    def connect(self) -> LogReader:
        """A reader, made if there is none."""
        if self.reader is None:
            self.reader = self._log.reader(client_id=self._client_id, group=self._client_id)
        return self.reader

    def open(self, majors: Majors, timeout_s: float) -> None:
        """Open what of these is not open yet. Reading goes on at the next `assign`.

        Raises:
            TopicMismatch: a topic or a position is not what the store says.
            TopicMissing: a topic is gone.
            LogUnavailable: no broker answered in time.
        """
        missing = {major: topic for major, topic in majors.items() if topic not in self.topics}
        if not missing:
            return
        # The catalog too: made again, it would give schema ids another meaning.
        identity = require_identity(
            self._log, self._store, {*missing.values(), self._catalog_topic}, timeout_s=timeout_s
        )
        reader = self.connect()
        opened: list[Cursor] = []
        for view, number in missing:
            opened += open_cursors(
                self._book.major(view, number),
                reader=reader,
                store=self._store,
                identity=identity,
                timeout_s=timeout_s,
            )
        self.cursors.update({cursor.place: cursor for cursor in opened})

    def leave(self, topics: set[str]) -> None:
        """Read these topics no more; the store keeps them. Takes effect at the next `assign`."""
        for place in [place for place in self.cursors if place[0] in topics]:
            del self.cursors[place]

    def drop(self, topics: set[str]) -> None:
        """Forget these topics, in the store too, as far as they are there."""
        gone = (self.stored_topics() | noted_topics(self._store) | self.topics) & topics
        if not gone:
            return
        for place in [place for place in self.cursors if place[0] in gone]:
            del self.cursors[place]
        # Not read any more before it is forgotten: what was fetched already must not bring it back.
        self.assign()
        forget_topics(self._store, gone)
        self._events.topics_dropped(sorted(gone))

    def assign(self) -> None:
        """Read on what goes on, each from its position."""
        if self.reader is not None:
            self.reader.assign(
                [
                    (topic, partition, cursor.state.next_offset)
                    for (topic, partition), cursor in sorted(self.cursors.items())
                    if cursor.goes_on
                ]
            )

    def poll(self, max_rows: int, max_bytes: int, timeout_s: float) -> Batch:
        """The next batch."""
        return self.connect().poll(max_rows, max_bytes, timeout_s)

    def rebuild(self) -> None:
        """Throw the reader away, and go on with a new one."""
        self.close()
        self.connect()
        self.assign()

    def commit(self) -> None:
        """Tell the lag tools where this agent is."""
        if self.reader is not None:
            began_us = self._clock.now_us()
            self.reader.commit({place: cursor.state.next_offset for place, cursor in self.cursors.items()})
            self._events.offsets_committed(began_us, took_us=self._clock.now_us() - began_us)

    def check_identity(self, served: Collection[str]) -> dict[str, str]:
        """From time to time, make sure that the topics are still the same ones.

        Returns:
            topic → what is wrong with it, of those that are not `served`.

        Raises:
            TopicMismatch: one that is served is another one, or the catalog is.
            TopicMissing: one that is served is gone.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._identity_due_s:
            return {}
        self._identity_due_s = now_s + IDENTITY_AGAIN_S
        wrong: dict[str, str] = {}
        try:
            asked = {*(self.topics & set(served)), self._catalog_topic}
            require_identity(self._log, self._store, asked, timeout_s=IDENTITY_ASK_S)
            for topic in sorted(self.topics - set(served)):
                try:
                    require_identity(self._log, self._store, {topic}, timeout_s=IDENTITY_ASK_S)
                except (TopicMismatch, TopicMissing) as error:
                    wrong[topic] = str(error)
        except LogUnavailable as error:
            # Nothing to hold for: while no broker answers nothing is read, and the reader goes on by itself.
            self._events.log_unavailable(str(error))
        else:
            self._identity_due_s = now_s + IDENTITY_CHECK_S
        return wrong

    def watermarks(self, majors: Majors, timeout_s: float) -> dict[TopicPartition, tuple[int, int]]:
        """(first, end) of every partition of these topics that exists.

        Raises:
            LogUnavailable: no broker answered in time.
        """
        reader, found = self.connect(), {}
        for (view, number), topic in majors.items():
            try:
                for partition in range(self._book.major(view, number).partitions):
                    found[topic, partition] = reader.watermarks(topic, partition, timeout_s)
            except (TopicMissing, TopicMismatch):
                continue
        return found

    def look_at_ends(self) -> None:
        """Take in the log's ends as the broker's last answers gave them."""
        # An agent that is behind meets no end of a partition, and its lag is asked for most of all then.
        if self.reader is None:
            return
        for place, cursor in self.cursors.items():
            end = self.reader.end_seen(*place)
            if end is not None:
                cursor.end_offset = end

    def close(self) -> None:
        """Release the reader; cursors stay. Idempotent."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None
