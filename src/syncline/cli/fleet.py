"""The fleet as the CLI shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncline.cli.output import Output, counted
from syncline.cli.rollout_status import coordinator_document
from syncline.cli.violations import violations_document
from syncline.inspection.ages import rough
from syncline.inspection.fleet import SILENT_US, Comparison
from syncline.inspection.rollouts import HeardCoordinator
from syncline.inspection.violations import Violations
from syncline.inspection.waiting import Verdict, Waiting
from syncline.telemetry.reports import AgentStatus, PartitionStatus

_HASH_SHOWN = 12
_AGENTS_NAMED = 3
_OF_AGENTS = frozenset({Verdict.SILENT, Verdict.OUT_OF_CONTACT})
_STYLES = {Verdict.UP_TO_DATE: "green", Verdict.QUIET: "", Verdict.UNHEARD: ""}


def status_document(
    agents: Sequence[AgentStatus],
    comparison: Comparison,
    violations: Violations,
    *,
    now_us: int,
    coordinators: Sequence[HeardCoordinator] = (),
    releases_waiting: Mapping[str, Sequence[int]] | None = None,
    waiting: Sequence[Waiting] = (),
) -> dict[str, Any]:
    """The fleet as JSON data. Digests are texts of 16 hex digits: a number would not survive every JSON parser.

    `releases_waiting`: bundle → its releases that no rollout brings. Times are microseconds since 1970; seconds of lag
    are as of the agent's report.
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
                "contact_us": agent.contact_us,
                "cohort": agent.cohort,
                "freshness": dict(agent.freshness),
                "silent": _is_silent(agent, now_us),
                "lag": _lag(agent),
                "partitions": [
                    {
                        "topic": partition.topic,
                        "partition": partition.partition,
                        "next_offset": partition.next_offset,
                        "end_offset": partition.end_offset,
                        "lag": partition.lag,
                        "lag_seconds": _lag_seconds(agent, partition),
                        "last_event_us": partition.last_event_us,
                        "heartbeat_us": partition.heartbeat_us,
                        "published_us": partition.published_us,
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
        "releases_waiting": {bundle: list(numbers) for bundle, numbers in (releases_waiting or {}).items()},
        "waiting": [
            {
                "agent": found.agent,
                "topic": found.topic,
                "verdict": str(found.verdict),
                "sentence": found.sentence,
            }
            for found in waiting
        ],
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
                _lag_text(_lag(agent), _longest(agent)),
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
                    _lag_text(partition.lag, partition.waited_us(agent.reported_at_us)),
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


def show_waiting(waiting: Sequence[Waiting], output: Output) -> None:
    """What each topic waits for; agents of one answer share a line, which is that of the agent that waits longest."""
    if not waiting:
        return
    agents = {found.agent for found in waiting}
    lines: dict[tuple[str, Verdict], list[Waiting]] = {}
    for found in waiting:
        # What is said of an agent holds for all of its topics.
        subject = found.agent if found.verdict in _OF_AGENTS else found.topic
        lines.setdefault((subject, found.verdict), []).append(found)
    output.line()
    for (subject, verdict), alike in sorted(lines.items()):
        worst = max(alike, key=lambda found: found.worst_us)
        whose = "" if verdict in _OF_AGENTS or len(agents) == 1 else f" ({_agents(alike, agents)})"
        output.line(f"{subject}: {worst.sentence}{whose}", style=_STYLES.get(verdict, "yellow"))


def show_releases_waiting(waiting: Mapping[str, Sequence[int]], output: Output) -> None:
    """The releases that nobody has brought live yet, with the command that does."""
    for bundle, releases in waiting.items():
        names = ", ".join(f"{bundle}@{number}" for number in releases)
        output.line(
            f"{bundle} has what waits for a rollout: {names} "
            f"(syncline rollout start {bundle}@{releases[-1]} --reason …)",
            style="yellow",
        )


def _agents(alike: Sequence[Waiting], agents: set[str]) -> str:
    """Who waits, worst first."""
    named = [found.agent for found in sorted(alike, key=lambda found: -found.worst_us)]
    if len(named) == len(agents):
        return f"all {len(named)} agents"
    more = len(named) - _AGENTS_NAMED
    return ", ".join(named[:_AGENTS_NAMED]) + (f" and {counted(more, 'more agent')}" if more > 0 else "")


def _is_behind(partition: PartitionStatus) -> bool:
    return bool(partition.lag or partition.held)


def _is_silent(agent: AgentStatus, now_us: int) -> bool:
    return now_us - agent.reported_at_us > SILENT_US


def _lag(agent: AgentStatus) -> int | None:
    """Offsets still to be folded; None where that is not known, as for an agent that has opened no partition yet."""
    lags = [partition.lag for partition in agent.partitions] or [None]
    known = [lag for lag in lags if lag is not None]
    return sum(known) if len(known) == len(lags) else None


def _longest(agent: AgentStatus) -> int | None:
    """How long the oldest record that is still to be folded has waited at most, as of the report."""
    waited = [partition.waited_us(agent.reported_at_us) for partition in agent.partitions]
    known = [us for us in waited if us is not None]
    return max(known, default=None) if len(known) == len(waited) else None


def _lag_seconds(agent: AgentStatus, partition: PartitionStatus) -> float | None:
    waited_us = partition.waited_us(agent.reported_at_us)
    return None if waited_us is None else waited_us / 1_000_000


def _lag_text(lag: int | None, waited_us: int | None) -> str:
    """Records, and how long they have waited at most: `1,234, 5 s`."""
    if not lag:
        return "?" if lag is None else "0"
    return f"{lag:,}, {'?' if waited_us is None else rough(waited_us)}"


def _hex(digest: int) -> str:
    return f"{digest:016x}"
