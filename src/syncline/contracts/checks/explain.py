"""Every rule that a value breaks, in plain Python: slow, thorough, and safe against any object in a row.

Values are judged as the wire will carry them: 64-bit numbers rounded for 32-bit fields, subclasses as their plain type.
No method of a value is called, only those of Python's own types, so that nothing in a row can lie or raise.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.patterns import compile_pattern
from syncline.contracts.checks.shown import listed, shorten, shown, shown_item
from syncline.contracts.limits import INTEGER_RANGES, as_float32
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment
from syncline.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncline.contracts.checks.patterns import Pattern
    from syncline.contracts.model import Feature, Item, JoinKey

ABSENT = object()
WRONG = object()
REDACTED = "a redacted value"
A_TYPE = {
    FeatureType.BOOLEAN: "true or false",
    FeatureType.INT: "a 32-bit whole number",
    FeatureType.LONG: "a 64-bit whole number",
    FeatureType.FLOAT: "a number",
    FeatureType.DOUBLE: "a number",
    FeatureType.STRING: "a text of whole Unicode characters",
    FeatureType.DATE: "a day in the years 1 to 9999",
    FeatureType.TIMESTAMP: "a moment in the years 1 to 9999",
    FeatureType.LIST: "a list",
    FeatureType.MAP: "a map whose keys are texts of whole Unicode characters",
    FeatureType.VECTOR: "a list of numbers",
}


def plain_value(kind: FeatureType, value: Any) -> Any:  # noqa: ANN401  any object may stand in a row
    """The value as its scalar type's wire form carries it, or `WRONG` where it is of another type."""
    own = type(value)
    if kind is FeatureType.BOOLEAN:
        return value if own is bool else WRONG
    if kind is FeatureType.STRING:
        return _plain_text(value) if issubclass(own, str) else WRONG
    if own is bool or not issubclass(own, int):
        return WRONG if kind in INTEGER_RANGES or not issubclass(own, float) else _plain_float(kind, value)
    number = int.__int__(value)
    if kind not in INTEGER_RANGES:
        return _plain_float(kind, number)
    low, high = INTEGER_RANGES[kind]
    return number if low <= number <= high else WRONG


def _plain_text(value: str) -> object:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return WRONG
    return text


def _plain_float(kind: FeatureType, value: float) -> object:
    try:
        double = float.__float__(value) if issubclass(type(value), float) else float(value)
    except OverflowError:
        return WRONG
    return as_float32(double) if kind is FeatureType.FLOAT else double


def plain_map(value: object) -> dict[str, Any] | None:
    """A map with plain keys; None where it is no `dict`, or a key is no text."""
    if type(value) is not dict:
        return None
    keys = [plain_value(FeatureType.STRING, key) for key in value]
    return None if WRONG in keys else dict(zip(keys, value.values(), strict=True))


def judge_key(key: JoinKey, value: object) -> Iterator[Violation]:
    """What is wrong with a part of the entity key."""
    if value is ABSENT:
        yield Violation(key.name, "missing", "a value", "nothing")
    elif value is None:
        yield Violation(key.name, "null", "a value", "null")
    elif (plain := plain_value(key.type, value)) is WRONG:
        yield Violation(key.name, "type", A_TYPE[key.type], shown(value))
    elif plain == "":
        yield Violation(key.name, "key", "a text of at least one character", "''")


