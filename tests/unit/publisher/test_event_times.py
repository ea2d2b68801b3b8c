"""Event times: what is taken, and how ties become distinct."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.publisher.event_times import Timeline, event_time_us

KEYS = st.sampled_from([b"EWR", b"JFK", b"LGA"])
UPDATES = st.lists(st.tuples(KEYS, st.integers(0, 12)), max_size=60)


@given(UPDATES, st.data())
def test_ties_of_a_key_become_distinct_and_keep_their_order(updates, data):
    """P8: whatever is not older than the key's last update comes out later than all before it, moved little."""
    timeline = Timeline(1_000)
    published: list[tuple[bytes, int, int]] = []
    rest = updates
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        part, rest = rest[:count], rest[count:]
        times, moved = timeline.separate([key for key, _ in part], [time for _, time in part])
        assert moved == (times != [time for _, time in part])
        published += [(key, time, out) for (key, time), out in zip(part, times, strict=True)]

    for key in {key for key, _, _ in published}:
        newest_given, newest_out, taken = None, None, set()
        of_key = [(time, out) for name, time, out in published if name == key]
        for number, (time, out) in enumerate(of_key):
            assert time <= out <= time + number
            if newest_given is not None and time < newest_given:
                assert out == time
                continue
            assert out not in taken
            assert newest_out is None or out > newest_out
            newest_given, newest_out = time, out
            taken.add(out)


@given(UPDATES)
def test_one_by_one_is_as_in_a_batch(updates):
    """A batch is moved exactly as the same updates published singly."""
    singly, batch = Timeline(4), Timeline(4)
    expected = [singly.move(key, time) for key, time in updates]
    times, _ = batch.separate([key for key, _ in updates], [time for _, time in updates])
    assert times == expected


def test_three_updates_of_one_second_are_a_microsecond_apart():
    """P8: the same event time thrice comes out as t, t + 1 and t + 2, and what lies amid them comes after them."""
    timeline = Timeline(10)
    times, moved = timeline.separate([b"k"] * 4, [100, 100, 100, 101])
    assert (times, moved) == ([100, 101, 102, 103], True)


def test_memory_of_keys_is_bounded():
    """P10: however many keys there are, no more than the keys allowed are remembered."""
    timeline = Timeline(100)
    timeline.separate([b"%d" % number for number in range(10_000)] * 2, [5] * 20_000)
    assert len(timeline._recent) + len(timeline._former) <= 100
    assert len(timeline._bumps) <= 100


def test_a_key_in_use_is_not_forgotten_for_keys_that_pass_by():
    """A key that is published now and then keeps its ties distinct while others come and go."""
    timeline = Timeline(100)
    times = []
    for number in range(1_000):
        if number % 20 == 0:
            times.append(timeline.move(b"busy", 7))
        timeline.move(b"%d" % number, 7)
    assert times == list(range(7, 57))


def test_the_watermark_is_the_largest_event_time_recorded():
    """Progress holds the largest event time and the count of all that was queued."""
    timeline = Timeline(10)
    assert timeline.progress() == (None, 0)
    timeline.record(3, 50)
    timeline.record(1, 20)
    assert timeline.progress() == (50, 4)


def test_an_aware_time_of_any_zone_is_taken():
    """An event time is a moment, whatever zone it is written in."""
    east = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert event_time_us(east) == event_time_us(datetime(2026, 1, 1, tzinfo=UTC)) == 1_767_225_600_000_000


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), True, "2026-01-01T00:00:00Z", 1.5, None])  # noqa: DTZ001  it is what must be refused
def test_what_is_no_moment_is_refused(value):
    """A naive time, a truth value, a text, a fraction and nothing are refused with what to write instead."""
    with pytest.raises(ValueError, match=r"tzinfo=UTC|aware datetime"):
        event_time_us(value)
