"""Who holds the same state at a line across the log: what agents said of it, compared. Pure.

A line is the vector of a cut: of an audit, where each agent counts its cells again, or of a version change, where each
tells the digest that it kept. States of different fold versions are never compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncline.catalog.coordination import Cut
from syncline.rollout.alignment import Place
from syncline.state.digest import Digest
from syncline.telemetry.cut_reports import CutReached, PartitionProof


@dataclass(frozen=True, slots=True)
class Finding:
    """What one agent could show of one partition."""

    agent: str
    why: str = ""
    """Why nothing is proven by it; empty where something is."""
    digest: int | None = None
    """What its cells come to; where they were not counted again, what it kept. None: it showed nothing."""
    kept: int | None = None
    """The digest that it kept record by record."""
    cells: int | None = None
    """How many there are; None where they were not counted."""
    differs: bool = False
    """From the digest that the others agree on; where no digest prevails, each differs."""
    changed: bool = False
    """Its cells are not what it folded: they do not come to the digest that it kept."""
    broken: tuple[bytes, ...] = ()
    """Keys of cells whose checksum does not match their bytes."""
    buckets: tuple[int, ...] = ()
    """The sub-digests that are not as they should be."""

    @property
    def is_proof(self) -> bool:
        """Whether it was compared at all."""
        return not self.why

    @property
    def is_wrong(self) -> bool:
        """Whether it was, and something is not as it should be."""
        return self.is_proof and (self.differs or self.changed or bool(self.broken))


@dataclass(frozen=True, slots=True)
class PlaceComparison:
    """One partition at the line."""

    topic: str
    partition: int
    offset: int
    """Of the line: what is compared is the state of all records below."""
    digest: int | None
    """What the agents agree on, or most of them; None where no digest prevails."""
    findings: tuple[Finding, ...]
    """By agent."""

    @property
    def agreeing(self) -> tuple[Finding, ...]:
        """Those that prove the digest."""
        return tuple(found for found in self.findings if found.is_proof and not found.is_wrong)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """Those that do not."""
        return tuple(found for found in self.findings if found.is_wrong)

    @property
    def unproven(self) -> tuple[Finding, ...]:
        """Those that showed nothing."""
        return tuple(found for found in self.findings if not found.is_proof)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All partitions of a line, by topic and partition."""

    cut: int
    places: tuple[PlaceComparison, ...]

    @property
    def first_divergence(self) -> PlaceComparison | None:
        """The first partition, by topic and number, where something is wrong."""
        return next((place for place in self.places if place.wrong), None)

    @property
    def answered(self) -> frozenset[str]:
        """The agents that proved something."""
        return frozenset(found.agent for place in self.places for found in place.findings if found.is_proof)

    @property
    def unproven(self) -> frozenset[str]:
        """The agents that left something unproven."""
        return frozenset(found.agent for place in self.places for found in place.unproven)

    @property
    def compared_places(self) -> int:
        """How many partitions two agents or more could show."""
        return sum(sum(found.is_proof for found in place.findings) > 1 for place in self.places)


def compare(
    cut: Cut,
    reached: Iterable[CutReached],
    proofs: Iterable[PartitionProof],
    *,
    missing: Mapping[tuple[str, Place], str] | None = None,
) -> Comparison:
    """Compare what agents reported of a committed cut, partition by partition.

    Args:
        cut: whose vector is the line.
        reached: reports of any cuts; those of others are passed by.
        proofs: likewise.
        missing: (agent, place) that should have been shown → why it may not have been. Said where nothing was.
    """
    told: dict[tuple[Place, str], _Said] = {}
    for report in reached:
        if report.cut == cut.id:
            for shown in report.partitions:
                place = (shown.topic, shown.partition, shown.offset)
                told[place[:2], report.agent] = _Said(report.agent, place, report.fold_version, shown.digest)
    for proof in proofs:
        place = (proof.topic, proof.partition, proof.offset)
        if proof.cut == cut.id and place in cut.vector:
            told[place[:2], proof.agent] = _Said.proven(proof, place)
    missing = missing or {}
    places = []
    for topic, partition, offset in sorted(cut.vector):
        here = [said for (place, _), said in told.items() if place == (topic, partition)]
        here = [said for said in here if said.place[2] == offset]
        silent = {
            agent: why
            for (agent, place), why in missing.items()
            if place == (topic, partition) and all(said.agent != agent for said in here)
        }
        places.append(_compare_place((topic, partition, offset), here, silent))
    return Comparison(cut.id, tuple(places))


