"""Pairs of contracts, made from one base: every row of the table in contracts.md, both directions, all types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from syncline.contracts.codec.avro import as_registered, avro_text
from syncline.contracts.compatibility.comparison import Level
from syncline.contracts.model import (
    Contract,
    Feature,
    FeatureType,
    Item,
    JoinKey,
    OnViolation,
    Rule,
    Version,
    WhenStale,
)

MAJOR, MINOR, METADATA, NONE = Level.MAJOR, Level.MINOR, Level.METADATA, Level.NONE
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000

FEATURES = (
    Feature("flag", FeatureType.BOOLEAN, required=True),
    Feature("small", FeatureType.INT, required=True, minimum=0, maximum=100),
    Feature("count", FeatureType.LONG, required=True, minimum=0, maximum=1_000),
    Feature("share", FeatureType.FLOAT, required=False, minimum=0.0, maximum=1.0),
    Feature("delay", FeatureType.DOUBLE, required=False, minimum=-120.0, maximum=3_000.0, unit="min"),
    Feature("carrier", FeatureType.STRING, required=True, allowed=("AA", "UA", "DL")),
    Feature("tail", FeatureType.STRING, required=True, min_length=2, max_length=8),
    Feature("code", FeatureType.STRING, required=True, pattern="^[A-Z]+$"),
    Feature("day", FeatureType.DATE, required=True, minimum=0, maximum=30_000),
    Feature("seen", FeatureType.TIMESTAMP, required=True, minimum=0, maximum=2 * 10**15),
    Feature(
        "hours",
        FeatureType.LIST,
        required=True,
        item=Item(FeatureType.LONG, minimum=0, maximum=23),
        min_items=1,
        max_items=24,
        unique_items=True,
    ),
    Feature("words", FeatureType.LIST, required=True, item=Item(FeatureType.STRING, max_length=20)),
    Feature("kinds", FeatureType.LIST, required=True, item=Item(FeatureType.STRING, allowed=("a", "b"))),
    Feature(
        "by_carrier", FeatureType.MAP, required=True, item=Item(FeatureType.DOUBLE, minimum=0.0), max_items=50
    ),
    Feature(
        "text",
        FeatureType.VECTOR,
        required=True,
        item=Item(FeatureType.FLOAT),
        dimensions=3,
        embedding_model="small-english 2",
    ),
)

BASE = Contract(
    view="airport_delay",
    version=Version(1, 0),
    owner="flight-ops",
    keys=(JoinKey("airport", FeatureType.STRING), JoinKey("terminal", FeatureType.LONG)),
    event_time="event_time",
    features=FEATURES,
    topic="syncline.features.airport_delay.v1",
    max_age_us=HOUR,
    frequency_us=30 * MINUTE,
    latency_us=5_000_000,
    late_arrival_us=DAY,
    rules=(Rule("few_by_count", "small <= count", ("small", "count")),),
)


@dataclass(frozen=True)
class Pair:
    """Two contracts of one view, and what going from the one to the other asks for."""

    name: str
    old: Contract
    new: Contract
    level: Level
    rule: str

    def __str__(self) -> str:
        """For a test's id."""
        return self.name


def feature(which: str, **changed: Any) -> Contract:
    """The base with one feature changed."""
    features = tuple(replace(each, **changed) if each.name == which else each for each in BASE.features)
    return replace(BASE, features=features)


def item(name: str, **changed: Any) -> Contract:
    """The base with what is inside one feature changed."""
    old = BASE.feature(name)
    assert old is not None
    assert old.item is not None
    return feature(name, item=replace(old.item, **changed))


def without(name: str) -> Contract:
    """The base without a feature."""
    return replace(BASE, features=tuple(each for each in BASE.features if each.name != name))


def defaulted(name: str, value: object, *, required: bool = True) -> Contract:
    """The base in which a feature has a default."""
    return feature(name, has_default=True, default=value, required=required)


