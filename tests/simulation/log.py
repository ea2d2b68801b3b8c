"""The simulated log: feature partitions, the catalog, and a network that loses, delays and doubles what is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

from syncline.catalog.events import Decision, encode_decision
from syncline.catalog.fold import Picture, fold

Place = tuple[str, int]


class Kind(Enum):
    """What a feature record is."""

    UPDATE = "update"
    MARKER = "marker"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a feature partition; the log gives it its offset and its timestamp."""

    kind: Kind
    key: bytes = b""
    event_time_us: int = 0
    deleted: bool = False
    schema_id: int = 0
    payload: bytes = b""
    cut: int = -1
    offset: int = -1
    timestamp_ms: int = -1


class OutOfRangeError(Exception):
    """The position is below what the partition keeps."""


@dataclass(slots=True)
class Partition:
    """Records in offset order. Offsets may have holes, and the head may be trimmed away."""

    late_arrival_us: int | None
    records: list[Record] = field(default_factory=list)
    """All that was ever there: the oracle's memory is longer than the log's."""
    first: int = 0
    end: int = 0

    def append(self, record: Record, *, timestamp_ms: int, hole: int = 0) -> int:
        """The offset that it got; `hole` offsets before it belong to nobody."""
        offset = self.end + hole
        self.records.append(replace(record, offset=offset, timestamp_ms=timestamp_ms))
        self.end = offset + 1
        return offset

    def read(self, position: int, count: int) -> list[Record]:
        """Up to so many records from the position on.

        Raises:
            OutOfRangeError: it was trimmed past the position.
        """
        if position < self.first:
            raise OutOfRangeError
        place = len(self.records)
        while place and self.records[place - 1].offset >= position:
            place -= 1
        return self.records[place : place + count]


@dataclass(frozen=True, slots=True)
class Landed:
    """One catalog record: what it says, and what the simulation knows of its writer."""

    decision: Decision
    writer: str
    read_to: int
    """The catalog offset up to which its writer had read when it wrote this."""


class Catalog:
    """The catalog's one partition. The picture after n records is folded once, and shared by all who read so far."""

    def __init__(self, before: list[Landed], pictures: list[Picture]) -> None:
        self.landed = list(before)
        self._pictures = list(pictures)

    @property
    def end(self) -> int:
        """The next offset."""
        return len(self.landed)

    def append(self, landed: Landed) -> int:
        """The offset that it got."""
        self.landed.append(landed)
        offset = len(self.landed) - 1
        # Real bytes: what does not survive its encoding shows here.
        self._pictures.append(fold(self._pictures[-1], [(offset, encode_decision(landed.decision))]))
        return offset

    def picture(self, next_offset: int) -> Picture:
        """What stands below the offset."""
        return self._pictures[next_offset]

    @property
    def pictures(self) -> list[Picture]:
        """By next offset."""
        return self._pictures


@dataclass(slots=True, eq=False)
class Message:
    """Something on its way: it may land now, later, twice, or never; its sender may hear of it, or not."""

    sender: str
    what: str
    land: Callable[[], int]
    acknowledge: Callable[[int], None]
    copies: int = 0


class Network:
    """What was sent and has not landed yet."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []

    def send(self, message: Message) -> None:
        """It is on its way."""
        self.waiting.append(message)

    def land(self, random: Random, *, faulty: bool) -> tuple[str, str, int | None]:
        """One of the messages meets its fate: (what it was, its fate, the offset that it got)."""
        # The oldest is likeliest: a network is late now and then, not always.
        place = 0 if random.random() < 0.6 else random.randrange(len(self.waiting))
        message = self.waiting[place]
        roll = random.random() if faulty else 1.0
        if roll < 0.06:
            del self.waiting[place]
            return message.what, "lost", None
        if roll < 0.14 and message.copies < 2:
            # Its sender tried again, or a broker did: another copy is still on its way.
            message.copies += 1
            offset = message.land()
            if random.random() < 0.5:
                message.acknowledge(offset)
            return message.what, "landed, and a copy is on its way", offset
        del self.waiting[place]
        offset = message.land()
        if roll < 0.26:
            return message.what, "landed, the acknowledgement was lost", offset
        message.acknowledge(offset)
        return message.what, "landed", offset
