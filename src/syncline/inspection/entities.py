"""Which entities differ between agents, found by listing the cells of the sub-digests that differ. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from syncline.catalog.contracts import contract_of
from syncline.catalog.coordination import Cut
from syncline.catalog.fold import Picture
from syncline.contracts.model import FeatureType
from syncline.errors import CatalogError
from syncline.inspection.proofs import Comparison
from syncline.state.digest import Digest
from syncline.telemetry.cut_reports import PartitionProof
from syncline.wire.keys import decode_key

Bucket = tuple[str, int, int]
"""(topic, partition, sub-digest)."""

_BUCKETS_MAX = 8
"""Of how many sub-digests of a partition the cells are listed at once."""
_ALL_BUCKETS_MAX = 64
_LISTED_CELLS_MAX = 8_000
"""How many cells of a partition are asked for: an agent's report of them has to fit into one record."""
_MASK = (1 << 64) - 1


class How(StrEnum):
    """In which way an entity differs from what prevails."""

    CHANGED = "changed"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Side:
    """Agents that hold the same of an entity."""

    hash: int | None
    """Of its cell; None where they have none."""
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntityDifference:
    """One entity that agents do not hold alike."""

    topic: str
    partition: int
    bucket: int
    key: bytes
    sides: tuple[Side, ...]
    """What most hold comes first."""
    wrong: tuple[tuple[str, How], ...]
    """(agent, how): empty where no side prevails."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A sub-digest that is not as it should be, and where no entity could be named."""

    agent: str
    topic: str
    partition: int
    bucket: int
    cells: int
    """How many entities it may be."""
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What lies behind a divergence."""

    entities: tuple[EntityDifference, ...]
    """By topic, partition and key."""
    unnamed: tuple[Unnamed, ...]


def buckets_to_list(comparison: Comparison) -> tuple[Bucket, ...]:
    """The sub-digests whose cells are to be listed, as many as reports can hold, by topic and partition."""
    found: list[Bucket] = []
    for place in comparison.places:
        buckets = sorted({bucket for finding in place.wrong for bucket in finding.buckets})
        cells = max((finding.cells or 0 for finding in place.findings), default=0)
        fit = max(1, _LISTED_CELLS_MAX * Digest.BUCKETS // max(1, cells))
        found += [(place.topic, place.partition, bucket) for bucket in buckets[: min(fit, _BUCKETS_MAX)]]
    return tuple(found[:_ALL_BUCKETS_MAX])


def explain(cut: Cut, asked: Iterable[Bucket], proofs: Iterable[PartitionProof]) -> Explanation:
    """Compare what agents listed of the sub-digests that were asked for, at the audit that asked."""
    by_place: dict[tuple[str, int, int], list[_Holding]] = {}
    places = {(topic, partition): offset for topic, partition, offset in cut.vector}
    for proof in proofs:
        if proof.cut == cut.id and places.get((proof.topic, proof.partition)) == proof.offset:
            key = (proof.topic, proof.partition, proof.fold_version)
            by_place.setdefault(key, []).append(_Holding.of(proof))
    entities: list[EntityDifference] = []
    unnamed: list[Unnamed] = []
    for topic, partition, bucket in asked:
        for (other, number, _), holdings in sorted(by_place.items()):
            if (other, number) == (topic, partition):
                found = _explain_bucket((topic, partition, bucket), holdings)
                entities += found.entities
                unnamed += found.unnamed
    return Explanation(tuple(sorted(entities, key=attrgetter("topic", "partition", "key"))), tuple(unnamed))


def entity_text(picture: Picture, topic: str, key: bytes) -> str:
    """An entity as people write it, `airport=EWR`, by the join keys of the topic's contract; else its key."""
    registered = next((found for found in picture.registrations() if found.topic == topic), None)
    try:
        keys = contract_of(registered).keys if registered is not None else ()
    except CatalogError:
        keys = ()
    values = decode_key(key, [each.type is not FeatureType.STRING for each in keys]) if keys else None
    if values is None:
        return json.dumps(key.decode(errors="backslashreplace"), ensure_ascii=False)
    return " ".join(f"{each.name}={value}" for each, value in zip(keys, values, strict=True))


