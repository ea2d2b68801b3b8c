"""Control records in feature topics: deletes of entities nobody ever saw, to any other consumer (log.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from syncline.errors import WireError
from syncline.wire.headers import last

_MARKER = b"\x00syncline.cut."
_DIGITS_MAX = 19
_HEARTBEAT = b"\x00syncline.heartbeat."


@dataclass(frozen=True, slots=True)
class Marker:
    """The record that says: cut `cut_id` passes here. The id is the catalog offset of the cut's CutPrepared."""

    cut_id: int

    def key(self) -> bytes:
        """The record key."""
        return _MARKER + str(self.cut_id).encode()


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A publisher's watermark: what tells a quiet partition from a stalled one."""

    publisher: str
    watermark_us: int | None
    """The largest event time it published to this topic, or None before the first."""
    published: int
    """How many updates it published to this topic so far."""

    def key(self) -> bytes:
        """The record key."""
        return _HEARTBEAT + self.publisher.encode()

    def headers(self) -> list[tuple[str, bytes]]:
        """The content."""
        watermark = "" if self.watermark_us is None else str(self.watermark_us)
        return [
            ("syncline-watermark-us", watermark.encode()),
            ("syncline-published", str(self.published).encode()),
        ]


@dataclass(frozen=True, slots=True)
class UnknownControl:
    """A control record of a kind this version does not know: stepped over, like any marker that is not for us."""

    key_text: str


def is_control(key: bytes | None, value: bytes | None) -> bool:
    """Whether a record is a control record: null value, and a key that starts with a zero byte."""
    return value is None and key is not None and key[:1] == b"\x00"


def parse_control(
    key: bytes, headers: Iterable[tuple[str, bytes | None]]
) -> Marker | Heartbeat | UnknownControl:
    """The control record; one that cannot be read is `UnknownControl`, as it must never stop a partition."""
    headers = tuple(headers)
    try:
        if key.startswith(_MARKER):
            return Marker(_number(key[len(_MARKER) :]))
        if key.startswith(_HEARTBEAT):
            watermark = last(headers, "syncline-watermark-us")
            return Heartbeat(
                key[len(_HEARTBEAT) :].decode(),
                _number(watermark) if watermark else None,
                _number(last(headers, "syncline-published")),
            )
    except (WireError, UnicodeDecodeError):
        pass
    return UnknownControl(key.decode(errors="backslashreplace"))


def is_marker(key: bytes) -> bool:
    """Whether a control record's key is a marker's: `parse_control` then gives a `Marker`."""
    return key.startswith(_MARKER) and isinstance(parse_control(key, ()), Marker)


def _number(text: bytes | None) -> int:
    digits = (text or b"").removeprefix(b"-")
    if not (digits.isdigit() and len(digits) <= _DIGITS_MAX):
        raise WireError(f"{text!r} is not a whole number")
    return int(text or b"")
