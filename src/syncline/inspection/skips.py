"""Whether a record holds its partition as far as the catalog says, and so whether skipping it would mean anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from syncline.catalog.fold import Picture
from syncline.contracts.nearest import nearest
from syncline.errors import CatalogError, LogError, TopicMissing, UnknownBundle
from syncline.inspection.reading import Record, read_to_end
from syncline.ports.log import Log
from syncline.schema_book import SchemaBook, passage_by
from syncline.state.passages import REFUSED, SKIPPED, Passage
from syncline.state.rows import RecordKind, Rows, kinds_of
from syncline.state.verdict import Stop, judge
from syncline.state.view_schema import ViewMajor
from syncline.wire.framing import schema_id_of

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class HoldingRecord:
    """A record that holds its partition, and why."""

    topic: str
    record: Record
    schema_id: int | None
    why: str


def earlier_skip(picture: Picture, topic: str, partition: int, offset: int) -> Passage | None:
    """The decision that skipped this record, or None."""
    found = picture.skipped.get((topic, partition, offset))
    return passage_by(found, SKIPPED) if found else None


def earlier_refusal(picture: Picture, schema_id: int) -> Passage | None:
    """The decision that refused this schema id, or None.

    Raises:
        CatalogError: the catalog knows the id, so that its contract judges.
    """
    if schema_id in picture.known_since:
        names = [
            f"{found.view}@{found.version}"
            for found in picture.registrations()
            if found.schema_id == schema_id
        ]
        raise CatalogError(
            f"schema id {schema_id} is that of {', '.join(names)}, registered at catalog offset "
            f"{picture.known_since[schema_id]}: its records are judged by that contract, and refusing it would be "
            "void. To pass one record: syncline skip TOPIC PARTITION OFFSET"
        )
    found = picture.refused.get(schema_id)
    return passage_by(found, REFUSED) if found else None


def holding_record(log: Log, picture: Picture, topic: str, partition: int, offset: int) -> HoldingRecord:
    """The record at this place, which holds its partition as far as log and catalog say.

    Raises:
        UnknownBundle: no view has this topic; the message names the nearest.
        TopicMissing: there is no such topic or partition.
        LogError: no record stands there, or it holds nothing: a skip would be ignored.
    """
    book = SchemaBook()
    book.learn(picture)
    major = _major(picture, book, topic)
    record = _record(log, topic, partition, offset)
    kind = kinds_of(_rows(record))[0]
    place = f"the record at {topic} {partition} {offset}"
    if kind in (RecordKind.CONTROL, RecordKind.MARKER):
        raise LogError(
            f"{place} is a control record of Syncline's own: those hold nothing that a skip could pass"
        )
    stop = _stop(record, record.timestamp_ms, major, book)
    if stop is None and major.late_arrival_us is not None:
        # Whether it is late depends on T, which only the partition's records tell.
        stop = _stop(record, _t_ms(log, topic, record), major, book)
    schema_id = schema_id_of(record.value)
    refusal = book.refusals.schemas.get(-1 if schema_id is None else schema_id)
    if refusal is not None:
        raise LogError(f"{place} holds nothing: all records under schema id {schema_id} were {refusal}")
    if stop is None:
        raise LogError(
            f"{place} holds nothing: the catalog knows its schema, and its contract does not say halt where it "
            "breaks a rule. A skip would be ignored. What holds a partition: syncline status"
        )
    return HoldingRecord(topic, record, schema_id, stop.reason)


def _major(picture: Picture, book: SchemaBook, topic: str) -> ViewMajor:
    majors = picture.majors()
    if topic not in majors:
        raise UnknownBundle(f"no view in the catalog has the topic {topic}. {nearest(topic, majors)}")
    return book.major(*majors[topic])


def _record(log: Log, topic: str, partition: int, offset: int) -> Record:
    described = log.describe_topic(topic, _TIMEOUT_S)
    if described is None:
        raise TopicMissing(
            f"there is no topic {topic} in this cluster, though the catalog names it; run `syncline apply`"
        )
    if not 0 <= partition < described.partitions:
        raise TopicMissing(f"{topic} has no partition {partition}; it has 0 to {described.partitions - 1}")
    reader = log.reader(client_id="syncline-skip")
    try:
        first, end = reader.watermarks(topic, partition, _TIMEOUT_S)
    finally:
        reader.close()
    if not first <= offset < end:
        kept = (
            f"keeps the offsets {first} to {end - 1}"
            if first < end
            else f"is empty, and its next offset is {end}"
        )
        raise LogError(
            f"{topic} partition {partition} {kept}: no record stands at {offset}. `syncline status` shows what holds"
        )
    found = next(read_to_end(log, topic, partition=partition, start=offset, timeout_s=_TIMEOUT_S), None)
    if found is None or found.offset != offset:
        beyond = "" if found is None else f"; the next one stands at {found.offset}"
        raise LogError(f"no record stands at {topic} {partition} {offset}{beyond}")
    return found


def _t_ms(log: Log, topic: str, record: Record) -> int:
    largest = record.timestamp_ms
    for each in read_to_end(log, topic, partition=record.partition, timeout_s=_TIMEOUT_S):
        if each.offset >= record.offset:
            break
        largest = max(largest, each.timestamp_ms)
    return largest


def _stop(record: Record, t_ms: int, major: ViewMajor, book: SchemaBook) -> Stop | None:
    """Why an agent that knows the catalog holds at this record, which nobody skipped; None where it goes on."""
    verdict = judge(_rows(record), t_ms=t_ms, major=major, schemas=book, passages=book.refusals)
    return verdict.stop


def _rows(record: Record) -> Rows:
    return Rows(
        partition=record.partition,
        offsets=np.array([record.offset], np.int64),
        timestamps_ms=np.array([record.timestamp_ms], np.int64),
        keys=[record.key],
        values=[record.value],
        headers={0: record.headers} if record.headers else {},
    )
