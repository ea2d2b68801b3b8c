"""The Avro form of a contract: the schema that travels with every message, its limits as attributes.

Specification: Apache Avro 1.12, "Schema Declaration"; attributes that Avro does not know are metadata there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature, Item

TIMESTAMP_MICROS = {"type": "long", "logicalType": "timestamp-micros"}
DATE = {"type": "int", "logicalType": "date"}
_RANGE = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum")
_TEXT = ("min_length", "max_length", "pattern")
_ITEMS = ("min_items", "max_items", "dimensions", "embedding_model")


def avro_name(contract: Contract) -> str:
    """The record's full name, the same for all MINORs of a MAJOR: `syncline.features.v1.airport_delay`."""
    return f"syncline.features.v{contract.version.major}.{contract.view}"


def avro_schema(contract: Contract) -> dict[str, Any]:
    """The Avro schema of a contract's records: join keys, event time, features in the document's order."""
    namespace, _, name = avro_name(contract).rpartition(".")
    fields: list[dict[str, Any]] = [{"name": key.name, "type": key.type.value} for key in contract.keys]
    fields.append({"name": contract.event_time, "type": dict(TIMESTAMP_MICROS)})
    fields += [_field(feature, union=feature.name in contract.union_stays) for feature in contract.features]
    schema = {
        "type": "record",
        "name": name,
        "namespace": namespace,
        "fields": fields,
        "syncline.contract": contract.view,
        "syncline.version": str(contract.version),
        "syncline.hash": contract_hash(contract),
    }
    if contract.rules:
        schema["syncline.rules"] = _rules(contract)
    return schema


def avro_text(contract: Contract) -> str:
    """The schema as compact text, the same for equal contracts: this is what gets registered."""
    return _compact(avro_schema(contract))


def as_registered(contract: Contract, schema: str) -> Contract:
    """The contract, knowing which unions of nullable features stay in `schema`, the registered one of its MAJOR.

    Bytes are written as the registered schema says: a required feature whose union stays has a branch before it.
    """
    unions = {field["name"] for field in json.loads(schema)["fields"] if isinstance(field["type"], list)}
    stays = frozenset(
        feature.name for feature in contract.features if feature.required and feature.name in unions
    )
    return replace(contract, union_stays=stays)


def contract_hash(contract: Contract) -> str:
    """The SHA-256, in hex, of all that decides over a message: what is said about people and dates is not in it."""
    return hashlib.sha256(_compact(_wire_relevant(contract)).encode()).hexdigest()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _avro_type(kind: FeatureType, item: Item | None = None) -> str | dict[str, Any]:
    """The type of a field that is never null."""
    if kind is FeatureType.TIMESTAMP:
        return dict(TIMESTAMP_MICROS)
    if kind is FeatureType.DATE:
        return dict(DATE)
    if not kind.is_nested:
        return kind.value
    assert item is not None, "a list, map or vector has items"
    inside = _avro_type(item.type)
    return (
        {"type": "map", "values": inside} if kind is FeatureType.MAP else {"type": "array", "items": inside}
    )


def _field(feature: Feature, *, union: bool = False) -> dict[str, Any]:
    kind = _avro_type(feature.type, feature.item)
    field: dict[str, Any] = {"name": feature.name, "type": kind}
    if union or not feature.required:
        # A union's default must be of its first branch.
        first_is_type = feature.has_default and feature.default is not None
        field["type"] = [kind, "null"] if first_is_type else ["null", kind]
    if feature.has_default:
        default = feature.default
        # Catalogs may keep a document's names in another order: the hash must not follow.
        field["default"] = dict(sorted(default.items())) if isinstance(default, dict) else default
    if feature.unit is not None:
        field["syncline.unit"] = feature.unit
    limits = _limits(feature, (*_RANGE, *_TEXT, *_ITEMS))
    if feature.unique_items:
        limits["uniqueItems"] = True
    if feature.item is not None:
        limits["item"] = _limits(feature.item, (*_RANGE, *_TEXT))
    field |= {f"syncline.{name}": limit for name, limit in limits.items() if limit != {}}
    if feature.redact:
        field["syncline.redact"] = True
    return field


def _limits(of: Feature | Item, names: tuple[str, ...]) -> dict[str, Any]:
    """Every limit that is stated, as attributes name it, in an order that never changes: it is in the hash."""
    stated = ((name, getattr(of, name)) for name in names)
    limits = {_attribute(name): limit for name, limit in stated if limit is not None}
    if of.allowed is not None:
        limits["enum"] = list(of.allowed)
    if of.type.is_floating:
        limits["finite"] = of.finite
    return limits


def _attribute(name: str) -> str:
    """`exclusive_minimum` as attributes write it: `exclusiveMinimum`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _rules(contract: Contract) -> list[dict[str, str]]:
    return [{"name": rule.name, "expression": rule.expression} for rule in contract.rules]


def _wire_relevant(contract: Contract) -> dict[str, Any]:
    relevant = {
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
    if contract.rules:
        # Left out where there are none: the hashes of contracts from before there were rules stay as they are.
        relevant["rules"] = _rules(contract)
    return relevant
