"""A snapshot that is not what was written is refused, with the file and what is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.adapters.memory.store import MemoryStore
from syncline.errors import SnapshotError, SnapshotRefused
from syncline.snapshots import manifest as manifests
from syncline.snapshots import piece as pieces
from syncline.snapshots.find import read_manifest, snapshot_ids
from syncline.snapshots.manifest import CopiedPartition, Manifest, parse, render
from syncline.snapshots.piece import Piece
from syncline.snapshots.restore import restore_newest
from syncline.snapshots.take import take
from syncline.snapshots.verify import verify
from syncline.state.digest import Digest
from syncline.state.identity import META_IDENTITY, LogIdentity
from tests.unit.snapshots.places import copied
from tests.unit.snapshots.states import (
    IDENTITY,
    NOW_US,
    TOPIC,
    everything,
    filled,
    partition_write,
    random_rows,
)


@pytest.fixture(scope="module")
def small() -> tuple[MemorySnapshots, Manifest]:
    """A snapshot of one partition with three cells, for thousands of changes; read only."""
    donor, files = MemoryStore(), MemorySnapshots()
    rows = random_rows(3, partition=0, partitions=3)
    donor.commit([partition_write(rows)], {META_IDENTITY: LogIdentity("c", {TOPIC: ("id", 3)}).pack()})
    return files, take(donor, files, now_us=NOW_US)


@pytest.fixture
def place() -> tuple[MemorySnapshots, Manifest]:
    """A snapshot of several partitions, to be changed."""
    files = MemorySnapshots()
    return files, take(filled(MemoryStore()), files, now_us=NOW_US)


def refusal(files: MemorySnapshots) -> str:
    """Why the only snapshot there is not restored; the store is as empty as before, and the same is told by verify."""
    (snapshot,) = snapshot_ids(files)
    with pytest.raises(SnapshotRefused) as refused:
        verify(files, read_manifest(files, snapshot))
    store, told = MemoryStore(), []
    assert (
        restore_newest(
            files, store, identity=None, watermarks=None, on_passed_over=lambda *passed: told.append(passed)
        )
        is None
    )
    assert told == [(snapshot, str(refused.value))]
    with store.snapshot() as looked:
        assert looked.partitions() == []
    return str(refused.value)


def content_of(files: MemorySnapshots, name: str) -> bytes:
    """The file."""
    content = files.read(name, 1 << 30)
    assert content is not None
    return content


def test_every_changed_byte_of_any_file_is_refused(small: tuple[MemorySnapshots, Manifest]) -> None:
    """P5: each byte of each file in turn, with one bit and with all bits flipped."""
    files, taken = small
    for name in files.names():
        content = content_of(files, name)
        other = copied(files)
        for at in range(len(content)):
            for flip in (1 << (at % 8), 0xFF):
                other.write(name, content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :])
                with pytest.raises(SnapshotRefused) as refused:
                    verify(other, read_manifest(other, taken.snapshot_id))
                assert name in str(refused.value), (at, flip)


def test_every_truncation_of_any_file_is_refused(small: tuple[MemorySnapshots, Manifest]) -> None:
    """P3: the manifest and the cells cut off at every length, and with something behind them."""
    files, taken = small
    for name in files.names():
        content = content_of(files, name)
        other = copied(files)
        for cut in [*(content[:end] for end in range(len(content))), content + b"\n", content + b"x" * 99]:
            other.write(name, cut)
            with pytest.raises(SnapshotRefused) as refused:
                verify(other, read_manifest(other, taken.snapshot_id))
            assert name in str(refused.value)


def test_a_missing_file_is_refused(place: tuple[MemorySnapshots, Manifest]) -> None:
    """Its name is told."""
    files, taken = place
    files.delete(f"{taken.snapshot_id}/cells-00001.arrow")

    assert refusal(files) == f"{taken.snapshot_id}/cells-00001.arrow is missing"


def test_swapped_files_are_refused(place: tuple[MemorySnapshots, Manifest]) -> None:
    """Two files that are each whole, but stand under each other's name."""
    files, taken = place
    one, two = (f"{taken.snapshot_id}/cells-0000{number}.arrow" for number in (0, 1))
    first, second = content_of(files, one), content_of(files, two)
    files.write(one, second)
    files.write(two, first)

    assert one in refusal(files)


def test_the_manifest_of_another_snapshot_is_refused(place: tuple[MemorySnapshots, Manifest]) -> None:
    """A manifest counts only in the folder of its own id."""
    files, taken = place
    other = "20270101T000000Z-00000000"
    for name in files.names():
        files.write(name.replace(taken.snapshot_id, other), content_of(files, name))
        files.delete(name)

    with pytest.raises(
        SnapshotRefused, match=f"{other}/manifest.json is the manifest of snapshot {taken.snapshot_id}"
    ):
        read_manifest(files, other)


