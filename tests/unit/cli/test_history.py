"""`syncline catalog log`, `syncline lineage`, and what `syncline status` says of versions."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from syncline.catalog.events import PolicyKind, SubscriptionDeclared
from syncline.clock import SystemClock
from syncline.ports.log import Outcome
from syncline.telemetry.reports import AgentStatus
from syncline.telemetry.violations import PUBLISHER, Reporter, ViewCounts, ViolationCounts
from syncline.wire.control import Heartbeat
from tests.unit.agent.world import CATALOG, Cluster, registration, release
from tests.unit.cli.cluster import Cli
from tests.unit.inspection.enactor import Enactor, tell
from tests.unit.state.world import NOW_MS, Record, Version

FIRST = Version.make(7)
MINOR = Version.make(8, version="1.1.0", extra=True)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on a cluster with two releases, of which the second waits, and a model."""
    cluster = Cluster()
    cluster.make_topics(FIRST)
    cluster.decide(registration(FIRST), registration(MINOR), release(FIRST))
    cluster.decide(
        SubscriptionDeclared(
            "model",
            "inputs",
            PolicyKind.FOLLOW,
            model_name="delays",
            model_version="3",
            labels=(("tier", "gold"),),
        )
    )
    cluster.decide(release(MINOR, number=2, features=("mean", "extra")))
    return Cli.on(cluster, monkeypatch, capsys)


def append(cluster: Cluster, value: bytes | None) -> None:
    """Bytes at the catalog's end."""
    outcomes: list[Outcome] = []
    writer = cluster.log.writer(client_id="tests")
    writer.append(CATALOG, key=b"k", value=value, headers=(), partition=0, on_outcome=outcomes.append)
    writer.poll(0)
    assert outcomes


def test_the_log_has_one_line_for_each_decision(cli: Cli) -> None:
    """P11: offset, when, who, what, why; what does not count is marked with the reason."""
    append(cli.cluster, b"junk")

    code, out, _ = cli("catalog", "log")
    document = cli.json("catalog", "log")

    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 7
    assert "inputs@2 released: delay@1.1" in lines[5]
    assert "tests" in lines[5]
    assert "because" in lines[5]
    assert "2023-11-14T22:13:20Z" in lines[5]
    assert lines[0].split()[-3:] == ["does", "not", "count"]
    assert [each["counts"] for each in document["decisions"]] == [True] * 5 + [False]
    assert document["decisions"][4]["kind"] == "BundleReleased"
    assert (document["format_version"], document["catalog_offset"], document["unreadable"]) == (1, 6, "")


