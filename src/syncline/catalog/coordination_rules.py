"""Which coordinator records, and which requests to coordinators, count (log.md, the cut). Pure."""

from __future__ import annotations

from collections.abc import Callable

from syncline.catalog.coordination import Coordination, Request, Rollout
from syncline.catalog.rollout_events import (
    Claimed,
    Cohort,
    Coordinated,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    Positions,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutMode,
    RolloutOutcome,
    RolloutPaused,
    RolloutRequested,
    step_of,
)

Enacting = (
    CutPrepared | CutCommitted | CutAborted | Immediate | RolloutAdvanced | RolloutPaused | RolloutFinished
)
"""What is written under a claim."""
PARTITIONS_MAX = 100_000
"""Of one topic in a cut: what stands in the catalog stands there for ever, and everyone counts its places."""
Topics = Callable[[str, int], frozenset[str] | None]
"""(bundle, release) → the topics of its views; None: no such release."""


def why_void_record(standing: Coordination, payload: Coordinated, topics: Topics) -> str | None:
    """Why a coordinator's record does not count; None where it does."""
    if payload.after != standing.last:
        return (
            f"its coordinator had read coordinator records up to offset {payload.after}, and another stands at "
            f"{standing.last}"
        )
    if isinstance(payload, Claimed):
        return None
    if payload.claim != standing.claim or standing.claim < 0:
        return f"it was written under the claim at offset {payload.claim}, and {_claim(standing)}"
    return _why_void_content(standing, payload, topics)


def _why_void_content(standing: Coordination, payload: Enacting, topics: Topics) -> str | None:
    match payload:
        case CutPrepared():
            return _why_void_prepare(standing, payload, topics)
        case CutCommitted():
            return _why_not_open(standing, payload.cut) or _why_no_vector(standing, payload)
        case CutAborted():
            return _why_not_open(standing, payload.cut)
        case Immediate():
            return _why_void_immediate(standing, payload)
        case _:
            return _why_void_step(standing, payload, topics)


def why_void_request(standing: Coordination, payload: RolloutRequested, topics: Topics) -> str | None:
    """Why what is asked of a rollout makes no sense where it landed; None where it does."""
    bundle, rollout = payload.bundle, standing.under_way(payload.bundle)
    if payload.action is RolloutAction.START:
        return _why_void_start(standing, payload, rollout, topics)
    if rollout is None:
        return f"no rollout of {bundle} is under way"
    if payload.to_release != _target(rollout, payload.action):
        return f"the rollout of {bundle} that is under way goes from {rollout.from_release} to {rollout.to_release}"
    return _why_too_late(standing, rollout, payload)


def _why_too_late(standing: Coordination, rollout: Rollout, payload: RolloutRequested) -> str | None:
    action = payload.action
    reference, asked = f"{rollout.bundle}@{rollout.to_release}", rollout.asked_to(action)
    if action in (RolloutAction.PROMOTE, RolloutAction.PAUSE):
        return _why_it_ends(standing, rollout, action) or _why_live_meanwhile(standing, rollout, payload)
    # A rollback whose cut does not get through can still be made immediate.
    hastened = payload.mode is RolloutMode.IMMEDIATE and asked is not None and asked.mode is RolloutMode.CUT
    if action in (RolloutAction.ABORT, RolloutAction.ROLLBACK) and asked is not None and not hastened:
        return f"{action} was asked for at catalog offset {asked.offset} already, by {asked.actor}"
    if action is RolloutAction.ABORT and rollout.rulings:
        return f"{reference} is live: roll it back instead"
    if action is RolloutAction.ROLLBACK and not rollout.rulings:
        return f"{reference} is not live yet: abort the rollout instead"
    return None


def _why_it_ends(standing: Coordination, rollout: Rollout, action: RolloutAction) -> str | None:
    """What a coordinator would never come to, as the rollout ends first; a cut on the way back can be promoted."""
    ending = _ending(rollout)
    if ending is None or _goes_back_by_a_cut(standing, rollout, ending):
        return None
    return (
        f"{ending.action} was asked for at catalog offset {ending.offset}, by {ending.actor}: nothing is left to "
        f"{action}"
    )


def _ending(rollout: Rollout) -> Request | None:
    return rollout.asked_to(RolloutAction.ROLLBACK) or rollout.asked_to(RolloutAction.ABORT)


def _goes_back_by_a_cut(standing: Coordination, rollout: Rollout, ending: Request) -> bool:
    last = standing.last_ruling(rollout)
    return ending.mode is RolloutMode.CUT and last is not None and last.to_release == rollout.to_release


def _why_live_meanwhile(standing: Coordination, rollout: Rollout, payload: RolloutRequested) -> str | None:
    """Before the release was live, a promote meant another thing.

    A commit is no change of the rollout, so that `based_on` does not see it; the RolloutAdvanced that follows is one.
    """
    last = standing.last_ruling(rollout)
    if payload.action is not RolloutAction.PROMOTE or last is None or _ending(rollout) is not None:
        return None
    if payload.from_release == rollout.to_release or rollout.step == step_of(last.cohort):
        return None
    return (
        f"{rollout.bundle}@{rollout.to_release} went live for {last.cohort} at catalog offset {last.epoch}, and this "
        "was asked before"
    )


def _target(rollout: Rollout, action: RolloutAction) -> int:
    return rollout.from_release if action is RolloutAction.ROLLBACK else rollout.to_release


