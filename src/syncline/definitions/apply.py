"""Carries a plan out. Every step can be done again, so an apply that was killed anywhere is simply run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from syncline.catalog.events import Payload, ViewVersionRegistered
from syncline.catalog.fold import Picture
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import Clock, from_us
from syncline.contracts.avro import avro_text, contract_hash
from syncline.contracts.model import Contract
from syncline.definitions.plan import Plan, RegisterView, ViewChange
from syncline.definitions.topics import mismatches
from syncline.errors import DecisionVoid, LogError, TopicMismatch
from syncline.ports.log import Log, TopicSpec
from syncline.ports.registry import Registry

COMPATIBILITY = "BACKWARD_TRANSITIVE"
_STRICTER = "FULL_TRANSITIVE"


@dataclass(frozen=True, slots=True)
class Ports:
    """What apply works on."""

    log: Log
    registry: Registry
    catalog: CatalogClient
    clock: Clock


def apply(
    plan: Plan,
    ports: Ports,
    author: Author,
    *,
    on_step: Callable[[str], None] = lambda _: None,
    timeout_s: float = 15.0,
) -> list[int]:
    """Do what `plan` says; returns the catalog offsets of its decisions.

    First everything is asked whether it answers; then come topics, then schemas, and decisions last, so that what the
    catalog says can be relied on. `on_step` is told each thing that was done.

    Raises:
        LogUnavailable: no broker answered.
        RegistryUnavailable: the registry did not answer. If it did not at the beginning, nothing was written.
        SchemaIncompatible: the registry refuses a schema; nothing was decided.
        TopicMismatch: a topic exists that cannot be used.
        DecisionVoid: the catalog has changed since the plan was made. Plan again.
    """
    if not plan.has_changes:
        return []
    reach(ports.log, ports.registry)
    catalog_topic = plan.needed_topics[0].name
    if ports.log.describe_topic(catalog_topic, timeout_s) is not None:
        _refuse_if_outdated(plan, ports.catalog.catch_up(timeout_s))
    for spec in plan.needed_topics:
        if _ensure_topic(spec, ports.log, timeout_s):
            on_step(f"made topic {spec.name}")
    if not plan.subjects:
        return []
    picture = ports.catalog.catch_up(timeout_s)
    _refuse_if_outdated(plan, picture)
    today = from_us(ports.clock.now_us()).date()
    decisions: list[Payload] = [
        _registration(action, picture, ports.registry, today=today, on_step=on_step) for action in plan.views
    ]
    decisions += [action.payload for action in plan.bundles]
    decisions += [action.payload for action in plan.subscriptions]
    return _decide(decisions, ports.catalog, author, on_step=on_step, timeout_s=timeout_s)


def reach(log: Log, registry: Registry) -> None:
    """Ask brokers and registry for anything, before something is written to one of them.

    Raises:
        LogUnavailable: no broker answered.
        RegistryUnavailable: the registry did not answer.
    """
    log.cluster_id()
    registry.ping()


def subject_of(contract: Contract) -> str:
    """The registry's subject of a view MAJOR (the topic name strategy)."""
    return f"{contract.topic}-value"


def _refuse_if_outdated(plan: Plan, picture: Picture) -> None:
    for subject in plan.subjects:
        changed_at = picture.changed_at.get(subject, -1)
        if changed_at >= plan.based_on:
            raise DecisionVoid(
                f"{subject} was changed at catalog offset {changed_at}, after this plan was made. "
                "Nothing was written; run plan and apply again"
            )


def _ensure_topic(spec: TopicSpec, log: Log, timeout_s: float) -> bool:
    """Make the topic unless it is there; whether it was made. Another apply may make it at the same time."""
    made = False
    found = log.describe_topic(spec.name, timeout_s)
    if found is None:
        made = log.create_topic(spec, timeout_s)
        found = None if made else log.describe_topic(spec.name, timeout_s)
    if found is not None:
        reasons = mismatches(spec, found)
        if reasons:
            raise TopicMismatch("; ".join(reasons))
    return made


def _registration(
    action: RegisterView, picture: Picture, registry: Registry, *, today: date, on_step: Callable[[str], None]
) -> ViewVersionRegistered:
    contract = action.contract
    document = json.dumps(contract.document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    before = picture.version(contract.view, contract.version)
    if action.change is ViewChange.METADATA:
        assert before is not None
        schema, schema_id, released = before.avro_schema, before.schema_id, before.release_date
    else:
        schema, released = avro_text(contract), today
        subject = subject_of(contract)
        if registry.compatibility(subject) not in (COMPATIBILITY, _STRICTER):
            registry.set_compatibility(subject, COMPATIBILITY)
        schema_id = registry.register(subject, schema)
        on_step(f"registered schema {schema_id} under {subject}")
    return ViewVersionRegistered(
        view=contract.view,
        version=contract.version,
        topic=contract.topic,
        contract=document,
        avro_schema=schema,
        schema_id=schema_id,
        contract_hash=contract_hash(contract),
        owner=contract.owner,
        release_date=released,
    )


def _decide(
    decisions: Iterable[Payload],
    catalog: CatalogClient,
    author: Author,
    *,
    on_step: Callable[[str], None],
    timeout_s: float,
) -> list[int]:
    """Append the decisions in their order: a release names registered versions, a subscription a released bundle."""
    listed = list(decisions)
    try:
        offsets = catalog.propose(listed, author, timeout_s)
    except LogError as error:
        raise type(error)(f"{error}. What was decided before stands; run apply again to finish") from error
    for decision, offset in zip(listed, offsets, strict=True):
        on_step(f"recorded {decision.subject} at catalog offset {offset}")
    return offsets
