"""What only a store on disk can do, and what can go wrong with one."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import lmdb
import pytest

from syncline.adapters.lmdb import layout
from syncline.adapters.lmdb.store import LmdbStore
from syncline.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreMissing
from syncline.state.partition import PartitionState, PartitionWrite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the test's store is."""
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> Iterator[LmdbStore]:
    """An empty store, open for writing."""
    made = LmdbStore.open(folder, create=True)
    yield made
    made.close()


def write(n: int, *, partition: int = 0, keys: int = 1, size: int = 8) -> PartitionWrite:
    """A write whose state and cells all say `n`."""
    names = [b"key-%06d" % at for at in range(keys)]
    return PartitionWrite(
        "flights", partition, PartitionState(next_offset=n), names, [b"%d".ljust(size + 2) % n] * keys
    )


def next_offset(store: LmdbStore, partition: int = 0) -> int | None:
    """The position that the store holds."""
    with store.snapshot() as snapshot:
        state = snapshot.state("flights", partition)
        return state.next_offset if state else None


def test_a_store_outlives_its_process(folder: Path) -> None:
    """P3: what was committed is there when the store is opened again."""
    store = LmdbStore.open(folder, create=True)
    store.commit([write(5)], {"release": b"7"})
    store.close()

    again = LmdbStore.open(folder)
    with again.snapshot() as snapshot:
        assert snapshot.state("flights", 0) == PartitionState(next_offset=5)
        assert (snapshot.meta("release"), snapshot.generation()) == (b"7", 1)
    again.commit([write(6)])
    again.close()
    reader = LmdbStore.open(folder, read_only=True)
    assert next_offset(reader) == 6
    reader.close()


def test_nobody_else_may_read_the_folder(store: LmdbStore, folder: Path) -> None:
    """Folder 0700, files 0600: features may be personal data."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("asked", [{}, {"read_only": True}])
def test_no_store_is_missing(folder: Path, asked: dict[str, bool]) -> None:
    """A path without a store is an error that names the remedy, and nothing is made there."""
    with pytest.raises(StoreMissing, match="start its agent"):
        LmdbStore.open(folder, **asked)

    assert not folder.exists()


def test_an_empty_data_file_is_a_missing_store(folder: Path) -> None:
    """A writer that died in its first moment leaves nothing to read, and the next one starts afresh."""
    folder.mkdir()
    (folder / "data.mdb").touch()

    with pytest.raises(StoreMissing):
        LmdbStore.open(folder, read_only=True)
    LmdbStore.open(folder, create=True).close()


def test_a_store_without_its_marks_is_still_being_created(folder: Path) -> None:
    """A reader that comes between LMDB's first page and our first commit is told to come again."""
    folder.mkdir()
    lmdb.open(str(folder), max_dbs=1).close()

    with pytest.raises(StoreMissing, match="being created"):
        LmdbStore.open(folder, read_only=True)
    LmdbStore.open(folder, create=True).close()


def test_a_reader_cannot_create_nor_commit(store: LmdbStore, folder: Path) -> None:
    """Only the agent writes."""
    reader = LmdbStore.open(folder, read_only=True)

    with pytest.raises(StoreError, match="read only"):
        reader.commit([write(1)])
    with pytest.raises(StoreError, match="cannot create"):
        LmdbStore.open(folder, read_only=True, create=True)
    reader.close()


def test_a_second_writer_of_one_process_is_refused(store: LmdbStore, folder: Path) -> None:
    """Two agents never share a store, and the first one is not disturbed."""
    with pytest.raises(StoreBusy, match=f"process {os.getpid()}"):
        LmdbStore.open(folder)

    store.commit([write(1)])
    assert next_offset(store) == 1


def test_reader_and_writer_of_one_process_share_the_files(store: LmdbStore, folder: Path) -> None:
    """A reader beside an agent sees each commit, new partitions too, and closing one leaves the other working."""
    reader = LmdbStore.open(folder, read_only=True)
    store.commit([write(1)])
    assert next_offset(reader) == 1
    store.commit([write(2, partition=4)])
    assert next_offset(reader, 4) == 2

    reader.close()
    store.commit([write(3)])

    assert next_offset(store) == 3


