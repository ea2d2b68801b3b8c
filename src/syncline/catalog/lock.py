"""A lock: what a subscription resolved to, exactly. Pure; the same catalog gives the same bytes, anywhere, any time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncline.catalog.events import PolicyKind, SubscriptionDeclared
from syncline.errors import CatalogError, UnknownFormat

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture

META_LOCK = "lock"
"""The meta name under which the store keeps the lock of what it serves (`Lock.pack()`)."""
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class LockedView:
    """One view of a lock: under which alias, and everything that its values are judged and read by."""

    alias: str
    view: str
    """The exact version: `airport_delay@1.3`."""
    topic: str
    schema_id: int
    contract_hash: str
    keys: tuple[tuple[str, str], ...]
    """(join key of the view, name in a request), in the contract's order."""
    features: tuple[str, ...]
    """In the order in which the release has them."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a subscription resolved to."""

    consumer: str
    bundle: str
    release: int
    policy: str
    """`follow`, `pin: 7` or `compatible: 7`."""
    views: tuple[LockedView, ...]
    """In the order of the release."""

    @property
    def reference(self) -> str:
        """`flight_inputs@7`."""
        return f"{self.bundle}@{self.release}"

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical form, as hex digits: equal locks have equal hashes."""
        return hashlib.sha256(self.pack()).hexdigest()

    def pack(self) -> bytes:
        """The canonical form: JSON with sorted names, no blanks, and lists in the release's order."""
        return json.dumps(
            self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()

    def document(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "format_version": FORMAT_VERSION,
            "consumer": self.consumer,
            "bundle": self.bundle,
            "release": self.release,
            "policy": self.policy,
            "views": [
                {
                    "alias": view.alias,
                    "view": view.view,
                    "topic": view.topic,
                    "schema_id": view.schema_id,
                    "contract_hash": view.contract_hash,
                    "keys": [{"key": own, "asked_as": asked} for own, asked in view.keys],
                    "features": list(view.features),
                }
                for view in self.views
            ],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two locks differ; None where a side has nothing of the kind."""

    what: str
    """`release`, `policy`, `origin_delay`, `origin_delay: schema id`."""
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """One sentence."""
        if self.before is None:
            return f"{self.what}: added ({self.after})"
        if self.after is None:
            return f"{self.what}: removed ({self.before})"
        return f"{self.what}: {self.before} became {self.after}"


def lock_of(picture: Picture, subscription: SubscriptionDeclared, release: int) -> Lock:
    """The lock of a subscription under a release of its bundle, which the picture has.

    Raises:
        CatalogError: the bundle has no such release.
    """
    releases = picture.releases.get(subscription.bundle, ())
    if not 1 <= release <= len(releases):
        known = f"has the releases 1 to {len(releases)}" if releases else "has no release"
        raise CatalogError(f"there is no {subscription.bundle}@{release}: {subscription.bundle} {known}")
    views = []
    for view in releases[release - 1].payload.views:
        registered = picture.version(view.view, view.version)
        if registered is None:
            raise AssertionError(
                f"the fold lets no release name {view.view}@{view.version}, which is unknown"
            )
        views.append(
            LockedView(
                alias=view.alias,
                view=f"{view.view}@{view.version.major}.{view.version.minor}",
                topic=registered.topic,
                schema_id=registered.schema_id,
                contract_hash=registered.contract_hash,
                keys=view.keys,
                features=view.features,
            )
        )
    return Lock(
        consumer=subscription.consumer,
        bundle=subscription.bundle,
        release=release,
        policy=policy_text(subscription),
        views=tuple(views),
    )


def policy_text(subscription: SubscriptionDeclared) -> str:
    """`follow`, `pin: 7` or `compatible: 7`, as a subscription's document has it."""
    kind = subscription.policy
    return kind.value if kind is PolicyKind.FOLLOW else f"{kind.value}: {subscription.policy_release}"


def parse(packed: bytes | str) -> Lock:
    """The lock behind what `pack` wrote, or behind the same document with other blanks and order of names.

    Raises:
        UnknownFormat: written by a newer Syncline.
        CatalogError: it is no lock; the message says what is wrong.
    """
    try:
        document = json.loads(packed)
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"it is no JSON: {error}") from None
    return lock_from(document)


def lock_from(document: object) -> Lock:
    """The lock behind plain data, as `Lock.document` gives it; raises as `parse`."""
    require_known_format(document, "the lock")
    fields = _Fields(document, "the lock")
    views = tuple(
        _locked_view(view, f"views[{number}]") for number, view in enumerate(fields.listed("views"))
    )
    if not views:
        raise CatalogError("the lock: views is empty, and every release has at least one")
    aliases = [view.alias for view in views]
    for number, alias in enumerate(aliases):
        if alias in aliases[:number]:
            raise CatalogError(f"views[{number}]: alias {alias} is named twice, and names one view only")
    return Lock(
        consumer=fields.text("consumer"),
        bundle=fields.text("bundle"),
        release=fields.whole("release", least=1),
        policy=fields.text("policy"),
        views=views,
    )


def require_known_format(document: object, where: str) -> None:
    """Make sure that this program knows the format of a lock, or of the document around it; raises as `parse`."""
    version = _Fields(document, where).whole("format_version", least=1)
    if version > FORMAT_VERSION:
        raise UnknownFormat(
            f"{where} has format version {version}, and this Syncline knows {FORMAT_VERSION}: upgrade it"
        )


def differences(before: Lock, after: Lock) -> tuple[Difference, ...]:
    """Everything in which the locks differ; none of equal locks, and the other way round the sides are exchanged."""
    found = [
        Difference(what, one, other)
        for what, one, other in (
            ("consumer", before.consumer, after.consumer),
            ("bundle", before.bundle, after.bundle),
            ("release", str(before.release), str(after.release)),
            ("policy", before.policy, after.policy),
        )
        if one != other
    ]
    old, new = ({view.alias: view for view in lock.views} for lock in (before, after))
    # By name, so that it does not matter which of them is asked about first.
    for alias in sorted(old.keys() | new.keys()):
        found += _of_view(alias, old.get(alias), new.get(alias))
    kept_before, kept_after = (
        [view.alias for view in lock.views if view.alias in old and view.alias in new]
        for lock in (before, after)
    )
    if kept_before != kept_after:
        found.append(Difference("order of views", ", ".join(kept_before), ", ".join(kept_after)))
    return tuple(found)


def _of_view(alias: str, before: LockedView | None, after: LockedView | None) -> list[Difference]:
    if before is None or after is None:
        return [Difference(alias, before.view if before else None, after.view if after else None)]
    found = []
    for what, one, other in (
        ("version", before.view, after.view),
        ("topic", before.topic, after.topic),
        ("schema id", str(before.schema_id), str(after.schema_id)),
        ("contract", before.contract_hash, after.contract_hash),
        ("join keys", _keys_text(before.keys), _keys_text(after.keys)),
    ):
        if one != other:
            found.append(Difference(f"{alias}: {what}", one, other))
    names = sorted({*before.features} ^ {*after.features})
    for name in names:
        there = name in before.features
        found.append(
            Difference(f"{alias}:{name}", "a feature" if there else None, None if there else "a feature")
        )
    kept_before, kept_after = (
        [name for name in each if name not in names] for each in (before.features, after.features)
    )
    if kept_before != kept_after:
        found.append(Difference(f"{alias}: order of features", ", ".join(kept_before), ", ".join(kept_after)))
    return found


def _keys_text(keys: Sequence[tuple[str, str]]) -> str:
    return ", ".join(own if own == asked else f"{own} asked for as {asked}" for own, asked in keys)


def _locked_view(document: object, where: str) -> LockedView:
    fields = _Fields(document, where)
    keys = [_Fields(each, f"{where}.keys") for each in fields.listed("keys")]
    features = fields.listed("features")
    if not all(_is_text(name) for name in features):
        raise CatalogError(f"{where}.features is no list of texts")
    return LockedView(
        alias=fields.text("alias"),
        view=fields.text("view"),
        topic=fields.text("topic"),
        schema_id=fields.whole("schema_id", least=0),
        contract_hash=fields.text("contract_hash"),
        keys=tuple((key.text("key"), key.text("asked_as")) for key in keys),
        features=tuple(features),
    )


def _is_text(value: object) -> bool:
    """Whether it is text that has bytes: JSON can write half of a surrogate pair, which has none."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


class _Fields:
    """A mapping of a lock, read field by field."""

    def __init__(self, content: object, where: str) -> None:
        if not isinstance(content, dict):
            raise CatalogError(f"{where} is no mapping")
        self._content: dict[str, Any] = content
        self._where = where

    def text(self, name: str) -> str:
        found = self._content.get(name)
        if not isinstance(found, str) or not _is_text(found):
            raise CatalogError(f"{self._where}: {name} is no text")
        return found

    def whole(self, name: str, *, least: int) -> int:
        found = self._content.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or found < least:
            raise CatalogError(f"{self._where}: {name} is no whole number from {least} on")
        return found

    def listed(self, name: str) -> list[Any]:
        found = self._content.get(name)
        if not isinstance(found, list):
            raise CatalogError(f"{self._where}: {name} is no list")
        return found
