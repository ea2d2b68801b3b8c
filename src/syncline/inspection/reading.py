"""Reads a topic from its beginning (or near its end) to its end, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from syncline.errors import LogUnavailable, TopicMissing
from syncline.ports.log import Batch, EventKind, Headers, Log, LogReader, Slice

_ROWS = 5_000
_BYTES = 16_000_000
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def read_to_end(
    log: Log,
    topic: str,
    *,
    last: int | None = None,
    partition: int | None = None,
    start: int | None = None,
    timeout_s: float = 30.0,
) -> Iterator[Record]:
    """The records of a topic up to the ends that stand when it is called, partition by partition within a batch.

    Args:
        log: the cluster.
        topic: which topic.
        last: only so many offsets before each partition's end.
        partition: only this one.
        start: not before this offset.
        timeout_s: how long the whole may take without any progress.

    Raises:
        TopicMissing: there is no such topic, or no such partition.
        LogUnavailable: nothing came for `timeout_s` although the end was not reached.
    """
    described = log.describe_topic(topic, timeout_s)
    if described is None:
        raise TopicMissing(
            f"there is no topic {topic}; run `syncline apply`, or check the name and the prefix"
        )
    if partition is not None and not 0 <= partition < described.partitions:
        raise TopicMissing(f"{topic} has no partition {partition}; it has 0 to {described.partitions - 1}")
    partitions = range(described.partitions) if partition is None else [partition]
    reader = log.reader(client_id="syncline-inspection")
    try:
        ends, positions = {}, []
        for number in partitions:
            first, end = reader.watermarks(topic, number, timeout_s)
            first = max(first, start or 0, end - last if last is not None else 0)
            if first < end:
                ends[number] = end
                positions.append((topic, number, first))
        if positions:
            reader.assign(positions)
            yield from _records(reader, topic, ends, timeout_s)
    finally:
        reader.close()


def _records(reader: LogReader, topic: str, ends: dict[int, int], timeout_s: float) -> Iterator[Record]:
    left = set(ends)
    deadline_s = time.monotonic() + timeout_s
    while left:
        batch = reader.poll(_ROWS, _BYTES, _POLL_S)
        for event in batch.events:
            if event.kind in (EventKind.TOPIC_MISSING, EventKind.OFFSET_OUT_OF_RANGE):
                raise TopicMissing(f"{topic} cannot be read: {event.message}; run it again")
        for rows in batch.slices:
            yield from (record for record in _rows(batch, rows) if record.offset < ends[rows.partition])
        left -= {rows.partition for rows in batch.slices if rows.next_offset >= ends[rows.partition]}
        left -= {number for _, number, offset in batch.eof if offset >= ends.get(number, 0)}
        if len(batch):
            deadline_s = time.monotonic() + timeout_s
        elif left and time.monotonic() > deadline_s:
            raise LogUnavailable(
                f"nothing came from {topic} for {timeout_s:g} s; check the brokers, then run it again"
            )


def _rows(batch: Batch, rows: Slice) -> Iterator[Record]:
    for row in range(rows.start, rows.start + rows.count):
        yield Record(
            rows.partition,
            int(batch.offsets[row]),
            int(batch.timestamps_ms[row]),
            batch.keys[row],
            batch.values[row],
            batch.headers.get(row, ()),
        )
