"""Real flights, replayed: updates of three feature views in the order in which a streaming job hears of them.

A departure or landing is heard of when it happens, weather on the hour. A cancellation is heard of at the end
of the day in New York (the source, too, lists a day's cancellations after its departures), but its event time
is the scheduled departure: so hundreds of updates a month are hours late, and none may replace a newer value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from syncline.clock import from_us, to_us
from syncline.demo.flight_data import NEVER, FlightData, Minutes, load_flights
from syncline.demo.flight_job import MINUTE_US, FlightJob, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VIEWS = ("airport_delay", "aircraft", "weather")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of 2013: what is heard of from `start` and before `end`, both with a time zone."""

    start: datetime
    end: datetime

    def minutes(self) -> tuple[int, int]:
        """First minute inside and first minute after, since the epoch."""
        return to_us(self.start) // MINUTE_US, to_us(self.end) // MINUTE_US


DEMO = Span(datetime(2013, 1, 9, 5, tzinfo=UTC), datetime(2013, 2, 12, 22, tzinfo=UTC))
"""Five weeks with the longest delay of the year, a blizzard and a broken wind gauge. They end at five in the
afternoon in New York, so that the values are fresh and flights are about to leave."""

YEAR = Span(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2014, 1, 2, 5, tzinfo=UTC))
"""Every flight of 2013, until the last one has landed."""


@dataclass(frozen=True, slots=True)
class UpdateBatch:
    """Rows of one view, in the order heard of; `heard_us` is how far the job has heard (shifted, too)."""

    view: str
    rows: list[Row]
    heard_us: int


@dataclass(frozen=True, slots=True)
class Departure:
    """One departure that really happened. Times are in microseconds since the epoch, UTC."""

    scheduled_us: int
    left_us: int
    carrier: str
    number: int
    origin: str
    dest: str
    tailnum: str
    dep_delay: int
    """Minutes; negative where it left early."""

    @property
    def keys(self) -> dict[str, str]:
        """The join keys of the bundle `flight_inputs`."""
        return {"origin": self.origin, "dest": self.dest, "tailnum": self.tailnum}


