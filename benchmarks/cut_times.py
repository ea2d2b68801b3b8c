"""When each step of a cut took place, from the records themselves."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.fleet import Enacted
from syncline.ports.log import Log

Position = tuple[str, int, int]
"""(topic, partition, offset)."""

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class CutTimes:
    """One cut, in milliseconds since the epoch.

    Catalog and reports carry the moment at which their writer sent a record; a marker that at which the broker
    appended it. All clocks are one machine's.
    """

    prepared_ms: int
    """The coordinator sent CutPrepared."""
    marked_ms: int
    """The last marker of its vector was in the log."""
    committed_ms: int
    """The coordinator sent CutCommitted."""
    switched_ms: tuple[int, ...]
    """Each agent sent its CutReached: its readers see the new release by then, and have been told so on disk."""
    held_ms: tuple[float, ...]
    """How long each agent's first partition stood until the cut was enacted."""
    aligned: bool
    """Every agent stood at the vector in all its partitions."""

    @property
    def markers_took_ms(self) -> int:
        """From the prepare to the last marker."""
        return self.marked_ms - self.prepared_ms

    @property
    def took_ms(self) -> int:
        """The alignment of the cut: from the prepare until the last agent had switched."""
        return max(self.switched_ms) - self.prepared_ms

    @property
    def beyond_ms(self) -> int:
        """Of that, what came after the last marker was written."""
        return max(self.switched_ms) - self.marked_ms


def cut_times(log: Log, catalog_topic: str, cuts: Sequence[Enacted]) -> list[CutTimes]:
    """The times of these cuts."""
    decided = [(each, each.ruling.cut) for each in cuts if each.ruling.cut is not None]
    rulings = [(catalog_topic, 0, offset) for each, cut in decided for offset in (cut, each.ruling.epoch)]
    markers = [position for each in cuts for position in each.ruling.floor]
    at = stamps(log, [*rulings, *markers])
    return [
        CutTimes(
            prepared_ms=at[catalog_topic, 0, cut],
            marked_ms=max(at[position] for position in each.ruling.floor),
            committed_ms=at[catalog_topic, 0, each.ruling.epoch],
            switched_ms=tuple(at_ms for at_ms, _ in each.reports),
            held_ms=tuple(report.held_us / 1_000 for _, report in each.reports if report.held_us >= 0),
            aligned=all(report.aligned for _, report in each.reports),
        )
        for each, cut in decided
    ]


def stamps(log: Log, positions: Collection[Position]) -> dict[Position, int]:
    """The timestamp of each of these records, in milliseconds since the epoch."""
    found: dict[Position, int] = {}
    reader = log.reader(client_id="bench-stamps")
    deadline_s = time.monotonic() + _PATIENCE_S
    try:
        while missing := set(positions) - found.keys():
            # The next one of each partition: what lies between them is not read.
            following = {}
            for topic, partition, offset in sorted(missing, reverse=True):
                following[topic, partition] = offset
            reader.assign([(*place, offset) for place, offset in following.items()])
            while following:
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"these records are not there: {following}")
                batch = reader.poll(1_000, 1_000_000, 0.1)
                for cut in batch.slices:
                    wanted = following.get((cut.topic, cut.partition))
                    if wanted is not None and cut.first_offset == wanted:
                        found[cut.topic, cut.partition, wanted] = int(batch.timestamps_ms[cut.start])
                        del following[cut.topic, cut.partition]
    finally:
        reader.close()
    return found
