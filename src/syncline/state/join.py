"""The join: of all records of a key, the one with the larger (event time, offset) is the cell.

It is idempotent and indifferent to order and duplicates, so retries and replays are harmless and a late backfill
cannot bury a fresh value (P2, P8). Deletes are tombstone cells: a late older update cannot raise the dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from syncline.state.cell import cell_heads, key_buckets, mark_traced, pack_cells
from syncline.state.partition import PartitionState, PartitionWrite, RingEntry

_FEW = 1_000
"""So many rows are looked at one by one sooner than numpy has begun."""


@dataclass(frozen=True, slots=True)
class Updates:
    """Accepted records of one partition as columns of equal length, in offset order.

    `codes[i]` is the number of row i's key in `unique_keys`. A tombstone has schema id 0 and an empty payload.
    """

    unique_keys: Sequence[bytes]
    codes: npt.NDArray[np.int32]
    event_times_us: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    deleted: npt.NDArray[np.bool_]
    schema_ids: npt.NDArray[np.int64]
    payloads: Sequence[bytes]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.payloads)


@dataclass(frozen=True, slots=True)
class Winners:
    """The one row per key that can become a cell; `keys` are sorted, as stores want them."""

    keys: list[bytes]
    rows: npt.NDArray[np.int64]
    """Row numbers in the updates, in the keys' order."""


def winners(updates: Updates) -> Winners:
    """Per key, the row with the largest (event time, offset)."""
    # Rows stand in offset order and lexsort is stable: among equal event times the later offset comes last.
    order = np.lexsort((updates.event_times_us, updates.codes))
    codes = updates.codes[order]
    last = np.ones(len(order), np.bool_)
    last[:-1] = codes[1:] != codes[:-1]
    rows = order[last]
    keys = [updates.unique_keys[code] for code in codes[last]]
    by_key = sorted(range(len(keys)), key=keys.__getitem__)
    return Winners([keys[place] for place in by_key], rows[by_key])


def join(
    updates: Updates,
    won: Winners,
    existing: Sequence[bytes | None],
    *,
    topic: str,
    partition: int,
    state: PartitionState,
    traces: Mapping[int, bytes] | None = None,
) -> PartitionWrite:
    """What the store has to write so that the updates are folded in.

    `existing` holds the packed cells of `won.keys`, read after the last commit. `state` is the partition's state
    with the position and T already moved on; cells and digest are changed here. `traces` are the trace bytes of
    those records of the updates that were sampled, by offset: each goes where its record wins, and nowhere else.
    """
    rows = won.rows
    times, offsets = updates.event_times_us[rows], updates.offsets[rows]
    present = np.fromiter((cell is not None for cell in existing), np.bool_, len(existing))
    old = cell_heads([cell for cell in existing if cell is not None])
    newer = np.ones(len(rows), np.bool_)
    newer[present] = (times[present] > old.event_times_us) | (
        (times[present] == old.event_times_us) & (offsets[present] > old.offsets)
    )
    replaced = newer[present]
    chosen = np.flatnonzero(newer)
    keys = won.keys if len(chosen) == len(rows) else [won.keys[place] for place in chosen]
    rows, deleted = rows[chosen], updates.deleted[won.rows[chosen]]
    cells, hashes = pack_cells(
        keys,
        event_times_us=times[chosen],
        offsets=offsets[chosen],
        deleted=deleted,
        schema_ids=updates.schema_ids[rows],
        payloads=[updates.payloads[row] for row in rows],
    )
    buckets = key_buckets(keys)
    was_present = present[chosen]
    digest = state.digest.changed(
        added=(buckets, hashes), removed=(buckets[was_present], old.hashes[replaced])
    )
    standing = np.flatnonzero(was_present)
    buried = standing[old.deleted[replaced]]
    buried_times = old.event_times_us[replaced & old.deleted]
    traced = _traced(offsets[chosen], traces) if traces else {}
    for place in traced:
        cells[place] = mark_traced(cells[place])
    return PartitionWrite(
        topic=topic,
        partition=partition,
        state=replace(state, digest=digest, cells=state.cells + int((~was_present).sum())),
        keys=keys,
        cells=cells,
        tombstones_added=[(int(times[chosen[place]]), keys[place]) for place in np.flatnonzero(deleted)],
        tombstones_removed=[
            (int(time), keys[place]) for time, place in zip(buried_times, buried, strict=True)
        ],
        traces=[(keys[place], trace) for place, trace in traced.items()],
        untraced=[keys[place] for place in standing[old.traced[replaced]] if place not in traced],
    )


def note_marker(state: PartitionState, offset: int) -> PartitionState:
    """The state of an agent that stands at the marker: it remembers the digest of all records below it.

    An agent that restarts meets the marker again; the proof is the same and is kept once.
    """
    standing = replace(state, next_offset=offset)
    if state.ring and state.ring[-1].offset == offset:
        return standing
    return standing.remember(RingEntry(offset, state.digest.total))


def collectable_before_us(t_ms: int, late_arrival_us: int | None) -> int | None:
    """Tombstones with an event time below this may go when a marker is stepped over; None: they stay."""
    return None if late_arrival_us is None else t_ms * 1_000 - late_arrival_us


def step_over_marker(
    state: PartitionState,
    *,
    topic: str,
    partition: int,
    offset: int,
    timestamp_ms: int,
    collected: Sequence[tuple[int, bytes]] = (),
    collected_cells: Sequence[bytes] = (),
) -> PartitionWrite:
    """Pass a marker: T is raised first, then the tombstones that the caller found collectable by it are dropped.

    `collected` are (event time, key) and `collected_cells` their packed cells, in the same order.
    """
    keys = [key for _, key in collected]
    digest = state.digest
    if keys:
        digest = digest.changed(
            added=((), ()), removed=(key_buckets(keys), cell_heads(collected_cells).hashes)
        )
    return PartitionWrite(
        topic=topic,
        partition=partition,
        state=replace(
            state,
            next_offset=offset + 1,
            t_ms=max(state.t_ms, timestamp_ms),
            digest=digest,
            cells=state.cells - len(keys),
        ),
        dropped=keys,
        tombstones_removed=collected,
    )


def _traced(offsets: npt.NDArray[np.int64], traces: Mapping[int, bytes]) -> dict[int, bytes]:
    """The trace bytes of those rows of these offsets that have some, by row in their order."""
    if len(offsets) <= _FEW:
        return {row: traces[offset] for row, offset in enumerate(offsets.tolist()) if offset in traces}
    rows = np.flatnonzero(np.isin(offsets, np.fromiter(traces, np.int64, len(traces))))
    return {row: traces[offset] for row, offset in zip(rows.tolist(), offsets[rows].tolist(), strict=True)}