@dataclass(frozen=True, slots=True)
class _Said:
    """What one agent reported of one partition."""

    agent: str
    place: tuple[str, int, int]
    fold_version: int
    digest: int | None
    kept: Digest | None = None
    counted: Digest | None = None
    cells: int | None = None
    broken: tuple[bytes, ...] = ()

    @classmethod
    def proven(cls, proof: PartitionProof, place: tuple[str, int, int]) -> _Said:
        kept, counted = Digest.unpack(proof.kept), Digest.unpack(proof.counted)
        return cls(
            proof.agent, place, proof.fold_version, counted.total, kept, counted, proof.cells, proof.broken
        )

    @property
    def changed(self) -> bool:
        return self.kept != self.counted

    @property
    def is_sound(self) -> bool:
        """As far as it can tell by itself."""
        return not self.changed and not self.broken


def _compare_place(
    place: tuple[str, int, int], said: Sequence[_Said], silent: Mapping[str, str]
) -> PlaceComparison:
    shown = [each for each in said if each.digest is not None]
    folds = Counter(each.fold_version for each in shown)
    findings = [Finding(agent, why=why) for agent, why in silent.items()]
    findings += [Finding(each.agent, why=_FORGOTTEN) for each in said if each.digest is None]
    prevailing: int | None = None
    # The fold of most agents first: its digest is the partition's.
    for fold, count in sorted(folds.items(), key=lambda item: (-item[1], item[0])):
        group = [each for each in shown if each.fold_version == fold]
        if count == 1 and len(folds) > 1 and len(shown) > 1:
            others = ", ".join(str(other) for other in sorted(folds) if other != fold)
            why = f"it has fold version {fold}, and others have {others}: states of different folds are never compared"
            findings.append(Finding(group[0].agent, why=why, digest=group[0].digest))
            continue
        reference = _prevailing(group)
        prevailing = reference if prevailing is None else prevailing
        findings += [_judge(each, reference, group) for each in group]
    topic, partition, offset = place
    ordered = tuple(sorted(findings, key=lambda finding: finding.agent))
    return PlaceComparison(topic, partition, offset, prevailing, ordered)


def _prevailing(group: Sequence[_Said]) -> int | None:
    """The digest to go by: that of most agents whose cells are what they folded; None where no one prevails."""
    sound = [each for each in group if each.is_sound] or list(group)
    ranked = Counter(each.digest for each in sound).most_common(2)
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return None
    return ranked[0][0]


def _judge(said: _Said, reference: int | None, group: Sequence[_Said]) -> Finding:
    differs = said.digest != reference
    buckets: set[int] = set()
    if said.counted is not None:
        against = [said.kept] if said.changed else []
        if differs:
            right = [each for each in group if each.digest == reference]
            others = right or [each for each in group if each.digest != said.digest]
            against += [other.counted for other in others]
        buckets = {
            bucket for other in against if other is not None for bucket in _unlike(said.counted, other)
        }
    return Finding(
        said.agent,
        digest=said.digest,
        kept=said.digest if said.kept is None else said.kept.total,
        cells=said.cells,
        differs=differs,
        changed=said.changed,
        broken=said.broken,
        buckets=tuple(sorted(buckets)),
    )


def _unlike(one: Digest, other: Digest) -> list[int]:
    pairs = zip(one.sums, other.sums, strict=True)
    return [bucket for bucket, (left, right) in enumerate(pairs) if left != right]


_FORGOTTEN = (
    "it cannot tell: its state began beyond, or without the log's beginning, or it has forgotten the marker"
)
