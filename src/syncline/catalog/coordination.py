"""The fold over what coordinators write and what they are asked for: claims, cuts, rollouts (log.md, the cut).

Kafka has no compare-and-append, so every coordinator record names the last valid one that its writer had read
(`after`) and the claim it was written under. It counts only if both are still so when it lands: whoever was too late,
or lost its claim, changes nothing (P9).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from syncline.catalog.rollout_events import (
    AuditRequested,
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
    """Aborted by its own coordinator, not cancelled by a claim or an Immediate."""


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

    def introduction(self, bundle: str, release: int) -> Ruling | None:
        """The last committed cut to the release; None where there was none."""
        rulings = self.rulings.get(bundle, ())
        found = (
            ruling for ruling in reversed(rulings) if ruling.to_release == release and ruling.cut is not None
        )
        return next(found, None)


class CoordinationDraft:
    """A `Coordination` while records are folded into it: copied once a fold, not once a record."""

    def __init__(self, before: Coordination) -> None:
        self._cuts = dict(before.cuts)
        self._rulings = dict(before.rulings)
        self._rollouts = dict(before.rollouts)
        self._finishes = dict(before.finishes)
        self._audits = dict(before.audits)
        self.standing = replace(
            before,
            cuts=self._cuts,
            rulings=self._rulings,
            rollouts=self._rollouts,
            finishes=self._finishes,
            audits=self._audits,
        )
        """What stands at this moment, to look things up; it changes as records are enacted."""

    def done(self) -> Coordination:
        """What stands now, for good."""
        return replace(
            self.standing,
            cuts=MappingProxyType(self._cuts),
            rulings=MappingProxyType(self._rulings),
            rollouts=MappingProxyType(self._rollouts),
            finishes=MappingProxyType(self._finishes),
            audits=MappingProxyType(self._audits),
        )

    def take(
        self,
        offset: int,
        payload: Coordinated | RolloutRequested | AuditRequested,
        *,
        actor: str,
        reason: str,
        at_us: int,
    ) -> None:
        """The record counts."""
        match payload:
            case RolloutRequested():
                asked = Request(offset, payload.action, payload.mode, actor, reason, at_us)
                self._request(offset, asked, payload)
            case AuditRequested():
                self._audits[offset] = Audit(offset, payload)
            case _:
                self._enact(offset, payload, at_us=at_us, reason=reason)

    def _request(self, offset: int, request: Request, payload: RolloutRequested) -> None:
        if payload.action is not RolloutAction.START:
            # Whatever a person asks for but a pause lifts the pause that stands; the next one is told anew.
            lifts = payload.action is not RolloutAction.PAUSE
            self._change(
                payload.bundle,
                lambda rollout: replace(
                    rollout, asked=(*rollout.asked, request), paused="" if lifts else rollout.paused
                ),
            )
            return
        rollout = Rollout(
            id=offset,
            bundle=payload.bundle,
            from_release=payload.from_release,
            to_release=payload.to_release,
            cohort=payload.cohort,
            mode=payload.mode,
            final_after_us=payload.final_after_us,
            started=request,
        )
        self._rollouts[payload.bundle] = (*self._rollouts.get(payload.bundle, ()), rollout)

    def _enact(self, offset: int, payload: Coordinated, *, at_us: int, reason: str) -> None:
        match payload:
            case Claimed():
                self._abort(offset, f"{payload.coordinator} took over as coordinator")
                self.standing = replace(self.standing, claim=offset, holder=payload.coordinator)
            case CutPrepared():
                self._cuts[offset] = Cut(offset, payload)
                self.standing = replace(self.standing, open_cut=offset)
                self._note_cut(offset, payload)
            case CutCommitted():
                self._commit(offset, payload, at_us)
            case CutAborted():
                self._abort(offset, reason, failed=True)
            case Immediate():
                self._abort(offset, "an Immediate cancels what is open")
                introduced = self.standing.introduction(payload.bundle, payload.to_release)
                self._rule(
                    Ruling(
                        epoch=offset,
                        bundle=payload.bundle,
                        to_release=payload.to_release,
                        cohort=payload.cohort,
                        judged_at=offset,
                        cut=None,
                        floor=payload.floor,
                        introduced_by=introduced.cut if introduced else None,
                    ),
                    at_us,
                )
            case RolloutAdvanced():
                self._change(payload.bundle, lambda rollout: replace(rollout, step=payload.step, paused=""))
            case RolloutPaused():
                self._change(payload.bundle, lambda rollout: replace(rollout, paused=reason or "paused"))
            case RolloutFinished():
                self._change(
                    payload.bundle,
                    lambda rollout: replace(
                        rollout, outcome=payload.outcome, finished_at=offset, paused="", step="finished"
                    ),
                )
                finish = Finish(offset, payload.release)
                self._finishes[payload.bundle] = (*self._finishes.get(payload.bundle, ()), finish)
        self.standing = replace(self.standing, last=offset)

    def _commit(self, offset: int, payload: CutCommitted, at_us: int) -> None:
        cut = self._cuts[payload.cut]
        self._cuts[cut.id] = replace(
            cut, state=CutState.COMMITTED, decided_at=offset, vector=tuple(sorted(payload.vector))
        )
        self.standing = replace(self.standing, open_cut=None)
        if cut.prepared.kind is CutKind.VERSION:
            self._rule(
                Ruling(
                    epoch=offset,
                    bundle=cut.prepared.bundle,
                    to_release=cut.prepared.to_release,
                    cohort=cut.prepared.cohort,
                    judged_at=cut.id,
                    cut=cut.id,
                    floor=tuple(sorted(payload.vector)),
                    introduced_by=cut.id,
                ),
                at_us,
            )

    def _abort(self, offset: int, why: str, *, failed: bool = False) -> None:
        cut_id = self.standing.open_cut
        if cut_id is None:
            return
        self._cuts[cut_id] = replace(
            self._cuts[cut_id],
            state=CutState.ABORTED,
            decided_at=offset,
            why=why or "no reason was given",
            failed=failed,
        )
        self.standing = replace(self.standing, open_cut=None)

    def _rule(self, ruling: Ruling, at_us: int) -> None:
        self._rulings[ruling.bundle] = (*self._rulings.get(ruling.bundle, ()), ruling)
        self._change(
            ruling.bundle,
            lambda rollout: replace(rollout, rulings=(*rollout.rulings, ruling.epoch), live_at_us=at_us),
        )

    def _note_cut(self, offset: int, payload: CutPrepared) -> None:
        if payload.kind is CutKind.AUDIT:
            audit = self._audits[payload.request]
            self._audits[audit.id] = replace(audit, cuts=(*audit.cuts, offset))
        else:
            self._change(payload.bundle, lambda rollout: replace(rollout, cuts=(*rollout.cuts, offset)))

    def _change(self, bundle: str, change: Callable[[Rollout], Rollout]) -> None:
        """Change the rollout that is under way, if there is one."""
        rollouts = self._rollouts.get(bundle, ())
        if rollouts and rollouts[-1].outcome is None:
            self._rollouts[bundle] = (*rollouts[:-1], change(rollouts[-1]))
