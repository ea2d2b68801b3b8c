"""Where bundles stand: who has switched, why not, what is live, and what has happened since something was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from syncline.catalog.coordination import Rollout
from syncline.catalog.events import Decision, Payload, PolicyKind, SubscriptionDeclared, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.catalog.lifecycle import served_by
from syncline.catalog.rollout_events import (
    Claimed,
    Cohort,
    CutAborted,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutMode,
    RolloutOutcome,
    RolloutPaused,
    RolloutRequested,
)
from syncline.inspection.fleet import Reports
from syncline.inspection.rollout_progress import Asked, answer, places_text, steps
from syncline.inspection.rollouts import (
    bundle_states,
    crossings,
    is_live,
    live_coordinator,
    live_in_part,
    live_release,
    member_of,
    unused_releases,
)
from syncline.telemetry.cut_reports import CoordinatorStatus, CutReached
from syncline.telemetry.reports import AgentStatus
from tests.unit.catalog.test_fold import bundle, declared, view

NOW_US = 1_000_000_000
START, CLAIM, CUT, COMMIT = 6, 7, 8, 9
VECTOR = (("t-v-1", 0, 17),)


def told(*payloads: Payload, before: Picture | None = None) -> Picture:
    """The picture after these, each of which counts."""
    picture = before or Picture()
    for payload in payloads:
        offset = picture.next_offset
        value = encode_decision(Decision("id", 5_000, "ada", "because", offset, payload))
        picture = fold(picture, [(offset, value)])
        assert picture.void_at(offset) is None, picture.void_at(offset)
    return picture


DEFINED = told(
    view(),
    view(minor=1),
    bundle(1),
    bundle(2, minor=1),
    declared("model"),
    SubscriptionDeclared("strict", "b", PolicyKind.PIN, 1),
)
ASKED = told(RolloutRequested("b", RolloutAction.START, 1, 2), before=DEFINED)
OPEN = told(
    Claimed(-1, "c1"),
    CutPrepared(CLAIM, CLAIM, CutKind.VERSION, "b", 1, 2, Cohort(), (("t-v-1", 1),), 9, START),
    before=ASKED,
)
COMMITTED = told(CutCommitted(CUT, CLAIM, CUT, VECTOR), before=OPEN)
LIVE = told(RolloutAdvanced(COMMIT, CLAIM, START, "b", "live", COMMIT), before=COMMITTED)
FINAL = told(RolloutFinished(10, CLAIM, START, "b", 2, RolloutOutcome.FINAL), before=LIVE)
BACK_ASKED = told(
    RolloutRequested("b", RolloutAction.ROLLBACK, 2, 1, mode=RolloutMode.IMMEDIATE), before=LIVE
)
BACK = told(Immediate(10, CLAIM, "b", 1, Cohort(), (), 11), before=BACK_ASKED)


def agent(name: str = "model/a", **changed: Any) -> AgentStatus:
    """An agent that has read everything."""
    consumer = name.partition("/")[0]
    whole = AgentStatus(name, consumer, NOW_US, "LIVE", "", "b", 1, 2, 99, 1, 0, 0, ())
    return replace(whole, **changed)


def reports(*agents: AgentStatus, reached: tuple[CutReached, ...] = ()) -> Reports:
    """These reports, and no others."""
    return Reports(list(agents), [], 0, [], list(reached))


def under_way(picture: Picture) -> Rollout:
    """The rollout of b."""
    rollout = picture.coordination.under_way("b")
    assert rollout is not None
    return rollout


def test_the_live_release_is_that_of_the_last_decision() -> None:
    """Before a rollout, while a cut is open, live, final, and taken back."""
    found = {name: live_release(picture, "b") for name, picture in PICTURES.items()}

    assert found == {"defined": 1, "asked": 1, "open": 1, "live": 2, "final": 2, "back": 1}


PICTURES: Mapping[str, Picture] = {
    "defined": DEFINED,
    "asked": ASKED,
    "open": OPEN,
    "live": LIVE,
    "final": FINAL,
    "back": BACK,
}


PART = Cohort(consumers=("model",))
CANARY = told(
    RolloutRequested("b", RolloutAction.START, 1, 2, PART),
    Claimed(-1, "c1"),
    CutPrepared(CLAIM, CLAIM, CutKind.VERSION, "b", 1, 2, PART, (("t-v-1", 1),), 9, START),
    CutCommitted(CUT, CLAIM, CUT, VECTOR),
    before=DEFINED,
)
WIDER = told(
    RolloutAdvanced(COMMIT, CLAIM, START, "b", "canary", COMMIT),
    CutPrepared(10, CLAIM, CutKind.VERSION, "b", 1, 2, Cohort(), (("t-v-1", 1),), 9, START),
    CutCommitted(11, CLAIM, 11, VECTOR),
    before=CANARY,
)


def test_what_a_part_serves_is_not_what_is_live() -> None:
    """Everyone else is served the release before; after one more cut it is for everyone, and so is what is shown."""
    part = live_in_part(CANARY, "b")

    assert part is not None
    assert (live_release(CANARY, "b"), part.to_release, part.cohort) == (1, 2, PART)
    assert (CANARY.coordination.reach(under_way(CANARY)), is_live(CANARY, under_way(CANARY))) == (PART, False)
    assert (live_release(WIDER, "b"), live_in_part(WIDER, "b")) == (2, None)
    assert (WIDER.coordination.reach(under_way(WIDER)), is_live(WIDER, under_way(WIDER))) == (Cohort(), True)
    assert (live_in_part(BACK, "b"), is_live(BACK, under_way(BACK))) == (None, False)


def test_a_release_waits_only_while_no_rollout_brings_it_and_somebody_would_take_it() -> None:
    """Not when one is under way, was taken back, or when every live subscription is pinned elsewhere."""
    assert unused_releases(DEFINED, "b") == (2,)
    assert unused_releases(ASKED, "b") == ()
    assert unused_releases(FINAL, "b") == ()
    assert unused_releases(BACK_DONE, "b") == ()
    assert unused_releases(ABORTED, "b") == ()
    assert unused_releases(told(bundle(3, minor=1), before=BACK_DONE), "b") == (3,)
    pinned = told(
        view(),
        view(minor=1),
        bundle(1),
        bundle(2, minor=1),
        SubscriptionDeclared("s", "b", PolicyKind.PIN, 1),
    )
    assert unused_releases(pinned, "b") == ()


def test_what_a_consumer_serves_is_what_was_decided_for_it() -> None:
    """Its policy decides, not what others went to."""
    assert (served_by(LIVE, "model"), served_by(LIVE, "strict"), served_by(LIVE, "nobody")) == (2, 1, None)
    assert (served_by(DEFINED, "model"), served_by(BACK, "model")) == (1, 1)


def test_only_agents_that_a_decision_is_for_cross_it() -> None:
    """A pinned consumer's agents are not waited for."""
    (ruling,) = LIVE.coordination.rulings["b"]

    found = crossings(LIVE, reports(agent(), agent("strict/a")), ruling, now_us=NOW_US)

    assert [crossing.agent for crossing in found] == ["model/a"]


