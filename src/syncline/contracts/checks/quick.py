"""The generated pass over a row: true only for rows that keep their contract, cheap for nearly all that do."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.explain import plain_value, scalar_limits
from syncline.contracts.checks.patterns import compile_pattern
from syncline.contracts.checks.quick_items import items_pass
from syncline.contracts.limits import EVENT_TIMES, INTEGER_RANGES, closed_range
from syncline.contracts.model import Feature, FeatureType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncline.contracts.checks.rule_check import RuleCheck
    from syncline.contracts.model import Contract, JoinKey
    from syncline.errors import Violation

_TEXT = "type({v}) is str and ({v}.isascii() or {v}.isprintable())"
"""Half surrogate pairs are not printable; what is neither may be a fine text with a line break, so only a doubt."""


def quick_pass(
    contract: Contract, rules: Sequence[RuleCheck], explain: Callable[[Mapping[str, Any]], list[Violation]]
) -> Callable[[Mapping[str, Any]], Sequence[Violation]]:
    """A function of a row: `()` where it surely keeps its contract, else what `explain` says of it."""
    fields: list[JoinKey | Feature] = [*contract.keys, *contract.features]
    names = [field.name for field in fields]
    namespace: dict[str, Any] = {
        "explain": explain,
        "inf": math.inf,
        "take": _taker(names),
        "take_with_time": _taker([*names, contract.event_time]),
    }
    conditions = [
        _feature_condition(field, f"v{number}", namespace)
        if isinstance(field, Feature)
        else _key_condition(field, f"v{number}")
        for number, field in enumerate(fields)
    ]
    for number, rule in enumerate(rules):
        namespace[f"rule{number}"] = rule.keeps
        conditions.append(f"rule{number}(row)")
    values = ", ".join(f"v{number}" for number in range(len(fields)))
    in_time = _in_range("t", FeatureType.TIMESTAMP, EVENT_TIMES)
    lines = [
        "def check(row):",
        " try:",
        f"  if len(row) == {len(fields)}: {values}, = take(row)",
        f"  elif len(row) == {len(fields) + 1}:",
        f"   {values}, t = take_with_time(row)",
        f"   if not ({in_time}): return explain(row)",
        "  else: return explain(row)",
        f"  if {' and '.join(conditions)}: return ()",
        # Whatever an odd object raised: the explanation asks nothing of it.
        " except Exception: pass",
        " return explain(row)",
    ]
    exec(compile("\n".join(lines), f"<rows of {contract.reference}>", "exec"), namespace)  # noqa: S102  built from numbers; names and patterns are passed as objects
    check: Callable[[Mapping[str, Any]], Sequence[Violation]] = namespace["check"]
    return check


def _taker(names: list[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return operator.itemgetter(*names)
    return lambda row: (row[names[0]],)


def _key_condition(key: JoinKey, v: str) -> str:
    if key.type is FeatureType.STRING:
        return f"{_TEXT.format(v=v)} and {v}"
    return _in_range(v, key.type, INTEGER_RANGES[key.type])


def _feature_condition(feature: Feature, v: str, namespace: dict[str, Any]) -> str:
    condition = _value_condition(feature, v, namespace)
    return f"({condition})" if feature.required else f"({v} is None or {condition})"


def _value_condition(feature: Feature, v: str, namespace: dict[str, Any]) -> str:
    """What holds only for values, not null, that keep every rule of the feature."""
    if feature.item is not None:
        namespace[f"items_of_{v}"] = items_pass(feature, feature.item)
        kind = "dict" if feature.type is FeatureType.MAP else "list"
        lowest, highest = feature.min_items, feature.max_items
        if feature.dimensions is not None:
            lowest = highest = feature.dimensions
        return f"type({v}) is {kind}{_length_between(v, lowest, highest)} and items_of_{v}({v})"
    if feature.type is FeatureType.BOOLEAN:
        return f"({v} is True or {v} is False)"
    if feature.allowed is not None:
        judge = scalar_limits(feature)
        namespace[f"allowed_of_{v}"] = frozenset(
            each
            for each in feature.allowed
            if plain_value(feature.type, each) == each and not any(judge(each))
        )
        kind = "str" if feature.type is FeatureType.STRING else "int"
        return f"type({v}) is {kind} and {v} in allowed_of_{v}"
    if feature.type is FeatureType.STRING:
        text = _TEXT.format(v=v) + _length_between(v, feature.min_length, feature.max_length)
        if feature.pattern is None:
            return text
        namespace[f"found_in_{v}"] = compile_pattern(feature.pattern).found_in
        return f"{text} and found_in_{v}({v})"
    bounds = closed_range(feature)
    assert bounds is not None, "all other types have an order"
    within = _in_range(v, feature.type, bounds)
    # NaN is the one value that is not itself.
    return (
        within
        if feature.finite or not feature.type.is_floating
        else f"({within} or type({v}) is float and {v} != {v})"
    )


def _in_range(v: str, kind: FeatureType, bounds: tuple[float, float]) -> str:
    # Two comparisons rather than a chain: Python 3.11 has a faster path for them. Rounding to 32 bits is monotone and
    # bounds of 32-bit fields are 32-bit numbers: what lies within them stays within.
    wanted = "int" if kind in INTEGER_RANGES else "float"
    return f"type({v}) is {wanted} and {bounds[0]!r} <= {v} and {v} <= {bounds[1]!r}"


def _length_between(v: str, lowest: int | None, highest: int | None) -> str:
    if lowest is not None and lowest == highest:
        return f" and len({v}) == {lowest}"
    low = f" and len({v}) >= {lowest}" if lowest is not None else ""
    return low + (f" and len({v}) <= {highest}" if highest is not None else "")
