"""A store in memory, for tests and for trying things out: the same promises, but nothing outlives it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncline.errors import StoreError
from syncline.ports.store import check_commit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from syncline.state.partition import PartitionState, PartitionWrite


class MemoryStore:
    """Keeps the state in dicts. Implements `Store`; any thread may read while another commits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = _Version()
        self._closed = False

    def snapshot(self) -> MemorySnapshot:
        """See `Store.snapshot`."""
        return MemorySnapshot(self)

    def commit(
        self, writes: Sequence[PartitionWrite], meta: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Store.commit`."""
        meta = meta or {}
        check_commit(writes, meta)
        with self._lock:
            if self._closed:
                raise StoreError("the store was closed: make another")
            if self._version.readers:
                self._version = self._version.successor()
            version = self._version
            for write in writes:
                version.own(write.topic, write.partition, write.state).apply(write)
            version.note(meta)

    def clear(self, meta: Mapping[str, bytes | None] | None = None) -> None:
        """See `Store.clear`."""
        meta = meta or {}
        check_commit((), meta)
        with self._lock:
            if self._closed:
                raise StoreError("the store was closed: make another")
            kept = {name: value for name, value in meta.items() if value is not None}
            # A version of its own: snapshots that are open keep the one they look at.
            self._version = _Version(meta=kept, generation=self._version.generation + 1)

    def forget(
        self, places: Sequence[tuple[str, int]], meta: Mapping[str, bytes | None] | None = None
    ) -> None:
        """See `Store.forget`."""
        meta = meta or {}
        check_commit((), meta)
        with self._lock:
            if self._closed:
                raise StoreError("the store was closed: make another")
            if self._version.readers:
                self._version = self._version.successor()
            for place in places:
                self._version.partitions.pop(place, None)
                self._version.owned.discard(place)
            self._version.note(meta)

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            self._closed = True

    def _pin(self) -> _Version:
        with self._lock:
            if self._closed:
                raise StoreError("the store was closed: make another")
            self._version.readers += 1
            return self._version

    def _unpin(self, version: _Version) -> None:
        with self._lock:
            version.readers -= 1


class MemorySnapshot:
    """What a `MemoryStore` held at one moment, from `__enter__` to `__exit__`. Implements `StoreSnapshot`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._pinned: _Version | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._pinned = self._store._pin()  # noqa: SLF001 (one noun in two classes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the store change what this looked at. What is asked afterwards is an error."""
        version, self._pinned = self._at, None
        self._store._unpin(version)  # noqa: SLF001 (one noun in two classes)

    def state(self, topic: str, partition: int) -> PartitionState | None:
        """See `StoreSnapshot.state`."""
        found = self._at.partitions.get((topic, partition))
        return found.state if found else None

    def partitions(self) -> list[tuple[str, int]]:
        """See `StoreSnapshot.partitions`."""
        return sorted(self._at.partitions)

    def cells(self, topic: str, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """See `StoreSnapshot.cells`."""
        found = self._at.partitions.get((topic, partition))
        return list(map(found.cells.get, keys)) if found else [None] * len(keys)

    def cell(self, topic: str, partition: int, key: bytes) -> bytes | None:
        """See `StoreSnapshot.cell`."""
        found = self._at.partitions.get((topic, partition))
        return found.cells.get(key) if found else None

    def trace(self, topic: str, partition: int, key: bytes) -> bytes | None:
        """See `StoreSnapshot.trace`."""
        found = self._at.partitions.get((topic, partition))
        return found.traces.get(key) if found else None

    def scan(self, topic: str, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """See `StoreSnapshot.scan`."""
        found = self._at.partitions.get((topic, partition))
        for key in sorted(found.cells) if found else ():
            yield key, self._at.partitions[topic, partition].cells[key]

    def tombstones(self, topic: str, partition: int, before_us: int) -> list[tuple[int, bytes]]:
        """See `StoreSnapshot.tombstones`."""
        found = self._at.partitions.get((topic, partition))
        return sorted(entry for entry in found.tombstones if entry[0] < before_us) if found else []

    def meta(self, name: str) -> bytes | None:
        """See `StoreSnapshot.meta`."""
        return self._at.meta.get(name)

    def generation(self) -> int:
        """See `StoreSnapshot.generation`."""
        return self._at.generation

    @property
    def _at(self) -> _Version:
        if self._pinned is None:
            raise StoreError("the snapshot has ended: read inside its `with` block")
        return self._pinned


@dataclass(slots=True)
class _Partition:
    state: PartitionState
    cells: dict[bytes, bytes] = field(default_factory=dict)
    tombstones: set[tuple[int, bytes]] = field(default_factory=set)
    traces: dict[bytes, bytes] = field(default_factory=dict)

    def apply(self, write: PartitionWrite) -> None:
        self.state = write.state
        for key in write.dropped:
            self.cells.pop(key, None)
            self.traces.pop(key, None)
        for key in write.untraced:
            self.traces.pop(key, None)
        self.cells.update(zip(write.keys, write.cells, strict=True))
        self.tombstones.difference_update(write.tombstones_removed)
        self.tombstones.update(write.tombstones_added)
        self.traces.update(write.traces)


@dataclass(slots=True)
class _Version:
    """All there is. Changed in place while no snapshot looks at it; else a successor takes over.

    A successor starts with its predecessor's partitions and copies each one when it first changes it.
    """

    partitions: dict[tuple[str, int], _Partition] = field(default_factory=dict)
    owned: set[tuple[str, int]] = field(default_factory=set)
    """The partitions that no older version shares."""
    meta: dict[str, bytes] = field(default_factory=dict)
    generation: int = 0
    readers: int = 0

    def successor(self) -> _Version:
        return _Version(partitions=dict(self.partitions), meta=dict(self.meta), generation=self.generation)

    def note(self, meta: Mapping[str, bytes | None]) -> None:
        for name, value in meta.items():
            if value is None:
                self.meta.pop(name, None)
            else:
                self.meta[name] = value
        self.generation += bool(meta)

    def own(self, topic: str, partition: int, state: PartitionState) -> _Partition:
        place = (topic, partition)
        if place not in self.owned:
            old = self.partitions.get(place)
            self.partitions[place] = (
                _Partition(state, dict(old.cells), set(old.tombstones), dict(old.traces))
                if old
                else _Partition(state)
            )
            self.owned.add(place)
        return self.partitions[place]
