"""Taking a snapshot: feature state of one moment, and nothing of the release that its donor serves."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from typing import TYPE_CHECKING

from syncline.errors import SnapshotError, SnapshotRefused, StoreCorrupt
from syncline.snapshots import manifest as manifests
from syncline.snapshots import piece as cell_files
from syncline.snapshots.manifest import MANIFEST, CellsFile, CopiedPartition, Manifest
from syncline.snapshots.origin import META_RESTORING
from syncline.snapshots.proof import Proof
from syncline.state.identity import META_IDENTITY, LogIdentity

if TYPE_CHECKING:
    from syncline.ports.snapshots import SnapshotStore
    from syncline.ports.store import Store, StoreSnapshot
    from syncline.state.partition import PartitionState


def take(store: Store, files: SnapshotStore, *, now_us: int) -> Manifest:
    """Copy cells, positions, T and digests of every partition, as they are at one moment; the snapshot's manifest.

    The ring of proofs stays behind: whoever starts from here has none for cuts below its positions. The store's
    agent may go on committing meanwhile. Every cell is proven on the way, so a damaged store is no donor. The
    manifest is written last; after a failure, what was written is removed as far as it can be.

    Raises:
        SnapshotError: the place cannot be written, or the store cannot be a donor: nothing is in it yet, it is being
            restored, or the head of a partition was trimmed away.
        StoreCorrupt: the store's cells are not those of its digests.
    """
    name = manifests.snapshot_id(now_us, secrets.token_hex(4))
    written: list[str] = []
    try:
        with store.snapshot() as snapshot:
            identity = _require_donor(snapshot)
            partitions = tuple(
                _copy(snapshot, place, identity, files=files, folder=name, written=written)
                for place in snapshot.partitions()
            )
        manifest = Manifest(name, now_us, identity, partitions)
        files.write(f"{name}/{MANIFEST}", manifests.render(manifest))
    except BaseException:
        for file in (f"{name}/{MANIFEST}", *written):
            with contextlib.suppress(SnapshotError):
                files.delete(file)
        raise
    return manifest


def _copy(
    snapshot: StoreSnapshot,
    place: tuple[str, int],
    identity: LogIdentity,
    *,
    files: SnapshotStore,
    folder: str,
    written: list[str],
) -> CopiedPartition:
    topic, partition = place
    state = _state(snapshot, place)
    proof = Proof(partition, identity.topics[topic][1], state.next_offset)
    made: list[CellsFile] = []
    try:
        for piece in cell_files.pieces(snapshot.scan(topic, partition)):
            proof.take(piece)
            packed = cell_files.pack(piece)
            name = manifests.file_name(len(written))
            written.append(f"{folder}/{name}")
            files.write(written[-1], packed)
            made.append(CellsFile(name, len(piece), len(packed), hashlib.sha256(packed).hexdigest()))
        proof.check(cells=state.cells, digest=state.digest)
    except SnapshotRefused as error:
        raise StoreCorrupt(
            f"{topic} partition {partition}: {error}. No snapshot was taken: delete this store, and let its agent "
            "start from an older snapshot or the log"
        ) from None
    return CopiedPartition(
        topic, partition, state.next_offset, state.t_ms, state.cells, state.digest, tuple(made)
    )


def _require_donor(snapshot: StoreSnapshot) -> LogIdentity:
    """Which log the store's positions count in; refuses a state that must not be copied."""
    if snapshot.meta(META_RESTORING) is not None:
        raise SnapshotError("this store is being restored itself: take a snapshot once its agent is LIVE")
    packed, places = snapshot.meta(META_IDENTITY), snapshot.partitions()
    if packed is None or not places:
        raise SnapshotError("this store holds no partition yet: take a snapshot once its agent is LIVE")
    identity = LogIdentity.unpack(packed)
    for topic, partition in places:
        if topic not in identity.topics:
            raise SnapshotError(
                f"this store does not know which {topic} its positions count in: start its agent again, then try again"
            )
        if _state(snapshot, (topic, partition)).head_trimmed:
            raise SnapshotError(
                f"{topic} partition {partition} was read from a log whose head was trimmed away: its state is wrong, "
                "and is never copied. Take the snapshot from another agent's store"
            )
    return identity


def _state(snapshot: StoreSnapshot, place: tuple[str, int]) -> PartitionState:
    state = snapshot.state(*place)
    assert state is not None, "the store listed this partition in the same transaction"
    return state
