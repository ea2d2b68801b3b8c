"""A contract's rules between features, as checks of rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.cel import compile_rule
from syncline.contracts.checks.explain import ABSENT, REDACTED, WRONG, plain_map, plain_value
from syncline.contracts.checks.shown import shorten, shown
from syncline.contracts.limits import as_float32
from syncline.contracts.model import Feature, FeatureType
from syncline.contracts.moments import format_moment
from syncline.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncline.contracts.model import Contract, Item, JoinKey, Rule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_US = timedelta(microseconds=1)
_LONGEST_VALUES = 240
"""Of all values of a rule together: two moments with their names must stand whole."""


class RuleCheck:
    """Judges one rule on rows; compile it once per contract."""

    def __init__(self, contract: Contract, rule: Rule) -> None:
        fields: dict[str, Feature | JoinKey] = {key.name: key for key in contract.keys}
        fields |= {feature.name: feature for feature in contract.features}
        self._rule = rule
        self._compiled = compile_rule(rule.expression, tuple(fields))
        self._fields = {name: fields[name] for name in self._compiled.names}
        self._converters = [(name, converter(field)) for name, field in self._fields.items()]
        features = [field for field in self._fields.values() if isinstance(field, Feature)]
        self._redacted = {feature.name for feature in features if feature.redact}
        self._feature = features[0].name if len(features) == 1 else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The join keys and features that it names."""
        return self._compiled.names

    def keeps(self, row: Mapping[str, Any]) -> bool:
        """Whether a row whose values have their right types keeps the rule."""
        values = {
            name: None if (value := row[name]) is None else convert(value)
            for name, convert in self._converters
        }
        return self._compiled.broken(values) is None

    def explain(self, row: Mapping[str, Any]) -> Violation | None:
        """The violation, for a row of any values; None where it keeps the rule, or a value has another type."""
        plain = {name: _plain(field, row.get(name, ABSENT)) for name, field in self._fields.items()}
        if any(value is WRONG for value in plain.values()) or self.keeps(plain):
            return None
        parts = (
            f"{name}={REDACTED if name in self._redacted else _shown(self._fields[name], value)}"
            for name, value in plain.items()
        )
        return Violation(
            self._feature, self._rule.rule, self._rule.expression, shorten(", ".join(parts), _LONGEST_VALUES)
        )


def _plain(field: Feature | JoinKey, value: object) -> Any:  # noqa: ANN401  of the field's type, or WRONG
    """The value with all that is inside it plain; WRONG where anything is of another type."""
    if value is None:
        return None
    if not isinstance(field, Feature) or field.item is None:
        return plain_value(field.type, value)
    kind = field.item.type
    if field.type is FeatureType.MAP:
        entries = plain_map(value)
        if entries is None:
            return WRONG
        plain = {key: plain_value(kind, each) for key, each in entries.items()}
        return WRONG if any(each is WRONG for each in plain.values()) else plain
    if type(value) is not list:
        return WRONG
    items = [plain_value(kind, each) for each in value]
    return WRONG if any(each is WRONG for each in items) else items


def converter(field: Feature | JoinKey) -> Callable[[Any], Any]:
    """How a plain value, not null, becomes what CEL takes."""
    if not isinstance(field, Feature) or field.item is None:
        return _scalar_converter(field)
    convert = _scalar_converter(field.item)
    if field.type is FeatureType.MAP:
        return lambda value: {key: convert(each) for key, each in value.items()}
    return lambda value: [convert(each) for each in value]


def _scalar_converter(field: Feature | JoinKey | Item) -> Callable[[Any], Any]:
    match field.type:
        case FeatureType.DATE:
            return lambda value: _EPOCH + value * _DAY
        case FeatureType.TIMESTAMP:
            return lambda value: _EPOCH + value * _US
        case FeatureType.FLOAT:
            return as_float32
        case FeatureType.DOUBLE:
            return float
        case _:
            return _itself


def _itself(value: Any) -> Any:  # noqa: ANN401  of the field's type
    return value


def _shown(field: Feature | JoinKey, value: Any) -> str:  # noqa: ANN401  of the field's type
    if value is None:
        return "null"
    return format_moment(value, field.type) if field.type.is_moment else shown(value, 40)