class Replay:
    """A span of the flights, shifted in time by one constant; each method gives the same answer every time.

    `shift_us` is added to every event time, so that the largest one falls at `shift_to_us`; without it, times
    are those of 2013. `counts` says how many rows of each view `updates` will yield.
    """

    def __init__(self, data: FlightData, span: Span, *, shift_to_us: int | None = None) -> None:
        self._data = data
        self._span = span
        heard, events, kinds, numbers = _heard_of(data, span)
        if not len(heard):
            raise ValueError(f"no flight of 2013 was heard of between {span.start} and {span.end}")
        self.shift_us = 0 if shift_to_us is None else shift_to_us - int(events.max()) * MINUTE_US
        self._heard: list[int] = heard.tolist()
        self._kinds: list[int] = kinds.tolist()
        self._numbers: list[int] = numbers.tolist()
        flights = [
            number for number, kind in zip(self._numbers, self._kinds, strict=True) if kind != _WEATHER
        ]
        self.counts = {
            "airport_delay": len(flights),
            "aircraft": sum(data.tailnum[number] is not None for number in flights),
            "weather": len(self._numbers) - len(flights),
        }

    @classmethod
    def load(cls, span: Span = DEMO, *, shift_to_us: int | None = None) -> Replay:
        """Read the data and replay a span of it.

        Raises:
            SettingsError: the packages of the extra `demo` are not installed.
        """
        return cls(load_flights(), span, shift_to_us=shift_to_us)

    def heard(self) -> Iterator[tuple[int, str, Row]]:
        """Each row by itself: when it was heard of (microseconds, shifted), its view, the row."""
        job = FlightJob(self._data, shift_us=self.shift_us)
        told = {_LANDED: job.landed, _DEPARTED: job.departed, _CANCELLED: job.cancelled}
        weather = self._data.weather
        shift_us = self.shift_us
        for minute, kind, number in zip(self._heard, self._kinds, self._numbers, strict=True):
            heard_us = minute * MINUTE_US + shift_us
            if kind == _WEATHER:
                yield heard_us, "weather", {**weather[number], "event_time": heard_us}
                continue
            airport, aircraft = told[kind](number)
            yield heard_us, "airport_delay", airport
            if aircraft is not None:
                yield heard_us, "aircraft", aircraft

    def updates(self, *, chunk_rows: int = 4_000) -> Iterator[UpdateBatch]:
        """All rows, in batches. The views take turns every `chunk_rows` rows: close to the order heard of."""
        return in_batches(self.heard(), chunk_rows=chunk_rows)

    def departures(self) -> list[Departure]:
        """The departures inside the span, by the time they left."""
        start, end = self._span.minutes()
        left = self._data.left
        return self._departures((left >= start) & (left < end))

    def upcoming(self, *, within_min: int = 60) -> list[Departure]:
        """Flights scheduled just after the span, by the time they left; no update knows of them yet."""
        end = self._span.minutes()[1]
        scheduled, left = self._data.scheduled, self._data.left
        return self._departures((scheduled >= end) & (scheduled < end + within_min) & (left >= end))

    def _departures(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[Departure]:
        data = self._data
        numbers = np.flatnonzero(chosen)
        numbers = numbers[np.argsort(data.left[numbers], kind="stable")]
        departures = []
        for number in numbers.tolist():
            tailnum, dep_delay = data.tailnum[number], data.dep_delay[number]
            assert tailnum is not None
            assert dep_delay is not None
            departures.append(
                Departure(
                    scheduled_us=int(data.scheduled[number]) * MINUTE_US + self.shift_us,
                    left_us=int(data.left[number]) * MINUTE_US + self.shift_us,
                    carrier=data.carrier[number],
                    number=data.number[number],
                    origin=data.origin[number],
                    dest=data.dest[number],
                    tailnum=tailnum,
                    dep_delay=dep_delay,
                )
            )
        return departures

    def in_2013(self, shifted_us: int) -> datetime:
        """When a shifted time really was, in UTC."""
        return from_us(shifted_us - self.shift_us)


# What can be heard of. In the same minute, they are told in this order.
_WEATHER, _LANDED, _DEPARTED, _CANCELLED = range(4)


def _heard_of(data: FlightData, span: Span) -> tuple[Minutes, Minutes, Minutes, Minutes]:
    """What is heard of in the span, in order: when heard of, when it happened, its kind, and which one."""
    never = data.left == NEVER
    sources = [
        (_WEATHER, data.observed, data.observed),
        (_LANDED, data.landed, data.landed),
        (_DEPARTED, data.left, data.left),
        (_CANCELLED, np.where(never, data.day_end, NEVER), data.scheduled),
    ]
    start, end = span.minutes()
    parts = []
    for kind, heard, happened in sources:
        numbers = np.flatnonzero((heard >= start) & (heard < end))
        parts.append((heard[numbers], happened[numbers], np.full(len(numbers), kind), numbers))
    heard, happened, kinds, numbers = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((numbers, kinds, heard))
    return heard[order], happened[order], kinds[order], numbers[order]


def in_batches(heard: Iterable[tuple[int, str, Row]], *, chunk_rows: int) -> Iterator[UpdateBatch]:
    """Rows as they were heard of, in batches of one view each; the views take turns every `chunk_rows` rows."""
    batches: dict[str, list[Row]] = {view: [] for view in VIEWS}
    waiting, heard_us = 0, 0
    for heard_us, view, row in heard:
        batches[view].append(row)
        waiting += 1
        if waiting == chunk_rows:
            yield from _drain(batches, heard_us)
            waiting = 0
    yield from _drain(batches, heard_us)


def _drain(batches: dict[str, list[Row]], heard_us: int) -> Iterator[UpdateBatch]:
    for view, rows in batches.items():
        if rows:
            batches[view] = []
            yield UpdateBatch(view, rows, heard_us)
