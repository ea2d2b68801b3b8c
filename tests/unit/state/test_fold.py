"""The fold against a naive one: equal for any records, in whatever batches they come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.state.cell import unpack_cell
from syncline.state.join import collectable_before_us, join, note_marker, step_over_marker, winners
from syncline.state.partition import RING_SIZE, PartitionState, PartitionWrite
from syncline.state.verdict import judge
from tests.unit.state.reference import LATE_US, MINUTE_US, Played, Reference, histories
from tests.unit.state.world import (
    NOW_MS,
    Version,
    airports_of,
    delete,
    major_of,
    marker,
    rows,
)

NOW_US = NOW_MS * 1_000
FIRST = Version.make(7)
SECOND = Version.make(9, version="1.1.0", extra=True)
LATE = Version.make(11, late_arrival="10 min")
AIRPORTS = ["EWR", "JFK", "LGA"]
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=60)


class Folder:
    """Folds one partition with our functions, as the agent does, in batches of any size, over a dict."""

    def __init__(self, *versions: Version, partition: int = 0) -> None:
        self.major = major_of(*versions)
        self.schemas = {version.schema_id: version.schema for version in versions}
        self.partition = partition
        self.state = PartitionState()
        self.cells: dict[bytes, bytes] = {}
        self.tombstones: set[tuple[int, bytes]] = set()
        self.rejected: list[int] = []

    def take(self, records: Sequence[Played], *, first: int, step: int = 1) -> None:
        """Fold records that stand at `first`, `first + step`, ..."""
        batch = rows([each.record for each in records], partition=self.partition, first=first, step=step)
        while len(batch):
            verdict = judge(batch, t_ms=self.state.t_ms, major=self.major, schemas=self.schemas)
            self.rejected += [int(batch.offsets[reject.row]) for reject in verdict.rejects]
            if verdict.rows:
                following = int(batch.offsets[verdict.rows - 1]) + 1
                self.state = replace(self.state, next_offset=following, t_ms=verdict.t_ms)
            if len(verdict.updates):
                won = winners(verdict.updates)
                existing = [self.cells.get(key) for key in won.keys]
                self._commit(
                    join(
                        verdict.updates,
                        won,
                        existing,
                        topic="t",
                        partition=self.partition,
                        state=self.state,
                    )
                )
            if verdict.stop is None:
                return
            assert verdict.stop.marker, verdict.stop.reason
            place = verdict.stop.row
            offset, stamp = int(batch.offsets[place]), int(batch.timestamps_ms[place])
            self.state = note_marker(self.state, offset)
            before_us = collectable_before_us(max(self.state.t_ms, stamp), self.major.late_arrival_us)
            old = sorted(each for each in self.tombstones if before_us is not None and each[0] < before_us)
            self._commit(
                step_over_marker(
                    self.state,
                    topic="t",
                    partition=self.partition,
                    offset=offset,
                    timestamp_ms=stamp,
                    collected=old,
                    collected_cells=[self.cells[key] for _, key in old],
                )
            )
            first = offset + step
            records = records[place + 1 :]
            batch = rows([each.record for each in records], partition=self.partition, first=first, step=step)

    def _commit(self, write: PartitionWrite) -> None:
        assert len(set(write.keys)) == len(write.keys)
        assert list(write.keys) == sorted(write.keys)
        for key in write.dropped:
            del self.cells[key]
        self.cells.update(zip(write.keys, write.cells, strict=True))
        self.tombstones.difference_update(write.tombstones_removed)
        self.tombstones.update(write.tombstones_added)
        self.state = write.state

    def unpacked(self) -> dict[bytes, tuple[int, int, bool, int, bytes]]:
        """The cells, in the reference's form."""
        found = {}
        for key, packed in self.cells.items():
            cell = unpack_cell(key, packed)
            found[key] = (cell.event_time_us, cell.offset, cell.deleted, cell.schema_id, cell.payload)
        return found


