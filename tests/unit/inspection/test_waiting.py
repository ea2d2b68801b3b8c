"""Why nothing new is served: each answer, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncline.inspection.ages import measured, rough
from syncline.inspection.waiting import Limits, Verdict, waits
from syncline.telemetry.reports import AgentStatus, PartitionStatus

NOW_S = 1_700_000_000
S = 1_000_000
NOW_US = NOW_S * S


def partition(
    number: int = 0, *, t: float | None = 1, beat: float | None = 2, **more: Any
) -> PartitionStatus:
    """At the log's end; `t` and `beat` are how many seconds ago the last record and heartbeat came."""
    return replace(
        PartitionStatus(
            "delay.v1",
            number,
            next_offset=100,
            end_offset=100,
            cells=1,
            digest=0,
            t_ms=-1 if t is None else round((NOW_S - t) * 1_000),
            held="",
            heartbeat_us=None if beat is None else round((NOW_S - beat) * S),
            last_event_us=NOW_US - 3 * S,
            published_us=NOW_US - 3 * S,
        ),
        **more,
    )


def agent(*partitions: PartitionStatus, **more: Any) -> AgentStatus:
    """One that has just reported."""
    status = AgentStatus(
        "model/a", "model", NOW_US, "LIVE", "", "inputs", 1, 5, 6, 1, 10, 0, partitions or (partition(),)
    )
    return replace(status, contact_us=NOW_US, **more)


def answer(*agents: AgentStatus, now_us: int = NOW_US, limits: Limits | None = None) -> tuple[Verdict, str]:
    """The one answer."""
    (found,) = waits(agents, now_us=now_us, limits=limits or Limits())
    return found.verdict, found.sentence


def test_an_agent_that_keeps_up() -> None:
    """It has read everything, and events come."""
    assert answer(agent()) == (Verdict.UP_TO_DATE, "up to date: the newest event is 3 s old")


def test_a_few_records_on_their_way_are_no_lag() -> None:
    """A report meets records of a live topic half-way; that is not behind."""
    assert answer(agent(partition(t=2, end_offset=103))) == (
        Verdict.UP_TO_DATE,
        "up to date: 3 records on the way, for 2 s at most",
    )


def test_an_agent_that_is_behind_says_by_how_much() -> None:
    """Records add up over partitions; of the waits the longest counts."""
    behind = agent(partition(0, t=42, end_offset=12_400), partition(1, t=12, end_offset=145))

    assert answer(behind) == (Verdict.BEHIND, "agent behind: 12,345 records, the oldest waits 42 s at most")


def test_an_agent_that_is_behind_is_not_told_that_its_publisher_has_stalled() -> None:
    """Its last heartbeat is old because it has not read further: that says nothing of publishers."""
    assert answer(agent(partition(t=95, beat=95, end_offset=101)))[0] is Verdict.BEHIND


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (partition(end_offset=None), "it has not seen the log's end yet"),
        (partition(t=None, next_offset=0), "100 records; how long they have waited is not known"),
    ],
)
def test_what_is_not_known_yet_is_not_called_up_to_date(found: PartitionStatus, said: str) -> None:
    """An agent that has just begun is behind, however far that is."""
    verdict, sentence = answer(agent(found))

    assert verdict is Verdict.BEHIND
    assert said in sentence


def test_a_publisher_that_stalled() -> None:
    """Everything is read, and neither heartbeats nor anything else comes."""
    assert answer(agent(partition(t=95, beat=95))) == (
        Verdict.STALLED,
        "publisher stalled: no heartbeat for 95 s",
    )


@pytest.mark.parametrize(("beat", "verdict"), [(30, Verdict.UP_TO_DATE), (30.001, Verdict.STALLED)])
def test_a_publisher_has_30_s_for_a_heartbeat(beat: float, verdict: Verdict) -> None:
    """Six of them are missed by then."""
    assert answer(agent(partition(t=beat, beat=beat)))[0] is verdict


def test_updates_without_heartbeats_are_no_stall() -> None:
    """A job that was moved to another client goes on; foreign producers never sent any."""
    moved, foreign = agent(partition(t=1, beat=95)), agent(partition(t=1, beat=None, published_us=None))

    assert answer(moved) == (
        Verdict.UP_TO_DATE,
        "up to date: records arrive, though no heartbeat has for 95 s",
    )
    assert answer(foreign) == (
        Verdict.UP_TO_DATE,
        "up to date: records arrive; no publisher sends heartbeats",
    )


def test_a_topic_whose_publishers_were_never_heard() -> None:
    """It has a word of its own: they may be gone since before the agent began, or send no heartbeats."""
    unheard = agent(partition(t=180, beat=None, published_us=None))
    empty = agent(partition(t=None, beat=None, published_us=None, next_offset=0, end_offset=0))

    assert answer(unheard) == (
        Verdict.UNHEARD,
        "no publisher was heard since the agent began, and nothing came for 3 min: none runs, or none sends heartbeats",
    )
    assert answer(empty)[0] is Verdict.UNHEARD
    assert "nothing is in the log" in answer(empty)[1]


def test_publishers_that_have_nothing_to_publish() -> None:
    """Heartbeats come, and nothing else."""
    old = NOW_US - 180 * S

    assert answer(agent(partition(t=2, beat=2, last_event_us=old, published_us=old))) == (
        Verdict.QUIET,
        "nothing published for 3 min, by event time: its publishers are alive (heartbeat 2 s ago)",
    )
    assert answer(agent(partition(t=2, beat=2, last_event_us=None, published_us=None))) == (
        Verdict.QUIET,
        "nothing published yet: its publishers are alive (heartbeat 2 s ago)",
    )


