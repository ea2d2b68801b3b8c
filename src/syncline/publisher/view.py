"""Publishing one version of one feature view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncline.clock import Clock
from syncline.contracts.checks.shown import shown
from syncline.contracts.checks.tally import Action, Tally
from syncline.contracts.model import Contract
from syncline.errors import ContractViolation, PublisherBusy, Violation
from syncline.ports.log import Headers, Outcome
from syncline.publisher.courier import PublishedTopic
from syncline.publisher.delivery import Delivery
from syncline.publisher.intake import Intake, Taken
from syncline.publisher.outbox import Outbox
from syncline.publisher.row_lane import Faulty, RowLane
from syncline.publisher.terms import Window, is_writable, must_raise
from syncline.publisher.unwritable import row_as_json
from syncline.settings import PublisherSettings
from syncline.wire.dead_letters import DeadLetter, Reason
from syncline.wire.headers import EVENT_TIME, encode_time
from syncline.wire.topics import dead_letters

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

OnOutcome = Callable[[Outcome], None]
_JSON = (("content-type", b"application/json"),)

_YEAR_1000_US = -30_610_224_000_000_000
_YEAR_10000_US = 253_402_300_800_000_000
"""A delete states its event time as RFC 3339 text, whose years have four digits."""


class ViewPublisher:
    """Publishes updates and deletes of one view version; got from `Publisher.view`. Safe for use by several threads.

    Every method checks first, then queues, and returns at once unless the queue is full: what became of the updates
    is told by the `Delivery` it returns, by `on_outcome`, and by the publisher's `flush`.
    """

    def __init__(
        self,
        contract: Contract,
        schema_id: int,
        *,
        topic: PublishedTopic,
        outbox: Outbox,
        settings: PublisherSettings,
        clock: Clock,
    ) -> None:
        self.contract = contract
        self.schema_id = schema_id
        self._topic = topic
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._intake = Intake(contract, schema_id, on_violation=settings.on_violation)
        # A delete is a row that has a key and an event time, and nothing else.
        self._deletes = RowLane(replace(contract, features=(), rules=()), schema_id)

    def publish(
        self,
        keys: Mapping[str, str | int],
        features: Mapping[str, Any],
        *,
        event_time: datetime | int,
        on_outcome: OnOutcome | None = None,
    ) -> Delivery:
        """Queue one update: every feature of the view, as there are no partial updates.

        Args:
            keys: the join keys by name.
            features: the features by name; one with a default may be left out. Dates are `datetime.date`, timestamps
                aware datetimes (or whole days and microseconds since 1970), lists and vectors are lists, tuples or
                numpy arrays of one dimension, maps are dicts whose keys are texts.
            event_time: an aware datetime, or microseconds since 1970. Where it is that of the key's last update, it
                is moved on by a microsecond.
            on_outcome: called once, in the publisher's own thread, with what became of the update; it must only
                record. What it raises comes out of `flush`.

        Raises:
            ContractViolation: the row breaks its contract and may not go; every broken rule is listed.
            PublisherBusy: the queue stayed full for `busy_timeout_s`; the update was not queued.
            PublisherClosed: the publisher is closed, or was made before a fork.
        """
        self._outbox.lifetime.ask_usable()
        name = self.contract.event_time
        row = {**keys, **features, name: event_time}
        if len(row) != len(keys) + len(features) + 1:
            twice = sorted({*keys} & {*features} or {name})
            violations = [Violation(each, "unknown", "given once", "given twice") for each in twice]
            found = Faulty(0, row, None, violations, event_time)
            self._sort_out(Taken(faulty=[found]), total=1, now_us=self._clock.now_us(), always_raise=True)
        window = Window.at(self.contract, self._clock.now_us())
        ready = self._intake.row_lane.ready(row, window)
        if ready is None:
            return self._dispatch(self._intake.take_row(row, window), window.now_us, on_outcome=on_outcome)
        self._outbox.reports.count_kept(self.contract.reference, 1, window.now_us)
        whole, key, given_us = ready
        time_us = self._topic.timeline.move(key, given_us)
        if time_us != given_us:
            whole[name] = time_us
        delivery = Delivery(self._outbox.ledger, on_outcome)
        value = self._intake.row_lane.encode_one(whole)
        sent = self._outbox.send(
            self._topic.name,
            (key,),
            (value,),
            delivery=delivery,
            view_version=self.contract.reference,
            started_us=window.now_us,
        )
        if not sent:
            raise PublisherBusy(self._busy("the update was not queued"))
        self._topic.timeline.record(1, time_us)
        return delivery

    def publish_many(
        self,
        rows: Iterable[Mapping[str, Any]] | pa.RecordBatch | pa.Table | pd.DataFrame,
        *,
        on_outcome: OnOutcome | None = None,
    ) -> Delivery:
        """Queue many updates, checked together: where one row may not go, none goes.

        Args:
            rows: mappings of join keys, event time and features by name; or an Arrow batch or table, or a pandas
                frame, with a column for each. Columns of event times are aware timestamps or integers (µs since
                1970); in a pandas frame NaN, NaT and NA are null, and 3.0 will do for an integer. Columns are
                several times as fast as mappings. Dates, lists and maps come as Arrow's own types, or as `publish`
                takes them in columns of Python objects.
            on_outcome: as for `publish`, called once a row.

        Raises:
            ContractViolation: rows break their contract and may not go; all are listed by number, from 0.
            PublisherBusy: the queue stayed full; the message says which rows were queued and which were not.
            PublisherClosed: the publisher is closed, or was made before a fork.
            TypeError: `rows` is none of these, or two of its columns have one name.
        """
        self._outbox.lifetime.ask_usable()
        window = Window.at(self.contract, self._clock.now_us())
        return self._dispatch(self._intake.take(rows, window), window.now_us, on_outcome=on_outcome)

    def delete(
        self,
        keys: Mapping[str, str | int],
        *,
        event_time: datetime | int,
        on_outcome: OnOutcome | None = None,
    ) -> Delivery:
        """Queue the delete of an entity; an update with an earlier event time will not bring it back.

        Args, raises: as for `publish`.
        """
        self._outbox.lifetime.ask_usable()
        window = Window.at(self.contract, self._clock.now_us())
        name = self.contract.event_time
        found = self._deletes.explain(0, {**keys, name: event_time}, window)
        time_us: int = found.row[name]
        if not _YEAR_1000_US <= time_us < _YEAR_10000_US:
            found.violations.append(
                Violation(name, "type", "a time in the years 1000 to 9999", shown(time_us))
            )
        self._sort_out(Taken(faulty=[found] if found.violations else []), total=1, now_us=window.now_us)
        delivery = Delivery(self._outbox.ledger, on_outcome)
        if found.violations or found.key is None:
            # A time that is none is not made up: its letter has none, and tells in words what was given.
            timed = is_writable([violation for violation in found.violations if violation.feature == name])
            self._dead_letter(
                [found], delivery, [(None, [(EVENT_TIME, encode_time(time_us))] if timed else [])]
            )
            return delivery
        times_us, _ = self._topic.timeline.separate([found.key], [time_us])
        headers = [[(EVENT_TIME, encode_time(times_us[0]))]]
        sent = self._outbox.send(
            self._topic.name,
            [found.key],
            [None],
            delivery=delivery,
            view_version=self.contract.reference,
            started_us=window.now_us,
            headers=headers,
        )
        if not sent:
            raise PublisherBusy(self._busy("the delete was not queued"))
        self._topic.timeline.record(1, times_us[0])
        return delivery

    def _dispatch(self, taken: Taken, now_us: int, *, on_outcome: OnOutcome | None) -> Delivery:
        """Raise, or queue what may go: the good rows in order, then the dead letters."""
        outbox, timeline = self._outbox, self._topic.timeline
        total = sum(len(parcel.keys) for parcel in taken.parcels) + len(taken.faulty)
        self._sort_out(taken, total=total, now_us=now_us)
        # Before anything is sent: what cannot even be kept must not leave half of the rows published.
        originals = [self._original(faulty) for faulty in taken.faulty]
        delivery = Delivery(outbox.ledger, on_outcome)
        for parcel in taken.parcels:
            times_us, moved = timeline.separate(parcel.keys, parcel.times_us)
            values = parcel.write(times_us, moved)
            sent = outbox.send(
                self._topic.name,
                parcel.keys,
                values,
                delivery=delivery,
                view_version=self.contract.reference,
                started_us=now_us,
            )
            if sent:
                timeline.record(sent, max(times_us[:sent] if sent < len(times_us) else times_us))
            if sent < len(values):
                raise PublisherBusy(
                    self._busy(
                        f"{delivery.queued} of {total} rows were queued; row {parcel.numbers[sent]} and those after "
                        "it were not, nor any dead letter: publish them again"
                        if total > 1
                        else "the update was not queued"
                    )
                )
        if taken.faulty:
            self._dead_letter(taken.faulty, delivery, originals)
        return delivery

    def _original(self, faulty: Faulty) -> tuple[bytes | None, Headers]:
        """What the job meant to publish: Avro as it would have left, or JSON where the row has no Avro form."""
        if is_writable(faulty.violations):
            return self._intake.row_lane.encode([faulty.row], [0], moved=False)[0], ()
        return row_as_json(faulty.told(self.contract.event_time), self.contract), _JSON

    def _sort_out(self, taken: Taken, *, total: int, now_us: int, always_raise: bool = False) -> None:
        """Count the verdict on `total` rows, and raise where any must not even become a dead letter."""
        reference, faulty, observed = self.contract.reference, taken.faulty, taken.observed
        if not faulty and not observed:
            self._outbox.reports.count_kept(reference, total, now_us)
            return
        on_violation = self._settings.on_violation
        raises = always_raise or any(
            must_raise(found.violations, on_violation=on_violation) for found in faulty
        )
        tally = Tally()
        tally.add_judged(reference, total)
        # Where the call raises, nothing of it goes: not what would only be observed, either.
        for found in observed:
            tally.add_broken(reference, found.violations, Action.RAISED if raises else Action.OBSERVED)
        for found in faulty:
            tally.add_broken(reference, found.violations, Action.RAISED if raises else Action.DEAD_LETTERED)
        self._outbox.reports.count(tally, now_us)
        self._outbox.ledger.note_violations(
            self.contract.view,
            (violation for found in (*observed, *faulty) for violation in found.violations),
        )
        if raises:
            raise ContractViolation(
                reference,
                [
                    (found.number, violation)
                    for found in sorted(faulty, key=_number)
                    for violation in found.violations
                ],
            )

    def _dead_letter(
        self, faulty: Sequence[Faulty], delivery: Delivery, originals: Sequence[tuple[bytes | None, Headers]]
    ) -> None:
        now_ms = self._clock.now_us() // 1_000
        headers = [
            DeadLetter(
                topic=self._topic.name,
                partition=-1,
                offset=-1,
                timestamp_ms=now_ms,
                key=found.key,
                value=value,
                headers=carried,
                reason=_reason(found, self.contract.reference, self.schema_id),
                agent=self._settings.publisher,
            ).record_headers()
            for found, (value, carried) in zip(faulty, originals, strict=True)
        ]
        sent = self._outbox.send(
            dead_letters(self._topic.name),
            [found.key or b"" for found in faulty],
            [value for value, _ in originals],
            delivery=delivery,
            view_version=self.contract.reference,
            started_us=now_ms * 1_000,
            headers=headers,
        )
        delivery.dead_lettered += sent
        self._outbox.ledger.note_dead_letters(
            self._topic.name, [found.violations[0].rule for found in faulty[:sent]]
        )
        if sent < len(faulty):
            raise PublisherBusy(
                self._busy(
                    f"row {faulty[sent].number} was to be dead-lettered, and was not, nor those after it"
                )
            )

    def _busy(self, what: str) -> str:
        return f"{self.contract.reference}: the queue stayed full for {self._settings.busy_timeout_s:g} s: {what}"


def _number(faulty: Faulty) -> int:
    return faulty.number


def _reason(faulty: Faulty, reference: str, schema_id: int) -> Reason:
    first = faulty.violations[0]
    return Reason(
        rule=first.rule,
        feature=first.feature,
        message="; ".join(str(violation) for violation in faulty.violations),
        stage="TIME" if first.rule in ("late", "ahead") else "CONTRACT",
        view_version=reference,
        schema_id=schema_id,
    )
