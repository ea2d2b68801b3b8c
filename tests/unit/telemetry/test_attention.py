"""Whose fault a wait is: the broker's while an agent listened, the agent's before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.telemetry.attention import BREAK_US, Attention

NOW_US = 1_700_000_000_000_000
MS = 1_000
POLL_US = 100 * MS
# Clocks are put forward and back; processes stand still.
STEPS_US = st.integers(-10_000_000, 10_000_000)
POLLS = st.lists(st.tuples(STEPS_US, STEPS_US, st.integers(0, 1_000_000)), min_size=1, max_size=12)


def listening(*polls: tuple[int, int], timeout_us: int = POLL_US) -> Attention:
    """After these polls, as (began, ended) in milliseconds after NOW."""
    attention = Attention()
    for began_ms, ended_ms in polls:
        attention.polled(NOW_US + began_ms * MS, NOW_US + ended_ms * MS, timeout_us)
    return attention


def split_ms(attention: Attention, appended_ms: int) -> tuple[float, float]:
    """(at the broker, at the agent), in milliseconds."""
    broker_us, agent_us = attention.split(NOW_US + appended_ms * MS)
    return broker_us / MS, agent_us / MS


@given(polls=POLLS, ago_us=STEPS_US)
def test_both_parts_add_up_to_the_whole_and_neither_is_negative(
    polls: list[tuple[int, int, int]], ago_us: int
) -> None:
    """Whatever clocks do: the parts are those of the time since the broker took the record, or nothing."""
    attention, now_us = Attention(), NOW_US
    for pause_us, took_us, timeout_us in polls:
        began_us = now_us + pause_us
        now_us = began_us + took_us
        attention.polled(began_us, now_us, timeout_us)
    appended_us = now_us - ago_us

    broker_us, agent_us = attention.split(appended_us)

    assert broker_us >= 0
    assert agent_us >= 0
    assert broker_us + agent_us == max(0, attention.received_us - appended_us)


def test_what_passes_while_an_agent_listens_is_the_brokers() -> None:
    """It polled, and polled again at once: nothing came, though the record was there."""
    attention = listening((0, 100), (100, 200), (201, 230))

    assert split_ms(attention, 5) == (225, 0)


def test_what_passed_before_it_began_to_listen_is_the_agents() -> None:
    """An agent that starts late catches up: the broker had it all the time."""
    attention = listening((1_000, 1_020))

    assert split_ms(attention, 0) == (20, 1_000)


def test_a_break_between_polls_is_the_agents() -> None:
    """It was busy with the last batch, or was stopped meanwhile."""
    attention = listening((0, 100), (400, 410))

    assert split_ms(attention, 150) == (10, 250)
    assert split_ms(attention, 405) == (5, 0)


def test_a_pause_as_short_as_a_commit_is_no_break() -> None:
    """Every batch is committed between two polls."""
    attention = listening((0, 100), (100 + BREAK_US // MS, 160))

    assert split_ms(attention, 120) == (40, 0)


def test_a_pause_longer_than_that_is_one() -> None:
    """By a millisecond."""
    attention = listening((0, 100), (101 + BREAK_US // MS, 160))

    assert split_ms(attention, 120) == (9, 31)


def test_a_freeze_inside_a_poll_is_the_agents() -> None:
    """A poll that takes far longer than asked did not wait all that time: the process stood still (SIGSTOP)."""
    attention = listening((0, 100), (100, 2_000))

    assert split_ms(attention, 500) == (0, 1_500)


def test_a_poll_that_took_all_of_its_time_is_no_freeze() -> None:
    """The client may come back a bit late."""
    attention = listening((0, 100), (100, 100 + (POLL_US + BREAK_US) // MS))

    assert split_ms(attention, 120) == (130, 0)


def test_after_a_freeze_it_listens_again() -> None:
    """What comes later is the broker's again."""
    attention = listening((0, 100), (100, 2_000), (2_000, 2_030))

    assert split_ms(attention, 1_000) == (30, 1_000)
    assert split_ms(attention, 2_010) == (20, 0)


def test_a_clock_put_back_begins_anew() -> None:
    """Nothing is known about the time between, so it is not the broker's."""
    attention = listening((0, 100), (-5_000, -4_990))

    assert split_ms(attention, -6_000) == (10, 1_000)


def test_a_record_of_the_future_waited_for_nothing() -> None:
    """The broker's clock is ahead of the agent's."""
    assert split_ms(listening((0, 10)), 3_000) == (0, 0)


def test_the_times_of_the_last_poll_are_kept() -> None:
    """They begin and end the spans of what it brought."""
    attention = listening((0, 100), (110, 130))

    assert (attention.polled_us, attention.received_us) == (NOW_US + 110 * MS, NOW_US + 130 * MS)
