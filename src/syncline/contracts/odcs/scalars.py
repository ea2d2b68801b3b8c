"""A scalar as properties state it, and the items of lists and maps: its type, and every limit on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncline.contracts.limits import INTEGER_RANGES, closed_range
from syncline.contracts.model import FeatureType, Item
from syncline.contracts.odcs.values import count, fit, why_broken

if TYPE_CHECKING:
    from syncline.contracts.odcs.property_node import PropertyNode

SCALAR_TYPES: dict[str, dict[str, FeatureType]] = {
    # logicalType → physicalType → type; the first physicalType is the one taken when none is stated.
    "number": {"double": FeatureType.DOUBLE, "float": FeatureType.FLOAT},
    "integer": {"long": FeatureType.LONG, "int": FeatureType.INT},
    "string": {"string": FeatureType.STRING},
    "boolean": {"boolean": FeatureType.BOOLEAN},
    "date": {"date": FeatureType.DATE},
    "timestamp": {"timestamp-micros": FeatureType.TIMESTAMP, "timestamp": FeatureType.TIMESTAMP},
}
_ORDER = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_LENGTHS = {"minLength": "min_length", "maxLength": "max_length"}
_FORMATS = {"f64": "double", "f32": "float", "i64": "long", "i32": "int"}
_OTHER_FORMATS = {
    "i8": "Write `physicalType: int` with `minimum: -128, maximum: 127`",
    "i16": "Write `physicalType: int` with `minimum: -32768, maximum: 32767`",
    "u8": "Write `physicalType: int` with `minimum: 0, maximum: 255`",
    "u16": "Write `physicalType: int` with `minimum: 0, maximum: 65535`",
    "u32": "Write `physicalType: long` with `minimum: 0, maximum: 4294967295`",
}
_OPTION_REMEDIES = {
    "multipleOf": "State it as a rule in CEL under `quality`, such as `f % 5 == 0` for a whole number",
    "minItems": "State it on a list or a map",
    "maxItems": "State it on a list or a map",
    "uniqueItems": "State it on a list",
    "dimensions": "State it on a vector",
}
_PHYSICAL_REMEDIES = {
    "decimal": "Write double, or an integer in the smallest unit, such as cents",
    "numeric": "Write double, or an integer in the smallest unit, such as cents",
    "bytes": "Write a string (in Base64), or a vector",
}
_UTC = ("UTC", "Etc/UTC", "Z")


def scalar_type(node: PropertyNode) -> FeatureType | None:
    """The type of a scalar whose `logicalType` is in `SCALAR_TYPES`; None where the physical type is none of its."""
    logical = str(node.item["logicalType"])
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
    types = SCALAR_TYPES[logical]
    if physical is None:
        return next(iter(types.values()))
    if not isinstance(physical, str) or physical not in types:
        base = str(physical).lower().partition("(")[0].strip()
        remedy = _PHYSICAL_REMEDIES.get(base, f"Write one of: {', '.join(types)}")
        node.add("physicalType", "physical-type", f"{physical!r:.40} does not carry a {logical}", remedy)
        return None
    return types[physical]


def scalar_limits(node: PropertyNode, kind: FeatureType) -> dict[str, Any]:
    """The limits under `logicalTypeOptions`, by their names in `Item` and `Feature`; other options are refused."""
    limits: dict[str, Any] = {}
    for option, value in node.options().items():
        if option in _ORDER and kind.is_ordered:
            fitted, wrong = fit(value, kind, whole_floats=True)
            name = _ORDER[option]
        elif option in _LENGTHS and kind is FeatureType.STRING:
            fitted, wrong = count(value)
            name = _LENGTHS[option]
        elif option == "pattern" and kind is FeatureType.STRING:
            _read_pattern(node, value, limits)
            continue
        else:
            _check_option(node, option, value, kind)
            continue
        if wrong is None:
            limits[name] = fitted
        else:
            node.option_problem(option, "limit-type", wrong, "Correct the limit")
    return limits


def settled(node: PropertyNode, item: Item) -> Item:
    """The item with its allowed values (`enum`); contradictions between its limits are noted."""
    bounds = closed_range(item)
    if bounds is not None and bounds[0] > bounds[1]:
        node.add(
            "logicalTypeOptions",
            "empty-range",
            "no value keeps all its limits",
            "Correct minimum and maximum",
        )
    if item.min_length is not None and item.max_length is not None and item.min_length > item.max_length:
        node.add(
            "logicalTypeOptions",
            "empty-range",
            f"no text has at least {item.min_length} and at most {item.max_length} characters",
            "Correct minLength and maxLength",
        )
    return _with_allowed(node, item)


def _with_allowed(node: PropertyNode, item: Item) -> Item:
    if "enum" not in node.item:
        return item
    kind = item.type
    if kind is not FeatureType.STRING and kind not in INTEGER_RANGES:
        remedy = "State two features, or none" if kind is FeatureType.BOOLEAN else "State minimum and maximum"
        node.refuse(("enum",), f"a list of allowed values of a {kind}", remedy)
        return item
    values: list[Any] = []
    for number, entry in enumerate(node.listed("enum")):
        value, wrong = fit(entry.get("value") if isinstance(entry, dict) else None, kind)
        if wrong is None and value in values:
            wrong = f"{entry['value']!r:.40} stands here twice"
        rule, remedy = "enum", f"Write each {kind} once"
        if wrong is None:
            wrong = why_broken(value, item)
            rule, remedy = "enum-limit", "Correct the value or the limit"
        if wrong is None:
            values.append(value)
        else:
            node.findings.add((*node.path, "enum", number), rule, wrong, remedy)
    return replace(item, allowed=tuple(values)) if values else item


def _read_pattern(node: PropertyNode, value: object, limits: dict[str, Any]) -> None:
    # Imported here: only a contract with a pattern needs the engine.
    from syncline.contracts.checks.patterns import compile_pattern  # noqa: PLC0415  see above

    if not isinstance(value, str) or not value:
        node.option_problem(
            "pattern", "pattern", f"{value!r:.40} is no pattern", "Write a text, or remove it"
        )
        return
    try:
        compile_pattern(value)
    except ValueError as error:
        node.option_problem(
            "pattern", "pattern", str(error), "Write it in RE2's syntax, without what it names"
        )
    else:
        limits["pattern"] = value


def _check_option(node: PropertyNode, option: str, value: object, kind: FeatureType) -> None:
    """Refuse an option that is no limit here, unless it says what holds anyway."""
    stated = f"`{option}: {value!r:.40}` of a {kind}"
    place = ("logicalTypeOptions", option)
    if option == "format":
        if not (kind.is_number and isinstance(value, str) and value in _FORMATS):
            node.refuse(place, stated, _format_remedy(value, kind))
    elif kind is FeatureType.TIMESTAMP and option == "timezone":
        if value is not True:
            node.refuse(place, f"a timestamp without a zone ({stated})", "Remove it: a timestamp is a moment")
    elif kind is FeatureType.TIMESTAMP and option == "defaultTimezone":
        if value not in _UTC:
            node.refuse(place, stated, "Remove it: a timestamp is a moment, and every one states its zone")
    else:
        node.refuse(place, stated, _OPTION_REMEDIES.get(option, "Remove it"))


def _format_remedy(value: object, kind: FeatureType) -> str:
    if kind.is_number:
        other = "Write `physicalType: long` with minimum and maximum, or a string"
        return _OTHER_FORMATS.get(str(value), other)
    if kind.is_moment:
        return "Remove it: on the wire it is a number, and in this document ISO 8601"
    if value == "password":
        return "Remove it, and state `syncline.redact: true` under `customProperties`"
    return "State it as a `pattern`, or remove it"
