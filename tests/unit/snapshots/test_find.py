"""Which snapshot an agent starts from: the newest that fits its log and can be proven, and why no newer one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from syncline.adapters.memory.snapshots import MemorySnapshots
from syncline.adapters.memory.store import MemoryStore
from syncline.errors import SnapshotError, SnapshotRefused
from syncline.ports.store import Store
from syncline.snapshots.find import newest_proven, newest_usable, read_manifest, snapshot_ids
from syncline.snapshots.manifest import MANIFEST, Manifest, file_name, render
from syncline.snapshots.origin import META_RESTORING
from syncline.snapshots.prune import UNFINISHED_AGE_US, prune
from syncline.snapshots.restore import restore_newest
from syncline.snapshots.take import take
from syncline.state.identity import META_IDENTITY, LogIdentity
from tests.unit.snapshots.states import (
    CATALOG,
    IDENTITY,
    NOW_US,
    OTHER,
    TOPIC,
    everything,
    filled,
    partition_write,
    random_rows,
)

HOUR_US = 3_600_000_000
WATERMARKS = {(TOPIC, 0): (0, 2_000), (TOPIC, 1): (0, 0), (TOPIC, 2): (1_002, 1_002), (OTHER, 0): (5, 1_000)}
"""Around the positions of the state: within, at its beginning, at its end, and at an empty partition."""


@dataclass
class Passed:
    """Notes what was passed over."""

    over: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, snapshot_id: str, reason: str) -> None:
        """See `OnPassedOver`."""
        self.over.append((snapshot_id, reason))

    @property
    def reasons(self) -> list[str]:
        """Why, in the order of the asking."""
        return [reason for _, reason in self.over]


def taken_at(files: MemorySnapshots, store: Store, *hours: int) -> list[Manifest]:
    """A snapshot at each of these hours."""
    return [take(store, files, now_us=NOW_US + hour * HOUR_US) for hour in hours]


def test_the_newest_is_used() -> None:
    """By their time, whatever the order they were taken in; the others are not even looked at."""
    files, passed = MemorySnapshots(), Passed()
    newest, *_ = taken_at(files, filled(MemoryStore()), 30, 1, 2, 0)

    assert snapshot_ids(files)[0] == newest.snapshot_id
    assert newest_usable(files, identity=IDENTITY, watermarks=WATERMARKS, on_passed_over=passed) == newest
    assert passed.over == []


def test_without_snapshots_there_is_none() -> None:
    """An empty place, and one with an unfinished snapshot and files of others."""
    files, passed, store = MemorySnapshots(), Passed(), MemoryStore()
    files.write(f"20261122T201500Z-00000000/{file_name(0)}", b"x")
    files.write(f"readme/{MANIFEST}", b"x")
    files.write(MANIFEST, b"x")

    assert snapshot_ids(files) == []
    assert newest_usable(files, identity=IDENTITY, watermarks=WATERMARKS, on_passed_over=passed) is None
    assert (
        restore_newest(files, store, identity=IDENTITY, watermarks=WATERMARKS, on_passed_over=passed) is None
    )
    assert passed.over == []


def topics(**changed: tuple[str | None, int]) -> LogIdentity:
    """The log with one topic changed."""
    names = {"topic": TOPIC, "catalog": CATALOG}
    return replace(IDENTITY, topics=IDENTITY.topics | {names[name]: what for name, what in changed.items()})


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (replace(IDENTITY, cluster_id="cluster-2"), "it is of cluster cluster-1, this is cluster-2"),
        (topics(topic=("id-7", 3)), f"topic {TOPIC} was deleted and made again: id-1 became id-7"),
        (topics(topic=("id-1", 6)), f"topic {TOPIC} had 3 partitions, and has 6 now"),
        (topics(catalog=("id-7", 1)), f"topic {CATALOG} was deleted and made again: id-2 became id-7"),
    ],
)
def test_a_snapshot_of_another_log_is_passed_over(identity: LogIdentity, words: str) -> None:
    """P6: positions mean nothing in another cluster, in a topic made again, or under another partition count."""
    files, passed, store = MemorySnapshots(), Passed(), MemoryStore()
    (taken,) = taken_at(files, filled(MemoryStore()), 0)

    assert newest_usable(files, identity=identity, watermarks=WATERMARKS, on_passed_over=passed) is None
    assert passed.over == [(taken.snapshot_id, words)]
    assert restore_newest(files, store, identity=identity, watermarks=WATERMARKS) is None


def test_topics_that_only_one_side_knows_do_not_matter() -> None:
    """A view added since, or one that nobody reads any more."""
    files, passed = MemorySnapshots(), Passed()
    (taken,) = taken_at(files, filled(MemoryStore()), 0)
    now = LogIdentity("cluster-1", {TOPIC: ("id-1", 3), "new": ("id-8", 1)})
    wanted = {(TOPIC, 0): (0, 2_000), ("new", 0): (0, 77)}

    assert newest_usable(files, identity=now, watermarks=wanted, on_passed_over=passed) == taken


@pytest.mark.parametrize(
    ("place", "watermarks", "words"),
    [
        ((TOPIC, 0), (1_001, 2_000), f"it has {TOPIC} partition 0 at 1000, and the log keeps 1001 to 2000"),
        ((TOPIC, 2), (0, 1_001), f"it has {TOPIC} partition 2 at 1002, and the log keeps 0 to 1001"),
        (("new", 0), (1, 9), "it lacks new partition 0, whose log begins at 1"),
    ],
)
def test_a_position_that_the_log_does_not_keep_is_passed_over(
    place: tuple[str, int], watermarks: tuple[int, int], words: str
) -> None:
    """P6: trimmed past the snapshot, cut off before it, or a partition that can be had nowhere."""
    files, passed = MemorySnapshots(), Passed()
    taken_at(files, filled(MemoryStore()), 0)

    found = newest_usable(
        files, identity=IDENTITY, watermarks=WATERMARKS | {place: watermarks}, on_passed_over=passed
    )

    assert found is None
    assert passed.reasons == [words]


def test_a_snapshot_of_other_partitions_only_is_passed_over() -> None:
    """Another shard's copy is nothing to start from."""
    files, passed = MemorySnapshots(), Passed()
    taken_at(files, filled(MemoryStore()), 0)

    assert (
        newest_usable(files, identity=IDENTITY, watermarks={("new", 0): (0, 9)}, on_passed_over=passed)
        is None
    )
    assert passed.reasons == ["it has none of the partitions that are wanted"]