REASONS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "stopped": ({"state": "STOPPED"}, "it was stopped", True),
    "silent": ({"reported_at_us": NOW_US - 31_000_000}, "not heard of for 31 s", True),
    "cannot": ({"cannot_serve": ((2, "too old"),)}, "it cannot serve the release: too old", False),
    "gave up": ({"given_up": (CUT,)}, f"it gave up holding for cut {CUT}, and enacts it later", False),
    "unread": ({"catalog_offset": COMMIT}, f"it has read the catalog below offset {COMMIT}", False),
    "stands": ({"standing_at": CUT}, f"it stands at cut {CUT}, waiting for its other partitions", False),
    "says": ({"reason": "no room on disk"}, "no room on disk", False),
    "on its way": ({}, "it has not passed the cut in all its partitions yet", False),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_an_agent_has_not_switched(name: str) -> None:
    """As far as it told; who is gone is not waited for."""
    changed, why, absent = REASONS[name]
    (ruling,) = LIVE.coordination.rulings["b"]

    (crossing,) = crossings(LIVE, reports(agent(**changed)), ruling, now_us=NOW_US)

    assert (crossing.crossed, crossing.why, crossing.absent) == (False, why, absent)


def test_an_immediate_is_crossed_by_its_epoch() -> None:
    """No agent reports of a cut then; reports of the cut before it say nothing."""
    ruling = BACK.coordination.rulings["b"][-1]
    reached = CutReached("model/b", "model", NOW_US, 1, CUT, COMMIT, "b", 2, False, True, "", 0, ())

    found = crossings(
        BACK,
        reports(agent(epoch=ruling.epoch), agent("model/b", epoch=COMMIT), reached=(reached,)),
        ruling,
        now_us=NOW_US,
    )

    assert [(each.agent, each.crossed, each.why) for each in found] == [
        ("model/a", True, ""),
        ("model/b", False, "it has not enacted it yet"),
    ]


