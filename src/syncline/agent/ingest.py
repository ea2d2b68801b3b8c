"""From a batch of records to committed state: judge, join, dead-letter, commit, in that order (roles.md, the loop)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from syncline.agent.cursor import Cursor
from syncline.agent.dead_letter_office import DeadLetterOffice
from syncline.contracts.checks.tally import Tally
from syncline.errors import StoreFull
from syncline.ports.log import Batch, Slice, TopicPartition
from syncline.ports.store import Store, StoreSnapshot
from syncline.schema_book import SchemaBook
from syncline.state.join import collectable_before_us, join, note_marker, step_over_marker, winners
from syncline.state.partition import PartitionWrite
from syncline.state.rows import Rows
from syncline.state.verdict import Stop, Verdict, judge
from syncline.telemetry.agent_events import AgentEvents
from syncline.wire.dead_letters import DeadLetter


@dataclass(frozen=True, slots=True)
class _Folded:
    """A slice that is ready to be committed."""

    cursor: Cursor
    rows: Rows
    verdict: Verdict
    write: PartitionWrite


class Ingest:
    """Folds batches into the store. Either all of a batch up to each partition's stop is committed, or nothing is."""

    def __init__(
        self,
        *,
        store: Store,
        office: DeadLetterOffice,
        events: AgentEvents,
        agent: str,
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
        self._agent = agent
        self._stopped = stopped
        self._wait = wait
        self._on_trouble = on_trouble
        self._on_turn = on_turn
        self._on_judged = on_judged
        self.trouble = ""
        """Why nothing can be committed at the moment; empty when all is well."""

    def fold(self, batch: Batch, cursors: Mapping[TopicPartition, Cursor], book: SchemaBook) -> list[Cursor]:
        """Fold the batch and commit; returns the cursors that are held now, at the record that holds them.

        Rows of partitions that are not assigned any more, or were folded before, are passed by.
        """
        held: list[Cursor] = []
        pending = [
            (cursor, _rows(batch, cut, cursor))
            for cut in batch.slices
            if (cursor := cursors.get((cut.topic, cut.partition))) is not None
        ]
        while pending:
            folded = self._judge_all(pending, book)
            if not self._commit(folded):
                return held
            pending = []
            for each in folded:
                stop = each.verdict.stop
                if stop is None:
                    continue
                if not stop.marker:
                    each.cursor.held = stop.reason
                    held.append(each.cursor)
                    self._count_halt(each.cursor, stop, int(each.rows.offsets[stop.row]))
                    continue
                rest = self._step_over(each)
                if rest is None:
                    return held
                if len(rest):
                    pending.append((each.cursor, rest))
            if pending:
                self._on_turn()
                if self._stopped():
                    return held
        return held

    def _judge_all(self, pending: list[tuple[Cursor, Rows]], book: SchemaBook) -> list[_Folded]:
        with self._store.snapshot() as snapshot:
            return [self._judge(cursor, rows, book, snapshot) for cursor, rows in pending]

    def _judge(self, cursor: Cursor, rows: Rows, book: SchemaBook, snapshot: StoreSnapshot) -> _Folded:
        topic, partition = cursor.place
        passages = book.passages(topic, partition)
        verdict = judge(rows, t_ms=cursor.state.t_ms, major=cursor.major, schemas=book, passages=passages)
        state = cursor.state
        if verdict.rows:
            next_offset = int(rows.offsets[verdict.rows - 1]) + 1
            state = replace(state, next_offset=next_offset, t_ms=verdict.t_ms)
        write = PartitionWrite(topic=topic, partition=partition, state=state)
        if len(verdict.updates):
            won = winners(verdict.updates)
            existing = snapshot.cells(topic, partition, won.keys)
            write = join(verdict.updates, won, existing, topic=topic, partition=partition, state=state)
        if verdict.stop is not None and verdict.stop.marker:
            # A marker ends the transaction, and the agent stands at it until it steps over.
            marker = int(rows.offsets[verdict.stop.row])
            write = replace(write, state=note_marker(write.state, marker))
        return _Folded(cursor, rows, verdict, write)

    def _step_over(self, folded: _Folded) -> Rows | None:
        """Pass the marker that the slice stopped at; the rows after it, or None if the agent was stopped."""
        stop = folded.verdict.stop
        if stop is None:
            raise AssertionError("only a stopped slice has a marker to step over")
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
        write = step_over_marker(
            cursor.state,
            topic=topic,
            partition=partition,
            offset=int(rows.offsets[row]),
            timestamp_ms=timestamp_ms,
            collected=tombstones,
            collected_cells=cells,
        )
        if not self._store_all([write]):
            return None
        cursor.state = write.state
        return rows.after(row + 1)

    def _commit(self, folded: list[_Folded]) -> bool:
        """Dead letters first, then the store; False if the agent was stopped before all of it was done."""
        letters = [letter for each in folded for letter in self._letters(each)]
        if letters and not self._office.deliver(letters, self._in_trouble):
            return False
        writes = [each.write for each in folded if each.write.state is not each.cursor.state]
        if writes and not self._store_all(writes):
            return False
        self.trouble = ""
        for each in folded:
            each.cursor.state = each.write.state
            self._announce(each)
        return True

    def _store_all(self, writes: list[PartitionWrite]) -> bool:
        while True:
            try:
                self._store.commit(writes)
            except StoreFull as error:
                self._in_trouble(str(error))
                self._events.store_full(str(error))
                if self._stopped():
                    return False
                self._wait(1.0)
            else:
                return True

    def _in_trouble(self, reason: str) -> None:
        self.trouble = reason
        self._on_trouble(reason)

    def _letters(self, folded: _Folded) -> list[DeadLetter]:
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

    def _announce(self, folded: _Folded) -> None:
        verdict, (topic, partition) = folded.verdict, folded.cursor.place
        if verdict.rows:
            self._events.batch_applied(
                folded.cursor.major.view, rows=len(verdict.updates), written=len(folded.write.keys)
            )
        if verdict.rejects:
            self._events.rejected(topic, partition, [reject.reason for reject in verdict.rejects])
        self._on_judged(verdict.tally)

    def _count_halt(self, cursor: Cursor, stop: Stop, offset: int) -> None:
        if cursor.halted_at != offset:
            cursor.halted_at = offset
            self._on_judged(stop.tally)


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
        headers={row - start: headers for row, headers in batch.headers.items() if start <= row < end},
    )
