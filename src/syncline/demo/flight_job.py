"""The demo's streaming job: it hears of one thing after another, and says what the feature views are now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncline.demo.flight_window import FlightWindow

if TYPE_CHECKING:
    from syncline.demo.flight_data import FlightData

Row = dict[str, Any]
"""A row of a feature view: the join key, every feature, and `event_time` in microseconds since the epoch."""

HOUR_MIN = 60
DAY_MIN = 1_440
MINUTE_US = 60_000_000


class _Airport:
    """The last days of one airport."""

    __slots__ = ("arrivals", "cancelled", "departures")

    def __init__(self) -> None:
        self.departures = FlightWindow()
        self.arrivals = FlightWindow()
        self.cancelled = FlightWindow()


class _Aircraft:
    """The last days of one aircraft."""

    __slots__ = ("air_time", "arrivals", "cancelled", "departures", "seats", "year_built")

    def __init__(self, seats: int | None, year_built: int | None) -> None:
        self.departures = FlightWindow()
        self.arrivals = FlightWindow()
        self.air_time = FlightWindow()
        self.cancelled = FlightWindow()
        self.seats = seats
        self.year_built = year_built


class FlightJob:
    """Turns events into rows of `airport_delay` and `aircraft`, with state of its own and nothing else.

    Each method takes the number of a flight and returns the airport's row, and the aircraft's row where the
    flight's aircraft is known. A row is about its event time, not about the moment the job heard of it: late
    events give rows about the past, which must not replace newer ones.
    """

    def __init__(self, data: FlightData, *, shift_us: int = 0) -> None:
        self._data = data
        self._shift_us = shift_us
        self._scheduled: list[int] = data.scheduled.tolist()
        self._left: list[int] = data.left.tolist()
        self._landed: list[int] = data.landed.tolist()
        self._airports: dict[str, _Airport] = {}
        self._aircraft: dict[str, _Aircraft] = {}

    def departed(self, flight: int) -> tuple[Row, Row | None]:
        """The flight has left its origin."""
        data, at = self._data, self._left[flight]
        delay = data.dep_delay[flight]
        assert delay is not None
        self._airport(data.origin[flight]).departures.add(at, delay)
        if (aircraft := self._aircraft_of(flight)) is not None:
            aircraft.departures.add(at, delay)
        return self._airport_row(data.origin[flight], at), self._aircraft_row(flight, at)

    def landed(self, flight: int) -> tuple[Row, Row | None]:
        """The flight has landed at its destination."""
        data, at = self._data, self._landed[flight]
        delay, air_time = data.arr_delay[flight], data.air_time[flight]
        assert delay is not None
        assert air_time is not None
        self._airport(data.dest[flight]).arrivals.add(at, delay)
        if (aircraft := self._aircraft_of(flight)) is not None:
            aircraft.arrivals.add(at, delay)
            aircraft.air_time.add(at, air_time)
        return self._airport_row(data.dest[flight], at), self._aircraft_row(flight, at)

    def cancelled(self, flight: int) -> tuple[Row, Row | None]:
        """The flight never left. Heard after the day, about the moment at which it should have left."""
        data, at = self._data, self._scheduled[flight]
        self._airport(data.origin[flight]).cancelled.add(at, 0)
        if (aircraft := self._aircraft_of(flight)) is not None:
            aircraft.cancelled.add(at, 0)
        return self._airport_row(data.origin[flight], at), self._aircraft_row(flight, at)

    def _airport(self, code: str) -> _Airport:
        airport = self._airports.get(code)
        if airport is None:
            airport = self._airports[code] = _Airport()
        return airport

    def _aircraft_of(self, flight: int) -> _Aircraft | None:
        tailnum = self._data.tailnum[flight]
        if tailnum is None:
            return None
        aircraft = self._aircraft.get(tailnum)
        if aircraft is None:
            aircraft = self._aircraft[tailnum] = _Aircraft(*self._data.planes.get(tailnum, (None, None)))
        return aircraft

    def _airport_row(self, code: str, at_min: int) -> Row:
        airport = self._airports[code]
        departures, dep_delay = airport.departures.mean(at_min, last_min=HOUR_MIN)
        arrivals, arr_delay = airport.arrivals.mean(at_min, last_min=HOUR_MIN)
        return {
            "airport": code,
            "event_time": at_min * MINUTE_US + self._shift_us,
            "dep_delay_mean_1h": dep_delay,
            "departures_1h": departures,
            "arr_delay_mean_1h": arr_delay,
            "arrivals_1h": arrivals,
            "cancelled_24h": airport.cancelled.over(at_min, last_min=DAY_MIN)[0],
        }

    def _aircraft_row(self, flight: int, at_min: int) -> Row | None:
        tailnum = self._data.tailnum[flight]
        if tailnum is None:
            return None
        aircraft = self._aircraft[tailnum]
        flights, dep_delay = aircraft.departures.mean(at_min, last_min=DAY_MIN)
        left, landed = aircraft.departures.latest(at_min), aircraft.arrivals.latest(at_min)
        return {
            "tailnum": tailnum,
            "event_time": at_min * MINUTE_US + self._shift_us,
            "dep_delay_mean_24h": dep_delay,
            "arr_delay_mean_24h": aircraft.arrivals.mean(at_min, last_min=DAY_MIN)[1],
            "flights_24h": flights,
            "cancelled_24h": aircraft.cancelled.over(at_min, last_min=DAY_MIN)[0],
            "air_time_24h": aircraft.air_time.over(at_min, last_min=DAY_MIN)[1],
            "airborne": left is not None and (landed is None or landed < left),
            "carrier": self._data.carrier[flight],
            "seats": aircraft.seats,
            "year_built": aircraft.year_built,
        }
