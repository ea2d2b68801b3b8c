"""The fold of the catalog: every reader turns the same records into the same picture, from offset 0, at each start.

Kafka has no compare-and-set, so the fold decides what counts (log.md): a decision whose subject changed at or
after its `based_on` is void, as is one that contradicts what stands. A void record changes no subject.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, TypeVar

from syncline.catalog.events import (
    BundleReleased,
    Decision,
    Payload,
    RecordSkipped,
    SchemaRefused,
    SubscriptionDeclared,
    ViewVersionRegistered,
    decode_decision,
)
from syncline.contracts.model import Version
from syncline.errors import WireError

P_co = TypeVar("P_co", bound=Payload, covariant=True)


@dataclass(frozen=True)
class Recorded(Generic[P_co]):
    """A decision that counts, and where it stands."""

    offset: int
    decision: Decision
    payload: P_co


@dataclass(frozen=True, slots=True)
class Void:
    """A record that does not count, and why."""

    offset: int
    reason: str
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What stands after the records below `next_offset`."""

    next_offset: int = 0
    views: Mapping[str, Mapping[Version, Recorded[ViewVersionRegistered]]] = field(default_factory=dict)
    """view → version (patch 0) → its registration; versions ascend."""
    releases: Mapping[str, tuple[Recorded[BundleReleased], ...]] = field(default_factory=dict)
    """bundle → its releases; release n stands at index n - 1."""
    subscriptions: Mapping[str, Recorded[SubscriptionDeclared]] = field(default_factory=dict)
    changed_at: Mapping[str, int] = field(default_factory=dict)
    """subject → offset of the decision that changed it last."""
    void: tuple[Void, ...] = ()
    known_since: Mapping[int, int] = field(default_factory=dict)
    """Schema id → offset of its first registration: a later one of the same version may have another description."""
    skipped: Mapping[tuple[str, int, int], Recorded[RecordSkipped]] = field(default_factory=dict)
    """(topic, partition, offset) of a feature record → its RecordSkipped."""
    refused: Mapping[int, Recorded[SchemaRefused]] = field(default_factory=dict)
    """Schema id → its SchemaRefused."""

    def newest(self, view: str, major: int | None = None) -> ViewVersionRegistered | None:
        """The newest registered version of the view (of one MAJOR, if given), or None."""
        versions = [
            version for version in self.views.get(view, {}) if major is None or version.major == major
        ]
        return self.views[view][max(versions, key=_order)].payload if versions else None

    def version(self, view: str, version: Version) -> ViewVersionRegistered | None:
        """That version's registration, or None."""
        recorded = self.views.get(view, {}).get(Version(version.major, version.minor))
        return recorded.payload if recorded else None

    def registrations(self) -> Iterator[ViewVersionRegistered]:
        """Every registered version, view by view."""
        for versions in self.views.values():
            for recorded in versions.values():
                yield recorded.payload

    def majors(self) -> dict[str, tuple[str, int]]:
        """Feature topic → (view, MAJOR)."""
        return {found.topic: (found.view, found.version.major) for found in self.registrations()}

    def void_at(self, offset: int) -> Void | None:
        """Why the record at this offset is void, or None where it counts."""
        return next((void for void in self.void if void.offset == offset), None)


def fold(picture: Picture, records: Iterable[tuple[int, bytes | None]]) -> Picture:
    """The picture after these (offset, value) records, which follow those already folded.

    Raises:
        UnknownFormat: a record was written by a newer Syncline; nobody can go on without knowing what it says.
    """
    records = list(records)
    if not records:
        return picture
    draft = _Draft(picture)
    for offset, value in records:
        try:
            decision = decode_decision(value)
        except WireError as error:
            # Bytes that are no decision change nothing, for everyone alike.
            draft.leave_out(offset, str(error), None)
            continue
        reason = _why_void(draft.standing, decision)
        if reason:
            draft.leave_out(offset, reason, decision)
        else:
            draft.enact(offset, decision)
    return draft.picture()


