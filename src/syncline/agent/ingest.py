"""From a batch of records to committed state: judge, join, dead-letter, commit, in that order (roles.md, the loop)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from syncline.agent.cursor import Cursor
from syncline.agent.dead_letter_office import DeadLetterOffice
from syncline.agent.folded import Folded
from syncline.agent.markers import Markers
from syncline.agent.telling import Telling
from syncline.clock import Clock
from syncline.contracts.checks.tally import Tally
from syncline.errors import StoreFull
from syncline.ports.log import Batch, Headers, Slice, TopicPartition
from syncline.ports.store import Store, StoreSnapshot
from syncline.schema_book import SchemaBook
from syncline.state.join import collectable_before_us, join, note_marker, step_over_marker, winners
from syncline.state.partition import PartitionWrite
from syncline.state.rows import Rows
from syncline.state.verdict import Case, Stop, Verdict, judge_all
from syncline.telemetry.agent_events import AgentEvents
from syncline.telemetry.agent_spans import AgentSpans
from syncline.telemetry.attention import Attention
from syncline.wire.control import Marker, is_marker, parse_control
from syncline.wire.dead_letters import DeadLetter


class Ingest:
    """Folds batches into the store. Either all of a slice up to its partition's stop is committed, or nothing is.

    All slices of a batch are committed together, but for those whose dead letters are not delivered. What cannot be
    committed soon is left, and read again: a rollback in the catalog does not wait for it.
    """

    def __init__(
        self,
        *,
        store: Store,
        office: DeadLetterOffice,
        events: AgentEvents,
        spans: AgentSpans | None,
        clock: Clock,
        agent: str,
        markers: Markers,
        stopped: Callable[[], bool],
        wait: Callable[[float], object],
        on_trouble: Callable[[str], None],
        on_turn: Callable[[], None],
        on_judged: Callable[[Tally], None],
    ) -> None:
        """`on_trouble` hears, again and again, why nothing can be committed while that lasts.

        `on_judged` hears the verdict's counts of rows that were committed, and of a row that halts.
        `on_turn` is called at each marker: a batch full of them takes long.
        """
        self._store = store
        self._office = office
        self._events = events
        self._clock = clock
        self._telling = Telling(events, spans, clock)
        self._agent = agent
        self._markers = markers
        self._stopped = stopped
        self._wait = wait
        self._on_trouble = on_trouble
        self._on_turn = on_turn
        self._on_judged = on_judged
        self.trouble = ""
        """Why nothing can be committed at the moment; empty when all is well."""

    def fold(
        self,
        batch: Batch,
        cursors: Mapping[TopicPartition, Cursor],
        book: SchemaBook,
        attention: Attention,
    ) -> list[Cursor]:
        """Fold the batch and commit; returns the cursors that are to be read from where they are.

        Those that do not go on now, held at a record or at a marker, and those that were not taken to their end.
        Rows of partitions that are not assigned any more, that do not go on, or were folded before, are passed by.
        """
        stopped: list[Cursor] = []
        self._telling.received(batch, attention)
        pending = [
            (cursor, _rows(batch, cut, cursor))
            for cut in batch.slices
            if (cursor := cursors.get((cut.topic, cut.partition))) is not None and cursor.goes_on
        ]
        while pending:
            folded = self._judge_all(pending, book)
            committed = self._commit(folded, book)
            at_markers: list[Folded] = []
            for each in committed:
                if not self._go_on(each):
                    stopped.append(each.cursor)
                    continue
                if each.verdict.stop is not None:
                    at_markers.append(each)
            rest = self._step_over(at_markers)
            if rest is None or len(committed) < len(folded):
                break
            pending = rest
            if pending:
                self._on_turn()
                if self._stopped():
                    break
        return stopped + _short(batch, cursors)

    def _go_on(self, folded: Folded) -> bool:
        """Whether the partition goes on where its slice ended; else why not is noted in its cursor."""
        cursor, stop = folded.cursor, folded.verdict.stop
        if stop is None:
            if folded.cut_off:
                # No marker stands at the vector, whatever became of it: the vector alone decides.
                cursor.stand = self._markers.stand_before(cursor.place, cursor.state.next_offset)
            return cursor.stand is None
        offset = int(folded.rows.offsets[stop.row])
        if not stop.marker:
            cursor.held = stop.reason
            self._count_halt(cursor, stop, offset)
            return False
        marker = parse_control(folded.rows.keys[stop.row] or b"", ())
        if not isinstance(marker, Marker):
            raise AssertionError("a slice stops at markers alone")  # noqa: TRY004  it is no matter of types
        cursor.stand = self._markers.stand_at(cursor.place, offset=offset, cut=marker.cut_id)
        if cursor.stand is not None:
            return False
        self._markers.pass_by(cursor, marker.cut_id)
        return True

    def _judge_all(self, pending: list[tuple[Cursor, Rows]], book: SchemaBook) -> list[Folded]:
        by_topic: dict[str, list[tuple[Cursor, Rows]]] = {}
        for cursor, rows in pending:
            by_topic.setdefault(cursor.major.topic, []).append((cursor, rows))
        with self._store.snapshot() as snapshot:
            return [
                folded
                for of_topic in by_topic.values()
                for folded in self._judge_topic(of_topic, book, snapshot)
            ]

    def _judge_topic(
        self, pending: list[tuple[Cursor, Rows]], book: SchemaBook, snapshot: StoreSnapshot
    ) -> Iterator[Folded]:
        cut = [
            _up_to(rows, self._markers.next_stop(cursor.place, cursor.state.next_offset))
            for cursor, rows in pending
        ]
        cases = [
            Case(rows, cursor.state.t_ms, book.passages(*cursor.place))
            for (cursor, _), (rows, _) in zip(pending, cut, strict=True)
        ]
        began_us = self._clock.now_us()
        verdicts = judge_all(cases, major=pending[0][0].major, schemas=book)
        judged_us = (began_us, self._clock.now_us())
        for (cursor, _), (rows, end), verdict in zip(pending, cut, verdicts, strict=True):
            folded = self._join(cursor, rows, end, verdict, snapshot)
            yield replace(folded, judged_us=judged_us)

    def _join(
        self, cursor: Cursor, rows: Rows, end: int | None, verdict: Verdict, snapshot: StoreSnapshot
    ) -> Folded:
        """What is to be committed of a slice that was judged up to its stop, or to the vector at `end`."""
        topic, partition = cursor.place
        state = cursor.state
        if verdict.rows:
            next_offset = int(rows.offsets[verdict.rows - 1]) + 1
            state = replace(state, next_offset=next_offset, t_ms=verdict.t_ms)
        write = PartitionWrite(topic=topic, partition=partition, state=state)
        if len(verdict.updates):
            won = winners(verdict.updates)
            existing = snapshot.cells(topic, partition, won.keys)
            write = join(
                verdict.updates,
                won,
                existing,
                topic=topic,
                partition=partition,
                state=state,
                traces=self._telling.kept(cursor.place),
            )
        cut_off = False
        if verdict.stop is None and end is not None:
            cut_off = True
            write = replace(write, state=note_marker(write.state, end))
        if verdict.stop is not None and verdict.stop.marker:
            # A marker ends the transaction, and the agent stands at it until it steps over.
            marker = int(rows.offsets[verdict.stop.row])
            write = replace(write, state=note_marker(write.state, marker))
        return Folded(cursor, rows, verdict, write, cut_off)

    def _step_over(self, at_markers: list[Folded]) -> list[tuple[Cursor, Rows]] | None:
        """Pass the markers that these slices stopped at; the rows after them, or None if there was no room."""
        # The partitions of a cut meet its markers at about the same time: one commit for all of them.
        passed = [
            (each, self._over_marker(each, each.verdict.stop)) for each in at_markers if each.verdict.stop
        ]
        if passed and not self._store_all([write for _, write in passed]):
            return None
        pending = []
        for each, write in passed:
            each.cursor.state = write.state
            rest = each.rows.after(int(np.searchsorted(each.rows.offsets, write.state.next_offset)))
            if len(rest):
                pending.append((each.cursor, rest))
        return pending

    def _over_marker(self, folded: Folded, stop: Stop) -> PartitionWrite:
        """What passing the marker that the slice stopped at does: T, the position, and tombstones that go by it."""
        cursor, rows, row = folded.cursor, folded.rows, stop.row
        topic, partition = cursor.place
        timestamp_ms = int(rows.timestamps_ms[row])
        before_us = collectable_before_us(max(cursor.state.t_ms, timestamp_ms), cursor.major.late_arrival_us)
        tombstones: list[tuple[int, bytes]] = []
        cells: list[bytes] = []
        if before_us is not None:
            with self._store.snapshot() as snapshot:
                tombstones = snapshot.tombstones(topic, partition, before_us)
                for _, key in tombstones:
                    cell = snapshot.cell(topic, partition, key)
                    if cell is None:
                        raise AssertionError("the index of tombstones names only cells that exist")
                    cells.append(cell)
        return step_over_marker(
            cursor.state,
            topic=topic,
            partition=partition,
            offset=int(rows.offsets[row]),
            timestamp_ms=timestamp_ms,
            collected=tombstones,
            collected_cells=cells,
        )

    def _commit(self, folded: list[Folded], book: SchemaBook) -> list[Folded]:
        """Dead letters first, then the store; those that were committed.

        Where letters of some cannot be delivered now, the others go on: no topic waits for another's dead letters.
        """
        all_of_it = [(each, self._letters(each)) for each in folded]
        letters = [letter for _, own in all_of_it for letter in own]
        ready = all_of_it
        if letters and not self._office.deliver(letters, self._in_trouble):
            ready = [(each, own) for each, own in all_of_it if self._office.has_delivered(own)]
        writes = [each.write for each, _ in ready if each.write.state is not each.cursor.state]
        began_us = self._clock.now_us()
        if writes and not self._store_all(writes):
            return []
        applied_us = self._telling.stored(began_us)
        if len(ready) == len(folded):
            self.trouble = ""
        for each, own in ready:
            self._office.committed(own)
            each.cursor.state = each.write.state
            self._telling.committed(each, own, book, applied_us=applied_us)
            self._on_judged(each.verdict.tally)
        self._telling.processed({each.cursor.major.topic for each, _ in ready}, applied_us)
        return [each for each, _ in ready]

    def _store_all(self, writes: list[PartitionWrite]) -> bool:
        try:
            self._store.commit(writes)
        except StoreFull as error:
            self._in_trouble(str(error))
            self._events.store_full(str(error))
            if not self._stopped():
                self._wait(1.0)
            return False
        return True

    def _in_trouble(self, reason: str) -> None:
        self.trouble = reason
        self._on_trouble(reason)

    def _letters(self, folded: Folded) -> list[DeadLetter]:
        rows = folded.rows
        topic, partition = folded.cursor.place
        return [
            DeadLetter(
                topic=topic,
                partition=partition,
                offset=int(rows.offsets[reject.row]),
                timestamp_ms=int(rows.timestamps_ms[reject.row]),
                key=rows.keys[reject.row],
                value=rows.values[reject.row],
                headers=rows.headers.get(reject.row, ()),
                reason=reject.reason,
                agent=self._agent,
            )
            for reject in folded.verdict.rejects
        ]

    def _count_halt(self, cursor: Cursor, stop: Stop, offset: int) -> None:
        if cursor.halted_at != offset:
            cursor.halted_at = offset
            self._on_judged(stop.tally)


def _short(batch: Batch, cursors: Mapping[TopicPartition, Cursor]) -> list[Cursor]:
    """The cursors that go on and were not taken to the end of their slice: to be read on from where they are."""
    ends = {(cut.topic, cut.partition): cut.next_offset for cut in batch.slices if cut.count}
    return [
        cursor
        for place, end in ends.items()
        if (cursor := cursors.get(place)) is not None and cursor.goes_on and cursor.state.next_offset < end
    ]


def _up_to(rows: Rows, stop: int | None) -> tuple[Rows, int | None]:
    """The rows before an offset, and the marker that stands at it; the offset, if other rows were left out there."""
    if stop is None or not len(rows) or rows.offsets[-1] < stop:
        return rows, None
    row = int(np.searchsorted(rows.offsets, stop))
    key = rows.keys[row]
    if rows.offsets[row] == stop and rows.values[row] is None and key is not None and is_marker(key):
        return rows.first(row + 1), None
    return rows.first(row), stop


def _rows(batch: Batch, cut: Slice, cursor: Cursor) -> Rows:
    """The slice's rows from the cursor's position on."""
    start, end = cut.start, cut.start + cut.count
    while start < end and batch.offsets[start] < cursor.state.next_offset:
        start += 1
    return Rows(
        partition=cut.partition,
        offsets=batch.offsets[start:end],
        timestamps_ms=batch.timestamps_ms[start:end],
        keys=batch.keys[start:end],
        values=batch.values[start:end],
        headers=_headers(batch.headers, start, end),
    )


def _headers(headers: Mapping[int, Headers], start: int, end: int) -> dict[int, Headers]:
    """Those of these rows, by their numbers from `start` on."""
    if len(headers) < end - start:
        return {row - start: found for row, found in headers.items() if start <= row < end}
    return {row - start: headers[row] for row in range(start, end) if row in headers}
