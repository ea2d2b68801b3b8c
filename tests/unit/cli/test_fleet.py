"""How the fleet is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.cli.fleet import show_fleet, show_waiting, status_document
from syncline.cli.output import Output
from syncline.inspection.fleet import compare
from syncline.inspection.violations import sum_up
from syncline.inspection.waiting import Verdict, Waiting, waits
from syncline.telemetry.reports import AgentStatus, PartitionStatus

S = 1_000_000
NOW_US = 1_700_000_000 * S
STARTING = AgentStatus("model/a", "model", 0, "FAILED", "why", "", None, None, 0, 1, 0, 0, ())
BEHIND = PartitionStatus(
    "delay.v1",
    3,
    next_offset=100,
    end_offset=1_334,
    cells=7,
    digest=0xAB,
    t_ms=(NOW_US - 42 * S) // 1_000,
    held="",
    last_event_us=NOW_US - 45 * S,
    heartbeat_us=NOW_US - 43 * S,
    published_us=NOW_US - 44 * S,
)
AGENT = AgentStatus(
    "model/a",
    "model",
    NOW_US,
    "LIVE",
    "",
    "inputs",
    2,
    5,
    6,
    1,
    10,
    0,
    (BEHIND, replace(BEHIND, partition=4, end_offset=100)),
    contact_us=NOW_US - S,
    cohort="model,env=demo",
    freshness=(("delay.v1", 60 * S),),
)


def test_an_agent_without_partitions_has_no_known_lag() -> None:
    """An agent that has opened no partition yet is not up to date: its lag is unknown, not nothing."""
    document = status_document([STARTING], compare([STARTING]), sum_up([]), now_us=1)

    assert document["agents"][0]["lag"] is None


def test_the_document_says_since_when_and_why() -> None:
    """Times of each partition, contact and cohort of each agent, and one answer for each topic."""
    waiting = waits([AGENT], now_us=NOW_US)

    document = status_document([AGENT], compare([AGENT]), sum_up([]), now_us=NOW_US, waiting=waiting)

    (agent,) = document["agents"]
    assert (agent["contact_us"], agent["cohort"], agent["freshness"]) == (
        NOW_US - S,
        "model,env=demo",
        {"delay.v1": 60 * S},
    )
    behind, at_end = agent["partitions"]
    assert (behind["lag"], behind["lag_seconds"], at_end["lag_seconds"]) == (1_234, 42.0, 0.0)
    assert (behind["last_event_us"], behind["heartbeat_us"], behind["published_us"]) == (
        NOW_US - 45 * S,
        NOW_US - 43 * S,
        NOW_US - 44 * S,
    )
    assert document["waiting"] == [
        {
            "agent": "model/a",
            "topic": "delay.v1",
            "verdict": "behind",
            "sentence": "agent behind: 1,234 records, the oldest waits 42 s at most",
        }
    ]


def test_the_table_has_lag_in_records_and_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """As of the report, of the agent and of each partition that is behind."""
    show_fleet([AGENT], compare([AGENT]), Output("text"), now_us=NOW_US + 3 * S, partitions=False)

    shown = capsys.readouterr().out
    assert shown.count(" 1,234, 42 s ") == 2


def shown(capsys: pytest.CaptureFixture[str], *waiting: Waiting) -> list[str]:
    """The lines of these answers."""
    show_waiting(waiting, Output("text"))
    return capsys.readouterr().out.splitlines()[1:]


def test_agents_of_one_answer_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of the agent that has waited longest, and names the worst of them."""
    behind = [
        Waiting(f"model/{name}", "delay.v1", Verdict.BEHIND, f"behind {seconds}", seconds)
        for name, seconds in (("a", 3), ("b", 9), ("c", 1), ("d", 2), ("e", 4))
    ]
    fine = Waiting("other/a", "delay.v1", Verdict.UP_TO_DATE, "up to date")

    assert shown(capsys, *behind, fine) == [
        "delay.v1: behind 9 (model/b, model/e, model/a and 2 more agents)",
        "delay.v1: up to date (other/a)",
    ]
    assert shown(capsys, *behind) == ["delay.v1: behind 9 (all 5 agents)"]
    assert shown(capsys, behind[0]) == ["delay.v1: behind 3"]


def test_what_is_said_of_an_agent_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A silent agent is silent about all of its topics."""
    silent = [
        Waiting("model/a", topic, Verdict.SILENT, "silent: no report", 95)
        for topic in ("delay.v1", "plane.v1")
    ]

    assert shown(capsys, *silent) == ["model/a: silent: no report"]


def test_without_agents_there_is_nothing_to_wait_for(capsys: pytest.CaptureFixture[str]) -> None:
    """That none reports has words of its own."""
    show_waiting((), Output("text"))
    show_fleet([], compare([]), Output("text"), now_us=NOW_US, partitions=False)

    assert capsys.readouterr().out.startswith("No agent has reported in the last days.")
