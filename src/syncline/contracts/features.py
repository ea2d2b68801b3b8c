"""A property as a feature: its type, every limit on it, its default and its unit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncline.contracts.custom import FEATURE_SETTINGS
from syncline.contracts.limits import INTEGER_RANGES, LARGEST, as_float32, closed_range
from syncline.contracts.model import Feature, FeatureType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.located import Path
    from syncline.contracts.property_node import PropertyNode

_LIMITS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_TYPES: dict[str, dict[str, FeatureType]] = {
    # logicalType → physicalType → type; the first physicalType is the one taken when none is stated.
    "number": {"double": FeatureType.DOUBLE, "float": FeatureType.FLOAT},
    "integer": {"long": FeatureType.LONG, "int": FeatureType.INT},
    "string": {"string": FeatureType.STRING},
    "boolean": {"boolean": FeatureType.BOOLEAN},
}
_FORMATS = {"f64": "double", "f32": "float", "i64": "long", "i32": "int"}


def read_feature(node: PropertyNode, name: str | None) -> Feature | None:
    """A feature with all its limits, or None where one of them cannot be understood."""
    if name is not None and "__" in name:
        node.add("name", "name", "`__` separates alias and feature in model inputs", "Use a single `_`")
    if node.item.get("primaryKeyPosition", -1) != -1:
        node.add(
            "primaryKeyPosition",
            "key-position",
            "it is no join key",
            "Add `primaryKey: true`, or remove it",
        )
    if node.item.get("unique") is True:
        node.not_yet(("unique",), "uniqueness of a feature")
    settings = node.custom(FEATURE_SETTINGS, "a feature")
    kind = _type(node)
    if kind is None or name is None:
        return None
    feature = Feature(
        name=name,
        type=kind,
        required=node.item.get("required") is not False,
        allowed=_allowed(node, kind),
        finite=_flag(node, settings, "syncline.finite", default=True),
        unit=_unit(node, settings),
        redact=_flag(node, settings, "syncline.redact", default=False),
        description=node.description(),
        **_limits(node, kind),
    )
    if "syncline.finite" in settings and not kind.is_floating:
        node.findings.add(
            settings["syncline.finite"][1],
            "finite",
            f"a {kind} is always finite",
            "Remove `syncline.finite`",
        )
    bounds = closed_range(feature)
    if bounds is not None and bounds[0] > bounds[1]:
        node.add(
            "logicalTypeOptions",
            "empty-range",
            "no value keeps all its limits",
            "Correct minimum and maximum",
        )
    return _with_default(node, feature, settings)


def _with_default(
    node: PropertyNode, feature: Feature, settings: Mapping[str, tuple[Any, Path]]
) -> Feature | None:
    if "syncline.default" not in settings:
        return feature
    value, path = settings["syncline.default"]
    wrong = None
    if value is None:
        wrong = "null is no value of a required feature" if feature.required else None
    else:
        value, wrong = _fit(value, feature.type)
        if wrong is None:
            bounds = closed_range(feature)
            if bounds is not None and not bounds[0] <= value <= bounds[1]:
                wrong = f"{value} breaks its own limits"
            elif feature.allowed is not None and value not in feature.allowed:
                wrong = f"{value!r:.60} is none of its allowed values"
    if wrong is not None:
        node.findings.add(path, "default", wrong, "Give a default that the contract allows, or none")
        return None
    return replace(feature, has_default=True, default=value)


def _type(node: PropertyNode) -> FeatureType | None:
    logical = node.item.get("logicalType")
    if logical is None:
        node.add("logicalType", "type-unstated", "no type is stated", f"Write one of: {', '.join(_TYPES)}")
        return None
    if not isinstance(logical, str) or logical not in _TYPES:
        node.not_yet(("logicalType",), f"a feature of type {logical!r:.40}")
        return None
    physical = node.item.get("physicalType")
    by_format = _FORMATS.get(str(node.options().get("format")))
    if physical is None:
        physical = by_format
    elif by_format is not None and by_format != physical:
        node.add(
            "physicalType",
            "physical-type",
            "it contradicts the `format`",
            f"Write `{by_format}`, or one of both",
        )
    types = _TYPES[logical]
    if physical is None:
        return next(iter(types.values()))
    if not isinstance(physical, str) or physical not in types:
        node.add(
            "physicalType",
            "physical-type",
            f"{physical!r:.40} does not carry a {logical}",
            f"Write one of: {', '.join(types)}",
        )
        return None
    return types[physical]


def _limits(node: PropertyNode, kind: FeatureType) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for option, value in node.options().items():
        if option == "format" and isinstance(value, str) and value in _FORMATS and kind.is_number:
            continue
        if option not in _LIMITS or not kind.is_number:
            node.not_yet(("logicalTypeOptions", option), f"`{option}: {value!r:.40}` of a {kind}")
            continue
        fitted, wrong = _fit(value, kind, whole_floats=True)
        if wrong is not None:
            node.findings.add(
                (*node.path, "logicalTypeOptions", option), "limit-type", wrong, "Correct the limit"
            )
        else:
            limits[_LIMITS[option]] = fitted
    return limits


def _allowed(node: PropertyNode, kind: FeatureType) -> tuple[str, ...] | tuple[int, ...] | None:
    if "enum" not in node.item:
        return None
    if kind is not FeatureType.STRING and kind not in INTEGER_RANGES:
        node.not_yet(("enum",), f"allowed values of a {kind}")
        return None
    values: list[Any] = []
    for number, entry in enumerate(node.listed("enum")):
        value = entry.get("value") if isinstance(entry, dict) else None
        value, wrong = _fit(value, kind)
        if wrong is None and value in values:
            wrong = f"{value!r:.40} stands here twice"
        if wrong is None:
            values.append(value)
        else:
            node.findings.add((*node.path, "enum", number), "enum", wrong, f"Write each {kind} once")
    return tuple(values) or None


def _unit(node: PropertyNode, settings: Mapping[str, tuple[Any, Path]]) -> str | None:
    value, path = settings.get("unit", (None, ()))
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    node.findings.add(path, "unit", f"{value!r:.40} is no unit", "Write a text such as `min`")
    return None


def _flag(node: PropertyNode, settings: Mapping[str, tuple[Any, Path]], name: str, *, default: bool) -> bool:
    value, path = settings.get(name, (default, ()))
    if isinstance(value, bool):
        return value
    node.findings.add(path, "flag", f"{value!r:.40} is neither true nor false", "Write true or false")
    return default


def _fit(value: object, kind: FeatureType, *, whole_floats: bool = False) -> tuple[Any, str | None]:
    """The value as the type holds it, or the sentence that says why it does not."""
    if kind is FeatureType.BOOLEAN or kind is FeatureType.STRING:
        wanted = bool if kind is FeatureType.BOOLEAN else str
        return value, None if isinstance(value, wanted) else f"{value!r:.60} is no {kind}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        return value, f"{value!r:.60} is no finite number"
    if kind in INTEGER_RANGES:
        if isinstance(value, float) and not (whole_floats and value.is_integer()):
            return value, f"{value} is no whole number"
        lowest, highest = INTEGER_RANGES[kind]
        return int(value), None if lowest <= value <= highest else f"{value} does not fit a {kind}"
    fitted = as_float32(value) if kind is FeatureType.FLOAT else float(value)
    return fitted, None if abs(fitted) <= LARGEST[kind] else f"{value} does not fit a {kind}"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
