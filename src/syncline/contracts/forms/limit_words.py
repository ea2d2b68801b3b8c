"""The type and limits of a feature in words, as Markdown for a cell of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.contracts.forms.markdown import code
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment

if TYPE_CHECKING:
    from syncline.contracts.model import Feature, Item

_LONGEST_LIST = 12


def type_words(feature: Feature) -> str:
    """`double`, `list of string`, `vector of 384 floats`."""
    if feature.item is None:
        return feature.type.value
    if feature.type is FeatureType.MAP:
        return f"map of text to {feature.item.type.value}"
    if feature.type is FeatureType.VECTOR:
        return f"vector of {feature.dimensions:,} {feature.item.type.value}s"
    return f"list of {feature.item.type.value}"


def limit_words(feature: Feature) -> str:
    """Every limit of a feature: `-120 to 1000`, `at most 5 items, each one of A, B`; empty where there is none."""
    said = _scalar_words(feature) if feature.item is None else _nested_words(feature)
    if not feature.finite and (feature.item or feature).type.is_floating:
        said.append("NaN and infinities allowed")
    return ", ".join(said)


def value_words(feature: Feature, value: Any) -> str:  # noqa: ANN401  a value of a checked row
    """A value of the feature, as its default."""
    kind = (feature.item or feature).type
    if value is None:
        return "null"
    if isinstance(value, list):
        return code("[" + ", ".join(_plain(kind, item) for item in value) + "]", in_table=True)
    if isinstance(value, dict):
        entries = ", ".join(f"{name}: {_plain(kind, item)}" for name, item in value.items())
        return code("{" + entries + "}", in_table=True)
    return code(_plain(kind, value), in_table=True)


def _nested_words(feature: Feature) -> list[str]:
    assert feature.item is not None
    said = []
    counted = _between(feature.min_items, feature.max_items)
    if counted:
        said.append(f"{counted} {'entries' if feature.type is FeatureType.MAP else 'items'}")
    if feature.unique_items:
        said.append("all different")
    inside = _scalar_words(feature.item)
    if inside:
        said.append(f"each {', '.join(inside)}")
    if feature.embedding_model is not None:
        said.append(f"made by {code(feature.embedding_model, in_table=True)}")
    return said


def _scalar_words(limited: Feature | Item) -> list[str]:
    said = []
    ranged = _range(limited)
    if ranged:
        said.append(ranged)
    length = _between(limited.min_length, limited.max_length)
    if length:
        said.append(f"{length} character{'' if length == '1' else 's'}")
    if limited.pattern is not None:
        said.append(f"matches {code(limited.pattern, in_table=True)}")
    if limited.allowed is not None:
        values = [code(_plain(limited.type, value), in_table=True) for value in limited.allowed]
        more = f" and {len(values) - _LONGEST_LIST} more" if len(values) > _LONGEST_LIST else ""
        said.append(f"one of {', '.join(values[:_LONGEST_LIST])}{more}")
    return said


def _range(limited: Feature | Item) -> str:
    kind = limited.type
    low, high = limited.minimum, limited.maximum
    if low is not None and low == high:
        return f"exactly {_plain(kind, low)}"
    if None not in (low, high) and limited.exclusive_minimum is None and limited.exclusive_maximum is None:
        return f"{_plain(kind, low)} to {_plain(kind, high)}"
    stated = (
        ("at least", low),
        ("above", limited.exclusive_minimum),
        ("at most", high),
        ("below", limited.exclusive_maximum),
    )
    return " and ".join(f"{word} {_plain(kind, limit)}" for word, limit in stated if limit is not None)


def _between(low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return ""
    if low == high:
        return f"{low:,}"
    if not low:
        return f"at most {high:,}"
    return f"at least {low:,}" if high is None else f"{low:,} to {high:,}"


def _plain(kind: FeatureType, value: Any) -> str:  # noqa: ANN401  of the type `kind`
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind.is_moment:
        return format_moment(int(value), kind)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004  exact in a double
        return str(int(value))
    return f"{value:.7g}" if kind is FeatureType.FLOAT and isinstance(value, float) else str(value)
