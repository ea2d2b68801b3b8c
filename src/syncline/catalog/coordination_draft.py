"""The fold over what coordinators write and what they are asked for: claims, cuts, rollouts (log.md, the cut).

Kafka has no compare-and-append, so every coordinator record names the last valid one that its writer had read
(`after`) and the claim it was written under. It counts only if both are still so when it lands: whoever was too late,
or lost its claim, changes nothing (P9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from syncline.catalog.coordination import (
    Audit,
    Coordination,
    Cut,
    CutState,
    Finish,
    Request,
    Rollout,
    Ruling,
)
from syncline.catalog.rollout_events import (
    AuditRequested,
    Claimed,
    Coordinated,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutPaused,
    RolloutRequested,
)


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
                # One that a person asked for, or whose coordinator was stopped, says nothing about the next cut.
                deadline_us = self._cuts[payload.cut].prepared.deadline_us
                self._abort(offset, reason, failed=at_us >= deadline_us)
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
