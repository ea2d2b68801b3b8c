"""Traces in the join: each goes where its record wins, lives as long as that cell, and changes nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.state.cell import unpack_cell
from syncline.state.join import Updates, join, step_over_marker, winners
from syncline.state.partition import PartitionState, PartitionWrite


@dataclass(frozen=True, slots=True)
class Row:
    """A record that the contract let pass."""

    key: bytes
    event_us: int
    deleted: bool
    trace: bytes | None


ROWS = st.builds(
    Row,
    st.sampled_from([b"a", b"b", b"c", b"d"]),
    st.integers(0, 5),
    st.booleans(),
    st.none() | st.binary(max_size=3),
)
HISTORIES = st.lists(st.lists(ROWS, min_size=1, max_size=8), max_size=6)
"""Batches, one after another."""


@dataclass
class Store:
    """Does with a write what a store does, and nothing that it does not say."""

    state: PartitionState = field(default_factory=PartitionState)
    cells: dict[bytes, bytes] = field(default_factory=dict)
    traces: dict[bytes, bytes] = field(default_factory=dict)

    def fold(self, batch: Sequence[Row], traces: Mapping[int, bytes] | None) -> PartitionWrite:
        """Join a batch that begins at the partition's position."""
        updates = as_updates(batch, self.state.next_offset)
        won = winners(updates)
        write = join(
            updates,
            won,
            [self.cells.get(key) for key in won.keys],
            topic="t",
            partition=0,
            state=replace(self.state, next_offset=self.state.next_offset + len(batch)),
            traces=traces,
        )
        self.commit(write)
        return write

    def commit(self, write: PartitionWrite) -> None:
        """What goes away goes first."""
        for key in write.dropped:
            del self.cells[key]
        for key in (*write.dropped, *write.untraced):
            self.traces.pop(key, None)
        assert {key for key, _ in write.traces} <= set(write.keys)
        self.cells.update(zip(write.keys, write.cells, strict=True))
        self.traces.update(write.traces)
        self.state = write.state


def as_updates(batch: Sequence[Row], first: int) -> Updates:
    """The batch as columns, at offsets from `first` on."""
    unique = list(dict.fromkeys(row.key for row in batch))
    return Updates(
        unique,
        np.array([unique.index(row.key) for row in batch], np.int32),
        np.array([row.event_us for row in batch], np.int64),
        np.arange(first, first + len(batch), dtype=np.int64),
        np.array([row.deleted for row in batch], np.bool_),
        np.array([0 if row.deleted else 7 for row in batch], np.int64),
        [b"" if row.deleted else b"%d" % row.event_us for row in batch],
    )


def traces_of(batch: Sequence[Row], first: int) -> dict[int, bytes]:
    """By offset, as the join takes them."""
    return {first + n: row.trace for n, row in enumerate(batch) if row.trace is not None}


@settings(max_examples=200)
@given(history=HISTORIES)
def test_traces_follow_the_winners(history: list[list[Row]]) -> None:
    """A key has the trace of the record that is its cell, tombstones included, and none where that had none."""
    store, first = Store(), 0
    expected: dict[bytes, tuple[int, int, bytes | None]] = {}

    for batch in history:
        before = dict(store.traces)
        write = store.fold(batch, traces_of(batch, first))
        for offset, row in enumerate(batch, first):
            expected[row.key] = max(
                expected.get(row.key, (-1, -1, None)),
                (row.event_us, offset, row.trace),
                key=lambda it: it[:2],
            )
        first += len(batch)

        traced = {key: trace for key, (_, _, trace) in expected.items() if trace is not None}
        assert store.traces == traced
        assert set(write.untraced) == before.keys() - traced.keys()
        for key, packed in store.cells.items():
            cell = unpack_cell(key, packed)
            assert (cell.event_time_us, cell.offset) == expected[key][:2]
            assert cell.traced == (key in traced)


@settings(max_examples=100)
@given(history=HISTORIES)
def test_the_state_is_the_same_without_traces(history: list[list[Row]]) -> None:
    """P2: digest, number of cells, winners and tombstones are those of an agent that sampled nothing."""
    plain, traced = Store(), Store()

    for batch in history:
        first = plain.state.next_offset
        without, beside = plain.fold(batch, None), traced.fold(batch, traces_of(batch, first))

        assert beside.state == without.state
        assert beside.keys == without.keys
        assert beside.tombstones_added == without.tombstones_added
        assert beside.tombstones_removed == without.tombstones_removed
        assert (without.traces, without.untraced) == ([], [])
    for key, packed in plain.cells.items():
        assert unpack_cell(key, traced.cells[key])._replace(traced=False) == unpack_cell(key, packed)


def test_a_record_that_comes_again_leaves_the_trace() -> None:
    """A replay after a crash wins nothing, so what stands beside the cell stays, whatever it brings."""
    store, batch = Store(), [Row(b"a", 1, deleted=False, trace=b"first")]
    store.fold(batch, {0: b"first"})
    store.state = replace(store.state, next_offset=0)

    write = store.fold(batch, {0: b"again"})

    assert (write.keys, write.traces, write.untraced) == ([], [], [])
    assert store.traces == {b"a": b"first"}


def test_traces_of_records_that_are_no_updates_are_left_out() -> None:
    """A rejected record between the updates had a trace too: it stands beside nothing."""
    store = Store()

    store.fold([Row(b"a", 1, deleted=False, trace=None)], {5: b"of another"})

    assert store.traces == {}
    assert not unpack_cell(b"a", store.cells[b"a"]).traced


def test_a_traced_tombstone_is_collected_with_its_trace() -> None:
    """P2: the digest is empty again when the only cell goes, traced or not."""
    store = Store()
    store.fold([Row(b"a", 1, deleted=True, trace=b"t")], {0: b"t"})
    assert store.traces == {b"a": b"t"}

    store.commit(
        step_over_marker(
            store.state,
            topic="t",
            partition=0,
            offset=1,
            timestamp_ms=1,
            collected=[(1, b"a")],
            collected_cells=[store.cells[b"a"]],
        )
    )

    assert (store.cells, store.traces) == ({}, {})
    assert store.state.digest == PartitionState().digest
