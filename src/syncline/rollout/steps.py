"""Which step a coordinator takes next: a pure decision over the catalog, what it has heard, and the clock.

It never finishes another's cut: a claim aborts what is open, and a successor starts afresh (log.md, Coordinator).
"""

from __future__ import annotations

from collections.abc import Sequence

from syncline.catalog.coordination import Audit, Coordination, Cut, CutState, Request, Rollout
from syncline.catalog.rollout_events import (
    CANARY,
    LIVE,
    Cohort,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutMode,
    RolloutOutcome,
    RolloutPaused,
    step_of,
)
from syncline.errors import CatalogError
from syncline.rollout.readiness import why_not_ready
from syncline.rollout.step import Append, Lost, Mark, Step, View, Wait

ATTEMPTS_MAX = 3
"""How many cuts of a rollout, or of an audit, may fail before a person is asked."""


def next_step(view: View) -> Step:
    """What to do now. One thing: after it, look again."""
    standing = view.coordination
    if standing.claim != view.claim:
        return Lost(standing.holder)
    emergency = _emergency(view)
    if emergency is not None:
        return emergency
    if standing.open_cut is not None:
        return _go_on_with(view, standing.cuts[standing.open_cut])
    reasons: list[str] = []
    for rollout in _under_way(standing):
        step = _advance(view, rollout)
        if not isinstance(step, Wait):
            return step
        reasons += step.reasons
    for audit in standing.audits.values():
        if _is_pending(standing, audit):
            step = _prepare_audit(view, audit)
            if not isinstance(step, Wait):
                return step
            reasons += step.reasons
    return Wait(tuple(reasons))


def _under_way(standing: Coordination) -> list[Rollout]:
    found = [rollouts[-1] for rollouts in standing.rollouts.values() if rollouts[-1].outcome is None]
    return sorted(found, key=lambda rollout: rollout.id)


def _emergency(view: View) -> Step | None:
    """Rollbacks at once, and aborts of what is open: they come before everything else."""
    standing = view.coordination
    for rollout in _under_way(standing):
        back = _asked_back(rollout)
        if back is not None and back.mode is RolloutMode.IMMEDIATE and not _is_back(standing, rollout):
            introduced = standing.introduction(rollout.bundle, rollout.from_release)
            return Append(
                Immediate(
                    after=standing.last,
                    claim=view.claim,
                    bundle=rollout.bundle,
                    to_release=rollout.from_release,
                    # For everyone: labels may have changed since, and who is there already changes nothing.
                    cohort=Cohort(),
                    floor=introduced.floor if introduced else (),
                    request=back.offset,
                ),
                f"rollback asked for by {back.actor}: {back.reason}",
            )
        asked = rollout.asked_to(RolloutAction.ABORT) or back
        if asked is not None and standing.open_cut in rollout.cuts and standing.open_cut is not None:
            prepared = standing.cuts[standing.open_cut].prepared
            if back is None or prepared.to_release != rollout.from_release:
                return _abort(view, f"{asked.action} asked for by {asked.actor}: {asked.reason}")
    return None


def _asked_back(rollout: Rollout) -> Request | None:
    """The request to go back; an abort that a commit has overtaken is one."""
    back = rollout.asked_to(RolloutAction.ROLLBACK)
    return rollout.asked_to(RolloutAction.ABORT) if back is None and rollout.rulings else back


def _is_back(standing: Coordination, rollout: Rollout) -> bool:
    """Whether what was enacted of the rollout last went back, whichever request it was for."""
    last = standing.last_ruling(rollout)
    return last is not None and last.to_release == rollout.from_release