FILTERS = {
    "kind": (("--kind", "BundleReleased"), [2, 4]),
    "the beginning of kinds": (("--kind", "bundle", "--kind", "subscription-declared"), [2, 3, 4]),
    "about": (("--about", "inputs@2"), [4]),
    "about a model": (("--about", "delays"), [3]),
    "about a MAJOR": (("--about", "delay@1"), [0, 1, 2, 4]),
    "about a topic": (("--about", FIRST.contract.topic), [0, 1, 2, 4]),
    "actor": (("--actor", "tests", "--last", 2), [3, 4]),
    "since": (("--since", "1 h"), []),
    "until": (("--until", "2023-11-14T22:13:20Z"), [0, 1, 2, 3, 4]),
    "void": (("--void",), []),
    "counted": (("--counted", "--last", 1), [4]),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_leave_out_the_rest(cli: Cli, name: str) -> None:
    """Each filter alone, or with another."""
    options, offsets = FILTERS[name]

    document = cli.json("catalog", "log", *options)

    assert [each["offset"] for each in document["decisions"]] == offsets


def test_what_was_left_out_is_said(cli: Cli) -> None:
    """--last says how many came before; no decision at all is said, too."""
    assert "4 earlier decisions left out" in cli("catalog", "log", "--last", 1)[2]
    assert "No decision is like that" in cli("catalog", "log", "--since", "1 h")[2]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("log", "--about", "input"), 1, "Did you mean `inputs`?"),
        (("log", "--actor", "test"), 1, "Did you mean `tests`?"),
        (("log", "--kind", "BundelReleased"), 64, "Did you mean `BundleReleased`?"),
        (("log", "--kind", ""), 64, "there is no kind"),
        (("log", "--since", "tomorrow"), 64, "neither a time"),
        (("log", "--since", "1 h", "--until", "2 h"), 64, "--since is after --until"),
        (("log", "--last", "0"), 64, "0"),
        (("log", "--follow", "--output", "json"), 64, "--follow does not end"),
    ],
)
def test_a_question_that_makes_no_sense(cli: Cli, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A sentence with the remedy, and nothing on stdout."""
    got, out, err = cli("catalog", *arguments)

    assert (got, out) == (code, "")
    assert said in err


def test_a_record_of_a_newer_syncline_is_named(cli: Cli) -> None:
    """What stands before it is shown; exit 1, as nothing after it can be read."""
    append(cli.cluster, b"\xc3\x01" + b"\x07" * 8 + b"rest")

    code, out, err = cli("catalog", "log")

    assert code == 1
    assert len(out.splitlines()) == 6
    assert "the record at catalog offset 5" in err


def test_every_command_names_the_record_of_a_newer_syncline(cli: Cli) -> None:
    """Topic and offset: without them nobody finds it."""
    append(cli.cluster, b"\xc3\x01" + b"\x07" * 8 + b"rest")

    for arguments in (
        ["lock", "show", "model"],
        ["lineage", "inputs"],
        ["withdraw", "model", "--reason", "x"],
    ):
        code, _, err = cli(*arguments)
        assert code == 1
        assert "syncline.catalog offset 5: the CatalogRecord was written by a newer Syncline: upgrade" in err


def test_a_record_of_no_time_is_left_out_where_times_are_asked_for(cli: Cli) -> None:
    """Nobody knows when bytes that are no decision were recorded."""
    append(cli.cluster, b"junk")

    found = cli.json("catalog", "log", "--until", "2023-11-14T22:13:20Z")["decisions"]

    assert [each["offset"] for each in found] == [0, 1, 2, 3, 4]


def test_follow_goes_on_with_what_comes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each decision as it lands, until interrupted (exit 130)."""
    turns = iter([True, False])

    def come_or_stop(_seconds: float) -> None:
        if not next(turns):
            raise KeyboardInterrupt
        cli.cluster.decide(release(FIRST, number=3))

    monkeypatch.setattr(time, "sleep", come_or_stop)

    code, out, _ = cli("catalog", "log", "--follow", "--kind", "bundle")

    assert code == 130
    assert "inputs@3 released" in out.splitlines()[-1]
    assert len(out.splitlines()) == 4


def test_lineage_from_publisher_to_model(cli: Cli) -> None:
    """Heartbeats and reports say who publishes; the tree goes up and down from the name."""
    key, headers = Heartbeat("flights-job", 1, 1).key(), tuple(Heartbeat("flights-job", 1, 1).headers())
    cli.cluster.put(FIRST.contract.topic, [Record(key, None, NOW_MS, headers)])
    views = (ViewCounts("delay@1.1", 1, 0, ()), ViewCounts("(other)", 1, 0, ()))
    tell(cli.cluster, ViolationCounts(Reporter(PUBLISHER, "backfill"), 0, 1, views))

    code, out, _ = cli("lineage", "inputs@1")
    document = cli.json("lineage", "delays")

    assert code == 0
    assert out.splitlines() == [
        "release inputs@1 (owner tests, stands)",
        "comes from:",
        "└─ view delay@1.0 (topic syncline.features.delay.v1, owner tests, schema_id 7)",
        "   └─ publisher flights-job",
        "goes to:",
        "└─ consumer model (tier gold) [its agents serve it]",
        "   └─ model delays@3",
    ]
    assert document["chosen"] == ["model delays@3"]
    assert {"from": "publisher backfill", "to": "view delay@1.1", "why": ""} in document["edges"]
    assert {node["id"] for node in document["nodes"]} == {
        "publisher backfill",
        "publisher flights-job",
        "view delay@1.0",
        "view delay@1.1",
        "release inputs@1",
        "release inputs@2",
        "consumer model",
        "model delays@3",
    }


def test_lineage_of_a_view_is_that_of_its_versions(cli: Cli) -> None:
    """One tree each; --up and --down leave out the other side."""
    both = cli("lineage", "delay")[1]
    down = cli("lineage", "delay@1.1", "--down")[1]
    up = cli.json("lineage", "delay@1.1", "--up")

    assert both.count("comes from: nothing that is known") == 2
    assert down.splitlines()[1:] == [
        "goes to:",
        "└─ release inputs@2 (owner tests)",
        "   └─ consumer model (tier gold) [policy: the newest]",
        "      └─ model delays@3",
    ]
    assert [node["id"] for node in up["nodes"]] == ["view delay@1.1"]


def test_lineage_of_an_unknown_name_proposes_the_nearest(cli: Cli) -> None:
    """Exit 1, and the remedy."""
    code, out, err = cli("lineage", "dely")

    assert (code, out) == (1, "")
    assert "Did you mean `delay`?" in err


def test_status_shows_what_agents_say_of_cuts_and_versions(cli: Cli) -> None:
    """Standing, give-ups, pending decisions, what cannot be served, deprecated versions, the lock's hash."""
    now_us = SystemClock().now_us()
    agent = AgentStatus("model/a", "model", now_us, "HOLDING", "", "inputs", 1, 2, 9, 1, 0, 0, ())
    enactor = Enactor(cli.cluster)
    enactor.enact()
    enactor.report()
    tell(
        cli.cluster,
        replace(
            agent,
            standing_at=41,
            given_up=(30,),
            pending=2,
            cannot_serve=((2, "too old"),),
            lock="ab" * 32,
            deprecated=(("delay@1.0", "deprecated since 2026-11-01, supported until 2027-02-01"),),
        ),
    )

    code, out, _ = cli("status")
    document = cli.json("status")

    assert code == 0
    for said in (
        "abababababab ",
        "model/a: stands at cut 41",
        "model/a: gave up holding for cut 30",
        "model/a: has 2 decisions still to enact",
        "model/a: cannot serve inputs@2: too old",
        "model/a: serves delay@1.0, which is deprecated since 2026-11-01, supported until 2027-02-01",
        "coordinator c1: live, claim 5",
        "waits for a rollout: inputs@2 (syncline rollout start inputs@2 --reason …)",
    ):
        assert said in out
    (shown,) = document["agents"]
    assert (shown["standing_at"], shown["given_up"], shown["pending"]) == (41, [30], 2)
    assert (shown["cannot_serve"], shown["lock"]) == ({"2": "too old"}, "ab" * 32)
    assert document["releases_waiting"] == {"inputs": [2]}
    assert [(each["coordinator"], each["is_live"]) for each in document["coordinators"]] == [("c1", True)]


def test_a_coordinator_that_went_silent_is_not_live(cli: Cli) -> None:
    """And one whose claim another has taken, however loudly it reports."""
    zombie, second = Enactor(cli.cluster, "c1"), Enactor(cli.cluster, "c2")
    zombie.enact()
    second.enact()
    zombie.report()
    second.report(at_us=SystemClock().now_us() - 60_000_000)

    document = cli.json("status")

    assert [(each["coordinator"], each["is_live"]) for each in document["coordinators"]] == [
        ("c1", False),
        ("c2", False),
    ]
    assert "No coordinator was heard of lately, and c2 had the claim" in cli("status")[1]