def test_a_reader_that_came_first_lets_the_writer_in(folder: Path) -> None:
    """The same process may open its reader before its agent, under another spelling of the path."""
    LmdbStore.open(folder, create=True).close()
    reader = LmdbStore.open(folder.parent / "." / folder.name, read_only=True)
    assert next_offset(reader) is None

    writer = LmdbStore.open(folder)
    writer.commit([write(1)])

    assert next_offset(reader) == 1
    writer.close()
    assert next_offset(reader) == 1
    reader.close()


def test_a_snapshot_that_stays_open_does_not_see_the_writer_it_holds_up(folder: Path) -> None:
    """Making a read-only environment writable waits for open reads, here in another thread."""
    LmdbStore.open(folder, create=True).close()
    reader = LmdbStore.open(folder, read_only=True)
    opened: list[LmdbStore] = []
    opening = threading.Thread(target=lambda: opened.append(LmdbStore.open(folder)))

    with reader.snapshot() as snapshot:
        opening.start()
        assert snapshot.partitions() == []
        assert opened == []
    opening.join(30)

    opened[0].commit([write(1)])
    assert next_offset(reader) == 1
    opened[0].close()
    reader.close()


def test_a_recreated_folder_is_another_store(folder: Path) -> None:
    """A reader of a folder that was deleted keeps the old files; a new one at the same path reads the new."""
    old = LmdbStore.open(folder, create=True)
    old.commit([write(1)])
    shutil.rmtree(folder)

    new = LmdbStore.open(folder, create=True)
    new.commit([write(2)])

    assert (next_offset(old), next_offset(new)) == (1, 2)
    old.close()
    new.close()


def test_a_full_map_grows(folder: Path) -> None:
    """P3: the same commit goes through as soon as the map is large enough, whole."""
    store = LmdbStore.open(folder, create=True, map_bytes=1 << 17)

    store.commit([write(1, partition=at, keys=500, size=1000) for at in range(4)], {"release": b"1"})

    with store.snapshot() as snapshot:
        assert [len(list(snapshot.scan("flights", at))) for at in range(4)] == [500] * 4
        assert snapshot.generation() == 1
    store.close()


def test_the_map_grows_under_readers_of_the_same_process(folder: Path) -> None:
    """Reads that are open when the map is full are waited for, and those that come later go on."""
    store = LmdbStore.open(folder, create=True, map_bytes=1 << 17)
    store.commit([write(0)])
    wrong: list[BaseException] = []
    begun, done = threading.Event(), threading.Event()

    def read() -> None:
        try:
            # Without a pause two readers hand the interpreter to each other, and a third thread waits for minutes.
            while not done.wait(0.0002):
                with store.snapshot() as snapshot:
                    state = snapshot.state("flights", 0)
                    assert state is not None
                    assert snapshot.cell("flights", 0, b"key-000000") == b"%d".ljust(10) % state.next_offset
                begun.set()
        except Exception as error:  # noqa: BLE001 (whatever it is, the test reports it)
            wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert begun.wait(30)
    for n in range(1, 40):
        store.commit([write(n), PartitionWrite("more", n, PartitionState(), [b"k"], [b"x" * 200_000])])
    done.set()
    for reader in readers:
        reader.join(30)

    assert wrong == []
    store.close()


def test_a_map_at_its_limit_is_full_and_stays_readable(folder: Path) -> None:
    """P3, P10: nothing of the commit is written, the limit is named, and smaller commits still go through."""
    store = LmdbStore.open(folder, create=True, map_bytes=1 << 17, map_bytes_max=1 << 19)
    store.commit([write(1)], {"release": b"1"})

    with pytest.raises(StoreFull, match="map_bytes_max"):
        store.commit([write(2, keys=2000, size=1000), write(2, partition=1)], {"release": b"2"})

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == [("flights", 0)]
        assert (snapshot.meta("release"), len(list(snapshot.scan("flights", 0)))) == (b"1", 1)
    store.commit([write(3), write(3, partition=1)])
    assert (next_offset(store), next_offset(store, 1)) == (3, 3)
    store.close()


