"""A property as a feature: its type, what it may hold, its default and its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.contracts.model import Feature, FeatureType, Item
from syncline.contracts.odcs.custom import FEATURE_SETTINGS
from syncline.contracts.odcs.defaults import with_default
from syncline.contracts.odcs.items import read_inside
from syncline.contracts.odcs.scalars import SCALAR_TYPES, scalar_limits, scalar_type, settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.odcs.located import Path
    from syncline.contracts.odcs.property_node import PropertyNode

    Settings = Mapping[str, tuple[Any, Path]]

_NESTED: dict[str, tuple[FeatureType, tuple[str, ...], str]] = {
    # logicalType → type, the physical types that carry it, the key that says what is inside
    "array": (FeatureType.LIST, ("array", "list"), "items"),
    "map": (FeatureType.MAP, ("map",), "map"),
    "vector": (FeatureType.VECTOR, ("array", "list", "vector"), ""),
}
FEATURE_TYPES = (*SCALAR_TYPES, *_NESTED)
"""Every `logicalType` that a feature can have."""
_REFUSED_TYPES = {
    "object": "Make each of its properties a feature of its own, or write a map",
    "time": "Write an integer with a unit, such as the seconds since midnight",
}


def read_feature(node: PropertyNode, name: str | None) -> Feature | None:
    """A feature with all its limits, or None where one of them cannot be understood."""
    if name is not None and "__" in name:
        node.add("name", "name", "`__` separates alias and feature in model inputs", "Use a single `_`")
    if node.item.get("primaryKeyPosition", -1) != -1:
        node.add(
            "primaryKeyPosition", "key-position", "it is no join key", "Add `primaryKey: true`, or remove it"
        )
    if node.item.get("unique") is True:
        remedy = "Remove it, or make it the join key: no message can tell whether others have the same value"
        node.refuse(("unique",), "uniqueness of a feature", remedy)
    settings = node.custom(FEATURE_SETTINGS, "a feature")
    kind = _type(node)
    if kind is None:
        return None
    unit = _unit(node, settings)
    redact = _flag(node, settings, "syncline.redact", default=False)
    held = _nested(node, kind, settings) if kind.is_nested else _scalar(node, kind, settings)
    if name is None or held is None:
        return None
    feature = Feature(
        name=name,
        type=kind,
        required=node.item.get("required") is not False,
        unit=unit,
        redact=redact,
        description=node.description(),
        **held,
    )
    if "syncline.default" not in settings:
        return feature
    return with_default(node, feature, settings["syncline.default"])


def _type(node: PropertyNode) -> FeatureType | None:
    logical = node.item.get("logicalType")
    if logical is None:
        node.add(
            "logicalType", "type-unstated", "no type is stated", f"Write one of: {', '.join(FEATURE_TYPES)}"
        )
        return None
    if not isinstance(logical, str) or logical not in FEATURE_TYPES:
        remedy = _REFUSED_TYPES.get(str(logical), f"Write one of: {', '.join(FEATURE_TYPES)}")
        node.refuse(("logicalType",), f"a feature of type {logical!r:.40}", remedy)
        return None
    inside = _NESTED[logical][2] if logical in _NESTED else None
    for key in ("items", "map", "properties"):
        if key in node.item and key != inside:
            node.add(
                key,
                "misplaced",
                f"`{key}` says nothing about the logicalType {logical}",
                "Remove one of both",
            )
    if logical in SCALAR_TYPES:
        return scalar_type(node)
    kind, physicals, _ = _NESTED[logical]
    physical = node.item.get("physicalType", physicals[0])
    if physical not in physicals:
        remedy = f"Write `{physicals[0]}`, or remove it"
        node.add("physicalType", "physical-type", f"{physical!r:.40} does not carry a {logical}", remedy)
    return kind


def _scalar(node: PropertyNode, kind: FeatureType, settings: Settings) -> dict[str, Any]:
    for name in ("syncline.itemMinimum", "syncline.itemMaximum"):
        if name in settings:
            limit = name.removeprefix("syncline.item").lower()
            remedy = f"Write `{limit}` under `logicalTypeOptions`"
            node.findings.add(settings[name][1], "misplaced", f"a {kind} has no items", remedy)
    finite = _finite(node, settings, kind)
    item = settled(node, Item(kind, finite=finite, **scalar_limits(node, kind)))
    return {
        "minimum": item.minimum,
        "maximum": item.maximum,
        "exclusive_minimum": item.exclusive_minimum,
        "exclusive_maximum": item.exclusive_maximum,
        "allowed": item.allowed,
        "finite": item.finite,
        "min_length": item.min_length,
        "max_length": item.max_length,
        "pattern": item.pattern,
    }


def _nested(node: PropertyNode, kind: FeatureType, settings: Settings) -> dict[str, Any] | None:
    finite = _flag(node, settings, "syncline.finite", default=True)
    inside = read_inside(node, kind, settings, finite=finite)
    if inside is None:
        return None
    if not inside.item.type.is_floating:
        _finite(node, settings, inside.item.type)
    return {
        "item": inside.item,
        "min_items": inside.min_items,
        "max_items": inside.max_items,
        "unique_items": inside.unique_items,
        "dimensions": inside.dimensions,
        "embedding_model": inside.embedding_model,
    }


def _finite(node: PropertyNode, settings: Settings, kind: FeatureType) -> bool:
    if "syncline.finite" in settings and not kind.is_floating:
        path = settings["syncline.finite"][1]
        node.findings.add(path, "finite", f"a {kind} is always finite", "Remove `syncline.finite`")
    return _flag(node, settings, "syncline.finite", default=True)


def _unit(node: PropertyNode, settings: Settings) -> str | None:
    value, path = settings.get("unit", (None, ()))
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    node.findings.add(path, "unit", f"{value!r:.40} is no unit", "Write a text such as `min`")
    return None


def _flag(node: PropertyNode, settings: Settings, name: str, *, default: bool) -> bool:
    value, path = settings.get(name, (default, ()))
    if isinstance(value, bool):
        return value
    node.findings.add(path, "flag", f"{value!r:.40} is neither true nor false", "Write true or false")
    return default
