"""What a store says of the snapshot that it began from, or is beginning from."""

from __future__ import annotations

import json
from dataclasses import dataclass

from syncline.ports.store import Store

META_RESTORING = "restoring"
"""The id of the snapshot that is being restored; while it stands, the store's cells are part of something."""
META_ORIGIN = "origin"
"""The meta name under which the store keeps `Origin.pack()`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The snapshot that a store began from: there are no proofs for cuts below its positions."""

    snapshot_id: str
    created_at_us: int
    positions: dict[tuple[str, int], int]
    """(topic, partition) → the next offset that the snapshot stood at."""

    def pack(self) -> bytes:
        """As the store keeps it."""
        positions = [[*place, offset] for place, offset in sorted(self.positions.items())]
        content = {"snapshot": self.snapshot_id, "created_at_us": self.created_at_us, "positions": positions}
        return json.dumps(content).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Origin:
        """What `pack` wrote."""
        content = json.loads(packed)
        positions = {(topic, partition): offset for topic, partition, offset in content["positions"]}
        return cls(content["snapshot"], content["created_at_us"], positions)


def unfinished(store: Store) -> str | None:
    """The id of the snapshot whose restoring was broken off: restore again, or clear the store. None: all is well."""
    with store.snapshot() as snapshot:
        packed = snapshot.meta(META_RESTORING)
    return None if packed is None else packed.decode()


def origin(store: Store) -> Origin | None:
    """The snapshot that this store began from; None where it began with the log."""
    with store.snapshot() as snapshot:
        packed = snapshot.meta(META_ORIGIN)
    return None if packed is None else Origin.unpack(packed)
