"""The properties of a document's schema object: join keys, the event time, and features with their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncline.contracts.odcs.cel_rules import read_rules
from syncline.contracts.odcs.features import read_feature
from syncline.contracts.odcs.property_node import PropertyNode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.model import Feature, JoinKey, Rule
    from syncline.contracts.odcs.located import Findings, Path

_MOST_PROPERTIES = 1_000


@dataclass(frozen=True, slots=True)
class ParsedProperties:
    """What the properties say; `feature_paths` tells where each feature stands."""

    keys: tuple[JoinKey, ...]
    features: tuple[Feature, ...]
    feature_paths: tuple[Path, ...]
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class _Sorted:
    """The properties by role, while they are read; the counts include those with problems."""

    keys: list[tuple[int, JoinKey]] = field(default_factory=list)
    features: list[tuple[Path, Feature]] = field(default_factory=list)
    key_names: list[str] = field(default_factory=list)
    feature_names: list[str] = field(default_factory=list)
    key_count: int = 0
    event_time_count: int = 0


def parse_properties(
    schema: Mapping[str, Any], path: Path, *, event_time: str, findings: Findings
) -> ParsedProperties | None:
    """The keys, features and rules of a schema object; None without properties. Problems go to `findings`."""
    properties = schema.get("properties")
    path = (*path, "properties")
    if not isinstance(properties, list) or not properties:
        remedy = "State join keys, event_time and features"
        findings.add(path, "no-properties", "the schema has no properties", remedy)
        return None
    found = _Sorted()
    names: dict[str, int] = {}
    for number, item in enumerate(properties):
        node = PropertyNode(item if isinstance(item, dict) else {}, (*path, number), findings)
        name = node.name(names, number)
        node.check_common()
        if name == event_time:
            found.event_time_count += 1
            node.check_event_time()
        elif node.item.get("primaryKey") is True:
            found.key_count += 1
            found.key_names += [name] if name else []
            key = node.key(name)
            if key is not None:
                found.keys.append((node.key_position(), key))
        else:
            found.feature_names += [name] if name else []
            feature = read_feature(node, name)
            if feature is not None:
                found.features.append((node.path, feature))
    _check_counts(found, len(properties), path, event_time=event_time, findings=findings)
    fields: list[Feature | JoinKey] = [*(key for _, key in found.keys), *(each for _, each in found.features)]
    rules = read_rules(
        schema,
        path[:-1],
        keys=found.key_names,
        features=found.feature_names,
        fields={each.name: each for each in fields},
        findings=findings,
    )
    return ParsedProperties(
        _ordered(found.keys, path, findings),
        tuple(feature for _, feature in found.features),
        tuple(where for where, _ in found.features),
        rules,
    )


def _check_counts(found: _Sorted, count: int, path: Path, *, event_time: str, findings: Findings) -> None:
    if found.key_count == 0:
        findings.add(path, "no-key", "no property is a join key", "State `primaryKey: true` on at least one")
    if found.event_time_count == 0:
        remedy = f"State `{{name: {event_time}, logicalType: timestamp, required: true}}`"
        findings.add(path, "event-time", f"the schema has no `{event_time}`", remedy)
    if count == found.key_count + found.event_time_count:
        remedy = "State at least one property beside keys and event time"
        findings.add(path, "no-features", "the view has no features", remedy)
    if count > _MOST_PROPERTIES:
        remedy = f"Split the view; {_MOST_PROPERTIES} are allowed"
        findings.add(path, "too-many", f"{count} properties are too many", remedy)


def _ordered(keys: list[tuple[int, JoinKey]], path: Path, findings: Findings) -> tuple[JoinKey, ...]:
    stated = [position for position, _ in keys if position > 0]
    if stated and (len(stated) != len(keys) or len(set(stated)) != len(stated)):
        findings.add(
            path,
            "key-position",
            "the join keys have no clear order",
            "State a different `primaryKeyPosition` (from 1) on each of them, or on none",
        )
    return tuple(key for _, key in sorted(keys, key=lambda entry: entry[0]))
