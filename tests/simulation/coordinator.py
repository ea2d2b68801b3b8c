"""A thin coordinator over `rollout.steps`: it claims, takes one step at a time, and believes what it reads back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from syncline.catalog.events import Decision, Payload
from syncline.catalog.rollout_events import Claimed
from syncline.rollout import steps
from syncline.rollout.readiness import Readiness
from syncline.rollout.step import Append, Lost, Mark, View
from tests.simulation.log import Catalog, Kind, Landed, Message, Network, Partition, Place, Record

RESOLVE_S = 20.0
"""After so long without reading it back, what was appended is taken to be lost."""
MARKER_RETRY_S = 10.0


@dataclass(slots=True, eq=False)
class SimCoordinator:
    """One coordinator process after another under one name."""

    name: str
    catalog: Catalog
    log: dict[Place, Partition]
    network: Network
    append_marker: Callable[[Place, int], int]
    partitions_of: Callable[[str], int]
    fleet: Callable[[], list[Readiness]]
    note: Callable[..., None]
    prepare_timeout_s: float = 60.0
    life: int = 0
    seen: int = 0
    claim: int | None = None
    unresolved: tuple[str, float] | None = None
    """(event id, when it was sent) of the one append that was not read back yet."""
    marked: int = -1
    """The cut that `acknowledged` is about."""
    acknowledged: dict[Place, int] = field(default_factory=dict)
    sent: dict[Place, float] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def writer(self) -> str:
        """This life of it."""
        return f"{self.name}.{self.life}"

    def restart(self) -> None:
        """It crashed, and begins anew: nothing but the catalog tells it anything."""
        self.life += 1
        self.seen, self.claim, self.unresolved, self.marked = 0, None, None, -1
        self.acknowledged = {}
        self.sent = {}

    def read(self, count: int) -> None:
        """Read more of the catalog; what it appended is resolved when it is read back."""
        end = min(self.seen + count, self.catalog.end)
        for offset in range(self.seen, end):
            landed = self.catalog.landed[offset]
            if self.unresolved is not None and landed.decision.event_id == self.unresolved[0]:
                self.unresolved = None
                if (
                    isinstance(landed.decision.payload, Claimed)
                    and self.catalog.picture(offset + 1).coordination.claim == offset
                ):
                    self.claim = offset
        self.seen = end

    def act(self, *, now_s: float, may_claim: bool) -> None:
        """One step, by what it has read; it may be long out of date."""
        if self.unresolved is not None:
            if now_s - self.unresolved[1] < RESOLVE_S:
                return
            self.unresolved = None
        standing = self.catalog.picture(self.seen).coordination
        if self.claim is None:
            if may_claim:
                self._append(Claimed(after=standing.last, coordinator=self.name), "takes over", now_s)
            return
        if standing.open_cut is not None and standing.open_cut != self.marked:
            self.marked, self.acknowledged, self.sent = standing.open_cut, {}, {}
        step = steps.next_step(
            View(
                picture=self.catalog.picture(self.seen),
                claim=self.claim,
                now_us=round(now_s * 1_000_000),
                prepare_timeout_us=round(self.prepare_timeout_s * 1_000_000),
                partitions_of=self.partitions_of,
                acknowledged=self.acknowledged if standing.open_cut is not None else {},
                fleet=self.fleet(),
            )
        )
        match step:
            case Append():
                self._append(step.payload, step.reason, now_s)
            case Mark():
                self._mark(step, now_s)
            case Lost():
                self.claim = None

    def _append(self, payload: Payload, reason: str, now_s: float) -> None:
        event_id = f"{self.writer}-{next(self._ids)}"
        self.unresolved = event_id, now_s
        decision = Decision(event_id, round(now_s * 1_000_000), self.name, reason, self.seen, payload)
        landed = Landed(decision, self.writer, self.seen)
        self.network.send(
            Message(
                self.writer,
                f"{type(payload).__name__} of {self.writer}",
                lambda: self.catalog.append(landed),
                _nobody,
            )
        )
        self.note("%s writes %s", self.writer, payload)

    def _mark(self, step: Mark, now_s: float) -> None:
        for place in step.places:
            if now_s - self.sent.get(place, -MARKER_RETRY_S) < MARKER_RETRY_S:
                continue
            self.sent[place] = now_s
            self.network.send(self._marker(step.cut, place))

    def _marker(self, cut: int, place: Place) -> Message:
        life = self.life

        def acknowledge(offset: int) -> None:
            if self.life == life and self.marked == cut:
                self.acknowledged.setdefault(place, offset)

        return Message(
            self.writer,
            f"marker of cut {cut} for {place[0]}[{place[1]}]",
            lambda: self.append_marker(place, cut),
            acknowledge,
        )


def _nobody(_: int) -> None:
    """It believes only what it reads back."""


def marker(cut: int) -> Record:
    """The marker of a cut."""
    return Record(Kind.MARKER, cut=cut)
