"""The agents as they last reported, whether their digests agree, and what else was reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from syncline.errors import CatalogError, WireError
from syncline.inspection.reading import read_to_end
from syncline.ports.log import Log
from syncline.telemetry.cut_reports import CoordinatorStatus, CutReached, PartitionProof
from syncline.telemetry.reports import AgentStatus, decode_report
from syncline.telemetry.violations import ViolationCounts

K = TypeVar("K", str, tuple[int, str], tuple[int, str, int, str, int])
S = TypeVar("S", AgentStatus, CoordinatorStatus, CutReached, PartitionProof)

SILENT_US = 30_000_000
"""An agent that has not reported for so long is not counted on."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Agents that folded the same records of a partition into different states."""

    topic: str
    partition: int
    next_offset: int
    digests: tuple[tuple[str, int], ...]
    """(agent, digest)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What could be compared: partitions that two or more agents have at the same position under the same fold."""

    compared: int
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class Reports:
    """What stands in the reports topic."""

    agents: list[AgentStatus]
    """Each agent's newest status, by agent."""
    violations: list[ViolationCounts]
    skipped: int
    """How many records were no reports that can be read: other bytes, or of a newer Syncline."""
    coordinators: list[CoordinatorStatus] = field(default_factory=list)
    """Each coordinator's newest status, by coordinator."""
    reached: list[CutReached] = field(default_factory=list)
    """Each agent's newest report of each cut and audit, by cut and agent."""
    proofs: list[PartitionProof] = field(default_factory=list)
    """Each agent's newest proof of each partition at each marker of each audit, by audit, place and agent."""


class ReportCollector:
    """Takes reports as they come, in any order and as often as one likes, and keeps of each thing the newest."""

    def __init__(self) -> None:
        """Nothing was reported yet."""
        self._agents: dict[str, AgentStatus] = {}
        self._coordinators: dict[str, CoordinatorStatus] = {}
        self._reached: dict[tuple[int, str], CutReached] = {}
        self._proofs: dict[tuple[int, str, int, str, int], PartitionProof] = {}
        self._violations: list[ViolationCounts] = []
        self._skipped = 0

    def take(self, value: bytes | None) -> None:
        """One record's value; one that cannot be read is counted."""
        try:
            found = decode_report(value)
        except (WireError, CatalogError):
            self._skipped += 1
            return
        match found:
            case ViolationCounts():
                self._violations.append(found)
            case AgentStatus():
                _keep(self._agents, found.agent, found)
            case CoordinatorStatus():
                _keep(self._coordinators, found.coordinator, found)
            case CutReached():
                _keep(self._reached, (found.cut, found.agent), found)
            case PartitionProof():
                # Several markers of one cut may stand in a partition: its vector says which of them counts.
                at = (found.cut, found.topic, found.partition, found.agent, found.offset)
                _keep(self._proofs, at, found)

    def reports(self) -> Reports:
        """What was taken so far."""
        return Reports(
            agents=_sorted(self._agents),
            violations=list(self._violations),
            skipped=self._skipped,
            coordinators=_sorted(self._coordinators),
            reached=_sorted(self._reached),
            proofs=_sorted(self._proofs),
        )


def read_reports(log: Log, topic: str, *, last: int | None) -> Reports:
    """Everything reported, or what stands in the `last` offsets of each partition.

    Raises:
        TopicMissing: nothing has been applied to this cluster yet.
    """
    collector = ReportCollector()
    for record in read_to_end(log, topic, last=last):
        collector.take(record.value)
    return collector.reports()


def _keep(newest: dict[K, S], key: K, found: S) -> None:
    standing = newest.get(key)
    if standing is None or standing.reported_at_us <= found.reported_at_us:
        newest[key] = found


def _sorted(newest: Mapping[K, S]) -> list[S]:
    return [newest[key] for key in sorted(newest)]


def compare(agents: Sequence[AgentStatus]) -> Comparison:
    """Compare digests wherever two agents stand at the same position. Equal positions promise equal digests (P2)."""
    places: dict[tuple[int, str, int, int], list[tuple[str, int]]] = {}
    for agent in agents:
        for partition in agent.partitions:
            where = (agent.fold_version, partition.topic, partition.partition, partition.next_offset)
            places.setdefault(where, []).append((agent.agent, partition.digest))
    shared = {where: digests for where, digests in places.items() if len(digests) > 1}
    return Comparison(
        len(shared),
        tuple(
            Disagreement(topic, partition, next_offset, tuple(digests))
            for (_, topic, partition, next_offset), digests in sorted(shared.items())
            if len({digest for _, digest in digests}) > 1
        ),
    )
