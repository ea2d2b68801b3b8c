"""`syncline rollout`: what it asks for, what it refuses to ask, and what it says."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from syncline.catalog.events import PolicyKind, SubscriptionDeclared, decode_decision
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rollout_events import (
    Claimed,
    Cohort,
    CutCommitted,
    CutKind,
    CutPrepared,
    RolloutAction,
    RolloutAdvanced,
    RolloutMode,
    RolloutPaused,
    RolloutRequested,
)
from syncline.catalog_client import CatalogClient
from syncline.cli.rollout_asking import Desk
from syncline.clock import SystemClock
from syncline.contracts.model import Version as Number
from syncline.telemetry.cut_reports import CutReached
from syncline.telemetry.reports import AgentStatus
from tests.unit.agent.world import CATALOG, Cluster, registration, release, subscription
from tests.unit.cli.cluster import Cli
from tests.unit.inspection.enactor import Enactor, tell
from tests.unit.state.world import Version

FIRST = Version.make(7)
MINOR = Version.make(8, version="1.1.0", extra=True)
TODAY = date(2026, 11, 23)
WHY = ("--reason", "INC-7: the new feature")
STRICT = SubscriptionDeclared("strict", "inputs", PolicyKind.PIN, 1)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster whose bundle has two releases, the second without a rollout."""
    cluster = Cluster()
    cluster.make_topics(FIRST)
    cluster.decide(registration(FIRST), registration(MINOR))
    cluster.decide(release(FIRST), subscription(), STRICT)
    cluster.decide(release(MINOR, number=2, features=("mean", "extra")))
    return Cli.on(cluster, monkeypatch, capsys)


def picture(cli: Cli) -> Picture:
    """What stands in the catalog."""
    catalog = CatalogClient(cli.cluster.log, CATALOG, clock=SystemClock(), client_id="tests")
    try:
        return catalog.catch_up(5)
    finally:
        catalog.close()


def agent(name: str = "model/a", **changed: Any) -> AgentStatus:
    """An agent that is there."""
    now_us = SystemClock().now_us()
    whole = AgentStatus(name, name.partition("/")[0], now_us, "LIVE", "", "inputs", 1, 2, 99, 1, 0, 0, ())
    return replace(whole, **changed)


def start(cli: Cli, *more: object) -> tuple[int, str, str]:
    """Ask for release 2."""
    return cli("rollout", "start", "inputs@2", *WHY, *more)


def go_live(cli: Cli) -> Enactor:
    """Release 2 live, by a coordinator that is there."""
    assert start(cli)[0] == 0
    enactor = Enactor(cli.cluster)
    enactor.enact()
    enactor.report()
    return enactor


def test_a_start_is_a_request_with_who_and_why(cli: Cli) -> None:
    """P11: actor, reason, cohort, evidence and when it is final stand in the catalog; nothing else happens."""
    options = (
        "--consumer",
        "model",
        "--label",
        "tier=gold",
        "--final-after",
        "1 h",
        "--evidence",
        '{"auc": 0.9}',
    )
    cli.cluster.decide(replace(subscription(), labels=(("tier", "gold"),)))

    document = cli.json("rollout", "start", "inputs@2", *WHY, *options)

    rollout = picture(cli).coordination.under_way("inputs")
    assert rollout is not None
    assert (rollout.id, rollout.from_release, rollout.to_release) == (document["catalog_offset"], 1, 2)
    assert (rollout.started.actor, rollout.started.reason) == ("ada", WHY[1])
    assert (rollout.cohort.consumers, rollout.cohort.labels) == (("model",), (("tier", "gold"),))
    assert rollout.final_after_us == 3_600_000_000
    assert (document["action"], document["waited"]) == ("start", False)
    assert document["preview"]["cohort"] == "consumer model; tier=gold"


def test_a_start_shows_what_it_means_to_each_subscription(cli: Cli) -> None:
    """Who switches and what its model meets, who stays and why, and that nobody would enact it."""
    code, out, _ = start(cli)

    assert code == 0
    assert "~ model (follow) goes from inputs@1 to inputs@2" in out
    assert "= strict (pin: 1) stays on inputs@1: its policy does not take inputs@2" in out
    assert "no coordinator was heard of lately" in out
    assert "asked for at catalog offset 6" in out