# (name, the other contract, from base to it, from it to base)
_CHANGES: tuple[tuple[str, Contract, tuple[Level, str], tuple[Level, str]], ...] = (
    (
        "a feature without default",
        without("flag"),
        (MAJOR, "feature-removed"),
        (MAJOR, "feature-without-default-added"),
    ),
    ("nullable", feature("count", required=False), (MAJOR, "made-nullable"), (MINOR, "made-required")),
    (
        "nullable list",
        feature("hours", required=False),
        (MAJOR, "made-nullable"),
        (MINOR, "made-required"),
    ),
    (
        "nullable map",
        feature("by_carrier", required=False),
        (MAJOR, "made-nullable"),
        (MINOR, "made-required"),
    ),
    ("nullable vector", feature("text", required=False), (MAJOR, "made-nullable"), (MINOR, "made-required")),
    ("nullable date", feature("day", required=False), (MAJOR, "made-nullable"), (MINOR, "made-required")),
    ("unit min and s", feature("delay", unit="s"), (MAJOR, "unit-changed"), (MAJOR, "unit-changed")),
    ("no unit", feature("delay", unit=None), (MAJOR, "unit-changed"), (MAJOR, "unit-changed")),
    (
        "unit respelled",
        feature("delay", unit="minutes"),
        (MINOR, "unit-respelled"),
        (MINOR, "unit-respelled"),
    ),
    ("int range", feature("small", maximum=200), (MAJOR, "range-widened"), (MINOR, "range-narrowed")),
    ("long range", feature("count", minimum=-1), (MAJOR, "range-widened"), (MINOR, "range-narrowed")),
    ("float range", feature("share", maximum=2.0), (MAJOR, "range-widened"), (MINOR, "range-narrowed")),
    ("double range", feature("delay", maximum=None), (MAJOR, "range-widened"), (MINOR, "range-narrowed")),
    ("date range", feature("day", maximum=40_000), (MAJOR, "range-widened"), (MINOR, "range-narrowed")),
    ("timestamp range", feature("seen", minimum=None), (MAJOR, "range-widened"), (MINOR, "range-narrowed")),
    (
        "range moved",
        feature("count", minimum=10, maximum=2_000),
        (MAJOR, "range-moved"),
        (MAJOR, "range-moved"),
    ),
    (
        "whole numbers above -1",
        feature("count", minimum=None, exclusive_minimum=-1),
        (NONE, "range-rewritten"),
        (NONE, "range-rewritten"),
    ),
    (
        "doubles below 3000",
        feature("delay", maximum=None, exclusive_maximum=3_000.0),
        (MINOR, "range-narrowed"),
        (MAJOR, "range-widened"),
    ),
    ("NaN", feature("delay", finite=False), (MAJOR, "nan-allowed"), (MINOR, "nan-refused")),
    (
        "allowed values",
        feature("carrier", allowed=("AA", "UA", "DL", "WN")),
        (MAJOR, "values-added"),
        (MINOR, "values-removed"),
    ),
    ("any value", feature("carrier", allowed=None), (MAJOR, "values-added"), (MINOR, "values-removed")),
    (
        "order of allowed values",
        feature("carrier", allowed=("UA", "AA", "DL")),
        (NONE, "values-rewritten"),
        (NONE, "values-rewritten"),
    ),
    ("length", feature("tail", max_length=10), (MAJOR, "length-widened"), (MINOR, "length-narrowed")),
    (
        "length moved",
        feature("tail", min_length=4, max_length=10),
        (MAJOR, "length-moved"),
        (MAJOR, "length-moved"),
    ),
    ("pattern", feature("code", pattern=None), (MAJOR, "pattern-removed"), (MINOR, "pattern-added")),
    (
        "another pattern",
        feature("code", pattern="^[A-Z]{3}$"),
        (MAJOR, "pattern-changed"),
        (MAJOR, "pattern-changed"),
    ),
    (
        "number of items",
        feature("hours", max_items=30),
        (MAJOR, "item-count-widened"),
        (MINOR, "item-count-narrowed"),
    ),
    (
        "number of entries",
        feature("by_carrier", max_items=None),
        (MAJOR, "item-count-widened"),
        (MINOR, "item-count-narrowed"),
    ),
    (
        "number of items moved",
        feature("hours", min_items=2, max_items=30),
        (MAJOR, "item-count-moved"),
        (MAJOR, "item-count-moved"),
    ),
    (
        "unique items",
        feature("hours", unique_items=False),
        (MAJOR, "items-made-repeatable"),
        (MINOR, "items-made-unique"),
    ),
    (
        "range of items",
        item("hours", maximum=47),
        (MAJOR, "item-range-widened"),
        (MINOR, "item-range-narrowed"),
    ),
    (
        "range of entries",
        item("by_carrier", minimum=None),
        (MAJOR, "item-range-widened"),
        (MINOR, "item-range-narrowed"),
    ),
    (
        "range of elements",
        item("text", minimum=-1.0, maximum=1.0),
        (MINOR, "item-range-narrowed"),
        (MAJOR, "item-range-widened"),
    ),
    (
        "range of items moved",
        item("hours", minimum=1, maximum=24),
        (MAJOR, "item-range-moved"),
        (MAJOR, "item-range-moved"),
    ),
    (
        "length of items",
        item("words", max_length=30),
        (MAJOR, "item-length-widened"),
        (MINOR, "item-length-narrowed"),
    ),
    (
        "length of items moved",
        item("words", min_length=1, max_length=30),
        (MAJOR, "item-length-moved"),
        (MAJOR, "item-length-moved"),
    ),
    (
        "pattern of items",
        item("words", pattern="^[a-z]+$"),
        (MINOR, "item-pattern-added"),
        (MAJOR, "item-pattern-removed"),
    ),
    (
        "allowed items",
        item("kinds", allowed=("a", "b", "c")),
        (MAJOR, "item-values-added"),
        (MINOR, "item-values-removed"),
    ),
    ("NaN inside", item("text", finite=False), (MAJOR, "item-nan-allowed"), (MINOR, "item-nan-refused")),
    (
        "type of items",
        item("hours", type=FeatureType.INT),
        (MAJOR, "item-type-changed"),
        (MAJOR, "item-type-changed"),
    ),
    (
        "type of entries",
        item("by_carrier", type=FeatureType.FLOAT),
        (MAJOR, "item-type-changed"),
        (MAJOR, "item-type-changed"),
    ),
    (
        "type of elements",
        item("text", type=FeatureType.DOUBLE),
        (MAJOR, "item-type-changed"),
        (MAJOR, "item-type-changed"),
    ),
    (
        "dimensions",
        feature("text", dimensions=4),
        (MAJOR, "dimensions-changed"),
        (MAJOR, "dimensions-changed"),
    ),
    (
        "embedding model",
        feature("text", embedding_model="large-english 1"),
        (MAJOR, "embedding-model-changed"),
        (MAJOR, "embedding-model-changed"),
    ),
    ("default", defaulted("count", 0), (MINOR, "default-added"), (MAJOR, "default-removed")),
    (
        "default of a date",
        defaulted("day", 0),
        (MINOR, "default-added"),
        (MAJOR, "default-removed"),
    ),
    (
        "default null",
        replace(
            BASE,
            features=tuple(
                replace(each, has_default=True, default=None) if each.name == "delay" else each
                for each in BASE.features
            ),
        ),
        (MINOR, "default-added"),
        (MAJOR, "default-removed"),
    ),
    ("redacted", feature("tail", redact=True), (MINOR, "redacted"), (MINOR, "unredacted")),
    (
        "order of features",
        replace(BASE, features=(*BASE.features[1:], BASE.features[0])),
        (MINOR, "features-reordered"),
        (MINOR, "features-reordered"),
    ),
    (
        "a join key",
        replace(BASE, keys=BASE.keys[:1]),
        (MAJOR, "keys-changed"),
        (MAJOR, "keys-changed"),
    ),
    (
        "type of a join key",
        replace(BASE, keys=(BASE.keys[0], JoinKey("terminal", FeatureType.STRING))),
        (MAJOR, "keys-changed"),
        (MAJOR, "keys-changed"),
    ),
    (
        "order of join keys",
        replace(BASE, keys=BASE.keys[::-1]),
        (MAJOR, "keys-changed"),
        (MAJOR, "keys-changed"),
    ),
    (
        "partitions",
        replace(BASE, partitions=12),
        (MAJOR, "partitions-changed"),
        (MAJOR, "partitions-changed"),
    ),
    (
        "maxAhead",
        replace(BASE, max_ahead_us=MINUTE),
        (MAJOR, "max-ahead-changed"),
        (MAJOR, "max-ahead-changed"),
    ),
    (
        "lateArrival",
        replace(BASE, late_arrival_us=None),
        (MAJOR, "late-arrival-changed"),
        (MAJOR, "late-arrival-changed"),
    ),
    (
        "maxAge",
        replace(BASE, max_age_us=2 * HOUR),
        (MAJOR, "max-age-loosened"),
        (MINOR, "max-age-tightened"),
    ),
    (
        "frequency",
        replace(BASE, frequency_us=None, max_age_us=None),
        (MAJOR, "frequency-loosened"),
        (MINOR, "frequency-tightened"),
    ),
    (
        "latency",
        replace(BASE, latency_us=10_000_000),
        (MAJOR, "latency-loosened"),
        (MINOR, "latency-tightened"),
    ),
    (
        "onViolation",
        replace(BASE, on_violation=OnViolation.HALT),
        (MINOR, "on-violation-changed"),
        (MINOR, "on-violation-changed"),
    ),
    (
        "whenStale",
        replace(BASE, when_stale=WhenStale.NULL),
        (MINOR, "when-stale-changed"),
        (MINOR, "when-stale-changed"),
    ),
    ("a rule", replace(BASE, rules=()), (MAJOR, "rule-removed"), (MINOR, "rule-added")),
    (
        "another rule",
        replace(BASE, rules=(replace(BASE.rules[0], expression="small < count"),)),
        (MAJOR, "rule-changed"),
        (MAJOR, "rule-changed"),
    ),
    (
        "name of a rule",
        replace(BASE, rules=(replace(BASE.rules[0], name="few"),)),
        (MINOR, "rule-renamed"),
        (MINOR, "rule-renamed"),
    ),
    ("owner", replace(BASE, owner="runway-ops"), (METADATA, "owner-changed"), (METADATA, "owner-changed")),
    (
        "description",
        feature("delay", description="mean"),
        (METADATA, "description-changed"),
        (METADATA, "description-changed"),
    ),
    (
        "retention",
        replace(BASE, retention_us=DAY),
        (METADATA, "retention-changed"),
        (METADATA, "retention-changed"),
    ),
)

