"""What every store promises, shown on each of them."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.memory.store import MemoryStore
from syncline.errors import StoreError
from syncline.state.digest import Digest
from syncline.state.partition import PartitionState, PartitionWrite, RingEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncline.ports.store import Store, StoreSnapshot

EARLIEST_US, LATEST_US = -(1 << 63), (1 << 63) - 1


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    made = LmdbStore.open(tmp_path / "store", create=True) if request.param == "lmdb" else MemoryStore()
    yield made
    made.close()


def write(topic: str = "flights", partition: int = 0, *, next_offset: int = 1, **rest) -> PartitionWrite:
    """A write with a state that can be told from others."""
    return PartitionWrite(topic, partition, PartitionState(next_offset=next_offset), **rest)


def test_a_new_store_is_empty(store: Store) -> None:
    """Nothing is found before the first commit."""
    with store.snapshot() as snapshot:
        assert snapshot.partitions() == []
        assert snapshot.state("flights", 0) is None
        assert snapshot.cell("flights", 0, b"k") is None
        assert snapshot.trace("flights", 0, b"k") is None
        assert snapshot.cells("flights", 0, [b"a", b"b"]) == [None, None]
        assert list(snapshot.scan("flights", 0)) == []
        assert snapshot.tombstones("flights", 0, LATEST_US) == []
        assert snapshot.meta("release") is None
        assert snapshot.generation() == 0


def test_cells_state_tombstones_and_meta_come_back(store: Store) -> None:
    """P3: everything that one commit wrote is there together."""
    state = PartitionState(
        next_offset=7,
        t_ms=1_700_000_000_000,
        cells=2,
        digest=Digest.empty().changed(added=([3], [99]), removed=([], [])),
        ring=(RingEntry(5, 2**64 - 1),),
        head_trimmed=True,
    )
    done = PartitionWrite("flights", 3, state, [b"EWR", b"JFK"], [b"one", b""], (), [(-5, b"JFK")])

    store.commit([done], {"release": b"7", "empty": b""})

    with store.snapshot() as snapshot:
        assert snapshot.state("flights", 3) == state
        assert snapshot.cells("flights", 3, [b"EWR", b"JFK"]) == [b"one", b""]
        assert snapshot.tombstones("flights", 3, 0) == [(-5, b"JFK")]
        assert (snapshot.meta("release"), snapshot.meta("empty")) == (b"7", b"")
        assert snapshot.partitions() == [("flights", 3)]


def test_a_later_commit_replaces_state_and_cells(store: Store) -> None:
    """The newest commit is what is read."""
    store.commit([write(next_offset=1, keys=[b"a", b"b"], cells=[b"1", b"2"])])

    store.commit([write(next_offset=2, keys=[b"b"], cells=[b"3"])])

    with store.snapshot() as snapshot:
        assert snapshot.cells("flights", 0, [b"a", b"b"]) == [b"1", b"3"]
        assert snapshot.state("flights", 0) == PartitionState(next_offset=2)


def test_cells_answers_in_the_order_of_the_keys(store: Store) -> None:
    """Missing keys, impossible keys, repeated keys and unsorted keys keep their places."""
    store.commit([write(keys=[b"c", b"a", b"b"], cells=[b"3", b"1", b"2"])])

    with store.snapshot() as snapshot:
        assert snapshot.cells("flights", 0, [b"a", b"aa", b"b", b"z"]) == [b"1", None, b"2", None]
        assert snapshot.cells("flights", 0, [b"c", b"a", b"c"]) == [b"3", b"1", b"3"]
        assert snapshot.cells("flights", 0, [b"", b"a", b"k" * 512]) == [None, b"1", None]
        assert snapshot.cells("flights", 0, []) == []
        assert snapshot.cell("flights", 0, b"") is None


def test_keys_may_be_of_any_bytes_up_to_511(store: Store) -> None:
    """Zero bytes and the longest key are keys like others, and sort by their bytes."""
    keys = [b"\x00", b"\x00\x00", b"\xff" * 511, b"a/b", b"\xff"]
    store.commit([write(keys=keys, cells=[bytes([n]) for n in range(5)])])

    with store.snapshot() as snapshot:
        assert [key for key, _ in snapshot.scan("flights", 0)] == sorted(keys)
        assert snapshot.cells("flights", 0, sorted(keys)) == [b"\x00", b"\x01", b"\x03", b"\x04", b"\x02"]


def test_a_partition_of_no_cells_can_be_committed(store: Store) -> None:
    """A batch of nothing but rejects still moves the position."""
    store.commit([write(next_offset=10)])

    with store.snapshot() as snapshot:
        assert snapshot.state("flights", 0) == PartitionState(next_offset=10)
        assert list(snapshot.scan("flights", 0)) == []


def test_a_commit_of_nothing_changes_nothing(store: Store) -> None:
    """No writes and no meta is allowed."""
    store.commit([])
    store.commit([], {})

    with store.snapshot() as snapshot:
        assert (snapshot.partitions(), snapshot.generation()) == ([], 0)


def test_dropped_keys_are_gone(store: Store) -> None:
    """A dropped key has no cell; dropping what is not there is no error."""
    store.commit([write(keys=[b"a", b"b"], cells=[b"1", b"2"])])

    store.commit([write(dropped=[b"a", b"never"]), write(partition=9, dropped=[b"x"])])

    with store.snapshot() as snapshot:
        assert list(snapshot.scan("flights", 0)) == [(b"b", b"2")]


def test_what_goes_away_goes_first(store: Store) -> None:
    """A key both dropped and given has its new cell; a tombstone both removed and added stays."""
    store.commit([write(keys=[b"a"], cells=[b"old"], tombstones_added=[(5, b"a")])])

    store.commit(
        [
            write(
                keys=[b"a"],
                cells=[b"new"],
                dropped=[b"a"],
                tombstones_added=[(5, b"a")],
                tombstones_removed=[(5, b"a")],
            )
        ]
    )

    with store.snapshot() as snapshot:
        assert snapshot.cell("flights", 0, b"a") == b"new"
        assert snapshot.tombstones("flights", 0, 6) == [(5, b"a")]


def test_writes_to_one_partition_apply_in_their_order(store: Store) -> None:
    """Two writes to the same partition in one commit: the second one wins."""
    store.commit(
        [
            write(next_offset=1, keys=[b"a"], cells=[b"1"]),
            write(next_offset=2, keys=[b"a"], cells=[b"2"]),
        ]
    )

    with store.snapshot() as snapshot:
        assert snapshot.cell("flights", 0, b"a") == b"2"
        assert snapshot.state("flights", 0) == PartitionState(next_offset=2)


def test_tombstones_come_by_time_then_key_below_the_limit(store: Store) -> None:
    """The limit is exclusive, times are signed, several keys may share one time."""
    added = [(10, b"b"), (EARLIEST_US, b"z"), (10, b"a"), (-1, b"m"), (0, b"m"), (LATEST_US, b"k" * 511)]
    store.commit([write(tombstones_added=added)])

    with store.snapshot() as snapshot:
        assert snapshot.tombstones("flights", 0, 10) == [(EARLIEST_US, b"z"), (-1, b"m"), (0, b"m")]
        assert snapshot.tombstones("flights", 0, 11)[-2:] == [(10, b"a"), (10, b"b")]
        assert snapshot.tombstones("flights", 0, EARLIEST_US) == []
        assert len(snapshot.tombstones("flights", 0, LATEST_US)) == 5
        assert len(snapshot.tombstones("flights", 0, LATEST_US + 1)) == 6


def test_removed_tombstones_leave_the_others(store: Store) -> None:
    """Only the exact (time, key) goes, and removing what is not there is no error."""
    store.commit([write(tombstones_added=[(1, b"a"), (1, b"b"), (2, b"a")])])

    store.commit(
        [write(tombstones_removed=[(1, b"a"), (9, b"a")]), write("other", tombstones_removed=[(1, b"a")])]
    )

    with store.snapshot() as snapshot:
        assert snapshot.tombstones("flights", 0, 10) == [(1, b"b"), (2, b"a")]


def test_partitions_are_apart_and_sorted_as_numbers(store: Store) -> None:
    """The same key in many partitions has as many cells; a topic that begins like another is another."""
    places = [("a", 0), ("a", 2), ("a", 10), ("a", 300), ("a-b", 0), ("a.b", 1), ("ab", 0), ("b", 5)]
    store.commit(
        [write(topic, at, keys=[b"k"], cells=[f"{topic}{at}".encode()]) for topic, at in reversed(places)]
    )

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == places
        assert [snapshot.cell(topic, at, b"k") for topic, at in places] == [
            f"{topic}{at}".encode() for topic, at in places
        ]


def test_hundreds_of_partitions_fit(store: Store) -> None:
    """A shard of many views opens more databases than LMDB would by default, in one commit and one by one."""
    store.commit([write("many", at, keys=[b"k"], cells=[b"%d" % at]) for at in range(400)])
    for at in range(400, 410):
        store.commit([write("many", at, keys=[b"k"], cells=[b"%d" % at], tombstones_added=[(at, b"k")])])

    with store.snapshot() as snapshot:
        assert len(snapshot.partitions()) == 410
        assert [snapshot.cell("many", at, b"k") for at in range(410)] == [b"%d" % at for at in range(410)]


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        (write(keys=[b"good", b"k" * 512], cells=[b"1", b"2"]), "512 bytes"),
        (write(keys=[b"good", b""], cells=[b"1", b"2"]), "0 bytes"),
        (write(keys=[b"good", b"good"], cells=[b"1", b"2"]), "twice"),
        (write(keys=[b"good"], cells=[]), "1 keys but 0 cells"),
        (write(dropped=[b""]), "0 bytes"),
        (write(tombstones_added=[(1, b"k" * 512)]), "512 bytes"),
        (write(tombstones_removed=[(1, b"")]), "0 bytes"),
        (write(tombstones_added=[(1 << 63, b"k")]), "64 bits"),
        (write(untraced=[b""]), "0 bytes"),
        (write(traces=[(b"k", b"t")]), "beside no cell"),
        (write(keys=[b"a"], cells=[b"1"], traces=[(b"a", b"t"), (b"b", b"t")]), "beside no cell"),
        (write(keys=[b"a"], cells=[b"1"], traces=[(b"a", b"t"), (b"a", b"u")]), "has two"),
        (write(keys=[b"a"], cells=[b"1"], traces=[(b"a", b"t" * 1_025)]), "1025 bytes"),
        (write(""), "topic"),
        (write("a/b"), "topic"),
        (write("t" * 250), "topic"),
        (write(partition=-1), "partition -1"),
    ],
)
def test_a_write_that_cannot_be_leaves_nothing_behind(store: Store, bad: PartitionWrite, names: str) -> None:
    """P3: one bad key in the last write of a commit, and the first write is not there either."""
    store.commit([write(next_offset=1, keys=[b"a"], cells=[b"1"])], {"release": b"1"})

    with pytest.raises(StoreError, match=names):
        store.commit([write(next_offset=2, keys=[b"a", b"b"], cells=[b"2", b"2"]), bad], {"release": b"2"})

    with store.snapshot() as snapshot:
        assert list(snapshot.scan("flights", 0)) == [(b"a", b"1")]
        assert snapshot.state("flights", 0) == PartitionState(next_offset=1)
        assert (snapshot.meta("release"), snapshot.generation()) == (b"1", 1)


@pytest.mark.parametrize("name", ["", "n" * 512])
def test_a_meta_name_that_cannot_be_is_refused(store: Store, name: str) -> None:
    """P3: nothing of the commit is written, and reading such a name finds nothing."""
    with pytest.raises(StoreError, match="meta name"):
        store.commit([write()], {name: b"1"})

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == []
        assert snapshot.meta(name) is None


def traces(store: Store, *keys: bytes, partition: int = 0) -> list[bytes | None]:
    """The traces that stand beside these keys' cells."""
    with store.snapshot() as snapshot:
        return [snapshot.trace("flights", partition, key) for key in keys]


