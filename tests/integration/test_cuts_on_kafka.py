"""Cuts on a real broker: agents, a coordinator, a publisher and models, all of them processes of their own."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from syncline.catalog.rollout_events import RolloutAction, RolloutMode
from syncline.reader.feature_reader import FeatureReader
from tests.integration.cuts_processes import Agent, awaited
from tests.integration.cuts_stores import Contents, Place
from tests.integration.cuts_world import AIRPORTS, BUNDLE, Folded, World, folded, why_wrong
from tests.stack.stack import KafkaServer, Stack

pytestmark = pytest.mark.real

CLIENTS = "tests.integration.cuts_clients"
SLOW_FETCHES = json.dumps({"fetch.wait.max.ms": 500, "fetch.min.bytes": 10_000_000})
"""What is fetched comes half a second late."""


@pytest.fixture
def world(stack: Stack, prefix: str, tmp_path: Path) -> Iterator[World]:
    """Three releases, the first of them active; nobody takes part yet."""
    made = World(stack, prefix.rstrip("-"), tmp_path)
    yield made
    made.close()


def test_all_agents_switch_at_each_of_many_cuts_while_models_read(world: World, tmp_path: Path) -> None:
    """P2, P3, P4: under publishing, with agents slow, frozen, killed and late, no model input mixes releases.

    Every switch is at its vector, and what is read right after it is the independent fold of the raw log.
    """
    steady, frozen, killed, late = (
        world.agent(name, alignment_limit_s=2) for name in ("steady", "frozen", "killed", "late")
    )
    slow = world.agent("slow", client=SLOW_FETCHES)
    agents = [steady, slow, frozen, killed, late]
    seen_file = tmp_path / "seen.json"
    reading = [CLIENTS, "read", str(seen_file), *(str(agent.store) for agent in agents)]
    chance, graves = random.Random(5), list[Contents]()

    def all_follow(*others: Agent) -> None:
        for agent in (steady, *others):
            agent.await_epoch(world.standing().rulings[BUNDLE][-1].epoch)

    with (
        world.coordinator(),
        world.running("publisher", CLIENTS, "publish") as publisher,
        world.running("clients", *reading) as clients,
        steady,
        slow,
        frozen,
        killed,
        late,
    ):
        for agent in (steady, slow, killed):
            agent.start()
        for agent in (steady, slow, killed):
            agent.await_ready()

        # MINOR, and back by a cut; one agent dies at some moment of each.
        for _ in range(3):
            world.ask(RolloutAction.START, to=2)
            graves.append(die(killed, chance))
            awaited(lambda: world.rollout().step == "live", "release 2 live")
            all_follow()
            killed.await_running()
            world.ask(RolloutAction.ROLLBACK)
            graves.append(die(killed, chance))
            world.await_end()
            all_follow()
            killed.await_running()

        for _ in range(2):
            world.go(2)
            all_follow()
            world.go_back(RolloutMode.CUT)
            all_follow()

        # An agent that is frozen misses a MAJOR, the way back at once, and a MINOR.
        frozen.start()
        frozen.await_ready()
        late.start()
        frozen.signal(signal.SIGSTOP)
        world.go(3)
        all_follow()
        world.go_back(RolloutMode.IMMEDIATE)
        all_follow()
        world.go(2)
        world.finish()
        all_follow()
        frozen.signal(signal.SIGCONT)
        all_follow(*agents)

        # To a MAJOR, back, and there for good; then back to what was let go by all.
        world.go(3)
        all_follow()
        world.go_back(RolloutMode.CUT)
        all_follow()
        world.go(3)
        all_follow()
        world.finish()
        world.go(1)
        all_follow()
        world.finish()
        for release in (2, 3):
            world.go(release)
            all_follow()
            world.go_back(RolloutMode.CUT)
        all_follow(*agents)

        publisher.stop()
        clients.stop()
        for agent in agents:
            agent.await_end()
            agent.stop()

    seen = json.loads(seen_file.read_text())
    assert {client["store"]: client["wrong"] for client in seen} == {agent.name: [] for agent in agents}
    rulings = world.standing().rulings[BUNDLE]
    assert len([ruling for ruling in rulings if ruling.cut is not None]) >= 20
    assert_only_what_was_decided(world, seen)
    for client in seen:
        if client["store"] not in (killed.name, late.name):
            assert_never_refused(client)
    switched = [(client["store"], switch) for client in seen for switch in client["switched"]]
    assert_folds(world, switched, [*graves, *(agent.contents() for agent in agents)])
    mine = [report for report in world.reached() if report.agent == f"model/{steady.name}"]
    assert {report.epoch for report in mine} == {r.epoch for r in rulings if r.cut is not None}
    assert {report.aligned for report in mine} == {True}


def die(agent: Agent, chance: random.Random) -> Contents:
    """`kill -9` at a moment that nothing chooses; what it left behind. It is started again."""
    time.sleep(chance.random() * 0.3)
    agent.kill()
    left = agent.contents()
    agent.start()
    return left


def test_agents_held_beyond_their_limit_go_on_and_switch_later(world: World) -> None:
    """Rule 6: a coordinator that stops before it commits holds nobody for longer than the limit."""
    agents = [world.agent(name, alignment_limit_s=1) for name in ("a", "b")]
    # A claim, CutPrepared, and a marker in each of four partitions come first.
    program = ("tests.integration.coordinator_process", "7", "stopped")
    settings = {"coordinator": "c", "report_interval_s": 0.5, "prepare_timeout_s": 60}
    with (
        world.running("publisher", CLIENTS, "publish") as publisher,
        agents[0],
        agents[1],
        world.running("coordinator", *program, **settings) as coordinator,
    ):
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.await_ready()
        world.ask(RolloutAction.START, to=2)
        awaited(coordinator.is_stopped, "the coordinator's stop")
        cut = world.standing().open_cut
        assert cut is not None
        for agent in agents:
            with agent.reader() as reader:
                # Each look is a read: it is answered while partitions stand.
                awaited(lambda: is_input_of(1, reader) and gave_up(world, agent, cut), "giving up")  # noqa: B023  awaited here
        went_on_from = [agent.rows() for agent in agents]
        for agent, rows in zip(agents, went_on_from, strict=True):
            awaited(lambda agent=agent, rows=rows: agent.rows() > rows, f"{agent.name} going on")
        assert [agent.epoch() < cut for agent in agents] == [True, True]

        coordinator.signal(signal.SIGCONT)
        awaited(lambda: world.rollout().step == "live", "release 2 live")
        for agent in agents:
            agent.await_epoch(world.standing().rulings[BUNDLE][-1].epoch)
        publisher.stop()
        for agent in agents:
            agent.await_end()
            agent.stop()

    reached = world.reached()
    assert {(report.agent, report.cut, report.why) for report in reached} == {
        (f"model/{agent.name}", cut, "gave up holding") for agent in agents
    }
    assert all(proof.digest is not None for report in reached for proof in report.partitions)
    assert_folds(world, [], [agent.contents() for agent in agents])


def is_input_of(release: int, reader: FeatureReader) -> bool:
    """Whether a model input is of this release; it never fails."""
    row = reader.get(BUNDLE, {"airport": AIRPORTS[0]})
    assert (row.release, why_wrong(release, row.values)) == (f"{BUNDLE}@{release}", "")
    return True


def gave_up(world: World, agent: Agent, cut: int) -> bool:
    """Whether it has reported that it holds for a cut no more."""
    status = world.statuses().get(f"model/{agent.name}")
    return status is not None and cut in status.given_up


def test_snapshots_under_load_and_after_trimming(world: World, tmp_path: Path) -> None:
    """P2, P6: begun from a snapshot, or filled anew from it where the log is gone, a store is that of the others."""
    donor, away, doomed = (world.agent(name) for name in ("donor", "away", "doomed"))
    young = world.agent("young", "--snapshots", str(tmp_path / "snapshots"))
    back = world.agent("away", "--snapshots", str(tmp_path / "snapshots"))
    with world.coordinator(), world.running("publisher", CLIENTS, "publish") as publisher, donor, away:
        donor.start()
        away.start()
        for agent in (donor, away):
            agent.await_ready()
        awaited(away.has_begun, "records in every partition")
        away.stop()
        shutil.copytree(away.store, doomed.store)
        world.go(2)
        donor.await_epoch(world.standing().rulings[BUNDLE][-1].epoch)
        behind = away.contents()
        awaited(lambda: donor.is_past(behind), "a donor beyond the others")
        take_snapshot(world, donor, tmp_path / "snapshots")
        world.trim({place: position + 1 for place, (position, _, _) in behind.items()})
        world.go_back(RolloutMode.CUT)
        with young, back, doomed:
            for agent in (young, back, doomed):
                agent.start()
            for agent in (young, back):
                agent.await_epoch(world.standing().rulings[BUNDLE][-1].epoch)
                agent.await_ready()
            assert doomed.await_exit() == 1
            condition = doomed.condition()
            assert condition is not None
            assert (condition.state, condition.ready) == ("FAILED", False)
            assert "trimmed past it. Start this agent with `--snapshots`" in condition.reason
            publisher.stop()
            for agent in (donor, young, back):
                agent.await_end()
                agent.stop()

    assert "RESYNC" in back.said
    contents = [agent.contents() for agent in (donor, young, back)]
    assert contents[0] == contents[1] == contents[2]
    reports = {(report.agent, report.why) for report in world.reached()}
    assert ("model/young", "snapshot") in reports
    assert ("model/away", "snapshot") in reports


def take_snapshot(world: World, agent: Agent, folder: Path) -> None:
    """`syncline snapshot create` while the agent goes on."""
    with world.running(
        "snapshot", "syncline", "snapshot", "create", "--store", str(agent.store), "--to", str(folder)
    ) as taking:
        assert taking.await_exit() == 0, taking.said


def test_a_broker_that_restarts_during_a_cut_costs_nothing_but_time(world: World, kafka: KafkaServer) -> None:
    """P4, P10: whatever had landed of the cut, one outcome stands in the end, and all agents are there."""
    agents = [world.agent(name) for name in ("a", "b")]
    with (
        world.coordinator(prepare_timeout_s=3),
        world.running("publisher", CLIENTS, "publish") as publisher,
        agents[0],
        agents[1],
    ):
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.await_ready()
        asked = world.ask(RolloutAction.START, to=3)
        kafka.kill()
        kafka.start()
        awaited(lambda: world.rollout().step == "live", "release 3 live")
        assert world.rollout().id == asked
        for agent in agents:
            agent.await_epoch(world.standing().rulings[BUNDLE][-1].epoch)
        publisher.stop()
        for agent in agents:
            agent.await_end()
            agent.stop()

    standing = world.standing()
    assert standing.open_cut is None
    assert len(standing.rulings[BUNDLE]) == 1
    assert_folds(world, [], [agent.contents() for agent in agents])


def assert_only_what_was_decided(world: World, seen: list[dict[str, Any]]) -> None:
    """P4: releases of model inputs follow the decisions of the catalog, in its order."""
    picture = world.picture()
    base = picture.releases[BUNDLE][0].offset
    decided = {base: f"{BUNDLE}@1/{base}/None"}
    for ruling in picture.coordination.rulings[BUNDLE]:
        told = f"{BUNDLE}@{ruling.to_release}/{ruling.epoch}/{ruling.introduced_by}"
        decided[ruling.epoch] = told
    for client in seen:
        answers = [run["answer"] for run in client["runs"] if is_answer(run)]
        epochs = [int(answer.split("/")[1]) for answer in answers]
        assert answers == [decided[epoch] for epoch in epochs]
        assert all(before <= after for before, after in pairwise(epochs)), client["store"]


def assert_never_refused(client: dict[str, Any]) -> None:
    """Once there were answers there always were."""
    runs = client["runs"]
    first = next(number for number, run in enumerate(runs) if is_answer(run))
    assert [run["answer"] for run in runs[first:] if not is_answer(run)] == [], client["store"]


def is_answer(run: dict[str, Any]) -> bool:
    """Whether these reads were answered with values."""
    return str(run["answer"]).startswith(f"{BUNDLE}@")


def assert_folds(world: World, switched: list[tuple[str, dict[str, Any]]], stores: list[Contents]) -> None:
    """P2: cells, values and digests are those of an independent fold of the raw log at the same positions."""
    reached = world.reached()
    wanted: dict[Place, set[int]] = {place: set() for place in world.places}
    for _, switch in switched:
        for topic, partition, position in switch["positions"]:
            wanted[topic, partition].add(position)
    for found in stores:
        for place, (position, _, _) in found.items():
            wanted[place].add(position)
    for report in reached:
        for proof in report.partitions:
            wanted[proof.topic, proof.partition].add(proof.offset)
    at = folded(world, wanted)

    for report in reached:
        for proof in report.partitions:
            if proof.digest is not None or report.aligned:
                assert proof.digest == at[proof.topic, proof.partition, proof.offset].digest, report
    for found in stores:
        for place, (position, cells, digest) in found.items():
            assert (cells, digest) == (at[(*place, position)].cells, at[(*place, position)].digest), place
    for store, switch in switched:
        assert_switch(world, switch, at, f"{store} at epoch {switch['epoch']}")


def assert_switch(
    world: World, switch: dict[str, Any], at: dict[tuple[str, int, int], Folded], what: str
) -> None:
    """P4: right after it, nothing below the vector is missing, and all that is read is the fold at the positions."""
    positions = {(topic, partition): offset for topic, partition, offset in switch["positions"]}
    vectors = {ruling.epoch: ruling.floor for ruling in world.standing().rulings[BUNDLE]}
    for topic, partition, offset in vectors.get(switch["epoch"], ()):
        assert positions.get((topic, partition), offset) >= offset, what
    kept: dict[Place, dict[bytes, Any]] = {place: {} for place in positions}
    for topic, partition, key, *head, payload in switch["cells"]:
        kept[topic, partition][bytes.fromhex(key)] = (*head, bytes.fromhex(payload))
    by_topic: dict[tuple[str, bytes], Any] = {}
    for place, position in positions.items():
        expected = at[(*place, position)].cells
        assert kept[place] == expected, f"{what}, {place}"
        by_topic |= {(place[0], key): cell for key, cell in expected.items()}
    inputs = {airport: world.input_of(switch["release"], airport, by_topic) for airport in AIRPORTS}
    assert switch["values"] == inputs, what
