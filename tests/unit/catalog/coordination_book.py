"""A catalog with two bundles, written record by record: what coordinators and people may append to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from syncline.catalog.coordination import Coordination
from syncline.catalog.events import Decision, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.catalog.rollout_events import (
    Claimed,
    Cohort,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    Positions,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutMode,
    RolloutOutcome,
    RolloutPaused,
    RolloutRequested,
)
from tests.unit.agent.world import registration, release, subscription
from tests.unit.state.world import Version

PARTITIONS = 2
FIRST = Version.make(1, version="1.0.0", partitions=PARTITIONS)
SECOND = Version.make(2, version="2.0.0", partitions=PARTITIONS)
TOPICS = (FIRST.contract.topic, SECOND.contract.topic)
BUNDLE, OTHER = "inputs", "others"
COUNTS = tuple((topic, PARTITIONS) for topic in TOPICS)


def vector(first: int = 10) -> Positions:
    """An offset for every partition of both topics."""
    places = [(topic, number) for topic in TOPICS for number in range(PARTITIONS)]
    return tuple((*place, first + row) for row, place in enumerate(places))


def request(
    action: RolloutAction = RolloutAction.START,
    *,
    bundle: str = BUNDLE,
    source: int = 1,
    to: int | None = None,
    **stated: Any,
) -> RolloutRequested:
    """Something asked of a rollout from release 1 to release 2."""
    target = to if to is not None else 1 if action is RolloutAction.ROLLBACK else 2
    return RolloutRequested(bundle, action, source, target, **stated)


@dataclass
class Book:
    """What stands, and short ways to write what a coordinator that has read all of it would write."""

    picture: Picture = field(default_factory=Picture)
    records: list[tuple[int, bytes]] = field(default_factory=list)
    now_us: int = 1_000_000

    def __post_init__(self) -> None:
        """Two bundles with three releases each: 1 on one MAJOR, 2 and 3 on the next."""
        self.append(registration(FIRST))
        self.append(registration(SECOND))
        for bundle in (BUNDLE, OTHER):
            for number, version in enumerate((FIRST, SECOND, SECOND), 1):
                self.append(release(version, bundle=bundle, number=number))
        self.append(subscription())

    @property
    def standing(self) -> Coordination:
        """Claims, cuts, rollouts."""
        return self.picture.coordination

    def append(self, payload: Any, *, based_on: int | None = None, actor: str = "tests") -> int:
        """The record's offset, whether it counts or not."""
        offset = self.picture.next_offset
        read = offset if based_on is None else based_on
        decision = Decision(f"id-{offset}", self.now_us, actor, "because", read, payload)
        self.records.append((offset, encode_decision(decision)))
        self.picture = fold(self.picture, self.records[-1:])
        return offset

    def void(self, offset: int) -> str | None:
        """Why the record there does not count; None where it does."""
        found = self.picture.void_at(offset)
        return found.reason if found else None

    def counts(self, payload: Any) -> int:
        """Append what counts; its offset."""
        offset = self.append(payload)
        assert self.void(offset) is None
        return offset

    def refused(self, payload: Any) -> str:
        """Append what does not count, and changes nothing; why."""
        before = self.standing
        why = self.void(self.append(payload))
        assert why is not None
        assert self.standing == before
        return why

    def claim(self, name: str = "c1") -> int:
        """A coordinator takes over."""
        return self.counts(Claimed(self.standing.last, name))

    def prepared(self, asked: int, **stated: Any) -> CutPrepared:
        """A prepare that counts, but for what is stated otherwise."""
        return CutPrepared(
            **{
                "after": self.standing.last,
                "claim": self.standing.claim,
                "kind": CutKind.VERSION,
                "bundle": BUNDLE,
                "from_release": 1,
                "to_release": 2,
                "cohort": Cohort(),
                "partitions": COUNTS,
                "deadline_us": self.now_us + 10_000_000,
                "request": asked,
                **stated,
            }
        )

    def committed(self, cut: int, where: Positions | None = None) -> CutCommitted:
        """A commit written after all that stands."""
        return CutCommitted(
            self.standing.last, self.standing.claim, cut, vector() if where is None else where
        )

    def aborted(self, cut: int) -> CutAborted:
        """An abort written after all that stands."""
        return CutAborted(self.standing.last, self.standing.claim, cut)

    def immediate(self, to: int = 1, floor: Positions = (), *, bundle: str = BUNDLE) -> Immediate:
        """An Immediate written after all that stands."""
        return Immediate(self.standing.last, self.standing.claim, bundle, to, Cohort(), floor, 0)

    def advanced(self, rollout: int, decision: int) -> RolloutAdvanced:
        """The next step, written after all that stands."""
        return RolloutAdvanced(self.standing.last, self.standing.claim, rollout, BUNDLE, "live", decision)

    def paused(self, rollout: int) -> RolloutPaused:
        """A pause, written after all that stands."""
        return RolloutPaused(self.standing.last, self.standing.claim, rollout, BUNDLE)

    def finished(
        self, rollout: int, release_: int, outcome: RolloutOutcome = RolloutOutcome.FINAL
    ) -> RolloutFinished:
        """An end, written after all that stands."""
        return RolloutFinished(self.standing.last, self.standing.claim, rollout, BUNDLE, release_, outcome)

    def opened(self, **stated: Any) -> tuple[int, int]:
        """A claim, a request and an open cut: (request, cut)."""
        if self.standing.claim < 0:
            self.claim()
        asked = self.counts(request(**stated))
        return asked, self.counts(self.prepared(asked))

    def live(self) -> tuple[int, int]:
        """Release 2 is live by a cut: (request, epoch)."""
        asked, cut = self.opened()
        return asked, self.counts(self.committed(cut))


IMMEDIATE = RolloutMode.IMMEDIATE