def test_a_trace_stands_beside_its_cell(store: Store) -> None:
    """Bytes up to 1,024, of some keys and not of others, in their own partition; impossible keys have none."""
    long, given = b"k" * 511, [(b"c", b"t" * 1_024), (b"a", b""), (b"k" * 511, b"\x00")]

    store.commit([write(keys=[b"a", b"b", b"c", long], cells=[b"1"] * 4, traces=given), write(partition=1)])

    assert traces(store, b"a", b"b", b"c", long) == [b"", None, b"t" * 1_024, b"\x00"]
    assert traces(store, b"", b"k" * 512) == [None, None]
    assert traces(store, b"a", partition=1) == traces(store, b"a", partition=2) == [None]


def test_a_trace_goes_with_its_cell_and_only_then(store: Store) -> None:
    """A key untraced or dropped has none, one traced again has the new one, and the others keep theirs."""
    keys = [b"a", b"b", b"c", b"d"]
    store.commit([write(keys=keys, cells=[b"1"] * 4, traces=[(key, b"old") for key in keys])])

    store.commit(
        [
            write(
                keys=[b"b", b"c"],
                cells=[b"2", b"2"],
                dropped=[b"a", b"never"],
                traces=[(b"c", b"new")],
                untraced=[b"b", b"nor this"],
            ),
            write(partition=7, untraced=[b"a"]),
        ]
    )

    assert traces(store, *keys) == [None, None, b"new", b"old"]


