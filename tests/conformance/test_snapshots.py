"""What every place of snapshots promises, shown on each of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.adapters.fsspec import FsspecSnapshots
from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.errors import SnapshotError
from syncline.ports.snapshots import SnapshotStore
from syncline.snapshots.find import read_manifest, snapshot_ids
from syncline.snapshots.restore import restore
from syncline.snapshots.take import take
from tests.unit.snapshots.states import NOW_US, STORES, everything, filled

FIVE = 5


@pytest.fixture(params=["folder", "file URL", "memory URL", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SnapshotStore]:
    """An empty place of each kind; the folders do not exist yet."""
    match request.param:
        case "folder":
            yield FsspecSnapshots.open(str(tmp_path / "some" / "snapshots"))
        case "file URL":
            yield FsspecSnapshots.open((tmp_path / "some" / "snapshots").as_uri() + "/")
        case "memory URL":
            made = FsspecSnapshots.open(f"memory://{uuid.uuid4()}/snapshots")
            yield made
            for name in made.names():
                made.delete(name)
        case _:
            yield MemorySnapshots()


def test_a_new_place_is_empty(files: SnapshotStore) -> None:
    """Nothing is listed and nothing is read before the first file is written; a folder need not exist."""
    assert files.names() == []
    assert files.read("a/manifest.json", FIVE) is None


def test_a_file_comes_back_as_it_was_written(files: SnapshotStore) -> None:
    """Any bytes, under names in folders; they are listed sorted."""
    content = bytes(range(256)) * 3
    files.write("b/two.arrow", content)
    files.write("b/one.json", b"{}")
    files.write("a/x-1_2.json", b"x")

    assert files.read("b/two.arrow", len(content)) == content
    assert files.names() == ["a/x-1_2.json", "b/one.json", "b/two.arrow"]


def test_a_file_is_replaced(files: SnapshotStore) -> None:
    """The last content stands, also where it is shorter."""
    files.write("a/file", b"long content")
    files.write("a/file", b"short")

    assert files.read("a/file", 100) == b"short"


def test_of_a_longer_file_one_more_byte_is_read(files: SnapshotStore) -> None:
    """Whoever expects so many bytes learns that there are more, and never takes in all of them."""
    files.write("a/file", b"123456789")

    assert files.read("a/file", FIVE) == b"123456"
    assert files.read("a/file", 9) == b"123456789"


def test_a_file_is_deleted(files: SnapshotStore) -> None:
    """What was deleted is gone; deleting what is not there is no error."""
    files.write("a/one", b"1")
    files.write("a/two", b"2")

    files.delete("a/one")
    files.delete("a/one")
    files.delete("never/was")

    assert files.names() == ["a/two"]
    assert files.read("a/one", FIVE) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../../up",
        "a//b",
        "a/",
        ".hidden",
        "a/.b",
        "a b",
        "a/b\n",
        "é",
        "x" * 101,
    ],
)
def test_names_that_lead_elsewhere_are_refused(files: SnapshotStore, name: str) -> None:
    """Nothing outside of the location is read, written or removed, whatever a manifest says."""
    for attempt in (
        lambda: files.read(name, FIVE),
        lambda: files.write(name, b""),
        lambda: files.delete(name),
    ):
        with pytest.raises(SnapshotError, match="cannot be a file's name"):
            attempt()


@pytest.mark.parametrize("kind", STORES)
def test_a_snapshot_goes_there_and_back(files: SnapshotStore, kind: str, tmp_path: Path) -> None:
    """P2: what is restored from any place equals what was copied, in every kind of store."""
    donor, starter = filled(STORES[kind](tmp_path / "donor")), STORES[kind](tmp_path / "starter")
    taken = take(donor, files, now_us=NOW_US)

    assert snapshot_ids(files) == [taken.snapshot_id]
    assert read_manifest(files, taken.snapshot_id) == taken
    restore(taken, files, starter)

    assert everything(starter) == everything(donor)
    donor.close()
    starter.close()