def test_an_older_one_does_where_the_newer_ones_do_not() -> None:
    """P10: each newer one is told with its own reason; the store is filled from the first that can be proven."""
    files, passed, store, donor = MemorySnapshots(), Passed(), MemoryStore(), filled(MemoryStore())
    good, damaged, another_fold, cut_off, ahead = taken_at(files, donor, 0, 1, 2, 3, 4)
    cells = files.read(f"{damaged.snapshot_id}/{file_name(2)}", 1 << 20) or b""
    files.write(f"{damaged.snapshot_id}/{file_name(2)}", cells[:-1] + b"x")
    other = replace(another_fold, identity=replace(IDENTITY, fold_version=9))
    files.write(f"{another_fold.snapshot_id}/{MANIFEST}", render(other))
    manifest = files.read(f"{cut_off.snapshot_id}/{MANIFEST}", 1 << 20) or b""
    files.write(f"{cut_off.snapshot_id}/{MANIFEST}", manifest[:-5])
    first = replace(ahead.partitions[0], next_offset=2_001)
    files.write(
        f"{ahead.snapshot_id}/{MANIFEST}", render(replace(ahead, partitions=(first, *ahead.partitions[1:])))
    )

    restored = restore_newest(files, store, identity=IDENTITY, watermarks=WATERMARKS, on_passed_over=passed)

    assert restored is not None
    assert restored.manifest == good
    assert everything(store) == everything(donor)
    assert [snapshot for snapshot, _ in passed.over] == [
        each.snapshot_id for each in (ahead, cut_off, another_fold, damaged)
    ]
    for reason, words in zip(
        passed.reasons, ("keeps 0 to 2000", "no JSON", "version 9", "sha256"), strict=True
    ):
        assert words in reason


def test_an_unfinished_store_is_emptied_where_nothing_can_be_used() -> None:
    """P3: the agent then begins with the log, and not with part of something; meta is what was handed in."""
    files, store = MemorySnapshots(), MemoryStore()
    store.commit([partition_write([])], {META_RESTORING: b"gone", META_IDENTITY: b"x"})

    assert (
        restore_newest(files, store, identity=IDENTITY, watermarks=WATERMARKS, meta={"agent": b"1"}) is None
    )

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == []
        assert [snapshot.meta(name) for name in (META_RESTORING, META_IDENTITY, "agent")] == [
            None,
            None,
            b"1",
        ]


@pytest.mark.parametrize("replace_state", [False, True])
def test_state_that_stands_is_only_let_go_when_asked(replace_state: bool) -> None:
    """A store with state is refused; under RESYNC it is emptied even where no snapshot can be used."""
    files, store = MemorySnapshots(), filled(MemoryStore())
    before = everything(store)

    def again() -> object:
        return restore_newest(
            files, store, identity=IDENTITY, watermarks=WATERMARKS, replace_state=replace_state
        )

    if replace_state:
        assert again() is None
        assert everything(store)["states"] == {}
    else:
        with pytest.raises(SnapshotError, match="holds feature state already"):
            again()
        assert everything(store) == before


@pytest.mark.parametrize(
    "asked", ["20261122T201500Z-00000000", "nothing", "../x", "", "20261122T201500Z-00000000\n"]
)
def test_a_snapshot_that_is_not_there_is_told(asked: str) -> None:
    """One sentence that says how to see those that there are."""
    with pytest.raises(SnapshotRefused, match="there is no snapshot"):
        read_manifest(MemorySnapshots(), asked)


def unreadable(error: Callable[[], Exception]) -> MemorySnapshots:
    """A place that cannot be listed."""

    class Unreadable(MemorySnapshots):
        def names(self) -> list[str]:
            raise error()

    return Unreadable()


