"""A snapshot's manifest: what was copied, of which log, and how to know every byte again. Pure.

It is written last, so a snapshot without one does not exist. docs/reference/snapshots.md has the format.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncline.clock import from_us, to_us
from syncline.errors import SnapshotRefused
from syncline.snapshots.checked import Fields
from syncline.state.digest import Digest
from syncline.state.identity import LogIdentity
from syncline.version import __version__

FORMAT_VERSION = 1
"""Raise it whenever an older Syncline could misread a newer snapshot, or the reverse."""
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 64 << 20
"""About 20,000 partitions."""


@dataclass(frozen=True, slots=True)
class CellsFile:
    """One file of cells."""

    name: str
    cells: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CopiedPartition:
    """One partition at the moment of the copy."""

    topic: str
    partition: int
    next_offset: int
    t_ms: int
    cells: int
    digest: Digest
    files: tuple[CellsFile, ...]
    """In the order of their keys; none where the partition has no cells."""

    @property
    def place(self) -> tuple[str, int]:
        """(topic, partition)."""
        return self.topic, self.partition


@dataclass(frozen=True, slots=True)
class Manifest:
    """All there is to know of a snapshot but its cells."""

    snapshot_id: str
    created_at_us: int
    identity: LogIdentity
    """Which cluster and topics the positions count in, and which fold the cells come from."""
    partitions: tuple[CopiedPartition, ...]
    """Sorted by topic and partition."""
    written_by: str = __version__
    """The version of Syncline that took it."""

    @property
    def cells(self) -> int:
        """How many cells there are, tombstones included."""
        return sum(each.cells for each in self.partitions)

    @property
    def bytes(self) -> int:
        """How many bytes its files of cells have."""
        return sum(file.bytes for each in self.partitions for file in each.files)

    @property
    def positions(self) -> dict[tuple[str, int], int]:
        """(topic, partition) → next offset."""
        return {each.place: each.next_offset for each in self.partitions}


def snapshot_id(now_us: int, token: str) -> str:
    """An id that sorts by time: `20261122T201500Z-5e2c9a41`. `token` is 8 hex digits that make it unique."""
    return f"{from_us(now_us):%Y%m%dT%H%M%SZ}-{token}"


def is_snapshot_id(text: str) -> bool:
    """Whether a folder of this name can be a snapshot."""
    return _ID.fullmatch(text) is not None


def file_name(number: int) -> str:
    """The name of the snapshot's n-th file of cells."""
    return f"cells-{number:05d}.arrow"


def render(manifest: Manifest) -> bytes:
    """The manifest as its file holds it. The same manifest gives the same bytes."""
    content = {
        "format_version": FORMAT_VERSION,
        "id": manifest.snapshot_id,
        "created_at": from_us(manifest.created_at_us).isoformat(timespec="microseconds"),
        "syncline_version": manifest.written_by,
        "fold_version": manifest.identity.fold_version,
        "cluster_id": manifest.identity.cluster_id,
        "topics": [
            {"topic": topic, "id": topic_id, "partitions": count}
            for topic, (topic_id, count) in sorted(manifest.identity.topics.items())
        ],
        "partitions": [
            {
                "topic": each.topic,
                "partition": each.partition,
                "next_offset": each.next_offset,
                "t_ms": each.t_ms,
                "cells": each.cells,
                "digest": f"{each.digest.total:016x}",
                "sub_digests": base64.b64encode(each.digest.pack()).decode(),
                "files": [
                    {"name": file.name, "cells": file.cells, "bytes": file.bytes, "sha256": file.sha256}
                    for file in each.files
                ],
            }
            for each in manifest.partitions
        ],
    }
    checksum = hashlib.sha256(_text(content)).hexdigest()
    return _text({**content, "checksum": checksum})


