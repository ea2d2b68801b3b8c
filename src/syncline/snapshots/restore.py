"""Restoring: a store filled from a snapshot, as a whole or recognisably not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from syncline.errors import SnapshotError, SnapshotRefused
from syncline.ports.snapshots import SnapshotStore
from syncline.ports.store import Store
from syncline.snapshots.find import OnPassedOver, Watermarks, usable
from syncline.snapshots.manifest import CopiedPartition, Manifest
from syncline.snapshots.origin import META_ORIGIN, META_RESTORING, Origin
from syncline.snapshots.piece import BYTES_MAX, CELLS_MAX
from syncline.snapshots.verify import proven_cells, require_fold
from syncline.state.identity import META_IDENTITY, LogIdentity
from syncline.state.partition import PartitionState, PartitionWrite

OnProgress = Callable[[int, int], object]
"""Called with the cells done and the cells there are to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a store was filled from."""

    manifest: Manifest
    positions: Mapping[tuple[str, int], int]
    """(topic, partition) that was restored → next offset."""
    cells: int


def restore(
    manifest: Manifest,
    files: SnapshotStore,
    store: Store,
    *,
    identity: LogIdentity | None = None,
    wanted: Collection[tuple[str, int]] | None = None,
    replace_state: bool = False,
    meta: Mapping[str, bytes] | None = None,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Restored:
    """Fill the store from the snapshot, and prove every byte on the way.

    Everything that the store held goes first, its meta too; `meta` is what stands there instead from then on. Cells
    come in large commits under a state that nobody may use; positions, T and digests come with the last one. Killed
    in between, the store says so (`unfinished`), and restoring begins again. Only `wanted` partitions are taken, or
    all. `identity` is what the log is now, if it was asked: what the snapshot says is noted beside it.

    Raises:
        SnapshotRefused: the snapshot is not what was written; the store is empty then, but for `meta`.
        SnapshotError: a file cannot be read (the store is empty then), or the store holds partitions already and
            `replace_state` was not asked for (it stays as it was).
        StoreFull: no room; the store is unfinished.
    """
    require_fold(manifest)
    require_takes(store, replace_state=replace_state)
    partitions = [each for each in manifest.partitions if wanted is None or each.place in wanted]
    kept = dict(meta or {})
    store.clear({**kept, META_RESTORING: manifest.snapshot_id.encode()})
    try:
        rest = _fill(partitions, manifest, files, store, on_progress)
    except SnapshotError:
        store.clear(kept)
        raise
    positions = {each.place: each.next_offset for each in partitions}
    topics = manifest.identity.topics | (identity.topics if identity else {})
    store.commit(
        [*rest, *map(_final, partitions)],
        {
            META_IDENTITY: replace(manifest.identity, topics=topics).pack(),
            META_ORIGIN: Origin(manifest.snapshot_id, manifest.created_at_us, positions).pack(),
            META_RESTORING: None,
        },
    )
    cells = sum(each.cells for each in partitions)
    on_progress(cells, cells)
    return Restored(manifest, positions, cells)


def restore_newest(
    files: SnapshotStore,
    store: Store,
    *,
    identity: LogIdentity | None,
    watermarks: Watermarks | None,
    replace_state: bool = False,
    meta: Mapping[str, bytes] | None = None,
    on_progress: OnProgress = lambda _done, _total: None,
    on_passed_over: OnPassedOver = lambda _snapshot_id, _reason: None,
) -> Restored | None:
    """Fill the store from the newest snapshot that fits the log and can be proven; None where there is none.

    See `newest_usable` for what fits, and `restore` for the rest. Each snapshot that is passed over is told with the
    reason. After None the store is empty, but for `meta`, if it was unfinished or `replace_state` was asked for;
    else it is as it was.

    Raises:
        SnapshotError: the place cannot be read, or the store holds partitions already; trying again may help.
        StoreFull: no room; the store is unfinished.
    """
    dirty = require_takes(store, replace_state=replace_state)
    wanted = None if watermarks is None else watermarks.keys()
    unread: SnapshotError | None = None
    for manifest in usable(files, identity=identity, watermarks=watermarks, on_passed_over=on_passed_over):
        try:
            return restore(
                manifest,
                files,
                store,
                identity=identity,
                wanted=wanted,
                replace_state=True,
                meta=meta,
                on_progress=on_progress,
            )
        except SnapshotError as error:
            on_passed_over(manifest.snapshot_id, str(error))
            if not isinstance(error, SnapshotRefused):
                unread = error
    if unread is not None:
        raise unread
    if dirty:
        store.clear(meta)
    return None


def require_takes(store: Store, *, replace_state: bool) -> bool:
    """Whether the store has something to be cleared.

    Raises:
        SnapshotError: it holds partitions that were not begun to be restored, and they may not be replaced.
    """
    with store.snapshot() as snapshot:
        filled, begun = bool(snapshot.partitions()), snapshot.meta(META_RESTORING) is not None
    if filled and not begun and not replace_state:
        raise SnapshotError(
            "the store holds feature state already: restore into an empty folder, or replace it"
        )
    return filled or begun


def _fill(
    partitions: Collection[CopiedPartition],
    manifest: Manifest,
    files: SnapshotStore,
    store: Store,
    on_progress: OnProgress,
) -> list[PartitionWrite]:
    """Commit all cells but the last ones, which come back to be committed with the states."""
    total, done = sum(each.cells for each in partitions), 0
    on_progress(done, total)
    writes: list[PartitionWrite] = []
    cells = size = 0
    for partition, piece, tombstones in proven_cells(files, manifest, partitions):
        if cells and (cells + len(piece) > CELLS_MAX or size + piece.bytes > BYTES_MAX):
            store.commit(writes)
            done += cells
            on_progress(done, total)
            writes, cells, size = [], 0, 0
        topic, number = partition.place
        writes.append(
            PartitionWrite(topic, number, _NOT_YET, piece.keys, piece.cells, tombstones_added=tombstones)
        )
        cells += len(piece)
        size += piece.bytes
    return writes


def _final(copied: CopiedPartition) -> PartitionWrite:
    state = PartitionState(copied.next_offset, copied.t_ms, copied.cells, copied.digest)
    return PartitionWrite(copied.topic, copied.partition, state)


_NOT_YET = PartitionState(head_trimmed=True)
"""Never ready, never a proof, never a donor, even to those who do not look for `META_RESTORING`."""
