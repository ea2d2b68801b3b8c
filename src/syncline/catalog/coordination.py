"""What stands of claims, cuts, rulings, rollouts and audits (log.md, the cut)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncline.catalog.rollout_events import (
    AuditRequested,
    Cohort,
    CutPrepared,
    Positions,
    RolloutAction,
    RolloutMode,
    RolloutOutcome,
)


class CutState(StrEnum):
    """Where a cut stands. Open becomes committed or aborted, once."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut and what became of it."""

    id: int
    """Catalog offset of its CutPrepared."""
    prepared: CutPrepared
    state: CutState = CutState.OPEN
    decided_at: int | None = None
    """Catalog offset of what decided it."""
    vector: Positions = ()
    """Where it was committed."""
    why: str = ""
    """Why it was aborted."""
    failed: bool = False
    """Its markers took too long: aborted past its deadline, and not on request, nor by a claim or an Immediate."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision that changes which release agents serve: a committed cut, or an Immediate."""

    epoch: int
    """Catalog offset of the CutCommitted or Immediate."""
    bundle: str
    to_release: int
    cohort: Cohort
    judged_at: int
    """Catalog offset as of which subscriptions say whether it is for them."""
    cut: int | None
    """The cut's id; None for an Immediate."""
    floor: Positions
    """It is enacted on no state below these positions: the cut's vector, or the Immediate's floor."""
    introduced_by: int | None
    """The cut that introduced the release; None where it was the bundle's first."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of a rollout, and by whom."""

    offset: int
    action: RolloutAction
    mode: RolloutMode
    actor: str
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """A bundle's way from one release to another."""

    id: int
    """Catalog offset of the request that started it."""
    bundle: str
    from_release: int
    to_release: int
    cohort: Cohort
    mode: RolloutMode
    final_after_us: int | None
    started: Request
    step: str = "requested"
    """`requested`, then what RolloutAdvanced says: `live`, or `rolling back`."""
    live_at_us: int | None = None
    """When its last ruling was recorded, by the coordinator's clock."""
    rulings: tuple[int, ...] = ()
    """Epochs of what it had enacted, in their order."""
    asked: tuple[Request, ...] = ()
    """What was asked of it since, in catalog order."""
    paused: str = ""
    """Why it waits for a person; empty when it does not."""
    outcome: RolloutOutcome | None = None
    finished_at: int | None = None
    """Catalog offset of its RolloutFinished."""
    cuts: tuple[int, ...] = ()
    """Ids of its cuts, whatever became of them."""

    def asked_to(self, action: RolloutAction) -> Request | None:
        """The latest such request, or None."""
        return next((request for request in reversed(self.asked) if request.action is action), None)


@dataclass(frozen=True, slots=True)
class Audit:
    """A request for proof, and the cuts made for it."""

    id: int
    """Catalog offset of the request."""
    requested: AuditRequested
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """From this offset on, all releases of the bundle but this one are let go."""

    offset: int
    release: int


@dataclass(frozen=True, slots=True)
class Coordination:
    """What stands of claims, cuts, rulings, rollouts and audits."""

    last: int = -1
    """Offset of the last valid coordinator record; -1 before the first."""
    claim: int = -1
    """Offset of the claim that holds."""
    holder: str = ""
    """The coordinator whose claim holds."""
    open_cut: int | None = None
    cuts: Mapping[int, Cut] = field(default_factory=dict)
    rulings: Mapping[str, tuple[Ruling, ...]] = field(default_factory=dict)
    """bundle → what agents enact, in catalog order."""
    rollouts: Mapping[str, tuple[Rollout, ...]] = field(default_factory=dict)
    """bundle → its rollouts, in catalog order; at most the last is under way."""
    finishes: Mapping[str, tuple[Finish, ...]] = field(default_factory=dict)
    audits: Mapping[int, Audit] = field(default_factory=dict)

    def standing(self, bundle: str) -> int:
        """The release that stands: that of the last finished rollout, or the first."""
        found = self.finishes.get(bundle, ())
        return found[-1].release if found else 1

    def under_way(self, bundle: str) -> Rollout | None:
        """The bundle's rollout that is not over, or None."""
        rollouts = self.rollouts.get(bundle, ())
        return rollouts[-1] if rollouts and rollouts[-1].outcome is None else None

    def retained(self, bundle: str) -> frozenset[int]:
        """The releases that have been active and were not let go: what an Immediate may name."""
        finishes = self.finishes.get(bundle, ())
        since = finishes[-1].offset if finishes else -1
        return frozenset(
            {
                self.standing(bundle),
                *(
                    ruling.to_release
                    for ruling in self.rulings.get(bundle, ())
                    if ruling.epoch > since and ruling.cut is not None
                ),
            }
        )

    def rulings_of(self, rollout: Rollout) -> tuple[Ruling, ...]:
        """What the rollout had enacted, in order."""
        rulings = self.rulings.get(rollout.bundle, ())
        return tuple(ruling for ruling in rulings if ruling.epoch in rollout.rulings)

    def last_ruling(self, rollout: Rollout) -> Ruling | None:
        """What the rollout had enacted last; None where it sent nobody anywhere yet."""
        if not rollout.rulings:
            return None
        rulings = self.rulings[rollout.bundle]
        return next(ruling for ruling in reversed(rulings) if ruling.epoch == rollout.rulings[-1])

    def reach(self, rollout: Rollout) -> Cohort:
        """Who was last sent somewhere by the rollout; whom it was asked for, if nobody was."""
        last = self.last_ruling(rollout)
        return rollout.cohort if last is None else last.cohort

    def introduction(self, bundle: str, release: int) -> Ruling | None:
        """The last committed cut to the release; None where there was none."""
        rulings = self.rulings.get(bundle, ())
        found = (
            ruling for ruling in reversed(rulings) if ruling.to_release == release and ruling.cut is not None
        )
        return next(found, None)
