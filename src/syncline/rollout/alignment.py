"""What an agent does at markers and vectors (log.md, Agent, rules 2 to 6). Pure: catalog and clock are handed in.

Markers only make an agent stop; the vector alone decides. Everything here can be thought out anew after a restart:
positions, cells and the enacted decision are what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.catalog.enactment import open_cut_for, rulings_for

if TYPE_CHECKING:
    from syncline.catalog.coordination import Ruling
    from syncline.catalog.enactment import Member
    from syncline.catalog.fold import Picture

Place = tuple[str, int]
"""(topic, partition)."""


@dataclass(frozen=True, slots=True)
class Stand:
    """A partition that stands at a marker: the state below it is folded, and nothing from it on."""

    cut: int
    offset: int
    """Of the marker, which is the partition's position."""
    reason: str


class Alignment:
    """Where one agent stops, what it enacts next, and which cuts it has given up holding for."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s`: how long it holds for one cut before it goes on under the old release."""
        self._limit_s = limit_s
        self._queue: tuple[Ruling, ...] = ()
        self._stops: dict[Place, tuple[tuple[int, int], ...]] = {}
        """Place → (offset, cut) of the vectors of queued cuts, ascending."""
        self._open: int | None = None
        self._known_below = 0
        self._since_s: dict[int, float] = {}
        """Cut → when a partition first stood for it."""
        self._given_up: frozenset[int] = frozenset()

    @property
    def queue(self) -> tuple[Ruling, ...]:
        """What is still to be enacted, in order."""
        return self._queue

    @property
    def given_up(self) -> frozenset[int]:
        """The cuts that nothing is held for any more."""
        return self._given_up

    @property
    def refuses(self) -> bool:
        """Whether an Immediate is still to be enacted: what is served is known to be broken."""
        return bool(self._queue) and self._queue[0].cut is None

    def learn(self, picture: Picture, member: Member, *, applied: int) -> None:
        """Take in the catalog as read so far, given the epoch of what was enacted last."""
        self._queue = rulings_for(picture, member, after=applied)
        self._open = open_cut_for(picture, member)
        self._known_below = picture.next_offset
        stops: dict[Place, list[tuple[int, int]]] = {}
        for ruling in self._queue:
            if ruling.cut is not None:
                for topic, partition, offset in ruling.floor:
                    stops.setdefault((topic, partition), []).append((offset, ruling.cut))
        self._stops = {place: tuple(sorted(found)) for place, found in stops.items()}
        pending = {ruling.cut for ruling in self._queue} | {self._open}
        # A cut that is over needs no memory; one that is not read yet may still turn out to be for this agent.
        over = {cut for cut in self._since_s if cut not in pending and cut < self._known_below}
        for cut in over:
            del self._since_s[cut]
        self._given_up = frozenset(
            cut for cut in self._given_up if cut in pending or cut >= self._known_below
        )

    def pass_head(self) -> None:
        """The head of the queue is enacted: what comes after it is what `learn` would find."""
        head, self._queue = self._queue[0], self._queue[1:]
        if head.cut is not None:
            for topic, partition, offset in head.floor:
                kept = tuple(stop for stop in self._stops[topic, partition] if stop != (offset, head.cut))
                self._stops[topic, partition] = kept
            self._since_s.pop(head.cut, None)
            self._given_up -= {head.cut}

    def stand_at(self, place: Place, *, offset: int, cut: int, now_s: float) -> Stand | None:
        """Whether the partition stands at this marker; None: it is stepped over. Rule 3."""
        if cut not in self._given_up:
            if cut >= self._known_below:
                return self._stand(cut, offset, f"the catalog is not read up to cut {cut} yet", now_s)
            if cut == self._open:
                return self._stand(cut, offset, f"cut {cut} is prepared and not decided yet", now_s)
        return self.stand_before(place, offset, now_s=now_s)

    def stand_before(self, place: Place, offset: int, *, now_s: float) -> Stand | None:
        """Whether a queued cut's vector says that nothing from this offset on may be folded yet."""
        for stop, cut in self._stops.get(place, ()):
            if stop == offset and cut not in self._given_up:
                reason = f"cut {cut} waits for all partitions of this agent"
                return self._stand(cut, offset, reason, now_s)
        return None

    def next_stop(self, place: Place, position: int) -> int | None:
        """The lowest offset at or after `position` that is not to be folded before a queued cut is enacted."""
        for stop, cut in self._stops.get(place, ()):
            if stop >= position and cut not in self._given_up:
                return stop
        return None

    def ready(self, positions: Mapping[Place, int]) -> Ruling | None:
        """The head of the queue, once every assigned position has reached it. Rule 5."""
        if not self._queue:
            return None
        head = self._queue[0]
        for topic, partition, offset in head.floor:
            position = positions.get((topic, partition))
            if position is not None and position < offset:
                return None
        return head

    def give_up(self, now_s: float) -> tuple[int, ...]:
        """The cuts that were held for longer than the limit, from now on given up. Rule 6."""
        overdue = tuple(
            cut
            for cut, since_s in self._since_s.items()
            if cut not in self._given_up and now_s - since_s >= self._limit_s
        )
        self._given_up |= frozenset(overdue)
        return overdue

    def held_since_s(self, cut: int) -> float | None:
        """When a partition first stood for the cut; None where none did."""
        return self._since_s.get(cut)

    def _stand(self, cut: int, offset: int, reason: str, now_s: float) -> Stand:
        self._since_s.setdefault(cut, now_s)
        return Stand(cut, offset, reason)


def is_aligned(ruling: Ruling, positions: Mapping[Place, int]) -> bool:
    """Whether every assigned position is exactly the cut's vector; an Immediate is never aligned."""
    return ruling.cut is not None and all(
        positions[topic, partition] == offset
        for topic, partition, offset in ruling.floor
        if (topic, partition) in positions
    )
