"""The fields of a record as its bytes lay them out, read from an Avro schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from syncline.contracts.codec.safe_schema import refuse_unsafe
from syncline.contracts.model import FeatureType
from syncline.errors import WireError


@dataclass(frozen=True, slots=True)
class WireField:
    """One field: its type, where null stands in its union (None: not nullable), and what is inside it."""

    name: str
    type: FeatureType
    """A scalar, LIST or MAP: a vector is a list on the wire."""
    null_branch: int | None = None
    item: FeatureType | None = None
    """The scalar type of a list's items or a map's values; None for scalars."""

    @property
    def value_branch(self) -> int:
        """The union index of the value itself; only meaningful for a nullable field."""
        return 0 if self.null_branch == 1 else 1


def wire_fields(schema: str | dict[str, Any]) -> tuple[WireField, ...]:
    """The fields of a record schema, in wire order.

    Raises:
        WireError: the schema is no JSON, or not safe to decode; the message says why.
    """
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError) as error:
            raise WireError(f"the schema is no JSON: {error}") from None
    reasons = refuse_unsafe(schema)
    if reasons:
        raise WireError(f"the schema is refused: {'; '.join(reasons)}")
    assert isinstance(schema, dict)
    fields = tuple(_field(field) for field in schema["fields"])
    if len({field.name for field in fields}) != len(fields):
        raise WireError("the schema is refused: two fields have the same name")
    return fields


def _field(field: dict[str, Any]) -> WireField:
    kind = field["type"]
    null_branch = kind.index("null") if isinstance(kind, list) else None
    if isinstance(kind, list):
        kind = kind[1 - kind.index("null")]
    if isinstance(kind, dict) and kind["type"] in _INSIDES:
        nested, attribute = _INSIDES[kind["type"]]
        return WireField(field["name"], nested, null_branch, _scalar(kind[attribute]))
    return WireField(field["name"], _scalar(kind), null_branch)


def _scalar(kind: str | dict[str, Any]) -> FeatureType:
    if isinstance(kind, str):
        return FeatureType(kind)
    logical = kind.get("logicalType")
    return FeatureType(kind["type"]) if logical is None else _LOGICAL_TYPES[logical]


_LOGICAL_TYPES = {"timestamp-micros": FeatureType.TIMESTAMP, "date": FeatureType.DATE}
_INSIDES = {"array": (FeatureType.LIST, "items"), "map": (FeatureType.MAP, "values")}
"""What each nested Avro type is, and where it says what is inside."""
