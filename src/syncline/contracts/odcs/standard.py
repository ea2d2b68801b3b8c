"""The Open Data Contract Standard's own JSON Schema, and its errors as problems with a remedy each."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from syncline.contracts.nearest import nearest, nearest_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

    from syncline.contracts.odcs.located import Findings, Path

API_VERSION = "v3.2.0"
_ANY_ITEM = {"logicalType": "string"}
_IN_OPTIONS = "Write it under `logicalTypeOptions`"
_ELSEWHERE = {
    "unit": "Write `customProperties: [{property: unit, value: ...}]`",
    "default": "Write `customProperties: [{property: syncline.default, value: ...}]`",
    "nullable": "Write `required: false` where null is allowed, else `required: true`",
    "type": "Write `logicalType`",
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern"),
        _IN_OPTIONS,
    ),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems", "dimensions"), _IN_OPTIONS),
}
_FLOATING = "`logicalType: number, physicalType: {}`"
_MEANT = {
    "datetime": "`logicalType: timestamp`",
    "int": "`logicalType: integer, physicalType: int`",
    "long": "`logicalType: integer`",
    "bigint": "`logicalType: integer`",
    "float": _FLOATING.format("float"),
    "double": _FLOATING.format("double"),
    "decimal": _FLOATING.format("double"),
    "str": "`logicalType: string`",
    "text": "`logicalType: string`",
    "varchar": "`logicalType: string`",
    "bool": "`logicalType: boolean`",
    "list": "`logicalType: array`",
    "embedding": "`logicalType: vector`",
    "enum": "`logicalType: string`, with the allowed values under `enum`",
}
"""What is meant by the names that other systems give to types."""
_UNKNOWN_KEY_KEYWORDS = ("additionalProperties", "unevaluatedProperties")


def find_standard_problems(document: Mapping[str, Any], findings: Findings) -> None:
    """Add every place where `document` is not what ODCS v3.2.0 says."""
    validator, schema = _standard()
    for error in validator.iter_errors(_shallow(document)):
        for leaf in _leaves(error):
            _add(leaf, schema, findings)


def _shallow(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what is nested twice inside a property, which no contract may say anyway.

    The standard's schema takes time exponential in that depth: 20 s for eight lists in each other.
    """
    objects = document.get("schema")
    return (
        {**document, "schema": [_of_object(each) for each in objects]}
        if isinstance(objects, list)
        else {**document}
    )


def _of_object(schema: object) -> object:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, list):
        return schema
    return {**schema, "properties": [_cut(each, deepest=1) for each in properties]}


def _cut(node: object, *, deepest: int) -> object:
    """The property or item with at most `deepest` levels of items inside it."""
    if not isinstance(node, dict):
        return node
    result = dict(node)
    for key, inside in node.items():
        if key == "properties" and isinstance(inside, list):
            result[key] = []
        elif key == "items" and isinstance(inside, dict):
            result[key] = _cut(inside, deepest=deepest - 1) if deepest else dict(_ANY_ITEM)
        elif key == "map" and isinstance(inside, dict):
            result[key] = {
                part: (_cut(item, deepest=deepest - 1) if deepest else dict(_ANY_ITEM))
                for part, item in inside.items()
            }
    return result


@lru_cache(maxsize=1)
def _standard() -> tuple[Validator, dict[str, Any]]:
    # Imported when first needed: an agent that only reads rows never pays for jsonschema.
    from jsonschema import Draft201909Validator  # noqa: PLC0415  see above

    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    return Draft201909Validator(schema), schema


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that say most: inside `oneOf`/`anyOf`, those of the branch that fits best by depth."""
    if not error.context:
        yield error
        return
    by_branch: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        by_branch.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [
        branch
        for branch in by_branch.values()
        if not any(inner.validator == "type" and not inner.path for inner in branch)
    ]
    if len(fitting) != 1:
        yield error
        return
    for inner in fitting[0]:
        yield from _leaves(inner)


def _add(error: ValidationError, schema: dict[str, Any], findings: Findings) -> None:
    path: Path = tuple(error.absolute_path)
    if error.validator in _UNKNOWN_KEY_KEYWORDS and isinstance(error.instance, dict):
        # A branch that fails for another reason makes the validator call its keys unknown: judge by names alone.
        known = set(_property_names(error.schema, schema, frozenset()))
        for key in error.instance:
            if key not in known:
                remedy = _elsewhere(str(key), path) or nearest(str(key), known)
                findings.add((*path, str(key)), "unknown-key", f"ODCS has no `{key}` here", remedy)
        return
    if error.validator == "required" and isinstance(error.instance, dict):
        names: Any = error.validator_value
        if names == ["map"] and "logicalType" not in error.instance:
            return  # the standard's schema takes a property without a type for one of every type
        for name in names:
            if name not in error.instance:
                findings.add(path, f"missing-{name}", f"`{name}` is missing", f"State `{name}`")
        return
    message, remedy = _sentence(error)
    findings.add(path, "odcs", message, remedy)


def _sentence(error: ValidationError) -> tuple[str, str]:
    value = _short(error.instance)
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            kind = wanted if isinstance(wanted, str) else " or ".join(wanted)
            return f"{value} is no {kind}", _type_remedy(error.instance, kind)
        case "enum" | "const":
            allowed = [str(word) for word in (wanted if error.validator == "enum" else [wanted])]
            words = ", ".join(allowed)
            if isinstance(error.instance, str) and error.validator == "enum":
                meant = _MEANT.get(error.instance.lower()) if "vector" in allowed else None
                if meant is not None:
                    return f"{value} is not allowed", f"Write {meant}"
                return f"{value} is not allowed", nearest_word(error.instance, allowed)
            return f"{value} is not allowed", f"Write one of: {words}"
        case "oneOf" if tuple(error.absolute_path) == ("team",) and isinstance(error.instance, str):
            return f"{value} is no team", f"Write `team: {{name: {error.instance[:40]}}}`"
        case _:
            return (
                f"{value} breaks ODCS's rule `{error.validator}`",
                f"See {API_VERSION}: {_short(error.message)}",
            )


def _elsewhere(key: str, path: Path) -> str | None:
    """Where what people write beside a property's name stands in a contract; None for any other key."""
    if len(path) != len(("schema", 0, "properties", 0)):
        return None
    return _ELSEWHERE.get(key)


def _type_remedy(value: object, kind: str) -> str:
    if kind == "string" and isinstance(value, int | float):
        return "Put it in quotes"
    if kind in ("number", "integer", "boolean") and isinstance(value, str):
        word = "true or false" if kind == "boolean" else f"{_with_article(kind)}"
        return f"Write {word}, without quotes"
    if kind == "object":
        return "Write `name: value` pairs, as `{value: ...}`"
    return f"Write {_with_article(kind)}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004  as long as a line of a terminal


def _property_names(node: object, root: dict[str, Any], seen: frozenset[str]) -> Iterator[str]:
    """The names that a schema mentions for the object at its own level, through references and branches."""
    if not isinstance(node, dict):
        return
    yield from node.get("properties", {})
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and reference not in seen:
        target: Any = root
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        yield from _property_names(target, root, seen | {reference})
    for keyword in ("if", "then", "else"):
        yield from _property_names(node.get(keyword), root, seen)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in node.get(keyword, ()):
            yield from _property_names(branch, root, seen)
