"""`syncline verify`: agents that work, a coordinator that enacts, and stores that were changed behind their backs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncline.catalog.events import decode_decision
from syncline.catalog.rollout_events import AuditRequested, RolloutAction, RolloutRequested
from syncline.catalog_client import CatalogClient
from tests.unit.agent.world import CATALOG, Cluster, registration, release, subscription
from tests.unit.cli.audited import AIRPORTS, TOPIC, VERSION, Audited, home
from tests.unit.cli.cluster import Cli
from tests.unit.inspection.enactor import Enactor
from tests.unit.state.world import NOW_MS, Record, Version

VICTIM = AIRPORTS[3]
PATIENCE = ("--timeout", "60 s")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator with nothing to do waits for the catalog in real time: a little is enough here."""
    monkeypatch.setattr("syncline.coordinator.coordinator.IDLE_S", 0.001)


@pytest.fixture
def audited() -> Audited:
    """Three agents with the same state."""
    return Audited()


@pytest.fixture
def cli(audited: Audited, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A command line on their cluster."""
    return Cli.on(audited.cluster, monkeypatch, capsys)


def requests(cluster: Cluster) -> list[tuple[str, str, AuditRequested]]:
    """(actor, reason, request) of every audit that was asked for."""
    found = []
    client = CatalogClient(cluster.log, CATALOG, clock=cluster.clock, client_id="tests")
    try:
        audits = client.catch_up(5).coordination.audits
    finally:
        client.close()
    for record in cluster.read(CATALOG):
        decision = decode_decision(record.value)
        if isinstance(decision.payload, AuditRequested):
            found.append((decision.actor, decision.reason, decision.payload))
    assert len(audits) == len(found)
    return found


def test_agents_with_the_same_state_are_in_sync(cli: Cli, audited: Audited) -> None:
    """P2: exit 0, a row per partition, and who asked stands in the catalog (P11)."""
    with audited.running():
        code, out, _ = cli("verify", *PATIENCE)

    assert code == 0, out
    assert out.count("3 agree") == 2
    assert "IN SYNC: inputs: 3 agents hold the same state in 2 partitions" in out
    assert requests(audited.cluster) == [("ada", "proof asked for by ada", AuditRequested("inputs"))]


def test_a_cell_changed_with_its_checksum_is_found_and_its_entity_named(cli: Cli, audited: Audited) -> None:
    """P5: exit 1, the agent, the first partition that diverges, and with --explain the entity."""
    audited.tamper(audited.hosts[1], VICTIM)

    with audited.running():
        code, out, _ = cli("verify", "inputs", *PATIENCE)
        explained = cli.json("verify", "inputs", "--explain", "--reason", "INC-7", *PATIENCE, code=1)

    assert code == 1
    assert f"DIVERGED: inputs: first in {TOPIC} partition {home(VICTIM)} below offset" in out
    assert "2 agree; DIVERGES: model/a1" in out
    (bundle,) = explained["bundles"]
    assert (explained["verdict"], bundle["verdict"]) == ("diverged", "diverged")
    first = bundle["first_divergence"]
    assert (first["agent"], first["topic"], first["partition"]) == ("model/a1", TOPIC, home(VICTIM))
    (entity,) = bundle["explanation"]["entities"]
    assert (entity["entity"], entity["wrong"]) == (
        f"airport={VICTIM}",
        [{"agent": "model/a1", "how": "changed"}],
    )
    assert [reason for _, reason, _ in requests(audited.cluster)][1:] == ["INC-7", "INC-7"]
    asked = requests(audited.cluster)[2][2].buckets
    assert asked == ((TOPIC, home(VICTIM), entity["sub_digest"]),)


def test_a_cell_that_is_gone_is_named(cli: Cli, audited: Audited) -> None:
    """For people: which entity is missing, and with whom."""
    audited.drop(audited.hosts[2], VICTIM)

    with audited.running():
        code, out, _ = cli("verify", "--explain", *PATIENCE)

    assert code == 1
    assert f"{TOPIC} partition {home(VICTIM)}: airport={VICTIM} is missing with model/a2" in out


def test_a_broken_checksum_is_named_at_once(cli: Cli, audited: Audited) -> None:
    """P5: no second audit is needed for it."""
    audited.tamper(audited.hosts[0], VICTIM, checksum_fits=False)

    with audited.running():
        code, out, _ = cli("verify", *PATIENCE)

    assert code == 1
    assert f"1 cell with a checksum that does not match: airport={VICTIM}" in out


def test_one_agent_alone_is_held_to_what_it_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody to compare with: its cells are counted again all the same, and a divergence is narrowed down."""
    audited = Audited(agents=1)
    cli = Cli.on(audited.cluster, monkeypatch, capsys)

    with audited.running():
        code, out, _ = cli("verify", *PATIENCE)
        audited.tamper(audited.hosts[0], VICTIM)
        changed_code, changed, _ = cli("verify", "--explain", *PATIENCE)

    assert code == 0
    assert "no two agents hold the same partition; its cells are what was folded" in out
    assert changed_code == 1
    assert "and it keeps" in changed or "changed behind its back" in changed
    assert "no other agent listed its own to compare with" in changed


def test_an_agent_that_does_not_answer_is_named_and_fails_it(cli: Cli, audited: Audited) -> None:
    """What it did not show is no agreement: exit 1, with how many have answered."""
    with audited.running(hosts=audited.hosts[:2]):
        document = cli.json("verify", "--timeout", "3 s", code=1)
        code, out, _ = cli("verify", "--timeout", "3 s")

    (bundle,) = document["bundles"]
    assert (document["verdict"], bundle["first_divergence"]) == ("unproven", None)
    assert [agent["agent"] for agent in bundle["agents"] if not agent["answered"]] == ["model/a2"]
    assert code == 1
    assert "no proof from model/a2: " in out
    assert "UNPROVEN: inputs: nothing differs, but only 2 of 3 agents have shown all" in out


def test_an_agent_that_holds_at_a_record_says_why_it_proves_nothing(cli: Cli, audited: Audited) -> None:
    """Its marker stands behind the record that it cannot pass."""
    stranger = Record(VICTIM.encode(), b"\x00\x00\x00\x00\x63\x00", NOW_MS + 1_000)
    audited.cluster.put(TOPIC, [stranger], home(VICTIM))
    for host in audited.hosts:
        host.settle()
    audited.cluster.clock.advance(seconds=6)
    with audited.running():
        code, out, _ = cli("verify", "--timeout", "3 s")

    assert code == 1
    assert "no proof from model/a0: " in out
    assert "schema id 99" in out
    assert "UNPROVEN" in out


def test_an_agent_that_was_stopped_is_not_waited_for(cli: Cli, audited: Audited) -> None:
    """It is listed, and counts neither way."""
    audited.hosts[2].stopping = True
    audited.hosts[2].agent.run()

    with audited.running(hosts=audited.hosts[:2]):
        code, out, _ = cli("verify", *PATIENCE)

    assert code == 0, out
    assert "no proof from model/a2: it was stopped" in out
    assert "2 agents hold the same state" in out


def test_an_earlier_audit_can_be_looked_at_again(cli: Cli, audited: Audited) -> None:
    """By the offset of its request; nothing new is asked for."""
    audited.tamper(audited.hosts[1], VICTIM)
    with audited.running():
        before = cli.json("verify", "--explain", *PATIENCE, code=1)["bundles"][0]

    again = cli.json("verify", "--audit", before["audit"], code=1)["bundles"][0]
    unknown_code, _, unknown = cli("verify", "--audit", 4_711)
    listing = cli.json("verify", "--audit", requests_at(audited)[1], code=1)["bundles"][0]

    assert (again["first_divergence"], again["partitions"]) == (
        before["first_divergence"],
        before["partitions"],
    )
    assert listing["explanation"] == before["explanation"]
    assert len(requests(audited.cluster)) == 2
    assert unknown_code == 1
    assert f"the catalog has no audit 4711; the last ones are {before['audit']}, " in unknown


def requests_at(audited: Audited) -> list[int]:
    """Catalog offsets of the audits."""
    client = CatalogClient(audited.cluster.log, CATALOG, clock=audited.cluster.clock, client_id="tests")
    try:
        return list(client.catch_up(5).coordination.audits)
    finally:
        client.close()


def test_without_a_coordinator_it_says_so_in_time_and_asks_for_nothing(cli: Cli, audited: Audited) -> None:
    """A request that nobody enacts would be enacted later, for nobody."""
    code, out, err = cli("verify", "--timeout", "200 ms")

    assert code == 1
    assert "no coordinator was heard of lately: waiting up to 200 ms" in err
    assert "no coordinator is live, and none came in 200 ms" in out
    assert "syncline coordinator" in out
    assert requests(audited.cluster) == []


def test_a_coordinator_that_draws_no_line_is_told_in_time(cli: Cli, audited: Audited) -> None:
    """It is there, and the audit's cut is not: the request stands, and where to look later is said."""
    enactor = Enactor(audited.cluster)
    enactor.enact()
    enactor.report()

    code, out, _ = cli("verify", "--timeout", "200 ms")

    assert code == 1
    assert "was not drawn across the log within 200 ms by c1" in out
    assert "syncline verify --audit" in out


def test_a_time_is_told_as_it_was_written(cli: Cli) -> None:
    """A microsecond is no 1e-06 s."""
    assert "no coordinator is live, and none came in 1 us" in cli("verify", "--timeout", "1 us")[1]


def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as answers are waited for."""

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncline.inspection.auditing.Auditor._committed", pressed)


def test_ctrl_c_says_where_the_audit_can_be_looked_at(
    cli: Cli, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 130: the request stands, and goes on without whoever asked."""
    enactor = Enactor(audited.cluster)
    enactor.enact()
    enactor.report()
    interrupted(monkeypatch)

    code, out, err = cli("verify", "inputs", *PATIENCE)
    document = cli.json("verify", "inputs", *PATIENCE, code=130)

    first, second = requests_at(audited)
    assert (code, out) == (130, "")
    assert (
        f"the audit of inputs was asked for at catalog offset {first}; it stands, and goes on by itself"
        in err
    )
    assert f"`syncline verify --audit {first}`" in err
    assert document["verdict"] == "unproven"
    assert f"syncline verify --audit {second}" in document["bundles"][0]["error"]


def test_ctrl_c_before_anything_was_asked_for_is_quiet(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stands that anybody had to know of."""

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncline.inspection.auditing.present_agents", pressed)

    code, out, err = cli("verify", "inputs")

    assert (code, out, err.strip()) == (130, "", "")


def test_a_bundle_without_agents_is_unproven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can be compared: exit 1."""
    cluster = Cluster()
    cluster.make_topics(VERSION)
    cluster.decide(registration(VERSION), release(VERSION), subscription())
    cli = Cli.on(cluster, monkeypatch, capsys)

    document = cli.json("verify", code=1)

    assert document["verdict"] == "unproven"
    assert "no agent of inputs was heard of lately" in document["bundles"][0]["error"]


def test_an_unknown_bundle_is_answered_with_the_nearest(cli: Cli) -> None:
    """As everywhere."""
    code, _, err = cli("verify", "input")

    assert code == 1
    assert "the catalog has no bundle input. Did you mean `inputs`?" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--audit", "1", "--cut", "2"),
        ("inputs", "--audit", "1"),
        ("--cut", "1", "--explain"),
        ("--cut", "-1"),
        ("--timeout", "soon"),
    ],
)
def test_half_a_question_for_proof_is_a_usage_error(cli: Cli, arguments: tuple[str, ...]) -> None:
    """Exit 64, and nothing is asked for."""
    assert cli("verify", *arguments)[0] == 64