def signed(content: dict[str, Any]) -> bytes:
    """A manifest with this content, and the checksum that belongs to it."""
    content.pop("checksum", None)
    text = json.dumps(content, indent=1).encode() + b"\n"
    content = {**content, "checksum": hashlib.sha256(text).hexdigest()}
    return json.dumps(content, indent=1).encode() + b"\n"


def changed(field: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets a field of the manifest."""

    def change(content: dict[str, Any]) -> None:
        content[field] = value

    return change


def changed_partition(field: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets a field of the first partition."""

    def change(content: dict[str, Any]) -> None:
        content["partitions"][0][field] = value

    return change


def changed_file(field: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets a field of the first partition's first file."""

    def change(content: dict[str, Any]) -> None:
        content["partitions"][0]["files"][0][field] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("format_version", 2), r"has format 2, this Syncline \(.*\) reads 1: upgrade it"),
        (changed("format_version", 0), "format_version is no version"),
        (changed("format_version", True), "format_version is no version"),
        (changed("format_version", "1"), "format_version is no version"),
        (changed("format_version", None), "format_version is no version"),
        (changed("created_at", "yesterday"), "created_at is no time"),
        (changed("created_at", "2026-11-22T20:15:00"), "created_at is no time"),
        (changed("cluster_id", 7), "cluster_id is not a text"),
        (changed("cluster_id", ""), "cluster_id is not a text"),
        (changed("cluster_id", "\ud800"), "cluster_id is not a text"),
        (changed("fold_version", -1), "fold_version is not an integer"),
        (changed("fold_version", 1.0), "fold_version is not an integer"),
        (changed("topics", None), "topics is not a list of objects"),
        (changed("topics", []), "is of a topic that it does not describe"),
        (changed("topics", [{"topic": "../x", "id": None, "partitions": 1}]), "cannot be a topic's name"),
        (changed("topics", [{"topic": TOPIC, "id": None, "partitions": 2}]), "beyond the topic's partitions"),
        (changed("partitions", [1]), "partitions is not a list of objects"),
        (changed("more", 1), "its checksum is not that of its content"),
        (changed_partition("partition", True), "partition is not an integer"),
        (changed_partition("partition", 2), "not in order, each once"),
        (changed_partition("next_offset", 1 << 63), "next_offset is not an integer"),
        (changed_partition("t_ms", -2), "t_ms is not an integer"),
        (changed_partition("cells", 41), "its files have other cells than it"),
        (changed_partition("sub_digests", "####"), "sub_digests is not 2048 bytes"),
        (changed_partition("sub_digests", "AAAA"), "sub_digests is not 2048 bytes"),
        (changed_partition("digest", "0000000000000000"), "its checksum is not that of its content"),
        (changed_file("name", "../../etc/passwd"), r"its files are not cells-00000\.arrow and so on"),
        (changed_file("name", "cells-00001.arrow"), r"its files are not cells-00000\.arrow and so on"),
        (changed_file("bytes", 0), "bytes is not an integer"),
        (changed_file("cells", 0), "cells is not an integer"),
    ],
)
def test_a_manifest_that_no_syncline_writes_is_refused(
    place: tuple[MemorySnapshots, Manifest], change: Callable[[dict[str, Any]], None], words: str
) -> None:
    """Also where its checksum was made anew; a newer format says so."""
    files, taken = place
    name = f"{taken.snapshot_id}/manifest.json"
    content = json.loads(content_of(files, name))
    content["topics"] = [topic for topic in content["topics"] if topic["topic"] == TOPIC]
    content["partitions"] = [each for each in content["partitions"] if each["topic"] == TOPIC]
    assert parse(signed(content), snapshot=taken.snapshot_id).cells == 80

    change(content)

    with pytest.raises(SnapshotRefused, match=words):
        parse(signed(content), snapshot=taken.snapshot_id)


@settings(max_examples=300, deadline=None)
@given(
    content=st.binary(max_size=200)
    | st.text().map(str.encode)
    | st.just(b"[" * 100_000)
    | st.just(b"9" * 9_999)
)
def test_any_bytes_are_a_manifest_or_refused(content: bytes) -> None:
    """Whatever stands there: one sentence, never a traceback."""
    with pytest.raises(SnapshotRefused):
        parse(content, snapshot="20261122T201500Z-00000000")


def test_a_manifest_of_any_length_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """P10: what somebody made of gigabytes costs no more memory than the longest manifest."""
    monkeypatch.setattr(manifests, "MANIFEST_BYTES_MAX", 10)

    with pytest.raises(SnapshotRefused, match="has more than 10 bytes"):
        parse(b"[" * 11, snapshot="20261122T201500Z-00000000")


