"""The default that a property states, as checked rows hold it, against the feature's own limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncline.contracts.model import FeatureType
from syncline.contracts.odcs.values import fit, why_broken

if TYPE_CHECKING:
    from syncline.contracts.model import Feature, Item
    from syncline.contracts.odcs.located import Path
    from syncline.contracts.odcs.property_node import PropertyNode

    Wrongs = list[tuple[Path, str]]


def with_default(node: PropertyNode, feature: Feature, stated: tuple[Any, Path]) -> Feature | None:
    """The feature with the default that is stated as (value, place); None where that is none of its values."""
    value, path = stated
    wrongs: Wrongs = []
    if value is None and feature.required:
        wrongs.append((path, "null is no value of a required feature"))
    held = None if value is None else _held(feature, value, path, wrongs)
    for where, wrong in wrongs:
        node.findings.add(where, "default", wrong, "Give a default that the contract allows, or none")
    return None if wrongs else replace(feature, has_default=True, default=held)


def _held(feature: Feature, value: object, path: Path, wrongs: Wrongs) -> Any:  # noqa: ANN401  any feature's value
    if feature.item is None:
        return _scalar(feature, value, path, wrongs)
    if feature.type is FeatureType.MAP:
        return _map(feature, feature.item, value, path, wrongs)
    return _list(feature, feature.item, value, path, wrongs)


def _scalar(limits: Feature | Item, value: object, path: Path, wrongs: Wrongs) -> Any:  # noqa: ANN401  any scalar
    held, wrong = fit(value, limits.type)
    if wrong is None:
        wrong = why_broken(held, limits)
    if wrong is not None:
        wrongs.append((path, wrong))
    return held


def _list(feature: Feature, item: Item, value: object, path: Path, wrongs: Wrongs) -> list[Any]:
    if not isinstance(value, list):
        wrongs.append((path, f"{value!r:.60} is no list"))
        return []
    held = [_scalar(item, each, (*path, number), wrongs) for number, each in enumerate(value)]
    if feature.dimensions is not None and len(held) != feature.dimensions:
        wrongs.append((path, f"it has {len(held)} elements, not {feature.dimensions}"))
    _check_count(feature, len(held), path, wrongs)
    # Items that are wrong themselves may not be hashable.
    if feature.unique_items and not wrongs and len(set(held)) != len(held):
        wrongs.append((path, "an item stands in it twice"))
    return held


def _map(feature: Feature, item: Item, value: object, path: Path, wrongs: Wrongs) -> dict[str, Any]:
    if not isinstance(value, dict):
        wrongs.append((path, f"{value!r:.60} is no mapping"))
        return {}
    held = {key: _scalar(item, each, (*path, key), wrongs) for key, each in value.items()}
    _check_count(feature, len(held), path, wrongs)
    return held


def _check_count(feature: Feature, number: int, path: Path, wrongs: Wrongs) -> None:
    least, most = feature.min_items, feature.max_items
    if least is not None and number < least:
        wrongs.append((path, f"it has {number} items, fewer than {least}"))
    if most is not None and number > most:
        wrongs.append((path, f"it has {number} items, more than {most}"))