def test_before_anything_is_applied_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with a catalog that declares nothing, too."""
    empty = Cluster()
    code, _, err = Cli.on(empty, monkeypatch, capsys)("verify")
    undeclared = Cluster()
    undeclared.make_topics(VERSION)
    other_code, _, other = Cli.on(undeclared, monkeypatch, capsys)("verify")

    assert (code, other_code) == (1, 1)
    assert "nothing has been applied to this cluster" in err
    assert "No consumer has declared a bundle" in other


def test_the_digests_of_a_version_cut_are_compared(cli: Cli, audited: Audited) -> None:
    """P4: who stood at the vector when it switched; equal digests there, and an exit code that says so."""
    minor = Version.make(8, version="1.1.0", extra=True, partitions=2)
    audited.cluster.decide(registration(minor), release(minor, number=2))
    audited.cluster.decide(RolloutRequested("inputs", RolloutAction.START, 1, 2))
    with audited.running():
        audited.await_release(2)
    (cut,) = audited.cuts()

    document = cli.json("verify", "--cut", cut)
    code, out, _ = cli("verify", "--cut", cut)
    wrong_code, _, wrong = cli("verify", "--audit", cut)

    (bundle,) = document["bundles"]
    assert (bundle["kind"], bundle["verdict"], bundle["audit"]) == ("version", "in sync", None)
    assert {agent["agent"] for agent in bundle["partitions"][0]["agents"] if agent["proof"]} == {
        f"model/a{number}" for number in range(3)
    }
    assert code == 0
    assert "3 of 3 agents stood at the vector everywhere when they switched" in out
    assert wrong_code == 1
    assert f"no audit {cut}; there was none yet" in wrong


def test_a_reason_of_blanks_is_none(cli: Cli, audited: Audited) -> None:
    """The default stands in its place."""
    with audited.running():
        cli("verify", "--reason", "  ", *PATIENCE)

    assert [reason for _, reason, _ in requests(audited.cluster)] == ["proof asked for by ada"]


def shown(bundle: dict[str, Any]) -> set[str]:
    """The agents that have shown anything."""
    return {agent["agent"] for place in bundle["partitions"] for agent in place["agents"] if agent["proof"]}


def test_states_of_another_fold_are_listed_as_no_proof(
    cli: Cli, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """promises.md: never compared; exit 1, as nobody knows whether that agent agrees."""
    own = audited.hosts[2].agent._markers._proofs
    monkeypatch.setattr(
        own,
        "of_partition",
        lambda *given, **stated: _of_fold(type(own).of_partition(own, *given, **stated), 2),
    )

    with audited.running():
        document = cli.json("verify", *PATIENCE, code=1)

    (bundle,) = document["bundles"]
    assert (document["verdict"], shown(bundle)) == ("unproven", {"model/a0", "model/a1"})
    assert "never compared" in next(agent["why"] for agent in bundle["agents"] if not agent["answered"])


def _of_fold(proof: Any, fold: int) -> Any:
    return replace(proof, fold_version=fold)