def test_a_member_is_named_by_its_report() -> None:
    """A consumer's name may hold no slash, an instance's neither: what follows the consumer is the instance."""
    member = member_of("model/pod-1.a", "model")

    assert (member.consumer, member.instance) == ("model", "pod-1.a")


@pytest.mark.parametrize(
    ("changed", "live"),
    [
        ({}, True),
        ({"state": "STANDBY"}, False),
        ({"claim": 3}, False),
        ({"claim": None}, False),
        ({"reported_at_us": NOW_US - 15_000_001}, False),
        ({"reported_at_us": NOW_US + 5_000_000}, True),
    ],
)
def test_the_live_coordinator_holds_the_claim_and_was_heard_of(changed: dict[str, Any], live: bool) -> None:
    """P9: a zombie that reports is not the live one; a clock ahead of ours does not make it dead."""
    status = CoordinatorStatus("c1", NOW_US, "ACTIVE", "", CLAIM, 9, (), 15_000_000)

    found = live_coordinator(LIVE, [replace(status, **changed)], now_us=NOW_US)

    assert (found is not None) is live


def test_the_coordinators_reasons_go_to_their_bundle() -> None:
    """Those of other bundles, even of one whose name begins alike, do not."""
    status = CoordinatorStatus("c1", NOW_US, "ACTIVE", "", CLAIM, 9, ("b: warm", "bb: cold"), 15_000_000)

    (state,) = bundle_states(LIVE, replace(reports(), coordinators=[status]), now_us=NOW_US)

    assert state.waiting == ("warm",)


def asked(action: RolloutAction = RolloutAction.START, offset: int = START, **changed: Any) -> Asked:
    """A request about the rollout of b."""
    return Asked(action, "b", offset, START, **changed)


def test_a_start_is_answered_once_it_is_live() -> None:
    """Not while its cut is open; committed is enough, as agents enact that."""
    assert answer(ASKED, asked()) is None
    assert answer(OPEN, asked()) is None
    for picture in (COMMITTED, LIVE, FINAL):
        found = answer(picture, asked())
        assert found is not None
        assert found.done


def _paused(before: Picture) -> Picture:
    standing = before.coordination
    return told(RolloutPaused(standing.last, standing.claim, START, "b"), before=before)


ABORTED_CUT = told(CutAborted(CUT, CLAIM, CUT), before=OPEN)
PAUSED = _paused(ABORTED_CUT)
PROMOTED = told(RolloutRequested("b", RolloutAction.PROMOTE, 1, 2), before=PAUSED)
ABORT_ASKED = told(RolloutRequested("b", RolloutAction.ABORT, 1, 2), before=PAUSED)
ABORTED = told(RolloutFinished(10, CLAIM, START, "b", 1, RolloutOutcome.ABORTED), before=ABORT_ASKED)
OVERTAKEN = told(
    RolloutRequested("b", RolloutAction.ABORT, 1, 2), CutCommitted(CUT, CLAIM, CUT, VECTOR), before=OPEN
)
BACK_DONE = told(RolloutFinished(12, CLAIM, START, "b", 1, RolloutOutcome.ROLLED_BACK), before=BACK)