def test_a_trace_given_stays_though_its_key_is_dropped_or_untraced_in_the_same_write(store: Store) -> None:
    """What goes away goes first."""
    both = {"keys": [b"a", b"b"], "cells": [b"1", b"1"]}
    store.commit([write(**both, traces=[(b"a", b"old"), (b"b", b"old")])])

    new = [(b"b", b"new"), (b"a", b"new")]
    store.commit([write(**both, dropped=[b"a"], untraced=[b"b"], traces=new)])

    assert traces(store, b"a", b"b") == [b"new", b"new"]


def test_traces_of_a_refused_commit_are_not_there(store: Store) -> None:
    """P3: cell and trace are there together or not at all."""
    store.commit([write(keys=[b"a"], cells=[b"1"], traces=[(b"a", b"old")])])

    with pytest.raises(StoreError, match="twice"):
        store.commit(
            [
                write(keys=[b"a"], cells=[b"2"], traces=[(b"a", b"new")]),
                write(keys=[b"x", b"x"], cells=[b"1", b"1"]),
            ]
        )

    assert traces(store, b"a") == [b"old"]


def test_clear_and_forget_take_traces_along(store: Store) -> None:
    """A partition filled again has no trace of its earlier life; the other partitions keep theirs."""
    traced = {"keys": [b"a"], "cells": [b"1"], "traces": [(b"a", b"t")]}
    store.commit([write(**traced), write(partition=1, **traced)])

    store.forget([("flights", 0)])
    store.commit([write(keys=[b"a"], cells=[b"2"])])
    assert (traces(store, b"a"), traces(store, b"a", partition=1)) == ([None], [b"t"])
    store.clear()
    store.commit([write(partition=1, keys=[b"a"], cells=[b"2"])])

    assert traces(store, b"a", partition=1) == [None]