class _Draft:
    """A picture while records are folded into it: copied once per fold, not once per record."""

    def __init__(self, picture: Picture) -> None:
        self._next_offset = picture.next_offset
        self.views = dict(picture.views)
        self.releases = dict(picture.releases)
        self.subscriptions = dict(picture.subscriptions)
        self.changed_at = dict(picture.changed_at)
        self._void = list(picture.void)
        self.known_since = dict(picture.known_since)
        self.skipped = dict(picture.skipped)
        self.refused = dict(picture.refused)
        self.standing = Picture(
            views=self.views,
            releases=self.releases,
            subscriptions=self.subscriptions,
            changed_at=self.changed_at,
            known_since=self.known_since,
            skipped=self.skipped,
            refused=self.refused,
        )
        """What stands at this moment, to look things up; it changes as decisions are enacted."""

    def picture(self) -> Picture:
        """What stands now."""
        return Picture(
            self._next_offset,
            MappingProxyType(self.views),
            MappingProxyType(self.releases),
            MappingProxyType(self.subscriptions),
            MappingProxyType(self.changed_at),
            tuple(self._void),
            MappingProxyType(self.known_since),
            MappingProxyType(self.skipped),
            MappingProxyType(self.refused),
        )

    def leave_out(self, offset: int, reason: str, decision: Decision | None) -> None:
        """The record does not count."""
        self._next_offset = offset + 1
        self._void.append(Void(offset, reason, decision))

    def enact(self, offset: int, decision: Decision) -> None:
        """The decision counts."""
        self._next_offset = offset + 1
        self.changed_at[decision.payload.subject] = offset
        match decision.payload:
            case ViewVersionRegistered() as payload:
                key = Version(payload.version.major, payload.version.minor)
                versions = {**self.views.get(payload.view, {}), key: Recorded(offset, decision, payload)}
                ordered = dict(sorted(versions.items(), key=lambda item: _order(item[0])))
                self.views[payload.view] = MappingProxyType(ordered)
                self.known_since.setdefault(payload.schema_id, offset)
            case BundleReleased() as payload:
                standing = self.releases.get(payload.bundle, ())
                self.releases[payload.bundle] = (*standing, Recorded(offset, decision, payload))
            case SubscriptionDeclared() as payload:
                self.subscriptions[payload.consumer] = Recorded(offset, decision, payload)
            case RecordSkipped() as payload:
                place = (payload.topic, payload.partition, payload.offset)
                self.skipped[place] = Recorded(offset, decision, payload)
            case SchemaRefused() as payload:
                self.refused[payload.schema_id] = Recorded(offset, decision, payload)


def _why_void(picture: Picture, decision: Decision) -> str | None:
    payload = decision.payload
    changed_at = picture.changed_at.get(payload.subject, -1)
    if changed_at >= decision.based_on:
        return (
            f"{payload.subject} was changed at catalog offset {changed_at}, "
            f"and this decision had read only what is below {decision.based_on}"
        )
    match payload:
        case ViewVersionRegistered():
            return _why_unusable(picture, payload) or _why_void_version(picture, payload)
        case BundleReleased():
            return _why_void_release(picture, payload)
        case SubscriptionDeclared():
            return None if payload.bundle in picture.releases else f"bundle {payload.bundle} has no release"
        case RecordSkipped():
            return _why_void_skip(picture, payload)
        case SchemaRefused():
            return _why_void_refusal(picture, payload)


def _why_void_release(picture: Picture, payload: BundleReleased) -> str | None:
    expected = len(picture.releases.get(payload.bundle, ())) + 1
    if payload.release != expected:
        return f"{payload.bundle}@{payload.release} is not the next release, which is {expected}"
    for view in payload.views:
        if picture.version(view.view, view.version) is None:
            return f"{view.view}@{view.version} is not registered"
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
    if newest is not None and _order(newest.version) > _order(payload.version):
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


def _order(version: Version) -> tuple[int, int]:
    return version.major, version.minor
