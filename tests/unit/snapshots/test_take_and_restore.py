"""Feature state there and back: at one moment, wholly or not at all, and nothing but feature state."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.adapters.memory.store import MemoryStore
from syncline.catalog.serving import META_AGENT, META_SERVING
from syncline.errors import SnapshotError, SnapshotRefused, StoreCorrupt, StoreFull
from syncline.ports.store import Store
from syncline.snapshots import piece
from syncline.snapshots import restore as restoring
from syncline.snapshots.find import read_manifest, snapshot_ids
from syncline.snapshots.origin import META_RESTORING, Origin, origin, unfinished
from syncline.snapshots.restore import restore, restore_newest
from syncline.snapshots.take import take
from syncline.snapshots.verify import verify
from syncline.state.identity import META_IDENTITY, LogIdentity
from syncline.state.partition import PartitionState
from syncline.wire.keys import partition_for
from tests.unit.snapshots.places import FailingPlace, Killed
from tests.unit.snapshots.states import (
    IDENTITY,
    NOW_US,
    OTHER,
    STORES,
    TOPIC,
    Row,
    everything,
    filled,
    partition_write,
    random_rows,
)


@pytest.fixture
def donor() -> Store:
    """A store with state in it."""
    return filled(MemoryStore())


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 7 cells, and commits of 10: many steps for little state."""
    monkeypatch.setattr(piece.pieces, "__kwdefaults__", {"cells_max": 7, "bytes_max": 1 << 20})
    monkeypatch.setattr(restoring, "CELLS_MAX", 10)


