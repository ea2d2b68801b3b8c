"""The agents as they last reported, whether their digests agree, and what else was reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.errors import CatalogError, WireError
from syncline.inspection.reading import read_to_end
from syncline.ports.log import Log
from syncline.telemetry.reports import AgentStatus, decode_report
from syncline.telemetry.violations import ViolationCounts


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


def read_reports(log: Log, topic: str, *, last: int | None) -> Reports:
    """Everything reported, or what stands in the `last` offsets of each partition.

    Raises:
        TopicMissing: nothing has been applied to this cluster yet.
    """
    newest: dict[str, AgentStatus] = {}
    violations: list[ViolationCounts] = []
    skipped = 0
    for record in read_to_end(log, topic, last=last):
        try:
            found = decode_report(record.value)
        except (WireError, CatalogError):
            skipped += 1
            continue
        if isinstance(found, ViolationCounts):
            violations.append(found)
        elif isinstance(found, AgentStatus) and (
            found.agent not in newest or newest[found.agent].reported_at_us <= found.reported_at_us
        ):
            newest[found.agent] = found
    return Reports([newest[agent] for agent in sorted(newest)], violations, skipped)


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
