"""The Avro schemas of our own records: the files under `schemas/`, joined by name."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def load_schema(*paths: str) -> dict[str, Any]:
    """The schema of the last path, with the named types of the earlier ones put in where it names them first."""
    root = resources.files("syncline") / "schemas"
    loaded = [json.loads((root / path).read_text("utf-8")) for path in paths]
    known = {f"{schema['namespace']}.{schema['name']}": schema for schema in loaded[:-1]}
    joined = _inline(loaded[-1], known)
    if not isinstance(joined, dict):
        raise TypeError(f"{paths[-1]} is not a record")
    return joined


def _inline(schema: Any, known: dict[str, Any]) -> Any:  # noqa: ANN401 - an Avro schema is any JSON
    """The schema with the first mention of each known name replaced by its definition."""
    if isinstance(schema, str):
        found = known.pop(schema, None)
        return schema if found is None else _inline(found, known)
    if isinstance(schema, list):
        return [_inline(branch, known) for branch in schema]
    if isinstance(schema, dict):
        return {
            name: _inline(value, known) if name in ("type", "items", "values", "fields") else value
            for name, value in schema.items()
        }
    return schema
