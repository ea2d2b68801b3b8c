"""Which snapshots there are, and the newest that an agent can start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from syncline.errors import SnapshotError, SnapshotRefused
from syncline.ports.snapshots import SnapshotStore
from syncline.snapshots.manifest import MANIFEST, MANIFEST_BYTES_MAX, Manifest, is_snapshot_id, parse
from syncline.snapshots.verify import require_fold, verify
from syncline.state.identity import LogIdentity

OnPassedOver = Callable[[str, str], object]
"""Called with a snapshot's id and why it is not used."""
Watermarks = Mapping[tuple[str, int], tuple[int, int]]
"""(topic, partition) that is wanted → the first offset that its log keeps, and its end."""


def snapshot_ids(files: SnapshotStore) -> list[str]:
    """Every snapshot with a manifest, newest first. Without one it was not finished, and is none.

    Raises:
        SnapshotError: the place cannot be read.
    """
    folders = (name.removesuffix(f"/{MANIFEST}") for name in files.names() if name.endswith(f"/{MANIFEST}"))
    return sorted(filter(is_snapshot_id, folders), reverse=True)


def read_manifest(files: SnapshotStore, snapshot_id: str) -> Manifest:
    """The manifest of one snapshot.

    Raises:
        SnapshotRefused: there is no such snapshot, or its manifest is not what was written.
        SnapshotError: it cannot be read.
    """
    packed = (
        files.read(f"{snapshot_id}/{MANIFEST}", MANIFEST_BYTES_MAX) if is_snapshot_id(snapshot_id) else None
    )
    if packed is None:
        raise SnapshotRefused(
            f"there is no snapshot {snapshot_id} in {files.location}; `syncline snapshot list` shows what there is"
        )
    return parse(packed, snapshot=snapshot_id)


def usable(
    files: SnapshotStore,
    *,
    identity: LogIdentity | None,
    watermarks: Watermarks | None,
    on_passed_over: OnPassedOver,
) -> Iterator[Manifest]:
    """The snapshots that fit the log as it is now, newest first; their cells are not looked at yet.

    Without `identity` and `watermarks` the log is not asked: whoever starts from it has to.

    Raises:
        SnapshotError: the place cannot be read; or, once all were yielded, one of them could not be read.
    """
    unread: SnapshotError | None = None
    for snapshot_id in snapshot_ids(files):
        try:
            manifest = read_manifest(files, snapshot_id)
            require_fold(manifest)
            _require_fit(manifest, identity, watermarks)
        except SnapshotError as error:
            on_passed_over(snapshot_id, str(error))
            if not isinstance(error, SnapshotRefused):
                unread = error
        else:
            yield manifest
    if unread is not None:
        raise unread


def newest_usable(
    files: SnapshotStore, *, identity: LogIdentity, watermarks: Watermarks, on_passed_over: OnPassedOver
) -> Manifest | None:
    """The newest snapshot that fits the log as it is now, None where none does; its cells are not looked at yet.

    It is of the same cluster, topics, partition counts and fold, has at least one wanted partition, each position
    within what its log keeps, and lacks only partitions whose log begins at 0.

    Raises:
        SnapshotError: the place cannot be read.
    """
    candidates = usable(files, identity=identity, watermarks=watermarks, on_passed_over=on_passed_over)
    return next(candidates, None)


def newest_proven(files: SnapshotStore, *, on_passed_over: OnPassedOver) -> Manifest | None:
    """The newest snapshot whose every byte is what was written, None where there is none; the log is not asked.

    Raises:
        SnapshotError: the place cannot be read; or none was proven, and one of them could not be read.
    """
    unread: SnapshotError | None = None
    for manifest in usable(files, identity=None, watermarks=None, on_passed_over=on_passed_over):
        try:
            verify(files, manifest)
        except SnapshotError as error:
            on_passed_over(manifest.snapshot_id, str(error))
            if not isinstance(error, SnapshotRefused):
                unread = error
        else:
            return manifest
    if unread is not None:
        raise unread
    return None


def _require_fit(manifest: Manifest, identity: LogIdentity | None, watermarks: Watermarks | None) -> None:
    if identity is not None:
        _require_same_log(manifest.identity, identity)
    if watermarks is not None:
        _require_positions(manifest, watermarks)


def _require_same_log(then: LogIdentity, now: LogIdentity) -> None:
    if then.cluster_id != now.cluster_id:
        raise SnapshotRefused(f"it is of cluster {then.cluster_id}, this is {now.cluster_id}")
    for topic in sorted(then.topics.keys() & now.topics.keys()):
        (id_then, count_then), (id_now, count_now) = then.topics[topic], now.topics[topic]
        if id_then != id_now:
            raise SnapshotRefused(f"topic {topic} was deleted and made again: {id_then} became {id_now}")
        if count_then != count_now:
            raise SnapshotRefused(f"topic {topic} had {count_then} partitions, and has {count_now} now")


def _require_positions(manifest: Manifest, watermarks: Watermarks) -> None:
    positions = manifest.positions
    if not positions.keys() & watermarks.keys():
        raise SnapshotRefused("it has none of the partitions that are wanted")
    for (topic, partition), (first, end) in sorted(watermarks.items()):
        position = positions.get((topic, partition))
        at = f"{topic} partition {partition}"
        if position is None:
            if first > 0:
                raise SnapshotRefused(f"it lacks {at}, whose log begins at {first}")
        elif not first <= position <= end:
            raise SnapshotRefused(f"it has {at} at {position}, and the log keeps {first} to {end}")