def test_a_snapshot_keeps_the_traces_of_its_moment(store: Store) -> None:
    """One read is one moment: the trace belongs to the cell that the same snapshot shows."""
    store.commit([write(keys=[b"a"], cells=[b"1"], traces=[(b"a", b"1")])])

    with store.snapshot() as before:
        store.commit([write(keys=[b"a", b"b"], cells=[b"2", b"2"], traces=[(b"a", b"2"), (b"b", b"2")])])
        store.commit([write(partition=1, keys=[b"a"], cells=[b"2"], traces=[(b"a", b"2")])])
        store.forget([("flights", 0)])

        assert (before.cell("flights", 0, b"a"), before.trace("flights", 0, b"a")) == (b"1", b"1")
        assert before.trace("flights", 0, b"b") is before.trace("flights", 1, b"a") is None
    assert traces(store, b"a", partition=1) == [b"2"]
    with pytest.raises(StoreError, match="has ended"):
        before.trace("flights", 0, b"a")


def test_a_snapshot_does_not_see_later_commits(store: Store) -> None:
    """One read is one moment: cells, states, tombstones, meta, new partitions and removals stay out."""
    store.commit([write(keys=[b"a", b"b"], cells=[b"1", b"1"], tombstones_added=[(1, b"b")])], {"m": b"1"})
    with store.snapshot() as before:
        for n in range(2, 5):
            store.commit(
                [
                    write(
                        next_offset=n,
                        keys=[b"a", b"c"],
                        cells=[b"%d" % n] * 2,
                        dropped=[b"b"],
                        tombstones_removed=[(1, b"b")],
                        tombstones_added=[(2, b"c")],
                    ),
                    write("new", n, keys=[b"x"], cells=[b"x"]),
                ],
                {"m": None, "later": b"1"},
            )

        assert list(before.scan("flights", 0)) == [(b"a", b"1"), (b"b", b"1")]
        assert before.cells("flights", 0, [b"a", b"b", b"c"]) == [b"1", b"1", None]
        assert before.state("flights", 0) == PartitionState(next_offset=1)
        assert before.tombstones("flights", 0, 10) == [(1, b"b")]
        assert (before.meta("m"), before.meta("later"), before.generation()) == (b"1", None, 1)
        assert before.partitions() == [("flights", 0)]
        assert before.cell("new", 2, b"x") is None
        with store.snapshot() as after:
            assert list(after.scan("flights", 0)) == [(b"a", b"4"), (b"c", b"4")]
            assert after.cell("new", 2, b"x") == b"x"
            assert (after.meta("m"), after.generation()) == (None, 4)


