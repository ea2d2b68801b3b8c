"""Why nothing new is served, of each agent and topic: the agent, the publishers, the broker, or nothing at all. Pure.

Everything is judged as of an agent's report, by its clock and the broker's record timestamps: what came after it is in
no report yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from syncline.inspection.ages import rough
from syncline.inspection.fleet import SILENT_US
from syncline.telemetry.reports import AgentStatus, PartitionStatus


class Verdict(StrEnum):
    """What a topic waits for on an agent. Where several hold, the first of these is told."""

    SILENT = "silent"
    """The agent does not report any more, or has ended: nothing is known."""
    OUT_OF_CONTACT = "out_of_contact"
    """No broker answers the agent."""
    HELD = "held"
    """The agent may not go on."""
    BEHIND = "behind"
    """The agent has yet to read what stands in the log."""
    STALLED = "stalled"
    """The agent has read everything, and no publisher sends heartbeats any more."""
    UNHEARD = "unheard"
    """It has read everything, nothing comes, and no publisher ever sent a heartbeat."""
    QUIET = "quiet"
    """It has read everything; publishers are alive, and have nothing new."""
    UP_TO_DATE = "up_to_date"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one topic waits for on one agent."""

    agent: str
    topic: str
    verdict: Verdict
    sentence: str
    worst_us: int = 0
    """How long already, as far as that is known: of several agents, the longest is shown."""


@dataclass(frozen=True, slots=True)
class Limits:
    """After how long something counts. Publishers send heartbeats every 5 s, and agents report as often."""

    silent_us: int = SILENT_US
    contact_us: int = 30_000_000
    behind_us: int = 10_000_000
    """Of an agent that keeps up, records are on their way as well: for no longer than between two heartbeats."""
    stalled_us: int = 30_000_000
    partition_us: int = 60_000_000
    """One partition alone without a heartbeat. Longer, as others came after it."""
    quiet_us: int = 60_000_000


DEFAULT_LIMITS = Limits()
_ENDED = frozenset({"STOPPED", "FAILED"})
_HOLDING = "HOLDING"


def waits(
    agents: Sequence[AgentStatus], *, now_us: int, limits: Limits = DEFAULT_LIMITS
) -> tuple[Waiting, ...]:
    """One answer for each agent and topic that it has opened, by agent and topic."""
    return tuple(found for agent in agents for found in _of_agent(agent, now_us, limits))


def _of_agent(agent: AgentStatus, now_us: int, limits: Limits) -> Iterator[Waiting]:
    topics: dict[str, list[PartitionStatus]] = {}
    for partition in agent.partitions:
        topics.setdefault(partition.topic, []).append(partition)
    whole = _of_all_topics(agent, now_us, limits)
    for topic, partitions in sorted(topics.items()):
        verdict, sentence, worst_us = whole or _of_topic(agent, partitions, limits)
        yield Waiting(agent.agent, topic, verdict, sentence, worst_us)


Answer = tuple[Verdict, str, int]


def _of_all_topics(agent: AgentStatus, now_us: int, limits: Limits) -> Answer | None:
    """What keeps the agent from all of its topics alike."""
    unheard_us = max(0, now_us - agent.reported_at_us)
    if agent.state in _ENDED:
        return (
            Verdict.SILENT,
            f"silent: the agent ended as {agent.state}, {rough(unheard_us)} ago",
            unheard_us,
        )
    if unheard_us > limits.silent_us:
        return (
            Verdict.SILENT,
            f"silent: no report of the agent for {rough(unheard_us)}: it is gone, or reaches no broker",
            unheard_us,
        )
    if agent.contact_us is not None:
        alone_us = agent.reported_at_us - agent.contact_us
        if alone_us > limits.contact_us:
            return (
                Verdict.OUT_OF_CONTACT,
                f"out of contact: no broker has answered the agent for {rough(alone_us)}, and one answers here",
                alone_us,
            )
    return None


def _of_topic(agent: AgentStatus, partitions: Sequence[PartitionStatus], limits: Limits) -> Answer:
    at_us = agent.reported_at_us
    held = [partition for partition in partitions if partition.held]
    if held:
        more = f" (and {len(held) - 1} more)" if held[1:] else ""
        first = held[0]
        return (
            Verdict.HELD,
            f"held: partition {first.partition} at offset {first.next_offset}{more}: {first.held}",
            first.waited_us(at_us) or 0,
        )
    if any(partition.lag is None for partition in partitions):
        return Verdict.BEHIND, "agent behind: it has not seen the log's end yet, so how far is not known", 0
    lag = sum(partition.lag or 0 for partition in partitions)
    if lag:
        return _of_lag(agent, partitions, lag, limits)
    return _of_end(at_us, partitions, limits)


