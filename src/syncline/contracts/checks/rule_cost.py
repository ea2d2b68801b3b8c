"""Whether a rule takes time linear in the row: one record of a megabyte must not hold a partition for minutes.

A macro runs once for each item. What it names of the row besides must cost the same however long that is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.contracts.checks.cel import MACROS, tokens_of
from syncline.contracts.model import Feature, FeatureType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from syncline.contracts.checks.cel import CompiledRule
    from syncline.contracts.model import JoinKey

MOST_JOINS = 20
"""`+` signs in a rule about texts or lists: each copies all that it joins."""
_COMPARING = frozenset("=!<>")
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_TEXT = "''"


def ask_of_cost(rule: CompiledRule, fields: Mapping[str, Feature | JoinKey]) -> None:
    """Refuse a rule whose time grows faster than the row.

    Args:
        rule: the rule.
        fields: the join keys and features by name; at least those that the rule names.

    Raises:
        ValueError: one sentence: a whole list, map or text is looked at for each item, or too many are joined.
    """
    tokens = list(tokens_of(rule.expression))
    # Join keys have at most 511 bytes.
    large = {name: found for name in rule.names if isinstance(found := fields[name], Feature)}
    large = {name: found for name, found in large.items() if found.item or found.type is FeatureType.STRING}
    joins = tokens.count("+")
    if large and joins > MOST_JOINS:
        raise ValueError(
            f"it has {joins} `+` and names `{next(iter(large))}`: each would copy all that it joins, and "
            f"{MOST_JOINS} are allowed beside texts, lists and maps"
        )
    for macro, variable, places in _macros(tokens):
        for place in places:
            feature = large.get(tokens[place])
            if feature is None or tokens[place - 1] == ".":
                continue
            of_one_cost = _text_costs_one if feature.item is None else _items_cost_one
            if not of_one_cost(tokens, place, feature=feature, variable=variable):
                raise ValueError(
                    f"inside `{macro}` all of `{feature.name}` would be looked at for each item, which takes time "
                    "quadratic in the row: there, name one item of a list, its `size`, or compare a text with "
                    f"`{variable}`, and state the rest outside of it"
                )


def _macros(tokens: Sequence[str]) -> Iterator[tuple[str, str, range]]:
    """Each macro: what it is called, its variable, and where its condition stands."""
    for start in range(1, len(tokens) - 3):
        if tokens[start] not in MACROS or tokens[start - 1] != "." or tokens[start + 1] != "(":
            continue
        depth, end = 1, start + 2
        while end < len(tokens) and depth:
            depth += (tokens[end] in _OPENING) - (tokens[end] in _CLOSING)
            end += 1
        yield tokens[start], tokens[start + 2], range(start + 3, end)


def _items_cost_one(tokens: Sequence[str], place: int, *, feature: Feature, variable: str) -> bool:  # noqa: ARG001  asked as texts are
    """Whether one item of a list or map is named, or how many it has, or whether a map has a key."""
    before, after = tokens[place - 1], tokens[place + 1]
    if after == "[" or (before == "(" and after == ")" and tokens[place - 2] == "size"):
        return True
    if after == ".":
        return tokens[place + 2] == "size" or feature.type is FeatureType.MAP
    return feature.type is FeatureType.MAP and before == "in"


def _text_costs_one(tokens: Sequence[str], place: int, *, feature: Feature, variable: str) -> bool:  # noqa: ARG001  asked as lists are
    """Whether a text is compared with the variable or a literal: the longer text costs no more than the shorter."""
    before, after = tokens[place - 1], tokens[place + 1]
    if before == "(" and after == ")":
        return tokens[place - 2] in ("startsWith", "endsWith")
    left, right = place - 1, place + 1
    while tokens[left] in _COMPARING:
        left -= 1
    while tokens[right] in _COMPARING:
        right += 1
    if left < place - 1:
        compared = tokens[left] in (variable, _TEXT) and tokens[left - 1] != "."
        return compared and after not in ("+", ".", "[")
    if right > place + 1:
        compared = tokens[right] in (variable, _TEXT) and tokens[right + 1] not in (".", "[", "(", "+")
        return compared and before not in ("+", ".")
    return False
