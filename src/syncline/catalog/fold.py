"""The fold of the catalog: every reader turns the same records into the same picture, from offset 0, at each start.

Kafka has no compare-and-set, so the fold decides what counts (log.md): a decision whose subject changed at or
after its `based_on` is void, as is one that contradicts what stands. A void record changes no subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Generic, TypeVar

from syncline.catalog.coordination import Coordination
from syncline.catalog.coordination_draft import CoordinationDraft
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
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rules import order, why_void
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
    coordination: Coordination = field(default_factory=Coordination)
    declared: Mapping[str, tuple[Recorded[SubscriptionDeclared], ...]] = field(default_factory=dict)
    """consumer → all that it declared, in catalog order; `subscriptions` has the last, unless it was withdrawn."""
    deprecated: Mapping[tuple[str, Version], Recorded[ViewVersionDeprecated]] = field(default_factory=dict)
    """(view, version) → that it is on its way out."""
    retired: Mapping[tuple[str, Version], Recorded[ViewVersionRetired]] = field(default_factory=dict)

    def newest(self, view: str, major: int | None = None) -> ViewVersionRegistered | None:
        """The newest registered version of the view (of one MAJOR, if given), or None."""
        versions = [
            version for version in self.views.get(view, {}) if major is None or version.major == major
        ]
        return self.views[view][max(versions, key=order)].payload if versions else None

    def version(self, view: str, version: Version) -> ViewVersionRegistered | None:
        """That version's registration, or None."""
        recorded = self.views.get(view, {}).get(version.without_patch)
        return recorded.payload if recorded else None

    def registrations(self) -> Iterator[ViewVersionRegistered]:
        """Every registered version, view by view."""
        for versions in self.views.values():
            for recorded in versions.values():
                yield recorded.payload

    def majors(self) -> dict[str, tuple[str, int]]:
        """Feature topic → (view, MAJOR)."""
        return {found.topic: (found.view, found.version.major) for found in self.registrations()}

    def topics_of(self, bundle: str, release: int) -> frozenset[str] | None:
        """The topics of a release's views; None where there is no such release."""
        releases = self.releases.get(bundle, ())
        if not 1 <= release <= len(releases):
            return None
        views = releases[release - 1].payload.views
        registered = [self.version(view.view, view.version) for view in views]
        return frozenset(version.topic for version in registered if version is not None)

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
        reason = why_void(draft.standing, decision)
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
        self.declared = dict(picture.declared)
        self.deprecated = dict(picture.deprecated)
        self.retired = dict(picture.retired)
        self.coordination = CoordinationDraft(picture.coordination)
        self._standing = Picture(
            views=self.views,
            releases=self.releases,
            subscriptions=self.subscriptions,
            changed_at=self.changed_at,
            known_since=self.known_since,
            skipped=self.skipped,
            refused=self.refused,
            declared=self.declared,
            deprecated=self.deprecated,
            retired=self.retired,
        )

    @property
    def standing(self) -> Picture:
        """What stands at this moment, to look things up; it changes as decisions are enacted."""
        return replace(self._standing, next_offset=self._next_offset, coordination=self.coordination.standing)

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
            self.coordination.done(),
            MappingProxyType(self.declared),
            MappingProxyType(self.deprecated),
            MappingProxyType(self.retired),
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
                key = payload.version.without_patch
                versions = {**self.views.get(payload.view, {}), key: Recorded(offset, decision, payload)}
                ordered = dict(sorted(versions.items(), key=lambda item: order(item[0])))
                self.views[payload.view] = MappingProxyType(ordered)
                self.known_since.setdefault(payload.schema_id, offset)
            case BundleReleased() as payload:
                standing = self.releases.get(payload.bundle, ())
                self.releases[payload.bundle] = (*standing, Recorded(offset, decision, payload))
            case SubscriptionDeclared() as payload:
                declared = Recorded(offset, decision, payload)
                self.subscriptions[payload.consumer] = declared
                self.declared[payload.consumer] = (*self.declared.get(payload.consumer, ()), declared)
            case SubscriptionWithdrawn() as payload:
                del self.subscriptions[payload.consumer]
                # Declared anew, it begins anew.
                del self.declared[payload.consumer]
            case ViewVersionDeprecated() as payload:
                self.deprecated[payload.view, payload.version.without_patch] = Recorded(
                    offset, decision, payload
                )
            case ViewVersionRetired() as payload:
                self.retired[payload.view, payload.version.without_patch] = Recorded(
                    offset, decision, payload
                )
            case RecordSkipped() as payload:
                place = (payload.topic, payload.partition, payload.offset)
                self.skipped[place] = Recorded(offset, decision, payload)
            case SchemaRefused() as payload:
                self.refused[payload.schema_id] = Recorded(offset, decision, payload)
            case payload:
                self.coordination.take(
                    offset,
                    payload,
                    actor=decision.actor,
                    reason=decision.reason,
                    at_us=decision.recorded_at_us,
                )