def test_an_error_in_the_middle_of_a_commit_leaves_nothing(store: LmdbStore) -> None:
    """P3: a cell that is no bytes fails after other cells and a new partition were put; all of it goes away."""
    store.commit([write(1)])
    bad = PartitionWrite("flights", 8, PartitionState(), [b"a", b"b"], [b"good", None])

    with pytest.raises(TypeError):
        store.commit([write(2), bad], {"release": b"2"})

    assert (next_offset(store), next_offset(store, 8)) == (1, None)
    store.commit([write(2), write(2, partition=8)])
    assert (next_offset(store), next_offset(store, 8)) == (2, 2)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_corrupt(folder: Path, share: float) -> None:
    """P3, P5: missing pages are noticed before LMDB maps the file, where touching one would be a SIGBUS."""
    store = LmdbStore.open(folder, create=True)
    store.commit([write(1, keys=2000, size=500)])
    store.close()
    data = folder / "data.mdb"

    os.truncate(data, int(data.stat().st_size * share))

    for asked in ({"create": True}, {"read_only": True}, {}):
        with pytest.raises(StoreCorrupt, match="cut off"):
            LmdbStore.open(folder, **asked)


def test_free_pages_missing_at_the_end_are_no_fault(folder: Path) -> None:
    """A tail that nothing refers to is never read, so a store without it opens and tells the truth."""
    store = LmdbStore.open(folder, create=True)
    big = PartitionWrite("flights", 1, PartitionState(), [b"big"], [b"x" * 400_000])
    store.commit([write(1)])
    store.commit([big])
    for n in range(2, 6):
        store.commit([write(n), PartitionWrite("flights", 1, PartitionState(), dropped=[b"big"])])
    store.close()
    data = folder / "data.mdb"

    os.truncate(data, data.stat().st_size - 100_000)

    again = LmdbStore.open(folder)
    assert next_offset(again) == 5
    again.commit([write(6, keys=2000, size=500)])
    assert next_offset(again) == 6
    again.close()


@pytest.mark.parametrize("content", [b"x", b"\0" * 8192, b"not a store at all" * 1000])
def test_a_file_of_something_else_is_corrupt(folder: Path, content: bytes) -> None:
    """A file that is none of LMDB's is refused with a sentence."""
    folder.mkdir()
    (folder / "data.mdb").write_bytes(content)

    with pytest.raises(StoreCorrupt, match=r"data\.mdb"):
        LmdbStore.open(folder, read_only=True)


def test_somebody_elses_lmdb_is_left_alone(folder: Path) -> None:
    """An LMDB folder of another program is refused, and not a byte of it is changed."""
    folder.mkdir()
    with lmdb.open(str(folder), max_dbs=2) as other, other.begin(write=True) as transaction:
        transaction.put(b"k", b"v", db=other.open_db(b"theirs", txn=transaction))
    before = (folder / "data.mdb").read_bytes()

    with pytest.raises(StoreCorrupt, match="none of Syncline's"):
        LmdbStore.open(folder, create=True)

    assert (folder / "data.mdb").read_bytes() == before


@pytest.mark.parametrize("mark", [layout.pack_count(layout.FORMAT + 1), b"?", None])
def test_another_layout_is_refused(folder: Path, mark: bytes | None) -> None:
    """A store of another Syncline is not misread; the message names both layouts and the remedy."""
    LmdbStore.open(folder, create=True).close()
    with lmdb.open(str(folder), max_dbs=8) as raw, raw.begin(write=True) as transaction:
        marks = raw.open_db(layout.LAYOUT, txn=transaction)
        if mark is None:
            transaction.delete(layout.FORMAT_KEY, db=marks)
        else:
            transaction.put(layout.FORMAT_KEY, mark, db=marks)

    for asked in ({"create": True}, {"read_only": True}):
        with pytest.raises(
            StoreCorrupt, match=r"this Syncline reads 1 and 2: run the Syncline that wrote it"
        ):
            LmdbStore.open(folder, **asked)


def format_of(folder: Path, new: int | None = None) -> int:
    """The layout that the closed store is marked with; another one if it is to be."""
    with lmdb.open(str(folder), max_dbs=8) as raw, raw.begin(write=True) as transaction:
        marks = raw.open_db(layout.LAYOUT, txn=transaction)
        if new is not None:
            transaction.put(layout.FORMAT_KEY, layout.pack_count(new), db=marks)
        return layout.parse_count(transaction.get(layout.FORMAT_KEY, db=marks))


def traced(n: int) -> PartitionWrite:
    """A write of one traced cell."""
    return PartitionWrite(
        "flights", 0, PartitionState(next_offset=n), [b"k"], [b"cell"], traces=[(b"k", b"%d" % n)]
    )


def trace(store: LmdbStore) -> bytes | None:
    """What stands beside that cell."""
    with store.snapshot() as snapshot:
        return snapshot.trace("flights", 0, b"k")


