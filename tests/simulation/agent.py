"""A thin agent over the shipped pure code: it does what log.md's rules say, one transaction at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from syncline.adapters.memory.store import MemoryStore
from syncline.catalog import enactment
from syncline.catalog.enactment import Member
from syncline.catalog.fold import Picture
from syncline.rollout import alignment
from syncline.rollout.alignment import Alignment, is_aligned
from syncline.state import join as joining
from syncline.state.join import Updates
from syncline.state.partition import PartitionState, PartitionWrite
from tests.simulation.log import Catalog, Kind, OutOfRangeError, Partition, Place, Record

SERVING = "serving"
_SERVING = struct.Struct("<qqqq")


@dataclass(frozen=True, slots=True)
class Serving:
    """What an agent has enacted last; kept in its store."""

    release: int
    epoch: int
    cut: int = -1
    declared_at: int = -1
    """Since when the consumer has read this bundle: declared anew, it begins anew."""

    def pack(self) -> bytes:
        """As the store keeps it."""
        return _SERVING.pack(self.release, self.epoch, self.cut, self.declared_at)

    @classmethod
    def unpack(cls, packed: bytes) -> Serving:
        """What `pack` wrote."""
        return cls(*_SERVING.unpack(packed))


@dataclass(frozen=True, slots=True)
class Copy:
    """A snapshot: feature state and nothing else."""

    states: dict[Place, PartitionState]
    cells: dict[Place, dict[bytes, bytes]]
    tombstones: dict[Place, list[tuple[int, bytes]]]
    donor: str
    serving: bytes | None = None
    """Nothing but a planted bug puts anything here."""


@dataclass(slots=True)
class Watch:
    """What the promises look at: called before and after what an agent does. Nothing by default."""

    moved: Callable[[SimAgent, Place, PartitionState], None]
    enacted: Callable[[SimAgent, object, dict[Place, int], bool], None]
    gave_up: Callable[[SimAgent, tuple[int, ...]], None]
    restored: Callable[[SimAgent, dict[Place, PartitionState]], None]
    stood: Callable[[SimAgent, Place, int], None]
    reborn: Callable[[SimAgent], None]
    note: Callable[..., None]


@dataclass(slots=True, eq=False)
class SimAgent:
    """One agent; its store outlives it."""

    consumer: str
    instance: str
    shard: tuple[int, int]
    """(place among, how many): it takes the partitions whose number is its own, modulo."""
    catalog: Catalog
    log: dict[Place, Partition]
    watch: Watch
    limit_s: float
    cannot_serve: set[int] = field(default_factory=set)
    """Releases that its build is too old for."""
    up: bool = False
    store: MemoryStore = field(default_factory=MemoryStore)
    # What a crash forgets.
    alignment: Alignment = field(init=False)
    seen: int = 0
    noted_end: int = 0
    serving: Serving | None = None
    states: dict[Place, PartitionState] = field(default_factory=dict)
    standing: dict[Place, alignment.Stand] = field(default_factory=dict)
    to_pass: dict[Place, int] = field(default_factory=dict)
    """Partitions whose last commit ended at a marker that is to be stepped over."""
    life: int = 0
    """Counts its starts, for a planted bug that should not care."""

    @property
    def name(self) -> str:
        """Consumer and instance."""
        return f"{self.consumer}/{self.instance}"

    @property
    def member(self) -> Member:
        """Who it is, by its configuration."""
        return Member(self.consumer, self.instance)

    @property
    def picture(self) -> Picture:
        """The catalog as far as it has read."""
        return self.catalog.picture(self.seen)

    @property
    def is_started(self) -> bool:
        """Whether it has folded the catalog to the end that it noted, and knows what it serves."""
        return self.up and self.seen >= self.noted_end and self.serving is not None

    def mine(self, place: Place) -> bool:
        """Whether its shard has the partition."""
        return place[1] % self.shard[1] == self.shard[0]

    # Rule 1.

    def start(self) -> None:
        """The process starts: it notes the catalog's end, and knows nothing yet."""
        self.up = True
        self.alignment = alignment.Alignment(self.limit_s)
        self.seen, self.noted_end = 0, self.catalog.end
        self.serving = None
        self.states.clear()
        self.standing.clear()
        self.to_pass.clear()

    def crash(self) -> None:
        """Everything but the store is gone."""
        self.up = False

    def read_catalog(self, count: int, *, now_s: float, copies: list[Copy]) -> None:
        """Read some more of the catalog, and take it in once the noted end is reached."""
        self.seen = min(self.seen + count, self.catalog.end)
        if self.seen >= self.noted_end:
            self._learn(copies)
            self.settle(now_s=now_s, copies=copies)

    def _learn(self, copies: list[Copy]) -> None:
        picture = self.picture
        base = self._base()
        if base is None:
            # Withdrawn: nothing is decided for it any more; what it has, it serves on.
            self.alignment.learn(picture, self.member, applied=-1)
            return
        if self.serving is None:
            with self.store.snapshot() as snapshot:
                packed = snapshot.meta(SERVING)
            self.serving = None if packed is None else Serving.unpack(packed)
        if self.serving is None or self.serving.declared_at != base.declared_at:
            self.serving = base
            self.store.commit([], {SERVING: base.pack()})
            self.watch.reborn(self)
        self.alignment.learn(picture, self.member, applied=self.serving.epoch)
        self._open(copies)

    def _base(self) -> Serving | None:
        """What it begins with."""
        base = enactment.base_release(self.picture, self.consumer)
        if base is None:
            return None
        declared_at = enactment.declarations(self.picture, self.consumer)[0].offset
        return Serving(base.payload.release, base.offset, declared_at=declared_at)

    def wanted(self) -> set[Place]:
        """The partitions that it has to read: all topics of the releases to keep warm, in its shard."""
        picture, serving = self.picture, self.serving
        declared = picture.subscriptions.get(self.consumer)
        if serving is None or declared is None:
            return set()
        bundle = declared.payload.bundle
        topics: set[str] = set()
        for release in enactment.releases_to_warm(
            picture, self.member, active=serving.release, applied=serving.epoch
        ):
            topics |= picture.topics_of(bundle, release) or frozenset()
        return {place for place in self.log if place[0] in topics and self.mine(place)}

    def _open(self, copies: list[Copy]) -> None:
        wanted = self.wanted()
        for place in self.states.keys() - wanted:
            del self.states[place]
            self.standing.pop(place, None)
            self.to_pass.pop(place, None)
        missing = sorted(wanted - self.states.keys())
        if not missing:
            return
        with self.store.snapshot() as snapshot:
            found = {place: snapshot.state(*place) for place in missing}
            is_new = not snapshot.partitions()
        lost = any(
            (state is None and self.log[place].first > 0)
            or (state is not None and state.next_offset < self.log[place].first)
            for place, state in found.items()
        )
        if (is_new and copies) or lost:
            self.resync(copies)
            return
        for place, state in found.items():
            self.states[place] = state or PartitionState()

    def resync(self, copies: list[Copy]) -> None:
        """Begin anew: from the newest snapshot that fits, else from where the log begins (rule 1)."""
        serving, wanted = self._base(), self.wanted()
        if serving is None:
            # Withdrawn: it waits until it is declared, or told to stop.
            return
        chosen = next((copy for copy in reversed(copies) if self._fits(copy, wanted)), None)
        if chosen is None:
            with self.store.snapshot() as snapshot:
                kept = {place: snapshot.state(*place) for place in wanted}
            # What is not lost goes on; what is lost begins where the log does, and is never proof.
            self.states.update(
                {
                    place: state
                    if state is not None and state.next_offset >= self.log[place].first
                    else PartitionState(
                        next_offset=self.log[place].first, head_trimmed=self.log[place].first > 0
                    )
                    for place, state in kept.items()
                }
            )
            lost = [
                place
                for place, state in kept.items()
                if state is not None and state.next_offset < self.log[place].first
            ]
            self._forget_cells(lost)
            self.watch.note("%s has no snapshot to begin from", self.name)
            return
        self.store.clear({SERVING: chosen.serving or serving.pack()})
        self.serving = Serving.unpack(chosen.serving) if chosen.serving else serving
        writes = [
            PartitionWrite(
                topic=place[0],
                partition=place[1],
                state=replace(chosen.states[place], ring=()),
                keys=list(chosen.cells[place]),
                cells=list(chosen.cells[place].values()),
                tombstones_added=chosen.tombstones[place],
            )
            for place in sorted(chosen.states)
            if self.mine(place)
        ]
        self.store.commit(writes)
        self.states = {(write.topic, write.partition): write.state for write in writes}
        self.standing.clear()
        self.to_pass.clear()
        self.watch.note("%s begins from a snapshot of %s", self.name, chosen.donor)
        self.alignment.learn(self.picture, self.member, applied=self.serving.epoch)
        wanted = self.wanted()
        self.watch.restored(self, dict(self.states))
        self.states = {
            place: self.states.get(place) or PartitionState(next_offset=self.log[place].first)
            for place in sorted(wanted)
        }

    def _fits(self, copy: Copy, wanted: set[Place]) -> bool:
        return all(
            self.log[place].first <= copy.states[place].next_offset <= self.log[place].end
            if place in copy.states
            else self.log[place].first == 0
            for place in wanted
        )

    def _forget_cells(self, places: list[Place]) -> None:
        for topic, partition in places:
            with self.store.snapshot() as snapshot:
                keys = [key for key, _ in snapshot.scan(topic, partition)]
                tombstones = snapshot.tombstones(topic, partition, 1 << 62)
            state = self.states[topic, partition]
            self.store.commit(
                [PartitionWrite(topic, partition, state, dropped=keys, tombstones_removed=tombstones)]
            )

    # The log.

    def readable(self) -> list[Place]:
        """The partitions that may have something for it."""
        return [place for place, state in self.states.items() if state.next_offset < self.log[place].end]

    def read(self, place: Place, count: int, *, now_s: float, copies: list[Copy]) -> None:
        """One turn with one partition: fold up to a marker and commit, or step over the marker, or stand at it."""
        state = self.states[place]
        try:
            records = self.log[place].read(state.next_offset, count)
        except OutOfRangeError:
            self.watch.note("%s finds %s[%d] trimmed past its position", self.name, *place)
            self.resync(copies)
            return
        if not records:
            # Nothing but holes.
            self._commit(place, PartitionWrite(*place, replace(state, next_offset=self.log[place].end)))
            return
        stop = self.alignment.next_stop(place, state.next_offset)
        rows: list[Record] = []
        marker: Record | None = None
        for record in records:
            if record.kind is Kind.MARKER or (stop is not None and record.offset >= stop):
                marker = record
                break
            if (
                record.kind is Kind.UPDATE
                and not record.deleted
                and record.schema_id not in self.picture.known_since
            ):
                break
            rows.append(record)
        if (
            marker is not None
            and not rows
            and state.ring
            and state.ring[-1].offset == marker.offset == state.next_offset
        ):
            self._at_marker(place, marker, now_s=now_s)
        elif rows or marker is not None:
            self._commit(place, self._folded(place, state, rows, marker))
        self.settle(now_s=now_s, copies=copies)

    def _folded(
        self, place: Place, state: PartitionState, rows: list[Record], marker: Record | None
    ) -> PartitionWrite:
        topic, partition = place
        late, t_ms = self.log[place].late_arrival_us, state.t_ms
        updates: list[Record] = []
        for row in rows:
            t_ms = max(t_ms, row.timestamp_ms)
            if row.kind is Kind.UPDATE and (late is None or row.event_time_us >= t_ms * 1_000 - late):
                updates.append(row)
        if rows:
            state = replace(state, next_offset=rows[-1].offset + 1, t_ms=t_ms)
        write = PartitionWrite(topic, partition, state)
        if updates:
            columns = _columns(updates)
            won = joining.winners(columns)
            with self.store.snapshot() as snapshot:
                existing = snapshot.cells(topic, partition, won.keys)
            write = joining.join(columns, won, existing, topic=topic, partition=partition, state=state)
        if marker is not None:
            write = replace(write, state=joining.note_marker(write.state, marker.offset))
        return write

    def _at_marker(self, place: Place, marker: Record, *, now_s: float) -> None:
        stand = self.alignment.stand_at(place, offset=marker.offset, cut=marker.cut, now_s=now_s)
        if stand is not None:
            if place not in self.standing:
                self.watch.note("%s stands at %s[%d] %d: %s", self.name, *place, marker.offset, stand.reason)
            self.standing[place] = stand
            self.watch.stood(self, place, stand.cut)
            return
        self.standing.pop(place, None)
        self._commit(place, self._stepped_over(place, marker))

    def _stepped_over(self, place: Place, marker: Record) -> PartitionWrite:
        topic, partition = place
        state = self.states[place]
        before_us = joining.collectable_before_us(
            max(state.t_ms, marker.timestamp_ms), self.log[place].late_arrival_us
        )
        collected: list[tuple[int, bytes]] = []
        cells: list[bytes] = []
        if before_us is not None:
            with self.store.snapshot() as snapshot:
                collected = snapshot.tombstones(topic, partition, before_us)
                cells = [snapshot.cell(topic, partition, key) or b"" for _, key in collected]
        return joining.step_over_marker(
            state,
            topic=topic,
            partition=partition,
            offset=marker.offset,
            timestamp_ms=marker.timestamp_ms,
            collected=collected,
            collected_cells=cells,
        )

    def _commit(self, place: Place, write: PartitionWrite) -> None:
        self.store.commit([write])
        before = self.states[place]
        self.states[place] = write.state
        self.watch.moved(self, place, before)

    # Rules 5 and 6.

    def settle(self, *, now_s: float, copies: list[Copy]) -> None:
        """Give up what was held for too long, and enact what is ready."""
        if not self.is_started:
            return
        given_up = self.alignment.give_up(now_s)
        if given_up:
            self.watch.gave_up(self, given_up)
        while True:
            positions = {place: state.next_offset for place, state in self.states.items()}
            ruling = self.alignment.ready(positions)
            if ruling is None or ruling.to_release in self.cannot_serve:
                return
            aligned = is_aligned(ruling, positions)
            self.watch.enacted(self, ruling, positions, aligned)
            cut = -1 if ruling.introduced_by is None else ruling.introduced_by
            self.serving = replace(self.serving, release=ruling.to_release, epoch=ruling.epoch, cut=cut)
            self.store.commit([], {SERVING: self.serving.pack()})
            self.alignment.pass_head()
            self._open(copies)

    def serves(self) -> int | None:
        """The release that a reader of its store gets now; None where it is refused."""
        if not self.is_started or self.alignment.refuses or self.serving is None:
            return None
        return self.serving.release

    def copy(self) -> Copy | None:
        """A snapshot of its store, in one read transaction; None where it is no donor."""
        with self.store.snapshot() as snapshot:
            places = [place for place in snapshot.partitions() if place in self.states]
            states = {place: snapshot.state(*place) for place in places}
            if not states or any(state is None or state.head_trimmed for state in states.values()):
                return None
            return Copy(
                {place: state for place, state in states.items() if state is not None},
                {place: dict(snapshot.scan(*place)) for place in places},
                {place: snapshot.tombstones(*place, 1 << 62) for place in places},
                self.name,
            )


def _columns(records: list[Record]) -> Updates:
    unique = list(dict.fromkeys(record.key for record in records))
    codes = {key: code for code, key in enumerate(unique)}
    return Updates(
        unique_keys=unique,
        codes=np.array([codes[record.key] for record in records], np.int32),
        event_times_us=np.array([record.event_time_us for record in records], np.int64),
        offsets=np.array([record.offset for record in records], np.int64),
        deleted=np.array([record.deleted for record in records], np.bool_),
        schema_ids=np.array([0 if record.deleted else record.schema_id for record in records], np.int64),
        payloads=[b"" if record.deleted else record.payload for record in records],
    )
