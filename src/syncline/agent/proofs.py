"""Proof for audits: a partition's digest counted again from the cells themselves, at the marker (log.md, audit)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

import numpy as np

from syncline.clock import Clock
from syncline.ports.store import Store
from syncline.state.cell import recount
from syncline.state.digest import Digest
from syncline.state.partition import FOLD_VERSION, PartitionState
from syncline.telemetry.cut_reports import BucketCell, PartitionProof

_CELLS_AT_ONCE = 2_000
"""As many as a processor's cache holds."""
_LISTED_BYTES_MAX = 600_000
"""How much of a report its listed cells may take: brokers take about a megabyte by default."""
_BROKEN_BYTES_MAX = 200_000
_CELL_BYTES = 16
"""What a listed cell takes beside its key, at most."""


class Proofs:
    """Counts again what one agent's store holds."""

    def __init__(self, *, agent: str, consumer: str, store: Store, clock: Clock) -> None:
        self._agent = agent
        self._consumer = consumer
        self._store = store
        self._clock = clock

    def of_partition(
        self, place: tuple[str, int], state: PartitionState, *, cut: int, buckets: Collection[int]
    ) -> PartitionProof:
        """What the partition holds now, at the marker of an audit; of `buckets` every cell by key and hash.

        A sub-digest that does not fit into the report is left out of the list as a whole. Takes less than a second
        for a million cells, in which nothing else is folded.
        """
        topic, partition = place
        counted, count = Digest.empty(), 0
        broken: list[bytes] = []
        listed: dict[int, list[BucketCell]] = {bucket: [] for bucket in sorted(buckets)}
        with self._store.snapshot() as snapshot:
            entries = snapshot.scan(topic, partition)
            while found := list(islice(entries, _CELLS_AT_ONCE)):
                cells = recount(found)
                counted = counted.changed(added=(cells.buckets, cells.hashes), removed=((), ()))
                count += len(found)
                broken += [found[row][0] for row in np.flatnonzero(cells.broken).tolist()]
                if listed:
                    asked = np.flatnonzero(np.isin(cells.buckets, list(listed))).tolist()
                    for row in asked:
                        bucket = int(cells.buckets[row])
                        listed[bucket].append(BucketCell(bucket, found[row][0], int(cells.hashes[row])))
        return PartitionProof(
            agent=self._agent,
            consumer=self._consumer,
            reported_at_us=self._clock.now_us(),
            fold_version=FOLD_VERSION,
            cut=cut,
            topic=topic,
            partition=partition,
            offset=state.next_offset,
            cells=count,
            kept=state.digest.pack(),
            counted=counted.pack(),
            broken=tuple(_that_fit(broken)),
            cells_of=tuple(_whole_buckets(listed.values())),
        )


def _that_fit(keys: Iterable[bytes]) -> list[bytes]:
    left, found = _BROKEN_BYTES_MAX, []
    for key in keys:
        left -= len(key)
        if left < 0:
            break
        found.append(key)
    return found


def _whole_buckets(listed: Iterable[list[BucketCell]]) -> list[BucketCell]:
    """Bucket by bucket, those that fit as a whole: the sum of what is listed then is the sub-digest."""
    left, found = _LISTED_BYTES_MAX, []
    for cells in listed:
        size = sum(len(cell.key) + _CELL_BYTES for cell in cells)
        if size <= left:
            left -= size
            found += cells
    return found