def folded(
    history: Sequence[Played], *versions: Version, sizes: Sequence[int] = (1_000,), step: int = 1
) -> Folder:
    """The history folded in batches of these sizes, over and over."""
    folder = Folder(*versions)
    start = turn = 0
    while start < len(history):
        size = sizes[turn % len(sizes)]
        folder.take(history[start : start + size], first=start * step, step=step)
        start += size
        turn += 1
    return folder


def assert_same(folder: Folder, reference: Reference) -> None:
    """Equal in cells, T, position, digest, sub-digests, ring, rejects and the index of tombstones."""
    assert folder.unpacked() == reference.cells
    assert folder.state.t_ms == reference.t_ms
    assert folder.state.next_offset == reference.next_offset
    assert folder.state.cells == len(reference.cells)
    assert list(folder.state.digest.sums) == reference.sums()
    assert folder.state.digest.total == reference.digest()
    assert [(entry.offset, entry.digest) for entry in folder.state.ring] == reference.ring[-RING_SIZE:]
    assert folder.rejected == reference.rejected
    assert folder.tombstones == {(cell[0], key) for key, cell in reference.cells.items() if cell[2]}


@settings(max_examples=70, deadline=None)
@given(history=histories([FIRST, SECOND], AIRPORTS), sizes=SIZES, step=st.sampled_from([1, 1, 3]))
def test_any_history_in_any_batches_comes_to_what_the_naive_fold_says(
    history: list[Played], sizes: list[int], step: int
) -> None:
    """P2: state is a function of the records alone, offset holes and two schema ids of one MAJOR included."""
    assert_same(folded(history, FIRST, SECOND, sizes=sizes, step=step), Reference.of(history, step=step))


@settings(max_examples=70, deadline=None)
@given(history=histories([LATE], AIRPORTS), sizes=SIZES)
def test_late_rules_and_collection_do_not_depend_on_batches_either(
    history: list[Played], sizes: list[int]
) -> None:
    """P2: with lateArrival, rejects by T and tombstones dropped at markers are the naive fold's, batch or no batch."""
    assert_same(folded(history, LATE, sizes=sizes), Reference.of(history, late_us=LATE_US))


@settings(max_examples=30, deadline=None)
@given(history=histories([FIRST], AIRPORTS, most=20), seed=st.integers(0, 999))
def test_duplicates_change_nothing(history: list[Played], seed: int) -> None:
    """P2: updates and deletes that stand in the log again leave digest and values as they were."""
    # Duplicates at other offsets can only decide ties between different records of one event time.
    seen: set[tuple[bytes | None, int]] = set()
    once = []
    for played in history:
        if played.kind in ("update", "delete"):
            if (played.record.key, played.at_us) in seen:
                continue
            seen.add((played.record.key, played.at_us))
            once.append(played)
    chance = random.Random(seed)
    again = once + chance.choices(once, k=len(once)) if once else []

    whole, plain = folded(again, FIRST), folded(once, FIRST)

    assert whole.state.digest == plain.state.digest
    assert {key: cell[0] for key, cell in whole.unpacked().items()} == {
        key: cell[0] for key, cell in plain.unpacked().items()
    }


def test_in_every_order_of_event_times_the_newest_event_wins() -> None:
    """P8: an older event never overwrites a newer one, whichever comes last."""
    moments = [NOW_US - minutes * MINUTE_US for minutes in range(5)]
    digests = set()

    for order in permutations(moments):
        history = [
            Played("update", FIRST.record(at_us=at_us, ms=NOW_MS, mean=float(at_us % 97)), at_us, 7, b"")
            for at_us in order
        ]
        folder = folded(history, FIRST, sizes=[2])
        digests.add(folder.state.digest.total)
        assert folder.unpacked()[b"EWR"][0] == NOW_US

    assert len(digests) == 1


def test_of_two_records_of_one_event_time_the_later_in_the_log_wins() -> None:
    """P8: ties go to the larger offset, in one batch and over two."""
    history = [Played("update", FIRST.record(at_us=NOW_US, mean=mean)) for mean in (1.0, 2.0, 3.0)]

    for sizes in ([3], [1], [2]):
        cell = folded(history, FIRST, sizes=sizes).unpacked()[b"EWR"]
        assert cell[1] == 2
        assert cell[4] == FIRST.body(at_us=NOW_US, mean=3.0)


