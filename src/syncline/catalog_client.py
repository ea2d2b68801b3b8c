"""How a role follows the catalog, and how a decision gets into it, over the Log port.

Whoever writes reads back what it wrote: the fold, not the broker, says whether a decision counts (log.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from syncline.catalog.events import Decision, Payload, decision_headers, decode_decision, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.clock import Clock
from syncline.errors import (
    CatalogLost,
    DecisionVoid,
    LogError,
    LogUnavailable,
    TopicMissing,
    UnknownFormat,
    WireError,
)
from syncline.ports.log import EventKind, Log, LogReader, LogWriter, Outcome, OutcomeKind

_SLICE_S = 0.1
"""How long a wait for an outcome lasts before it is asked whether to end."""
_SHOWN_BY_NAME = frozenset({"view", "bundle", "subscription", "rollout", "audit", "record", "schema"})
"""The subjects whose second word is a name that `syncline catalog log --about` knows."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who decides, and why: both are kept with every decision (P11)."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Landed:
    """One record that was appended and read back."""

    offset: int
    void: str | None
    """Why it does not count; None where it does."""


def require_catalog(log: Log, topic: str, timeout_s: float = 30.0) -> None:
    """Make sure that there is a catalog, as a person wants to be told where there is none.

    Raises:
        TopicMissing: nothing has been applied to this cluster yet.
        LogUnavailable: no broker answered in time.
    """
    if log.describe_topic(topic, timeout_s) is None:
        raise TopicMissing(
            f"there is no topic {topic}: nothing has been applied to this cluster; run `syncline apply`, or check the "
            "prefix"
        )