ROWS = st.lists(
    st.builds(
        Row,
        key=st.binary(min_size=1, max_size=20),
        payload=st.binary(max_size=60),
        event_time_us=st.integers(-(1 << 63), (1 << 63) - 2),
        offset=st.integers(0, 999),
        deleted=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda row: row.key,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, cells_max=st.integers(1, 8), bytes_max=st.integers(1, 500))
def test_any_state_comes_back_equal(rows: list[Row], cells_max: int, bytes_max: int) -> None:
    """P2: cells, tombstones, positions, T and digests are equal, however the cells fall into files."""
    by_partition = {at: [row for row in rows if partition_for(row.key, 3) == at] for at in range(3)}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        patch.setattr(piece.pieces, "__kwdefaults__", {"cells_max": cells_max, "bytes_max": bytes_max})
        patch.setattr(restoring, "CELLS_MAX", cells_max)
        starter = LmdbStore.open(Path(folder) / "store", create=True)
        stack.callback(starter.close)
        donor, files = MemoryStore(), MemorySnapshots()
        donor.commit(
            [partition_write(mine, partition=at) for at, mine in by_partition.items()],
            {META_IDENTITY: IDENTITY.pack()},
        )

        taken = take(donor, files, now_us=NOW_US)
        verify(files, taken)
        restored = restore(taken, files, starter)

        assert everything(starter) == everything(donor)
        assert restored.cells == len(rows)


def test_only_feature_state_is_copied(donor: Store) -> None:
    """P4: nothing of what the donor serves, no proof of its ring and no note of its own goes along."""
    files, starter = MemorySnapshots(), MemoryStore()
    taken = take(donor, files, now_us=NOW_US)

    restore(taken, files, starter)

    content = b"".join(files.read(name, 1 << 20) or b"" for name in files.names())
    assert b"the donor's" not in content
    with starter.snapshot() as snapshot:
        assert [snapshot.meta(name) for name in (META_SERVING, META_AGENT, META_RESTORING)] == [None] * 3
        assert all(
            state.ring == ()
            for state in map(snapshot.state, *zip(*snapshot.partitions(), strict=True))
            if state
        )
        packed = snapshot.meta(META_IDENTITY)
    assert packed is not None
    assert LogIdentity.unpack(packed) == IDENTITY
    assert origin(starter) == Origin(taken.snapshot_id, NOW_US, taken.positions)
    assert origin(donor) is None


def test_what_is_restored_can_be_a_donor_again(donor: Store) -> None:
    """P2: a copy of a copy equals the original."""
    files, starter, third = MemorySnapshots(), MemoryStore(), MemoryStore()

    restore(take(donor, files, now_us=NOW_US), files, starter)
    restore(take(starter, files, now_us=NOW_US + 1_000_000), files, third)

    assert everything(third) == everything(donor)


def test_a_snapshot_is_one_moment_while_its_agent_goes_on(tmp_path: Path) -> None:
    """P3: two partitions that are always committed together are at the same point in every snapshot."""
    donor = STORES["lmdb"](tmp_path / "store")
    rows = [random_rows(300, partition=at, partitions=3, seed=at) for at in (0, 1)]
    stop = threading.Event()
    committed = 0

    def commit() -> None:
        nonlocal committed
        while not stop.is_set():
            committed += 1
            donor.commit(
                [
                    partition_write(
                        [replace(row, payload=b"%d" % committed) for row in rows[at]],
                        partition=at,
                        next_offset=1_000 + committed,
                    )
                    for at in (0, 1)
                ],
                {META_IDENTITY: IDENTITY.pack()},
            )

    writer = threading.Thread(target=commit)
    writer.start()
    try:
        files = MemorySnapshots()
        seen = set()
        while len(seen) < 6:
            with donor.snapshot() as snapshot:
                if not snapshot.partitions():
                    continue
            taken = take(donor, files, now_us=NOW_US)
            verify(files, taken)
            seen.add(tuple(taken.positions.values()))
    finally:
        stop.set()
        writer.join(60)
    donor.close()

    assert all(first == second for first, second in seen)


def test_a_trimmed_state_is_no_donor(donor: Store) -> None:
    """P6: a state whose head was trimmed away is wrong, and is never copied; nothing is written."""
    files = MemorySnapshots()
    state = PartitionState(5, head_trimmed=True)
    donor.commit([replace(partition_write([], partition=1), state=state)])

    with pytest.raises(
        SnapshotError, match=r"delay\.v1 partition 1 was read from a log whose head was trimmed"
    ):
        take(donor, files, now_us=NOW_US)

    assert files.names() == []


@pytest.mark.parametrize(
    ("meta", "with_partition", "words"),
    [
        ({}, False, "no partition yet"),
        ({META_IDENTITY: IDENTITY.pack()}, False, "no partition yet"),
        ({}, True, "no partition yet"),
        ({META_IDENTITY: LogIdentity("cluster-1", {}).pack()}, True, "does not know which"),
        ({META_IDENTITY: IDENTITY.pack(), META_RESTORING: b"x"}, True, "being restored itself"),
    ],
)
def test_a_store_that_cannot_be_a_donor_says_why(meta: dict, with_partition: bool, words: str) -> None:
    """Nothing in it, not knowing its log, or half restored: one sentence, and nothing is written."""
    store, files = MemoryStore(), MemorySnapshots()
    store.commit([partition_write([])] if with_partition else [], meta)

    with pytest.raises(SnapshotError, match=words):
        take(store, files, now_us=NOW_US)

    assert files.names() == []


def test_a_damaged_store_is_no_donor(donor: Store) -> None:
    """P5: a cell that is not what was written, or is missing, stops the copy and names the partition."""
    rows = random_rows(5, partition=0, partitions=3)
    good = partition_write(rows)
    flipped = bytearray(good.cells[0])
    flipped[-1] ^= 1
    for bad, words in (
        (replace(good, cells=[bytes(flipped), *good.cells[1:]]), "checksum of cell"),
        (
            replace(good, keys=good.keys[1:], cells=good.cells[1:], tombstones_added=()),
            "there are 4 cells, not 5",
        ),
    ):
        store, files = MemoryStore(), MemorySnapshots()
        store.commit([bad], {META_IDENTITY: IDENTITY.pack()})

        with pytest.raises(StoreCorrupt, match=f"{TOPIC} partition 0: .*{words}"):
            take(store, files, now_us=NOW_US)

        assert files.names() == []


@pytest.mark.parametrize("deletes", [True, False], ids=["cleaned up", "cleaning up fails, too"])
@pytest.mark.parametrize("error", [lambda: SnapshotError("the disk is full"), Killed], ids=["full", "killed"])
def test_a_snapshot_that_fails_at_any_write_is_none(
    donor: Store, small_pieces: None, error: type[BaseException], deletes: bool
) -> None:
    """P3: whichever file cannot be written, no snapshot is there afterwards, and the failure is told."""
    whole = FailingPlace(fail_at=-1, error=error)
    take(donor, whole, now_us=NOW_US)
    assert whole.writes > 10

    for fail_at in range(whole.writes):
        files = FailingPlace(fail_at=fail_at, error=error, deletes=deletes)
        with pytest.raises((SnapshotError, Killed)):
            take(donor, files, now_us=NOW_US)

        assert snapshot_ids(files) == []
        assert not deletes or files.names() == []


class DyingStore(MemoryStore):
    """Raises instead of the n-th commit or clear, counted from 0."""

    def __init__(self, *, fail_at: int, error: type[BaseException]) -> None:
        super().__init__()
        self.fail_at, self.changes, self._error = fail_at, 0, error

    def commit(self, *given, **named) -> None:
        """Counted."""
        self._count()
        super().commit(*given, **named)

    def clear(self, *given) -> None:
        """Counted."""
        self._count()
        super().clear(*given)

    def _count(self) -> None:
        number, self.changes = self.changes, self.changes + 1
        if number == self.fail_at:
            raise self._error("here")


@pytest.mark.parametrize("error", [Killed, StoreFull])
def test_a_restore_that_ends_at_any_commit_begins_again(
    donor: Store, small_pieces: None, error: type[BaseException]
) -> None:
    """P3: at every moment the store is whole, or says that it is not; restoring again makes it whole."""
    files = MemorySnapshots()
    taken = take(donor, files, now_us=NOW_US)
    whole = DyingStore(fail_at=-1, error=error)
    restore(taken, files, whole)
    assert whole.changes > 10

    for fail_at in range(whole.changes):
        store = DyingStore(fail_at=fail_at, error=error)
        with pytest.raises(error):
            restore(taken, files, store)

        with store.snapshot() as snapshot:
            states = [snapshot.state(*place) for place in snapshot.partitions()]
        assert unfinished(store) == (None if fail_at == 0 else taken.snapshot_id)
        assert all(state and state.head_trimmed and state.next_offset == 0 for state in states)
        with pytest.raises(SnapshotError):
            take(store, MemorySnapshots(), now_us=NOW_US)
        assert restore_newest(files, store, identity=None, watermarks=None) is not None
        assert unfinished(store) is None
        assert everything(store) == everything(donor)


def test_a_reader_sees_nothing_or_all(donor: Store, small_pieces: None) -> None:
    """P3: looked at after every commit, no partition has a position before all of them have theirs."""
    files = MemorySnapshots()
    taken = take(donor, files, now_us=NOW_US)
    store = MemoryStore()
    seen = []

    def look(done: int, total: int) -> None:
        with store.snapshot() as snapshot:
            states = [snapshot.state(*place) for place in snapshot.partitions()]
        usable = [state for state in states if state and not state.head_trimmed]
        seen.append((done, total, len(usable), unfinished(store) is not None))

    restore(taken, files, store, on_progress=look)

    assert seen[0] == (0, 120, 0, True)
    assert seen[-1] == (120, 120, 4, False)
    assert all(usable == 0 and begun for _, _, usable, begun in seen[:-1])
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)
    assert len(seen) > 10