def test_spaces_in_a_manifest_are_a_change(place: tuple[MemorySnapshots, Manifest]) -> None:
    """The same content in another form was not written by us."""
    files, taken = place
    content = json.loads(content_of(files, f"{taken.snapshot_id}/manifest.json"))

    with pytest.raises(SnapshotRefused, match="its checksum"):
        parse(json.dumps(content).encode(), snapshot=taken.snapshot_id)


def test_a_manifest_of_another_fold_is_refused(place: tuple[MemorySnapshots, Manifest]) -> None:
    """P2: states of different folds are never compared, nor gone on from."""
    files, taken = place
    other = replace(taken, identity=replace(IDENTITY, fold_version=2))
    files.write(f"{taken.snapshot_id}/manifest.json", render(other))

    assert "was folded by version 2 of the rules, this is 1" in refusal(files)


def forged(place: tuple[MemorySnapshots, Manifest], file: bytes, **partition: Any) -> MemorySnapshots:
    """The snapshot with another first file, and a manifest with hashes and checksum to match."""
    files, taken = place
    first: CopiedPartition = taken.partitions[0]
    (cells_file,) = first.files
    name = manifests.file_name(0)
    files.write(f"{taken.snapshot_id}/{name}", file)
    sha256 = hashlib.sha256(file).hexdigest()
    count = partition.get("cells", first.cells)
    made = replace(cells_file, bytes=len(file), sha256=sha256, cells=count)
    other = replace(taken, partitions=(replace(first, files=(made,), **partition), *taken.partitions[1:]))
    files.write(f"{taken.snapshot_id}/manifest.json", render(other))
    return files


def first_piece(place: tuple[MemorySnapshots, Manifest]) -> Piece:
    """The cells of the first file."""
    files, taken = place
    return pieces.unpack(content_of(files, f"{taken.snapshot_id}/cells-00000.arrow"), where="here")


def packed(keys: list[bytes], cells: list[bytes]) -> bytes:
    """Such a file."""
    return pieces.pack(Piece(keys, cells, 0))


def test_cells_with_hashes_made_anew_are_refused_by_the_digest(
    place: tuple[MemorySnapshots, Manifest],
) -> None:
    """P2: files and manifest fit each other, but the cells are not those that the sub-digests say."""
    piece = first_piece(place)
    other = partition_write(random_rows(40, partition=0, partitions=3, seed=77))
    order = sorted(range(40), key=other.keys.__getitem__)
    whole = packed([other.keys[at] for at in order], [other.cells[at] for at in order])

    assert "the digest of its cells is" in refusal(forged(place, whole))
    less = packed(list(piece.keys[1:]), list(piece.cells[1:]))
    assert "the digest of its cells is" in refusal(forged(place, less, cells=39))


def test_a_cell_whose_byte_was_changed_is_refused_by_its_own_hash(
    place: tuple[MemorySnapshots, Manifest],
) -> None:
    """P5: with the file's hash and the manifest's checksum made anew, at every byte of the cell."""
    piece = first_piece(place)
    for at in range(len(piece.cells[5])):
        cell = bytearray(piece.cells[5])
        cell[at] ^= 0x10
        cells = [*piece.cells[:5], bytes(cell), *piece.cells[6:]]

        assert "the checksum of cell 5 (by key, from 0) does not match" in refusal(
            forged(place, packed(list(piece.keys), cells))
        )


def test_cells_of_another_partition_are_refused(place: tuple[MemorySnapshots, Manifest]) -> None:
    """Each with a right hash of its own, and with the digest that they sum up to."""
    rows = sorted(random_rows(40, partition=1, partitions=3), key=lambda row: row.key)
    stray = partition_write(rows)
    file = packed(list(stray.keys), list(stray.cells))

    assert "the key of cell 0 (by key, from 0) belongs to another partition" in refusal(
        forged(place, file, digest=stray.state.digest)
    )


