"""The Log port: an ordered, partitioned log of records, read and written in batches of columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

Headers = Sequence[tuple[str, bytes | None]]
TopicPartition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows `start : start + count` of a batch: they all belong to one partition, in offset order."""

    topic: str
    partition: int
    start: int
    count: int
    first_offset: int
    """Offset of the first row."""
    next_offset: int
    """The offset after the last row: where reading goes on. Offsets may have holes."""


class EventKind(StrEnum):
    """What a reader noticed besides records."""

    UNAVAILABLE = "unavailable"
    """Brokers cannot be reached; the client keeps trying."""
    OFFSET_OUT_OF_RANGE = "offset_out_of_range"
    """The position is not in the log any more (or not yet): the partition has stopped."""
    TOPIC_MISSING = "topic_missing"
    FATAL = "fatal"
    """This reader is of no more use; make another."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Something that happened on the way, in the order noticed. Nothing arrives by callback."""

    kind: EventKind
    message: str
    topic: str | None = None
    partition: int | None = None


@dataclass(slots=True)
class Batch:
    """Records as columns, grouped by partition.

    `offsets` and `timestamps_ms` are int64 arrays; `keys` and `values` lists of bytes or None, of equal length.
    `headers` holds, by row number, those of the records that carry any.
    `eof` holds the partitions whose end was reached after this batch's rows, with the end offset (= next offset).
    """

    slices: list[Slice]
    offsets: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: dict[int, Headers] = field(default_factory=dict)
    eof: list[tuple[str, int, int]] = field(default_factory=list)
    events: list[LogEvent] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values)


class OutcomeKind(StrEnum):
    """What became of an append."""

    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    """It is certainly not in the log."""
    UNKNOWN = "unknown"
    """It may be in the log: the answer never came."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one append. `offset` and `timestamp_ms` only where acknowledged."""

    kind: OutcomeKind
    topic: str
    partition: int | None = None
    offset: int | None = None
    timestamp_ms: int | None = None
    reason: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why it is not known to be in the log, however little was said; None where it was acknowledged."""
        return None if self.kind is OutcomeKind.ACKNOWLEDGED else self.reason or str(self.kind)


class LogReader(Protocol):
    """Reads assigned partitions from given offsets. Not safe for use by two threads."""

    def assign(self, positions: Sequence[tuple[str, int, int]]) -> None:
        """Read exactly these (topic, partition, next offset) from now on; replaces the earlier assignment.

        A partition that is given the offset at which this reader stands is read on undisturbed, and its end is not
        told again. Rows fetched of another one, and not returned yet, are never returned afterwards.
        """
        ...

    def poll(self, max_rows: int, max_bytes: int, timeout_s: float, min_rows: int = 1) -> Batch:
        """The next rows, at most `max_rows` of them, as soon as `min_rows` are there; else what came in `timeout_s`.

        Never waits for more than is there once `min_rows` are met. `max_bytes` (keys + values) may be passed by
        the rows fetched in one go. Errors come as `events`; none is raised for a broker that is away.
        """
        ...

    def watermarks(self, topic: str, partition: int, timeout_s: float = 5.0) -> tuple[int, int]:
        """(first offset kept, next offset to be written), asked from the broker.

        Raises:
            LogUnavailable: no answer within `timeout_s`.
            TopicMissing: no such topic or partition.
        """
        ...

    def end_seen(self, topic: str, partition: int) -> int | None:
        """The next offset to be written, as the broker's last answer to a poll said; None before one. Asks nobody."""
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Publish next offsets under the reader's group id, for lag tools only; best effort, does not wait."""
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...


class LogWriter(Protocol):
    """Appends records, idempotently and with all replicas' acknowledgement. `append` is safe from any thread."""

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> None:
        """Queue one record; without `partition`, Java's murmur2 of the key chooses.

        `on_outcome` is called exactly once, from `poll`, `flush` or `close`; it must only record.

        Raises:
            BufferError: the queue is full; nothing was queued. Call `poll` and try again.
            LogError: the record can never be sent (too large, no such topic); nothing was queued.
        """
        ...

    def append_many(
        self,
        topic: str,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        *,
        start: int = 0,
        stop: int | None = None,
        headers: Sequence[Headers] | Mapping[int, Headers] | None = None,
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> int:
        """Queue rows from `start` up to, not including, `stop` (all, where None).

        `headers`, where given, has those of each of these rows by its number. Returns the number of the first row *not*
        queued (== `stop` if all were). Stops short only because the queue is full; call `poll` and go on from there.
        """
        ...

    def poll(self, timeout_s: float) -> int:
        """Serve outcomes for up to `timeout_s`; returns how many were served. Returns early when some were."""
        ...

    def flush(self, timeout_s: float) -> int:
        """Send and wait; returns how many appends still have no outcome."""
        ...

    def close(self, timeout_s: float) -> None:
        """Flush, then give every append that is still without an outcome its outcome (failed or unknown)."""
        ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it shall be. `config` holds Kafka's topic settings by name."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as it is. `topic_id` changes when a topic is deleted and made again; None where the broker has none."""

    name: str
    partitions: int
    topic_id: str | None
    config: Mapping[str, str]


class Log(Protocol):
    """A cluster: hands out readers and writers, and makes topics."""

    def reader(self, *, client_id: str, group: str | None = None) -> LogReader:
        """A reader without an assignment. Offsets can be committed only with a `group`."""
        ...

    def writer(self, *, client_id: str) -> LogWriter:
        """A writer."""
        ...

    def cluster_id(self, timeout_s: float = 5.0) -> str:
        """The cluster's id.

        Raises:
            LogUnavailable: no broker answered in time.
        """
        ...

    def broker_count(self, timeout_s: float = 5.0) -> int:
        """How many brokers the cluster has now."""
        ...

    def describe_topic(self, name: str, timeout_s: float = 5.0) -> TopicDescription | None:
        """The topic, or None where it does not exist.

        Raises:
            LogUnavailable: no broker answered in time.
        """
        ...

    def create_topic(self, spec: TopicSpec, timeout_s: float = 15.0) -> bool:
        """Make the topic, with replication as the cluster allows (3 with min.insync.replicas 2, else 1).

        Returns once every partition can be written. True if it was made, False if it already existed.

        Raises:
            TopicMismatch: it exists with another partition count.
            LogUnavailable: no broker answered in time.
        """
        ...
