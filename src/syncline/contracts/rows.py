"""The contract as a check of one row: generated Python that looks at each value once.

A row that keeps its contract passes a run of comparisons and nothing else; any doubt goes to `_explain`, which lists
every broken rule. The generated text is built from validated names and parsed numbers only.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, TypeGuard

from syncline.contracts.limits import EVENT_TIMES, INTEGER_RANGES, as_float32, closed_range
from syncline.contracts.model import FeatureType
from syncline.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from syncline.contracts.model import Contract, Feature, JoinKey

_ABSENT = object()
_LONGEST_VALUE = 80
_A_TYPE = {
    FeatureType.BOOLEAN: "true or false",
    FeatureType.INT: "a 32-bit whole number",
    FeatureType.LONG: "a 64-bit whole number",
    FeatureType.FLOAT: "a number",
    FeatureType.DOUBLE: "a number",
    FeatureType.STRING: "a text of whole Unicode characters",
}


class RowCheck:
    """Judges one row at a time: a mapping of join keys, all features, and (optional) the event time as int µs."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._defaults = {f.name: f.default for f in contract.features if f.has_default}
        self._names = {key.name for key in contract.keys} | {feature.name for feature in contract.features}
        self.check = _generate(contract, self._explain)
        """The generated function itself, for loops in which one call less matters."""

    def __call__(self, row: Mapping[str, Any]) -> Sequence[Violation]:
        """Every rule that the row breaks; empty when it keeps its contract."""
        return self.check(row)

    def complete(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the row in which omitted features have their defaults.

        What is omitted without a default, or unknown, is left as it is: the check reports it.
        """
        return {**self._defaults, **row}

    def _explain(self, row: Mapping[str, Any]) -> list[Violation]:
        found: list[Violation] = []
        for key in self._contract.keys:
            found += _judge_key(key, row.get(key.name, _ABSENT))
        event_time = row.get(self._contract.event_time, 0)
        if not _is_integer(event_time):
            found.append(
                Violation(
                    self._contract.event_time, "type", "whole microseconds since 1970", _shown(event_time)
                )
            )
        elif not _within(event_time, EVENT_TIMES):
            found.append(
                Violation(
                    self._contract.event_time, "range", "a time in the years 1 to 9999", _shown(event_time)
                )
            )
        for feature in self._contract.features:
            found += _judge(feature, row.get(feature.name, _ABSENT))
        for name in row:
            if name not in self._names and name != self._contract.event_time:
                found.append(
                    Violation(
                        _shown_name(name), "unknown", f"a feature of {self._contract.reference}", "this name"
                    )
                )
        return found


def compile_rows(contract: Contract) -> RowCheck:
    """The check of single rows for this contract; compile it once, call it often."""
    return RowCheck(contract)


def _judge_key(key: JoinKey, value: object) -> Iterator[Violation]:
    if value is _ABSENT:
        yield Violation(key.name, "missing", "a value", "nothing")
    elif value is None:
        yield Violation(key.name, "null", "a value", "null")
    elif not _has_type(key.type, value):
        yield Violation(key.name, "type", _A_TYPE[key.type], _shown(value))
    elif value == "":
        yield Violation(key.name, "key", "a text of at least one character", "''")


def _judge(feature: Feature, value: object) -> Iterator[Violation]:
    if value is _ABSENT:
        yield Violation(feature.name, "missing", "a value", "nothing")
        return
    if value is None:
        if feature.required:
            yield Violation(feature.name, "null", "a value", "null")
        return
    shown = "a redacted value" if feature.redact else _shown(value)
    if not _has_type(feature.type, value):
        yield Violation(feature.name, "type", _A_TYPE[feature.type], shown)
        return
    yield from _judge_limits(feature, value, shown)


def _judge_limits(feature: Feature, value: Any, shown: str) -> Iterator[Violation]:  # noqa: ANN401  of the feature's type by now
    if feature.type.is_floating:
        # Judged as it will be on the wire.
        value = as_float32(value) if feature.type is FeatureType.FLOAT else float(value)
        if feature.finite and not math.isfinite(value):
            yield Violation(feature.name, "finite", "a finite number", shown)
        if math.isnan(value) or (feature.finite and math.isinf(value)):
            return
    for rule, sign, limit, keeps in (
        ("minimum", ">=", feature.minimum, operator.ge),
        ("maximum", "<=", feature.maximum, operator.le),
        ("exclusiveMinimum", ">", feature.exclusive_minimum, operator.gt),
        ("exclusiveMaximum", "<", feature.exclusive_maximum, operator.lt),
    ):
        if limit is not None and not keeps(value, limit):
            yield Violation(feature.name, rule, f"{sign} {limit}", shown)
    if feature.allowed is not None and value not in feature.allowed:
        yield Violation(feature.name, "enum", f"one of {_listed(feature.allowed)}", shown)


def _has_type(kind: FeatureType, value: object) -> bool:
    if kind is FeatureType.BOOLEAN:
        return isinstance(value, bool)
    if kind is FeatureType.STRING:
        return isinstance(value, str) and _is_encodable(value)
    if kind in INTEGER_RANGES:
        return _is_integer(value) and _within(value, INTEGER_RANGES[kind])
    if isinstance(value, float):
        return True
    try:
        return _is_integer(value) and math.isfinite(value)
    except OverflowError:
        return False


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  any object may stand in a row, and its repr may raise anything
        text = f"a {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _shown_name(name: object) -> str:
    return name[:_LONGEST_VALUE] if isinstance(name, str) and name.isprintable() else _shown(name)


def _listed(values: Iterable[object]) -> str:
    text = ", ".join(str(value) for value in values)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _generate(
    contract: Contract, explain: Callable[[Mapping[str, Any]], list[Violation]]
) -> Callable[[Mapping[str, Any]], Sequence[Violation]]:
    namespace: dict[str, Any] = {"explain": explain, "inf": math.inf}
    count = len(contract.keys) + len(contract.features)
    lines = ["def check(row):", " try:", f"  if len(row) != {count}:"]
    lines += [f"   if len(row) != {count + 1}: return explain(row)"]
    lines += [
        f"   v = row[{contract.event_time!r}]",
        f"   if {_in_range(FeatureType.LONG, EVENT_TIMES)}: return explain(row)",
    ]
    for key in contract.keys:
        lines.append(f"  v = row[{key.name!r}]")
        doubt = _NOT_TEXT + " or not v" if key.type is FeatureType.STRING else _in_range(key.type)
        lines.append(f"  if {doubt}: return explain(row)")
    for number, feature in enumerate(contract.features):
        lines.append(f"  v = row[{feature.name!r}]")
        doubt = _doubt(feature, f"allowed{number}", namespace)
        null = "" if feature.required else "v is not None and "
        lines.append(f"  if {null}({doubt}): return explain(row)")
    lines += [" except KeyError: return explain(row)", " return ()"]
    exec(compile("\n".join(lines), f"<rows of {contract.reference}>", "exec"), namespace)  # noqa: S102  built from validated names and numbers
    check: Callable[[Mapping[str, Any]], Sequence[Violation]] = namespace["check"]
    return check


_NOT_TEXT = "type(v) is not str or not v.isascii()"


def _in_range(kind: FeatureType, bounds: tuple[float, float] | None = None) -> str:
    low, high = bounds if bounds is not None else INTEGER_RANGES[kind]
    wanted = "int" if kind in INTEGER_RANGES else "float"
    return f"type(v) is not {wanted} or not {low!r} <= v <= {high!r}"


def _doubt(feature: Feature, allowed_name: str, namespace: dict[str, Any]) -> str:
    """The condition under which a value must be looked at more closely; false only for values that pass."""
    if feature.type is FeatureType.BOOLEAN:
        return "v is not True and v is not False"
    if feature.allowed is not None:
        wanted = "str" if feature.type is FeatureType.STRING else "int"
        bounds = closed_range(feature)
        namespace[allowed_name] = frozenset(
            value for value in feature.allowed if bounds is None or bounds[0] <= int(value) <= bounds[1]
        )
        return f"type(v) is not {wanted} or v not in {allowed_name}"
    if feature.type is FeatureType.STRING:
        return _NOT_TEXT
    # Rounding to 32 bits is monotone and these bounds are 32-bit numbers: what lies within them stays within.
    return _in_range(feature.type, closed_range(feature))
