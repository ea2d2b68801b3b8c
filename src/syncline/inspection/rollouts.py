"""Where each bundle stands: what is live, which rollout is under way and what it waits for, who has switched. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from syncline.catalog.coordination import Cut, Rollout, Ruling
from syncline.catalog.enactment import Member, admits, rulings_for
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import Cohort, RolloutOutcome
from syncline.contracts.nearest import nearest
from syncline.errors import UnknownBundle
from syncline.inspection.fleet import SILENT_US, Reports
from syncline.telemetry.cut_reports import CoordinatorStatus, CutReached
from syncline.telemetry.reports import AgentStatus

ACTIVE = "ACTIVE"
"""The state of the coordinator that holds the claim."""
STOPPED = "STOPPED"
"""The last state of an agent or a coordinator that ended in order."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """How far one agent is with the decision that was enacted last."""

    agent: str
    consumer: str
    crossed: bool
    """Whether it serves what was decided, or something later."""
    aligned: bool | None
    """Whether it stood at the vector everywhere when it switched; None where that is not known, or not asked."""
    held_us: int
    """How long partitions stood for it; -1 where none did, or none is told."""
    why: str
    """Why it was not aligned, or has not switched; empty where there is nothing to say."""
    absent: bool
    """It ended, or was not heard of for a while: nobody waits for it."""


@dataclass(frozen=True, slots=True)
class BundleState:
    """One bundle, as the catalog and the reports have it."""

    bundle: str
    stands: int
    """The release that stands: agents keep it until a rollout from it is final."""
    live: int
    """The release that is live for everyone, see `live_release`."""
    in_part: Ruling | None
    """The decision by which a part of the agents serves another release; None where nobody does."""
    newest: int
    unused: tuple[int, ...]
    """Newer releases than the one that is live that wait for a rollout, see `unused_releases`."""
    rollout: Rollout | None
    """The one that is under way."""
    last_rollout: Rollout | None
    """The one that ended last."""
    open_cut: Cut | None
    ruling: Ruling | None
    """The decision that was enacted last."""
    waiting: tuple[str, ...]
    """What the live coordinator waits for."""
    crossings: tuple[Crossing, ...]
    given_up: tuple[tuple[str, int], ...]
    """(agent, cut that it holds nothing for any more, and enacts later)."""
    cannot_serve: tuple[tuple[str, int, str], ...]
    """(agent, release, why)."""


@dataclass(frozen=True, slots=True)
class HeardCoordinator:
    """One coordinator, as it last reported, against the clock and the catalog."""

    status: CoordinatorStatus
    age_us: int
    is_live: bool
    """It holds the claim and was heard of lately."""


def bundle_states(
    picture: Picture, reports: Reports, *, now_us: int, bundle: str | None = None
) -> tuple[BundleState, ...]:
    """Every bundle, or the one that is named, by name.

    Raises:
        UnknownBundle: the catalog has no such bundle; the message names the nearest.
    """
    if bundle is not None:
        require_bundle(picture, bundle)
    live = live_coordinator(picture, reports.coordinators, now_us=now_us)
    waiting = live.status.waiting if live else ()
    names = sorted(picture.releases) if bundle is None else [bundle]
    return tuple(_state(picture, reports, name, now_us=now_us, waiting=waiting) for name in names)


def require_bundle(picture: Picture, bundle: str) -> None:
    """Make sure that the catalog has the bundle.

    Raises:
        UnknownBundle: it has not; the message names the nearest.
    """
    if bundle not in picture.releases:
        remedy = nearest(bundle, picture.releases) if picture.releases else "Run `syncline apply` first"
        what = f"bundle {bundle}" if bundle else "bundle with an empty name"
        raise UnknownBundle(f"the catalog has no {what}. {remedy}")


def coordinator_states(
    picture: Picture, coordinators: Iterable[CoordinatorStatus], *, now_us: int
) -> tuple[HeardCoordinator, ...]:
    """Every coordinator that reported, by name."""
    return tuple(
        HeardCoordinator(
            status,
            age_us := max(0, now_us - status.reported_at_us),
            status.state == ACTIVE
            and status.claim == picture.coordination.claim
            and age_us <= status.takeover_after_us,
        )
        for status in coordinators
    )


def live_coordinator(
    picture: Picture, coordinators: Iterable[CoordinatorStatus], *, now_us: int
) -> HeardCoordinator | None:
    """The one that enacts what is asked for; None where none was heard of lately."""
    found = (state for state in coordinator_states(picture, coordinators, now_us=now_us) if state.is_live)
    return next(found, None)


def live_release(picture: Picture, bundle: str) -> int:
    """The release of the last decision for everyone; the one that stands where none was made since."""
    found = [ruling for ruling in _since_the_last_end(picture, bundle) if ruling.cohort == Cohort()]
    return found[-1].to_release if found else picture.coordination.standing(bundle)


def live_in_part(picture: Picture, bundle: str) -> Ruling | None:
    """The decision by which a part of the agents serves another release than all others; None where nobody does."""
    rulings = _since_the_last_end(picture, bundle)
    return rulings[-1] if rulings and rulings[-1].cohort != Cohort() else None


def is_live(picture: Picture, rollout: Rollout) -> bool:
    """Whether everyone was sent to the rollout's release: a promote then makes it final."""
    last = picture.coordination.last_ruling(rollout)
    return last is not None and last.cohort == Cohort() and last.to_release == rollout.to_release


