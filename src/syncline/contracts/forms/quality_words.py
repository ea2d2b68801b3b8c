"""The quality expectations of a document in words: what is asked of windows of messages, not of each one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from syncline.contracts.forms.markdown import code, prose

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPERATORS = {
    "mustBe": "is {}",
    "mustNotBe": "is not {}",
    "mustBeGreaterThan": "is above {}",
    "mustBeGreaterOrEqualTo": "is at least {}",
    "mustBeLessThan": "is below {}",
    "mustBeLessOrEqualTo": "is at most {}",
    "mustBeBetween": "is between {}",
    "mustNotBeBetween": "is not between {}",
}
_METRICS = {
    "nullValues": "the share of null",
    "missingValues": "the share of missing values",
    "invalidValues": "the share of invalid values",
    "duplicateValues": "the share of duplicates",
    "rowCount": "the number of rows",
}


def expectations(document: Mapping[str, Any]) -> Iterator[str]:
    """Each expectation as Markdown; rules in CEL are none, as they hold for each message."""
    objects = document.get("schema")
    for schema in objects if isinstance(objects, list) else ():
        if not isinstance(schema, dict):
            continue
        yield from _of(schema, "")
        properties = schema.get("properties")
        for item in properties if isinstance(properties, list) else ():
            if isinstance(item, dict):
                yield from _of(item, str(item.get("name", "")))


def _of(holder: Mapping[str, Any], feature: str) -> Iterator[str]:
    rules = holder.get("quality")
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and rule.get("engine") != "cel":
            yield (f"{code(feature)}: " if feature else "") + _sentence(rule)


def _sentence(rule: Mapping[str, Any]) -> str:
    described = rule.get("description")
    metric = rule.get("metric")
    operator = next((name for name in _OPERATORS if name in rule), None)
    if not isinstance(metric, str) or operator is None:
        fallback = rule.get("name") or f"a rule of the type {rule.get('type', 'library')}"
        return prose(str(described or fallback))
    wanted = rule[operator]
    value = " and ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)
    unit = {"percent": " %", "rows": " rows"}.get(str(rule.get("unit")), "")
    said = f"{_METRICS.get(metric, metric)} {_OPERATORS[operator].format(value)}{unit}"
    return prose(said) + (f" ({prose(str(described))})" if described else "")
