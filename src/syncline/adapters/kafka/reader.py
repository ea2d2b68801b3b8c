"""A Kafka consumer as a `LogReader`: explicit assignment, polls as columns, trouble as events."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

# Not the name in `confluent_kafka`: instrumented, each poll would make spans of its own.
from confluent_kafka.cimpl import Consumer

from syncline.adapters.kafka import batches
from syncline.adapters.kafka.errors import event_kind, raised, refused_settings
from syncline.adapters.kafka.lines import Lines
from syncline.errors import LogError
from syncline.ports import log as port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from syncline.adapters.kafka.settings import Properties

_GO_ROWS_MAX = 4_096
"""Rows taken in one go; what `max_bytes` may be passed by."""
_EVENTS_MAX = 100
_CLOSE_S_MAX = 1.0


class KafkaReader:
    """Reads assigned partitions. See `ports.log.LogReader`; not safe for use by two threads."""

    def __init__(self, properties: Properties, *, commits: bool) -> None:
        self._commits = commits
        self._next: dict[port.TopicPartition, int] = {}
        self._assigned: set[port.TopicPartition] = set()
        """What librdkafka has been told to read: what has stopped is among it."""
        self._at_end: set[port.TopicPartition] = set()
        self._grouping = batches.Grouping()
        self._broken_off = False
        self._closed = False
        # Callbacks hold the queue, not the reader: a forgotten reader is then freed at once, without a cycle.
        self._events: deque[port.LogEvent] = deque(maxlen=_EVENTS_MAX)
        callbacks: dict[str, Any] = {
            "logger": Lines(partial(_note_line, self._events)),
            "error_cb": partial(_note_error, self._events),
            "on_commit": partial(_note_commit, self._events),
        }
        try:
            self._consumer = Consumer({**properties, **callbacks})
        except KafkaException as error:
            raise refused_settings(error.args[0]) from None

    def assign(self, positions: Sequence[tuple[str, int, int]]) -> None:
        """See `LogReader.assign`.

        Only what differs is told to librdkafka: an assignment made anew throws away all that was fetched, and its next
        fetch waits behind one that is out already, for up to `fetch.wait.max.ms`. librdkafka gives each assignment of
        a partition a version and drops what was fetched under another one; `columns` drops by offset what might still
        slip through.
        """
        self._usable()
        before, wanted = self._next, {(topic, partition): offset for topic, partition, offset in positions}
        if len(wanted) != len(positions):
            raise LogError("a partition is assigned twice; give each (topic, partition) one next offset")
        self._next = wanted
        self._grouping.know([topic for topic, _, _ in positions])
        if self._broken_off:
            self._assign_again()
            return
        stays = {where for where in self._assigned & before.keys() if wanted.get(where) == before[where]}
        self._reassign(leaving=self._assigned - stays, joining=wanted.keys() - stays)

    def poll(self, max_rows: int, max_bytes: int, timeout_s: float, min_rows: int = 1) -> port.Batch:
        """See `LogReader.poll`. Also returns early on an event, and when the last partition ended."""
        self._usable()
        if self._broken_off:
            self._assign_again()
        try:
            messages, keys, notices = self._take(max_rows, max_bytes, timeout_s, min_rows)
        except BaseException:
            # Whatever was taken (or was lost inside the binding, as at Ctrl-C) is read again from `_next`.
            self._broken_off = True
            raise
        batch = batches.columns(messages, keys, self._grouping, self._next)
        for rows in batch.slices:
            where = (rows.topic, rows.partition)
            self._next[where] = rows.next_offset
            self._at_end.discard(where)
        self._sort_out(notices, batch)
        return batch

    def watermarks(self, topic: str, partition: int, timeout_s: float = 5.0) -> tuple[int, int]:
        """See `LogReader.watermarks`."""
        self._usable()
        where = TopicPartition(topic, partition)
        doing = f"asking for the offsets of {topic}[{partition}]"
        try:
            found = self._consumer.get_watermark_offsets(where, timeout=timeout_s, cached=False)
        except KafkaException as error:
            raise raised(error.args[0], doing) from None
        if found is None:
            raise raised(KafkaError(KafkaError._TIMED_OUT), doing)  # noqa: SLF001  # librdkafka's own code
        first, following = found
        return first, following

    def end_seen(self, topic: str, partition: int) -> int | None:
        """See `LogReader.end_seen`."""
        self._usable()
        try:
            found = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
        except KafkaException:
            return None
        return found[1] if found is not None and found[1] >= 0 else None

    def commit(self, positions: Mapping[port.TopicPartition, int]) -> None:
        """See `LogReader.commit`. What goes wrong comes as an event of a later poll.

        Raises:
            LogError: this reader was made without a group.
        """
        self._usable()
        if not self._commits:
            raise LogError("this reader has no group, so offsets cannot be committed; make it with `group=`")
        offsets = [
            TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()
        ]
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            _note_commit(self._events, error.args[0], ())

    def close(self) -> None:
        """See `LogReader.close`. Takes at most a second, whatever the brokers do."""
        if self._closed:
            return
        self._closed = True
        # librdkafka waits for outstanding commits, and those wait for a coordinator that may never come back.
        closing = threading.Thread(target=self._consumer.close, name="syncline-reader-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S_MAX)

    def _usable(self) -> None:
        if self._closed:
            raise LogError("this reader is closed; make another")

    def _reassign(
        self, *, leaving: AbstractSet[port.TopicPartition], joining: AbstractSet[port.TopicPartition]
    ) -> None:
        self._at_end -= leaving
        # Should librdkafka refuse, all of it is assigned anew at the next poll.
        self._broken_off = True
        try:
            if leaving:
                self._consumer.incremental_unassign([TopicPartition(*where) for where in sorted(leaving)])
            if joining:
                self._consumer.incremental_assign(
                    [TopicPartition(*where, self._next[where]) for where in sorted(joining)]
                )
        except KafkaException as error:
            raise raised(error.args[0], "assigning partitions") from None
        self._assigned = (self._assigned - leaving) | joining
        self._broken_off = False

    def _assign_again(self) -> None:
        self._at_end.clear()
        self._broken_off = False
        try:
            self._consumer.assign(
                [
                    TopicPartition(topic, partition, offset)
                    for (topic, partition), offset in self._next.items()
                ]
            )
        except KafkaException as error:
            raise raised(error.args[0], "assigning partitions") from None
        self._assigned = set(self._next)

    def _take(
        self, max_rows: int, max_bytes: int, timeout_s: float, min_rows: int
    ) -> tuple[list[Message], list[bytes | None], list[_Notice]]:
        """Records, their keys, and the messages that are none (errors and ends of partitions).

        `consume(n, t)` waits until n are there or t has passed: so one is waited for, and the others are
        taken with time-out 0.
        """
        consume = self._consumer.consume
        deadline_s = time.monotonic() + timeout_s
        messages: list[Message] = []
        keys: list[bytes | None] = []
        notices: list[_Notice] = []
        size, wait_s = 0, max(timeout_s, 0.0)
        while True:
            wanted = 1 if wait_s else _room(len(messages), size, max_rows=max_rows, max_bytes=max_bytes)
            got = consume(wanted, wait_s)
            count = len(got)
            if count:
                if any(map(batches.error_of, got)):
                    notices += [_Notice.of(message) for message in got if message.error() is not None]
                    got = [message for message in got if message.error() is None]
                messages += got
                got_keys = list(map(batches.key_of, got))
                keys += got_keys
                size += sum(map(len, got)) + sum(map(len, filter(None, got_keys)))
                if len(messages) >= max_rows or size >= max_bytes:
                    break
            if wait_s or count == wanted:
                if not count:
                    break
                wait_s = 0.0
                continue
            wait_s = deadline_s - time.monotonic()
            if len(messages) >= min_rows or wait_s <= 0 or self._nothing_to_wait_for(messages, notices):
                break
        return messages, keys, notices

    def _nothing_to_wait_for(self, messages: list[Message], notices: list[_Notice]) -> bool:
        if self._events or any(not notice.is_end for notice in notices):
            return True
        if not notices:
            return False
        at_end = self._at_end - {(message.topic(), message.partition()) for message in messages}
        return self._next.keys() <= at_end | {notice.where for notice in notices}

    def _sort_out(self, notices: list[_Notice], batch: port.Batch) -> None:
        """Put ends and events into the batch. An end that rows of this batch have passed already is none."""
        for notice in notices:
            if notice.is_end:
                if notice.where in self._next and notice.offset >= self._next[notice.where]:
                    self._at_end.add(notice.where)
                    batch.eof.append((*notice.where, notice.offset))
                continue
            kind = event_kind(notice.error)
            if kind is port.EventKind.OFFSET_OUT_OF_RANGE and self._next.pop(notice.where, None) is None:
                continue
            _note(self._events, port.LogEvent(kind, notice.error.str(), *notice.where))
        while self._events:
            batch.events.append(self._placed(self._events.popleft()))

    def _placed(self, event: port.LogEvent) -> port.LogEvent:
        """The event with its partition, where librdkafka tells a missing topic only in its text."""
        if event.kind is not port.EventKind.TOPIC_MISSING or event.topic is not None:
            return event
        for topic, partition in self._next:
            if event.message.startswith(f"{topic} [{partition}]:"):
                return replace(event, topic=topic, partition=partition)
        return event


@dataclass(frozen=True, slots=True)
class _Notice:
    """A message that is no record: the end of a partition, or an error."""

    error: KafkaError
    where: port.TopicPartition
    offset: int

    @classmethod
    def of(cls, message: Message) -> _Notice:
        return cls(
            cast("KafkaError", message.error()),
            (message.topic() or "", cast("int", message.partition())),
            cast("int", message.offset()),
        )

    @property
    def is_end(self) -> bool:
        return bool(self.error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001  # librdkafka's own code


def _room(rows: int, size: int, *, max_rows: int, max_bytes: int) -> int:
    """How many rows to take next, going by the mean size of those taken so far."""
    room = min(max_rows - rows, _GO_ROWS_MAX)
    if rows and size:
        room = min(room, (max_bytes - size) * rows // size + 1)
    return max(room, 1)


def _note(events: deque[port.LogEvent], event: port.LogEvent) -> None:
    if event not in events:
        events.append(event)


def _note_line(events: deque[port.LogEvent], line: str) -> None:
    if not line.startswith("FAIL "):  # the same comes as an error
        _note(events, port.LogEvent(port.EventKind.OTHER, line))


def _note_error(events: deque[port.LogEvent], error: KafkaError) -> None:
    _note(events, port.LogEvent(event_kind(error), error.str()))


def _note_commit(events: deque[port.LogEvent], error: KafkaError | None, positions: object) -> None:
    del positions
    if error is not None:
        _note(events, port.LogEvent(port.EventKind.OTHER, f"offsets were not committed: {error.str()}"))
