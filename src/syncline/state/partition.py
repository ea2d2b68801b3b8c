"""A partition's state beside its cells, and one step of it that a store commits."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from syncline.errors import StoreCorrupt
from syncline.state.digest import Digest

FOLD_VERSION = 1
"""States of different folds are never compared; raise it whenever the same log would give another digest."""

RING_SIZE = 64
"""How many markers a partition remembers the digest of."""


@dataclass(frozen=True, slots=True)
class RingEntry:
    """The proof left by one marker: the digest of all records below `offset`, before the marker's own collection."""

    offset: int
    digest: int


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Which prefix of the partition was folded, and what it came to.

    A new partition starts at `next_offset` 0 with T = -1 (no record seen) and an empty digest.
    """

    next_offset: int = 0
    t_ms: int = -1
    """T: the largest broker timestamp among all records below `next_offset`, in milliseconds."""
    cells: int = 0
    """How many cells there are, tombstones included."""
    digest: Digest = field(default_factory=Digest.empty)
    ring: tuple[RingEntry, ...] = ()
    head_trimmed: bool = False
    """Folding did not begin at offset 0 nor at a snapshot: the state is wrong, never proof, never ready."""

    def remember(self, entry: RingEntry) -> PartitionState:
        """This state with one more proof; the oldest is forgotten when the ring is full."""
        return replace(self, ring=(*self.ring, entry)[-RING_SIZE:])

    def pack(self) -> bytes:
        """As the store keeps it."""
        head = _HEAD.pack(
            FOLD_VERSION, self.head_trimmed, len(self.ring), self.next_offset, self.t_ms, self.cells
        )
        ring = b"".join(_RING.pack(entry.offset, entry.digest) for entry in self.ring)
        return head + self.digest.pack() + ring

    @classmethod
    def unpack(cls, packed: bytes) -> PartitionState:
        """The state that `pack` wrote.

        Raises:
            StoreCorrupt: these bytes were not written by this fold version.
        """
        if len(packed) < _HEAD.size + Digest.SIZE:
            raise StoreCorrupt(f"a partition's state has {len(packed)} bytes, too few to be one")
        fold, trimmed, entries, next_offset, t_ms, cells = _HEAD.unpack_from(packed)
        if fold != FOLD_VERSION:
            raise StoreCorrupt(
                f"the store was written by fold version {fold}, this is {FOLD_VERSION}: rebuild it"
            )
        digest = Digest.unpack(packed[_HEAD.size : _HEAD.size + Digest.SIZE])
        ring_bytes = packed[_HEAD.size + Digest.SIZE :]
        if len(ring_bytes) != entries * _RING.size:
            raise StoreCorrupt("a partition's state does not end where its ring does")
        ring = tuple(RingEntry(*fields) for fields in _RING.iter_unpack(ring_bytes))
        return cls(next_offset, t_ms, cells, digest, ring, bool(trimmed))


@dataclass(frozen=True, slots=True)
class PartitionWrite:
    """What one transaction does to one partition: the store applies it as it stands, and decides nothing.

    `keys` and `cells` are of equal length; keys are unique. `dropped` are keys whose cells go away.
    `tombstones_added` and `tombstones_removed` keep the index of tombstone cells: (event time, key).
    `traces` are (key, trace) of some of `keys`, each once; `untraced` are keys whose earlier trace goes away, as that
    of a dropped key does by itself.
    """

    topic: str
    partition: int
    state: PartitionState
    keys: Sequence[bytes] = ()
    cells: Sequence[bytes] = ()
    dropped: Sequence[bytes] = ()
    tombstones_added: Sequence[tuple[int, bytes]] = ()
    tombstones_removed: Sequence[tuple[int, bytes]] = ()
    traces: Sequence[tuple[bytes, bytes]] = ()
    untraced: Sequence[bytes] = ()


_HEAD = struct.Struct("<BBHqqq")
_RING = struct.Struct("<qQ")