def _go_on_with(view: View, cut: Cut) -> Step:
    places = cut.prepared.places()
    missing = tuple(place for place in places if place not in view.acknowledged)
    standing = view.coordination
    if not missing:
        vector = tuple(sorted((*place, view.acknowledged[place]) for place in places))
        reference = f"{cut.prepared.bundle}@{cut.prepared.to_release}"
        what = "audit of" if cut.prepared.kind is CutKind.AUDIT else "cut to"
        return Append(
            CutCommitted(after=standing.last, claim=view.claim, cut=cut.id, vector=vector),
            f"{what} {reference}: all {len(places)} partitions have a marker",
        )
    if view.now_us >= cut.prepared.deadline_us:
        shown = ", ".join(f"{topic} partition {partition}" for topic, partition in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""  # noqa: PLR2004  as many as are shown
        return _abort(view, f"no marker was acknowledged in time in {shown}{more}")
    return Mark(cut.id, missing)


def _abort(view: View, reason: str) -> Append:
    standing = view.coordination
    if standing.open_cut is None:
        raise AssertionError("only an open cut is aborted")
    return Append(CutAborted(after=standing.last, claim=view.claim, cut=standing.open_cut), reason)


def _advance(view: View, rollout: Rollout) -> Step:
    standing = view.coordination
    back = _asked_back(rollout)
    if back is not None:
        if _is_back(standing, rollout):
            why = f"rolled back, as {back.actor} asked: {back.reason}"
            return _finish(view, rollout, rollout.from_release, RolloutOutcome.ROLLED_BACK, why)
        return _cut(
            view, rollout, Cohort(), since=back, source=rollout.to_release, target=rollout.from_release
        )
    abort = rollout.asked_to(RolloutAction.ABORT)
    if abort is not None:
        why = f"aborted, as {abort.actor} asked: {abort.reason}"
        return _finish(view, rollout, rollout.from_release, RolloutOutcome.ABORTED, why)
    if rollout.rulings:
        return _after_live(view, rollout)
    return _forward(view, rollout, rollout.cohort, since=rollout.started)


def _forward(view: View, rollout: Rollout, cohort: Cohort, *, since: Request) -> Step:
    return _cut(view, rollout, cohort, since=since, source=rollout.from_release, target=rollout.to_release)


def _after_live(view: View, rollout: Rollout) -> Step:
    standing = view.coordination
    cohort = standing.reach(rollout)
    step = step_of(cohort)
    if rollout.step != step:
        return Append(
            RolloutAdvanced(
                after=standing.last,
                claim=view.claim,
                rollout=rollout.id,
                bundle=rollout.bundle,
                step=step,
                decision=rollout.rulings[-1],
            ),
            f"{rollout.bundle}@{rollout.to_release} is live for {cohort}",
        )
    promote = rollout.asked_to(RolloutAction.PROMOTE)
    if promote is not None and promote.offset > rollout.rulings[-1]:
        if step == CANARY:
            return _forward(view, rollout, Cohort(), since=promote)
        why = f"final, as {promote.actor} says: {promote.reason}"
        return _finish(view, rollout, rollout.to_release, RolloutOutcome.FINAL, why)
    return _heed_pause(view, rollout, since=rollout.rulings[-1]) or _final_by_itself(view, rollout, step)


def _final_by_itself(view: View, rollout: Rollout, step: str) -> Step:
    """Final once the time that was stated has passed; until then, and where none was, it stays as it is."""
    if step == LIVE and rollout.final_after_us is not None and rollout.live_at_us is not None:
        left_us = rollout.live_at_us + rollout.final_after_us - view.now_us
        if left_us <= 0:
            why = f"final, {rollout.final_after_us / 1_000_000:g} s after it went live"
            return _finish(view, rollout, rollout.to_release, RolloutOutcome.FINAL, why)
    return Wait()


def _heed_pause(view: View, rollout: Rollout, *, since: int) -> Step | None:
    """What a pause that was asked for after `since` means; None where none was."""
    pause = rollout.asked_to(RolloutAction.PAUSE)
    if pause is None or pause.offset <= since:
        return None
    if not rollout.paused:
        return _pause(view, rollout, f"paused by {pause.actor}: {pause.reason}")
    return Wait((f"{rollout.bundle}: {rollout.paused}; `syncline rollout promote {rollout.bundle}` goes on",))


def _cut(view: View, rollout: Rollout, cohort: Cohort, *, since: Request, source: int, target: int) -> Step:
    """Prepare a cut of the rollout, unless something speaks against it."""
    bundle = rollout.bundle
    promote = rollout.asked_to(RolloutAction.PROMOTE)
    resumed = max(since.offset, promote.offset if promote else -1)
    paused = _heed_pause(view, rollout, since=resumed)
    if paused is not None:
        return paused
    failed = _failures(view.coordination, rollout.cuts, since=resumed)
    if failed >= ATTEMPTS_MAX:
        why = f"{failed} cuts failed: {view.coordination.cuts[rollout.cuts[-1]].why}"
        if not rollout.paused:
            return _pause(view, rollout, why)
        return Wait((f"{bundle}: {why}; mend it, then `syncline rollout promote {bundle}`",))
    forced = promote is not None and promote.offset > since.offset
    against = why_not_ready(
        view.picture, view.fleet, bundle=bundle, release=target, cohort=cohort, forced=forced
    )
    if against:
        return Wait(tuple(f"{bundle}: {why}" for why in against))
    return _prepare(
        view,
        CutKind.VERSION,
        bundle=bundle,
        source=source,
        target=target,
        cohort=cohort,
        request=rollout.id,
    )


def _pause(view: View, rollout: Rollout, why: str) -> Append:
    standing = view.coordination
    return Append(RolloutPaused(standing.last, view.claim, rollout.id, rollout.bundle), why)


def _failures(standing: Coordination, cuts: Sequence[int], *, since: int) -> int:
    """How many of the last cuts ran out of time. One that a new claim aborted says nothing about the next."""
    failed = 0
    for cut_id in reversed(cuts):
        cut = standing.cuts[cut_id]
        if cut_id < since or cut.state is CutState.COMMITTED:
            break
        failed += cut.failed
    return failed


def _prepare(
    view: View, kind: CutKind, *, bundle: str, source: int, target: int, cohort: Cohort, request: int
) -> Append | Wait:
    standing = view.coordination
    topics: frozenset[str] = frozenset()
    for release in (source, target):
        topics |= view.picture.topics_of(bundle, release) or frozenset()
    try:
        partitions = tuple((topic, view.partitions_of(topic)) for topic in sorted(topics))
    except CatalogError as error:
        # A contract that this coordinator cannot use is no reason for other bundles to wait.
        return Wait((f"{bundle}: {error}",))
    return Append(
        CutPrepared(
            after=standing.last,
            claim=view.claim,
            kind=kind,
            bundle=bundle,
            from_release=source,
            to_release=target,
            cohort=cohort,
            partitions=partitions,
            deadline_us=view.now_us + view.prepare_timeout_us,
            request=request,
        ),
        f"audit of {bundle}@{target}"
        if kind is CutKind.AUDIT
        else f"cut from {bundle}@{source} to {bundle}@{target}",
    )


def _is_pending(standing: Coordination, audit: Audit) -> bool:
    if any(standing.cuts[cut].state is CutState.COMMITTED for cut in audit.cuts):
        return False
    return _failures(standing, audit.cuts, since=audit.id) < ATTEMPTS_MAX


def _prepare_audit(view: View, audit: Audit) -> Append | Wait:
    bundle = audit.requested.bundle
    rollout = view.coordination.under_way(bundle)
    stands = view.coordination.standing(bundle)
    # What a rollout brings is kept by the agents beside what stands: proof covers both.
    target = rollout.to_release if rollout else stands
    return _prepare(
        view,
        CutKind.AUDIT,
        bundle=bundle,
        source=stands,
        target=target,
        cohort=Cohort(),
        request=audit.id,
    )


def _finish(view: View, rollout: Rollout, release: int, outcome: RolloutOutcome, why: str) -> Append:
    standing = view.coordination
    return Append(
        RolloutFinished(
            after=standing.last,
            claim=view.claim,
            rollout=rollout.id,
            bundle=rollout.bundle,
            release=release,
            outcome=outcome,
        ),
        why,
    )
