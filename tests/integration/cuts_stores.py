"""What stands in an agent's store at one moment, as tests of cuts compare it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncline.catalog.serving import META_AGENT, META_SERVING, AgentCondition, Serving
from syncline.state.cell import unpack_cell
from syncline.state.partition import PartitionState

Place = tuple[str, int]
CellHead = tuple[int, int, bool, int, bytes]
"""Event time, offset, deleted, schema id, payload: as the reference has it."""
Contents = dict[Place, tuple[int, dict[bytes, CellHead], int]]
"""Partition → position, key → cell, digest."""


@dataclass(frozen=True, slots=True)
class Look:
    """One moment of a store."""

    serving: Serving | None
    condition: AgentCondition | None
    states: dict[Place, PartitionState]

    @classmethod
    def of(cls, store: Any) -> Look:
        """All of it in one read transaction."""
        with store.snapshot() as snapshot:
            packed, said = snapshot.meta(META_SERVING), snapshot.meta(META_AGENT)
            return cls(
                Serving.unpack(packed) if packed else None,
                AgentCondition.unpack(said) if said else None,
                {place: snapshot.state(*place) for place in snapshot.partitions()},
            )


@dataclass(frozen=True, slots=True)
class Switched:
    """What a client saw right after a switch, in one read transaction."""

    store: str
    release: int
    epoch: int
    positions: list[tuple[str, int, int]]
    cells: list[tuple[str, int, str, int, int, bool, int, str]]
    """topic, partition, key, event time, offset, deleted, schema id, payload (both as hex)"""
    values: dict[str, dict[str, Any]]
    """airport → model input, as the shipped reader gives it"""


def cells_of(snapshot: Any, place: Place) -> dict[bytes, CellHead]:
    """Every cell of a partition, in the reference's form."""
    return {
        key: (cell.event_time_us, cell.offset, cell.deleted, cell.schema_id, cell.payload)
        for key, packed in snapshot.scan(*place)
        for cell in [unpack_cell(key, packed)]
    }
