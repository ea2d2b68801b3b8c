"""What is inside a list, a map or a vector, as its property states it: the items' limits, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from syncline.contracts.limits import closed_range
from syncline.contracts.model import FeatureType, Item
from syncline.contracts.odcs.property_node import PropertyNode
from syncline.contracts.odcs.scalars import SCALAR_TYPES, scalar_limits, scalar_type, settled
from syncline.contracts.odcs.values import count, fit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.odcs.located import Path

    Settings = Mapping[str, tuple[Any, Path]]

MOST_DIMENSIONS = 65_536
_ELEMENTS = {"float32": FeatureType.FLOAT, "float64": FeatureType.DOUBLE}
_ADVISORY = ("distanceMetric", "normalized")
_ITEM_SETTINGS = {"syncline.itemMinimum": "minimum", "syncline.itemMaximum": "maximum"}
_COUNTS = {"minItems": "min_items", "maxItems": "max_items"}
_SCALARS = ", ".join(SCALAR_TYPES)
_FLATTEN = f"Flatten it: an item is one of {_SCALARS}"


@dataclass(frozen=True, slots=True)
class Inside:
    """What a list, map or vector holds; the names are those of `Feature`."""

    item: Item
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    dimensions: int | None = None
    embedding_model: str | None = None


def read_inside(node: PropertyNode, kind: FeatureType, settings: Settings, *, finite: bool) -> Inside | None:
    """What a list, map or vector holds; None where that cannot be understood."""
    if "enum" in node.item:
        node.refuse(("enum",), f"a list of allowed values of a {kind}", "State `enum` on its items")
    if kind is FeatureType.VECTOR:
        return _vector(node, settings, finite=finite)
    inner = _items(node) if kind is FeatureType.LIST else _map_values(node)
    item = _read_item(inner, settings, finite=finite) if inner is not None else None
    counts: dict[str, Any] = {}
    unique = False
    for option, value in node.options().items():
        if option in _COUNTS:
            number, wrong = count(value)
            if wrong is None:
                counts[_COUNTS[option]] = number
            else:
                node.option_problem(option, "limit-type", wrong, "Correct the limit")
        elif option == "uniqueItems" and kind is FeatureType.LIST:
            unique = _is_true(node, option, value)
        else:
            remedy = "Remove it: the keys of a map are unique" if option == "uniqueItems" else "Remove it"
            if option in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern"):
                remedy = "State it in the `logicalTypeOptions` of its items"
            node.refuse(("logicalTypeOptions", option), f"`{option}: {value!r:.40}` of a {kind}", remedy)
    if item is None:
        return None
    inside = Inside(item, unique_items=unique, **counts)
    _check_counts(node, inside)
    return inside


def _items(node: PropertyNode) -> PropertyNode | None:
    if isinstance(node.item.get("items"), dict):
        return PropertyNode(node.item["items"], (*node.path, "items"), node.findings)
    remedy = "Write `items: {logicalType: number}`, or another type"
    node.add("items", "items-unstated", "it is not stated what the list holds", remedy)
    return None


def _map_values(node: PropertyNode) -> PropertyNode | None:
    stated = node.item.get("map")
    remedy = (
        "Write `map: {key: {logicalType: string}, value: {logicalType: number}}`, or another type of value"
    )
    if not isinstance(stated, dict) or not isinstance(stated.get("value"), dict):
        node.add("map", "items-unstated", "it is not stated what the map holds", remedy)
        return None
    key = PropertyNode(
        stated["key"] if isinstance(stated.get("key"), dict) else {},
        (*node.path, "map", "key"),
        node.findings,
    )
    if key.item.get("logicalType") != "string":
        key.add("logicalType", "map-key", "the keys of a map are texts", "Write `logicalType: string`")
    for option in key.options():
        key.refuse(("logicalTypeOptions", option), f"`{option}` of a map's keys", "State it as a rule in CEL")
    if "enum" in key.item:
        key.refuse(("enum",), "a list of allowed keys", "State each as a feature, or a rule in CEL")
    key.check_inner("the keys of a map")
    return PropertyNode(stated["value"], (*node.path, "map", "value"), node.findings)


def _read_item(node: PropertyNode, settings: Settings, *, finite: bool) -> Item | None:
    node.check_inner("an item")
    logical = node.item.get("logicalType")
    if not isinstance(logical, str):
        node.add("logicalType", "type-unstated", "no type is stated", f"Write one of: {_SCALARS}")
        return None
    if logical not in SCALAR_TYPES:
        node.refuse(("logicalType",), f"an item of type {logical!r:.40}", _FLATTEN)
        return None
    kind = scalar_type(node)
    if kind is None:
        return None
    item = Item(kind, finite=finite, **scalar_limits(node, kind))
    return settled(node, _with_item_settings(node, item, settings))


def _with_item_settings(node: PropertyNode, item: Item, settings: Settings) -> Item:
    for name, limit in _ITEM_SETTINGS.items():
        if name not in settings:
            continue
        value, path = settings[name]
        if not item.type.is_ordered:
            wrong: str | None = f"a {item.type} has no order"
            rule, remedy = "limit-type", "Remove it"
        elif getattr(item, limit) is not None:
            wrong = f"the items' `{limit}` is stated twice"
            rule, remedy = "stated-twice", f"Keep it here, or as `{limit}` in the items' `logicalTypeOptions`"
        else:
            value, wrong = fit(value, item.type, whole_floats=True)
            rule, remedy = "limit-type", "Correct the limit"
        if wrong is None:
            item = replace(item, **{limit: value})
        else:
            node.findings.add(path, rule, wrong, remedy)
    return item


def _vector(node: PropertyNode, settings: Settings, *, finite: bool) -> Inside | None:
    options = node.options()
    element = options.get("elementType", "float32")
    for option, value in options.items():
        if option not in ("dimensions", "elementType", "embeddingModel", "embeddingModelVersion", *_ADVISORY):
            remedy = "Write `syncline.itemMinimum` or `syncline.itemMaximum` under `customProperties`"
            if option not in ("minimum", "maximum"):
                remedy = "State `dimensions`" if option in ("minItems", "maxItems") else "Remove it"
            node.refuse(("logicalTypeOptions", option), f"`{option}: {value!r:.40}` of a vector", remedy)
    dimensions, wrong = count(options.get("dimensions"), lowest=1)
    if wrong is None and dimensions > MOST_DIMENSIONS:
        wrong = f"{dimensions} elements are too many"
    if wrong is not None:
        stated = "dimensions" in options
        node.option_problem(
            "dimensions",
            "dimensions",
            wrong if stated else "it is not stated how many elements the vector has",
            f"State `dimensions`, from 1 to {MOST_DIMENSIONS}",
        )
    kind = _ELEMENTS.get(element) if isinstance(element, str) else None
    if kind is None:
        remedy = f"Write one of: {', '.join(_ELEMENTS)}; or a list of integers"
        node.refuse(("logicalTypeOptions", "elementType"), f"a vector of {element!r:.40}", remedy)
    model = _embedding_model(node, options)
    if kind is None or wrong is not None:
        return None
    item = settled(node, _with_item_settings(node, Item(kind, finite=finite), settings))
    return Inside(item, dimensions=dimensions, embedding_model=model)


def _embedding_model(node: PropertyNode, options: Mapping[str, Any]) -> str | None:
    words = []
    for option in ("embeddingModel", "embeddingModelVersion"):
        if option not in options:
            continue
        value = options[option]
        if isinstance(value, str) and value.strip():
            words.append(value.strip())
        else:
            node.option_problem(option, "embedding-model", f"{value!r:.40} names nothing", "Write a text")
    if "embeddingModelVersion" in options and "embeddingModel" not in options:
        node.option_problem(
            "embeddingModelVersion",
            "embedding-model",
            "it is the version of nothing",
            "State `embeddingModel` too",
        )
    return " ".join(words) or None


def _is_true(node: PropertyNode, option: str, value: object) -> bool:
    if not isinstance(value, bool):
        node.option_problem(option, "flag", f"{value!r:.40} is neither true nor false", "Write true or false")
    return value is True


def _check_counts(node: PropertyNode, inside: Inside) -> None:
    least, most = inside.min_items or 0, inside.max_items
    if most is not None and least > most:
        message = f"nothing has at least {least} and at most {most} items"
        node.add("logicalTypeOptions", "empty-range", message, "Correct minItems and maxItems")
    if not inside.unique_items:
        return
    if inside.item.type.is_floating:
        node.refuse(
            ("logicalTypeOptions", "uniqueItems"),
            f"uniqueness of items of type {inside.item.type}",
            "Remove it, or make the items integers",
        )
    different = _different_values(inside.item)
    if different is not None and least > different:
        message = f"at least {least} items cannot all differ: there are {different} values"
        node.add("logicalTypeOptions", "empty-range", message, "Correct minItems, or allow more values")


def _different_values(item: Item) -> int | None:
    """How many values an item may have, where that is easily told."""
    if item.allowed is not None:
        return len(item.allowed)
    if item.type is FeatureType.BOOLEAN:
        return 2
    bounds = closed_range(item)
    if bounds is None or item.type.is_floating:
        return None
    return max(0, int(bounds[1]) - int(bounds[0]) + 1)
