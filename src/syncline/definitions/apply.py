"""Carries a plan out. Every step can be done again, so an apply that was killed anywhere is simply run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date

from syncline.catalog.events import Payload, ViewVersionRegistered
from syncline.catalog.fold import Picture
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import Clock, from_us
from syncline.contracts.codec.avro import avro_text, contract_hash
from syncline.contracts.model import Contract
from syncline.definitions.actions import Plan, RegisterView, ViewChange
from syncline.definitions.topics import mismatches
from syncline.errors import CatalogError, DecisionVoid, DefinitionError, LogError, TopicMismatch
from syncline.ports.log import Log, TopicSpec
from syncline.ports.registry import Registry

COMPATIBILITY = "BACKWARD_TRANSITIVE"
_STRICTER = "FULL_TRANSITIVE"
_ATTEMPTS_MAX = 5


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
    plan_again: Callable[[], Plan] | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    timeout_s: float = 15.0,
) -> list[int]:
    """Do what `plan` says; returns the catalog offsets of its decisions.

    First everything is asked whether it answers; then come topics, then schemas, and decisions last, so that what the
    catalog says can be relied on.

    Args:
        plan: what a person has agreed to.
        ports: what to do it on.
        author: of all decisions.
        plan_again: the same folder, planned anew. Where somebody else was faster, and what is left is part of `plan`,
            it is carried on with; so two who apply the same both end well.
        on_step: told each thing that was done.
        timeout_s: for each step.

    Raises:
        LogUnavailable: no broker answered.
        RegistryUnavailable: the registry did not answer. If it did not at the beginning, nothing was written.
        SchemaIncompatible: the registry refuses a schema; nothing was decided.
        TopicMismatch: a topic exists that cannot be used.
        DecisionVoid: the catalog has changed since the plan was made; what was recorded before that stands, and is
            named. Plan again.
        CatalogError: all was recorded, but something that the plan had not seen came between. Plan to see what it is.
    """
    offsets: list[int] = []
    for attempt in range(_ATTEMPTS_MAX):
        try:
            _carry_out(plan, ports, author, offsets, on_step=on_step, timeout_s=timeout_s)
            break
        except DecisionVoid:
            left = _what_is_left(plan, plan_again) if attempt < _ATTEMPTS_MAX - 1 else None
            if left is None:
                raise
            on_step("somebody applied the same at the same time; going on with what is left")
            plan = left
    return offsets


def _what_is_left(plan: Plan, plan_again: Callable[[], Plan] | None) -> Plan | None:
    if plan_again is None:
        return None
    try:
        later = plan_again()
    except DefinitionError:
        return None
    return later if plan.covers(later) else None


def _carry_out(
    plan: Plan,
    ports: Ports,
    author: Author,
    offsets: list[int],
    *,
    on_step: Callable[[str], None],
    timeout_s: float,
) -> None:
    """One attempt; `offsets` grows with each decision that counts."""
    if not plan.has_changes:
        return
    reach(ports.log, ports.registry)
    catalog_topic = plan.needed_topics[0].name
    if ports.log.describe_topic(catalog_topic, timeout_s) is not None:
        _refuse_if_outdated(plan, ports.catalog.catch_up(timeout_s))
    for spec in plan.needed_topics:
        if _ensure_topic(spec, ports.log, timeout_s):
            on_step(f"made topic {spec.name}")
    if not plan.subjects:
        return
    picture = ports.catalog.catch_up(timeout_s)
    _refuse_if_outdated(plan, picture)
    today = from_us(ports.clock.now_us()).date()
    decisions: list[Payload] = [
        _registration(action, picture, ports.registry, today=today, on_step=on_step) for action in plan.views
    ]
    decisions += [action.payload for action in plan.bundles]
    decisions += [action.payload for action in plan.subscriptions]
    recorded: list[str] = []

    def note(decision: Payload, offset: int) -> None:
        offsets.append(offset)
        recorded.append(f"{decision.subject} at catalog offset {offset}")
        on_step(f"recorded {recorded[-1]}")

    _decide(plan, decisions, ports.catalog, author, note=note, recorded=recorded, timeout_s=timeout_s)


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
    """Before anything is written: the plan's own subjects, and what it takes for granted, are as they were."""
    for subject in plan.subjects:
        changed_at = picture.changed_at.get(subject, -1)
        if changed_at >= plan.based_on:
            raise DecisionVoid(
                f"{subject} was changed at catalog offset {changed_at}, after this plan was made. "
                "Nothing was written; run plan and apply again"
            )
    reason = _why_outdated(plan, picture)
    if reason is not None:
        raise DecisionVoid(f"{reason}. Nothing was written; run plan and apply again")


def _why_outdated(plan: Plan, picture: Picture, own: Collection[int] = ()) -> str | None:
    """Which premise of the plan has changed since it was made, `own` decisions aside; None where none has."""
    since = {
        subject: offset
        for subject, offset in picture.changed_at.items()
        if offset >= plan.based_on and offset not in own
    }
    for subject in sorted(plan.premises.subjects & since.keys()):
        return f"{subject} was changed at catalog offset {since[subject]}, and this plan was made before that"
    for consumer, recorded in picture.subscriptions.items():
        if recorded.payload.subject in since and recorded.payload.bundle in plan.premises.bundles:
            return (
                f"the subscription {consumer} to {recorded.payload.bundle} was declared at catalog offset "
                f"{recorded.offset}, after this plan was made: whether it would break is not known"
            )
    return None


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
    plan: Plan,
    decisions: Sequence[Payload],
    catalog: CatalogClient,
    author: Author,
    *,
    note: Callable[[Payload, int], None],
    recorded: Sequence[str],
    timeout_s: float,
) -> None:
    """Append the decisions in their order: a release names registered versions, a subscription a released bundle."""

    def ask_again(picture: Picture, own: Collection[int]) -> None:
        reason = _why_outdated(plan, picture, own)
        if reason is not None:
            raise DecisionVoid(f"{reason}; run plan and apply again")

    try:
        own = catalog.propose(decisions, author, timeout_s, before_each=ask_again, on_recorded=note)
    except LogError as error:
        raise type(error)(f"{error}. What was decided before stands; run apply again to finish") from error
    except DecisionVoid as error:
        stands = f". What was recorded before stands: {', '.join(recorded)}" if recorded else ""
        raise DecisionVoid(f"{error}{stands}") from error
    late = _why_outdated(plan, catalog.picture, own)
    if late is not None:
        raise CatalogError(f"all was recorded, but at the same moment {late}; run plan to see what it means")