def test_a_start_warns_of_what_the_release_and_the_agents_say(cli: Cli) -> None:
    """Deprecated versions, each once, and agents that cannot serve it; what breaks a model is red."""
    twice = release(FIRST, number=3, features=("count",))
    other = replace(twice.views[0], alias="other")
    cli.cluster.decide(replace(twice, views=(*twice.views, other)))
    cli.cluster.decide(ViewVersionDeprecated("delay", Number(1, 0), TODAY, TODAY, "delay@1.1"))
    tell(cli.cluster, agent(cannot_serve=((3, "too old"),)))
    enactor = Enactor(cli.cluster)
    enactor.enact()
    enactor.report()

    document = cli.json("rollout", "start", "inputs@3", *WHY, "--consumer", "model")

    meant = document["preview"]
    (effect,) = [each for each in meant["subscriptions"] if each["subscription"] == "model"]
    assert effect["breaks"] is True
    assert "feature-removed" in [shift["rule"] for shift in effect["shifts"]]
    assert meant["agents"] == ["model/a"]
    said = " ".join(meant["warnings"])
    assert said.count("delay@1.0 is deprecated, and supported until 2026-11-23; use delay@1.1 instead") == 1
    assert "model/a cannot serve inputs@3: too old" in said
    assert "no coordinator" not in said


@pytest.mark.parametrize(
    ("cohort", "said"),
    [
        (("--consumer", "modl"), "no live subscription of inputs is called modl. Did you mean `model`?"),
        (("--consumer", "model", "--consumer", "modl"), "is called modl"),
        (("--consumer", "strict"), "nobody would go to inputs@2: strict (pin: 1): its policy does not take inputs@2. "),
        (("--label", "tier=gold"), "no live subscription of inputs is one of tier=gold. Name other consumers"),
    ],
)  # fmt: skip
def test_a_cohort_that_moves_nobody_is_not_asked_for(cli: Cli, cohort: tuple[str, ...], said: str) -> None:
    """A typo would cut for nobody, and say that the release is live: exit 1 with what to do, and nothing stands."""
    before = picture(cli).next_offset

    code, out, err = start(cli, *cohort, "--wait")

    assert (code, out, picture(cli).next_offset) == (1, "", before)
    assert said in err


def test_a_rollout_for_everyone_may_move_nobody_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who subscribes later gets what stands then; that nobody switches now is said."""
    cluster = Cluster()
    cluster.make_topics(FIRST)
    cluster.decide(registration(FIRST), registration(MINOR), release(FIRST), STRICT, release(MINOR, number=2))

    code, out, _ = start(Cli.on(cluster, monkeypatch, capsys))

    assert code == 0
    assert "no live subscription would switch" in out


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_asked_at_a_terminal_is_shown_there_under_json_too(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """Nobody can say yes to what was not shown; the document on stdout stays alone, and a script reads no preview."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: terminal)
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)

    code, out, err = cli("rollout", "start", "inputs@2", *WHY, "--output", "json")

    assert (code, json.loads(out)["action"]) == (0, "start")
    assert ("~ model (follow) goes from inputs@1 to inputs@2" in err) is terminal