def test_cells_beyond_the_position_are_refused(place: tuple[MemorySnapshots, Manifest]) -> None:
    """A state holds no record at or above its position."""
    piece = first_piece(place)

    assert "a cell's offset is not below the partition's position, 3" in refusal(
        forged(place, packed(list(piece.keys), list(piece.cells)), next_offset=3)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda keys, cells: (keys[::-1], cells[::-1]), "its keys are not in order, each once"),
        (lambda keys, cells: ([*keys[:2], keys[1]], [*cells[:2], cells[1]]), "not in order, each once"),
        (lambda keys, cells: ([b"", *keys[1:]], cells), "a key has no or more than 511 bytes"),
        (lambda keys, cells: ([*keys[:-1], b"k" * 512], cells), "a key has no or more than 511 bytes"),
        (lambda keys, cells: (keys, [b"", *cells[1:]]), "a cell is shorter than its head"),
    ],
)
def test_columns_that_no_store_holds_are_refused(
    place: tuple[MemorySnapshots, Manifest], change: Callable[[list, list], tuple[list, list]], words: str
) -> None:
    """Keys out of order, twice, empty or too long, and cells too short, all with right hashes of their files."""
    piece = first_piece(place)
    keys, cells = change(list(piece.keys), list(piece.cells))

    assert words in refusal(forged(place, packed(keys, cells), cells=len(keys)))


def arrow_file(*batches: pa.RecordBatch) -> bytes:
    """An Arrow file of these batches."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def binary_batch(**columns: list[bytes | None]) -> pa.RecordBatch:
    """A batch of binary columns."""
    return pa.record_batch({name: pa.array(values, pa.binary()) for name, values in columns.items()})


def ours(keys: list[bytes], cells: list[bytes | None]) -> pa.RecordBatch:
    """A batch with the columns of a snapshot's file."""
    schema = pa.schema([pa.field(name, pa.binary(), nullable=False) for name in ("key", "cell")])
    return pa.record_batch([pa.array(keys, pa.binary()), pa.array(cells, pa.binary())], schema=schema)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"no arrow", "is no Arrow file"),
        (b"ARROW1\0\0" + b"\xff" * 64 + b"ARROW1", "is no Arrow file"),
        (arrow_file(binary_batch(cell=[b"x"], key=[b"x"])), "other columns than key and cell"),
        (arrow_file(binary_batch(key=[b"x"])), "other columns than key and cell"),
        (arrow_file(binary_batch(key=[b"x"], cell=[None])), "other columns than key and cell"),
        (arrow_file(pa.record_batch({"key": ["x"], "cell": ["x"]})), "other columns than key and cell"),
        (arrow_file(ours([b"x"], [b"x"]), ours([b"y"], [b"y"])), "other columns than key and cell"),
        (arrow_file(ours([b"x"], [None])), "has a null"),
        (arrow_file(ours([], [])), "has 0 cells, not 40"),
        (arrow_file(ours([b"x"], [b"x"])), "has 1 cells, not 40"),
    ],
)
def test_other_files_with_a_right_hash_are_refused(
    place: tuple[MemorySnapshots, Manifest], file: bytes, words: str
) -> None:
    """What is no Arrow file, or one of other columns."""
    assert words in refusal(forged(place, file))


@settings(max_examples=200, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_arrow_files_changed_anywhere_under_a_right_hash_end_in_a_sentence(at: float, flip: int) -> None:
    """P5: with the file's hash made anew, what Arrow makes of it is refused, or is the same cells."""
    files = MemorySnapshots()
    donor = filled(MemoryStore())
    taken = take(donor, files, now_us=NOW_US)
    content = bytearray(content_of(files, f"{taken.snapshot_id}/cells-00000.arrow"))
    content[int(at * len(content))] ^= flip
    forged((files, taken), bytes(content))
    store = MemoryStore()

    done = restore_newest(files, store, identity=None, watermarks=None)

    assert done is None or everything(store) == everything(donor)


def test_a_place_that_cannot_be_read_is_no_bad_snapshot(place: tuple[MemorySnapshots, Manifest]) -> None:
    """P10: trying again may help, so it is told apart from "none can be used"; the store stays empty."""
    files, _ = place

    class Unreadable(MemorySnapshots):
        def read(self, name: str, bytes_max: int) -> bytes | None:
            if name.endswith("00002.arrow"):
                raise SnapshotError("no answer")
            return super().read(name, bytes_max)

    unreadable = Unreadable()
    for name in files.names():
        unreadable.write(name, content_of(files, name))
    store = MemoryStore()

    with pytest.raises(SnapshotError, match="no answer") as failed:
        restore_newest(unreadable, store, identity=None, watermarks=None)

    assert not isinstance(failed.value, SnapshotRefused)
    with store.snapshot() as looked:
        assert looked.partitions() == []


def test_a_digest_is_kept_whole() -> None:
    """The sub-digests come back from a manifest, each of the 256."""
    digest = Digest.empty().changed(
        added=(list(range(256)), [2**64 - 1 - at for at in range(256)]), removed=((), ())
    )
    made = Manifest(
        "20261122T201500Z-00000000",
        NOW_US,
        IDENTITY,
        (CopiedPartition(TOPIC, 0, 9, 9, 0, digest, ()),),
    )

    assert parse(render(made), snapshot=made.snapshot_id).partitions[0].digest == digest
