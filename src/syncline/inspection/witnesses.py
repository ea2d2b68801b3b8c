"""Who was asked for proof at a line across the log, who has answered, and why the others have not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from syncline.catalog.coordination import Cut
from syncline.inspection.fleet import Reports
from syncline.inspection.proofs import Comparison, compare
from syncline.inspection.rollouts import STOPPED, is_absent
from syncline.rollout.alignment import Place
from syncline.telemetry.reports import AgentStatus

_FAILED = "FAILED"
"""The last state of an agent that has ended: it is missed, and nothing more comes of it."""
_QUIET_US = 10_000_000
"""An agent reports every 5 s by default; whoever is silent for longer may be hanging."""


class Verdict(StrEnum):
    """What a comparison comes to."""

    IN_SYNC = "in sync"
    DIVERGED = "diverged"
    UNPROVEN = "unproven"
    """Nothing was found to differ, and not everyone that is there has shown its state."""


@dataclass(frozen=True, slots=True)
class Witness:
    """One agent that holds the bundle's features."""

    agent: str
    present: bool
    """It was heard of lately, and may hold some of these partitions: what it does not show counts against the proof."""
    why: str
    """What it has not shown, and why not; empty where it has shown everything that it holds."""

    @property
    def answered(self) -> bool:
        """Whether it has shown everything that it holds."""
        return not self.why


@dataclass(frozen=True, slots=True)
class Evidence:
    """What agents have shown of one line."""

    cut: Cut
    comparison: Comparison
    witnesses: tuple[Witness, ...]
    """By agent."""
    everyone_asked: bool = True
    """Whether all that are there were asked; of a line of the past, those that were there then have answered."""
    alignment: tuple[str, ...] = ()
    """Of a version change: how many stood at the vector when they switched, then who did not, and why."""

    @property
    def expected(self) -> tuple[Witness, ...]:
        """The agents that were asked and are there."""
        return tuple(witness for witness in self.witnesses if witness.present)

    @property
    def silent(self) -> tuple[Witness, ...]:
        """Those of them that have not shown everything."""
        return tuple(witness for witness in self.expected if not witness.answered)

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        if self.comparison.first_divergence is not None:
            return Verdict.DIVERGED
        if not self.comparison.answered or (self.everyone_asked and self.silent):
            return Verdict.UNPROVEN
        return Verdict.IN_SYNC


def evidence_of(cut: Cut, reports: Reports, *, now_us: int, everyone_asked: bool = True) -> Evidence:
    """Everything that was reported of a committed cut, against who should have.

    Args:
        cut: of an audit or a version change.
        reports: of the fleet.
        now_us: by this machine's clock.
        everyone_asked: False for a line of the past: agents that came later have nothing to show of it.
    """
    own = [agent for agent in reports.agents if agent.bundle == cut.prepared.bundle]
    missing = {
        (status.agent, place): why
        for status in own
        if everyone_asked and not is_absent(status, now_us=now_us)
        for place, why in _whys(status, cut, now_us=now_us)
    }
    comparison = compare(cut, reports.reached, reports.proofs, missing=missing)
    told = {report.agent for report in reports.reached if report.cut == cut.id}
    names = {status.agent: status for status in own}
    others = sorted((comparison.answered | comparison.unproven | told) - set(names))
    witnesses = [_witness(status, comparison, told, now_us=now_us) for status in own]
    witnesses += [Witness(name, present=True, why=_unshown(comparison, name)) for name in others]
    by_agent = tuple(sorted(witnesses, key=lambda witness: witness.agent))
    return Evidence(cut, comparison, by_agent, everyone_asked, _alignment(cut, reports))


def everyone_has_answered(cut: Cut, reports: Reports, *, now_us: int) -> bool:
    """Whether nothing more is to be waited for: each agent that is there has shown all, or said that it cannot."""
    passed = {report.agent for report in reports.reached if report.cut == cut.id}
    proven = {
        (proof.agent, proof.topic, proof.partition)
        for proof in reports.proofs
        if proof.cut == cut.id and (proof.topic, proof.partition, proof.offset) in cut.vector
    }
    return all(
        status.state == _FAILED
        or status.agent in passed
        or all((status.agent, *place) in proven for place in _held(status, cut))
        for status in present_agents(reports, cut.prepared.bundle, now_us=now_us)
    )


def present_agents(reports: Reports, bundle: str, *, now_us: int) -> tuple[AgentStatus, ...]:
    """The bundle's agents that were heard of lately, by name."""
    return tuple(
        agent for agent in reports.agents if agent.bundle == bundle and not is_absent(agent, now_us=now_us)
    )


def _held(status: AgentStatus, cut: Cut) -> list[Place]:
    """The partitions of the line that the agent holds."""
    held = {(each.topic, each.partition) for each in status.partitions}
    return [(topic, partition) for topic, partition, _ in cut.vector if (topic, partition) in held]


def _whys(status: AgentStatus, cut: Cut, *, now_us: int) -> Iterable[tuple[Place, str]]:
    offsets = {(topic, partition): offset for topic, partition, offset in cut.vector}
    quiet_us = now_us - status.reported_at_us
    for each in status.partitions:
        place = (each.topic, each.partition)
        if place not in offsets:
            continue
        if each.held:
            yield place, f"it holds at offset {each.next_offset}: {each.held}"
        elif quiet_us > _QUIET_US:
            yield place, f"nothing was heard of it for {quiet_us // 1_000_000} s"
        elif each.next_offset <= offsets[place]:
            state = f"{status.state}: {status.reason}" if status.reason else status.state
            yield place, f"it was at offset {each.next_offset} when it last reported ({state})"
        else:
            yield place, "it passed the marker, and its proof did not come in time"


def _witness(status: AgentStatus, comparison: Comparison, told: set[str], *, now_us: int) -> Witness:
    name = status.agent
    unshown = _unshown(comparison, name)
    if name in comparison.answered or unshown:
        return Witness(name, not is_absent(status, now_us=now_us), unshown)
    if name in told:
        return Witness(name, present=False, why="it holds none of these partitions")
    if status.state == STOPPED:
        return Witness(name, present=False, why="it was stopped")
    if is_absent(status, now_us=now_us):
        silent_s = (now_us - status.reported_at_us) // 1_000_000
        return Witness(name, present=False, why=f"it is away: not heard of for {silent_s} s")
    state = f"{status.state}: {status.reason}" if status.reason else status.state
    return Witness(name, present=True, why=f"it has shown nothing ({state})")


def _unshown(comparison: Comparison, agent: str) -> str:
    """The first partition that it did not show, why, and how many more there are."""
    found = [
        (place, finding.why)
        for place in comparison.places
        for finding in place.unproven
        if finding.agent == agent
    ]
    if not found:
        return ""
    place, why = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{place.topic} partition {place.partition}{more}: {why}"


def _alignment(cut: Cut, reports: Reports) -> tuple[str, ...]:
    """Of a version change: who stood at the line when it switched, and who did not, and why."""
    own = [report for report in reports.reached if report.cut == cut.id and not report.audit]
    stood = sum(report.aligned for report in own)
    if not own:
        return ()
    said = f"{stood} of {len(own)} agents stood at the vector everywhere when they switched"
    return (said, *(f"{each.agent} did not: {each.why}" for each in own if not each.aligned))