def test_a_place_that_does_not_answer_changes_nothing() -> None:
    """P10: an agent can wait and try again; what the store holds, also half a restore, stays."""
    store = MemoryStore()
    store.commit([partition_write([])], {META_RESTORING: b"begun"})

    with pytest.raises(SnapshotError, match="no answer"):
        restore_newest(
            unreadable(lambda: SnapshotError("no answer")), store, identity=IDENTITY, watermarks=WATERMARKS
        )

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == [(TOPIC, 0)]


def test_a_manifest_that_cannot_be_read_is_passed_over_but_not_forgotten() -> None:
    """P10: an older snapshot does meanwhile; without one it is an error to try again on, not "there is none"."""

    class Unreadable(MemorySnapshots):
        def read(self, name: str, bytes_max: int) -> bytes | None:
            if name == f"{snapshot_ids(self)[0]}/{MANIFEST}":
                raise SnapshotError("no answer")
            return super().read(name, bytes_max)

    files, passed = Unreadable(), Passed()
    taken_at(files, filled(MemoryStore()), 1)
    with pytest.raises(SnapshotError, match="no answer"):
        newest_usable(files, identity=IDENTITY, watermarks=WATERMARKS, on_passed_over=passed)
    assert passed.reasons == ["no answer"]

    (older,) = taken_at(files, filled(MemoryStore()), 0)
    assert newest_usable(files, identity=IDENTITY, watermarks=WATERMARKS, on_passed_over=passed) == older


def test_cells_that_cannot_be_read_are_passed_over_but_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: an older one does; where none does, it is an error, and not a place without snapshots."""
    files, store = MemorySnapshots(), filled(MemoryStore())
    newest, older = taken_at(files, store, 1, 0)
    read = files.read
    away = {newest.snapshot_id}

    def failing(name: str, bytes_max: int) -> bytes | None:
        if name.endswith(".arrow") and name.partition("/")[0] in away:
            raise SnapshotError("no answer")
        return read(name, bytes_max)

    monkeypatch.setattr(files, "read", failing)
    passed: list[str] = []

    proven = newest_proven(files, on_passed_over=lambda name, _: passed.append(name))

    assert proven == older
    assert passed == [newest.snapshot_id]
    away.add(older.snapshot_id)
    with pytest.raises(SnapshotError, match="no answer"):
        newest_proven(files, on_passed_over=lambda *_: None)


def test_prune_keeps_the_newest_and_what_may_still_be_written() -> None:
    """P10: old snapshots go, with what was left of one that never was finished; files of others stay."""
    files, donor = MemorySnapshots(), MemoryStore()
    donor.commit(
        [partition_write(random_rows(3, partition=0, partitions=3))], {META_IDENTITY: IDENTITY.pack()}
    )
    kept = taken_at(files, donor, 3, 2)
    old = taken_at(files, donor, 1, 0)
    files.write("20261120T000000Z-00000001/cells-00000.arrow", b"abandoned")
    files.write("20261122T201500Z-00000001/cells-00000.arrow", b"may still be written")
    files.write("others/file", b"")

    gone = prune(files, keep=2, now_us=NOW_US + UNFINISHED_AGE_US - HOUR_US)

    assert gone == sorted(["20261120T000000Z-00000001", *(each.snapshot_id for each in old)])
    assert snapshot_ids(files) == [each.snapshot_id for each in kept]
    assert {name.partition("/")[0] for name in files.names()} == {
        "others",
        "20261122T201500Z-00000001",
        *(each.snapshot_id for each in kept),
    }


def test_prune_lets_nobody_elses_snapshots_go() -> None:
    """Shards, clusters and other folds that share a place, and what cannot be read, are not stood in for."""
    files = MemorySnapshots()
    whole, shard = filled(MemoryStore()), MemoryStore()
    shard.commit([partition_write([], partition=1)], {META_IDENTITY: IDENTITY.pack()})
    elsewhere = MemoryStore()
    elsewhere.commit(
        [partition_write([], partition=1)], {META_IDENTITY: replace(IDENTITY, cluster_id="cluster-2").pack()}
    )
    (of_elsewhere,) = taken_at(files, elsewhere, 0)
    (of_whole,) = taken_at(files, whole, 1)
    (damaged,) = taken_at(files, shard, 2)
    files.write(f"{damaged.snapshot_id}/{MANIFEST}", b"{}")
    (another_fold,) = taken_at(files, shard, 3)
    other = replace(another_fold, identity=replace(IDENTITY, fold_version=9))
    files.write(f"{another_fold.snapshot_id}/{MANIFEST}", render(other))
    (of_shard,) = taken_at(files, shard, 4)
    before = files.names()

    assert prune(files, keep=1, now_us=NOW_US) == []
    assert files.names() == before
    (newest,) = taken_at(files, whole, 5)

    assert prune(files, keep=1, now_us=NOW_US) == [of_whole.snapshot_id, of_shard.snapshot_id]
    assert snapshot_ids(files) == [each.snapshot_id for each in (newest, another_fold, damaged, of_elsewhere)]