def _why_void_start(
    standing: Coordination, payload: RolloutRequested, rollout: Rollout | None, topics: Topics
) -> str | None:
    bundle = payload.bundle
    if rollout is not None:
        return (
            f"a rollout of {bundle} from {rollout.from_release} to {rollout.to_release} is under way since catalog "
            f"offset {rollout.id}: promote, abort or roll it back first"
        )
    if topics(bundle, payload.to_release) is None:
        return f"{bundle} has no release {payload.to_release}"
    live = standing.standing(bundle)
    if payload.from_release != live:
        return f"{bundle}@{live} is live, not {payload.from_release}"
    if payload.to_release == live:
        return f"{bundle}@{live} is live already"
    if payload.mode is RolloutMode.IMMEDIATE:
        return f"{bundle}@{payload.to_release} is not among the releases that agents still keep: only a cut goes there"
    return None


def _claim(standing: Coordination) -> str:
    if standing.claim < 0:
        return "no coordinator has claimed anything yet"
    return f"{standing.holder} claimed at {standing.claim}"


def _why_void_prepare(standing: Coordination, payload: CutPrepared, topics: Topics) -> str | None:
    if standing.open_cut is not None:
        return f"cut {standing.open_cut} is open"
    return _why_not_asked(standing, payload) or _why_other_partitions(payload, topics)


def _why_not_asked(standing: Coordination, payload: CutPrepared) -> str | None:
    if payload.kind is CutKind.AUDIT:
        audit = standing.audits.get(payload.request)
        known = audit is not None and audit.requested.bundle == payload.bundle
        return None if known else f"no audit of {payload.bundle} was asked for at offset {payload.request}"
    rollout = standing.under_way(payload.bundle)
    if rollout is None or rollout.id != payload.request:
        return f"no rollout of {payload.bundle} asked for at offset {payload.request} is under way"
    if {payload.from_release, payload.to_release} != {rollout.from_release, rollout.to_release}:
        return f"the rollout goes from {rollout.from_release} to {rollout.to_release}"
    return None


def _why_other_partitions(payload: CutPrepared, topics: Topics) -> str | None:
    needed: frozenset[str] = frozenset()
    for release in (payload.from_release, payload.to_release):
        found = topics(payload.bundle, release)
        if found is None:
            return f"{payload.bundle} has no release {release}"
        needed |= found
    stated = dict(payload.partitions)
    if len(stated) != len(payload.partitions) or stated.keys() != needed:
        return f"its topics are {', '.join(sorted(stated))}, and those of its releases {', '.join(sorted(needed))}"
    if any(not 1 <= count <= PARTITIONS_MAX for count in stated.values()):
        return f"a topic has not 1 to {PARTITIONS_MAX} partitions"
    return None


def _why_not_open(standing: Coordination, cut: int) -> str | None:
    if standing.open_cut == cut:
        return None
    known = standing.cuts.get(cut)
    return f"there is no cut {cut}" if known is None else f"cut {cut} is {known.state} already"


def _why_no_vector(standing: Coordination, payload: CutCommitted) -> str | None:
    places = sorted((topic, partition) for topic, partition, _ in payload.vector)
    if places != sorted(standing.cuts[payload.cut].prepared.places()):
        return f"its vector does not have exactly the partitions of cut {payload.cut}"
    if any(offset < 0 for _, _, offset in payload.vector):
        return "its vector has an offset below 0"
    return None


def _why_void_immediate(standing: Coordination, payload: Immediate) -> str | None:
    reference = f"{payload.bundle}@{payload.to_release}"
    if payload.to_release not in standing.retained(payload.bundle):
        return f"{reference} was never active, or was let go: only a cut goes there"
    rulings = standing.rulings.get(payload.bundle, ())
    if (
        rulings
        and rulings[-1].cut is None
        and (rulings[-1].to_release, rulings[-1].cohort) == (payload.to_release, payload.cohort)
    ):
        return f"the same Immediate stands at offset {rulings[-1].epoch}"
    introduced = standing.introduction(payload.bundle, payload.to_release)
    floor: Positions = introduced.floor if introduced else ()
    if tuple(sorted(payload.floor)) != floor:
        return f"its floor is not the vector of the cut that introduced {reference}"
    return None


def _why_void_step(
    standing: Coordination, payload: RolloutAdvanced | RolloutPaused | RolloutFinished, topics: Topics
) -> str | None:
    rollout = standing.under_way(payload.bundle)
    if rollout is None or rollout.id != payload.rollout:
        return f"no rollout of {payload.bundle} asked for at offset {payload.rollout} is under way"
    if isinstance(payload, RolloutAdvanced) and payload.decision not in rollout.rulings:
        return f"nothing of this rollout was enacted at offset {payload.decision}"
    return _why_not_over(standing, payload, rollout, topics) if isinstance(payload, RolloutFinished) else None


def _why_not_over(
    standing: Coordination, payload: RolloutFinished, rollout: Rollout, topics: Topics
) -> str | None:
    last = standing.last_ruling(rollout)
    stands = rollout.from_release if last is None else last.to_release
    if payload.release != stands:
        return f"{payload.bundle}@{stands} is what the rollout has come to, not {payload.release}"
    if payload.outcome is RolloutOutcome.FINAL and (last is None or last.cohort != Cohort()):
        return f"only a part of the agents serve {payload.bundle}@{stands}"
    if standing.open_cut is not None and standing.open_cut in rollout.cuts:
        return f"its cut {standing.open_cut} is open"
    if topics(payload.bundle, payload.release) is None:
        return f"{payload.bundle} has no release {payload.release}"
    return None