def test_a_store_with_state_is_only_replaced_when_asked(donor: Store) -> None:
    """What stands in a store goes only by intent; then all of it goes, its release too, but for what is handed in."""
    files = MemorySnapshots()
    taken = take(donor, files, now_us=NOW_US)
    store = MemoryStore()
    older = partition_write(random_rows(9, partition=0, partitions=1), topic="older")
    store.commit([older], {META_SERVING: b"before", META_AGENT: b"before"})
    before = everything(store)

    with pytest.raises(SnapshotError, match="holds feature state already"):
        restore(taken, files, store)
    assert everything(store) == before

    restore(taken, files, store, replace_state=True, meta={META_AGENT: b"restoring"})
    assert everything(store) == everything(donor)
    with store.snapshot() as snapshot:
        assert (snapshot.meta(META_SERVING), snapshot.meta(META_AGENT)) == (None, b"restoring")


def test_a_refusal_half_way_leaves_an_empty_store(donor: Store, small_pieces: None) -> None:
    """P5: what was committed before the damaged file is gone again, and the store is not taken for unfinished."""
    files, store = MemorySnapshots(), MemoryStore()
    taken = take(donor, files, now_us=NOW_US)
    files.delete(f"{taken.snapshot_id}/{taken.partitions[-1].files[-1].name}")
    done = []

    with pytest.raises(SnapshotRefused, match="is missing"):
        restore(
            taken,
            files,
            store,
            meta={META_AGENT: b"restoring"},
            on_progress=lambda cells, _: done.append(cells),
        )

    assert done[-1] > 0
    assert unfinished(store) is None
    assert everything(store)["states"] == {}
    with store.snapshot() as snapshot:
        assert snapshot.meta(META_AGENT) == b"restoring"


def test_only_what_is_wanted_is_restored(donor: Store) -> None:
    """A shard takes its partitions; identity and origin tell of them, and of what the log is now."""
    files, store = MemorySnapshots(), MemoryStore()
    now = LogIdentity("cluster-1", {TOPIC: ("id-1", 3), "new": ("id-9", 1)})
    taken = take(donor, files, now_us=NOW_US)

    restored = restore(taken, files, store, identity=now, wanted={(TOPIC, 2), ("new", 0)})

    assert everything(store)["cells"] == {(TOPIC, 2): everything(donor)["cells"][TOPIC, 2]}
    assert restored.positions == {(TOPIC, 2): 1_002}
    with store.snapshot() as snapshot:
        packed = snapshot.meta(META_IDENTITY)
    assert packed is not None
    assert LogIdentity.unpack(packed) == replace(IDENTITY, topics=IDENTITY.topics | now.topics)


def test_a_manifest_says_what_was_copied(donor: Store) -> None:
    """Positions, T, cells and digests of every partition, and where they belong."""
    files = MemorySnapshots()

    taken = take(donor, files, now_us=NOW_US)

    assert read_manifest(files, taken.snapshot_id) == taken
    assert taken.snapshot_id.startswith("20261122T201500Z-")
    assert taken.identity == IDENTITY
    assert taken.positions == {(TOPIC, 0): 1_000, (TOPIC, 1): 0, (TOPIC, 2): 1_002, (OTHER, 0): 1_000}
    assert taken.cells == 120
    assert taken.bytes == sum(
        len(files.read(name, 1 << 20) or b"") for name in files.names() if "cells" in name
    )
