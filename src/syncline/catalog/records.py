"""The Avro fields of rollout and lifecycle decisions, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rollout_events import (
    AuditRequested,
    Claimed,
    Cohort,
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
from syncline.contracts.model import Version

RolloutPayload = (
    Claimed
    | CutPrepared
    | CutCommitted
    | CutAborted
    | Immediate
    | RolloutAdvanced
    | RolloutPaused
    | RolloutFinished
    | RolloutRequested
    | AuditRequested
)
LifecyclePayload = ViewVersionDeprecated | ViewVersionRetired | SubscriptionWithdrawn

_EPOCH = date(1970, 1, 1)


def fields_of(payload: RolloutPayload | LifecyclePayload) -> dict[str, Any]:
    """The payload as its Avro record has it."""
    fields = {name: getattr(payload, name) for name in payload.__dataclass_fields__}
    for name, value in fields.items():
        fields[name] = _plain(value)
    if "deadline_us" in fields:
        fields["deadline"] = fields.pop("deadline_us")
    if isinstance(payload, CutPrepared):
        fields["partitions"] = [{"topic": topic, "count": count} for topic, count in payload.partitions]
    if isinstance(payload, AuditRequested):
        fields["buckets"] = [
            {"topic": topic, "partition": partition, "bucket": bucket}
            for topic, partition, bucket in payload.buckets
        ]
    if isinstance(payload, CutCommitted):
        fields["vector"] = _positions(payload.vector)
    if isinstance(payload, Immediate):
        fields["floor"] = _positions(payload.floor)
    if isinstance(payload, ViewVersionDeprecated | ViewVersionRetired):
        version = fields.pop("version")
        fields |= {"major": version.major, "minor": version.minor}
    return fields


def _plain(value: Any) -> Any:  # noqa: ANN401 - a field of any payload
    match value:
        case Cohort():
            return asdict(value) | {"consumers": list(value.consumers), "labels": dict(value.labels)}
        case CutKind() | RolloutAction() | RolloutMode() | RolloutOutcome():
            return str(value)
        case date():
            return (value - _EPOCH).days
        case _:
            return value


def _positions(positions: Positions) -> list[dict[str, Any]]:
    return [
        {"topic": topic, "partition": partition, "offset": offset} for topic, partition, offset in positions
    ]


def _read_positions(records: list[dict[str, Any]]) -> Positions:
    return tuple(sorted((found["topic"], found["partition"], found["offset"]) for found in records))


def _cohort(record: dict[str, Any]) -> Cohort:
    return Cohort(tuple(record["consumers"]), tuple(sorted(record["labels"].items())), record["share"])


def _prepared(record: dict[str, Any]) -> CutPrepared:
    return CutPrepared(
        after=record["after"],
        claim=record["claim"],
        kind=CutKind(record["kind"]),
        bundle=record["bundle"],
        from_release=record["from_release"],
        to_release=record["to_release"],
        cohort=_cohort(record["cohort"]),
        partitions=tuple((found["topic"], found["count"]) for found in record["partitions"]),
        deadline_us=record["deadline"],
        request=record["request"],
    )


def _immediate(record: dict[str, Any]) -> Immediate:
    return Immediate(
        **{**record, "cohort": _cohort(record["cohort"]), "floor": _read_positions(record["floor"])}
    )


def _requested(record: dict[str, Any]) -> RolloutRequested:
    return RolloutRequested(
        **{
            **record,
            "action": RolloutAction(record["action"]),
            "cohort": _cohort(record["cohort"]),
            "mode": RolloutMode(record["mode"]),
        }
    )


def _audit(record: dict[str, Any]) -> AuditRequested:
    buckets = [(found["topic"], found["partition"], found["bucket"]) for found in record["buckets"]]
    return AuditRequested(record["bundle"], tuple(buckets))


def _version(record: dict[str, Any]) -> Version:
    return Version(record["major"], record["minor"])


def _day(number: int) -> date:
    return date.fromordinal(_EPOCH.toordinal() + number)


DECODERS: Mapping[str, Callable[[dict[str, Any]], RolloutPayload | LifecyclePayload]] = {
    "Claimed": lambda record: Claimed(**record),
    "CutPrepared": _prepared,
    "CutCommitted": lambda record: CutCommitted(**{**record, "vector": _read_positions(record["vector"])}),
    "CutAborted": lambda record: CutAborted(**record),
    "Immediate": _immediate,
    "RolloutAdvanced": lambda record: RolloutAdvanced(**record),
    "RolloutPaused": lambda record: RolloutPaused(**record),
    "RolloutFinished": lambda record: RolloutFinished(
        **{**record, "outcome": RolloutOutcome(record["outcome"])}
    ),
    "RolloutRequested": _requested,
    "AuditRequested": _audit,
    "ViewVersionDeprecated": lambda record: ViewVersionDeprecated(
        record["view"],
        _version(record),
        _day(record["since"]),
        _day(record["until"]),
        record["alternative"],
    ),
    "ViewVersionRetired": lambda record: ViewVersionRetired(record["view"], _version(record)),
    "SubscriptionWithdrawn": lambda record: SubscriptionWithdrawn(**record),
}
"""Name of the Avro record → the decision."""
