"""When a coordinator takes over, and what it holds."""

from __future__ import annotations

from syncline.catalog.coordination import Coordination
from syncline.coordinator.hearing import Hearing
from syncline.coordinator.states import CoordinatorState

_ENDED = (CoordinatorState.STOPPED, CoordinatorState.FAILED)


class Claiming:
    """Who holds the claim, as seen by the coordinator of one name."""

    def __init__(self, name: str, *, takeover_after_s: float) -> None:
        self._name = name
        self._takeover_after_s = takeover_after_s
        self.held: int | None = None
        """Offset of the own claim, while it is believed to hold."""
        self._former = -1
        """A claim under the own name up to this offset is of a former life."""
        self._attempted = False
        self._last = -1

    def begin(self, standing: Coordination) -> None:
        """The catalog was read to its end: what stands there was written before this life."""
        self._former = standing.claim
        self._last = standing.last

    def look(self, standing: Coordination) -> bool:
        """Whether the holder has written something that counts since the last look: it was heard of."""
        moved = standing.last != self._last
        self._last = standing.last
        return moved

    def why(self, standing: Coordination, hearing: Hearing) -> str:
        """Why to claim now; empty: another coordinator is live."""
        holder = standing.holder
        if standing.claim < 0:
            return "nobody coordinates yet"
        if holder == self._name and (standing.claim <= self._former or self._attempted):
            return f"the claim at offset {standing.claim} was its own, of before it started"
        last_word = hearing.last_word(holder)
        if last_word is not None and last_word.claim == standing.claim and last_word.state in _ENDED:
            return f"{holder} reports that it is {last_word.state}"
        if hearing.silent_s(holder) >= self._takeover_after_s:
            return f"nothing was heard of {holder} for {self._takeover_after_s:g} s"
        return ""

    def attempt(self) -> None:
        """A claim is about to be appended: one under this name that turns up may be it."""
        self._attempted = True

    def take(self, claim: int) -> None:
        """The own claim was read back, and holds."""
        self.held = claim
        self._attempted = False

    def lose(self) -> None:
        """Another has claimed, or nothing that was read counts any more."""
        self.held = None
