"""The decisions that the catalog holds, as plain data, and their bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from syncline.catalog.records import DECODERS, LifecyclePayload, RolloutPayload, fields_of
from syncline.contracts.model import Version
from syncline.errors import WireError
from syncline.wire.headers import cloud_event
from syncline.wire.schemas import load_schema
from syncline.wire.single_object import Format

CE_SOURCE = "syncline/catalog"


@dataclass(frozen=True, slots=True)
class ViewVersionRegistered:
    """A feature view version may be published from now on."""

    view: str
    version: Version
    topic: str
    contract: str
    """The ODCS document as JSON text."""
    avro_schema: str
    schema_id: int
    contract_hash: str
    owner: str
    release_date: date

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"view {self.view}"


@dataclass(frozen=True, slots=True)
class BundleView:
    """One view of a release: which version, under which alias, joined by which names of the request."""

    alias: str
    view: str
    version: Version
    keys: tuple[tuple[str, str], ...]
    """(join key of the view, name in a request), in the contract's order of join keys."""
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BundleReleased:
    """An immutable, numbered list of view versions."""

    bundle: str
    release: int
    owner: str
    views: tuple[BundleView, ...]
    compatibility: str = ""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"bundle {self.bundle}"


class PolicyKind(StrEnum):
    """How a subscription follows the releases of its bundle."""

    PIN = "pin"
    COMPATIBLE = "compatible"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class SubscriptionDeclared:
    """A consumer's stated needs."""

    consumer: str
    bundle: str
    policy: PolicyKind
    policy_release: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    freshness_us: tuple[tuple[str, int], ...] = ()
    """(alias, largest age that the model accepts), sorted."""
    model_name: str | None = None
    model_version: str | None = None
    required: bool = False
    accepts_widening: bool = False
    """It can live with wider ranges and more allowed values within a MAJOR."""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"subscription {self.consumer}"


@dataclass(frozen=True, slots=True)
class RecordSkipped:
    """A partition's way past one record that holds it. Looked at only where the record would otherwise hold; final."""

    topic: str
    partition: int
    offset: int

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"record {self.topic} {self.partition} {self.offset}"


@dataclass(frozen=True, slots=True)
class SchemaRefused:
    """All records under a schema id that the catalog does not know go to the dead letters; final."""

    schema_id: int

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"schema {self.schema_id}"


Payload = (
    ViewVersionRegistered
    | BundleReleased
    | SubscriptionDeclared
    | RecordSkipped
    | SchemaRefused
    | LifecyclePayload
    | RolloutPayload
)


@dataclass(frozen=True, slots=True)
class Decision:
    """One record of the catalog."""

    event_id: str
    recorded_at_us: int
    actor: str
    reason: str
    based_on: int
    """The next catalog offset that the writer had read."""
    payload: Payload = field(repr=False)


def encode_decision(decision: Decision) -> bytes:
    """The record's value."""
    payload = decision.payload
    return _format().encode(
        {
            "event_id": decision.event_id,
            "recorded_at": decision.recorded_at_us,
            "actor": decision.actor,
            "reason": decision.reason,
            "based_on": decision.based_on,
            "payload": (f"syncline.catalog.{type(payload).__name__}", _encoded(payload)),
        }
    )


def decision_headers(decision: Decision) -> list[tuple[str, bytes]]:
    """CloudEvents headers: always on for catalog records."""
    return cloud_event(
        event_id=decision.event_id,
        source=CE_SOURCE,
        kind=f"syncline.catalog.{type(decision.payload).__name__}",
        time_us=decision.recorded_at_us,
    )


def decode_decision(value: bytes | None) -> Decision:
    """The decision behind a record's value.

    Raises:
        UnknownFormat: written by a newer Syncline.
        WireError: these bytes are no decision.
    """
    record = _format().decode(value)
    kind, fields = record["payload"]
    try:
        payload = _DECODERS[kind](fields)
    except (ValueError, OverflowError) as error:
        raise WireError(f"the {kind} cannot be what it says: {error}") from None
    return Decision(
        event_id=record["event_id"],
        recorded_at_us=record["recorded_at"],
        actor=record["actor"],
        reason=record["reason"],
        based_on=record["based_on"],
        payload=payload,
    )