def test_on_a_terminal_it_asks_first(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is asked for; --yes does not ask."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    before = picture(cli).next_offset

    code, out, err = start(cli)

    assert (code, picture(cli).next_offset) == (1, before)
    assert "goes from inputs@1" in out
    assert "Nothing was asked for" in err
    assert start(cli, "--yes")[0] == 0


def _retire(cli: Cli) -> None:
    cli.cluster.decide(release(FIRST, number=3), ViewVersionRetired("delay", Number(1, 1)))


def _start(cli: Cli) -> None:
    assert start(cli)[0] == 0


def _live(cli: Cli) -> None:
    go_live(cli)


def _rolled_back(cli: Cli) -> None:
    go_live(cli)
    assert cli("rollout", "rollback", "inputs", *WHY)[0] == 0


def _final(cli: Cli) -> None:
    enactor = go_live(cli)
    assert cli("rollout", "promote", "inputs", *WHY)[0] == 0
    enactor.enact()


def _aborted(cli: Cli) -> None:
    _start(cli)
    assert cli("rollout", "abort", "inputs", *WHY)[0] == 0


def _back(cli: Cli) -> None:
    enactor = go_live(cli)
    assert cli("rollout", "rollback", "inputs", *WHY)[0] == 0
    enactor.enact()


def _ended(cli: Cli) -> None:
    _aborted(cli)
    Enactor(cli.cluster).enact()


def _final_and_retired(cli: Cli) -> None:
    _final(cli)
    cli.cluster.decide(release(MINOR, number=3), SubscriptionWithdrawn("strict"))
    cli.cluster.decide(ViewVersionRetired("delay", Number(1, 0)))


def _nothing(_cli: Cli) -> None:
    pass


VOID = {
    "an unknown bundle": (_nothing, ("start", "input@2"), "no bundle input. Did you mean `inputs`?"),
    "an unknown release": (_nothing, ("start", "inputs@9"), "there is no release inputs@9"),
    "the release that is live": (_nothing, ("start", "inputs@1"), "inputs@1 is live already"),
    "a rollout under way": (_start, ("start", "inputs@2"), "is under way since catalog offset 6"),
    "status of an unknown bundle": (_nothing, ("status", "input"), "Did you mean `inputs`?"),
    "promote of an unknown bundle": (_nothing, ("promote", "input"), "Did you mean `inputs`?"),
    "promote without a rollout": (_nothing, ("promote", "inputs"), "no rollout of inputs is under way"),
    "abort of what is live": (_live, ("abort", "inputs"), "inputs@2 is live: roll it back instead"),
    "abort twice": (_aborted, ("abort", "inputs"), "abort was asked for at catalog offset 7 already, by ada"),
    "pause of what is live": (_live, ("pause", "inputs"), "inputs@2 is live: nothing is left to pause"),
    "rollback before it is live": (
        _start,
        ("rollback", "inputs"),
        "is not live yet: abort the rollout instead",
    ),
    "rollback twice": (_rolled_back, ("rollback", "inputs"), "rollback was asked for at catalog offset"),
    "rollback of what is final": (_final, ("rollback", "inputs"), "syncline rollout start inputs@1"),
    "rollback to what names a retired version": (
        _final_and_retired,
        ("rollback", "inputs"),
        "syncline rollout start inputs@3",
    ),
    "rollback of what was rolled back": (
        _back,
        ("rollback", "inputs"),
        "was rolled back already at catalog offset 13: inputs@1 is live, and nothing is left to do",
    ),
    "abort of what was aborted": (_ended, ("abort", "inputs"), "was aborted already at catalog offset 9"),
    "promote of what is rolled back": (
        _rolled_back,
        ("promote", "inputs"),
        "rollback was asked for at catalog offset 11, by ada: nothing is left to promote. It goes on by itself",
    ),
    "pause of what is aborted": (
        _aborted,
        ("pause", "inputs"),
        "abort was asked for at catalog offset 7, by ada: nothing is left to pause. It goes on by itself",
    ),
    "an empty name": (
        _nothing,
        ("promote", ""),
        "the catalog has no bundle with an empty name. Known are: inputs",
    ),
}


@pytest.mark.parametrize("name", VOID)
def test_what_makes_no_sense_is_not_asked_for(cli: Cli, name: str) -> None:
    """One sentence with the reason of the fold and the remedy, exit 1, and nothing in the catalog."""
    before_it, (verb, what), said = VOID[name]
    before_it(cli)
    before = picture(cli).next_offset

    code, out, err = cli("rollout", verb, what, *(WHY if verb != "status" else ()))

    assert (code, out, picture(cli).next_offset) == (1, "", before)
    assert said in err


REMEDIES = {
    "the release that is live": (_nothing, ("start", "inputs@1"), "inputs@1 is live already. Nothing is left to do"),
    "a rollout under way": (_start, ("start", "inputs@2"), "first. `syncline rollout status inputs` shows how far"),
    "abort of what is live": (_live, ("abort", "inputs"), "instead. `syncline rollout rollback inputs --reason …`"),
    "rollback before it is live": (
        _start, ("rollback", "inputs"), "the rollout instead. `syncline rollout abort inputs --reason …` does it"
    ),
    "abort twice": (_aborted, ("abort", "inputs"), "by ada. It goes on by itself, and `syncline rollout status"),
}  # fmt: skip


@pytest.mark.parametrize("name", REMEDIES)
def test_the_remedy_is_that_of_the_rule(cli: Cli, name: str) -> None:
    """Nobody is told to ask again for what can only be refused again."""
    before_it, (verb, what), said = REMEDIES[name]
    before_it(cli)

    err = cli("rollout", verb, what, *WHY)[2]

    assert said in err
    assert "ask again" not in err


def test_a_release_that_names_a_retired_version_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fold would not count it; the message names the version."""
    cluster = Cluster()
    cluster.make_topics(FIRST)
    cluster.decide(registration(FIRST), registration(MINOR), release(FIRST), STRICT)
    cluster.decide(release(MINOR, number=2), ViewVersionRetired("delay", Number(1, 1)))
    cli = Cli.on(cluster, monkeypatch, capsys)
    before = picture(cli).next_offset

    code, _, err = start(cli)

    assert (code, picture(cli).next_offset) == (1, before)
    assert "inputs@2 names delay@1.1, which was retired" in err
    assert "Every other release names a retired version: define one that names none" in err
    assert "ask again" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("start", "inputs@2"),
        ("start", "inputs@2", "--reason", " "),
        ("start", "inputs", *WHY),
        ("start", "inputs@0", *WHY),
        ("start", "inputs@2", *WHY, "--label", "gold"),
        ("start", "inputs@2", *WHY, "--label", "tier=a", "--label", "tier=b"),
        ("start", "inputs@2", *WHY, "--evidence", "{"),
        ("start", "inputs@2", *WHY, "--evidence", "NaN"),
        ("start", "inputs@2", *WHY, "--evidence", "@nowhere.json"),
        ("start", "inputs@2", *WHY, "--evidence", json.dumps("x" * 100_001)),
        ("start", "inputs@2", *WHY, "--final-after", "soon"),
        ("start", "inputs@2", *WHY, "--timeout", "-1 s"),
        ("promote", "inputs@2", *WHY),
        ("rollback", "inputs", *WHY, "--mode", "later"),
        ("abort", "inputs"),
    ],
)
def test_half_a_request_is_a_usage_error(cli: Cli, arguments: tuple[object, ...]) -> None:
    """Exit 64, and nothing is asked for."""
    before = picture(cli).next_offset

    code, out, _ = cli("rollout", *arguments)

    assert (code, out, picture(cli).next_offset) == (64, "", before)


def test_evidence_comes_from_a_file_too(cli: Cli, tmp_path: Path) -> None:
    """`@FILE`: on one line, as JSON."""
    (tmp_path / "e.json").write_text('{\n "auc": 0.9\n}', "utf-8")

    assert start(cli, "--evidence", f"@{tmp_path}/e.json")[0] == 0

    (record,) = cli.cluster.read(CATALOG)[6:]
    assert b'{"auc":0.9}' in record.value


def test_with_wait_it_tells_each_step_until_every_agent_has_switched(cli: Cli) -> None:
    """Prepared, committed where, who reached it and how; exit 0."""
    enactor = Enactor(cli.cluster)
    enactor.enact()
    enactor.report()
    tell(cli.cluster, agent())
    tell(cli.cluster, agent("model/b", epoch=1_000))
    tell(cli.cluster, agent("strict/a"))
    tell(cli.cluster, _reached("model/a", cut=8, aligned=True))
    with enactor.running():
        code, out, err = start(cli, "--wait", "--timeout", "30 s")

    assert code == 0, err
    steps = [line.strip() for line in err.splitlines()]
    assert "cut 8 prepared: a marker goes into each of 1 partitions" in steps
    assert "cut 8 committed at offset 9: syncline.features.delay.v1 0:0" in steps
    assert "model/a reached it aligned, held 12.0 ms" in steps
    assert "model/b reached it" in steps
    assert not any("strict" in step for step in steps)
    assert "inputs@2 is live for everyone" in out


def _reached(name: str, *, cut: int, aligned: bool) -> CutReached:
    why = "" if aligned else "snapshot"
    now_us = SystemClock().now_us()
    return CutReached(
        name, name.partition("/")[0], now_us, 1, cut, 9, "inputs", 2, False, aligned, why, 12_000, ()
    )


def test_an_agent_that_has_not_switched_in_time_is_named(cli: Cli) -> None:
    """Live, and yet exit 1: a script that waits for all must not go on."""
    enactor = Enactor(cli.cluster)
    enactor.enact()
    enactor.report()
    tell(cli.cluster, agent(catalog_offset=3))
    tell(cli.cluster, agent("model/gone", reported_at_us=1))
    with enactor.running():
        document = cli.json("rollout", "start", "inputs@2", *WHY, "--wait", "--timeout", "1 s", code=1)

    assert (document["done"], document["timed_out"]) == (False, True)
    assert document["answer"] == "inputs@2 is live for everyone"
    found = {each["agent"]: each for each in document["agents"]}
    assert found["model/a"]["why"] == "it has read the catalog below offset 3"
    assert found["model/gone"]["absent"] is True


def test_without_a_coordinator_it_says_so_and_ends(cli: Cli) -> None:
    """Exit 1 with the reason and the next command; the request stands."""
    code, out, err = start(cli, "--wait", "--timeout", "10 ms")

    assert code == 1
    assert "Not done within 10 ms: no coordinator was heard of lately" in out
    assert "syncline rollout status inputs" in err
    assert picture(cli).coordination.under_way("inputs") is not None


def test_a_rollout_that_waits_for_a_person_says_so(cli: Cli) -> None:
    """Paused before its cut: `pause --wait` is done, whoever waits for the start is told, `status` exits 1."""
    _start(cli)
    with Enactor(cli.cluster).running():
        code, out, err = cli("rollout", "pause", "inputs", *WHY, "--wait", "--timeout", "30 s")

    assert (code, "the rollout to inputs@2 is paused" in out) == (0, True)
    assert "Next: syncline rollout promote inputs" in err
    code, out, _ = cli("rollout", "status")
    assert code == 1
    assert "waits for a person: paused by ada" in out
    assert "then pause by ada" in out


def test_promote_lifts_a_pause_and_a_second_pause_is_told(cli: Cli) -> None:
    """A pause that a promote has lifted does not hide the next one."""
    _start(cli)
    enactor = Enactor(cli.cluster)
    cli("rollout", "pause", "inputs", *WHY)
    enactor.enact()
    asked = cli.json("rollout", "promote", "inputs", *WHY)["catalog_offset"]
    lifted = picture(cli).coordination.under_way("inputs")
    assert lifted is not None
    assert lifted.paused == ""
    standing = picture(cli).coordination
    cli.cluster.decide(RolloutPaused(standing.last, enactor.claim, lifted.id, "inputs"))

    again = picture(cli).coordination.under_way("inputs")

    assert again is not None
    assert again.paused == "because"
    assert [request.offset for request in again.asked][-1] == asked


def test_promote_makes_final_what_is_live(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks first, as what was live before is let go then."""
    enactor = go_live(cli)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    questions: list[str] = []
    monkeypatch.setattr("click.confirm", lambda question, **_: bool(questions.append(question)))
    assert cli("rollout", "promote", "inputs", *WHY)[0] == 1
    assert questions == ["Make inputs@2 final? inputs@1 is let go then"]

    with enactor.running():
        document = cli.json("rollout", "promote", "inputs", *WHY, "--yes", "--wait")

    assert (document["done"], document["answer"]) == (True, "inputs@2 is final")
    assert picture(cli).coordination.standing("inputs") == 2


def test_abort_ends_a_rollout_before_it_is_live(cli: Cli) -> None:
    """What was live stays, and the rollout is over."""
    _start(cli)
    with Enactor(cli.cluster).running():
        code, out, _ = cli("rollout", "abort", "inputs", *WHY, "--wait")

    assert (code, "the rollout was aborted: inputs@1 stays" in out) == (0, True)
    assert picture(cli).coordination.under_way("inputs") is None


@pytest.mark.parametrize("mode", ["immediate", "cut"])
def test_rollback_brings_back_what_was_live(cli: Cli, mode: str) -> None:
    """At once by default, or at a cut; either way the rollout is over then."""
    enactor = go_live(cli)
    options = () if mode == "immediate" else ("--mode", mode)
    with enactor.running():
        document = cli.json("rollout", "rollback", "inputs", *WHY, *options, "--wait")

    (rollout,) = picture(cli).coordination.rollouts["inputs"]
    request = rollout.asked_to(RolloutAction.ROLLBACK)
    assert request is not None
    assert request.mode is RolloutMode(mode)
    assert document["answer"] == "rolled back: inputs@1 is live"
    assert ("Immediate" in document["steps"][0]) == (mode == "immediate")


def test_a_rollback_names_who_keeps_what_is_rolled_back(cli: Cli) -> None:
    """A policy that begins with the release that goes back is not reached by the rollback: said before it is asked."""
    cli.cluster.decide(SubscriptionDeclared("newer", "inputs", PolicyKind.FOLLOW))
    go_live(cli)
    cli.cluster.decide(SubscriptionDeclared("newer", "inputs", PolicyKind.COMPATIBLE, 2))

    code, _, err = cli("rollout", "rollback", "inputs", *WHY)

    assert code == 0
    assert "warning: newer keeps inputs@2: its policy, compatible: 2, does not admit inputs@1" in err


def test_a_rollback_names_nobody_whom_the_rollout_never_moved(cli: Cli) -> None:
    """Who was pinned to that release all along neither came with it nor goes back."""
    cli.cluster.decide(SubscriptionDeclared("pinned", "inputs", PolicyKind.PIN, 2))
    go_live(cli)

    code, _, err = cli("rollout", "rollback", "inputs", *WHY)

    assert (code, err) == (0, "")


@pytest.mark.parametrize("told", [True, False], ids=["told live", "only committed"])
def test_a_promote_that_was_overtaken_does_not_make_it_final(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """P11: asked so as not to wait, it lands when the release is live: void, with what it would mean now."""
    _start(cli)
    counts = ((FIRST.contract.topic, 1),)
    prepared = CutPrepared(7, 7, CutKind.VERSION, "inputs", 1, 2, Cohort(), counts, 9, 6)
    cli.cluster.decide(Claimed(-1, "c1"), prepared)
    committed = CutCommitted(8, 7, 8, ((*counts[0][:1], 0, 0),))
    live = (committed, RolloutAdvanced(9, 7, 6, "inputs", "live", 9)) if told else (committed,)
    monkeypatch.setattr(Desk, "question", lambda *_: cli.cluster.decide(*live))

    code, _, err = cli("rollout", "promote", "inputs", *WHY)

    assert code == 1
    assert "Nothing was changed by it. It went live meanwhile: ask again to make it final" in err
    rollout = picture(cli).coordination.under_way("inputs")
    assert rollout is not None
    assert (rollout.rulings, rollout.asked) == ((9,), ())


def go_live_in_part(cli: Cli) -> Enactor:
    """Release 2 live for one of two consumers that take it."""
    cli.cluster.decide(SubscriptionDeclared("other", "inputs", PolicyKind.FOLLOW))
    enactor = Enactor(cli.cluster)
    enactor.enact()
    enactor.report()
    with enactor.running():
        document = cli.json("rollout", "start", "inputs@2", *WHY, "--consumer", "model", "--wait")
    assert document["answer"] == "inputs@2 is live for consumer model"
    return enactor


def test_status_says_who_serves_what_is_live_for_a_part_only(cli: Cli) -> None:
    """The headline and the JSON: everyone else is still served what was live."""
    go_live_in_part(cli)

    _, out, _ = cli("rollout", "status", "inputs")
    (bundle,) = cli.json("rollout", "status", "inputs")["bundles"]

    assert out.startswith("inputs: release 1 is live; 2 for consumer model\n")
    assert (bundle["live_release"], bundle["standing_release"]) == (1, 1)
    assert bundle["live_in_part"] == {"release": 2, "cohort": "consumer model"}
    assert (bundle["rollout"]["cohort"], bundle["rollout"]["step"]) == ("consumer model", "canary")


def test_a_first_promote_brings_it_to_everyone_and_a_second_makes_it_final(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the second lets go what was live, so only it asks; the cohort that is shown is that of the last decision."""
    enactor = go_live_in_part(cli)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    questions: list[str] = []
    monkeypatch.setattr("click.confirm", lambda question, **_: not questions.append(question))
    promote = ("rollout", "promote", "inputs", *WHY, "--wait")
    with enactor.running():
        wide = cli.json(*promote)
        assert (wide["answer"], questions) == ("inputs@2 is live for everyone", [])
    (bundle,) = cli.json("rollout", "status", "inputs")["bundles"]
    with enactor.running():
        last = cli.json(*promote)

    assert (bundle["live_release"], bundle["live_in_part"], bundle["rollout"]["cohort"]) == (
        2,
        None,
        "everyone",
    )
    assert last["answer"] == "inputs@2 is final"
    assert questions == ["Make inputs@2 final? inputs@1 is let go then"]


def test_a_promote_says_what_was_live_for_everyone_when_it_was_asked(cli: Cli) -> None:
    """By that the fold tells what it meant: live for a part only, it means everyone; live for everyone, final."""
    enactor = go_live_in_part(cli)
    found = []
    for _ in range(2):
        offset = cli.json("rollout", "promote", "inputs", *WHY)["catalog_offset"]
        payload = decode_decision(cli.cluster.read(CATALOG)[offset].value).payload
        assert isinstance(payload, RolloutRequested)
        found.append((payload.from_release, payload.to_release))
        enactor.enact()

    assert found == [(1, 2), (2, 2)]


def interrupt(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Ctrl-C as soon as this is called."""

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(what, pressed)


def test_ctrl_c_while_waiting_says_what_stands(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 130: the request is in the catalog, and whoever pressed it is told so, and how to end it."""
    interrupt(monkeypatch, "syncline.inspection.rollout_wait.answer")

    code, out, err = start(cli, "--wait")

    assert code == 130
    assert "start of inputs asked for at catalog offset 6; it stands, and goes on by itself" in err
    assert "`syncline rollout abort inputs --reason …` ends it" in err
    assert "Not done" not in out
    assert picture(cli).coordination.under_way("inputs") is not None


def test_ctrl_c_under_json_leaves_the_document(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that is stopped gets what it would have got, not done."""
    interrupt(monkeypatch, "syncline.inspection.rollout_wait.answer")

    document = cli.json("rollout", "start", "inputs@2", *WHY, "--wait", code=130)

    assert (document["catalog_offset"], document["waited"], document["done"]) == (6, True, False)
    assert (document["interrupted"], document["timed_out"]) == (True, False)


def test_ctrl_c_while_it_is_asked_for_says_that_it_may_stand(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sent, and nobody knows whether it landed."""
    interrupt(monkeypatch, "syncline.catalog_client.CatalogClient.propose")

    code, _, err = start(cli)

    assert code == 130
    assert "it may stand all the same; `syncline rollout status inputs` shows it" in err


def test_status_of_what_waits_for_a_rollout(cli: Cli) -> None:
    """A release that no rollout brings, and nobody who would enact one."""
    code, out, _ = cli("rollout", "status")

    assert code == 0
    assert "inputs: release 1 is live" in out
    assert "waits for a rollout: inputs@2 (syncline rollout start inputs@2 --reason …)" in out
    assert "No coordinator was heard of lately" in out


def test_status_tells_who_has_switched_and_what_is_waited_for(cli: Cli) -> None:
    """The live coordinator, its reasons, the cut's vector, and each agent: aligned, late, gave up, cannot serve."""
    enactor = go_live(cli)
    enactor.report(waiting=("inputs: model/c is still warming", "other: not this one"))
    Enactor(cli.cluster, "c2").report(state="STANDBY")
    tell(cli.cluster, agent(epoch=9))
    tell(cli.cluster, _reached("model/a", cut=8, aligned=False))
    tell(cli.cluster, agent("model/b", given_up=(8,), cannot_serve=((2, "too old"),)))

    document = cli.json("rollout", "status", "inputs")
    (bundle,) = document["bundles"]
    _, out, _ = cli("rollout", "status", "inputs")

    live = {each["coordinator"]: each["is_live"] for each in document["coordinators"]}
    assert live == {"c1": True, "c2": False}
    assert (bundle["live_release"], bundle["standing_release"], bundle["releases_waiting"]) == (2, 1, [])
    assert bundle["waiting"] == ["model/c is still warming"]
    found = {each["agent"]: (each["crossed"], each["aligned"], each["why"]) for each in bundle["agents"]}
    assert found == {
        "model/a": (True, False, "snapshot"),
        "model/b": (False, None, "it cannot serve the release: too old"),
    }
    assert bundle["given_up"] == [{"agent": "model/b", "cut": 8}]
    assert bundle["last_decision"]["epoch"] == 9
    assert "inputs: release 2 is live (inputs@1 is kept until that is final)" in out
    assert "last decision: cut 8 to inputs@2, committed at offset 9" in out
    assert "waits: model/c is still warming" in out


def test_status_where_nothing_was_applied_says_to_apply(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As every command that looks at the cluster."""
    code, _, err = Cli.on(Cluster(), monkeypatch, capsys)("rollout", "status")

    assert code == 1
    assert "syncline apply" in err
