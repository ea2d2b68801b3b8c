"""A log in this process's memory, with Kafka's semantics: for tests and simulations."""

from __future__ import annotations

import random
import threading
import uuid
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from syncline.clock import Clock, SystemClock
from syncline.errors import LogError, LogUnavailable, TopicMismatch, TopicMissing
from syncline.ports.log import (
    Batch,
    EventKind,
    Headers,
    LogEvent,
    Outcome,
    OutcomeKind,
    Slice,
    TopicDescription,
    TopicPartition,
    TopicSpec,
)
from syncline.wire.keys import partition_for

OnOutcome = Callable[[Outcome], None]

_QUEUE_MAX = 500_000
_WAIT_S_MAX = 0.01
"""A waiting poll looks again after this long at most, as a `ManualClock` does not wake it."""


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True)
class _Partition:
    first: int = 0
    following: int = 0
    records: list[_Record] = field(default_factory=list)


@dataclass(slots=True)
class _Topic:
    topic_id: str
    config: Mapping[str, str]
    partitions: list[_Partition]


class MemoryLog:
    """A whole cluster. Every record is stamped with the clock when it is appended (LogAppendTime).

    Safe for use by several threads; each reader and writer belongs to one.
    """

    def __init__(self, clock: Clock | None = None, *, brokers: int = 1) -> None:
        self.available = True
        """False: no broker answers. Appends wait, polls bring an event, questions raise."""
        self.committed: dict[str, dict[TopicPartition, int]] = {}
        """Next offsets that readers committed, by group."""
        self._clock = clock or SystemClock()
        self._brokers = brokers
        self._cluster_id = uuid.uuid4().hex
        self._topics: dict[str, _Topic] = {}
        self._to_fail: deque[OutcomeKind] = deque()
        self._changed = threading.Condition(threading.RLock())

    def reader(self, *, client_id: str, group: str | None = None) -> MemoryReader:
        """See `Log.reader`."""
        del client_id
        return MemoryReader(self, group)

    def writer(self, *, client_id: str) -> MemoryWriter:
        """See `Log.writer`."""
        del client_id
        return MemoryWriter(self)

    def cluster_id(self, timeout_s: float = 5.0) -> str:
        """See `Log.cluster_id`."""
        self._answering(timeout_s)
        return self._cluster_id

    def broker_count(self, timeout_s: float = 5.0) -> int:
        """See `Log.broker_count`."""
        self._answering(timeout_s)
        return self._brokers

    def describe_topic(self, name: str, timeout_s: float = 5.0) -> TopicDescription | None:
        """See `Log.describe_topic`."""
        self._answering(timeout_s)
        with self._changed:
            topic = self._topics.get(name)
            if topic is None:
                return None
            return TopicDescription(name, len(topic.partitions), topic.topic_id, dict(topic.config))

    def create_topic(self, spec: TopicSpec, timeout_s: float = 15.0) -> bool:
        """See `Log.create_topic`."""
        self._answering(timeout_s)
        with self._changed:
            topic = self._topics.get(spec.name)
            if topic is None:
                partitions = [_Partition() for _ in range(spec.partitions)]
                self._topics[spec.name] = _Topic(uuid.uuid4().hex, dict(spec.config), partitions)
                return True
            if len(topic.partitions) != spec.partitions:
                raise TopicMismatch(
                    f"the topic {spec.name} has {len(topic.partitions)} partitions, not {spec.partitions}"
                )
            return False

    def delete_topic(self, name: str) -> None:
        """Forget the topic and its records. Made again, it has another id and starts at offset 0."""
        with self._changed:
            self._topics.pop(name, None)

    def trim(self, topic: str, partition: int, first_offset: int) -> None:
        """Forget the records below `first_offset`, as retention does."""
        with self._changed:
            held = self._partition(topic, partition)
            held.first = min(max(held.first, first_offset), held.following)
            del held.records[: _index(held, held.first)]

    def fail_next_appends(self, count: int, kind: OutcomeKind) -> None:
        """Let the next `count` appends fail. Of the `UNKNOWN` ones, every second is in the log."""
        with self._changed:
            self._to_fail.extend([kind] * count)

    def _answering(self, timeout_s: float) -> None:
        if not self.available:
            raise LogUnavailable(f"no broker answered within {timeout_s:.1f} s")

    def _partition(self, topic: str, partition: int) -> _Partition:
        found = self._topics.get(topic)
        if found is None or not 0 <= partition < len(found.partitions):
            raise TopicMissing(f"there is no partition {topic}[{partition}]; `syncline apply` makes topics")
        return found.partitions[partition]

    def _store(self, queued: _Queued) -> Outcome:
        """What becomes of one append, now that the brokers have it."""
        with self._changed:
            kind = self._to_fail.popleft() if self._to_fail else OutcomeKind.ACKNOWLEDGED
            try:
                held = self._partition(queued.topic, queued.partition)
            except TopicMissing as error:
                return Outcome(OutcomeKind.FAILED, queued.topic, queued.partition, reason=str(error))
            if kind is OutcomeKind.FAILED:
                return Outcome(kind, queued.topic, queued.partition, reason="the test asked for it")
            offset = held.following
            record = _Record(offset, self._clock.now_us() // 1_000, queued.key, queued.value, queued.headers)
            if kind is OutcomeKind.ACKNOWLEDGED or len(self._to_fail) % 2 == 0:
                held.records.append(record)
                held.following += 1
                self._changed.notify_all()
            if kind is OutcomeKind.UNKNOWN:
                return Outcome(kind, queued.topic, queued.partition, reason="the test asked for it")
            return Outcome(kind, queued.topic, queued.partition, offset, record.timestamp_ms)


@dataclass(frozen=True, slots=True)
class _Queued:
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    on_outcome: OnOutcome | None


class MemoryReader:
    """See `ports.log.LogReader`."""

    def __init__(self, log: MemoryLog, group: str | None) -> None:
        self._log = log
        self._group = group
        self._next: dict[TopicPartition, int] = {}
        self._at_end: set[TopicPartition] = set()
        self._stopped: set[TopicPartition] = set()
        self._was_away = False
        self._turn = 0
        self._closed = False

    def assign(self, positions: Sequence[tuple[str, int, int]]) -> None:
        """See `LogReader.assign`."""
        self._next = {(topic, partition): offset for topic, partition, offset in positions}
        if len(self._next) != len(positions):
            raise LogError("a partition is assigned twice; give each (topic, partition) one next offset")
        self._at_end.clear()
        self._stopped.clear()

    def poll(self, max_rows: int, max_bytes: int, timeout_s: float, min_rows: int = 1) -> Batch:
        """See `LogReader.poll`."""
        if self._closed:
            raise LogError("this reader is closed; make another")
        log = self._log
        clock = SystemClock()  # waiting is real, whatever clock stamps the records
        deadline_s = clock.monotonic_s() + timeout_s
        with log._changed:  # noqa: SLF001  # one class in three parts
            while not self._enough(min_rows) and (left_s := deadline_s - clock.monotonic_s()) > 0:
                log._changed.wait(min(left_s, _WAIT_S_MAX))  # noqa: SLF001
            return self._taken(max_rows, max_bytes)

    def watermarks(self, topic: str, partition: int, timeout_s: float = 5.0) -> tuple[int, int]:
        """See `LogReader.watermarks`."""
        self._log._answering(timeout_s)  # noqa: SLF001
        with self._log._changed:  # noqa: SLF001
            held = self._log._partition(topic, partition)  # noqa: SLF001
            return held.first, held.following

    def end_seen(self, topic: str, partition: int) -> int | None:
        """See `LogReader.end_seen`."""
        if (topic, partition) not in self._next:
            return None
        try:
            return self.watermarks(topic, partition)[1]
        except (LogUnavailable, TopicMissing):
            return None

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See `LogReader.commit`."""
        if self._group is None:
            raise LogError("this reader has no group, so offsets cannot be committed; make it with `group=`")
        self._log.committed.setdefault(self._group, {}).update(positions)

    def close(self) -> None:
        """See `LogReader.close`."""
        self._closed = True

    def _enough(self, min_rows: int) -> bool:
        """Whether waiting would bring nothing that the caller wants."""
        if self._log.available == self._was_away:
            return True
        rows, news = 0, False
        for where in self._live():
            held = self._held(where)
            offset = self._next[where]
            if held is None or not held.first <= offset <= held.following:
                return True
            rows += held.following - offset
            news |= where not in self._at_end
        return self._log.available and (rows >= min_rows or (news and bool(self._live())))

    def _taken(self, max_rows: int, max_bytes: int) -> Batch:
        slices: list[Slice] = []
        records: list[_Record] = []
        batch = Batch(slices, np.empty(0, np.int64), np.empty(0, np.int64), [], [])
        if not self._log.available:
            if not self._was_away:
                batch.events.append(LogEvent(EventKind.UNAVAILABLE, "no broker answers; trying on"))
            self._was_away = True
            return batch
        self._was_away = False
        size = 0
        for where in self._in_turn():
            held, offset = self._held(where), self._next[where]
            event = _trouble(held, where, offset)
            if held is None or event is not None:
                self._stopped.add(where)
                batch.events.extend([event] if event else [])
                continue
            start = len(records)
            for record in held.records[_index(held, offset) :]:
                if len(records) >= max_rows or size >= max_bytes:
                    break
                records.append(record)
                size += len(record.key or b"") + len(record.value or b"")
            if len(records) > start:
                following = records[-1].offset + 1
                slices.append(Slice(*where, start, len(records) - start, records[start].offset, following))
                self._next[where] = following
                self._at_end.discard(where)
            if self._next[where] == held.following and where not in self._at_end:
                self._at_end.add(where)
                batch.eof.append((*where, held.following))
        batch.offsets = np.array([record.offset for record in records], np.int64)
        batch.timestamps_ms = np.array([record.timestamp_ms for record in records], np.int64)
        batch.keys = [record.key for record in records]
        batch.values = [record.value for record in records]
        batch.headers = {row: record.headers for row, record in enumerate(records) if record.headers}
        return batch

    def _live(self) -> list[TopicPartition]:
        return [where for where in self._next if where not in self._stopped]

    def _in_turn(self) -> list[TopicPartition]:
        """The live partitions, each first in its turn, so that a small `max_rows` starves none."""
        live = self._live()
        self._turn += 1
        first = self._turn % len(live) if live else 0
        return live[first:] + live[:first]

    def _held(self, where: TopicPartition) -> _Partition | None:
        try:
            return self._log._partition(*where)  # noqa: SLF001
        except TopicMissing:
            return None


class MemoryWriter:
    """See `ports.log.LogWriter`. Records reach the log when outcomes are served, not before."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._queue: deque[_Queued] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> None:
        """See `LogWriter.append`."""
        if self._closed:
            raise LogError("this writer is closed; make another")
        if len(self._queue) >= _QUEUE_MAX:
            raise BufferError("the queue is full")
        if partition is None:
            found = self._log._topics.get(topic)  # noqa: SLF001
            count = len(found.partitions) if found else 1
            # Kafka's partitioner of this name sends a null or empty key anywhere.
            partition = partition_for(key, count) if key else random.randrange(count)  # noqa: S311  # no secret
        with self._lock:
            self._queue.append(_Queued(topic, partition, key, value, tuple(headers), on_outcome))

    def append_many(
        self,
        topic: str,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        *,
        start: int = 0,
        stop: int | None = None,
        headers: Sequence[Headers] | Mapping[int, Headers] | None = None,
        on_outcome: OnOutcome | None = None,
    ) -> int:
        """See `LogWriter.append_many`."""
        count = len(keys) if stop is None else stop
        for row in range(start, count):
            carried = headers[row] if headers is not None else ()
            try:
                self.append(topic, key=keys[row], value=values[row], headers=carried, on_outcome=on_outcome)
            except BufferError:
                return row
        return count

    def poll(self, timeout_s: float) -> int:
        """See `LogWriter.poll`. Never waits: what can be stored is stored at once."""
        del timeout_s
        return self._serve(self._log._store) if self._log.available else 0  # noqa: SLF001

    def flush(self, timeout_s: float) -> int:
        """See `LogWriter.flush`."""
        self.poll(timeout_s)
        return len(self._queue)

    def close(self, timeout_s: float) -> None:
        """See `LogWriter.close`. What still waits for a broker fails: it never left this queue."""
        if self._closed:
            return
        self.flush(timeout_s)
        self._closed = True
        self._serve(
            lambda queued: Outcome(OutcomeKind.FAILED, queued.topic, queued.partition, reason="closed")
        )

    def _serve(self, judge: Callable[[_Queued], Outcome]) -> int:
        served = 0
        caught: list[BaseException] = []
        while self._queue:
            with self._lock:
                queued = self._queue.popleft()
            outcome = judge(queued)
            served += 1
            if queued.on_outcome is not None:
                try:
                    queued.on_outcome(outcome)
                except BaseException as error:  # noqa: BLE001  # raised again below
                    caught.append(error)
        if len(caught) == 1:
            raise caught[0]
        if caught:
            raise BaseExceptionGroup("several outcome callbacks raised", caught)
        return served


def _trouble(held: _Partition | None, where: TopicPartition, offset: int) -> LogEvent | None:
    topic, partition = where
    if held is None:
        return LogEvent(EventKind.TOPIC_MISSING, "there is no such partition", topic, partition)
    if held.first <= offset <= held.following:
        return None
    kept = f"{offset} is not within {held.first} to {held.following}"
    return LogEvent(EventKind.OFFSET_OUT_OF_RANGE, kept, topic, partition)


def _index(held: _Partition, offset: int) -> int:
    return bisect_left(held.records, offset, key=lambda record: record.offset)
