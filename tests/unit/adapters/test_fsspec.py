"""Places of snapshots that cannot be used say so in one sentence, and never with a password in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from syncline.adapters import fsspec
from syncline.adapters.fsspec import FsspecSnapshots
from syncline.errors import SnapshotError


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("nonsense://x", "nonsense://x is no place for snapshots"),
        ("", "no place for snapshots is given"),
        ("  ", "no place for snapshots is given"),
        ("sftp://ada:hunter2@host/x", "sftp://host/x: a library for this protocol is missing"),
        ("nonsense://ada:hunter2@host/x", "nonsense://host/x is no place"),
        ("sftp://ada:p@hunter2@host/x", "sftp://host/x: a library"),
        ("nonsense://container@account.example/x", "nonsense://container@account.example/x is no place"),
        (
            "s3:/bucket/x",
            "s3:/bucket/x is neither a folder nor a URL: write s3://bucket/x, or ./s3:/bucket/x",
        ),
    ],
)
def test_what_is_no_place_is_told(location: str, words: str) -> None:
    """An unknown protocol, a missing library or nothing at all; credentials are left out."""
    with pytest.raises(SnapshotError) as refused:
        FsspecSnapshots.open(location)

    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    """Listing and writing name the place; nothing is written."""
    (tmp_path / "file").write_bytes(b"here")
    files = FsspecSnapshots.open(str(tmp_path / "file"))

    with pytest.raises(SnapshotError, match="cannot be listed"):
        files.names()
    with pytest.raises(SnapshotError, match="cannot be written: a/x"):
        files.write("a/x", b"1")
    assert files.read("a/x", 5) is None
    assert (tmp_path / "file").read_bytes() == b"here"


def test_a_place_that_may_not_be_listed_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: without the right to look, nobody may conclude that there are no snapshots."""
    files = FsspecSnapshots.open(str(tmp_path))

    def refuse(*given, **named) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(LocalFileSystem, "ls", refuse)

    with pytest.raises(SnapshotError, match=r"cannot be listed \(PermissionError: Permission denied\)"):
        files.names()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: what stood under the name still stands, and no part of the new file is left."""
    files = FsspecSnapshots.open(str(tmp_path))
    files.write("a/x", b"before")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fsspec.os, "fsync", full)
    with pytest.raises(SnapshotError, match=r"cannot be written: a/x \(OSError: No space left on device\)"):
        files.write("a/x", b"after")

    assert files.read("a/x", 10) == b"before"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]


def test_files_of_others_are_not_seen(tmp_path: Path) -> None:
    """Half-written files, hidden ones and names that no snapshot has."""
    files = FsspecSnapshots.open(str(tmp_path))
    files.write("a/x", b"1")
    for name in (".hidden", ".x.part", "a b", "é"):
        (tmp_path / "a" / name).write_bytes(b"")

    assert files.names() == ["a/x"]


def test_the_folder_of_a_snapshot_goes_with_its_last_file(tmp_path: Path) -> None:
    """Nothing is left of a snapshot that was removed; the place itself stays."""
    files = FsspecSnapshots.open(str(tmp_path))
    files.write("a/x", b"1")
    files.write("a/y", b"1")

    files.delete("a/x")
    assert (tmp_path / "a").exists()
    files.delete("a/y")

    assert list(tmp_path.iterdir()) == []


def test_what_another_process_wrote_is_listed(tmp_path: Path) -> None:
    """A listing is never one that was kept from before."""
    here, there = FsspecSnapshots.open(tmp_path.as_uri()), FsspecSnapshots.open(str(tmp_path))
    assert here.names() == []

    there.write("a/x", b"1")

    assert here.names() == ["a/x"]


def test_a_folder_of_a_snapshot_that_may_not_be_listed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: what may not be looked into is an error, and never a place without snapshots."""
    files = FsspecSnapshots.open(str(tmp_path))
    files.write("a/x", b"1")
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(SnapshotError, match=r"cannot be listed: a \(PermissionError: Permission denied\)"):
        files.names()


def test_what_others_keep_beside_snapshots_is_not_walked_through(tmp_path: Path) -> None:
    """A million files in a folder of a folder cost nothing: snapshots are one level deep."""
    files = FsspecSnapshots.open(str(tmp_path))
    files.write("a/x", b"1")
    (tmp_path / "others" / "deep").mkdir(parents=True)
    (tmp_path / "others" / "deep" / "file").write_bytes(b"")
    (tmp_path / "lost+found").mkdir()

    assert files.names() == ["a/x"]


def test_a_folder_that_goes_while_it_is_listed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another agent prunes at the same time: that is no error."""
    files = FsspecSnapshots.open(str(tmp_path))
    files.write("a/x", b"1")
    files.write("b/x", b"1")
    list_one = LocalFileSystem.ls

    def pruned(self: LocalFileSystem, path: str, **named: object) -> object:
        if path.endswith("/a"):
            raise FileNotFoundError(path)
        return list_one(self, path, **named)

    monkeypatch.setattr(LocalFileSystem, "ls", pruned)

    assert files.names() == ["b/x"]


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Reading it would wait for ever: it is told instead."""
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "x")
    files = FsspecSnapshots.open(str(tmp_path))

    with pytest.raises(SnapshotError, match=r"cannot be read: a/x \(OSError: it is no regular file\)"):
        files.read("a/x", 5)