ANSWERS: dict[str, tuple[Picture, Asked, tuple[bool, str] | None]] = {
    "start, paused": (PAUSED, asked(), (False, "the rollout to b@2 waits for a person: because")),
    "start, aborted": (ABORTED, asked(), (False, "the rollout was aborted: b@1 stays")),
    "start, rollback asked": (BACK_ASKED, asked(), None),
    "start, rolled back": (BACK_DONE, asked(), (False, "rolled back: b@1 is live")),
    "pause, not yet": (ABORTED_CUT, asked(RolloutAction.PAUSE), None),
    "pause, done": (PAUSED, asked(RolloutAction.PAUSE), (True, "the rollout to b@2 is paused")),
    "pause, too late": (LIVE, asked(RolloutAction.PAUSE), (False, "b@2 was live before it could be paused")),
    "promote, lifts the pause": (PROMOTED, asked(RolloutAction.PROMOTE, 11), None),
    "promote, paused anew": (
        _paused(PROMOTED),
        asked(RolloutAction.PROMOTE, 11),
        (False, "the rollout to b@2 waits for a person: because"),
    ),
    "start, for a part": (CANARY, asked(), (True, "b@2 is live for consumer model")),
    "promote, asked before it was live": (
        CANARY,
        asked(RolloutAction.PROMOTE, CLAIM),
        (True, "b@2 is live for consumer model"),
    ),
    "promote of what is live": (LIVE, asked(RolloutAction.PROMOTE, 11, was_live=True), None),
    "promote, final": (FINAL, asked(RolloutAction.PROMOTE, 11, was_live=True), (True, "b@2 is final")),
    "abort, not yet": (ABORT_ASKED, asked(RolloutAction.ABORT, 11), None),
    "abort, done": (ABORTED, asked(RolloutAction.ABORT, 11), (True, "the rollout was aborted: b@1 stays")),
    "start, abort overtaken": (OVERTAKEN, asked(), None),
    "abort, overtaken": (OVERTAKEN, asked(RolloutAction.ABORT, 9), None),
    "abort, overtaken and back": (
        BACK_DONE,
        asked(RolloutAction.ABORT, 9),
        (True, "rolled back: b@1 is live"),
    ),
    "rollback, not yet": (BACK, asked(RolloutAction.ROLLBACK, 11, was_live=True), None),
    "rollback, done": (
        BACK_DONE,
        asked(RolloutAction.ROLLBACK, 11, was_live=True),
        (True, "rolled back: b@1 is live"),
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_became_of_a_request(name: str) -> None:
    """Done, refused with the reason, or still to be seen."""
    picture, question, wanted = ANSWERS[name]

    found = answer(picture, question)

    assert (None if found is None else (found.done, found.said)) == wanted
    assert found is None or found.done or found.next_command


def test_the_steps_are_those_since_it_was_asked() -> None:
    """In catalog order; what an earlier request led to is not told again."""
    assert steps(ABORTED, asked(), ()) == (
        "cut 8 prepared: a marker goes into each of 1 partitions",
        "cut 8 aborted at offset 9: because",
    )
    assert steps(BACK, asked(RolloutAction.ROLLBACK, 11), ()) == ("Immediate at offset 12: back to b@1",)


def test_an_agent_that_was_not_aligned_says_why() -> None:
    """`snapshot`, or a give-up; and for how long it held."""
    reached = CutReached("model/a", "model", NOW_US, 1, CUT, COMMIT, "b", 2, False, False, "snapshot", -1, ())
    (ruling,) = LIVE.coordination.rulings["b"]
    crossed = crossings(LIVE, reports(agent(), reached=(reached,)), ruling, now_us=NOW_US)

    assert steps(LIVE, asked(), crossed)[-1] == "model/a reached it, not aligned: snapshot"


def test_a_long_vector_is_shortened() -> None:
    """By topic, a dozen places, and how many more."""
    vector = tuple(("t", partition, partition) for partition in range(14))

    assert places_text(vector).endswith(" 11:11 and 2 more")
    assert places_text((("t", 0, 7), ("t", 1, 8), ("u", 0, 9))) == "t 0:7 1:8, u 0:9"
