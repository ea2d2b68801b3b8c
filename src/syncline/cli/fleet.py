"""The fleet as the CLI shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncline.cli.output import Output, counted
from syncline.cli.rollout_status import coordinator_document
from syncline.cli.violations import violations_document
from syncline.inspection.fleet import SILENT_US, Comparison
from syncline.inspection.rollouts import HeardCoordinator
from syncline.inspection.violations import Violations
from syncline.telemetry.reports import AgentStatus, PartitionStatus

_HASH_SHOWN = 12


def status_document(
    agents: Sequence[AgentStatus],
    comparison: Comparison,
    violations: Violations,
    *,
    now_us: int,
    coordinators: Sequence[HeardCoordinator] = (),
    waiting: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Any]:
    """The fleet as JSON data. Digests are texts of 16 hex digits: a number would not survive every JSON parser.

    `waiting`: bundle → its releases that no rollout brings.
    """
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
                "standing_at": agent.standing_at,
                "given_up": list(agent.given_up),
                "pending": agent.pending,
                "cannot_serve": {str(release): why for release, why in agent.cannot_serve},
                "lock": agent.lock,
                "deprecated": dict(agent.deprecated),
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
        "violations": violations_document(violations),
        "coordinators": [coordinator_document(state) for state in coordinators],
        "releases_waiting": {bundle: list(releases) for bundle, releases in (waiting or {}).items()},
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
        ["agent", "state", "release", "lock", "lag", "rows", "dead letters", "reported"],
        [
            [
                agent.agent,
                f"{agent.state} (silent)" if _is_silent(agent, now_us) else agent.state,
                "-" if agent.release is None else f"{agent.bundle}@{agent.release}",
                agent.lock[:_HASH_SHOWN] or "-",
                _number(_lag(agent)),
                f"{agent.applied_rows:,}",
                f"{agent.dead_letters:,}",
                f"{max(0, now_us - agent.reported_at_us) // 1_000_000} s ago",
            ]
            for agent in agents
        ],
        right=["lag", "rows", "dead letters", "reported"],
    )
    # Reasons are sentences: below the table they stay readable on a narrow terminal.
    for agent in agents:
        for remark in remarks(agent):
            output.line(f"{agent.agent}: {remark}", style="yellow")
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


def remarks(agent: AgentStatus) -> Iterator[str]:
    """What a person should know of the agent, one sentence each."""
    if agent.reason:
        yield agent.reason
    if agent.standing_at is not None:
        yield f"stands at cut {agent.standing_at}, waiting for its other partitions"
    for cut in agent.given_up:
        yield f"gave up holding for cut {cut}, and enacts it later"
    if agent.pending:
        yield f"has {counted(agent.pending, 'decision')} still to enact"
    for release, why in agent.cannot_serve:
        yield f"cannot serve {agent.bundle}@{release}: {why}"
    for version, said in agent.deprecated:
        yield f"serves {version}, which is {said}"


def show_waiting(waiting: Mapping[str, Sequence[int]], output: Output) -> None:
    """The releases that nobody has brought live yet, with the command that does."""
    for bundle, releases in waiting.items():
        names = ", ".join(f"{bundle}@{number}" for number in releases)
        output.line(
            f"{bundle} has what waits for a rollout: {names} "
            f"(syncline rollout start {bundle}@{releases[-1]} --reason …)",
            style="yellow",
        )


def _is_behind(partition: PartitionStatus) -> bool:
    return bool(partition.lag or partition.held)


def _is_silent(agent: AgentStatus, now_us: int) -> bool:
    return now_us - agent.reported_at_us > SILENT_US


def _lag(agent: AgentStatus) -> int | None:
    """Offsets still to be folded; None where that is not known, as for an agent that has opened no partition yet."""
    lags = [partition.lag for partition in agent.partitions] or [None]
    known = [lag for lag in lags if lag is not None]
    return sum(known) if len(known) == len(lags) else None


def _number(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _hex(digest: int) -> str:
    return f"{digest:016x}"