_ONE_OF_EACH_TYPE = (
    Feature("x", FeatureType.BOOLEAN, required=True),
    Feature("x", FeatureType.INT, required=True),
    Feature("x", FeatureType.LONG, required=True),
    Feature("x", FeatureType.FLOAT, required=True),
    Feature("x", FeatureType.DOUBLE, required=True),
    Feature("x", FeatureType.STRING, required=True),
    Feature("x", FeatureType.DATE, required=True),
    Feature("x", FeatureType.TIMESTAMP, required=True),
    Feature("x", FeatureType.LIST, required=True, item=Item(FeatureType.FLOAT)),
    Feature("x", FeatureType.MAP, required=True, item=Item(FeatureType.FLOAT)),
    Feature("x", FeatureType.VECTOR, required=True, item=Item(FeatureType.FLOAT), dimensions=2),
)
_DEFAULTS: dict[FeatureType, Any] = {
    FeatureType.BOOLEAN: False,
    FeatureType.INT: 0,
    FeatureType.LONG: 0,
    FeatureType.FLOAT: 0.0,
    FeatureType.DOUBLE: 0.0,
    FeatureType.STRING: "",
    FeatureType.DATE: 0,
    FeatureType.TIMESTAMP: 0,
    FeatureType.LIST: [],
    FeatureType.MAP: {},
    FeatureType.VECTOR: [0.0, 0.0],
}


