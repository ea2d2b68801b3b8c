"""Record headers: finding one, and CloudEvents' binary form for Kafka (CloudEvents 1.0, Kafka protocol binding)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from syncline.errors import WireError

EVENT_TIME = "ce_time"


def last(headers: Iterable[tuple[str, bytes | None]], name: str) -> bytes | None:
    """The value of the last header of this name, or None. Kafka allows duplicates; the last one was meant."""
    found = None
    for key, value in headers:
        if key == name:
            found = value
    return found


def encode_time(us: int) -> bytes:
    """Microseconds since the epoch as RFC 3339 text in UTC, with six digits after the second."""
    when = (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=None)
    return f"{when.isoformat(timespec='microseconds')}Z".encode()


def decode_time(value: bytes | None) -> int:
    """Microseconds since the epoch behind an RFC 3339 text; digits beyond microseconds are refused.

    Raises:
        WireError: missing, not RFC 3339, or finer than microseconds.
    """
    if value is None:
        raise WireError(f"the {EVENT_TIME} header is missing: a delete states its event time there")
    match = _RFC3339.fullmatch(value)
    if match is None:
        raise WireError(
            f"the {EVENT_TIME} header {value[:40]!r} is not an RFC 3339 time with at most microseconds"
        )
    try:
        when = datetime.fromisoformat(value.decode().upper())
        delta = when.astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError):
        raise WireError(f"the {EVENT_TIME} header {value[:40]!r} is no time of any calendar") from None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def cloud_event(*, event_id: str, source: str, kind: str, time_us: int) -> list[tuple[str, bytes]]:
    """CloudEvents attributes of one event whose data is Avro, as headers."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", kind.encode()),
        (EVENT_TIME, encode_time(time_us)),
        ("content-type", b"application/avro"),
    ]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Hours and minutes are bounded here: Python's versions differ over 24:00 and +05:99, and verdicts must not.
_RFC3339 = re.compile(
    rb"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"
)
