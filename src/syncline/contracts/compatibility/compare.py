"""What differs between two contracts of one view, and which number of the version it asks for (contracts.md).

docs/reference/compatibility.md is the table of all rules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from syncline.contracts.codec.avro import contract_hash
from syncline.contracts.compatibility.comparison import Change, Comparison, Level
from syncline.contracts.compatibility.feature_changes import feature_changes
from syncline.contracts.durations import format_duration

if TYPE_CHECKING:
    from syncline.contracts.model import Contract, Rule


def compare(old: Contract, new: Contract) -> Comparison:
    """Every difference between two contracts, with the number of the version that it asks for, and why.

    The version numbers themselves are not compared, nor are topics of different MAJORs. A contract compared with
    itself has no change, and `level` NONE.
    """
    changes = [*_settings(old, new), *feature_changes(old, new), *_rules(old, new), *_metadata(old, new)]
    same_wire = contract_hash(replace(old, version=new.version)) == contract_hash(new)
    if not same_wire and not any(change.level is not Level.METADATA for change in changes):
        # Nothing above has a name for it: it must not pass as a mere remark all the same.
        changes.append(Change("contract", Level.MINOR, "wire-changed", "it differs in its wire form"))
    beside = f"{old.view}@{old.version.major + 1} beside {old.view}@{old.version.major}"
    return Comparison(old.reference, new.reference, tuple(changes), same_wire, beside)


def _settings(old: Contract, new: Contract) -> Iterator[Change]:
    for what, before, after, why in (
        ("view", old.view, new.view, "another view is another promise"),
        ("event time", old.event_time, new.event_time, "readers would find no event time under its old name"),
        ("join keys", _keys(old), _keys(new), "the same entity would be stored under another key"),
        ("partitions", old.partitions, new.partitions, "keys would move to other partitions"),
        ("maxAhead", old.max_ahead_us, new.max_ahead_us, "agents would judge the same record differently"),
        (
            "lateArrival",
            old.late_arrival_us,
            new.late_arrival_us,
            "agents would judge the same record differently",
        ),
    ):
        if before != after:
            said = f"{_said(what, before)} became {_said(what, after)}: {why}"
            yield Change(what, Level.MAJOR, _MAJOR_SETTINGS[what], said)
    if old.version.major == new.version.major and old.topic != new.topic:
        said = f"{old.topic} became {new.topic}: all MINORs of a MAJOR share one topic"
        yield Change("topic", Level.MAJOR, "topic-changed", said)
    yield from _freshness(old, new)
    if old.on_violation is not new.on_violation:
        said = f"{old.on_violation.value} became {new.on_violation.value}: what agents do with a record that breaks it"
        yield Change("onViolation", Level.MINOR, "on-violation-changed", said)
    if old.when_stale is not new.when_stale:
        said = f"{old.when_stale.value} became {new.when_stale.value}: what readers get for a value that is too old"
        yield Change("whenStale", Level.MINOR, "when-stale-changed", said)


_MAJOR_SETTINGS = {
    "view": "view-changed",
    "event time": "event-time-changed",
    "join keys": "keys-changed",
    "partitions": "partitions-changed",
    "maxAhead": "max-ahead-changed",
    "lateArrival": "late-arrival-changed",
}


def _freshness(old: Contract, new: Contract) -> Iterator[Change]:
    promises = [
        (
            "frequency",
            "frequency",
            old.frequency_us,
            new.frequency_us,
            "new values may come later than promised",
        ),
        ("latency", "latency", old.latency_us, new.latency_us, "a value may be servable later than promised"),
    ]
    if not (_is_derived(old) and _is_derived(new)):
        # Where nobody states it, it is twice the frequency, and a second sentence about that would only confuse.
        why = "values may be served that are older than promised"
        promises.append(("maxAge", "max-age", old.max_age_us, new.max_age_us, why))
    for what, rule, before, after, why in promises:
        if before == after:
            continue
        said = f"{_span(before)} became {_span(after)}"
        if (after or math.inf) > (before or math.inf):
            yield Change(what, Level.MAJOR, f"{rule}-loosened", f"{said}: {why}")
        else:
            yield Change(what, Level.MINOR, f"{rule}-tightened", f"{said}: a stricter promise")


def _is_derived(contract: Contract) -> bool:
    twice = None if contract.frequency_us is None else 2 * contract.frequency_us
    return contract.max_age_us == twice


def _rules(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({rule.name: rule for rule in contract.rules} for contract in (old, new))
    lost = [rule for name, rule in before.items() if name not in after]
    gained = [rule for name, rule in after.items() if name not in before]
    renamed = {rule.name: other for rule in lost for other in gained if rule.expression == other.expression}
    for name, rule in before.items():
        what = f"rule {name}"
        other = after.get(name)
        if name in renamed:
            yield Change(what, Level.MINOR, "rule-renamed", f"it is called {renamed[name].name} now")
        elif other is None:
            said = f"it was removed: rows may come now that break `{rule.expression}`"
            yield Change(what, Level.MAJOR, "rule-removed", said)
        elif other.expression != rule.expression:
            said = (
                f"`{rule.expression}` became `{other.expression}`: nobody can tell in general whether that lets new "
                "rows in"
            )
            yield Change(what, Level.MAJOR, "rule-changed", said)
        elif other.description != rule.description:
            yield Change(what, Level.METADATA, "description-changed", "its description changed")
    for rule in gained:
        if rule not in renamed.values():
            said = f"rows that break `{rule.expression}` break the contract now"
            yield Change(f"rule {rule.name}", Level.MINOR, "rule-added", said)
    if _common(old.rules, after) != _common(new.rules, before):
        yield Change(
            "rules", Level.NONE, "rules-reordered", "they are written in another order, and judge the same"
        )


def _common(rules: tuple[Rule, ...], others: dict[str, Rule]) -> list[str]:
    return [rule.name for rule in rules if rule.name in others]


def _metadata(old: Contract, new: Contract) -> Iterator[Change]:
    for what, before, after in (
        ("owner", old.owner, new.owner),
        ("status", old.status, new.status),
        ("endOfSupport", old.end_of_support or "none", new.end_of_support or "none"),
    ):
        if before != after:
            rule = "end-of-support-changed" if what == "endOfSupport" else f"{what}-changed"
            yield Change(what, Level.METADATA, rule, f"{before} became {after}")
    if old.retention_us != new.retention_us:
        said = f"{_span(old.retention_us)} became {_span(new.retention_us)}: apply leaves the topic as it is"
        yield Change("retention", Level.METADATA, "retention-changed", said)
    if old.description != new.description:
        yield Change("description", Level.METADATA, "description-changed", "it changed")
    keys = {key.name: key.description for key in old.keys}
    for key in new.keys:
        if keys.get(key.name, key.description) != key.description:
            yield Change(key.name, Level.METADATA, "description-changed", "its description changed")
    others = [
        name
        for name in {**old.document, **new.document}
        if name not in _SAID_ABOVE and _differs(name, old, new)
    ]
    if others:
        said = f"{', '.join(others)}: said of the view, and no message is judged by it"
        yield Change("document", Level.METADATA, "document-changed", said)


_SAID_ABOVE = ("version", "status")
_PARTLY_SAID_ABOVE = ("team", "description", "schema", "slaProperties", "customProperties")


def _differs(name: str, old: Contract, new: Contract) -> bool:
    if not old.document or not new.document:
        return False
    before, after = (json.dumps(contract.document.get(name), sort_keys=True) for contract in (old, new))
    # Where a part of the document is in the model, a difference has mostly been said already.
    return before != after and (name not in _PARTLY_SAID_ABOVE or replace(old, version=new.version) == new)


def _said(what: str, value: object) -> str:
    return _span(value) if what in ("maxAhead", "lateArrival") and not isinstance(value, str) else str(value)  # type: ignore[arg-type]  # both are durations or None


def _keys(contract: Contract) -> str:
    return ", ".join(f"{key.name} {key.type.value}" for key in contract.keys)


def _span(us: int | None) -> str:
    return "none" if us is None else format_duration(us)