@pytest.mark.parametrize("sizes", [[1], [2], [9]])
def test_a_late_older_update_cannot_raise_the_dead(sizes: list[int]) -> None:
    """P8: after a delete, only an event newer than it brings the entity back."""
    older, death, newer = (NOW_US + seconds * 1_000_000 for seconds in (-2, -1, 0))
    buried = [
        Played("delete", delete(at_us=death, ms=NOW_MS)),
        Played("update", FIRST.record(at_us=older, ms=NOW_MS)),
    ]

    assert folded(buried, FIRST, sizes=sizes).unpacked()[b"EWR"] == (death, 0, True, 0, b"")
    risen = [*buried, Played("update", FIRST.record(at_us=newer, ms=NOW_MS))]
    assert folded(risen, FIRST, sizes=sizes).unpacked()[b"EWR"][2] is False


def test_tombstones_go_only_at_markers_and_only_when_older_than_the_marker_allows() -> None:
    """A tombstone of T - L stays, one a microsecond older goes; the marker's own timestamp raises T first."""
    edge_us = NOW_US - LATE_US
    before = [
        Played("delete", delete("EWR", at_us=edge_us - 1, ms=NOW_MS - 60_000)),
        Played("delete", delete("JFK", at_us=edge_us, ms=NOW_MS - 60_000)),
        Played("update", LATE.record("LGA", at_us=edge_us - 1, ms=NOW_MS - 60_000)),
    ]

    unmarked = folded([*before, Played("update", LATE.record("ABC", at_us=NOW_US))], LATE)
    early = folded([*before, Played("marker", marker(1, ms=NOW_MS - 1))], LATE)
    marked = folded([*before, Played("marker", marker(1, ms=NOW_MS))], LATE)

    assert {b"EWR", b"JFK"} < unmarked.cells.keys()
    assert {b"EWR", b"JFK"} < early.cells.keys()
    assert set(marked.cells) == {b"JFK", b"LGA"}
    assert marked.tombstones == {(edge_us, b"JFK")}
    assert marked.state.t_ms == NOW_MS


def test_the_ring_proves_the_state_before_the_collection() -> None:
    """The digest at a marker is that of all records below it, dead ones included."""
    history = [
        Played("delete", delete("EWR", at_us=NOW_US - LATE_US, ms=NOW_MS)),
        Played("marker", marker(1, ms=NOW_MS + 60_000)),
        Played("marker", marker(2, ms=NOW_MS + 60_000)),
    ]

    folder = folded(history, LATE)

    assert not folder.cells
    assert folder.state.ring[0].digest == folded(history[:1], LATE).state.digest.total != 0
    assert folder.state.ring[1].digest == folder.state.digest.total == 0


def test_without_late_arrival_tombstones_stay() -> None:
    """No L, no collection: a marker passes and the dead stay buried."""
    history = [Played("delete", delete(at_us=0, ms=NOW_MS)), Played("marker", marker(1, ms=2 * NOW_MS))]

    assert set(folded(history, FIRST).cells) == {b"EWR"}


def test_the_ring_keeps_the_newest_proofs_and_a_marker_met_again_leaves_one() -> None:
    """A bounded ring; an agent that stood at a marker and was restarted proves it once."""
    history = [Played("marker", marker(number, ms=NOW_MS)) for number in range(RING_SIZE + 3)]
    ring = folded(history, FIRST).state.ring
    again = note_marker(note_marker(PartitionState(next_offset=4), 5), 5)

    assert [entry.offset for entry in ring] == list(range(3, RING_SIZE + 3))
    assert (again.next_offset, len(again.ring)) == (5, 1)


def test_a_foreign_partition_has_no_cell_of_the_key() -> None:
    """One key has one cell: what stands in another partition than its key's is rejected there."""
    two = Version.make(7, partitions=2)
    (home,) = airports_of(0, 2, 1)
    folder = Folder(two, partition=1)

    folder.take([Played("update", two.record(home, at_us=NOW_US))], first=0)

    assert (folder.cells, folder.rejected) == ({}, [0])
