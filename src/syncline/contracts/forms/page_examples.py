"""Short programs that publish and read a view, with values that its contract allows where they can be told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from syncline.contracts.limits import closed_range
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Feature, Item

_MOST_SHOWN = 12
_MOST_ELEMENTS = 8
_YEAR_2027 = {FeatureType.DATE: 20_878, FeatureType.TIMESTAMP: 20_878 * 86_400_000_000}


def publishing(contract: Contract) -> str:
    """A program that publishes one row; features with a default may be left out, and are."""
    features = [feature for feature in contract.features if not feature.has_default] or list(
        contract.features
    )
    row = [f'            "{feature.name}": {_python(feature)},' for feature in features[:_MOST_SHOWN]]
    if len(features) > _MOST_SHOWN:
        row.append(f"            # and {len(features) - _MOST_SHOWN} more")
    keys = ", ".join(f'"{key.name}": {_key(key.type)}' for key in contract.keys)
    moments = ["datetime"]
    if any((feature.item or feature).type is FeatureType.DATE for feature in features[:_MOST_SHOWN]):
        moments.insert(0, "date")
    lines = [
        f"from datetime import UTC, {', '.join(moments)}",
        "",
        "from syncline import Publisher",
        "",
        "with Publisher.from_env() as publisher:",
        f'    view = publisher.view("{contract.view}@{contract.version.major}")',
        "    view.publish(",
        f"        {{{keys}}},",
        "        {",
        *row,
        "        },",
        "        event_time=datetime.now(UTC),",
        "    )",
    ]
    return "\n".join(lines)


def reading(contract: Contract, bundle: str, join_keys: Sequence[str]) -> str:
    """A program that reads a bundle that holds the view, beside an agent."""
    kinds = [key.type for key in contract.keys]
    keys = ", ".join(f"{json.dumps(name)}: {_key(kind)}" for name, kind in zip(join_keys, kinds, strict=True))
    lines = [
        "from syncline import FeatureReader",
        "",
        'with FeatureReader("/var/lib/syncline") as reader:  # the folder that the agent writes',
        f"    row = reader.get({json.dumps(bundle)}, {{{keys}}})",
        "    print(row.values, row.statuses, row.ages)",
    ]
    return "\n".join(lines)


def _key(kind: FeatureType) -> str:
    return '"..."' if kind is FeatureType.STRING else "1"


def _python(feature: Feature) -> str:
    if feature.item is None:
        return _scalar(feature)
    inside = _scalar(feature.item)
    if feature.type is FeatureType.MAP:
        return f'{{"...": {inside}}}'
    count = feature.dimensions or max(1, feature.min_items or 0)
    if count > 1 and feature.unique_items:
        return f"[{inside}, ...]"
    return "[" + ", ".join([inside] * count) + "]" if count <= _MOST_ELEMENTS else f"[{inside}] * {count}"


def _scalar(limited: Feature | Item) -> str:
    kind = limited.type
    if limited.allowed is not None:
        return _literal(kind, limited.allowed[0])
    if kind is FeatureType.BOOLEAN:
        return "True"
    if kind is FeatureType.STRING:
        return '"..."'
    bounds = closed_range(limited)
    assert bounds is not None
    usual: float = _YEAR_2027.get(kind, 0)
    value = min(max(usual, bounds[0]), bounds[1])
    return _literal(kind, float(value) if kind.is_floating else int(value))


def _literal(kind: FeatureType, value: Any) -> str:  # noqa: ANN401  of the type `kind`
    if kind is FeatureType.STRING:
        return json.dumps(value, ensure_ascii=False)
    if not kind.is_moment:
        return repr(value)
    text = format_moment(int(value), kind)
    return (
        f'date.fromisoformat("{text}")' if kind is FeatureType.DATE else f'datetime.fromisoformat("{text}")'
    )
