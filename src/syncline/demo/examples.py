"""What the delay model learns from: departures, each with the features as they were known before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncline.demo.flight_job import Row
    from syncline.demo.flights import Departure, Replay

# Alias in the bundle, view, the view's key, and the name that a departure gives it.
_SOURCES = (
    ("origin_delay", "airport_delay", "airport", "origin"),
    ("dest_delay", "airport_delay", "airport", "dest"),
    ("aircraft", "aircraft", "tailnum", "tailnum"),
    ("weather", "weather", "airport", "origin"),
)
_KEYS = {view: key for _, view, key, _ in _SOURCES}


@dataclass(frozen=True, slots=True)
class Example:
    """A departure and what was known of it: `values` by full name (`origin_delay__departures_1h`).

    A feature of an entity that nothing is known of is not in `values`.
    """

    departure: Departure
    values: dict[str, Any]


def examples(replay: Replay, *, every: int = 1) -> Iterator[Example]:
    """Every n-th departure of the replay, in order of time, with the newest values heard of before it.

    "Before" is before the flight left, and not after it should have left: so the delay itself is in no value.
    Rows are taken as the job computes them: nothing is dead-lettered here, and no value is too old.
    """
    departures = sorted(replay.departures()[::every], key=_asked_us)
    newest: dict[tuple[str, str], Row] = {}
    heard = replay.heard()
    pending = next(heard, None)
    for departure in departures:
        while pending is not None and pending[0] < _asked_us(departure):
            _, view, row = pending
            place = (view, row[_KEYS[view]])
            known = newest.get(place)
            if known is None or row["event_time"] >= known["event_time"]:
                newest[place] = row
            pending = next(heard, None)
        yield Example(departure, _inputs(departure, newest))


def _asked_us(departure: Departure) -> int:
    return min(departure.scheduled_us, departure.left_us)


def _inputs(departure: Departure, newest: dict[tuple[str, str], Row]) -> dict[str, Any]:
    keys = departure.keys
    return {
        f"{alias}__{feature}": value
        for alias, view, key, name in _SOURCES
        for feature, value in newest.get((view, keys[name]), {}).items()
        if feature not in (key, "event_time")
    }
