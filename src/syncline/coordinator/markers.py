"""Markers of the open cut: written until every partition has acknowledged one, and never two at once in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from syncline.clock import Clock
from syncline.errors import LogError
from syncline.ports.log import LogWriter, Outcome, OutcomeKind
from syncline.rollout.alignment import Place
from syncline.telemetry.coordinator_events import CoordinatorEvents
from syncline.wire.control import Marker

AGAIN_S = 0.25
"""How long a partition that refused a marker is left alone."""


class Markers:
    """What became of the markers of one cut at a time. Kept in memory only: a successor starts afresh."""

    def __init__(
        self, writer: LogWriter, *, coordinator: str, clock: Clock, events: CoordinatorEvents
    ) -> None:
        self._writer = writer
        self._coordinator = coordinator
        self._clock = clock
        self._events = events
        self._cut: int | None = None
        self._acknowledged: dict[Place, int] = {}
        self._unresolved: set[Place] = set()
        """Places with a marker on its way, of this cut or of an earlier one."""
        self._again_s: dict[Place, float] = {}

    def acknowledged(self, cut: int | None) -> Mapping[Place, int]:
        """Where a marker of this cut stands. What was noted of any other is forgotten."""
        if cut != self._cut:
            self._cut = cut
            self._acknowledged = {}
            self._again_s = {}
        return self._acknowledged

    def write(self, cut: int, places: Sequence[Place]) -> None:
        """A marker of the cut into each of these places, unless one is on its way or was refused just now."""
        self.acknowledged(cut)
        now_s = self._clock.monotonic_s()
        marker = Marker(cut)
        headers = [
            ("syncline-cut", str(cut).encode()),
            ("syncline-coordinator", self._coordinator.encode()),
            *self._events.marker_headers(cut),
        ]
        for place in places:
            if place in self._unresolved or now_s < self._again_s.get(place, now_s):
                continue
            topic, partition = place
            self._unresolved.add(place)
            try:
                self._writer.append(
                    topic,
                    key=marker.key(),
                    value=None,
                    headers=headers,
                    partition=partition,
                    on_outcome=partial(self._note, cut, place),
                )
            except (BufferError, LogError) as error:
                self._refused(cut, place, str(error))

    def await_outcomes(self, timeout_s: float) -> None:
        """Wait until some markers have an outcome, at most `timeout_s`."""
        self._writer.poll(timeout_s)

    def _note(self, cut: int, place: Place, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.ACKNOWLEDGED and outcome.offset is not None:
            self._unresolved.discard(place)
            if cut == self._cut:
                # Any of several markers will do; the vector alone says which one counts.
                self._acknowledged.setdefault(place, outcome.offset)
        else:
            # It may stand there all the same: another one does no harm.
            self._refused(cut, place, outcome.trouble or "it was acknowledged without its offset")

    def _refused(self, cut: int, place: Place, reason: str) -> None:
        self._unresolved.discard(place)
        if cut == self._cut:
            self._again_s[place] = self._clock.monotonic_s() + AGAIN_S
            self._events.marker_refused(cut, *place, reason)
