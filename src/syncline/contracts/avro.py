"""The Avro form of a contract: the schema that travels with every message, its limits as attributes.

Specification: Apache Avro 1.12, "Schema Declaration"; attributes that Avro does not know are metadata there.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature

TIMESTAMP_MICROS = {"type": "long", "logicalType": "timestamp-micros"}
_SCALARS = frozenset(member.value for member in FeatureType)
_LIMITS = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum")
_DEEPEST = 50
_NULL_AND_VALUE = 2


def avro_name(contract: Contract) -> str:
    """The record's full name, the same for all MINORs of a MAJOR: `syncline.features.v1.airport_delay`."""
    return f"syncline.features.v{contract.version.major}.{contract.view}"


def avro_schema(contract: Contract) -> dict[str, Any]:
    """The Avro schema of a contract's records: join keys, event time, features in the document's order."""
    namespace, _, name = avro_name(contract).rpartition(".")
    fields: list[dict[str, Any]] = [{"name": key.name, "type": key.type.value} for key in contract.keys]
    fields.append({"name": contract.event_time, "type": dict(TIMESTAMP_MICROS)})
    fields += [_field(feature) for feature in contract.features]
    return {
        "type": "record",
        "name": name,
        "namespace": namespace,
        "fields": fields,
        "syncline.contract": contract.view,
        "syncline.version": str(contract.version),
        "syncline.hash": contract_hash(contract),
    }


def avro_text(contract: Contract) -> str:
    """The schema as compact text, the same for equal contracts: this is what gets registered."""
    return _compact(avro_schema(contract))


def contract_hash(contract: Contract) -> str:
    """The SHA-256, in hex, of all that decides over a message: what is said about people and dates is not in it."""
    return hashlib.sha256(_compact(_wire_relevant(contract)).encode()).hexdigest()


def refuse_unsafe(schema: object) -> list[str]:
    """Why a schema must not be decoded; empty when it is safe.

    Refused are recursion, arrays and maps whose items take no bytes (few bytes would then decode to any number of
    items), and whatever is not a flat record of the types that a contract can state.
    """
    reasons = _bombs(schema, "the schema", frozenset(), 0)[0]
    if reasons:
        return reasons
    if (
        not isinstance(schema, dict)
        or schema.get("type") != "record"
        or not isinstance(schema.get("fields"), list)
    ):
        return ["the schema is no record"]
    for field in schema["fields"]:
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            reasons.append("a field has no name")
        elif not is_supported(field.get("type")):
            reasons.append(f"field `{field['name']}` has the type {str(field.get('type'))[:80]}")
    return reasons


def is_supported(kind: object) -> bool:
    """Whether a field of this Avro type can be decoded here: a scalar, timestamp-micros, or one of them or null."""
    if isinstance(kind, list):
        nullable = len(kind) == _NULL_AND_VALUE and kind.count("null") == 1
        return nullable and all(branch == "null" or is_supported(branch) for branch in kind)
    if isinstance(kind, dict):
        logical = kind.get("logicalType")
        return kind.get("type") in _SCALARS and (
            logical is None or (logical == "timestamp-micros" and kind["type"] == "long")
        )
    return isinstance(kind, str) and kind in _SCALARS


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _field(feature: Feature) -> dict[str, Any]:
    field: dict[str, Any] = {"name": feature.name, "type": feature.type.value}
    if not feature.required:
        # A union's default must be of its first branch.
        first_is_type = feature.has_default and feature.default is not None
        field["type"] = [feature.type.value, "null"] if first_is_type else ["null", feature.type.value]
    if feature.has_default:
        field["default"] = feature.default
    if feature.unit is not None:
        field["syncline.unit"] = feature.unit
    for limit in _LIMITS:
        value = getattr(feature, limit)
        if value is not None:
            head, _, tail = limit.partition("_")
            field[f"syncline.{head}{tail.capitalize()}"] = value
    if feature.allowed is not None:
        field["syncline.enum"] = list(feature.allowed)
    if feature.type.is_floating:
        field["syncline.finite"] = feature.finite
    if feature.redact:
        field["syncline.redact"] = True
    return field


def _wire_relevant(contract: Contract) -> dict[str, Any]:
    return {
        "contract": contract.view,
        "version": str(contract.version),
        "keys": [[key.name, key.type.value] for key in contract.keys],
        "eventTime": contract.event_time,
        "features": [_field(feature) for feature in contract.features],
        "partitions": contract.partitions,
        "maxAgeUs": contract.max_age_us,
        "maxAheadUs": contract.max_ahead_us,
        "lateArrivalUs": contract.late_arrival_us,
        "onViolation": contract.on_violation.value,
        "whenStale": contract.when_stale.value,
    }


def _bombs(node: object, place: str, named: frozenset[str], depth: int) -> tuple[list[str], bool]:
    """The reasons found in `node`, and whether one value of it may take no bytes at all."""
    if depth > _DEEPEST:
        return [f"{place} is nested more than {_DEEPEST} deep"], False
    if isinstance(node, list):
        # A union's branch takes a byte, whatever stands in it.
        return [reason for branch in node for reason in _bombs(branch, place, named, depth + 1)[0]], False
    if not isinstance(node, dict) or "type" not in node:
        if not isinstance(node, str):
            return [f"{place} has no type"], False
        return [f"{place} refers to `{node}`, which contains it"] if node in named else [], node == "null"
    kind = node["type"]
    look_inside = _CONTAINERS.get(kind) if isinstance(kind, str) else None
    if look_inside is not None:
        return look_inside(node, place, named, depth + 1)
    reasons, empty = _bombs(kind, place, named, depth + 1)
    return reasons, empty or (kind == "fixed" and node.get("size") == 0)


def _bombs_of_items(
    node: dict[str, Any], place: str, named: frozenset[str], depth: int
) -> tuple[list[str], bool]:
    is_array = node["type"] == "array"
    reasons, empty = _bombs(
        node.get("items" if is_array else "values"), f"the items of {place}", named, depth
    )
    # An item of a map takes at least the byte of its name's length.
    return ([*reasons, f"the items of {place} take no bytes"] if empty and is_array else reasons), False


def _bombs_of_record(
    node: dict[str, Any], place: str, named: frozenset[str], depth: int
) -> tuple[list[str], bool]:
    name, namespace = str(node.get("name")), node.get("namespace")
    inside = named | {name, f"{namespace}.{name}"}
    reasons: list[str] = []
    empty = True
    fields = node.get("fields")
    if not isinstance(fields, list):
        return [f"{place} has no fields"], False
    for field in fields:
        if not isinstance(field, dict):
            reasons.append(f"a field of {place} is no mapping")
            continue
        more, field_empty = _bombs(field.get("type"), f"field `{field.get('name')}`", inside, depth)
        reasons += more
        empty = empty and field_empty
    return reasons, empty


_CONTAINERS = {
    "array": _bombs_of_items,
    "map": _bombs_of_items,
    "record": _bombs_of_record,
    "error": _bombs_of_record,
}
