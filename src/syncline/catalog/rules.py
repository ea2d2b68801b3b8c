"""Which decisions count where they land (log.md): the fold asks, and everyone comes to the same answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from syncline.catalog.coordination_rules import why_void_record, why_void_request
from syncline.catalog.events import (
    BundleReleased,
    Decision,
    Payload,
    RecordSkipped,
    SchemaRefused,
    SubscriptionDeclared,
    ViewVersionRegistered,
)
from syncline.catalog.lifecycle import needed_by, releases_in_use, retired_in
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rollout_events import AuditRequested, Coordinated, RolloutAction, RolloutRequested
from syncline.contracts.model import Version

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture


def why_void(picture: Picture, decision: Decision) -> str | None:
    """Why the decision does not count, given what stands where it landed; None where it does."""
    payload = decision.payload
    if isinstance(payload, Coordinated):
        # Counted by `after` and `claim`, which say more than `based_on`.
        return why_void_record(picture.coordination, payload, picture.topics_of)
    changed_at = picture.changed_at.get(payload.subject, -1)
    if changed_at >= decision.based_on and not _is_asked_at_any_time(payload):
        return (
            f"{payload.subject} was changed at catalog offset {changed_at}, "
            f"and this decision had read only what is below {decision.based_on}"
        )
    return _RULES[type(payload)](picture, payload)


def _why_void_registration(picture: Picture, payload: ViewVersionRegistered) -> str | None:
    return _why_unusable(picture, payload) or _why_void_version(picture, payload)


def _why_void_subscription(picture: Picture, payload: SubscriptionDeclared) -> str | None:
    releases = picture.releases.get(payload.bundle)
    if releases is None:
        return f"bundle {payload.bundle} has no release"
    for number in releases_in_use(picture, payload):
        for retired in retired_in(picture, releases[number - 1].payload):
            # Else a subscription that comes beside a retirement would need what is gone.
            return (
                f"it would read {payload.bundle}@{number}, which names {retired.payload.view}@"
                f"{retired.payload.version}, and that was retired at catalog offset {retired.offset}"
            )
    return None


def _why_void_rollout(picture: Picture, payload: RolloutRequested) -> str | None:
    return why_void_request(picture.coordination, payload, picture.topics_of) or _why_void_target(
        picture, payload
    )


def _why_void_audit(picture: Picture, payload: AuditRequested) -> str | None:
    return None if payload.bundle in picture.releases else f"bundle {payload.bundle} has no release"


def _why_void_withdrawal(picture: Picture, payload: SubscriptionWithdrawn) -> str | None:
    return None if payload.consumer in picture.subscriptions else f"{payload.consumer} is not declared"


def _is_asked_at_any_time(payload: Payload) -> bool:
    """What is asked in an emergency, or changes nothing, counts however much else has happened meanwhile."""
    if isinstance(payload, RolloutRequested):
        return payload.action in (RolloutAction.ABORT, RolloutAction.ROLLBACK)
    return isinstance(payload, AuditRequested)


def _why_void_target(picture: Picture, payload: RolloutRequested) -> str | None:
    if payload.action is not RolloutAction.START:
        return None
    for view in picture.releases[payload.bundle][payload.to_release - 1].payload.views:
        retired = picture.retired.get((view.view, view.version.without_patch))
        if retired is not None:
            return (
                f"{payload.bundle}@{payload.to_release} names {view.view}@{view.version}, which was retired at "
                f"catalog offset {retired.offset}"
            )
    return None


def _why_gone(picture: Picture, view: str, version: Version) -> str | None:
    """Why there is nothing to deprecate or to retire; None where there is."""
    if picture.version(view, version) is None:
        return f"{view}@{version} is not registered"
    if (view, version.without_patch) in picture.retired:
        return f"{view}@{version} is retired already"
    return None


def _why_void_deprecation(picture: Picture, payload: ViewVersionDeprecated) -> str | None:
    reference = f"{payload.view}@{payload.version}"
    gone = _why_gone(picture, payload.view, payload.version)
    if gone is not None:
        return gone
    if payload.until < payload.since:
        return f"{reference} would be supported until {payload.until}, which is before {payload.since}"
    return None


def _why_void_retirement(picture: Picture, payload: ViewVersionRetired) -> str | None:
    reference = f"{payload.view}@{payload.version}"
    gone = _why_gone(picture, payload.view, payload.version)
    if gone is not None:
        return gone
    needs = needed_by(picture, payload.view, payload.version)
    if needs:
        return f"{reference} is still needed by {', '.join(map(str, needs))}"
    return None


def _why_void_release(picture: Picture, payload: BundleReleased) -> str | None:
    expected = len(picture.releases.get(payload.bundle, ())) + 1
    if payload.release != expected:
        return f"{payload.bundle}@{payload.release} is not the next release, which is {expected}"
    for view in payload.views:
        if picture.version(view.view, view.version) is None:
            return f"{view.view}@{view.version} is not registered"
        retired = picture.retired.get((view.view, view.version.without_patch))
        if retired is not None:
            return f"{view.view}@{view.version} was retired at catalog offset {retired.offset}"
    return None


def _why_void_skip(picture: Picture, payload: RecordSkipped) -> str | None:
    place = (payload.topic, payload.partition, payload.offset)
    if place in picture.skipped:
        return f"{payload.subject} was skipped at catalog offset {picture.skipped[place].offset} already"
    known = any(
        other.payload.topic == payload.topic
        for versions in picture.views.values()
        for other in versions.values()
    )
    return None if known else f"no view has the topic {payload.topic}"


def _why_void_refusal(picture: Picture, payload: SchemaRefused) -> str | None:
    schema_id = payload.schema_id
    if schema_id in picture.known_since:
        return (
            f"schema id {schema_id} was registered at catalog offset {picture.known_since[schema_id]}: what is known "
            "is judged by its contract"
        )
    if schema_id in picture.refused:
        return (
            f"schema id {schema_id} was refused at catalog offset {picture.refused[schema_id].offset} already"
        )
    return None


def _why_void_version(picture: Picture, payload: ViewVersionRegistered) -> str | None:
    """Versions never change and only go up, and an id means one version for ever: agents keep what they compiled."""
    reference = f"{payload.view}@{payload.version}"
    standing = picture.version(payload.view, payload.version)
    if standing is not None:
        if standing.contract_hash != payload.contract_hash:
            return f"{reference} is registered with another contract; versions never change"
        if (standing.schema_id, standing.avro_schema, standing.topic) != (
            payload.schema_id,
            payload.avro_schema,
            payload.topic,
        ):
            return (
                f"{reference} is registered under schema id {standing.schema_id} on {standing.topic}, with its schema; "
                "versions never change (was the registry emptied? restore it)"
            )
        return None
    newest = picture.newest(payload.view, payload.version.major)
    if newest is not None and order(newest.version) > order(payload.version):
        return f"{reference} is lower than {newest.version}, which is registered; versions only go up"
    taken = payload.schema_id in picture.known_since
    for versions in picture.views.values() if taken else ():
        for other in versions.values():
            if other.payload.schema_id == payload.schema_id:
                owner = f"{other.payload.view}@{other.payload.version}"
                return (
                    f"schema id {payload.schema_id} is that of {owner} (was the registry emptied? restore it)"
                )
    return None


def _why_unusable(picture: Picture, payload: ViewVersionRegistered) -> str | None:
    """The catalog is for ever: what nobody could compile must not count."""
    reference = f"{payload.view}@{payload.version}"
    for what, text in (("contract", payload.contract), ("Avro schema", payload.avro_schema)):
        if not _is_json_object(text):
            return f"the {what} of {reference} is no JSON object"
    if payload.schema_id in picture.refused:
        refused_at = picture.refused[payload.schema_id].offset
        return (
            f"schema id {payload.schema_id} was refused at catalog offset {refused_at}, for good: raise the version, "
            "so that its schema gets another id"
        )
    if payload.schema_id < 0:
        return f"{reference} has the schema id {payload.schema_id}, which no registry gives"
    return None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def order(version: Version) -> tuple[int, int]:
    """What versions of a view are sorted by."""
    return version.major, version.minor


_RULES: Mapping[type, Callable[[Picture, Any], str | None]] = {
    ViewVersionRegistered: _why_void_registration,
    BundleReleased: _why_void_release,
    SubscriptionDeclared: _why_void_subscription,
    SubscriptionWithdrawn: _why_void_withdrawal,
    RecordSkipped: _why_void_skip,
    SchemaRefused: _why_void_refusal,
    RolloutRequested: _why_void_rollout,
    AuditRequested: _why_void_audit,
    ViewVersionDeprecated: _why_void_deprecation,
    ViewVersionRetired: _why_void_retirement,
}
"""What counts beside `based_on`, by kind of decision."""
