"""Proof that a snapshot is what was written: every file by its hash, every cell by its own, all by the digests."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

from syncline.errors import SnapshotRefused
from syncline.ports.snapshots import SnapshotStore
from syncline.snapshots import piece as cell_files
from syncline.snapshots.manifest import CellsFile, CopiedPartition, Manifest
from syncline.snapshots.piece import Piece
from syncline.snapshots.proof import Proof
from syncline.state.partition import FOLD_VERSION


class Proven(NamedTuple):
    """Some cells whose bytes are right, and the tombstones among them as (event time, key)."""

    partition: CopiedPartition
    piece: Piece
    tombstones: list[tuple[int, bytes]]


def verify(files: SnapshotStore, manifest: Manifest) -> None:
    """Read all of the snapshot, and prove it.

    Raises:
        SnapshotRefused: it is not what was written; the message names the file and what is wrong.
        SnapshotError: a file cannot be read.
    """
    for _ in proven_cells(files, manifest, manifest.partitions):
        pass


def proven_cells(
    files: SnapshotStore, manifest: Manifest, partitions: Collection[CopiedPartition]
) -> Iterator[Proven]:
    """The cells of these partitions, a file at a time. Only when this came to its end they are proven as a whole.

    Raises:
        SnapshotRefused: they are not what was written; the message names the file and what is wrong.
        SnapshotError: a file cannot be read.
    """
    require_fold(manifest)
    with closing(_contents(files, manifest.snapshot_id, partitions)) as contents:
        for partition in partitions:
            count = manifest.identity.topics[partition.topic][1]
            proof = Proof(partition.partition, count, partition.next_offset)
            for file in partition.files:
                where = f"{manifest.snapshot_id}/{file.name}"
                piece = cell_files.unpack(next(contents), where=where)
                if len(piece) != file.cells:
                    raise SnapshotRefused(f"{where} has {len(piece)} cells, not {file.cells}: it was changed")
                try:
                    tombstones = proof.take(piece)
                except SnapshotRefused as error:
                    raise SnapshotRefused(f"{where}: {error}: it was changed") from None
                yield Proven(partition, piece, tombstones)
            try:
                proof.check(cells=partition.cells, digest=partition.digest)
            except SnapshotRefused as error:
                at = f"{manifest.snapshot_id}: {partition.topic} partition {partition.partition}"
                raise SnapshotRefused(f"{at}: {error}: it was changed") from None


def require_fold(manifest: Manifest) -> None:
    """Refuse cells that other rules folded: they are never compared with ours, nor go on from.

    Raises:
        SnapshotRefused: they were.
    """
    if manifest.identity.fold_version != FOLD_VERSION:
        raise SnapshotRefused(
            f"{manifest.snapshot_id} was folded by version {manifest.identity.fold_version} of the rules, this is "
            f"{FOLD_VERSION}: take another with this Syncline"
        )


def _contents(
    files: SnapshotStore, snapshot: str, partitions: Collection[CopiedPartition]
) -> Generator[bytes]:
    """The content of every file, each with the hash that the manifest says; the next one is read meanwhile."""
    wanted = [file for partition in partitions for file in partition.files]
    with ThreadPoolExecutor(1, "syncline-snapshot") as ahead:
        reading = [ahead.submit(_content, files, file, f"{snapshot}/{file.name}") for file in wanted[:1]]
        for following in [*wanted[1:], None]:
            if not reading:
                return
            content = reading.pop().result()
            if following is not None:
                reading.append(ahead.submit(_content, files, following, f"{snapshot}/{following.name}"))
            yield content


def _content(files: SnapshotStore, file: CellsFile, where: str) -> bytes:
    content = files.read(where, file.bytes)
    if content is None:
        raise SnapshotRefused(f"{where} is missing")
    if len(content) != file.bytes:
        size = f"more than {file.bytes}" if len(content) > file.bytes else str(len(content))
        raise SnapshotRefused(f"{where} has {size} bytes, not {file.bytes}: it is cut off or was changed")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise SnapshotRefused(f"{where}: its sha256 is not that of the manifest: it was changed")
    return content
