"""What differs between a feature before and now, and which number of the version that asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from syncline.contracts.compatibility.allowed_values import Found, count_changes, value_changes
from syncline.contracts.compatibility.comparison import Change, Level
from syncline.contracts.compatibility.units import factor
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment
from syncline.contracts.nearest import close_to

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature, Item


def feature_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Every difference between the features of two contracts: those of the old one in its order, then the added."""
    added = [feature for feature in new.features if old.feature(feature.name) is None]
    removed = [feature for feature in old.features if new.feature(feature.name) is None]
    for before in old.features:
        after = new.feature(before.name)
        if after is None:
            yield _removed(before, added)
            continue
        for level, rule, reason in _changed(before, after):
            yield Change(before.name, level, rule, reason, is_feature=True)
        if before.description != after.description:
            reason = "its description changed"
            yield Change(before.name, Level.METADATA, "description-changed", reason, is_feature=True)
    for feature in added:
        yield _added(feature, removed)
    order = [feature.name for feature in old.features if new.feature(feature.name) is not None]
    if order != [feature.name for feature in new.features if old.feature(feature.name) is not None]:
        reason = "their order changed: a new schema, which readers of the old one understand"
        yield Change("features", Level.MINOR, "features-reordered", reason)


def _removed(feature: Feature, added: Sequence[Feature]) -> Change:
    reason = "it was removed: every consumer that reads it would get none"
    names = [other.name for other in added if _likeness(other) == _likeness(feature)]
    nearest = close_to(feature.name, names, cutoff=0)
    if nearest is not None:
        reason += f" (renamed? `{nearest}` has the same type, unit and limits)"
    return Change(feature.name, Level.MAJOR, "feature-removed", reason, is_feature=True)


def _added(feature: Feature, removed: Sequence[Feature]) -> Change:
    names = [other.name for other in removed if _likeness(other) == _likeness(feature)]
    nearest = close_to(feature.name, names, cutoff=0)
    renamed = "" if nearest is None else f" (renamed? it looks like `{nearest}`, which was removed)"
    if feature.has_default:
        reason = f"it was added; what was written before has its default, {_default(feature)}{renamed}"
        return Change(feature.name, Level.MINOR, "feature-added", reason, is_feature=True)
    reason = f"it was added without a default: what was written before has no value for it{renamed}"
    return Change(feature.name, Level.MAJOR, "feature-without-default-added", reason, is_feature=True)


def _likeness(feature: Feature) -> Feature:
    return replace(feature, name="", description="", has_default=False, default=None)


def _changed(old: Feature, new: Feature) -> Iterator[Found]:
    if old.type is not new.type:
        reason = (
            f"its type was {old.type.value} and is {new.type.value} now: "
            "what was built for the one cannot read the other"
        )
        yield Level.MAJOR, "type-changed", reason
    if old.unit != new.unit:
        yield _unit(old.unit, new.unit)
    if old.required != new.required:
        yield (
            (Level.MINOR, "made-required", "it may not be null any more")
            if new.required
            else (Level.MAJOR, "made-nullable", "it may be null now: those who read it were promised a value")
        )
    yield from _defaults(old, new)
    if old.type is new.type:
        yield from value_changes(old, new)
        yield from _inside(old, new)
    if old.redact != new.redact:
        word, how = ("redacted", "hide") if new.redact else ("unredacted", "show")
        yield Level.MINOR, word, f"reports and dead letters {how} its values now"


def _inside(old: Feature, new: Feature) -> Iterator[Found]:
    noun = "map entries" if old.type is FeatureType.MAP else "items"
    counts = (old.min_items, old.max_items), (new.min_items, new.max_items)
    yield from count_changes("item-count", f"{{}} {noun}", *counts)
    if old.unique_items != new.unique_items:
        yield (
            (Level.MINOR, "items-made-unique", "no item may stand in it twice any more")
            if new.unique_items
            else (
                Level.MAJOR,
                "items-made-repeatable",
                "an item may stand in it twice now, which was promised not to be",
            )
        )
    if old.dimensions != new.dimensions:
        reason = (
            f"its vectors had {old.dimensions} dimensions and have {new.dimensions} now: "
            "a model takes vectors of the length that it was trained on"
        )
        yield Level.MAJOR, "dimensions-changed", reason
    if old.embedding_model != new.embedding_model:
        before, after = old.embedding_model or "not stated", new.embedding_model or "not stated"
        reason = (
            f"the model that makes its vectors was {before} and is {after} now: "
            "another model's vectors mean something else"
        )
        yield Level.MAJOR, "embedding-model-changed", reason
    if old.item is not None and new.item is not None:
        yield from _items(old.item, new.item)


def _items(old: Item, new: Item) -> Iterator[Found]:
    if old.type is not new.type:
        reason = f"its items were of type {old.type.value} and are of type {new.type.value} now"
        yield Level.MAJOR, "item-type-changed", reason
        return
    for level, rule, reason in value_changes(old, new):
        yield (
            level,
            f"item-{rule}",
            f"inside it, {reason}" if reason.startswith("its ") else f"inside it: {reason}",
        )


def _unit(old: str | None, new: str | None) -> Found:
    if old is None or new is None:
        said = f"its unit was {'not stated' if old is None else old} and is {'not stated' if new is None else new} now"
        return Level.MAJOR, "unit-changed", f"{said}: nobody can tell that the numbers mean what they meant"
    said = f"its unit was {old} and is {new} now"
    times = factor(old, new)
    if times == 1:
        return Level.MINOR, "unit-respelled", f"{said}: the same unit in other letters"
    if times is None:
        return (
            Level.MAJOR,
            "unit-changed",
            f"{said}: every consumer would read numbers that mean something else than those its model was trained on",
        )
    if times > 1:
        size = f"{_short(float(times))} times as large as"
    else:
        size = f"{_short(float(1 / times))} times smaller than"
    return (
        Level.MAJOR,
        "unit-changed",
        f"{said}: every consumer would read numbers {size} those its model was trained on",
    )


def _short(number: float) -> str:
    return f"{number:,.0f}" if number.is_integer() else f"{number:,.4g}"


def _defaults(old: Feature, new: Feature) -> Iterator[Found]:
    before, after = ((feature.has_default, json.dumps(feature.default)) for feature in (old, new))
    if before == after:
        return
    if not new.has_default:
        reason = (
            f"its default was {_default(old)} and there is none now: rows without it have no value any more"
        )
        yield Level.MAJOR, "default-removed", reason
    elif not old.has_default:
        yield Level.MINOR, "default-added", f"rows without it take the default {_default(new)} now"
    else:
        reason = f"its default was {_default(old)} and is {_default(new)} now, for rows written before, too"
        yield Level.MINOR, "default-changed", reason


def _default(feature: Feature) -> str:
    if not feature.has_default:
        return "none"
    if feature.type.is_moment and isinstance(feature.default, int):
        return format_moment(feature.default, feature.type)
    text = json.dumps(feature.default, ensure_ascii=False)
    return text if len(text) <= _LONGEST_DEFAULT else text[: _LONGEST_DEFAULT - 3] + "..."


_LONGEST_DEFAULT = 60
