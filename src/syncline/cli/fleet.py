"""The agents as they last reported, and whether their digests agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncline.cli.output import Output, counted
from syncline.cli.reading import read_to_end
from syncline.errors import CatalogError, WireError
from syncline.ports.log import Log
from syncline.telemetry.reports import AgentStatus, PartitionStatus, decode_agent_status

_SILENT_US = 30_000_000


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


def read_fleet(log: Log, topic: str, *, last: int | None) -> tuple[list[AgentStatus], int]:
    """Each agent's newest report, by agent; and how many records were none that can be read.

    Raises:
        TopicMissing: nothing has been applied to this cluster yet.
    """
    newest: dict[str, AgentStatus] = {}
    skipped = 0
    for record in read_to_end(log, topic, last=last):
        try:
            found = decode_agent_status(record.value)
        except (WireError, CatalogError):
            skipped += 1
            continue
        if found.agent not in newest or newest[found.agent].reported_at_us <= found.reported_at_us:
            newest[found.agent] = found
    return [newest[agent] for agent in sorted(newest)], skipped


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


def status_document(agents: Sequence[AgentStatus], comparison: Comparison, *, now_us: int) -> dict[str, Any]:
    """The fleet as JSON data. Digests are texts of 16 hex digits: a number would not survive every JSON parser."""
    return {
        "agents": [
            {
                "agent": agent.agent,
                "consumer": agent.consumer,
                "state": agent.state,
                "reason": agent.reason,
                "bundle": agent.bundle,
                "release": agent.release,
                "epoch": agent.epoch,
                "catalog_offset": agent.catalog_offset,
                "fold_version": agent.fold_version,
                "applied_rows": agent.applied_rows,
                "dead_letters": agent.dead_letters,
                "reported_at_us": agent.reported_at_us,
                "silent": _is_silent(agent, now_us),
                "lag": _lag(agent),
                "partitions": [
                    {
                        "topic": partition.topic,
                        "partition": partition.partition,
                        "next_offset": partition.next_offset,
                        "end_offset": partition.end_offset,
                        "lag": partition.lag,
                        "cells": partition.cells,
                        "digest": _hex(partition.digest),
                        "t_ms": partition.t_ms,
                        "held": partition.held,
                    }
                    for partition in agent.partitions
                ],
            }
            for agent in agents
        ],
        "digests": {
            "compared": comparison.compared,
            "agree": not comparison.disagreements,
            "disagreements": [
                {
                    "topic": found.topic,
                    "partition": found.partition,
                    "next_offset": found.next_offset,
                    "digests": {agent: _hex(digest) for agent, digest in found.digests},
                }
                for found in comparison.disagreements
            ],
        },
    }


def show_fleet(
    agents: Sequence[AgentStatus], comparison: Comparison, output: Output, *, now_us: int, partitions: bool
) -> None:
    """The fleet for people."""
    if not agents:
        output.line(
            "No agent has reported in the last days. Start one: syncline agent --subscription … --store …"
        )
        return
    output.table(
        ["agent", "state", "release", "lag", "rows", "dead letters", "reported", "reason"],
        [
            [
                agent.agent,
                f"{agent.state} (silent)" if _is_silent(agent, now_us) else agent.state,
                "-" if agent.release is None else f"{agent.bundle}@{agent.release}",
                _number(_lag(agent)),
                f"{agent.applied_rows:,}",
                f"{agent.dead_letters:,}",
                f"{max(0, now_us - agent.reported_at_us) // 1_000_000} s ago",
                agent.reason,
            ]
            for agent in agents
        ],
        right=["lag", "rows", "dead letters", "reported"],
    )
    shown = [
        (agent, partition)
        for agent in agents
        for partition in agent.partitions
        if partitions or _is_behind(partition)
    ]
    if shown:
        output.line()
        output.table(
            ["topic", "partition", "agent", "next offset", "lag", "cells", "digest", "held"],
            [
                [
                    partition.topic,
                    str(partition.partition),
                    agent.agent,
                    str(partition.next_offset),
                    _number(partition.lag),
                    f"{partition.cells:,}",
                    _hex(partition.digest),
                    partition.held,
                ]
                for agent, partition in sorted(
                    shown, key=lambda pair: (pair[1].topic, pair[1].partition, pair[0].agent)
                )
            ],
            right=["partition", "next offset", "lag", "cells"],
        )
    output.line()
    for found in comparison.disagreements:
        said = ", ".join(f"{agent} has {_hex(digest)}" for agent, digest in found.digests)
        output.line(
            f"DISAGREE: {found.topic}[{found.partition}] below offset {found.next_offset}: {said}",
            style="red",
        )
    if not comparison.disagreements:
        if comparison.compared:
            output.line(
                f"Digests agree in {counted(comparison.compared, 'comparison')} at equal positions.",
                style="green",
            )
        else:
            output.line("No two agents stand at the same position, so no digests could be compared.")


def _is_behind(partition: PartitionStatus) -> bool:
    return bool(partition.lag or partition.held)


def _is_silent(agent: AgentStatus, now_us: int) -> bool:
    return now_us - agent.reported_at_us > _SILENT_US


def _lag(agent: AgentStatus) -> int | None:
    lags = [partition.lag for partition in agent.partitions]
    known = [lag for lag in lags if lag is not None]
    return sum(known) if len(known) == len(lags) else None


def _number(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _hex(digest: int) -> str:
    return f"{digest:016x}"
