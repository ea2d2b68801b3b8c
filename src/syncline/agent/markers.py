"""What markers mean to one agent: where it stands, and what it proves on its way past them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.agent.enacting import digest_at
from syncline.catalog.coordination import CutState
from syncline.catalog.enactment import audits_for
from syncline.catalog.rollout_events import CutKind

if TYPE_CHECKING:
    from syncline.agent.cursor import Cursor
    from syncline.agent.enacting import Enacting
    from syncline.agent.proofs import Proofs
    from syncline.catalog.fold import Picture
    from syncline.clock import Clock
    from syncline.ports.log import TopicPartition
    from syncline.rollout.alignment import Stand
    from syncline.telemetry.agent_events import AgentEvents
    from syncline.telemetry.cut_reports import CutReached, PartitionProof

_AUDITS_TOLD_MAX = 8
"""Of how many audits an agent that was started again tells what its rings remember."""

_WAITED_FOR_US = 300_000_000
"""For so long after the markers of an audit had to be written its cells are counted again; its rings tell for ever."""


class Markers:
    """Joins the alignment of cuts and the proof for audits."""

    def __init__(self, enacting: Enacting, proofs: Proofs, clock: Clock, events: AgentEvents) -> None:
        self._enacting = enacting
        self._events = events
        self._proofs = proofs
        self._clock = clock
        self._picture: Picture | None = None
        self._listening_from: int | None = None
        """Catalog offset up to which it was read when this agent started."""
        self._told: set[int] = set()
        self._audits: dict[str, tuple[int, ...]] = {}
        """Bundle → its latest committed audits, as far as they were asked for since the catalog changed."""
        self.proven: list[PartitionProof] = []
        """Proofs that are still to be reported."""

    def learn(self, picture: Picture) -> None:
        """Take in the catalog as read so far."""
        self._picture = picture
        self._audits = {}
        if self._listening_from is None:
            self._listening_from = picture.next_offset

    def stand_at(self, place: TopicPartition, *, offset: int, cut: int) -> Stand | None:
        """Whether the partition stands at this marker; None: it is stepped over."""
        alignment = self._enacting.alignment
        return alignment.stand_at(place, offset=offset, cut=cut, now_s=self._clock.monotonic_s())

    def stand_before(self, place: TopicPartition, offset: int) -> Stand | None:
        """Whether nothing from this offset on may be folded yet, whatever stands there."""
        alignment = self._enacting.alignment
        return alignment.stand_before(place, offset, now_s=self._clock.monotonic_s())

    def next_stop(self, place: TopicPartition, position: int) -> int | None:
        """The lowest offset at or after `position` that is not to be folded before a queued cut is enacted."""
        return self._enacting.alignment.next_stop(place, position)

    def pass_by(self, cursor: Cursor, cut: int) -> None:
        """The partition is about to step over this marker: the state below it is committed."""
        picture = self._picture
        known = picture.coordination.cuts.get(cut) if picture is not None else None
        if known is None or picture is None or known.prepared.kind is not CutKind.AUDIT:
            return
        serving = self._enacting.serving
        if known.state is CutState.ABORTED or serving is None or known.prepared.bundle != serving.bundle:
            return
        if self._clock.now_us() > known.prepared.deadline_us + _WAITED_FOR_US:
            # Nobody waits any more: one that replays the log would count again at each audit of the past.
            return
        place = (*cursor.place, cursor.state.next_offset)
        if known.state is CutState.COMMITTED and place not in known.vector:
            # Another marker of the same cut: the vector alone says which one counts.
            return
        if cursor.state.head_trimmed:
            # A state whose head was trimmed away is never a proof.
            return
        audit = picture.coordination.audits[known.prepared.request].requested
        topic, partition = cursor.place
        buckets = {bucket for name, number, bucket in audit.buckets if (name, number) == (topic, partition)}
        proof = self._proofs.of_partition(cursor.place, cursor.state, cut=cut, buckets=buckets)
        if proof.kept != proof.counted or proof.broken:
            self._events.digest_mismatched(topic, partition, proof.offset)
        self.proven.append(proof)

    def audits_passed(self, cursors: dict[TopicPartition, Cursor]) -> list[CutReached]:
        """Reports of the committed audits that every partition has passed, and that were not told yet."""
        picture, serving = self._picture, self._enacting.serving
        if picture is None or serving is None:
            return []
        found = []
        for cut_id in self._latest_audits(picture, serving.bundle):
            if cut_id in self._told:
                continue
            cut = picture.coordination.cuts[cut_id]
            ours = [
                (cursors[topic, partition], offset)
                for topic, partition, offset in cut.vector
                if (topic, partition) in cursors
            ]
            if any(cursor.state.next_offset <= offset for cursor, offset in ours):
                continue
            self._told.add(cut_id)
            digests = tuple(digest_at(cursor, offset) for cursor, offset in ours)
            is_asked_now = (cut.decided_at or cut_id) >= (self._listening_from or 0)
            if is_asked_now or any(digest.digest is not None for digest in digests):
                # Somebody may be waiting: that nothing can be proven is an answer, too.
                found.append(
                    self._enacting.reached(
                        cut=cut_id,
                        epoch=cut.decided_at or cut_id,
                        release=serving.release,
                        digests=digests,
                        audit=True,
                    )
                )
        return found

    def _latest_audits(self, picture: Picture, bundle: str) -> tuple[int, ...]:
        """Asked for at each turn of the loop: a catalog of many cuts is gone through once a change."""
        if bundle not in self._audits:
            self._audits[bundle] = audits_for(picture, bundle)[-_AUDITS_TOLD_MAX:]
            # What is not asked about any more need not be remembered.
            self._told &= set(self._audits[bundle])
        return self._audits[bundle]
