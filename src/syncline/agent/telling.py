"""What is told of a batch: how long each stage took, what became of traced records, and who was heard of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from syncline.agent.traced_verdicts import traced_verdicts
from syncline.telemetry.agent_spans import NOTHING_TRACED
from syncline.wire.control import Heartbeat, parse_control

if TYPE_CHECKING:
    from syncline.agent.folded import Folded
    from syncline.clock import Clock
    from syncline.ports.log import Batch, TopicPartition
    from syncline.schema_book import SchemaBook
    from syncline.telemetry.agent_events import AgentEvents
    from syncline.telemetry.agent_spans import AgentSpans
    from syncline.telemetry.attention import Attention
    from syncline.wire.dead_letters import DeadLetter

_NEAR_US = 100_000
"""What was kept beside a cell before its commit is as good as what was seen after it: so stages add up exactly."""


class Telling:
    """Follows one batch after another from received to committed."""

    def __init__(self, events: AgentEvents, spans: AgentSpans | None, clock: Clock) -> None:
        """`spans` is None where nothing is traced."""
        self._events = events
        self._spans = spans
        self._clock = clock
        self._traced = NOTHING_TRACED
        """The traced records of the batch at hand."""
        self._received_us = 0
        self._committing_us = 0
        """How long the last commit took."""
        self._reckoned_us: dict[TopicPartition, int] = {}
        """When what is kept beside cells says that they were applied, by place."""

    def received(self, batch: Batch, attention: Attention) -> None:
        """This batch is folded from now on."""
        self._received_us = attention.received_us
        if self._spans is not None:
            self._traced = self._spans.received(batch, attention)

    def kept(self, place: TopicPartition) -> Mapping[int, bytes] | None:
        """What cells of traced records keep, by offset."""
        traced = self._traced.at(place)
        if not traced:
            return None
        applied_us = self._reckoned_us[place] = self._clock.now_us() + self._committing_us
        return {offset: update.kept(applied_us) for offset, update in traced.items()}

    def stored(self, began_us: int) -> int:
        """A commit of the store that began then is durable; returns the time."""
        now_us = self._clock.now_us()
        self._committing_us = now_us - began_us
        return now_us

    def processed(self, topics: set[str], applied_us: int) -> None:
        """Slices of these topics were committed."""
        for topic in topics:
            self._events.processed(topic, took_us=applied_us - self._received_us)

    def committed(
        self, folded: Folded, letters: Sequence[DeadLetter], book: SchemaBook, *, applied_us: int
    ) -> None:
        """A slice is committed, and its dead letters are delivered, since `applied_us`."""
        verdict, cursor = folded.verdict, folded.cursor
        if verdict.rows:
            self._events.batch_applied(
                cursor.major.view, rows=len(verdict.updates), written=len(folded.write.keys)
            )
        if len(verdict.updates):
            self._tell_times(folded, applied_us)
        for row in verdict.controls:
            control = parse_control(folded.rows.keys[row] or b"", folded.rows.headers.get(row, ()))
            if isinstance(control, Heartbeat):
                cursor.note_heartbeat(control, int(folded.rows.timestamps_ms[row]))
        if letters:
            self._events.rejected(*cursor.place, letters)
        if self._spans is not None and self._traced.at(cursor.place):
            self._spans.applied(
                cursor.place,
                cursor.major.view,
                traced_verdicts(
                    cursor.major,
                    folded.rows,
                    verdict,
                    folded.write,
                    traced=self._traced.at(cursor.place),
                    book=book,
                ),
                judged_us=folded.judged_us,
                applied_us=self._agreed(cursor.place, applied_us),
            )

    def _agreed(self, place: TopicPartition, applied_us: int) -> int:
        """When spans say that these were applied: as what is kept beside the cells does, unless that was far off."""
        reckoned_us = self._reckoned_us.pop(place, applied_us)
        return reckoned_us if abs(reckoned_us - applied_us) <= _NEAR_US else applied_us

    def _tell_times(self, folded: Folded, applied_us: int) -> None:
        updates, rows, cursor = folded.verdict.updates, folded.rows, folded.cursor
        cursor.note_event(int(updates.event_times_us.max()))
        # Where nothing else stands between them, updates are the rows themselves.
        timestamps_ms = rows.timestamps_ms[: len(updates)]
        if len(updates) != folded.verdict.rows:
            timestamps_ms = rows.timestamps_ms[rows.offsets.searchsorted(updates.offsets)]
        traced = self._traced.at(cursor.place)
        found = updates.offsets.searchsorted(list(traced)).tolist() if traced else ()
        self._events.propagated(
            cursor.major.topic,
            events_us=updates.event_times_us,
            appended_ms=timestamps_ms,
            received_us=self._received_us,
            applied_us=applied_us,
            traces=[
                (row, update.span.get_span_context().trace_id)
                for row, update in zip(found, traced.values(), strict=True)
                if row < len(updates) and updates.offsets[row] == update.offset
            ],
        )
