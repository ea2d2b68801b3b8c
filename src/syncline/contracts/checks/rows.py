"""The contract as a check of one row: generated Python that looks at each value once.

A row that keeps its contract passes a run of comparisons and nothing else; any doubt goes to the explanation, which
lists every broken rule. The generated text is built from validated names and parsed numbers only.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from syncline.contracts.checks.explain import ABSENT, FeatureJudge, judge_key, plain_value
from syncline.contracts.checks.quick import quick_pass
from syncline.contracts.checks.rule_check import RuleCheck
from syncline.contracts.checks.shown import shown, shown_name
from syncline.contracts.limits import EVENT_TIMES
from syncline.contracts.model import FeatureType
from syncline.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from syncline.contracts.model import Contract


class RowCheck:
    """Judges one row at a time: a mapping of join keys, all features, and (optional) the event time as int µs.

    Days and moments are whole numbers, lists and vectors `list`, maps `dict`. Any other object in a row breaks a rule
    and raises nothing.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._judges = {feature.name: FeatureJudge(feature) for feature in contract.features}
        self._rules = [RuleCheck(contract, rule) for rule in contract.rules]
        self._defaults = {f.name: f.default for f in contract.features if f.has_default}
        self._shared_defaults = not any(isinstance(value, list | dict) for value in self._defaults.values())
        self._names = {key.name for key in contract.keys} | {contract.event_time, *self._judges}
        self.check = quick_pass(contract, self._rules, self.explain)
        """The generated function itself, for loops in which one call less matters."""

    def __call__(self, row: Mapping[str, Any]) -> Sequence[Violation]:
        """Every rule that the row breaks; empty when it keeps its contract."""
        return self.check(row)

    def complete(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the row in which omitted features have their defaults.

        What is omitted without a default, or unknown, is left as it is: the check reports it.
        """
        if self._shared_defaults:
            return {**self._defaults, **row}
        return {name: copy.copy(value) for name, value in self._defaults.items()} | dict(row)

    def explain(self, row: Mapping[str, Any]) -> list[Violation]:
        """Every rule that the row breaks, without the generated comparisons: the verdict that they must give."""
        row = _readable(row)
        found: list[Violation] = []
        for key in self._contract.keys:
            found += judge_key(key, row.get(key.name, ABSENT))
        found += self._judge_event_time(row.get(self._contract.event_time, 0))
        for name, judge in self._judges.items():
            found += judge(row.get(name, ABSENT))
        for rule in self._rules:
            violation = rule.explain(row)
            if violation is not None:
                found.append(violation)
        for name in row:
            if name not in self._names:
                found.append(
                    Violation(
                        shown_name(name), "unknown", f"a feature of {self._contract.reference}", "this name"
                    )
                )
        return found

    def _judge_event_time(self, value: Any) -> Iterator[Violation]:  # noqa: ANN401  any object
        own = type(value)
        name = self._contract.event_time
        if not issubclass(own, int) or own is bool:
            yield Violation(name, "type", "whole microseconds since 1970", shown(value))
        elif not EVENT_TIMES[0] <= int.__int__(value) <= EVENT_TIMES[1]:
            yield Violation(name, "range", "a time in the years 1 to 9999", shown(value))


def compile_rows(contract: Contract) -> RowCheck:
    """The check of single rows for this contract; compile it once, call it often."""
    return RowCheck(contract)


class _Unreadable:
    """Stands for a name in a row that is no plain text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _readable(row: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The row with names that can be looked up: those of odd types may raise when they are compared."""
    try:
        items = list(row.items())
    except Exception:  # noqa: BLE001  any object may be given for a row; it then has nothing
        return {}
    plain: dict[Any, Any] = {}
    for name, value in items:
        text = plain_value(FeatureType.STRING, name)
        plain[text if isinstance(text, str) else _Unreadable(shown(name))] = value
    return plain