def _since_the_last_end(picture: Picture, bundle: str) -> tuple[Ruling, ...]:
    finishes = picture.coordination.finishes.get(bundle, ())
    since = finishes[-1].offset if finishes else -1
    rulings = picture.coordination.rulings.get(bundle, ())
    return tuple(ruling for ruling in rulings if ruling.epoch > since)


def member_of(agent: str, consumer: str) -> Member:
    """Who the agent of a report is: its name is `consumer/instance`."""
    return Member(consumer, agent.removeprefix(f"{consumer}/"))


def crossings(
    picture: Picture, reports: Reports, ruling: Ruling | None, *, now_us: int
) -> tuple[Crossing, ...]:
    """How far each agent that the decision is for is with it, by agent."""
    if ruling is None:
        return ()
    told = {report.agent: report for report in reports.reached if report.cut == ruling.cut}
    found = []
    for agent in reports.agents:
        member = member_of(agent.agent, agent.consumer)
        queue = rulings_for(picture, member, after=ruling.epoch - 1)
        if any(each.epoch == ruling.epoch for each in queue):
            found.append(_crossing(agent, told.get(agent.agent), ruling, now_us=now_us))
    return tuple(found)


def is_absent(agent: AgentStatus, *, now_us: int) -> bool:
    """Whether nobody waits for the agent: it ended, or was not heard of for a while."""
    return agent.state == STOPPED or now_us - agent.reported_at_us > SILENT_US


def _state(
    picture: Picture, reports: Reports, bundle: str, *, now_us: int, waiting: Sequence[str]
) -> BundleState:
    coordination = picture.coordination
    rulings = coordination.rulings.get(bundle, ())
    rollouts = coordination.rollouts.get(bundle, ())
    rollout = coordination.under_way(bundle)
    ended = [each for each in rollouts if each.outcome is not None]
    cut = None if coordination.open_cut is None else coordination.cuts[coordination.open_cut]
    own = [agent for agent in reports.agents if agent.bundle == bundle]
    ruling = rulings[-1] if rulings else None
    return BundleState(
        bundle=bundle,
        stands=coordination.standing(bundle),
        live=live_release(picture, bundle),
        in_part=live_in_part(picture, bundle),
        newest=len(picture.releases[bundle]),
        unused=unused_releases(picture, bundle),
        rollout=rollout,
        last_rollout=ended[-1] if ended else None,
        open_cut=cut if cut is not None and cut.prepared.bundle == bundle else None,
        ruling=ruling,
        waiting=tuple(
            reason.removeprefix(f"{bundle}: ") for reason in waiting if reason.startswith(f"{bundle}: ")
        ),
        crossings=crossings(picture, reports, ruling, now_us=now_us),
        given_up=tuple((agent.agent, cut_id) for agent in own for cut_id in agent.given_up),
        cannot_serve=tuple(
            (agent.agent, release, why) for agent in own for release, why in agent.cannot_serve
        ),
    )


def unused_releases(picture: Picture, bundle: str) -> tuple[int, ...]:
    """Newer releases than the live one that wait for a rollout, ascending.

    Some live subscription admits them, none is under way to them, and none to them was aborted or rolled back: those
    somebody has decided against.
    """
    rollout = picture.coordination.under_way(bundle)
    releases = [recorded.payload for recorded in picture.releases.get(bundle, ())]
    readers = [each.payload for each in picture.subscriptions.values() if each.payload.bundle == bundle]
    rejected = {
        each.to_release
        for each in picture.coordination.rollouts.get(bundle, ())
        if each.outcome in (RolloutOutcome.ABORTED, RolloutOutcome.ROLLED_BACK)
    }
    above = max(live_release(picture, bundle), rollout.to_release if rollout else 0)
    return tuple(
        number
        for number in range(above + 1, len(releases) + 1)
        if number not in rejected and any(admits(reader, releases, number) for reader in readers)
    )


def _crossing(agent: AgentStatus, told: CutReached | None, ruling: Ruling, *, now_us: int) -> Crossing:
    name, consumer = agent.agent, agent.consumer
    absent = is_absent(agent, now_us=now_us)
    if told is not None:
        return Crossing(
            name,
            consumer,
            crossed=True,
            aligned=told.aligned,
            held_us=told.held_us,
            why="" if told.aligned else told.why,
            absent=absent,
        )
    crossed = agent.epoch is not None and agent.epoch >= ruling.epoch
    why = "" if crossed else _why_behind(agent, ruling, now_us=now_us)
    return Crossing(name, consumer, crossed, aligned=None, held_us=-1, why=why, absent=absent)


def _why_behind(agent: AgentStatus, ruling: Ruling, *, now_us: int) -> str:
    """Why an agent has not enacted the decision yet, as far as it told."""
    age_us = now_us - agent.reported_at_us
    cannot = dict(agent.cannot_serve).get(ruling.to_release)
    if agent.state == STOPPED:
        why = "it was stopped"
    elif age_us > SILENT_US:
        why = f"not heard of for {age_us // 1_000_000} s"
    elif cannot is not None:
        why = f"it cannot serve the release: {cannot}"
    elif ruling.cut in agent.given_up:
        why = f"it gave up holding for cut {ruling.cut}, and enacts it later"
    elif agent.catalog_offset <= ruling.epoch:
        why = f"it has read the catalog below offset {agent.catalog_offset}"
    elif agent.standing_at is not None:
        why = f"it stands at cut {agent.standing_at}, waiting for its other partitions"
    elif ruling.cut is None:
        why = agent.reason or "it has not enacted it yet"
    else:
        why = agent.reason or "it has not passed the cut in all its partitions yet"
    return why