def test_a_store_without_traces_is_read_as_it_is(folder: Path) -> None:
    """A store of layout 1 is read by a reader, which finds no traces and leaves the mark alone."""
    store = LmdbStore.open(folder, create=True)
    store.commit([write(5)])
    store.close()
    assert format_of(folder, new=1) == 1

    reader = LmdbStore.open(folder, read_only=True)

    assert (next_offset(reader), trace(reader)) == (5, None)
    reader.close()
    assert format_of(folder) == 1


def test_a_store_without_traces_can_have_them_once_it_is_opened_for_writing(folder: Path) -> None:
    """Layout 1 becomes 2 before anything is written, also when a reader had it open first; nothing is lost."""
    store = LmdbStore.open(folder, create=True)
    store.commit([write(5)], {"release": b"7"})
    store.close()
    format_of(folder, new=1)
    reader = LmdbStore.open(folder, read_only=True)

    writer = LmdbStore.open(folder)
    with writer.snapshot() as snapshot:
        assert (snapshot.meta("release"), snapshot.generation()) == (b"7", 1)
    assert next_offset(reader) == 5
    writer.commit([traced(6)])

    assert trace(reader) == b"6"
    writer.close()
    reader.close()
    assert format_of(folder) == layout.FORMAT == 2


def test_a_store_with_a_full_map_is_marked_all_the_same(folder: Path) -> None:
    """A map of exactly the size of what it holds grows for the mark, as it would for a commit."""
    store = LmdbStore.open(folder, create=True)
    store.commit([write(1, keys=2_000, size=1_000)])
    store.close()
    format_of(folder, new=1)

    again = LmdbStore.open(folder, map_bytes=1 << 12)

    assert next_offset(again) == 1
    again.close()
    assert format_of(folder) == layout.FORMAT


def test_opening_a_store_of_today_writes_nothing(folder: Path) -> None:
    """An agent that restarts on a full disk opens its store."""
    LmdbStore.open(folder, create=True).close()
    before = (folder / "data.mdb").read_bytes()

    LmdbStore.open(folder).close()

    assert (folder / "data.mdb").read_bytes() == before


def test_traces_outlive_their_process(folder: Path) -> None:
    """P3: cell and trace are there when the store is opened again; the database of traces is made by the first one."""
    store = LmdbStore.open(folder, create=True)
    store.commit([write(1)])
    assert store._environment is not None
    assert not store._environment.handles.traces
    store.commit([traced(2)])
    assert list(store._environment.handles.traces) == [("flights", 0)]
    store.close()

    again = LmdbStore.open(folder)

    assert trace(again) == b"2"
    again.commit([PartitionWrite("flights", 0, PartitionState(), [b"k"], [b"new"], untraced=[b"k"])])
    assert trace(again) is None
    again.close()


def test_hundreds_of_partitions_have_room_for_traces(store: LmdbStore) -> None:
    """Three databases for each partition, made one by one and all at once."""
    for n in range(150):
        store.commit([replace(traced(n), partition=n, tombstones_added=[(n, b"k")])])
    store.commit([replace(traced(n), partition=n) for n in range(150, 500)])

    with store.snapshot() as snapshot:
        found = [snapshot.trace("flights", n, b"k") for n in range(500)]
    assert found == [b"%d" % n for n in range(500)]


def test_a_failed_open_lets_go_of_everything(folder: Path) -> None:
    """After a refusal the folder can be deleted and used at once: no lock and no environment is left behind."""
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"x")
    with pytest.raises(StoreCorrupt):
        LmdbStore.open(folder, create=True)
    shutil.rmtree(folder)

    store = LmdbStore.open(folder, create=True)
    store.commit([write(1)])

    assert next_offset(store) == 1
    store.close()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A sentence, not a traceback of the operating system."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="give another folder"):
        LmdbStore.open(tmp_path / "file", create=True)


def test_a_scan_left_half_way_does_no_harm(store: LmdbStore) -> None:
    """An iterator that outlives its snapshot refuses; the store goes on."""
    store.commit([write(1, keys=10)])
    with store.snapshot() as snapshot:
        scan = snapshot.scan("flights", 0)
        assert next(scan)[0] == b"key-000000"

    with pytest.raises(StoreError):
        next(scan)
    store.commit([write(2)])
    assert next_offset(store) == 2
