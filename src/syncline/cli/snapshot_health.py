"""What doctor says of snapshots: trimming past the newest one is an alarm, as nobody new could start (log.md)."""

from __future__ import annotations

from collections.abc import Iterator

from syncline.agent.identity import ask_identity
from syncline.cli.checks import Check, Level
from syncline.errors import SnapshotError, SynclineError, TopicMissing
from syncline.ports.log import Log
from syncline.ports.snapshots import SnapshotStore
from syncline.snapshots.find import Watermarks, newest_usable, read_manifest, snapshot_ids
from syncline.snapshots.manifest import Manifest

_ASK_S = 5.0
_TAKE_ONE = (
    "Take one from the store of an agent that is LIVE (`syncline snapshot create`), and let one agent take them more "
    "often than topics are kept (SYNCLINE_SNAPSHOT_INTERVAL_S)"
)


def examine_snapshots(log: Log, files: SnapshotStore) -> Iterator[Check]:
    """Whether an agent could start from the newest snapshot now; its cells are not read."""
    try:
        yield _newest(log, files)
    except SynclineError as error:
        yield Check(Level.FAIL, "snapshots", str(error), "Check the URL, and the rights to read there")


def _newest(log: Log, files: SnapshotStore) -> Check:
    ids = snapshot_ids(files)
    if not ids:
        return Check(Level.WARN, "snapshots", f"there is none in {files.location}", _TAKE_ONE)
    passed_over: list[str] = []
    wanted = _first_readable(files, ids)
    usable = None
    if wanted is not None:
        topics = [topic for topic in wanted.identity.topics if log.describe_topic(topic, _ASK_S) is not None]
        usable = newest_usable(
            files,
            identity=ask_identity(log, topics, timeout_s=_ASK_S),
            watermarks=_watermarks(log, wanted),
            on_passed_over=lambda name, reason: passed_over.append(f"{name}: {reason}"),
        )
    if usable is None:
        said = f"none of the {len(ids)} in {files.location} can be started from: " + "; ".join(
            passed_over[:3] or ["no manifest can be read"]
        )
        return Check(Level.FAIL, "snapshots", said, _TAKE_ONE)
    if usable.snapshot_id != ids[0]:
        said = f"the newest that can be started from is {usable.snapshot_id}: " + "; ".join(passed_over[:3])
        return Check(Level.WARN, "snapshots", said, _TAKE_ONE)
    return Check(Level.OK, "snapshots", f"{usable.snapshot_id} in {files.location} can be started from")


def _first_readable(files: SnapshotStore, ids: list[str]) -> Manifest | None:
    for snapshot_id in ids:
        try:
            return read_manifest(files, snapshot_id)
        except SnapshotError:
            continue
    return None


def _watermarks(log: Log, manifest: Manifest) -> Watermarks:
    """(first, end) of every partition that the snapshot has, and that is still there."""
    reader, found = log.reader(client_id="syncline-doctor"), {}
    try:
        for topic, partition in manifest.positions:
            try:
                found[topic, partition] = reader.watermarks(topic, partition, _ASK_S)
            except TopicMissing:
                continue
    finally:
        reader.close()
    return found
