"""Whether a rule fits the types of what it names: CEL would find that out only row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.cel import UNEVALUATED, names_sized
from syncline.contracts.checks.rule_check import converter
from syncline.contracts.model import Feature, FeatureType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.checks.cel import CompiledRule
    from syncline.contracts.model import JoinKey

_SAMPLES: dict[FeatureType, tuple[Any, Any]] = {
    FeatureType.BOOLEAN: (True, False),
    FeatureType.INT: (2, 3),
    FeatureType.LONG: (2, 3),
    FeatureType.FLOAT: (2.0, 3.0),
    FeatureType.DOUBLE: (2.0, 3.0),
    FeatureType.STRING: ("a", "b"),
    FeatureType.DATE: (2, 3),
    FeatureType.TIMESTAMP: (2, 3),
}
_OF_TYPES = ("No such overload", "Unsupported operation", "Undefined variable")
"""How the library says that types do not fit, in its errors."""


def ask_of_types(rule: CompiledRule, fields: Mapping[str, Feature | JoinKey]) -> None:
    """Refuse a rule that no row of these types could keep.

    Args:
        rule: the rule.
        fields: the join keys and features by name; at least those that the rule names.

    Raises:
        ValueError: one sentence: operands of types that CEL does not mix, a result that is neither true nor false, or
            the size of a text, which the library counts in bytes.
    """
    for name in names_sized(rule.expression):
        if name in fields and fields[name].type is FeatureType.STRING:
            raise ValueError(
                f"`size({name})` would count the bytes of a text: state `minLength` or `maxLength` at the feature"
            )
    named = {name: fields[name] for name in rule.names}
    found = [
        rule.broken({name: converter(field)(_sample(field, place)) for name, field in named.items()})
        for place in (0, 1)
    ]
    if all(reason is not None and "neither true nor false" in reason for reason in found):
        raise ValueError("it gives neither true nor false: compare what it computes with something")
    if all(reason is not None and any(said in reason for said in _OF_TYPES) for reason in found):
        said = str(found[0]).removeprefix(f"{UNEVALUATED}: ").split(". ")[0]
        types = ", ".join(f"`{name}` is {field.type}" for name, field in named.items())
        raise ValueError(
            f"its types do not fit ({types}): {said}; CEL converts only by `double(x)` or `int(x)`"
        )


def _sample(field: Feature | JoinKey, place: int) -> Any:  # noqa: ANN401  of the field's type
    if not isinstance(field, Feature) or field.item is None:
        return _SAMPLES[field.type][place]
    item = _SAMPLES[field.item.type]
    return {"a": item[place]} if field.type is FeatureType.MAP else list(item)
