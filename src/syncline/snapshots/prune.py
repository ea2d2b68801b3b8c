"""Removing snapshots that nobody needs any more."""

from __future__ import annotations

from syncline.errors import SnapshotRefused
from syncline.ports.snapshots import SnapshotStore
from syncline.snapshots.find import read_manifest, snapshot_ids
from syncline.snapshots.manifest import MANIFEST, Manifest, is_snapshot_id, snapshot_id

UNFINISHED_AGE_US = 24 * 3_600 * 1_000_000
"""A snapshot that has no manifest for this long will get none any more."""


def prune(files: SnapshotStore, *, keep: int, now_us: int) -> list[str]:
    """Remove each snapshot that `keep` newer ones stand in for, and what was left of those never finished; their ids.

    A newer one stands in for it if it is of the same cluster and fold, and has all of its partitions: shards, views
    and clusters that share a place keep their own. What cannot be read as a manifest of ours stays. A manifest goes
    before its files, so that nobody begins with what is going away; who is reading one of them goes on with another.

    Raises:
        SnapshotError: the place cannot be read, or something cannot be removed.
    """
    names = files.names()
    finished = snapshot_ids(files)
    newer: list[Manifest] = []
    gone: list[str] = []
    for each in finished:
        try:
            manifest = read_manifest(files, each)
        except SnapshotRefused:
            continue
        if sum(_stands_in(one, manifest) for one in newer) >= keep:
            gone.append(each)
        else:
            newer.append(manifest)
    oldest_unfinished = snapshot_id(now_us - UNFINISHED_AGE_US, "00000000")
    folders = {name.partition("/")[0] for name in names} - set(finished)
    gone += [each for each in folders if is_snapshot_id(each) and each < oldest_unfinished]
    for each in sorted(gone):
        mine = [name for name in names if name.startswith(f"{each}/")]
        for name in sorted(mine, key=lambda name: not name.endswith(f"/{MANIFEST}")):
            files.delete(name)
    return sorted(gone)


def _stands_in(newer: Manifest, older: Manifest) -> bool:
    same_log = newer.identity.cluster_id == older.identity.cluster_id
    same_fold = newer.identity.fold_version == older.identity.fold_version
    return same_log and same_fold and newer.positions.keys() >= older.positions.keys()
