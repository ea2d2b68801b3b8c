"""The fields of a record as its bytes lay them out, read from an Avro schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from syncline.contracts.avro import refuse_unsafe
from syncline.contracts.model import FeatureType
from syncline.errors import WireError


@dataclass(frozen=True, slots=True)
class WireField:
    """One field: its type, where null stands in its union (None: not nullable), whether it is a timestamp."""

    name: str
    type: FeatureType
    null_branch: int | None = None
    is_timestamp: bool = False

    @property
    def value_branch(self) -> int:
        """The union index of the value itself; only meaningful for a nullable field."""
        return 0 if self.null_branch == 1 else 1


def wire_fields(schema: str | dict[str, Any]) -> tuple[WireField, ...]:
    """The fields of a flat record schema, in wire order.

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
    is_timestamp = isinstance(kind, dict) and kind.get("logicalType") == "timestamp-micros"
    return WireField(
        field["name"],
        FeatureType(kind["type"] if isinstance(kind, dict) else kind),
        null_branch,
        is_timestamp,
    )
