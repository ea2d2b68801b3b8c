from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib import resources

import numpy as np
import pytest

from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.odcs.document import parse_contract
from syncline.demo.flight_data import NEVER
from syncline.demo.flights import DEMO, VIEWS, YEAR, Replay, Span

DEFINITIONS = resources.files("syncline.demo") / "definitions"
MINUTE_US = 60_000_000
BLIZZARD = Span(datetime(2013, 2, 7, 5, tzinfo=UTC), datetime(2013, 2, 10, 12, tzinfo=UTC))


def rows(replay, view):
    """Every row of one view."""
    return [row for batch in replay.updates() if batch.view == view for row in batch.rows]


def mean(values):
    """The mean, or None of nothing."""
    return sum(values) / len(values) if values else None


def test_airports_equal_a_search_through_the_flights(data):
    """Every in-order row of the blizzard's days has the features that a plain search of the flights gives."""
    replay = Replay(data, BLIZZARD)
    start, _ = BLIZZARD.minutes()
    origin, dest = np.array(data.origin), np.array(data.dest)
    dep_delay = np.array([delay or 0 for delay in data.dep_delay])
    arr_delay = np.array([delay or 0 for delay in data.arr_delay])

    newest: dict[tuple[str, int], dict] = {}
    for heard_us, view, row in replay.heard():
        if view == "airport_delay" and row["event_time"] == heard_us:
            newest[row["airport"], row["event_time"]] = row
    sample = list(newest.values())[:: len(newest) // 300]
    assert len(sample) >= 300
    for row in sample:
        at = row["event_time"] // MINUTE_US
        first = max(at - 60, start - 1)
        left = (origin == row["airport"]) & (data.left > first) & (data.left <= at)
        landed = (
            (dest == row["airport"]) & (data.landed > first) & (data.landed <= at) & (data.landed >= start)
        )
        never = (origin == row["airport"]) & (data.left == NEVER)
        # Known by now, because its day is over, and in the last 24 hours.
        known = (
            (data.day_end >= start)
            & (data.day_end < at)
            & (data.scheduled > at - 1_440)
            & (data.scheduled <= at)
        )
        assert row["departures_1h"] == left.sum()
        assert row["dep_delay_mean_1h"] == mean(dep_delay[left].tolist())
        assert row["arrivals_1h"] == landed.sum()
        assert row["arr_delay_mean_1h"] == mean(arr_delay[landed].tolist())
        assert row["cancelled_24h"] == (never & known).sum()
    assert max(row["cancelled_24h"] for row in newest.values()) > 100


def test_aircraft_equal_a_search_through_the_flights(data):
    """Every in-order row of three aircraft has the features that a plain search of the flights gives."""
    replay = Replay(data, BLIZZARD)
    start, _ = BLIZZARD.minutes()
    tailnum = np.array([name or "" for name in data.tailnum])
    busiest = [name for name, _ in Counter(row["tailnum"] for row in rows(replay, "aircraft")).most_common(3)]

    newest = {
        (row["tailnum"], heard_us): row
        for heard_us, view, row in replay.heard()
        if view == "aircraft" and row["tailnum"] in busiest and row["event_time"] == heard_us
    }
    assert len(newest) > 12
    for (name, heard_us), row in newest.items():
        at = heard_us // MINUTE_US
        mine = np.flatnonzero(tailnum == name)
        left = [i for i in mine if start <= data.left[i] and at - 1_440 < data.left[i] <= at]
        landed = [i for i in mine if start <= data.landed[i] and at - 1_440 < data.landed[i] <= at]
        assert row["flights_24h"] == len(left)
        assert row["dep_delay_mean_24h"] == mean([data.dep_delay[i] for i in left])
        assert row["arr_delay_mean_24h"] == mean([data.arr_delay[i] for i in landed])
        assert row["air_time_24h"] == sum(data.air_time[i] for i in landed)
        assert (row["seats"], row["year_built"]) == data.planes.get(name, (None, None))


def test_an_aircraft_is_airborne_from_its_departure_to_its_landing(data):
    """The row of a departure says airborne, the row of the landing that follows says not."""
    replay = Replay(data, BLIZZARD)
    start, _ = BLIZZARD.minutes()
    flight = next(i for i in range(len(data)) if start <= data.left[i] <= data.landed[i] < start + 1_440)
    mine = [row for row in rows(replay, "aircraft") if row["tailnum"] == data.tailnum[flight]]
    states = {row["event_time"] // MINUTE_US: row["airborne"] for row in mine}

    assert states[int(data.left[flight])] is True
    assert states[int(data.landed[flight])] is False


def test_cancellations_come_late(demo_heard):
    """P8 on real data: over a thousand rows are older than what their airport had by then."""
    newest: dict[str, int] = {}
    late = 0
    for heard_us, view, row in demo_heard:
        if view == "airport_delay":
            assert row["event_time"] <= heard_us
            if row["event_time"] < newest.get(row["airport"], 0):
                late += 1
            newest[row["airport"]] = max(newest.get(row["airport"], 0), row["event_time"])

    assert 1_000 < late < 2_000


def test_cancelled_flights_have_no_delay(data):
    """An airport where nothing has left in the hour before a cancelled flight has a null mean, not zero."""
    nulls = [row for row in rows(Replay(data, BLIZZARD), "airport_delay") if row["airport"] == "EWR"]
    quiet = [row for row in nulls if row["departures_1h"] == 0]

    assert quiet
    assert all(row["dep_delay_mean_1h"] is None for row in quiet)


def test_the_largest_event_time_falls_where_asked_and_nothing_else_changes(data):
    """Shifting moves all event times by one constant, the largest one to the moment asked for."""
    plain = Replay(data, BLIZZARD)
    wanted = 1_800_000_000_123_456
    shifted = Replay(data, BLIZZARD, shift_to_us=wanted)

    before, after = list(plain.heard()), list(shifted.heard())
    assert max(row["event_time"] for _, _, row in after) == wanted
    moved = [
        (heard_us + shifted.shift_us, view, {**row, "event_time": row["event_time"] + shifted.shift_us})
        for heard_us, view, row in before
    ]
    assert moved == after
    assert shifted.in_2013(wanted) < BLIZZARD.end


def test_batches_hold_every_row_once_and_keep_the_views_together(data):
    """Batches are the rows as heard, no batch is long, and `counts` foretells them."""
    replay = Replay(data, BLIZZARD)
    batches, heard = list(replay.updates(chunk_rows=1_000)), list(replay.heard())

    for view in VIEWS:
        told = [row for batch in batches if batch.view == view for row in batch.rows]
        assert told == [row for _, heard_view, row in heard if heard_view == view]
        assert len(told) == replay.counts[view]
    assert max(len(batch.rows) for batch in batches) <= 1_000
    assert [batch.heard_us for batch in batches] == sorted(batch.heard_us for batch in batches)
    assert batches[-1].heard_us == heard[-1][0]


def test_the_demo_has_real_outliers_that_break_the_contracts(demo_heard):
    """Rows have exactly the contract's features; few break it, by the faults that the definitions tell of."""
    broken: Counter[tuple[str, str, str]] = Counter()
    checks = {}
    for view in VIEWS:
        text = (DEFINITIONS / "contracts" / f"{view}.odcs.yaml").read_text(encoding="utf-8")
        checks[view] = compile_rows(parse_contract(text, file=view))
    for _, view, row in demo_heard:
        broken.update((view, violation.feature, violation.rule) for violation in checks[view](row))

    assert broken == {
        ("airport_delay", "arr_delay_mean_1h", "maximum"): 1,
        ("aircraft", "dep_delay_mean_24h", "maximum"): 4,
        ("aircraft", "arr_delay_mean_24h", "maximum"): 2,
        ("aircraft", "seats", "minimum"): 590,
        ("aircraft", "year_built", "minimum"): 36,
        ("weather", "wind_speed", "maximum"): 1,
    }


def test_departures_really_happened_and_upcoming_ones_are_unheard_of(data, demo):
    """Departures inside the span and those after it are in order and apart; the year has all 328,521."""
    end_us = DEMO.minutes()[1] * MINUTE_US
    departures, upcoming = demo.departures(), demo.upcoming()

    assert all(departure.left_us < end_us for departure in departures)
    assert upcoming
    assert all(departure.left_us >= end_us for departure in upcoming)
    assert [departure.left_us for departure in departures] == sorted(d.left_us for d in departures)
    assert max(departure.dep_delay for departure in departures) == 1_301
    assert set(upcoming[0].keys) == {"origin", "dest", "tailnum"}
    assert len(Replay(data, YEAR).departures()) == 328_521


def test_the_year_counts_every_flight(data):
    """The whole year has an airport row for each departure, landing and cancellation, and all the weather."""
    counts = Replay(data, YEAR).counts

    assert counts["airport_delay"] == 328_521 + 327_346 + 8_255
    assert counts["weather"] == 26_115


def test_an_empty_span_is_refused(data):
    """A span of another year is an error at once, not an empty demo."""
    with pytest.raises(ValueError, match="no flight of 2013"):
        Replay(data, Span(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)))
