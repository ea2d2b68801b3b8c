"""Who was asked for proof, who has answered, and why the others have not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncline.catalog.rollout_events import CutKind
from syncline.inspection.fleet import Reports
from syncline.inspection.witnesses import Verdict, everyone_has_answered, evidence_of, present_agents
from syncline.telemetry.cut_reports import DigestAt
from syncline.telemetry.reports import AgentStatus, PartitionStatus
from tests.unit.inspection.shown import OFFSET, TOPIC, Cells, cut, proof, reached

NOW_US = 1_000_000_000
CELLS: Cells = {b"EWR": 11}


def agent(
    name: str, *, position: int = OFFSET, held: str = "", age_s: float = 1, **changed: Any
) -> AgentStatus:
    """An agent with one partition."""
    place = PartitionStatus(TOPIC, 0, position, position, 1, 0, 0, held)
    whole = AgentStatus(
        name, "model", NOW_US - round(age_s * 1_000_000), "LIVE", "", "inputs", 1, 2, 99, 1, 1, 0, (place,)
    )
    return replace(whole, **changed)


def reports(*agents: AgentStatus, **more: Any) -> Reports:
    """What stands in the reports topic."""
    return Reports(list(agents), [], 0, **more)


def why(status: AgentStatus) -> str:
    """Why this agent, beside one that has shown all, has shown nothing."""
    told = reports(agent("model/a"), status, proofs=[proof("model/a", CELLS)])
    evidence = evidence_of(cut(), told, now_us=NOW_US)
    (silent,) = [witness for witness in evidence.witnesses if not witness.answered]
    return silent.why


def test_all_that_are_there_have_shown_all() -> None:
    """In sync, and nothing more is waited for."""
    told = reports(
        agent("model/a"), agent("model/b"), proofs=[proof("model/a", CELLS), proof("model/b", CELLS)]
    )

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert evidence.verdict is Verdict.IN_SYNC
    assert evidence.silent == ()
    assert everyone_has_answered(cut(), told, now_us=NOW_US)


def test_one_that_is_there_and_has_shown_nothing_leaves_it_unproven() -> None:
    """It is waited for, and then named."""
    told = reports(agent("model/a"), agent("model/b"), proofs=[proof("model/a", CELLS)])

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert evidence.verdict is Verdict.UNPROVEN
    assert [witness.agent for witness in evidence.silent] == ["model/b"]
    assert not everyone_has_answered(cut(), told, now_us=NOW_US)


def test_of_a_line_of_the_past_nobody_else_is_asked() -> None:
    """Agents that came later have nothing to show of it."""
    told = reports(agent("model/a"), agent("model/b"), proofs=[proof("model/a", CELLS)])

    evidence = evidence_of(cut(), told, now_us=NOW_US, everyone_asked=False)

    assert evidence.verdict is Verdict.IN_SYNC


def test_nobody_is_no_agreement() -> None:
    """Where nothing was shown nothing is in sync."""
    assert evidence_of(cut(), reports(), now_us=NOW_US, everyone_asked=False).verdict is Verdict.UNPROVEN


def test_a_divergence_counts_whoever_is_missing() -> None:
    """Diverged is worse than unproven."""
    told = reports(
        agent("model/a"),
        agent("model/b"),
        agent("model/c"),
        proofs=[proof("model/a", CELLS), proof("model/b", {b"EWR": 12})],
    )

    assert evidence_of(cut(), told, now_us=NOW_US).verdict is Verdict.DIVERGED


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (agent("model/b", position=3), "it was at offset 3 when it last reported (LIVE)"),
        (agent("model/b", position=3, state="HOLDING", reason="no room"), "(HOLDING: no room)"),
        (agent("model/b", position=3, held="schema id 99"), "it holds at offset 3: schema id 99"),
        (agent("model/b", position=OFFSET + 1), "its proof did not come in time"),
        (agent("model/b", position=3, age_s=12), "nothing was heard of it for 12 s"),
        (agent("model/b", partitions=(), state="STARTING"), "it has shown nothing (STARTING)"),
        (agent("model/b", state="STOPPED"), "it was stopped"),
        (agent("model/b", age_s=45), "it is away: not heard of for 45 s"),
    ],
    ids=["behind", "with its state", "held", "late", "quiet", "starting", "stopped", "away"],
)
def test_why_nothing_was_shown_is_told(status: AgentStatus, said: str) -> None:
    """As the agent last reported it."""
    assert said in why(status)


def test_who_is_gone_counts_neither_way() -> None:
    """Stopped, or silent for 30 s: listed, and neither waited for nor missed."""
    told = reports(
        agent("model/a"),
        agent("model/b", state="STOPPED"),
        agent("model/c", age_s=45),
        proofs=[proof("model/a", CELLS)],
    )

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert evidence.verdict is Verdict.IN_SYNC
    assert [witness.agent for witness in evidence.expected] == ["model/a"]
    assert everyone_has_answered(cut(), told, now_us=NOW_US)
    assert [each.agent for each in present_agents(told, "inputs", now_us=NOW_US)] == ["model/a"]


def test_one_that_has_failed_is_missed_and_not_waited_for() -> None:
    """It may still serve what it had; nothing more comes of it."""
    failed = agent("model/b", position=3, state="FAILED", reason="the store is corrupt")
    told = reports(agent("model/a"), failed, proofs=[proof("model/a", CELLS)])

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert everyone_has_answered(cut(), told, now_us=NOW_US)
    assert evidence.verdict is Verdict.UNPROVEN
    assert "FAILED: the store is corrupt" in evidence.silent[0].why


def test_one_that_cannot_tell_has_answered_and_proven_nothing() -> None:
    """Its state began beyond the line: nothing more is waited for, and it is no agreement."""
    forgotten = reached("model/b", DigestAt(TOPIC, 0, OFFSET, None))
    told = reports(agent("model/a"), agent("model/b"), proofs=[proof("model/a", CELLS)], reached=[forgotten])

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert everyone_has_answered(cut(), told, now_us=NOW_US)
    assert evidence.verdict is Verdict.UNPROVEN
    assert "it cannot tell" in evidence.silent[0].why


def test_one_that_holds_none_of_the_partitions_is_not_missed() -> None:
    """It says so by passing the line without them."""
    elsewhere = agent("model/b", partitions=())
    told = reports(
        agent("model/a"), elsewhere, proofs=[proof("model/a", CELLS)], reached=[reached("model/b")]
    )

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert evidence.verdict is Verdict.IN_SYNC
    assert [(w.agent, w.why) for w in evidence.witnesses if not w.answered] == [
        ("model/b", "it holds none of these partitions")
    ]


def test_agents_of_other_bundles_are_not_asked() -> None:
    """Their state is another."""
    told = reports(agent("model/a"), agent("other/x", bundle="others"), proofs=[proof("model/a", CELLS)])

    evidence = evidence_of(cut(), told, now_us=NOW_US)

    assert [witness.agent for witness in evidence.witnesses] == ["model/a"]
    assert evidence.verdict is Verdict.IN_SYNC


def test_one_that_proved_something_and_sent_no_status_is_listed() -> None:
    """Its last status may stand too far back."""
    evidence = evidence_of(cut(), reports(proofs=[proof("model/z", CELLS)]), now_us=NOW_US)

    assert [(witness.agent, witness.answered) for witness in evidence.expected] == [("model/z", True)]


def test_of_a_version_change_it_is_told_who_was_aligned() -> None:
    """P4: alignment is told; that an agent was not aligned is no divergence."""
    shown = DigestAt(TOPIC, 0, OFFSET, 11)
    told = reports(
        reached=[
            reached("model/a", shown, audit=False, aligned=True),
            reached("model/b", shown, audit=False, why="gave up holding"),
        ]
    )

    evidence = evidence_of(cut(kind=CutKind.VERSION), told, now_us=NOW_US, everyone_asked=False)

    assert evidence.verdict is Verdict.IN_SYNC
    assert evidence.alignment == (
        "1 of 2 agents stood at the vector everywhere when they switched",
        "model/b did not: gave up holding",
    )
