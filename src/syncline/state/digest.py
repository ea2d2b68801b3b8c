"""The digest of a partition: equal digests prove equal state, in whatever order the records arrived (promises.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt


class Digest:
    """The sum mod 2^64 of all cells' hashes, kept as 256 sub-digests by key hash. Immutable.

    The sub-digests narrow a divergence down to a 256th of the keys without another pass over the log.
    """

    BUCKETS: ClassVar[int] = 256
    SIZE: ClassVar[int] = 256 * 8
    """Bytes that `pack` gives."""

    __slots__ = ("_sums",)

    def __init__(self, sums: npt.NDArray[np.uint64]) -> None:
        self._sums = sums

    @classmethod
    def empty(cls) -> Digest:
        """The digest of no cells."""
        return cls(np.zeros(cls.BUCKETS, np.uint64))

    @property
    def total(self) -> int:
        """The digest itself: an unsigned 64-bit number."""
        return int(self._sums.sum(dtype=np.uint64))

    @property
    def sums(self) -> tuple[int, ...]:
        """The 256 sub-digests."""
        return tuple(int(value) for value in self._sums)

    def changed(
        self,
        *,
        added: tuple[Sequence[int] | npt.NDArray[np.uint8], Sequence[int] | npt.NDArray[np.uint64]],
        removed: tuple[Sequence[int] | npt.NDArray[np.uint8], Sequence[int] | npt.NDArray[np.uint64]],
    ) -> Digest:
        """This digest with cells added and removed; each side is (bucket per cell, hash per cell)."""
        sums = self._sums.copy()
        for (buckets, hashes), operation in ((added, np.add), (removed, np.subtract)):
            if len(hashes):
                operation.at(sums, np.asarray(buckets, np.uint8), np.asarray(hashes, np.uint64))
        return Digest(sums)

    def pack(self) -> bytes:
        """2,048 bytes, little-endian."""
        return self._sums.astype("<u8").tobytes()

    @classmethod
    def unpack(cls, packed: bytes) -> Digest:
        """The digest that `pack` wrote."""
        return cls(np.frombuffer(packed, "<u8").astype(np.uint64))

    def __eq__(self, other: object) -> bool:
        """Equal in every sub-digest."""
        return isinstance(other, Digest) and bool(np.array_equal(self._sums, other._sums))

    def __hash__(self) -> int:
        """By total."""
        return hash(self.total)

    def __repr__(self) -> str:
        """The total in hex."""
        return f"Digest({self.total:016x})"