def parse(packed: bytes, *, snapshot: str) -> Manifest:
    """The manifest that `render` made, found in the folder of this snapshot id; every byte is proven.

    Raises:
        SnapshotRefused: it is cut off, changed, of another format or of another snapshot.
    """
    where = f"{snapshot}/{MANIFEST}"
    if len(packed) > MANIFEST_BYTES_MAX:
        raise SnapshotRefused(f"{where} has more than {MANIFEST_BYTES_MAX} bytes: no Syncline wrote it")
    try:
        content = json.loads(packed)
    except (ValueError, RecursionError):
        raise SnapshotRefused(f"{where} is no JSON: it is cut off or was changed") from None
    if not isinstance(content, dict):
        raise SnapshotRefused(f"{where} is no JSON object: no Syncline wrote it")
    _check_format(content.get("format_version"), where)
    manifest = _manifest(Fields(content, where))
    # Rendered again it must be the same bytes: the checksum is among them, and so is every space.
    if render(manifest) != packed:
        raise SnapshotRefused(f"{where}: its checksum is not that of its content: it was changed")
    if manifest.snapshot_id != snapshot:
        raise SnapshotRefused(f"{where} is the manifest of snapshot {manifest.snapshot_id}")
    _check_partitions(manifest, where)
    return manifest


def _check_format(found: object, where: str) -> None:
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise SnapshotRefused(f"{where}: format_version is no version: no Syncline wrote it")
    if found != FORMAT_VERSION:
        raise SnapshotRefused(
            f"{where} has format {found}, this Syncline ({__version__}) reads {FORMAT_VERSION}: upgrade it, or take "
            "another snapshot"
        )


def _manifest(fields: Fields) -> Manifest:
    text, number = fields.text, fields.whole
    topics = {
        topic.text("topic"): (topic.text_or_none("id"), topic.whole("partitions", 1, _PARTITION_END))
        for topic in fields.each("topics")
    }
    return Manifest(
        snapshot_id=text("id"),
        created_at_us=_moment(text("created_at"), fields.where),
        identity=LogIdentity(text("cluster_id"), topics, number("fold_version", 0, _LONG_END)),
        partitions=tuple(_partition(each) for each in fields.each("partitions")),
        written_by=text("syncline_version"),
    )


def _partition(fields: Fields) -> CopiedPartition:
    sums = fields.base64("sub_digests", Digest.SIZE)
    return CopiedPartition(
        topic=fields.text("topic"),
        partition=fields.whole("partition", 0, _PARTITION_END),
        next_offset=fields.whole("next_offset", 0, _LONG_END),
        t_ms=fields.whole("t_ms", -1, _LONG_END),
        cells=fields.whole("cells", 0, _LONG_END),
        digest=Digest.unpack(sums),
        files=tuple(
            CellsFile(
                name=file.text("name"),
                cells=file.whole("cells", 1, _FILE_END),
                bytes=file.whole("bytes", 1, _FILE_END),
                sha256=file.text("sha256"),
            )
            for file in fields.each("files")
        ),
    )


def _moment(text: str, where: str) -> int:
    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError:
        raise SnapshotRefused(f"{where}: created_at is no time: it was changed") from None


def _check_partitions(manifest: Manifest, where: str) -> None:
    """What no writer of ours would say, even with a checksum that fits."""
    places = [each.place for each in manifest.partitions]
    if places != sorted(set(places)):
        raise SnapshotRefused(f"{where}: its partitions are not in order, each once")
    names = [file.name for each in manifest.partitions for file in each.files]
    if names != [file_name(number) for number in range(len(names))]:
        raise SnapshotRefused(f"{where}: its files are not {file_name(0)} and so on, each once")
    for topic in manifest.identity.topics:
        if not _TOPIC.fullmatch(topic):
            raise SnapshotRefused(f"{where}: {topic[:80]!r} cannot be a topic's name")
    for each in manifest.partitions:
        at = f"{where}: {each.topic}[{each.partition}]"
        if each.topic not in manifest.identity.topics:
            raise SnapshotRefused(f"{at} is of a topic that it does not describe")
        if each.partition >= manifest.identity.topics[each.topic][1]:
            raise SnapshotRefused(f"{at} is beyond the topic's partitions")
        if sum(file.cells for file in each.files) != each.cells:
            raise SnapshotRefused(f"{at}: its files have other cells than it")


def _text(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode() + b"\n"


_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PARTITION_END = 1 << 31
_LONG_END = 1 << 63
_FILE_END = 1 << 31
"""Offsets in a file's columns have 32 bits."""
