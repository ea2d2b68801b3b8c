"""Coordinators as processes of their own, on a real broker: killed and stopped at each step of the protocol."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncline.adapters.kafka.log import KafkaLog
from syncline.catalog.coordination import Coordination, CutState
from syncline.catalog.fold import Picture
from syncline.catalog.rollout_events import Cohort, RolloutAction, RolloutOutcome, RolloutRequested
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock
from syncline.errors import LogUnavailable
from syncline.inspection.reading import read_to_end
from syncline.ports.log import TopicSpec
from syncline.telemetry.cut_reports import CoordinatorStatus, decode_cut_report
from syncline.wire.control import Marker, parse_control
from syncline.wire.topics import REPORTS_CONFIG, REPORTS_PARTITIONS, Topics, feature_config
from tests.stack.stack import KafkaServer, Stack
from tests.unit.agent.world import TESTER, registration, release, subscription
from tests.unit.state.world import Version

pytestmark = pytest.mark.real

PATIENCE_S = 60.0
"""How long a condition is awaited before a test fails; none takes nearly as long on an idle machine."""
PARTITIONS = 2
BUNDLE = "inputs"
ROOT = Path(__file__).parents[2]
AT = {"claimed": 1, "prepared": 2, "some": 3, "all": 4, "committed": 5, "live": 6, "finished": 7}
"""What stands in the log → after how many writes of a coordinator with two partitions."""


def awaited(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not come about in {PATIENCE_S:g} s"
        time.sleep(0.05)
    return found


@dataclass
class World:
    """Two releases of one bundle on the real cluster, under a prefix of their own; schema ids are invented."""

    stack: Stack
    prefix: str
    folder: Path
    partitions: int = PARTITIONS
    log: KafkaLog = field(init=False)
    topic: str = field(init=False)

    def __post_init__(self) -> None:
        """Topics and decisions, as `apply` would leave them."""
        self.log = KafkaLog(self.stack.bootstrap_servers)
        first = Version.make(1, version="1.0.0", partitions=PARTITIONS, prefix=self.prefix)
        second = Version.make(2, version="1.1.0", extra=True, partitions=PARTITIONS, prefix=self.prefix)
        self.topic = first.contract.topic
        self.log.create_topic(TopicSpec(self.topics.catalog, 1))
        self.log.create_topic(TopicSpec(self.topics.reports, REPORTS_PARTITIONS, REPORTS_CONFIG))
        settings = feature_config(first.contract.retention_us)
        self.log.create_topic(TopicSpec(self.topic, self.partitions, settings))
        self.decide(registration(first), registration(second), release(first), subscription())
        self.decide(release(second, number=2))

    @property
    def topics(self) -> Topics:
        """Names under the prefix."""
        return Topics(self.prefix)

    def decide(self, *payloads: Any) -> list[int]:
        """Append decisions to the catalog."""
        client = self._client()
        try:
            client.catch_up(20)
            return client.propose(payloads, TESTER)
        finally:
            client.close()

    def start_rollout(self, *, final_after_us: int | None = 0) -> None:
        """Ask for release 2."""
        self.decide(
            RolloutRequested(BUNDLE, RolloutAction.START, 1, 2, Cohort(), final_after_us=final_after_us)
        )

    def picture(self) -> Picture:
        """The catalog as anybody reads it."""
        client = self._client()
        try:
            return client.catch_up(20)
        finally:
            client.close()

    def standing(self) -> Coordination:
        """What stands of cuts and rollouts."""
        return self.picture().coordination

    def is_readable(self) -> bool:
        """Whether the catalog can be read: a broker that has just started does not lead it yet."""
        try:
            self.picture()
        except LogUnavailable:
            return False
        return True

    def outcome(self) -> RolloutOutcome | None:
        """How the rollout ended, or None."""
        return self.standing().rollouts[BUNDLE][-1].outcome

    def markers(self, cut: int, partition: int) -> list[int]:
        """Offsets of a cut's markers in a partition."""
        return [
            record.offset
            for record in read_to_end(self.log, self.topic, partition=partition)
            if record.key and parse_control(record.key, record.headers) == Marker(cut)
        ]

    def said(self, name: str) -> list[CoordinatorStatus]:
        """What a coordinator has reported, in order."""
        found = [decode_cut_report(record.value) for record in read_to_end(self.log, self.topics.reports)]
        return [
            report for report in found if isinstance(report, CoordinatorStatus) and report.coordinator == name
        ]

    @contextmanager
    def running(self, name: str, *program: str, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
        """`syncline coordinator`, or the program given, as a process; killed in the end."""
        stated = {"takeover_after_s": 2, "report_interval_s": 0.3, "prepare_timeout_s": 30, **settings}
        environment = {
            **os.environ,
            "SYNCLINE_BOOTSTRAP_SERVERS": self.stack.bootstrap_servers,
            "SYNCLINE_PREFIX": self.prefix,
            "SYNCLINE_COORDINATOR": name,
            **{f"SYNCLINE_{setting.upper()}": str(value) for setting, value in stated.items()},
        }
        command = [sys.executable, "-m", *(program or ("syncline", "coordinator"))]
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def dying(self, name: str, *, at: int, how: str, **settings: object) -> Any:
        """One that kills or stops itself at a write."""
        return self.running(name, "tests.integration.coordinator_process", str(at), how, **settings)

    def _client(self) -> CatalogClient:
        return CatalogClient(self.log, self.topics.catalog, clock=SystemClock(), client_id="tests")


@pytest.fixture
def world(stack: Stack, prefix: str, tmp_path: Path) -> World:
    """Nobody coordinates yet."""
    return World(stack, prefix, tmp_path)


def is_stopped(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has stopped itself."""
    assert process.poll() is None, "it ended"
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def assert_one_outcome(world: World) -> None:
    """P4, P9: no cut is open, one is committed, and its vector is made of its own markers."""
    standing = world.standing()
    assert standing.open_cut is None
    committed = [cut for cut in standing.cuts.values() if cut.state is CutState.COMMITTED]
    assert len(committed) == 1
    assert len(standing.rulings[BUNDLE]) == 1
    for _, partition, offset in committed[0].vector:
        assert offset in world.markers(committed[0].id, partition)


@pytest.mark.parametrize("step", AT)
def test_killed_after_any_step_its_successor_finishes_the_rollout(world: World, step: str) -> None:
    """P4, P9: one outcome a cut, and nothing stays open."""
    world.start_rollout()
    with world.dying("first", at=AT[step], how="killed") as first:
        assert first.wait(PATIENCE_S) == -signal.SIGKILL

    with world.running("second"):
        awaited(lambda: world.standing().holder == "second", "the takeover")
        awaited(lambda: world.outcome() is RolloutOutcome.FINAL, "the end of the rollout")

    assert_one_outcome(world)


@pytest.mark.parametrize("step", ["prepared", "some", "committed", "live"])
def test_a_zombie_that_wakes_up_changes_nothing(world: World, step: str) -> None:
    """P9: frozen just before a write, woken up when another has done it all."""
    world.start_rollout()
    with world.dying("zombie", at=AT[step], how="stopped") as zombie:
        awaited(lambda: is_stopped(zombie), "its stop")
        with world.running("heir"):
            awaited(lambda: world.outcome() is RolloutOutcome.FINAL, "the end of the rollout")
            before = world.standing()
            assert before.holder == "heir"

            zombie.send_signal(signal.SIGCONT)
            awaited(lambda: world.said("zombie")[-1].state == "STANDBY", "its standing by")

            assert world.standing() == before
    assert_one_outcome(world)


def test_told_to_stop_it_ends_cleanly_and_another_takes_over_at_once(world: World) -> None:
    """Long before `takeover_after_s`: its last report says that it has ended."""
    with world.running("first", takeover_after_s=10_000) as first:
        awaited(lambda: world.standing().holder == "first", "a claim")
        with world.running("second", takeover_after_s=10_000):
            awaited(lambda: [said.state for said in world.said("second")][-1:] == ["STANDBY"], "a standby")
            first.send_signal(signal.SIGTERM)

            assert first.wait(PATIENCE_S) == 0

            awaited(lambda: world.standing().holder == "second", "the takeover")
    assert world.said("first")[-1].state == "STOPPED"


def test_told_to_stop_while_no_broker_answers_it_ends(world: World, kafka: KafkaServer) -> None:
    """It does not wait for what cannot come."""
    with world.running("first") as first:
        awaited(lambda: world.standing().holder == "first", "a claim")
        kafka.pause()
        first.send_signal(signal.SIGTERM)

        assert first.wait(PATIENCE_S) == 0


def test_brokers_that_crash_cost_nothing_but_time(world: World, kafka: KafkaServer) -> None:
    """P10: it goes on by itself, under the claim that it has."""
    with world.running("first"):
        awaited(lambda: world.standing().holder == "first", "a claim")
        kafka.kill()
        kafka.start()
        awaited(world.is_readable, "a leader of the catalog")
        world.start_rollout()

        awaited(lambda: world.outcome() is RolloutOutcome.FINAL, "the end of the rollout")
    assert_one_outcome(world)


def test_a_broker_that_takes_no_marker_in_one_partition(stack: Stack, prefix: str, tmp_path: Path) -> None:
    """The cut is aborted past its deadline, by the name of topic and partition; after three a person is asked."""
    world = World(stack, prefix, tmp_path, partitions=1)
    world.start_rollout()

    with world.running("first", prepare_timeout_s=1):
        rollout = awaited(
            lambda: (under_way := world.standing().under_way(BUNDLE)) and under_way.paused, "the pause"
        )

    assert rollout == f"3 cuts failed: no marker was acknowledged in time in {world.topic} partition 1"
    assert [cut.state for cut in world.standing().cuts.values()] == [CutState.ABORTED] * 3