def test_snapshots_of_different_moments_live_side_by_side(store: Store) -> None:
    """Each of ten open snapshots keeps the value of its own moment."""
    with ExitStack() as stack:
        snapshots = []
        for n in range(10):
            store.commit([write(next_offset=n, keys=[b"a"], cells=[b"%d" % n])])
            snapshots.append(stack.enter_context(store.snapshot()))

        assert [snapshot.cell("flights", 0, b"a") for snapshot in snapshots] == [b"%d" % n for n in range(10)]


def test_readers_beside_a_writer_never_see_half_a_commit(store: Store) -> None:
    """P3: two partitions and meta, committed together, are equal in every snapshot of another thread."""
    halves: list[tuple[bytes | None, ...]] = []
    begun, done = threading.Event(), threading.Event()

    def read() -> None:
        # Two readers that never pause hand the interpreter to each other, and the writer waits.
        while not done.wait(0.0002):
            with store.snapshot() as snapshot:
                seen = (snapshot.cell("t", 0, b"k"), snapshot.cell("t", 1, b"k"), snapshot.meta("n"))
            begun.set()
            if len(set(seen)) != 1:
                halves.append(seen)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert begun.wait(30)
    for n in range(150):
        value = b"%d" % n
        store.commit([write("t", at, keys=[b"k"], cells=[value]) for at in (0, 1)], {"n": value})
    done.set()
    for reader in readers:
        reader.join(30)

    assert halves == []


def test_meta_is_replaced_and_removed(store: Store) -> None:
    """None removes a name; removing what is not there is no error."""
    store.commit([], {"a": b"1", "b": b"1"})

    store.commit([], {"a": b"2", "b": None, "c": None})

    with store.snapshot() as snapshot:
        assert [snapshot.meta(name) for name in "abc"] == [b"2", None, None]