def test_a_backfill_of_old_events_is_not_quiet() -> None:
    """Its events are old, and records come that are no heartbeats."""
    old = NOW_US - 86_400 * S

    verdict, _ = answer(agent(partition(t=1, beat=4, last_event_us=old, published_us=old)))

    assert verdict is Verdict.UP_TO_DATE


def test_events_that_are_published_and_never_applied_are_not_quiet() -> None:
    """Whatever is published goes to the dead letters: the topic is neither quiet nor simply fine."""
    verdict, sentence = answer(agent(partition(last_event_us=NOW_US - 300 * S)))

    assert verdict is Verdict.UP_TO_DATE
    assert sentence == (
        "up to date, but publishers tell of events 5 min newer than any applied: look for dead letters"
    )


def test_one_partition_without_heartbeats_is_not_the_publisher() -> None:
    """Heartbeats go to every partition: where one alone has none, its leader is away."""
    verdict, sentence = answer(agent(partition(0), partition(1, t=95, beat=95), partition(2)))

    assert verdict is Verdict.STALLED
    assert sentence == "partition 1 gets no heartbeat for 95 s, others of the topic do: look at the leader"


def test_a_held_partition_is_neither_behind_nor_stalled() -> None:
    """It is said why it does not go on, whatever waits behind it."""
    held = agent(
        partition(0),
        partition(3, t=95, beat=95, end_offset=500, held="schema id 9 is not known"),
        state="HOLDING",
        reason="delay.v1[3]: schema id 9 is not known",
    )

    assert answer(held) == (Verdict.HELD, "held: partition 3 at offset 100: schema id 9 is not known")


def test_an_agent_that_holds_as_a_whole_is_not_called_slow() -> None:
    """Its store is full, or it stands for a cut: that is why records wait."""
    holding = agent(partition(t=42, end_offset=101), state="HOLDING", reason="the store is full")

    assert answer(holding) == (Verdict.HELD, "held: 1 record waits, as the agent holds: the store is full")


def test_a_topic_beside_a_held_one_has_its_own_answer() -> None:
    """Another topic of an agent that holds at one record goes on."""
    status = agent(
        partition(held="why"),
        partition(topic="plane.v1", t=42, end_offset=101),
        state="HOLDING",
        reason="why",
    )

    assert [(found.topic, found.verdict) for found in waits([status], now_us=NOW_US)] == [
        ("delay.v1", Verdict.HELD),
        ("plane.v1", Verdict.BEHIND),
    ]


def test_an_agent_without_contact() -> None:
    """It reports, and says that no broker has answered it: whatever else it says is from before."""
    assert answer(replace(agent(), contact_us=NOW_US - 40 * S)) == (
        Verdict.OUT_OF_CONTACT,
        "out of contact: no broker has answered the agent for 40 s, and one answers here",
    )


def test_an_agent_of_an_older_syncline_does_not_tell_its_contact() -> None:
    """What it does not say is not held against it."""
    assert answer(replace(agent(), contact_us=None))[0] is Verdict.UP_TO_DATE


def test_a_silent_agent_says_nothing_of_publishers() -> None:
    """An old report has old heartbeats in it, and nothing follows from them."""
    assert answer(agent(), now_us=NOW_US + 95 * S) == (
        Verdict.SILENT,
        "silent: no report of the agent for 95 s: it is gone, or reaches no broker",
    )
    assert answer(agent(), now_us=NOW_US + 30 * S)[0] is Verdict.UP_TO_DATE


@pytest.mark.parametrize("state", ["STOPPED", "FAILED"])
def test_an_agent_that_ended_is_silent_at_once(state: str) -> None:
    """It reads no more, and need not be waited for to know that."""
    assert answer(agent(state=state), now_us=NOW_US + 2 * S) == (
        Verdict.SILENT,
        f"silent: the agent ended as {state}, 2 s ago",
    )


def test_everything_is_judged_as_of_the_report() -> None:
    """A report that is 20 s old is no reason to say that heartbeats are missing since."""
    assert answer(agent(partition(t=15, beat=15)), now_us=NOW_US + 20 * S)[0] is Verdict.UP_TO_DATE


def test_an_agent_that_has_opened_nothing_waits_for_no_topic() -> None:
    """Its state says why."""
    assert waits([replace(agent(), partitions=())], now_us=NOW_US) == ()


def test_what_counts_as_long_can_be_said_otherwise() -> None:
    """For publishers whose heartbeats are rarer."""
    assert answer(agent(partition(t=95, beat=95)), limits=Limits(stalled_us=120 * S))[0] is Verdict.UP_TO_DATE


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (1, "1 ms"),
        (999_001, "1 s"),
        (1_000_001, "2 s"),
        (119_000_000, "119 s"),
        (119_000_001, "2 min"),
        (7_200_000_000, "2 h"),
        (172_800_000_000, "2 d"),
    ],
)
def test_an_age_is_rounded_up(us: int, text: str) -> None:
    """P7: it is never told to be less than it is."""
    assert rough(us) == text


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (400, "0.4 ms"),
        (812_400, "812 ms"),
        (1_250_000, "1.25 s"),
        (95_040_000, "95.0 s"),
        (185_000_000, "3 min 5 s"),
        (7_500_000_000, "2 h 5 min"),
        (180_000_000_000, "2 d 2 h"),
    ],
)
def test_a_measured_time_is_shown_as_one_reads_it(us: int, text: str) -> None:
    """Three digits, or two units."""
    assert measured(us) == text
