"""Which Avro schemas are safe to decode: decoders trust a schema, and some schemas turn few bytes into any amount.

Specification: Apache Avro 1.12, "Schema Declaration".
"""

from __future__ import annotations

from typing import Any

from syncline.contracts.model import FeatureType

_PRIMITIVES = frozenset(kind.value for kind in FeatureType if not (kind.is_moment or kind.is_nested))
_LOGICAL_TYPES = {"timestamp-micros": "long", "date": "int"}
"""Each logical type that a contract can state, and the primitive that carries it."""
_DEEPEST = 50
_NULL_AND_VALUE = 2


def refuse_unsafe(schema: object) -> list[str]:
    """Why a schema must not be decoded; empty when it is safe.

    Refused are recursion, arrays and maps whose items take no bytes (few bytes would then decode to any number of
    items), and whatever is not a record of the types that a contract can state.
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
    """Whether a field of this Avro type can be decoded here.

    That is a scalar (date and timestamp-micros among them), an array or map of scalars, or one of them or null.
    """
    if isinstance(kind, list):
        nullable = len(kind) == _NULL_AND_VALUE and kind.count("null") == 1
        return nullable and all(branch == "null" or _is_value(branch) for branch in kind)
    return _is_value(kind)


def _is_value(kind: object) -> bool:
    if isinstance(kind, dict) and kind.get("type") in ("array", "map"):
        inside = kind.get("items" if kind["type"] == "array" else "values")
        return "logicalType" not in kind and _is_scalar(inside)
    return _is_scalar(kind)


def _is_scalar(kind: object) -> bool:
    if isinstance(kind, dict):
        primitive, logical = kind.get("type"), kind.get("logicalType")
        return (
            isinstance(primitive, str)
            and primitive in _PRIMITIVES
            and (logical is None or (isinstance(logical, str) and _LOGICAL_TYPES.get(logical) == primitive))
        )
    return isinstance(kind, str) and kind in _PRIMITIVES


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