def _encoded(payload: Payload) -> dict[str, Any]:
    match payload:
        case ViewVersionRegistered():
            fields = {name: getattr(payload, name) for name in _PLAIN_VIEW_FIELDS}
            version = payload.version
            days = (payload.release_date - date(1970, 1, 1)).days
            return fields | _version(version) | {"patch": version.patch, "release_date": days}
        case BundleReleased():
            return {
                "bundle": payload.bundle,
                "release": payload.release,
                "owner": payload.owner,
                "compatibility": payload.compatibility,
                "views": [
                    {
                        "alias": view.alias,
                        "view": view.view,
                        "keys": dict(view.keys),
                        "features": list(view.features),
                    }
                    | _version(view.version)
                    for view in payload.views
                ],
            }
        case SubscriptionDeclared():
            fields = {name: getattr(payload, name) for name in _PLAIN_SUBSCRIPTION_FIELDS}
            return fields | {
                "policy": str(payload.policy),
                "labels": dict(payload.labels),
                "freshness_us": dict(payload.freshness_us),
            }
        case RecordSkipped() | SchemaRefused():
            return asdict(payload)
        case _:
            return fields_of(payload)


def _version(version: Version) -> dict[str, int]:
    return {"major": version.major, "minor": version.minor}


def _view_version(record: dict[str, Any]) -> ViewVersionRegistered:
    return ViewVersionRegistered(
        version=Version(record["major"], record["minor"], record["patch"]),
        release_date=date.fromordinal(date(1970, 1, 1).toordinal() + record["release_date"]),
        **{name: record[name] for name in _PLAIN_VIEW_FIELDS},
    )


def _bundle(record: dict[str, Any]) -> BundleReleased:
    return BundleReleased(
        bundle=record["bundle"],
        release=record["release"],
        owner=record["owner"],
        compatibility=record["compatibility"],
        views=tuple(
            BundleView(
                alias=view["alias"],
                view=view["view"],
                version=Version(view["major"], view["minor"]),
                keys=tuple(view["keys"].items()),
                features=tuple(view["features"]),
            )
            for view in record["views"]
        ),
    )


def _subscription(record: dict[str, Any]) -> SubscriptionDeclared:
    return SubscriptionDeclared(
        policy=PolicyKind(record["policy"]),
        labels=tuple(sorted(record["labels"].items())),
        freshness_us=tuple(sorted(record["freshness_us"].items())),
        **{name: record[name] for name in _PLAIN_SUBSCRIPTION_FIELDS},
    )


@cache
def _format() -> Format:
    return Format(
        load_schema(
            "catalog/view_version_registered.avsc",
            "catalog/bundle_released.avsc",
            "catalog/subscription_declared.avsc",
            "catalog/record_skipped.avsc",
            "catalog/schema_refused.avsc",
            *_ROLLOUT_SCHEMAS,
            "catalog/envelope.avsc",
        ),
        older=[load_schema("catalog/older/1.avsc"), load_schema("catalog/older/2.avsc")],
    )


_PLAIN_VIEW_FIELDS = ("view", "topic", "contract", "avro_schema", "schema_id", "contract_hash", "owner")
_PLAIN_SUBSCRIPTION_FIELDS = (
    "consumer",
    "bundle",
    "policy_release",
    "model_name",
    "model_version",
    "required",
    "accepts_widening",
)
_DECODERS: dict[str, Callable[[dict[str, Any]], Payload]] = {
    "syncline.catalog.ViewVersionRegistered": _view_version,
    "syncline.catalog.BundleReleased": _bundle,
    "syncline.catalog.SubscriptionDeclared": _subscription,
    "syncline.catalog.RecordSkipped": lambda record: RecordSkipped(**record),
    "syncline.catalog.SchemaRefused": lambda record: SchemaRefused(**record),
    **{f"syncline.catalog.{name}": decoder for name, decoder in DECODERS.items()},
}
_ROLLOUT_SCHEMAS = (
    "catalog/cohort.avsc",
    "catalog/position.avsc",
    "catalog/claimed.avsc",
    "catalog/cut_prepared.avsc",
    "catalog/cut_committed.avsc",
    "catalog/cut_aborted.avsc",
    "catalog/immediate.avsc",
    "catalog/rollout_advanced.avsc",
    "catalog/rollout_paused.avsc",
    "catalog/rollout_finished.avsc",
    "catalog/rollout_requested.avsc",
    "catalog/audit_requested.avsc",
    "catalog/view_version_deprecated.avsc",
    "catalog/view_version_retired.avsc",
    "catalog/subscription_withdrawn.avsc",
)