def _of_lag(agent: AgentStatus, partitions: Sequence[PartitionStatus], lag: int, limits: Limits) -> Answer:
    """There is more in the log than the agent has folded."""
    waited = [partition.waited_us(agent.reported_at_us) for partition in partitions]
    records = f"{lag:,} record" + ("" if lag == 1 else "s")
    longest_us = max(us or 0 for us in waited)
    if agent.state == _HOLDING and not any(partition.held for partition in agent.partitions):
        return (
            Verdict.HELD,
            f"held: {records} {'waits' if lag == 1 else 'wait'}, as the agent holds: {agent.reason}",
            longest_us,
        )
    if None in waited:
        return Verdict.BEHIND, f"agent behind: {records}; how long they have waited is not known", longest_us
    if longest_us > limits.behind_us:
        return (
            Verdict.BEHIND,
            f"agent behind: {records}, the oldest waits {rough(longest_us)} at most",
            longest_us,
        )
    return (
        Verdict.UP_TO_DATE,
        f"up to date: {records} on the way, for {rough(longest_us)} at most",
        longest_us,
    )


def _of_end(at_us: int, partitions: Sequence[PartitionStatus], limits: Limits) -> Answer:
    """The agent has folded everything that is there."""
    heartbeats = [partition.heartbeat_us for partition in partitions if partition.heartbeat_us is not None]
    # T counts every record: what is later than the last heartbeat is an update, or a decision's marker.
    newest_us = max(partition.t_ms for partition in partitions) * 1_000
    record_age_us = max(0, at_us - newest_us)
    beat_us = max(heartbeats, default=None)
    if record_age_us > limits.stalled_us:
        return _of_silence(at_us, newest_us, beat_us)
    if beat_us is None:
        return Verdict.UP_TO_DATE, "up to date: records arrive; no publisher sends heartbeats", record_age_us
    beat_age_us = max(0, at_us - beat_us)
    if beat_age_us > limits.stalled_us:
        return (
            Verdict.UP_TO_DATE,
            f"up to date: records arrive, though no heartbeat has for {rough(beat_age_us)}",
            record_age_us,
        )
    return (
        _of_silent_partitions(at_us, partitions, limits)
        or _of_quiet(at_us, partitions, beat_us, newest_us, limits)
        or _of_flow(at_us, partitions, limits)
    )


def _of_silence(at_us: int, newest_us: int, beat_us: int | None) -> Answer:
    """Nothing at all has come for long."""
    since = "nothing is in the log" if newest_us < 0 else f"nothing came for {rough(at_us - newest_us)}"
    if beat_us is None:
        return (
            Verdict.UNHEARD,
            f"no publisher was heard since the agent began, and {since}: none runs, or none sends heartbeats",
            at_us - max(0, newest_us),
        )
    age_us = at_us - beat_us
    return Verdict.STALLED, f"publisher stalled: no heartbeat for {rough(age_us)}", age_us


def _of_silent_partitions(at_us: int, partitions: Sequence[PartitionStatus], limits: Limits) -> Answer | None:
    """Publishers write heartbeats into every partition: where one alone gets none, it is not they who stalled."""
    silent = {
        partition.partition: at_us - heard_us
        for partition in partitions
        if (heard_us := max(partition.heartbeat_us or -1, partition.t_ms * 1_000)) >= 0
        and at_us - heard_us > limits.partition_us
    }
    if not silent or len(silent) == len(partitions):
        return None
    named = ", ".join(map(str, sorted(silent)))
    which = f"partition {named} gets" if len(silent) == 1 else f"partitions {named} get"
    age_us = max(silent.values())
    return (
        Verdict.STALLED,
        f"{which} no heartbeat for {rough(age_us)}, others of the topic do: look at the leader",
        age_us,
    )


def _of_quiet(
    at_us: int, partitions: Sequence[PartitionStatus], beat_us: int, newest_us: int, limits: Limits
) -> Answer | None:
    """Nothing but heartbeats comes."""
    alive = f"its publishers are alive (heartbeat {rough(at_us - beat_us)} ago)"
    event_us = _newest_event(partitions)
    if event_us is None:
        return Verdict.QUIET, f"nothing published yet: {alive}", 0
    age_us = at_us - event_us
    # A backfill publishes old events: it shows as records that are no heartbeats.
    if age_us <= limits.quiet_us or newest_us > beat_us:
        return None
    return Verdict.QUIET, f"nothing published for {rough(age_us)}, by event time: {alive}", age_us


def _of_flow(at_us: int, partitions: Sequence[PartitionStatus], limits: Limits) -> Answer:
    """Records come, and are folded."""
    event_us = _newest_event(partitions)
    if event_us is None:
        return Verdict.UP_TO_DATE, "up to date", 0
    applied_us = max(
        (found for part in partitions if (found := part.last_event_us) is not None), default=None
    )
    if applied_us is not None and event_us - applied_us > limits.quiet_us:
        newer = rough(event_us - applied_us)
        sentence = (
            f"up to date, but publishers tell of events {newer} newer than any applied: look for dead letters"
        )
        return Verdict.UP_TO_DATE, sentence, 0
    return Verdict.UP_TO_DATE, f"up to date: the newest event is {rough(at_us - event_us)} old", 0


def _newest_event(partitions: Sequence[PartitionStatus]) -> int | None:
    """The largest event time that was folded, or that publishers say they have published."""
    times = [us for part in partitions for us in (part.last_event_us, part.published_us) if us is not None]
    return max(times, default=None)
