"""The decisions by which versions change: what people ask for, and what a coordinator writes (log.md, the cut)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

Positions = tuple[tuple[str, int, int], ...]
"""(topic, partition, offset), sorted: the prefix of the log below these offsets."""
ALL_AGENTS = 10_000
"""A cohort's share that is all of the agents; their places are counted from 0 up to it."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who a decision is for. What is empty says nothing, so an empty cohort is everyone."""

    consumers: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    """Subscriptions with all of these labels, sorted by name."""
    share: int = ALL_AGENTS
    """Of the agents that are left, so many of 10,000 by the hash of their name."""

    def __str__(self) -> str:
        """`everyone`, or what it is limited to."""
        said = [f"consumer {', '.join(self.consumers)}"] if self.consumers else []
        said += [f"{name}={value}" for name, value in self.labels]
        if self.share < ALL_AGENTS:
            said.append(f"{self.share / 100:g} % of the agents")
        return "; ".join(said) or "everyone"


class CutKind(StrEnum):
    """What a cut is for."""

    VERSION = "version"
    AUDIT = "audit"
    """It changes no version and holds nobody: a line across the log at which digests are compared."""


class RolloutAction(StrEnum):
    """What a person or a tool asks for."""

    START = "start"
    PROMOTE = "promote"
    """On to the next step; from `live`, the release is final."""
    PAUSE = "pause"
    ABORT = "abort"
    """Stop before it is live."""
    ROLLBACK = "rollback"


class RolloutMode(StrEnum):
    """How a release takes effect."""

    CUT = "cut"
    IMMEDIATE = "immediate"


class RolloutOutcome(StrEnum):
    """How a rollout ended."""

    FINAL = "final"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A coordinator takes over; it aborts the open cut."""

    after: int
    """Offset of the last valid coordinator record that the writer had read; -1 before the first."""
    coordinator: str

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return "coordinator"


@dataclass(frozen=True, slots=True)
class CutPrepared:
    """Markers of this cut may be in the log from now on. Its id is its own offset in the catalog."""

    after: int
    claim: int
    """Offset of the claim that it was written under."""
    kind: CutKind
    bundle: str
    from_release: int
    to_release: int
    cohort: Cohort
    partitions: tuple[tuple[str, int], ...]
    """(topic, number of partitions) of all topics of both releases, sorted."""
    deadline_us: int
    """When the coordinator gives up, by its own clock."""
    request: int
    """Offset of the request that it serves."""

    @property
    def subject(self) -> str:
        """What this decision is about: an audit changes nothing of a rollout."""
        return f"{'audit' if self.kind is CutKind.AUDIT else 'rollout'} {self.bundle}"

    def places(self) -> list[tuple[str, int]]:
        """Every (topic, partition) that gets a marker."""
        return [(topic, partition) for topic, count in self.partitions for partition in range(count)]


@dataclass(frozen=True, slots=True)
class CutCommitted:
    """The cut takes effect: the state at it is all records below its vector, none at or above."""

    after: int
    claim: int
    cut: int
    vector: Positions
    """The offset of an acknowledged marker of every partition."""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"cut {self.cut}"


@dataclass(frozen=True, slots=True)
class CutAborted:
    """The cut takes no effect; why is the record's reason."""

    after: int
    claim: int
    cut: int

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"cut {self.cut}"


@dataclass(frozen=True, slots=True)
class Immediate:
    """Back to a release that was active before, without markers; it cancels every decision not yet enacted."""

    after: int
    claim: int
    bundle: str
    to_release: int
    cohort: Cohort
    floor: Positions
    """The vector of the cut that introduced the release; empty where none did."""
    request: int

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"rollout {self.bundle}"


LIVE = "live"
"""The step of a release that everyone serves."""
CANARY = "canary"
"""The step of a release that only a part of the agents serves."""


def step_of(cohort: Cohort) -> str:
    """The step of a release that this cohort serves."""
    return LIVE if cohort == Cohort() else CANARY


@dataclass(frozen=True, slots=True)
class RolloutAdvanced:
    """A rollout has reached its next step."""

    after: int
    claim: int
    rollout: int
    """Offset of the request that started it."""
    bundle: str
    step: str
    decision: int
    """Offset of the CutCommitted or Immediate that took it there."""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"rollout {self.bundle}"


@dataclass(frozen=True, slots=True)
class RolloutPaused:
    """A rollout waits for a person; why is the record's reason."""

    after: int
    claim: int
    rollout: int
    bundle: str

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"rollout {self.bundle}"


@dataclass(frozen=True, slots=True)
class RolloutFinished:
    """A rollout is over: all releases of the bundle but this one are let go."""

    after: int
    claim: int
    rollout: int
    bundle: str
    release: int
    """The release that stands."""
    outcome: RolloutOutcome

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"rollout {self.bundle}"


@dataclass(frozen=True, slots=True)
class RolloutRequested:
    """People and tools ask; the coordinator enacts."""

    bundle: str
    action: RolloutAction
    from_release: int
    """What is live when it is asked."""
    to_release: int
    """What shall be live when it is done; of promote and pause, the rollout's target."""
    cohort: Cohort = field(default_factory=Cohort)
    mode: RolloutMode = RolloutMode.CUT
    final_after_us: int | None = None
    """Of a start: final so long after it went live; None: only when somebody says so."""
    evidence: str = ""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"rollout {self.bundle}"


@dataclass(frozen=True, slots=True)
class AuditRequested:
    """Somebody asks for proof that all agents of a bundle hold the same state."""

    bundle: str
    buckets: tuple[tuple[str, int, int], ...] = ()
    """(topic, partition, sub-digest): of these the agents list every cell, by key and hash."""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"audit {self.bundle}"


Coordinated = (
    Claimed
    | CutPrepared
    | CutCommitted
    | CutAborted
    | Immediate
    | RolloutAdvanced
    | RolloutPaused
    | RolloutFinished
)
"""What only a coordinator writes: counted by `after` and `claim`."""
