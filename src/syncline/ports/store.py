"""The Store port: cells, positions, T and digests of each partition, committed together or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from syncline.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from syncline.state.partition import PartitionState, PartitionWrite

KEY_BYTES_MAX = 511
"""The longest entity key, and the longest meta name in UTF-8; the shortest has one byte."""

TOPIC_BYTES_MAX = 249
"""Kafka's own limit on the length of a topic's name."""

TRACE_BYTES_MAX = 1_024
"""The longest trace that is kept beside a cell."""


class StoreSnapshot(Protocol):
    """What the store held at one moment. Keep it short: an open snapshot pins disk pages."""

    def state(self, topic: str, partition: int) -> PartitionState | None:
        """The partition's state, or None where nothing was ever committed for it."""
        ...

    def partitions(self) -> list[tuple[str, int]]:
        """Every partition that has a state, sorted."""
        ...

    def cells(self, topic: str, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """The packed cells of the keys, in their order; None where there is none. Sorted keys are fastest."""
        ...

    def cell(self, topic: str, partition: int, key: bytes) -> bytes | None:
        """One packed cell."""
        ...

    def trace(self, topic: str, partition: int, key: bytes) -> bytes | None:
        """What was put beside the key's current cell: the trace context of its update. None where there is none.

        Ask where the cell says that it is traced. None is possible even there: a restored snapshot brings cells
        as they were, and no traces.
        """
        ...

    def scan(self, topic: str, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Every (key, packed cell) of the partition, by key."""
        ...

    def tombstones(self, topic: str, partition: int, before_us: int) -> list[tuple[int, bytes]]:
        """(event time, key) of every tombstone cell with an event time below `before_us`, by time and key."""
        ...

    def meta(self, name: str) -> bytes | None:
        """A named value."""
        ...

    def generation(self) -> int:
        """How many commits have written meta; equal generations of one store prove equal meta. 0 at first.

        Costs no read in the usual case: ask it at each read, and parse meta again only when it changed.
        """
        ...


class Store(Protocol):
    """Keeps the state on behalf of one writing agent and any number of readers."""

    def snapshot(self) -> AbstractContextManager[StoreSnapshot]:
        """A consistent view, released when the context ends."""
        ...

    def commit(
        self, writes: Sequence[PartitionWrite], meta: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Make all of it durable in one transaction; a meta value of None removes the name.

        Of one write, what goes away goes first: a key both dropped and given stays with its new cell, a
        tombstone both removed and added stays, and so does a trace. A trace goes away with its dropped key or
        where it is `untraced`, not by a new cell alone. Writes to the same partition apply in their order.
        Dropping or removing what is not there is no error. Commits of several threads follow one another.

        Raises:
            StoreFull: no room; nothing was written.
            StoreError: the writes are not ones a store can take (see `check_commit`); nothing was written.
        """
        ...

    def clear(self, meta: Mapping[str, bytes | None] | None = None) -> None:
        """Forget every partition and all of meta, and write this meta instead, in one durable transaction.

        Snapshots that are open keep what they look at. The generation goes on counting.

        Raises:
            StoreFull: no room; nothing was changed.
            StoreError: a meta name that cannot be one; nothing was changed.
        """
        ...

    def forget(
        self, places: Sequence[tuple[str, int]], meta: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Forget these partitions, cells, traces, tombstones and states, and write meta, in one durable transaction.

        Snapshots that are open keep what they look at. A partition that is not there is no error.

        Raises:
            StoreFull: no room; nothing was changed.
        """
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...


def check_commit(writes: Sequence[PartitionWrite], meta: Mapping[str, bytes | None]) -> None:
    """Refuse what no store can take; every adapter calls it before it writes anything.

    Raises:
        StoreError: a key of no or more than 511 bytes, a key twice, keys and cells of unequal number, an
            event time outside 64 bits, a trace of no cell of its write or of more than 1,024 bytes, or a topic,
            partition or meta name that cannot be one.
    """
    for write in writes:
        where = f"{write.topic}[{write.partition}]"
        if not 1 <= len(write.topic.encode()) <= TOPIC_BYTES_MAX or "\0" in write.topic or "/" in write.topic:
            raise StoreError(f"{write.topic!r} cannot be a topic's name: give the one that Kafka knows")
        if not 0 <= write.partition < _PARTITION_END:
            raise StoreError(f"{where}: there is no partition {write.partition}: give one from 0 to 2^31 - 1")
        if len(write.keys) != len(write.cells):
            raise StoreError(
                f"{where}: {len(write.keys)} keys but {len(write.cells)} cells: give one per key"
            )
        if len(set(write.keys)) != len(write.keys):
            raise StoreError(f"{where}: a key stands twice in one write: plan one winner per key")
        _check_keys(where, write.keys)
        _check_keys(where, write.dropped)
        _check_keys(where, write.untraced)
        _check_traces(where, write)
        for tombstones in (write.tombstones_added, write.tombstones_removed):
            _check_keys(where, [key for _, key in tombstones])
            if not all(-_TIME_END <= event_us < _TIME_END for event_us, _ in tombstones):
                raise StoreError(
                    f"{where}: a tombstone's event time does not fit into 64 bits: reject the record"
                )
    for name in meta:
        if not 1 <= len(name.encode()) <= KEY_BYTES_MAX:
            raise StoreError(f"{name[:80]!r} cannot be a meta name: give one of 1 to {KEY_BYTES_MAX} bytes")


def _check_keys(where: str, keys: Sequence[bytes]) -> None:
    if not keys:
        return
    shortest, longest = min(map(len, keys)), max(map(len, keys))
    if shortest < 1 or longest > KEY_BYTES_MAX:
        bad = longest if shortest else shortest
        raise StoreError(f"{where}: a key has {bad} bytes, not 1 to {KEY_BYTES_MAX}: dead-letter its record")


def _check_traces(where: str, write: PartitionWrite) -> None:
    if not write.traces:
        return
    traced = {key for key, _ in write.traces}
    if len(traced) != len(write.traces) or not traced.issubset(write.keys):
        raise StoreError(
            f"{where}: a trace stands beside no cell of its write, or a key has two: give one per cell"
        )
    longest = max(len(trace) for _, trace in write.traces)
    if longest > TRACE_BYTES_MAX:
        raise StoreError(f"{where}: a trace has {longest} bytes, more than {TRACE_BYTES_MAX}: leave it out")


_PARTITION_END = 1 << 31
_TIME_END = 1 << 63