class CatalogClient:
    """Follows one catalog topic from offset 0 and can append to it. Not safe for use by two threads."""

    def __init__(self, log: Log, topic: str, *, clock: Clock, client_id: str) -> None:
        self._log = log
        self._topic = topic
        self._clock = clock
        self._client_id = client_id
        self._reader: LogReader | None = None
        self._writer: LogWriter | None = None
        self._picture = Picture()

    @property
    def picture(self) -> Picture:
        """What stands after all records read so far."""
        return self._picture

    def catch_up(self, timeout_s: float) -> Picture:
        """Note the catalog's end, and fold at least to it.

        Raises:
            TopicMissing: nobody has applied anything to this cluster yet.
            CatalogLost: what was read before is not there any more.
            LogUnavailable: the end was not reached within `timeout_s`.
        """
        deadline = self._clock.monotonic_s() + timeout_s
        _, end = self._open().watermarks(self._topic, 0, timeout_s)
        if end < self._picture.next_offset:
            raise CatalogLost(
                f"{self._topic} was read to offset {self._picture.next_offset} and ends at {end} now: it was "
                "deleted, or truncated, and what was decided is lost with it"
            )
        while self._picture.next_offset < end:
            left = deadline - self._clock.monotonic_s()
            if left <= 0:
                raise LogUnavailable(
                    f"{self._topic} was read to offset {self._picture.next_offset} of {end} in {timeout_s:g} s"
                )
            self.poll(min(left, 0.5))
        return self._picture

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Fold what has arrived, waiting up to `timeout_s` for the first record; whether there was any.

        Raises:
            TopicMissing: the catalog has been deleted.
            CatalogLost: it was cut at its head or its end: nothing can be known any more.
            UnknownFormat: a newer Syncline wrote a record; topic and offset are named, and nothing was folded.
        """
        batch = self._open().poll(5_000, 16_000_000, timeout_s)
        for event in batch.events:
            if event.kind in (EventKind.TOPIC_MISSING, EventKind.OFFSET_OUT_OF_RANGE, EventKind.FATAL):
                self.close()
            if event.kind is EventKind.TOPIC_MISSING:
                raise TopicMissing(f"{self._topic} does not exist: {event.message}")
            if event.kind is EventKind.OFFSET_OUT_OF_RANGE:
                raise CatalogLost(
                    f"{self._topic} cannot be read from offset {self._picture.next_offset} on: {event.message}. "
                    "It is to be kept for ever; restore it"
                )
        records = zip(batch.offsets.tolist(), batch.values, strict=True)
        new = [record for record in records if record[0] >= self._picture.next_offset]
        try:
            self._picture = fold(self._picture, new)
        except UnknownFormat as error:
            # The reader is past what was not folded: another begins where the picture ends.
            self.close()
            raise UnknownFormat(f"{self._topic} offset {_unknown_at(new)}: {error}") from error
        return len(batch) > 0

    def propose(
        self,
        payloads: Sequence[Payload],
        author: Author,
        timeout_s: float = 15.0,
        *,
        before_each: Callable[[Picture, Collection[int]], None] = lambda _picture, _own: None,
        on_recorded: Callable[[Payload, int], None] = lambda _payload, _offset: None,
        remedy: str = "run plan and apply again",
    ) -> list[int]:
        """Append the decisions one by one, reading each back; returns their offsets.

        They are based on the picture as it is now: plan first, then propose without polling in between.

        Args:
            payloads: the decisions, in their order.
            author: of all of them.
            timeout_s: for each.
            before_each: asked before each append, with all that was read and the offsets of ours so far; it raises
                where what the decisions stand on has changed. What lands between its answer and the append is not
                seen by it.
            on_recorded: told each decision that counts, and its offset.
            remedy: what to do where a decision is void, as its error says it.

        Raises:
            DecisionVoid: another decision about the same subject came first; those before it stand. Plan again.
            LogUnavailable: an append was not acknowledged in time, or not read back; the message says whether it may
                have landed, or may still, and what shows that. Nothing of ours is sent any more.
        """
        based_on = self._picture.next_offset
        offsets: list[int] = []
        writer, self._writer = self._open_writer(), None
        try:
            for number, payload in enumerate(payloads):
                before_each(self._picture, offsets)
                offset = self._append(writer, payload, author, based_on, timeout_s)
                self._read_back(payload, offset, timeout_s)
                void = self._picture.void_at(offset)
                if void is not None:
                    raise DecisionVoid(f"{void.reason}. Nothing was changed by it; {remedy}")
                offsets.append(offset)
                if not self._is_foreign(payloads[number + 1 :], based_on, offsets):
                    # Nobody else has touched what is still to be decided: it may build on this one.
                    based_on = offset + 1
                on_recorded(payload, offset)
        finally:
            # Each was waited for: what is still queued belongs to somebody who has gone.
            writer.close(0.0)
        return offsets

    def _read_back(self, payload: Payload, offset: int, timeout_s: float) -> None:
        """Fold up to our own decision, which stands at this offset already."""
        try:
            self.catch_up(timeout_s)
        except LogUnavailable as error:
            raise LogUnavailable(
                f"the decision about {payload.subject} stands at catalog offset {offset}, and could not be read back "
                f"({error}): {_where_to_look(payload)} shows whether it counts. Look there before you decide again"
            ) from error

    def _is_foreign(self, payloads: Sequence[Payload], since: int, own: Collection[int]) -> bool:
        """Whether the subject of any of them was changed from `since` on, by others than `own`."""
        changed_at = (self._picture.changed_at.get(payload.subject, -1) for payload in payloads)
        return any(offset >= since and offset not in own for offset in changed_at)

    def prepare_to_write(self) -> None:
        """Open the writer of the next `propose` or `record`; nothing is written, and nobody is waited for.

        Worth it where somebody waits for the answer: on Kafka a new writer sends its first record after half a second.
        It asks for its producer id before it is connected, and then not again for so long (librdkafka).
        """
        self._open_writer()

    def record(
        self,
        payload: Payload,
        author: Author,
        timeout_s: float = 5.0,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Landed:
        """Append one record and read back to it, with a writer that stays open; says whether it counts.

        For a coordinator, whose records name in their payload what was known.

        Raises:
            LogUnavailable: the outcome is not known, or could not be read back, within `timeout_s` (for each of
                the two), or before `stopped`. It may have landed, or may still: `catch_up`, then look again.
        """
        writer = self._open_writer()
        try:
            offset = self._append(
                writer, payload, author, self._picture.next_offset, timeout_s, stopped=stopped
            )
        except LogUnavailable:
            self._close_writer()
            raise
        left_s = timeout_s
        while self._picture.next_offset <= offset:
            if left_s <= 0 or stopped():
                raise LogUnavailable(
                    f"the decision about {payload.subject} stands at offset {offset} of {self._topic}, which was "
                    f"read to {self._picture.next_offset} only"
                )
            self.poll(min(left_s, _SLICE_S))
            left_s -= _SLICE_S
        void = self._picture.void_at(offset)
        return Landed(offset, void.reason if void else None)

    def close(self) -> None:
        """Release the reader, and the writer that is kept open. Idempotent."""
        self._close_writer()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _append(
        self,
        writer: LogWriter,
        payload: Payload,
        author: Author,
        based_on: int,
        timeout_s: float,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> int:
        """Append one decision and wait for its acknowledgement; returns its offset."""
        decision = Decision(
            event_id=str(uuid.uuid4()),
            recorded_at_us=self._clock.now_us(),
            actor=author.actor,
            reason=author.reason,
            based_on=based_on,
            payload=payload,
        )
        outcomes: list[Outcome] = []
        writer.append(
            self._topic,
            key=payload.subject.encode(),
            value=encode_decision(decision),
            headers=decision_headers(decision),
            partition=0,
            on_outcome=outcomes.append,
        )
        left_s = timeout_s
        while not outcomes and left_s > 0 and not stopped():
            writer.flush(min(left_s, _SLICE_S))
            left_s -= _SLICE_S
        late = "" if outcomes else f"no answer in {timeout_s:g} s"
        if late:
            # Nothing is left in a queue: it would come when nobody waits for it any more. And it has an outcome then.
            self._writer = None
            with suppress(LogError):
                writer.close(0.0)
        return _acknowledged(payload, outcomes[0] if outcomes else None, late)

    def _open_writer(self) -> LogWriter:
        if self._writer is None:
            self._writer = self._log.writer(client_id=f"{self._client_id}-decisions")
        return self._writer

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close(0.0)
            self._writer = None

    def _open(self) -> LogReader:
        if self._reader is None:
            self._reader = self._log.reader(client_id=f"{self._client_id}-catalog")
            self._reader.assign([(self._topic, 0, self._picture.next_offset)])
        return self._reader


def _unknown_at(records: Sequence[tuple[int, bytes | None]]) -> int:
    """The offset of the first record that a newer Syncline wrote; there is one."""
    for offset, value in records:
        try:
            decode_decision(value)
        except UnknownFormat:
            return offset
        except WireError:
            continue
    raise AssertionError("the fold refused a record that can be decoded")


def _acknowledged(payload: Payload, outcome: Outcome | None, late: str) -> int:
    """The offset of a decision by its outcome, None where there is none; `late` is why it was waited for no longer.

    Raises:
        LogUnavailable: it has no offset; the message says whether it may be in the catalog, and what shows that.
    """
    said = f"the decision about {payload.subject} was not acknowledged"
    if outcome is not None and outcome.kind is OutcomeKind.ACKNOWLEDGED:
        if outcome.offset is not None:
            return outcome.offset
        raise LogUnavailable(
            f"{said} with its offset: a repeated request had landed before; {_where_to_look(payload)} shows it"
        )
    why = late or (outcome.reason if outcome is not None else "")
    if outcome is not None and outcome.kind is OutcomeKind.FAILED:
        raise LogUnavailable(f"{said}: {why}. It was not recorded, and will not be")
    raise LogUnavailable(
        f"{said}: {why}. It may have been recorded, or may still be: {_where_to_look(payload)} shows it once brokers "
        "answer. Look there before you decide again"
    )


def _where_to_look(payload: Payload) -> str:
    """The command that shows what was decided about the subject of a decision."""
    kind, _, name = payload.subject.partition(" ")
    about = f"--about {name.split()[0]}" if kind in _SHOWN_BY_NAME else "--last 20"
    return f"`syncline catalog log {about}`"
