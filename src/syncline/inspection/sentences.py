"""What each kind of decision says, as one sentence, and the names that it concerns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline.catalog.coordination import Cut
from syncline.catalog.events import (
    BundleReleased,
    Payload,
    RecordSkipped,
    SchemaRefused,
    SubscriptionDeclared,
    ViewVersionRegistered,
)
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.lock import policy_text
from syncline.catalog.rollout_events import (
    AuditRequested,
    Claimed,
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
    RolloutRequested,
)
from syncline.contracts.durations import format_duration


def sentence(payload: Payload, offset: int, picture: Picture) -> str:
    """What the decision at this offset says; `picture` is that of the whole catalog, in which cuts are looked up."""
    return _SENTENCES[type(payload)](payload, offset, picture)


def names_of(payload: Payload, picture: Picture) -> frozenset[str]:
    """The names that the decision concerns."""
    return frozenset(name for name in _names(payload, picture) if name)


def _names(payload: Payload, picture: Picture) -> list[str | None]:  # noqa: C901, PLR0911  one case a kind
    match payload:
        case ViewVersionRegistered() | ViewVersionDeprecated() | ViewVersionRetired():
            return [payload.view, f"{payload.view}@{payload.version.major}.{payload.version.minor}"]
        case BundleReleased():
            views = [name for view in payload.views for name in (view.view, f"{view.view}@{view.version}")]
            return [payload.bundle, f"{payload.bundle}@{payload.release}", *views]
        case SubscriptionDeclared():
            return [payload.consumer, payload.bundle, payload.model_name]
        case SubscriptionWithdrawn():
            return [payload.consumer]
        case RecordSkipped():
            view, _ = picture.majors().get(payload.topic, ("", 0))
            return [payload.topic, view]
        case SchemaRefused():
            return [str(payload.schema_id)]
        case Claimed():
            return [payload.coordinator]
        case CutCommitted() | CutAborted():
            cut = picture.coordination.cuts.get(payload.cut)
            return [] if cut is None else _releases(cut.prepared.bundle, cut.prepared.to_release)
        case CutPrepared() | Immediate() | RolloutRequested():
            return _releases(payload.bundle, payload.to_release)
        case RolloutFinished():
            return _releases(payload.bundle, payload.release)
        case RolloutAdvanced() | RolloutPaused() | AuditRequested():
            return [payload.bundle]


def _releases(bundle: str, release: int) -> list[str | None]:
    return [bundle, f"{bundle}@{release}"]


def _registered(payload: ViewVersionRegistered, _offset: int, _picture: Picture) -> str:
    return (
        f"{payload.view}@{payload.version} registered under schema id {payload.schema_id} on {payload.topic}, "
        f"owner {payload.owner}"
    )


def _released(payload: BundleReleased, _offset: int, _picture: Picture) -> str:
    views = ", ".join(f"{view.view}@{view.version}" for view in payload.views)
    return f"{payload.bundle}@{payload.release} released: {views}"


def _declared(payload: SubscriptionDeclared, _offset: int, _picture: Picture) -> str:
    version = f"@{payload.model_version}" if payload.model_version else ""
    model = f", model {payload.model_name}{version}" if payload.model_name else ""
    labels = "".join(f", {name}={value}" for name, value in payload.labels)
    return f"{payload.consumer} subscribed to {payload.bundle}: {policy_text(payload)}{model}{labels}"


def _withdrawn(payload: SubscriptionWithdrawn, _offset: int, _picture: Picture) -> str:
    return f"the subscription of {payload.consumer} withdrawn"


def _skipped(payload: RecordSkipped, _offset: int, _picture: Picture) -> str:
    return f"the record {payload.topic}[{payload.partition}] at {payload.offset} skipped where it holds"


def _refused(payload: SchemaRefused, _offset: int, _picture: Picture) -> str:
    return f"schema id {payload.schema_id} refused: its records go to the dead letters"


def _deprecated(payload: ViewVersionDeprecated, _offset: int, _picture: Picture) -> str:
    instead = f"; instead: {payload.alternative}" if payload.alternative else ""
    return f"{payload.view}@{payload.version} deprecated from {payload.since}, supported until {payload.until}{instead}"


def _retired(payload: ViewVersionRetired, _offset: int, _picture: Picture) -> str:
    return f"{payload.view}@{payload.version} retired"


def _claimed(payload: Claimed, _offset: int, _picture: Picture) -> str:
    return f"{payload.coordinator} took over as coordinator"


def _prepared(payload: CutPrepared, offset: int, _picture: Picture) -> str:
    places = len(payload.places())
    if payload.kind is CutKind.AUDIT:
        return (
            f"cut {offset} prepared: an audit of {payload.bundle}@{payload.to_release} at {places} positions"
        )
    return (
        f"cut {offset} prepared: from {payload.bundle}@{payload.from_release} to "
        f"{payload.bundle}@{payload.to_release} at {places} positions, for {payload.cohort}"
    )


def _committed(payload: CutCommitted, _offset: int, picture: Picture) -> str:
    said = f"cut {payload.cut} committed"
    cut = picture.coordination.cuts.get(payload.cut)
    return f"{said}: {_of(cut)} at {len(payload.vector)} positions" if cut is not None else said


def _aborted(payload: CutAborted, _offset: int, picture: Picture) -> str:
    cut = picture.coordination.cuts.get(payload.cut)
    return f"cut {payload.cut} aborted" + (f": {_of(cut)} takes no effect" if cut is not None else "")


def _of(cut: Cut) -> str:
    audit = "the audit of " if cut.prepared.kind is CutKind.AUDIT else ""
    return f"{audit}{cut.prepared.bundle}@{cut.prepared.to_release}"


def _immediate(payload: Immediate, _offset: int, _picture: Picture) -> str:
    return f"back to {payload.bundle}@{payload.to_release} at once, for {payload.cohort}"


def _advanced(payload: RolloutAdvanced, _offset: int, _picture: Picture) -> str:
    return f"the rollout of {payload.bundle} asked for at {payload.rollout} is {payload.step}"


def _paused(payload: RolloutPaused, _offset: int, _picture: Picture) -> str:
    return f"the rollout of {payload.bundle} asked for at {payload.rollout} waits for a person"


def _finished(payload: RolloutFinished, _offset: int, _picture: Picture) -> str:
    ended = {
        RolloutOutcome.FINAL: "is final",
        RolloutOutcome.ABORTED: "was aborted",
        RolloutOutcome.ROLLED_BACK: "was rolled back",
    }[payload.outcome]
    return (
        f"the rollout of {payload.bundle} asked for at {payload.rollout} {ended}: "
        f"{payload.bundle}@{payload.release} stands"
    )


def _requested(payload: RolloutRequested, _offset: int, _picture: Picture) -> str:
    target = f"{payload.bundle}@{payload.to_release}"
    match payload.action:
        case RolloutAction.START:
            final = (
                ""
                if payload.final_after_us is None
                else f", final after {format_duration(payload.final_after_us)}"
            )
            return f"asked to bring {target} live for {payload.cohort}{final}"
        case RolloutAction.ROLLBACK:
            how = "at once" if payload.mode is RolloutMode.IMMEDIATE else "by a cut"
            return f"asked to roll back to {target} {how}"
        case RolloutAction.PROMOTE:
            return f"asked to take the rollout to {target} on"
        case RolloutAction.PAUSE:
            return f"asked to pause the rollout to {target}"
        case RolloutAction.ABORT:
            return f"asked to abort the rollout to {target}"


def _audit(payload: AuditRequested, _offset: int, _picture: Picture) -> str:
    listed = f", with the cells of {len(payload.buckets)} sub-digests" if payload.buckets else ""
    return f"asked for an audit of {payload.bundle}{listed}"


_SENTENCES: Mapping[type, Callable[[Any, int, Picture], str]] = {
    ViewVersionRegistered: _registered,
    BundleReleased: _released,
    SubscriptionDeclared: _declared,
    SubscriptionWithdrawn: _withdrawn,
    RecordSkipped: _skipped,
    SchemaRefused: _refused,
    ViewVersionDeprecated: _deprecated,
    ViewVersionRetired: _retired,
    Claimed: _claimed,
    CutPrepared: _prepared,
    CutCommitted: _committed,
    CutAborted: _aborted,
    Immediate: _immediate,
    RolloutAdvanced: _advanced,
    RolloutPaused: _paused,
    RolloutFinished: _finished,
    RolloutRequested: _requested,
    AuditRequested: _audit,
}
KINDS = tuple(kind.__name__ for kind in _SENTENCES)
"""Every kind of decision."""
