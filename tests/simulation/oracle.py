"""What is true: a naive fold of the raw log, and a naive reading of the catalog. Shares no code with what it checks."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

from syncline.catalog.events import BundleReleased, PolicyKind, SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import (
    Claimed,
    Cohort,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAdvanced,
    RolloutFinished,
    RolloutPaused,
)
from tests.simulation.log import Kind, Landed, Partition

Under = (
    CutPrepared | CutCommitted | CutAborted | Immediate | RolloutAdvanced | RolloutFinished | RolloutPaused
)
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Truth:
    """A partition's state below some offset."""

    t_ms: int
    digest: int
    cells: dict[bytes, tuple[int, int, bool, int, bytes]]
    """key → (event time, offset, deleted, schema id, payload)."""


class TrueStates:
    """The true state of one partition below every offset."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._folded = 0
        self._at: list[Truth] = [Truth(-1, 0, {})]
        """By next offset."""

    def below(self, offset: int) -> Truth:
        """All records below the offset, none from it on."""
        while self._folded < len(self._partition.records) and len(self._at) <= offset:
            record = self._partition.records[self._folded]
            before = self._at[-1]
            # Below a hole the state is that before it.
            self._at.extend([before] * (record.offset + 1 - len(self._at)))
            self._at.append(self._after(before, record))
            self._folded += 1
        return self._at[min(offset, len(self._at) - 1)]

    def _after(self, before: Truth, record) -> Truth:
        t_ms = max(before.t_ms, record.timestamp_ms)
        late = self._partition.late_arrival_us
        cells = before.cells
        match record.kind:
            case Kind.UPDATE:
                if late is not None and record.event_time_us < t_ms * 1_000 - late:
                    return Truth(t_ms, before.digest, cells)
                standing = cells.get(record.key)
                if standing is not None and standing[:2] > (record.event_time_us, record.offset):
                    return Truth(t_ms, before.digest, cells)
                cell = (
                    record.event_time_us,
                    record.offset,
                    record.deleted,
                    0 if record.deleted else record.schema_id,
                    b"" if record.deleted else record.payload,
                )
                cells = {**cells, record.key: cell}
            case Kind.MARKER if late is not None:
                cells = {
                    key: cell
                    for key, cell in cells.items()
                    if not (cell[2] and cell[0] < t_ms * 1_000 - late)
                }
            case _:
                return Truth(t_ms, before.digest, cells)
        return Truth(t_ms, sum(_hash(key, cell) for key, cell in cells.items()) & _MASK, cells)


def _hash(key: bytes, cell: tuple[int, int, bool, int, bytes]) -> int:
    event_time_us, _, deleted, schema_id, payload = cell
    head = struct.pack("<H", len(key)) + key + struct.pack("<qBI", event_time_us, deleted, schema_id)
    return xxh3_64_intdigest(head + payload)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision that agents enact, as a plain reading of the catalog has it."""

    epoch: int
    bundle: str
    to_release: int
    cohort: Cohort
    judged_at: int
    cut: int | None
    vector: dict[tuple[str, int], int]
    """A cut's vector; of an Immediate, that of the last cut to its release."""


class TrueCatalog:
    """A plain reading of the catalog, record by record, by what the simulation knows of each writer."""

    def __init__(self) -> None:
        self.read_to = 0
        self.last = -1
        self.claim = -1
        self.claimant = ""
        self.open: int | None = None
        self.outcome: dict[int, str] = {}
        """Cut → committed or aborted."""
        self.cuts: dict[int, CutPrepared] = {}
        self.verdicts: list[Verdict] = []
        self.counted: set[str] = set()
        """Event ids of the coordinator records that count."""
        self.finished_at: list[tuple[int, int]] = []

    def why_not(self, offset: int, landed: Landed) -> str:
        """Why a coordinator's record must not count where it landed; empty where it may."""
        payload = landed.decision.payload
        if landed.decision.event_id in self.counted:
            return "it counted already: this is a duplicate"
        if self.last >= landed.read_to:
            return f"its writer had read below {landed.read_to}, and what stands at {self.last} counts"
        return "" if isinstance(payload, Claimed) else self._why_not_under(landed.writer, payload)

    def _why_not_under(self, writer: str, payload: Under) -> str:
        if writer != self.claimant:
            return f"{writer} wrote it, and {self.claimant or 'nobody'} holds the claim"
        if isinstance(payload, CutPrepared) and self.open is not None:
            return f"cut {self.open} is open"
        if isinstance(payload, CutCommitted | CutAborted) and payload.cut != self.open:
            return f"cut {payload.cut} is not open"
        return ""

    def take(self, offset: int, landed: Landed) -> None:
        """The record counts."""
        payload = landed.decision.payload
        self.counted.add(landed.decision.event_id)
        self.last = offset
        match payload:
            case Claimed():
                self._abort()
                self.claim, self.claimant = offset, landed.writer
            case CutPrepared():
                self.open, self.cuts[offset] = offset, payload
            case CutAborted():
                self._abort()
            case CutCommitted():
                self.outcome[payload.cut] = "committed"
                self.open = None
                prepared = self.cuts[payload.cut]
                if prepared.kind is CutKind.VERSION:
                    vector = {(topic, partition): at for topic, partition, at in payload.vector}
                    self.verdicts.append(
                        Verdict(
                            offset,
                            prepared.bundle,
                            prepared.to_release,
                            prepared.cohort,
                            payload.cut,
                            payload.cut,
                            vector,
                        )
                    )
            case Immediate():
                self._abort()
                cuts = [
                    each
                    for each in self.verdicts
                    if each.cut is not None
                    and (each.bundle, each.to_release) == (payload.bundle, payload.to_release)
                ]
                floor = cuts[-1].vector if cuts else {}
                self.verdicts.append(
                    Verdict(offset, payload.bundle, payload.to_release, payload.cohort, offset, None, floor)
                )
            case RolloutFinished():
                self.finished_at.append((offset, payload.release))

    def _abort(self) -> None:
        if self.open is not None:
            self.outcome[self.open] = "aborted"
            self.open = None


def belongs(
    verdict: Verdict,
    consumer: str,
    instance: str,
    run: list[tuple[int, SubscriptionDeclared]],
    picture: Picture,
) -> bool:
    """Whether a decision is for the agent, by its subscription as it stood when the decision was prepared."""
    before = [declared for offset, declared in run if offset < verdict.judged_at]
    declared = before[-1] if before else run[0][1]
    cohort = verdict.cohort
    if verdict.bundle != declared.bundle:
        return False
    if cohort.consumers and consumer not in cohort.consumers:
        return False
    if any(label not in declared.labels for label in cohort.labels):
        return False
    if xxh3_64_intdigest(f"{consumer}/{instance}".encode()) % 10_000 >= cohort.share:
        return False
    releases = [recorded.payload for recorded in picture.releases[declared.bundle]]
    return takes(declared, releases, verdict.to_release)


def takes(declared: SubscriptionDeclared, releases: list[BundleReleased], number: int) -> bool:
    """Whether the policy admits a release."""
    named = declared.policy_release
    if declared.policy is PolicyKind.FOLLOW:
        return True
    if declared.policy is PolicyKind.PIN or named is None:
        return number == named
    if not named <= number <= len(releases):
        return False
    wanted = {(view.alias, view.view, view.version.major) for view in releases[named - 1].views}
    return wanted <= {(view.alias, view.view, view.version.major) for view in releases[number - 1].views}
