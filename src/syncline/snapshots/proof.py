"""Proof that cells are those of a partition: each by its own hash, all by the digest. Pure."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt

from syncline.errors import SnapshotRefused
from syncline.snapshots.piece import Piece
from syncline.state.cell import HEAD_BYTES, cell_hashes, cell_heads, key_buckets
from syncline.state.digest import Digest
from syncline.wire.keys import KEY_BYTES_MAX, partitions_for


@dataclass(slots=True)
class Proof:
    """What the cells of one partition sum up to, piece by piece in the order of their keys.

    `partitions` is how many the topic has, `next_offset` the partition's position.
    """

    partition: int
    partitions: int
    next_offset: int
    cells: int = 0
    digest: Digest = field(default_factory=Digest.empty)
    _last_key: bytes = b""

    def take(self, piece: Piece) -> list[tuple[int, bytes]]:
        """Add a piece; its tombstones come back as (event time, key), for the store's index.

        Raises:
            SnapshotRefused: a cell is not what was written, or stands where it cannot.
        """
        keys, cells = piece.keys, piece.cells
        self._check_keys(keys)
        if min(map(len, cells)) < HEAD_BYTES:
            raise SnapshotRefused("a cell is shorter than its head")
        heads = cell_heads(cells)
        # From the bytes themselves: the guard must say the same, and only then is the digest proof.
        hashes = cell_hashes(keys, cells)
        if not np.array_equal(hashes, heads.hashes):
            row = self.cells + int(np.flatnonzero(hashes != heads.hashes)[0])
            raise SnapshotRefused(f"the checksum of cell {row} (by key, from 0) does not match its bytes")
        if bool(((heads.offsets < 0) | (heads.offsets >= self.next_offset)).any()):
            raise SnapshotRefused(
                f"a cell's offset is not below the partition's position, {self.next_offset}"
            )
        self.digest = self.digest.changed(added=(key_buckets(keys), hashes), removed=((), ()))
        self.cells += len(keys)
        self._last_key = keys[-1]
        return _tombstones(keys, heads.deleted, heads.event_times_us)

    def check(self, *, cells: int, digest: Digest) -> None:
        """All pieces were taken: they are exactly these cells.

        Raises:
            SnapshotRefused: they are not.
        """
        if self.cells != cells:
            raise SnapshotRefused(f"there are {self.cells} cells, not {cells}")
        if self.digest != digest:
            raise SnapshotRefused(
                f"the digest of its cells is {self.digest.total:016x}, not {digest.total:016x}"
            )

    def _check_keys(self, keys: Sequence[bytes]) -> None:
        lengths = list(map(len, keys))
        if min(lengths) < 1 or max(lengths) > KEY_BYTES_MAX:
            raise SnapshotRefused(f"a key has no or more than {KEY_BYTES_MAX} bytes")
        if self._last_key >= keys[0] or not all(map(operator.lt, keys, islice(keys, 1, None))):
            raise SnapshotRefused("its keys are not in order, each once")
        belongs = partitions_for(keys, self.partitions) == self.partition
        if not bool(belongs.all()):
            row = self.cells + int(np.flatnonzero(~belongs)[0])
            raise SnapshotRefused(f"the key of cell {row} (by key, from 0) belongs to another partition")


def _tombstones(
    keys: Sequence[bytes], deleted: npt.NDArray[np.bool_], event_times_us: npt.NDArray[np.int64]
) -> list[tuple[int, bytes]]:
    rows = np.flatnonzero(deleted)
    return [(time, keys[row]) for time, row in zip(event_times_us[rows].tolist(), rows.tolist(), strict=True)]