def pairs() -> Iterator[Pair]:
    """All pairs, each with the new contract as it would be registered after the old one."""
    for name, other, forth, back in _CHANGES:
        yield _pair(f"{name}, forth", BASE, other, *forth)
        yield _pair(f"{name}, back", other, BASE, *back)
    for one in _ONE_OF_EACH_TYPE:
        for other_type in _ONE_OF_EACH_TYPE:
            if one.type is not other_type.type:
                name = f"{one.type.value} to {other_type.type.value}"
                old, new = (replace(BASE, features=(each,)) for each in (one, other_type))
                yield _pair(name, old, new, MAJOR, "type-changed")
        for required in (True, False):
            added = replace(
                one, name="added", has_default=True, default=_DEFAULTS[one.type], required=required
            )
            new = replace(BASE, features=(*BASE.features, added))
            what = f"a {'required' if required else 'nullable'} {one.type.value} with a default"
            yield _pair(f"{what}, forth", BASE, new, MINOR, "feature-added")
            yield _pair(f"{what}, back", new, BASE, MAJOR, "feature-removed")
    null = Feature("added", FeatureType.MAP, required=False, has_default=True, item=Item(FeatureType.LONG))
    yield _pair(
        "a map with the default null",
        BASE,
        replace(BASE, features=(*BASE.features, null)),
        MINOR,
        "feature-added",
    )


def _pair(name: str, old: Contract, new: Contract, level: Level, rule: str) -> Pair:
    later = replace(new, version=Version(1, 1))
    return Pair(name, old, as_registered(later, avro_text(old)), level, rule)