class FeatureJudge:
    """Lists every rule of one feature that a value breaks."""

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        self._limits = scalar_limits(feature if feature.item is None else feature.item)

    def __call__(self, value: object) -> Iterator[Violation]:
        """The violations of this value, `ABSENT` included, in a fixed order."""
        feature = self._feature
        if value is ABSENT:
            yield Violation(feature.name, "missing", "a value", "nothing")
        elif value is None:
            if feature.required:
                yield Violation(feature.name, "null", "a value", "null")
        elif feature.item is not None:
            yield from self._judge_nested(feature.item, value)
        elif (plain := plain_value(feature.type, value)) is WRONG:
            yield self._violation("type", A_TYPE[feature.type], shown(value))
        else:
            for rule, limit in self._limits(plain):
                yield self._violation(rule, limit, _shown_as(feature.type, value))

    def _violation(self, rule: str, limit: str, value: str) -> Violation:
        return Violation(self._feature.name, rule, limit, REDACTED if self._feature.redact else value)

    def _judge_nested(self, item: Item, value: object) -> Iterator[Violation]:
        feature = self._feature
        places: list[tuple[str, Any]]
        if feature.type is FeatureType.MAP:
            entries = plain_map(value)
            if entries is None:
                yield self._violation("type", A_TYPE[feature.type], shown(value))
                return
            places = [(f"key {shown(key, 40)}", each) for key, each in entries.items()]
        elif type(value) is list:
            places = [(f"item {place}", each) for place, each in enumerate(value)]
        else:
            yield self._violation("type", A_TYPE[feature.type], shown(value))
            return
        for rule, sign, limit, keeps in (
            ("dimensions", "exactly", feature.dimensions, operator.eq),
            ("minItems", "at least", feature.min_items, operator.ge),
            ("maxItems", "at most", feature.max_items, operator.le),
        ):
            if limit is not None and not keeps(len(places), limit):
                yield self._violation(rule, f"{sign} {limit} items", f"{len(places)} items")
        plains = [(place, plain_value(item.type, each), each) for place, each in places]
        yield from self._judge_items(item, plains)

    def _judge_items(self, item: Item, plains: list[tuple[str, Any, Any]]) -> Iterator[Violation]:
        first: dict[str, Violation] = {}
        seen: set[Any] = set()
        for place, plain, each in plains:
            if plain is WRONG:
                broken = [("itemType", A_TYPE[item.type])]
            else:
                broken = [(f"item{rule[0].upper()}{rule[1:]}", limit) for rule, limit in self._limits(plain)]
                if self._feature.unique_items:
                    if plain in seen:
                        broken.append(("uniqueItems", "no item twice"))
                    seen.add(plain)
            for rule, limit in broken:
                if rule not in first:
                    text = _shown_as(item.type, each) if plain is not WRONG else shown_item(each)
                    first[rule] = self._violation(rule, limit, shorten(f"{place}: {text}"))
        yield from first.values()


def scalar_limits(limits: Feature | Item) -> Callable[[Any], Iterator[tuple[str, str]]]:
    """What names each limit that a plain value of a scalar breaks, and what it asks for."""
    pattern = compile_pattern(limits.pattern) if limits.pattern is not None else None

    def judge(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  of the type by now
        if limits.type.is_floating:
            if limits.finite and not math.isfinite(value):
                yield "finite", "a finite number"
            if math.isnan(value) or (limits.finite and math.isinf(value)):
                return
        yield from _judge_order(limits, value)
        if limits.type is FeatureType.STRING:
            yield from _judge_text(limits, value, pattern)
        if limits.allowed is not None and value not in limits.allowed:
            names = (
                each if isinstance(each, str) else _shown_as(limits.type, each) for each in limits.allowed
            )
            yield "enum", f"one of {listed(names)}"

    return judge


def _judge_order(limits: Feature | Item, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  a number
    for rule, sign, limit, keeps in (
        ("minimum", ">=", limits.minimum, operator.ge),
        ("maximum", "<=", limits.maximum, operator.le),
        ("exclusiveMinimum", ">", limits.exclusive_minimum, operator.gt),
        ("exclusiveMaximum", "<", limits.exclusive_maximum, operator.lt),
    ):
        if limit is not None and not keeps(value, limit):
            yield rule, f"{sign} {_shown_as(limits.type, limit)}"


def _judge_text(limits: Feature | Item, value: str, pattern: Pattern | None) -> Iterator[tuple[str, str]]:
    if limits.min_length is not None and len(value) < limits.min_length:
        yield "minLength", f"at least {limits.min_length} characters"
    if limits.max_length is not None and len(value) > limits.max_length:
        yield "maxLength", f"at most {limits.max_length} characters"
    if pattern is not None and not pattern.found_in(value):
        yield "pattern", f"a match of {pattern.text}"


def _shown_as(kind: FeatureType, value: Any) -> str:  # noqa: ANN401  of the type by now
    if kind.is_moment:
        return format_moment(int.__int__(value), kind)
    return shown(value)
