from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.demo.flight_window import FlightWindow

EVENTS = st.lists(st.tuples(st.integers(0, 400), st.integers(-60, 1_301)), max_size=40)


@given(events=EVENTS, at=st.integers(-10, 410), last=st.integers(1, 200))
def test_a_window_equals_a_search_through_all_events(events, at, last):
    """In whatever order events come, count, sum, mean and latest are those of a plain search."""
    window = FlightWindow()
    for minute, value in events:
        window.add(minute, value)

    inside = [value for minute, value in events if at - last < minute <= at]
    assert window.over(at, last_min=last) == (len(inside), sum(inside))
    assert window.mean(at, last_min=last) == (len(inside), sum(inside) / len(inside) if inside else None)
    assert window.latest(at) == max((minute for minute, _ in events if minute <= at), default=None)


def test_memory_is_bounded_and_the_last_days_stay_exact():
    """After a hundred days of an event a minute, a window remembers few days and answers for yesterday."""
    window = FlightWindow()
    end = 100 * 1_440
    for minute in range(end):
        window.add(minute, 2)

    assert len(window) < 3 * 1_440 + 4_096
    assert window.over(end - 1, last_min=1_440) == (1_440, 2 * 1_440)
    assert window.over(end - 1_441, last_min=1_440) == (1_440, 2 * 1_440)
