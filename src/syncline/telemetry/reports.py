"""What agents observe, as records of the reports topic (schemas/reports/)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from syncline.wire.schemas import load_schema
from syncline.wire.single_object import Format


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition as an agent has folded it."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int | None
    """The log's end as last seen; None before it was seen."""
    cells: int
    digest: int
    t_ms: int
    held: str
    """Why the partition does not go on; empty when it does."""

    @property
    def lag(self) -> int | None:
        """How many offsets are still to be folded, as last seen."""
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What one agent is doing, and the digests of its state at the positions it has reached."""

    agent: str
    consumer: str
    reported_at_us: int
    state: str
    reason: str
    bundle: str
    release: int | None
    epoch: int | None
    catalog_offset: int
    fold_version: int
    applied_rows: int
    dead_letters: int
    partitions: tuple[PartitionStatus, ...]


def encode_agent_status(status: AgentStatus) -> bytes:
    """The report's value."""
    record = asdict(status)
    record["reported_at"] = record.pop("reported_at_us")
    for partition in record["partitions"]:
        partition["digest"] = partition["digest"].to_bytes(8, "big")
    record["partitions"] = list(record["partitions"])
    return _format().encode(record)


def decode_agent_status(value: bytes | None) -> AgentStatus:
    """The status behind a report's value.

    Raises:
        UnknownFormat: written by a newer Syncline.
        WireError: these bytes are no status.
    """
    record: dict[str, Any] = _format().decode(value)
    record["reported_at_us"] = record.pop("reported_at")
    record["partitions"] = tuple(
        PartitionStatus(**{**partition, "digest": int.from_bytes(partition["digest"], "big")})
        for partition in record["partitions"]
    )
    return AgentStatus(**record)


@cache
def _format() -> Format:
    return Format(load_schema("reports/agent_status.avsc"))
