"""What the job writes of an airport under each version of `airport_delay`: the same facts, told in another way."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncline.demo.flight_job import Row

AIRPORT_VIEW = "airport_delay"
FIRST_VERSION = "airport_delay@1.0"
DELAYS = ("dep_delay_mean_1h", "arr_delay_mean_1h")
_MINUTE_S = 60.0


def in_1_0(row: Mapping[str, Any]) -> Row:
    """Delays in minutes."""
    return dict(row)


def in_1_1(row: Mapping[str, Any]) -> Row:
    """The MINOR: how busy the airport is comes with it."""
    return {**row, "movements_1h": row["departures_1h"] + row["arrivals_1h"]}


def in_2_0(row: Mapping[str, Any]) -> Row:
    """The MAJOR: the same names, and delays in seconds."""
    delays = {name: None if row[name] is None else row[name] * _MINUTE_S for name in DELAYS}
    return {**in_1_1(row), **delays}


VERSIONS: Mapping[str, Callable[[Mapping[str, Any]], Row]] = MappingProxyType(
    {FIRST_VERSION: in_1_0, "airport_delay@1.1": in_1_1, "airport_delay@2.0": in_2_0}
)
"""Version → what it says, given what version 1.0 says."""
