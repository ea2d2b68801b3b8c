"""Stores, and what their agents would show of them at a line across the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from syncline.catalog.coordination import Cut, CutState
from syncline.catalog.rollout_events import Cohort, CutKind, CutPrepared
from syncline.state.cell import key_buckets
from syncline.state.digest import Digest
from syncline.telemetry.cut_reports import BucketCell, CutReached, DigestAt, PartitionProof

CUT, TOPIC, OFFSET = 8, "t-v-1", 17
Cells = Mapping[bytes, int]
"""key → the cell's hash."""


def cut(*places: tuple[str, int, int], kind: CutKind = CutKind.AUDIT) -> Cut:
    """A committed cut through these positions."""
    vector = places or ((TOPIC, 0, OFFSET),)
    topics = tuple((topic, 1) for topic in sorted({topic for topic, _, _ in vector}))
    prepared = CutPrepared(6, 5, kind, "inputs", 1, 1, Cohort(), topics, 0, 7)
    return Cut(CUT, prepared, CutState.COMMITTED, vector=tuple(vector), decided_at=9)


def bucket_of(key: bytes) -> int:
    """The sub-digest of a key."""
    return xxh3_64_intdigest(key) & 0xFF


def digest(cells: Cells) -> Digest:
    """What these cells come to."""
    keys = list(cells)
    return Digest.empty().changed(
        added=(key_buckets(keys), np.array([cells[key] for key in keys], np.uint64)), removed=((), ())
    )


def proof(
    agent: str,
    cells: Cells,
    *,
    kept: Cells | None = None,
    listed: Collection[int] = (),
    place: tuple[str, int, int] = (TOPIC, 0, OFFSET),
    **changed: Any,
) -> PartitionProof:
    """The proof of an agent that holds these cells, and folded `kept` (the same if it is not given)."""
    topic, partition, offset = place
    shown = tuple(
        BucketCell(bucket_of(key), key, found)
        for key, found in sorted(cells.items())
        if bucket_of(key) in listed
    )
    whole = PartitionProof(
        agent=agent,
        consumer="model",
        reported_at_us=1,
        fold_version=1,
        cut=CUT,
        topic=topic,
        partition=partition,
        offset=offset,
        cells=len(cells),
        kept=digest(cells if kept is None else kept).pack(),
        counted=digest(cells).pack(),
        cells_of=shown,
    )
    return replace(whole, **changed)


def reached(agent: str, *partitions: DigestAt, **changed: Any) -> CutReached:
    """The report of an agent that passed the line."""
    whole = CutReached(
        agent,
        "model",
        1,
        1,
        CUT,
        9,
        "inputs",
        1,
        audit=True,
        aligned=False,
        why="",
        held_us=-1,
        partitions=partitions,
    )
    return replace(whole, **changed)
