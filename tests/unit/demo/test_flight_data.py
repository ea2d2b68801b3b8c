from __future__ import annotations

import numpy as np
import pytest

from syncline.demo.flight_data import NEVER


def test_the_known_facts_of_the_year_are_there(data):
    """336,776 flights, 8,255 of them cancelled, one 1,301 minutes late, 2,512 with no aircraft."""
    assert len(data) == 336_776
    assert int((data.left == NEVER).sum()) == 8_255
    assert max(delay for delay in data.dep_delay if delay is not None) == 1_301
    assert data.tailnum.count(None) == 2_512
    assert len(data.weather) == 26_115
    assert max(row["wind_speed"] or 0 for row in data.weather) == pytest.approx(1_048.36058)


def test_a_flight_lands_after_it_left_and_after_its_time_in_the_air(data):
    """Landing minus departure is the time in the air plus 5 minutes to 4 hours of taxiing."""
    landed = data.landed != NEVER
    air_time = np.array([minutes or 0 for minutes in data.air_time])
    taxi = (data.landed - data.left - air_time)[landed]

    assert int(landed.sum()) == 327_346
    assert taxi.min() == 5
    assert taxi.max() < 240


@pytest.mark.parametrize(
    ("flight", "left", "landed"),
    [
        # 5:17 in New York; 8:30 in Houston.
        (("EWR", "IAH", 1545), "2013-01-01T10:17", "2013-01-01T14:30"),
        # San Juan has no summer time, and is not in the table of airports: 10:04 there.
        (("JFK", "BQN", 725), "2013-01-01T10:44", "2013-01-01T14:04"),
    ],
)
def test_local_clock_times_become_utc(data, flight, left, landed):
    """Departure and landing agree with the local clocks that the source shows for them."""
    place = next(i for i in range(1_000) if (data.origin[i], data.dest[i], data.number[i]) == flight)

    assert str(data.left[place].astype("datetime64[m]")) == left
    assert str(data.landed[place].astype("datetime64[m]")) == landed


def test_a_flight_across_the_change_to_summer_time_lands_at_the_right_hour(data):
    """Landing minus departure is plausible for all flights of the nights when the clocks change."""
    for night in ("2013-03-10T07:00", "2013-11-03T06:00"):
        change = np.datetime64(night, "m").astype(np.int64)
        across = np.flatnonzero((data.left < change) & (data.landed >= change))
        assert len(across) > 0
        for flight in across:
            taxi = data.landed[flight] - data.left[flight] - (data.air_time[flight] or 0)
            assert 5 <= taxi <= 90
