"""Feature state to take snapshots of, and how to look at all of a store."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from syncline.adapters.lmdb.store import LmdbStore
from syncline.adapters.memory.store import MemoryStore
from syncline.catalog.serving import META_AGENT, META_SERVING
from syncline.ports.store import Store
from syncline.state.cell import key_buckets, pack_cells
from syncline.state.digest import Digest
from syncline.state.identity import META_IDENTITY, LogIdentity
from syncline.state.partition import PartitionState, PartitionWrite, RingEntry
from syncline.wire.keys import partition_for

NOW_US = 1_795_378_500_000_000
"""2026-11-22 20:15 UTC."""
TOPIC, OTHER, CATALOG = "syncline.features.delay.v1", "syncline.features.weather.v2", "syncline.catalog"
IDENTITY = LogIdentity("cluster-1", {TOPIC: ("id-1", 3), OTHER: (None, 1), CATALOG: ("id-2", 1)})
LATEST_US = (1 << 63) - 1

STORES: Mapping[str, Callable[[Path], Store]] = {
    "lmdb": lambda folder: LmdbStore.open(folder, create=True),
    "memory": lambda folder: MemoryStore(),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One cell before it is packed."""

    key: bytes
    payload: bytes = b"value"
    event_time_us: int = 1_000
    offset: int = 0
    deleted: bool = False


def partition_write(
    rows: list[Row],
    *,
    topic: str = TOPIC,
    partition: int = 0,
    next_offset: int = 1_000,
    t_ms: int = 5,
    ring: tuple[RingEntry, ...] = (),
) -> PartitionWrite:
    """What fills a partition with these cells, their digest and tombstones."""
    keys = [row.key for row in rows]
    cells, hashes = pack_cells(
        keys,
        event_times_us=np.array([row.event_time_us for row in rows], np.int64),
        offsets=np.array([row.offset for row in rows], np.int64),
        deleted=np.array([row.deleted for row in rows], np.bool_),
        schema_ids=np.array([0 if row.deleted else 7 for row in rows], np.int64),
        payloads=[b"" if row.deleted else row.payload for row in rows],
    )
    digest = Digest.empty().changed(added=(key_buckets(keys), hashes), removed=((), ()))
    return PartitionWrite(
        topic,
        partition,
        PartitionState(next_offset, t_ms, len(rows), digest, ring),
        keys,
        cells,
        tombstones_added=[(row.event_time_us, row.key) for row in rows if row.deleted],
    )


def random_rows(count: int, *, partition: int, partitions: int, seed: int = 1) -> list[Row]:
    """So many rows with keys of this partition."""
    source = random.Random(seed)
    found: dict[bytes, Row] = {}
    while len(found) < count:
        key = source.randbytes(source.choice((1, 3, 8, 40)))
        if partition_for(key, partitions) == partition:
            found[key] = Row(
                key,
                source.randbytes(source.randrange(40)),
                source.randrange(-(10**9), 10**15),
                source.randrange(1_000),
                source.random() < 0.2,
            )
    return list(found.values())


def filled(store: Store, *, rows: int = 40) -> Store:
    """The store, with cells in partitions of two topics, a partition without any, and a release that is served."""
    writes = [
        partition_write(
            random_rows(rows, partition=at, partitions=3, seed=at),
            partition=at,
            next_offset=1_000 + at,
            t_ms=50 + at,
            ring=(RingEntry(7, 8),),
        )
        for at in (0, 2)
    ]
    writes.append(partition_write([], partition=1, next_offset=0, t_ms=-1))
    writes.append(partition_write(random_rows(rows, partition=0, partitions=1, seed=9), topic=OTHER))
    store.commit(
        writes, {META_IDENTITY: IDENTITY.pack(), META_SERVING: b"the donor's", META_AGENT: b"the donor's"}
    )
    return store


def everything(store: Store) -> dict[str, Any]:
    """All of the feature state, without the ring, which a snapshot leaves behind."""
    with store.snapshot() as snapshot:
        places = snapshot.partitions()
        states = {place: snapshot.state(*place) for place in places}
        return {
            "states": {
                place: (state.next_offset, state.t_ms, state.cells, state.digest, state.head_trimmed)
                for place, state in states.items()
                if state is not None
            },
            "cells": {place: list(snapshot.scan(*place)) for place in places},
            "tombstones": {place: snapshot.tombstones(*place, LATEST_US) for place in places},
        }
