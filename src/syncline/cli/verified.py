"""What an audit has proven, as the CLI shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import CutKind
from syncline.cli.output import Output, counted
from syncline.inspection.auditing import Audit
from syncline.inspection.entities import EntityDifference, Explanation, How, entity_text
from syncline.inspection.proofs import Finding, PlaceComparison
from syncline.inspection.witnesses import Evidence, Verdict

_SHOWN_ENTITIES = 20
_SHOWN_KEYS = 5
_COLOURS = {Verdict.IN_SYNC: "green", Verdict.DIVERGED: "red", Verdict.UNPROVEN: "yellow"}


def show_failed(bundle: str, why: str, output: Output) -> None:
    """A bundle of which nothing could be asked."""
    output.line(f"UNPROVEN: {bundle}: {why}", style=_COLOURS[Verdict.UNPROVEN])


def show_audit(picture: Picture, audit: Audit, output: Output) -> None:
    """Everything for people: a table per topic, what is wrong, who is missing, and the verdict last."""
    evidence = audit.evidence
    cut, places = evidence.cut, evidence.comparison.places
    is_audit = cut.prepared.kind is CutKind.AUDIT
    what = f"audit {audit.audit}" if is_audit else "version cut"
    output.line(
        f"{cut.prepared.bundle}: {what} at cut {cut.id}, {counted(len(places), 'partition')}, "
        f"{counted(len(evidence.expected), 'agent')}"
    )
    for topic in dict.fromkeys(place.topic for place in places):
        output.line()
        output.line(topic)
        output.table(
            ["  partition", "below offset", "cells", "digest", "agents"],
            [_row(place) for place in places if place.topic == topic],
            right=["  partition", "below offset", "cells"],
        )
    output.line()
    for place in places:
        for finding in place.wrong:
            output.line(_wrong_text(picture, place, finding), style="red")
    if audit.explanation is not None:
        _show_explanation(picture, audit.explanation, output)
    for said in evidence.alignment:
        output.line(said)
    for witness in evidence.witnesses:
        if not witness.answered:
            style = "yellow" if witness.present else ""
            output.line(f"no proof from {witness.agent}: {witness.why}", style=style)
    output.line(_verdict_text(evidence), style=_COLOURS[evidence.verdict])
    if evidence.verdict is Verdict.DIVERGED and is_audit and audit.explanation is None:
        output.say(f"Next: syncline verify {cut.prepared.bundle} --explain names the entities that differ.")


def failed_document(bundle: str, why: str) -> dict[str, Any]:
    """A bundle of which nothing could be asked, as JSON data."""
    return {"bundle": bundle, "verdict": str(Verdict.UNPROVEN), "error": why}


def audit_document(picture: Picture, audit: Audit) -> dict[str, Any]:
    """Everything as JSON data."""
    evidence = audit.evidence
    cut, comparison = evidence.cut, evidence.comparison
    first = comparison.first_divergence
    is_audit = cut.prepared.kind is CutKind.AUDIT
    return {
        "bundle": cut.prepared.bundle,
        "verdict": str(evidence.verdict),
        "kind": str(cut.prepared.kind),
        "audit": audit.audit if is_audit else None,
        "cut": cut.id,
        "agents": [
            {
                "agent": witness.agent,
                "present": witness.present,
                "answered": witness.answered,
                "why": witness.why,
            }
            for witness in evidence.witnesses
        ],
        "alignment": list(evidence.alignment),
        "partitions_compared": comparison.compared_places,
        "first_divergence": None
        if first is None
        else {
            "agent": first.wrong[0].agent,
            "topic": first.topic,
            "partition": first.partition,
            "offset": first.offset,
        },
        "partitions": [_place_document(picture, place) for place in comparison.places],
        "explanation": None if audit.explanation is None else _explained(picture, audit.explanation),
    }


def _row(place: PlaceComparison) -> list[str]:
    cells = [finding.cells for finding in (*place.agreeing, *place.wrong) if finding.cells is not None]
    return [
        f"{place.partition}",
        f"{place.offset:,}",
        f"{cells[0]:,}" if cells else "-",
        _digest(place.digest),
        _standing(place),
    ]


def _standing(place: PlaceComparison) -> str:
    said = []
    agreeing, wrong = place.agreeing, place.wrong
    if len(agreeing) == 1:
        said.append(f"{agreeing[0].agent} alone" if not wrong else f"{agreeing[0].agent} as folded")
    elif agreeing:
        said.append(f"{len(agreeing)} agree")
    if wrong:
        said.append(f"DIVERGES: {', '.join(finding.agent for finding in wrong)}")
    if place.unproven:
        said.append(f"no proof: {', '.join(finding.agent for finding in place.unproven)}")
    return "; ".join(said) or "nobody"


def _wrong_text(picture: Picture, place: PlaceComparison, finding: Finding) -> str:
    said = []
    if finding.differs:
        agreeing = len(place.agreeing)
        against = (
            f"{counted(agreeing, 'agent')} {'has' if agreeing == 1 else 'have'} {_digest(place.digest)}"
            if place.digest is not None
            else "no digest prevails"
        )
        said.append(f"its cells come to {_digest(finding.digest)}, and {against}")
    if finding.changed and not finding.differs:
        said.append(f"its cells come to {_digest(finding.digest)}, and it keeps {_digest(finding.kept)}")
    elif finding.changed:
        said.append("they are not what it folded: they were changed behind its back")
    elif finding.differs and finding.cells is not None:
        said.append("that is what it folded")
    if finding.broken:
        names = ", ".join(entity_text(picture, place.topic, key) for key in finding.broken[:_SHOWN_KEYS])
        more = len(finding.broken) - _SHOWN_KEYS
        more_text = f" and {more} more" if more > 0 else ""
        said.append(
            f"{counted(len(finding.broken), 'cell')} with a checksum that does not match: {names}{more_text}"
        )
    if finding.buckets:
        said.append(f"{len(finding.buckets)} of 256 sub-digests")
    return f"{finding.agent}, {place.topic} partition {place.partition}: {'; '.join(said)}"


def _show_explanation(picture: Picture, explanation: Explanation, output: Output) -> None:
    for entity in explanation.entities[:_SHOWN_ENTITIES]:
        output.line(_entity_line(picture, entity), style="red")
    more = len(explanation.entities) - _SHOWN_ENTITIES
    if more > 0:
        output.line(f"and {_entities(more)} more (--output json has all)")
    for unnamed in explanation.unnamed:
        among = f", {_entities(unnamed.cells)}" if unnamed.cells else ""
        output.line(
            f"{unnamed.agent}, {unnamed.topic} partition {unnamed.partition}, sub-digest {unnamed.bucket}{among}: "
            f"{unnamed.why}",
            style="yellow",
        )


def _entity_line(picture: Picture, entity: EntityDifference) -> str:
    name = entity_text(picture, entity.topic, entity.key)
    where = f"{entity.topic} partition {entity.partition}: {name}"
    if not entity.wrong:
        sides = "; ".join(f"{_digest(side.hash)} with {', '.join(side.agents)}" for side in entity.sides)
        return f"{where} differs, and no side prevails: {sides}"
    texts = {
        How.CHANGED: "is not what it should be",
        How.MISSING: "is missing",
        How.EXTRA: "should not be there",
    }
    said = [
        f"{texts[how]} with {', '.join(agent for agent, found in entity.wrong if found is how)}"
        for how in How
        if any(found is how for _, found in entity.wrong)
    ]
    return f"{where} {', '.join(said)}"


def _verdict_text(evidence: Evidence) -> str:
    comparison, expected = evidence.comparison, evidence.expected
    bundle = evidence.cut.prepared.bundle
    first = comparison.first_divergence
    if first is not None:
        return (
            f"DIVERGED: {bundle}: first in {first.topic} partition {first.partition} below offset {first.offset:,}, "
            f"{first.wrong[0].agent}"
        )
    answered = sum(witness.answered for witness in expected)
    if evidence.verdict is Verdict.UNPROVEN:
        if not comparison.answered:
            return f"UNPROVEN: {bundle}: nobody has shown anything that could be compared"
        return f"UNPROVEN: {bundle}: nothing differs, but only {answered} of {len(expected)} agents have shown all"
    partitions = counted(len(comparison.places), "partition")
    if not comparison.compared_places:
        alone = "its cells are" if len(comparison.answered) == 1 else "their cells are"
        return (
            f"IN SYNC: {bundle}: no two agents hold the same partition; {alone} what was folded, {partitions}"
        )
    agents = counted(len(comparison.answered), "agent")
    return f"IN SYNC: {bundle}: {agents} hold the same state in {partitions}"


def _place_document(picture: Picture, place: PlaceComparison) -> dict[str, Any]:
    return {
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "digest": _hex(place.digest),
        "agrees": not place.wrong,
        "agents": [
            {
                "agent": finding.agent,
                "proof": finding.is_proof,
                "why": finding.why,
                "digest": _hex(finding.digest),
                "kept": _hex(finding.kept),
                "cells": finding.cells,
                "differs": finding.differs,
                "changed": finding.changed,
                "broken": _names(picture, place.topic, finding.broken),
                "sub_digests": list(finding.buckets),
            }
            for finding in place.findings
        ],
    }


def _explained(picture: Picture, explanation: Explanation) -> dict[str, Any]:
    return {
        "entities": [
            {
                "topic": entity.topic,
                "partition": entity.partition,
                "sub_digest": entity.bucket,
                "entity": entity_text(picture, entity.topic, entity.key),
                "wrong": [{"agent": agent, "how": str(how)} for agent, how in entity.wrong],
                "sides": [{"hash": _hex(side.hash), "agents": list(side.agents)} for side in entity.sides],
            }
            for entity in explanation.entities
        ],
        "unnamed": [
            {
                "agent": unnamed.agent,
                "topic": unnamed.topic,
                "partition": unnamed.partition,
                "sub_digest": unnamed.bucket,
                "entities": unnamed.cells,
                "why": unnamed.why,
            }
            for unnamed in explanation.unnamed
        ],
    }


def _names(picture: Picture, topic: str, keys: Sequence[bytes]) -> list[str]:
    return [entity_text(picture, topic, key) for key in keys]


def _hex(digest: int | None) -> str | None:
    return None if digest is None else f"{digest:016x}"


def _digest(digest: int | None) -> str:
    return "nothing" if digest is None else f"{digest:016x}"


def _entities(count: int) -> str:
    return "1 entity" if count == 1 else f"{count:,} entities"