def test_generation_counts_the_commits_that_write_meta(store: Store) -> None:
    """A reader may keep what it parsed from meta for as long as the generation stands."""
    seen = []
    for meta in ({"a": b"1"}, None, {}, {"a": b"1"}, {"a": None}):
        store.commit([write()], meta)
        with store.snapshot() as snapshot:
            seen.append(snapshot.generation())

    assert seen == [1, 1, 1, 2, 3]


def test_clear_forgets_everything_but_what_is_given(store: Store) -> None:
    """Cells, states, tombstones and meta go at once, and what is given stands there in the same commit."""
    filled = {"keys": [b"a"], "cells": [b"1"], "tombstones_added": [(5, b"a")]}
    store.commit([write(**filled), write("other", 300, **filled)], {"release": b"1", "kept": b"1"})

    store.clear({"kept": b"2", "gone": None})

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == []
        assert snapshot.state("flights", 0) is None
        assert snapshot.cells("flights", 0, [b"a"]) == [None]
        assert list(snapshot.scan("other", 300)) == []
        assert snapshot.tombstones("other", 300, LATEST_US) == []
        assert [snapshot.meta(name) for name in ("release", "kept", "gone")] == [None, b"2", None]
        assert snapshot.generation() == 2


def test_a_cleared_store_is_filled_again(store: Store) -> None:
    """What is committed afterwards stands alone; clearing an empty store is no error."""
    store.clear()
    store.commit([write(keys=[b"a", b"b"], cells=[b"1", b"1"])])
    store.clear()

    store.commit([write(next_offset=9, keys=[b"b"], cells=[b"2"], tombstones_added=[(1, b"b")])])

    with store.snapshot() as snapshot:
        assert list(snapshot.scan("flights", 0)) == [(b"b", b"2")]
        assert snapshot.tombstones("flights", 0, 2) == [(1, b"b")]
        assert snapshot.state("flights", 0) == PartitionState(next_offset=9)


def test_a_snapshot_does_not_see_that_the_store_was_cleared(store: Store) -> None:
    """One read is one moment: everything is still there, until the block ends."""
    store.commit([write(keys=[b"a"], cells=[b"1"], tombstones_added=[(1, b"a")])], {"m": b"1"})

    with store.snapshot() as before:
        store.clear({"m": b"2"})
        store.commit([write(next_offset=2, keys=[b"a"], cells=[b"2"])])

        assert before.partitions() == [("flights", 0)]
        assert list(before.scan("flights", 0)) == [(b"a", b"1")]
        assert before.tombstones("flights", 0, 2) == [(1, b"a")]
        assert (before.meta("m"), before.generation()) == (b"1", 1)
    with store.snapshot() as after:
        assert list(after.scan("flights", 0)) == [(b"a", b"2")]
        assert (after.meta("m"), after.generation()) == (b"2", 2)


def test_a_clear_that_cannot_be_changes_nothing(store: Store) -> None:
    """A meta name that cannot be one: every partition is still there."""
    store.commit([write(keys=[b"a"], cells=[b"1"])])

    with pytest.raises(StoreError, match="meta name"):
        store.clear({"": b"1"})

    with store.snapshot() as snapshot:
        assert list(snapshot.scan("flights", 0)) == [(b"a", b"1")]