@dataclass(frozen=True, slots=True)
class _Holding:
    """What one agent listed of one partition."""

    agent: str
    kept: Digest
    counted: Digest
    listed: Mapping[int, Mapping[bytes, int]]
    """sub-digest → key → hash."""

    @classmethod
    def of(cls, proof: PartitionProof) -> _Holding:
        listed: dict[int, dict[bytes, int]] = {}
        for cell in proof.cells_of:
            listed.setdefault(cell.bucket, {})[cell.key] = cell.hash
        return cls(proof.agent, Digest.unpack(proof.kept), Digest.unpack(proof.counted), listed)

    def is_whole(self, bucket: int) -> bool:
        """Whether everything of the sub-digest is listed: the list comes to it."""
        return sum(self.listed.get(bucket, {}).values()) & _MASK == self.counted.sums[bucket]

    def is_sound(self, bucket: int) -> bool:
        """Whether its cells are what it folded."""
        return self.kept.sums[bucket] == self.counted.sums[bucket]


def _explain_bucket(place: Bucket, holdings: Sequence[_Holding]) -> Explanation:
    topic, partition, bucket = place
    whole = [holding for holding in holdings if holding.is_whole(bucket)]
    lists = {holding.agent: holding.listed.get(bucket, {}) for holding in whole}
    sound = {holding.agent for holding in whole if holding.is_sound(bucket)}
    entities = []
    for key in sorted({key for listed in lists.values() for key in listed}):
        votes = {agent: listed.get(key) for agent, listed in lists.items()}
        if len(set(votes.values())) > 1:
            entities.append(_difference(place, key, votes, sound))
    blamed = {agent for entity in entities for agent, _ in entity.wrong}
    undecided = any(not entity.wrong for entity in entities)
    unnamed = [
        Unnamed(holding.agent, topic, partition, bucket, len(lists.get(holding.agent, {})), why)
        for holding in sorted(holdings, key=attrgetter("agent"))
        if (why := _why_unnamed(holding, bucket, others=len(whole) - 1, whole=holding.agent in lists))
        and holding.agent not in blamed
        and not undecided
    ]
    return Explanation(tuple(entities), tuple(unnamed))


def _difference(
    place: Bucket, key: bytes, votes: Mapping[str, int | None], sound: set[str]
) -> EntityDifference:
    """Those whose cells are what they folded are gone by; where there are none, all are."""
    ranked = Counter(vote for agent, vote in votes.items() if agent in sound or not sound).most_common(2)
    decided = len(ranked) == 1 or ranked[0][1] > ranked[1][1]
    right = ranked[0][0]
    wrong = [(agent, _how(vote, right)) for agent, vote in sorted(votes.items()) if vote != right]
    sides = [
        Side(held, tuple(sorted(agent for agent, vote in votes.items() if vote == held)))
        for held in set(votes.values())
    ]
    sides.sort(key=lambda side: (side.hash != right if decided else -len(side.agents), side.agents))
    return EntityDifference(*place, key, tuple(sides), tuple(wrong) if decided else ())


def _how(held: int | None, right: int | None) -> How:
    if held is None:
        return How.MISSING
    return How.EXTRA if right is None else How.CHANGED


def _why_unnamed(holding: _Holding, bucket: int, *, others: int, whole: bool) -> str:
    if not whole:
        return "its cells do not fit into one report"
    if holding.is_sound(bucket):
        return ""
    if others < 1:
        return "no other agent listed its own to compare with"
    return (
        "its cells are those of the others: what was changed has been written over since, and the digest that it "
        "keeps stays off until it starts anew, from a snapshot or with an empty store"
    )
