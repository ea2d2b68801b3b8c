"""The topics that definitions need, and whether those that exist will do. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.contracts.model import Contract
from syncline.ports.log import TopicDescription, TopicSpec
from syncline.wire.topics import (
    CATALOG_CONFIG,
    DEAD_LETTER_CONFIG,
    REPORTS_CONFIG,
    REPORTS_PARTITIONS,
    Topics,
    dead_letters,
    feature_config,
)

DEAD_LETTER_PARTITIONS = 1


def own_topics(topics: Topics) -> list[TopicSpec]:
    """Catalog and reports: what Syncline itself needs."""
    return [
        TopicSpec(topics.catalog, 1, CATALOG_CONFIG),
        TopicSpec(topics.reports, REPORTS_PARTITIONS, REPORTS_CONFIG),
    ]


def view_topics(contracts: Iterable[Contract]) -> list[TopicSpec]:
    """The feature topic of each view MAJOR, and its dead letter topic."""
    specs: dict[str, TopicSpec] = {}
    for contract in contracts:
        name = contract.topic
        specs[name] = TopicSpec(name, contract.partitions, feature_config(contract.retention_us))
        specs[dead_letters(name)] = TopicSpec(dead_letters(name), DEAD_LETTER_PARTITIONS, DEAD_LETTER_CONFIG)
    return list(specs.values())


def mismatches(spec: TopicSpec, found: TopicDescription) -> list[str]:
    """Why a topic that exists cannot be used; empty where it can. Each reason ends with its remedy."""
    reasons = []
    # A dead letter topic may have any number of partitions: nothing depends on it.
    if found.partitions != spec.partitions and not spec.name.endswith(dead_letters("")):
        reasons.append(
            f"{spec.name} has {found.partitions} partitions, not {spec.partitions}; keys would move: "
            "state the number it has, or register a new MAJOR"
        )
    if found.topic_id is None:
        # A broker without topic ids (the embedded one) has no settings either.
        return reasons
    if "compact" in found.config.get("cleanup.policy", ""):
        reasons.append(
            f"{spec.name} is compacted, which keeps the last record by offset and not by event time: "
            "set cleanup.policy=delete on it"
        )
    stamp = found.config.get("message.timestamp.type")
    if spec.config.get("message.timestamp.type") == "LogAppendTime" and stamp != "LogAppendTime":
        reasons.append(
            f"{spec.name} keeps the producers' timestamps ({stamp or 'the default, CreateTime'}), which retention and "
            "lateness must not depend on: set message.timestamp.type=LogAppendTime on it"
        )
    return reasons


def differences(spec: TopicSpec, found: TopicDescription) -> list[str]:
    """Settings that differ without doing harm; they are said and left alone."""
    if found.topic_id is None:
        return []
    return [
        f"{spec.name} has {name}={found.config.get(name, '(the default)')}, the definitions say {wanted}; "
        "apply leaves it as it is"
        for name, wanted in spec.config.items()
        if name.startswith("retention.") and found.config.get(name) != wanted
    ]