def test_forget_takes_some_partitions_away_and_nothing_else(store: Store) -> None:
    """Cells, tombstones and state of the named partitions go; others, and meta, stay; what is not there is no error."""
    filled = {"keys": [b"a"], "cells": [b"1"], "tombstones_added": [(5, b"a")]}
    store.commit([write(**filled), write("other", 300, **filled)], {"kept": b"1"})

    with store.snapshot() as before:
        store.forget([("flights", 0), ("never", 7)])
        assert before.partitions() == [("flights", 0), ("other", 300)]
        assert list(before.scan("flights", 0)) == [(b"a", b"1")]
    store.commit([write(next_offset=4, keys=[b"b"], cells=[b"2"])])

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == [("flights", 0), ("other", 300)]
        assert list(snapshot.scan("flights", 0)) == [(b"b", b"2")]
        assert snapshot.tombstones("flights", 0, LATEST_US) == []
        assert list(snapshot.scan("other", 300)) == [(b"a", b"1")]
        assert snapshot.tombstones("other", 300, LATEST_US) == [(5, b"a")]
        assert (snapshot.meta("kept"), snapshot.generation()) == (b"1", 1)


def test_forget_writes_meta_in_the_same_transaction(store: Store) -> None:
    """P3: what is forgotten, and what is noted of it, are there together or not at all."""
    store.commit([write(keys=[b"a"], cells=[b"1"])], {"kept": b"1", "noted": b"before"})

    with pytest.raises(StoreError, match="meta name"):
        store.forget([("flights", 0)], {"": b"1"})
    with store.snapshot() as before:
        assert before.partitions() == [("flights", 0)]
    store.forget([("flights", 0)], {"noted": b"after"})

    with store.snapshot() as snapshot:
        assert snapshot.partitions() == []
        assert (snapshot.meta("kept"), snapshot.meta("noted"), snapshot.generation()) == (b"1", b"after", 2)


def test_no_name_of_meta_collides_with_the_stores_own(store: Store) -> None:
    """A role may call a value `generation` or `format`."""
    store.commit([], {"generation": b"x", "format": b"y"})
    store.commit([], {"z": b"z"})

    with store.snapshot() as snapshot:
        assert (snapshot.meta("generation"), snapshot.meta("format"), snapshot.generation()) == (
            b"x",
            b"y",
            2,
        )


def test_an_ended_snapshot_refuses(store: Store) -> None:
    """Reading outside the block is an error that says so, not a crash or an old value."""
    store.commit([write(keys=[b"a"], cells=[b"1"])])
    with store.snapshot() as snapshot:
        assert snapshot.cell("flights", 0, b"a") == b"1"

    with pytest.raises(StoreError, match="has ended"):
        snapshot.cell("flights", 0, b"a")
    with pytest.raises(StoreError, match="has ended"):
        snapshot.meta("a")


def test_close_can_be_repeated_and_ends_everything(store: Store) -> None:
    """A closed store refuses reads and commits with a sentence."""
    store.close()
    store.close()

    with pytest.raises(StoreError, match="closed"), store.snapshot():
        pass
    with pytest.raises(StoreError, match="closed"):
        store.commit([write()])
    with pytest.raises(StoreError, match="closed"):
        store.clear()


ALL_KEYS = [b"a", b"b", b"c", b"\x00", b"\xff" * 511, b"ab"]
KEYS = st.sampled_from(ALL_KEYS)
ENTRIES = st.tuples(st.sampled_from([EARLIEST_US, -1, 0, 5, LATEST_US]), KEYS)
WRITES = st.builds(
    lambda place, offset, cells, dropped, added, removed, traces, untraced: PartitionWrite(
        *place,
        PartitionState(next_offset=offset),
        list(cells),
        list(cells.values()),
        dropped,
        added,
        removed,
        [(key, trace) for key, trace in traces.items() if key in cells],
        untraced,
    ),
    st.tuples(st.sampled_from(["t", "u"]), st.integers(0, 2)),
    st.integers(0, 1000),
    st.dictionaries(KEYS, st.binary(max_size=300)),
    st.lists(KEYS, unique=True),
    st.lists(ENTRIES, unique=True),
    st.lists(ENTRIES, unique=True),
    st.dictionaries(KEYS, st.binary(max_size=5)),
    st.lists(KEYS, unique=True),
)
META = st.none() | st.dictionaries(st.sampled_from(["x", "y"]), st.none() | st.binary(max_size=5))
STEPS = st.lists(st.tuples(st.none() | st.lists(WRITES, max_size=3), META), max_size=12)
"""Each a commit of these writes and meta; where the writes are None, the store is cleared instead."""


