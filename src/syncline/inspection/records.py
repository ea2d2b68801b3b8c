"""Single records, read back from the log by their offsets."""

from __future__ import annotations

import time
from collections.abc import Sequence

from syncline.errors import LogError, LogUnavailable
from syncline.inspection.origins import Origin, RecordFound
from syncline.ports.log import Batch, EventKind, Log, LogReader
from syncline.wire.framing import PREFIX_BYTES
from syncline.wire.trace_context import event_id, trace_context

NO_BROKER = "no broker answered in time"
"""Why a record is missing that may well be there."""
_POLL_S = 0.2
_BYTES = 1_000_000


def find_records(
    log: Log, origins: Sequence[Origin], *, timeout_s: float
) -> dict[tuple[str, int, int], RecordFound]:
    """Place → what the log still has of the record there. Takes `timeout_s` at most, whatever the brokers do.

    A record of another entity, or of other content, is none of ours: the topic was made again, or this is another
    cluster.
    """
    deadline_s = time.monotonic() + timeout_s
    wanted = {origin.place: origin for origin in origins if origin.place is not None}
    found: dict[tuple[str, int, int], RecordFound] = {}
    away = ""
    reader = log.reader(client_id="syncline-trace")
    try:
        for place, origin in wanted.items():
            if not away:
                try:
                    found[place] = _find(reader, origin, place, deadline_s)
                    continue
                except LogUnavailable:
                    # Nor does it answer for the others; each would wait as long.
                    away = NO_BROKER
                except LogError as error:
                    found[place] = RecordFound(missing=str(error))
                    continue
            found[place] = RecordFound(missing=away)
    finally:
        reader.close()
    return found


def _find(reader: LogReader, origin: Origin, place: tuple[str, int, int], deadline_s: float) -> RecordFound:
    topic, partition, offset = place
    first, end = reader.watermarks(topic, partition, max(_POLL_S, deadline_s - time.monotonic()))
    if offset < first:
        return RecordFound(missing=f"it is gone: the log begins at offset {first:,} by now (retention)")
    if offset >= end:
        return RecordFound(
            missing=f"the log ends at offset {end:,}: it was cut off, or this is another cluster"
        )
    reader.assign([place])
    while True:
        batch = reader.poll(1, _BYTES, _POLL_S)
        if any(
            event.kind in (EventKind.TOPIC_MISSING, EventKind.OFFSET_OUT_OF_RANGE) for event in batch.events
        ):
            return RecordFound(missing="it is gone from the log")
        if len(batch):
            return _checked(batch, origin, offset)
        if time.monotonic() > deadline_s:
            raise LogUnavailable(f"nothing came from {topic}[{partition}]")


def _checked(batch: Batch, origin: Origin, offset: int) -> RecordFound:
    if int(batch.offsets[0]) != offset:
        return RecordFound(missing="it is gone from the log")
    value = batch.values[0]
    body = b"" if value is None else value[PREFIX_BYTES:]
    if batch.keys[0] != origin.key or body != origin.payload:
        return RecordFound(
            missing="another record stands there: the topic was made again, or this is another cluster"
        )
    headers = batch.headers.get(0, ())
    return RecordFound(int(batch.timestamps_ms[0]) * 1_000, trace_context(headers), event_id(headers))
