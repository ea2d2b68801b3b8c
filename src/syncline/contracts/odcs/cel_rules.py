"""The rules in CEL that a document states under `quality`, on its schema object or on a property."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from syncline.contracts.model import Rule
from syncline.contracts.odcs.located import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from syncline.contracts.model import Feature, JoinKey
    from syncline.contracts.odcs.located import Findings, Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_OF_ANOTHER_LANGUAGE = re.compile(r"\b(?:and|or|not|is)\b|<>|(?<![<>=!])=(?!=)", re.IGNORECASE)
"""What SQL and Python write, and CEL does not."""
_LONGEST = 2_000
_MOST_RULES = 100
_BINDING = ("error", "critical", "blocker")


def read_rules(
    schema: Mapping[str, Any],
    path: Path,
    *,
    keys: Sequence[str],
    features: Sequence[str],
    fields: Mapping[str, Feature | JoinKey],
    findings: Findings,
) -> tuple[Rule, ...]:
    """The rules of the schema object, then those of its properties; problems go to `findings`.

    Args:
        schema: the schema object of the document.
        path: where it stands.
        keys: the names of the join keys, which a rule may name beside features.
        features: the names of the features, those with problems too.
        fields: the join keys and features without problems, by name; rules about others are not held to types.
        findings: takes the problems.
    """
    found: list[Rule] = []
    places = list(_cel_entries(schema, path))
    if len(places) > _MOST_RULES:
        remedy = f"Join some with `&&`; {_MOST_RULES} are allowed"
        findings.add((*path, "quality"), "too-many", f"{len(places)} rules in CEL are too many", remedy)
        return ()
    names: dict[str, str] = {}
    for entry, where, owner in places:
        name = _name(entry, where, names, findings)
        _check_entry(entry, where, findings)
        used = _names_used(entry, where, (*keys, *features), fields=fields, findings=findings)
        if used is None:
            continue
        place = (*where, "implementation")
        if not set(used) & set(features):
            findings.add(
                place, "cel", "the rule names no feature, only join keys", "Name the feature that it is about"
            )
        elif owner is not None and owner not in used:
            remedy = f"Name `{owner}` in it, or state it under `quality` of the schema"
            findings.add(place, "cel", f"the rule does not name `{owner}`", remedy)
        elif name is not None:
            description = entry.get("description")
            ordered = tuple(feature for feature in features if feature in used)
            expression = str(entry["implementation"])
            found.append(Rule(name, expression, ordered, description if isinstance(description, str) else ""))
    return tuple(found)


def _cel_entries(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], Path, str | None]]:
    """Each rule in CEL with its place and the name of the property that states it; those for other engines pass."""
    yield from ((entry, where, None) for entry, where in _in_quality(schema, path))
    properties = schema.get("properties")
    for number, item in enumerate(properties if isinstance(properties, list) else ()):
        if isinstance(item, dict):
            owner = item.get("name")
            for entry, where in _in_quality(item, (*path, "properties", number)):
                yield entry, where, owner if isinstance(owner, str) else None


def _in_quality(holder: Mapping[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    entries = holder.get("quality")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        if is_cel(entry):
            yield entry, (*path, "quality", number)


def is_cel(entry: object) -> bool:
    """Whether an entry of `quality` is a rule in CEL."""
    engine = entry.get("engine") if isinstance(entry, dict) else None
    return isinstance(engine, str) and engine.strip().lower() == "cel"


def _name(entry: Mapping[str, Any], path: Path, seen: dict[str, str], findings: Findings) -> str | None:
    name = entry.get("name")
    place = (*path, "name")
    if name is None:
        remedy = "State `name`, such as `arrives_after_departure`: violations show it"
        findings.add(path, "missing-name", "`name` is missing", remedy)
        return None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        remedy = "Use letters, digits and `_`, not beginning with a digit, at most 100 characters"
        findings.add(place, "name", f"{name!r:.60} cannot name a rule", remedy)
        return None
    if name in seen:
        findings.add(
            place, "duplicate-name", f"`{name}` is also the rule at {seen[name]}", "Rename one of them"
        )
        return None
    seen[name] = path_text(path)
    return name


def _check_entry(entry: Mapping[str, Any], path: Path, findings: Findings) -> None:
    if entry.get("type") != "custom":
        findings.add((*path, "type"), "cel", "a rule in CEL is of another type", "Write `type: custom`")
    severity = entry.get("severity")
    if isinstance(severity, str) and severity.lower() not in _BINDING:
        remedy = "Remove `severity`; `syncline.onViolation` of the document says what happens"
        findings.add(
            (*path, "severity"), "cel", f"a rule in CEL binds every message, {severity!r:.40} or not", remedy
        )


def _remedy(expression: str) -> str:
    if _OF_ANOTHER_LANGUAGE.search(_QUOTED.sub("", expression)):
        return "CEL writes `&&`, `||`, `!`, `==` and `== null`"
    return "Write it in CEL, about join keys and features"


def _names_used(
    entry: Mapping[str, Any],
    path: Path,
    names: Sequence[str],
    *,
    fields: Mapping[str, Feature | JoinKey],
    findings: Findings,
) -> tuple[str, ...] | None:
    place = (*path, "implementation")
    expression = entry.get("implementation")
    if not isinstance(expression, str) or not expression.strip():
        findings.add(
            place, "cel", "the rule has no expression", "Write one in CEL, such as `arr_time >= dep_time`"
        )
        return None
    if len(expression) > _LONGEST:
        remedy = f"Split it into several; {_LONGEST} characters are allowed"
        findings.add(place, "cel", f"the rule has {len(expression)} characters", remedy)
        return None
    # Imported here: only a contract with such a rule needs the engine.
    from syncline.contracts.checks.cel import compile_rule  # noqa: PLC0415  see above
    from syncline.contracts.checks.rule_cost import ask_of_cost  # noqa: PLC0415  see above
    from syncline.contracts.checks.rule_types import ask_of_types  # noqa: PLC0415  see above

    try:
        rule = compile_rule(expression, names)
        if all(name in fields for name in rule.names):
            ask_of_types(rule, fields)
            ask_of_cost(rule, fields)
    except ValueError as error:
        findings.add(place, "cel", str(error), _remedy(expression))
        return None
    return rule.names