class Model:
    """A store as plain dicts, copied whole for each moment."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, int], PartitionState] = {}
        self.cells: dict[tuple[str, int], dict[bytes, bytes]] = {}
        self.tombstones: dict[tuple[str, int], set[tuple[int, bytes]]] = {}
        self.traces: dict[tuple[str, int], dict[bytes, bytes]] = {}
        self.meta: dict[str, bytes] = {}
        self.generation = 0

    def commit(self, writes: list[PartitionWrite], meta: dict[str, bytes | None] | None) -> None:
        """See `Store.commit`."""
        for one in writes:
            place = one.topic, one.partition
            self.states[place] = one.state
            kept = {key: cell for key, cell in self.cells.get(place, {}).items() if key not in one.dropped}
            self.cells[place] = kept | dict(zip(one.keys, one.cells, strict=True))
            self.tombstones[place] = (self.tombstones.get(place, set()) - set(one.tombstones_removed)) | set(
                one.tombstones_added
            )
            gone = {*one.dropped, *one.untraced}
            left = {key: trace for key, trace in self.traces.get(place, {}).items() if key not in gone}
            self.traces[place] = left | dict(one.traces)
        self.meta = {name: value for name, value in (self.meta | (meta or {})).items() if value is not None}
        self.generation += bool(meta)

    def clear(self, meta: dict[str, bytes | None] | None) -> None:
        """See `Store.clear`."""
        generation = self.generation + 1
        self.__init__()  # type: ignore[misc]  # everything goes
        self.meta = {name: value for name, value in (meta or {}).items() if value is not None}
        self.generation = generation

    def seen(self) -> dict[str, object]:
        """All there is, as `everything` tells it."""
        return {
            "states": dict(sorted(self.states.items())),
            "cells": {place: sorted(cells.items()) for place, cells in sorted(self.cells.items())},
            "tombstones": {place: sorted(entries) for place, entries in sorted(self.tombstones.items())},
            "traces": dict(self.traces),
            "meta": {name: self.meta.get(name) for name in "xy"},
            "generation": self.generation,
        }


def everything(snapshot: StoreSnapshot) -> dict[str, object]:
    """All that a snapshot tells, in the model's form."""
    places = snapshot.partitions()
    for place in places:
        scanned = list(snapshot.scan(*place))
        assert snapshot.cells(*place, [key for key, _ in scanned]) == [cell for _, cell in scanned]
    return {
        "states": {place: snapshot.state(*place) for place in places},
        "cells": {place: list(snapshot.scan(*place)) for place in places},
        "tombstones": {place: snapshot.tombstones(*place, LATEST_US + 1) for place in places},
        "traces": {
            place: {key: trace for key in ALL_KEYS if (trace := snapshot.trace(*place, key)) is not None}
            for place in places
        },
        "meta": {name: snapshot.meta(name) for name in "xy"},
        "generation": snapshot.generation(),
    }


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, watch=st.integers(0, 12))
def test_stores_equal_plain_dicts(steps: list, watch: int) -> None:
    """P3: after any commits both stores tell what dicts would; a snapshot on the way keeps its moment."""
    model, memory = Model(), MemoryStore()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        disk = LmdbStore.open(Path(folder) / "store", create=True)
        stack.callback(disk.close)
        watched: list[tuple[StoreSnapshot, dict[str, object]]] = []
        for number, (writes, meta) in enumerate(steps):
            if number == watch:
                watched = [(stack.enter_context(kind.snapshot()), model.seen()) for kind in (disk, memory)]
            for kind in (model, disk, memory):
                if writes is None:
                    kind.clear(meta)
                else:
                    kind.commit(writes, meta)

        for kind in (disk, memory):
            with kind.snapshot() as snapshot:
                assert everything(snapshot) == model.seen()
        for snapshot, then in watched:
            assert everything(snapshot) == then
