"""A contract as JSON Schema (draft 2020-12), for tools that know no Avro: rows in JSON form.

Days and moments are ISO texts. What JSON Schema has no word for (limits of moments, units, rules between features)
stands beside it as `x-syncline-…`; what it would judge otherwise is said in the descriptions.
Specification: JSON Schema 2020-12, "Validation".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.contracts.codec.avro import contract_hash
from syncline.contracts.forms.ecma_pattern import ecma_pattern
from syncline.contracts.limits import INTEGER_RANGES, LARGEST_FLOAT
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature, Item, JoinKey, Value

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LIMITS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusive_minimum": "exclusiveMinimum",
    "exclusive_maximum": "exclusiveMaximum",
}
_DATE = {
    "type": "string",
    "format": "date",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
}
_TIMESTAMP = {
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$",
}
_TYPES: dict[FeatureType, dict[str, Any]] = {
    FeatureType.BOOLEAN: {"type": "boolean"},
    FeatureType.INT: {"type": "integer"},
    FeatureType.LONG: {"type": "integer"},
    FeatureType.FLOAT: {"type": "number"},
    FeatureType.DOUBLE: {"type": "number"},
    FeatureType.STRING: {"type": "string"},
    FeatureType.DATE: _DATE,
    FeatureType.TIMESTAMP: _TIMESTAMP,
}


def json_schema(contract: Contract) -> dict[str, Any]:
    """The schema of one row: join keys, event time and features; omitted features with a default take it."""
    properties = {key.name: _key(key) for key in contract.keys}
    properties[contract.event_time] = {
        "description": "When it happened.",
        **_TIMESTAMP,
    }
    properties |= {feature.name: _feature(feature) for feature in contract.features}
    required = [*(key.name for key in contract.keys), contract.event_time]
    required += [feature.name for feature in contract.features if not feature.has_default]
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:syncline:contract:{contract.view}:{contract.version}",
        "title": contract.reference,
    }
    if contract.description:
        schema["description"] = contract.description
    schema |= {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "x-syncline-contract": contract.view,
        "x-syncline-version": str(contract.version),
        "x-syncline-hash": contract_hash(contract),
    }
    if contract.rules:
        schema["x-syncline-rules"] = [
            {
                "name": rule.name,
                "expression": rule.expression,
                **({"description": rule.description} if rule.description else {}),
            }
            for rule in contract.rules
        ]
    return schema


def _key(key: JoinKey) -> dict[str, Any]:
    schema = dict(_TYPES[key.type])
    if key.type is FeatureType.STRING:
        schema["minLength"] = 1
    else:
        schema["minimum"], schema["maximum"] = INTEGER_RANGES[key.type]
    return {**({"description": key.description} if key.description else {}), **schema}


def _feature(feature: Feature) -> dict[str, Any]:
    schema = _nested(feature) if feature.type.is_nested else _scalar(feature)
    notes = [feature.description, _note(feature)]
    if not feature.required:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if feature.has_default:
        schema["default"] = json_value(feature, feature.default)
    if any(notes):
        schema = {"description": " ".join(note for note in notes if note), **schema}
    if feature.unit is not None:
        schema["x-syncline-unit"] = feature.unit
    if feature.redact:
        schema["x-syncline-redact"] = True
    if feature.embedding_model is not None:
        schema["x-syncline-embedding-model"] = feature.embedding_model
    return schema


def _nested(feature: Feature) -> dict[str, Any]:
    assert feature.item is not None
    inside = _scalar(feature.item)
    note = _note(feature.item)
    if note:
        inside["description"] = note
    low, high = feature.min_items, feature.max_items
    if feature.type is FeatureType.VECTOR:
        low = high = feature.dimensions
    if feature.type is FeatureType.MAP:
        words = ("minProperties", "maxProperties")
        schema: dict[str, Any] = {"type": "object", "additionalProperties": inside}
    else:
        words = ("minItems", "maxItems")
        schema = {"type": "array", "items": inside}
    schema |= {word: count for word, count in zip(words, (low, high), strict=True) if count is not None}
    if feature.unique_items:
        schema["uniqueItems"] = True
    return schema


def _scalar(limited: Feature | Item) -> dict[str, Any]:
    schema = dict(_TYPES[limited.type]) | _range(limited)
    if limited.allowed is not None:
        schema["enum"] = [_json_scalar(limited.type, value) for value in limited.allowed]
    for word, length in (("minLength", limited.min_length), ("maxLength", limited.max_length)):
        if length is not None:
            schema[word] = length
    if limited.pattern is not None:
        portable = ecma_pattern(limited.pattern)
        if portable is not None:
            schema["pattern"] = portable
        if portable != limited.pattern:
            schema["x-syncline-pattern"] = limited.pattern
    return schema


def _range(limited: Feature | Item) -> dict[str, Any]:
    kind = limited.type
    schema: dict[str, Any] = {}
    if kind in (FeatureType.INT, FeatureType.LONG):
        schema["minimum"], schema["maximum"] = INTEGER_RANGES[kind]
    elif kind is FeatureType.FLOAT:
        schema = {"minimum": -LARGEST_FLOAT, "maximum": LARGEST_FLOAT, "x-syncline-precision": "32 bits"}
    for attribute, word in _LIMITS.items():
        limit = getattr(limited, attribute)
        if limit is not None and kind.is_moment:
            schema[f"x-syncline-{attribute.replace('_', '-')}"] = _json_scalar(kind, limit)
        elif limit is not None:
            schema[word] = limit
    return schema


def _note(limited: Feature | Item) -> str:
    """What the schema cannot say of the values themselves."""
    if limited.type.is_floating and not limited.finite:
        return "NaN and infinities are allowed, which JSON cannot write."
    if limited.type is FeatureType.DATE:
        return "A day of the years 1 to 9999, as 2027-03-01."
    if limited.type is FeatureType.TIMESTAMP:
        return "A moment of the years 1 to 9999 with a zone, as 2027-03-01T12:00:00Z."
    return ""


def json_value(feature: Feature, value: Value) -> Any:  # noqa: ANN401  JSON data
    """A value of a checked row in JSON form: days and moments as ISO texts."""
    if feature.item is None:
        return _json_scalar(feature.type, value)
    if isinstance(value, list):
        return [_json_scalar(feature.item.type, item) for item in value]
    if isinstance(value, dict):
        return {name: _json_scalar(feature.item.type, item) for name, item in value.items()}
    return value


def _json_scalar(kind: FeatureType, value: Any) -> Any:  # noqa: ANN401  of the type `kind`, or null
    return format_moment(value, kind) if kind.is_moment and value is not None else value
