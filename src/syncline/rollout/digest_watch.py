"""Whether agents that passed the same cut have the same state: their digests, as they come in. Pure."""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[str, int, int]
"""(topic, partition, offset)."""
_CUTS_MAX = 64


class DigestWatch:
    """Remembers the first digest of each partition at each of the latest cuts, and who was found to differ."""

    def __init__(self) -> None:
        self._cuts: dict[int, dict[Place, int]] = {}
        self._told: set[tuple[int, str, Place]] = set()

    def hear(self, agent: str, cut: int, digests: Iterable[tuple[Place, int | None]]) -> list[Place]:
        """The places where this agent's digest is not what another's was there; each is told once."""
        known = self._cuts.get(cut)
        if known is None:
            if len(self._cuts) >= _CUTS_MAX:
                oldest = min(self._cuts)
                del self._cuts[oldest]
                self._told = {told for told in self._told if told[0] != oldest}
            known = self._cuts[cut] = {}
        differ = []
        for place, digest in digests:
            if (
                digest is None
                or known.setdefault(place, digest) == digest
                or (cut, agent, place) in self._told
            ):
                continue
            self._told.add((cut, agent, place))
            differ.append(place)
        return differ
