"""Forks at any moment, and clocks that are seconds off: telemetry holds up nobody, and tells no nonsense."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.lmdb.store import LmdbStore
from syncline.agent.agent import Agent, Ports
from syncline.clock import SystemClock
from syncline.errors import StoreError
from syncline.publisher import Publisher
from syncline.reader import FeatureReader
from syncline.settings import AgentSettings, PublisherSettings, TelemetrySettings
from syncline.telemetry.telemetry import Telemetry
from tests.integration.otlp_sink import Sink, sink
from tests.integration.telemetry_world import AIRPORT, BUNDLE, CONSUMER, KEYS, Flights, awaited, read_until
from tests.stack.stack import Stack

pytestmark = pytest.mark.real

HANGS_S = 60.0


def flights_at(stack: Stack, arrived: Sink, folder: Path) -> Flights:
    """The demo's definitions, with everything traced, and sent there."""
    return Flights(stack, arrived, f"clocks-{uuid4().hex[:8]}", folder)  # type: ignore[arg-type]  # it has an address


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flights, Sink]]:
    """A world whose spans arrive, with an agent that lives as long as the module."""
    with sink() as arrived:
        flights = flights_at(stack, arrived, tmp_path_factory.mktemp("world"))
        with flights.agent(), flights.reader():
            yield flights, arrived


# Clocks.


@dataclass(frozen=True)
class OffClock:
    """The machine's clock, and so many seconds."""

    by_s: int

    def now_us(self) -> int:
        """Microseconds since 1970, as this clock has it."""
        return SystemClock().now_us() + self.by_s * 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""
        return SystemClock().monotonic_s()


@dataclass
class OffRoles:
    """A publisher, an agent and a reader in this process, each with a clock of its own, on a real broker."""

    flights: Flights
    folder: Path
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def telemetry(self, settings: TelemetrySettings, role: str, clock: OffClock) -> Telemetry:
        """What a role says of itself."""
        made = Telemetry(settings, service=role, instance="off", clock=clock, registry=self.registry)
        with self.flights.as_role(role):
            assert made.tracing is not None
        return made

    @contextmanager
    def publisher(self, by_s: int) -> Iterator[Publisher]:
        """One whose clock is so much ahead."""
        clock = OffClock(by_s)
        settings = PublisherSettings(publisher="off", prefix=self.flights.prefix, trace_share=1.0)
        with Publisher(
            KafkaLog(self.flights.stack.bootstrap_servers),
            settings=settings,
            clock=clock,
            topics=self.flights.topics,
            telemetry=self.telemetry(settings, "off-publisher", clock),
        ) as publisher:
            yield publisher

    @contextmanager
    def agent(self, by_s: int) -> Iterator[None]:
        """One whose clock is so much ahead."""
        clock, stop = OffClock(by_s), threading.Event()
        settings = AgentSettings(
            subscription=CONSUMER, instance="off", prefix=self.flights.prefix, report_interval_s=0.2
        )
        with closing(LmdbStore.open(self.folder / "store", create=True, read_only=False)) as store:
            telemetry = self.telemetry(settings, "off-agent", clock)
            ports = Ports(KafkaLog(self.flights.stack.bootstrap_servers), store, clock, None, telemetry)
            agent = Agent(ports, settings=settings, consumer=CONSUMER, stopped=stop.is_set, wait=stop.wait)
            thread = threading.Thread(target=agent.run)
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()

    @contextmanager
    def reader(self, by_s: int) -> Iterator[FeatureReader]:
        """One whose clock is so much ahead, once there is something to read."""
        clock = OffClock(by_s)
        store = awaited(self._store, "a store")
        with FeatureReader(
            store, clock=clock, telemetry=self.telemetry(TelemetrySettings(), "off-reader", clock)
        ) as reader:
            awaited(lambda: (found := reader.condition()) and found.ready, "an agent that is ready")
            yield reader

    def _store(self) -> LmdbStore | None:
        try:
            return LmdbStore.open(self.folder / "store", create=False, read_only=True)
        except StoreError:
            return None


@pytest.mark.parametrize(
    ("off_s", "skewed"),
    [((5, -5, -10), {"send", "deliver", "model input"}), ((-5, 5, 0), {"model input"})],
    ids=["backwards", "forwards"],
)
def test_clocks_that_are_off_make_no_negative_times(
    world: tuple[Flights, Sink], tmp_path: Path, off_s: tuple[int, int, int], skewed: set[str]
) -> None:
    """Publisher, agent and reader disagree by seconds: no span ends before it began, and where it would, it says so."""
    flights, arrived = world
    of_publisher_s, of_agent_s, of_reader_s = off_s
    roles = OffRoles(flights, tmp_path)
    with (
        roles.agent(of_agent_s),
        roles.reader(of_reader_s) as reader,
        roles.publisher(of_publisher_s) as publisher,
    ):
        row = {**AIRPORT, "departures_1h": 100 + of_publisher_s}
        view = publisher.view("airport_delay")
        view.publish({"airport": "EWR"}, row, event_time=SystemClock().now_us())
        read_until(
            reader, KEYS, lambda got: got.values["origin_delay__departures_1h"] == row["departures_1h"]
        )
        page = generate_latest(roles.registry).decode()

    ours = {flights.service(f"off-{role}") for role in ("publisher", "agent", "reader")}
    spans = arrived.wait(
        lambda found: {span.name for span in found if span.service in ours} > {f"model input {BUNDLE}"},
        "the spans of all three",
    )
    (send,) = [span for span in spans if span.service in ours and span.name == f"send {flights.topic}"][-1:]
    trace = [span for span in spans if span.trace_id == send.trace_id and span.service in ours]
    assert len(trace) == 6
    assert all(span.end_ns >= span.start_ns for span in spans)
    marked = {span.name for span in trace if span.attributes.get("syncline.clock_skew")}
    assert {name.removesuffix(f" {flights.topic}").removesuffix(f" {BUNDLE}") for name in marked} == skewed
    assert all(span.end_ns == span.start_ns for span in trace if span.name in marked)
    negative = [line for line in page.splitlines() if line.startswith("syncline_") and " -" in line]
    assert negative == []


# Forks.

FORKS = """
import os, sys, threading, time
from prometheus_client import generate_latest
from syncline.errors import PublisherClosed
from syncline.wiring import FeatureReader, Publisher

store, forks, stop = sys.argv[1], int(sys.argv[2]), threading.Event()
keys = {"origin": "EWR", "dest": "IAH", "tailnum": "N14228"}
row = {"dep_delay_mean_1h": 1.5, "arr_delay_mean_1h": 3.25, "departures_1h": 1, "arrivals_1h": 9, "cancelled_24h": 2}
reader, publisher = FeatureReader(store), Publisher.from_env(publisher="forked")
view = publisher.view("airport_delay")

def publish():
    view.publish({"airport": "EWR"}, row, event_time=time.time_ns() // 1_000)
    time.sleep(0.0005)

def read():
    return reader.get("flight_inputs", keys).values["origin_delay__departures_1h"]

def many():
    return reader.get_many("flight_inputs", [keys] * 3)

def in_children(ends):
    failed = 0
    for number, end in enumerate(ends):
        time.sleep(0.01)
        child = os.fork()
        if not child:
            try:
                for _ in range(20):
                    assert read() == 1
                    assert many().to_dict()["origin_delay__departures_1h"] == [1, 1, 1]
                assert b"syncline_read_duration_seconds_count" in generate_latest()
                try:
                    publish()
                except PublisherClosed:
                    pass
                else:
                    os._exit(3)
                publisher.close()
                reader.close()
            except BaseException as error:
                print("in the child:", type(error), error, file=sys.stderr)
                os._exit(4)
            end(0)
        deadline_s = time.monotonic() + 8
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > deadline_s:
                os.kill(child, 9)
                ended = os.waitpid(child, 0)
                print("a child hung:", number, file=sys.stderr)
                break
            time.sleep(0.002)
        failed += ended[1] != 0
    print("failed:", failed)

publish()
publisher.flush()
"""
BUSY = """
while read() != 1 or reader._watch._spans is None:  # until it has met a value that is traced
    time.sleep(0.001)

def busy(what):
    while not stop.is_set():
        what()

threads = [
    threading.Thread(target=busy, args=(what,), daemon=True) for what in (publish, read, many, generate_latest)
]
for thread in threads:
    thread.start()
# The first ends as a program does, with all that waits for the end of one; the others as multiprocessing ends.
in_children([sys.exit, *[os._exit] * (forks - 1)])
stop.set()
for thread in threads:
    thread.join()
publisher.close()
reader.close()
"""
LOOKING = """
from syncline.telemetry import provider

while reader.condition() is None or not reader.serving():
    time.sleep(0.01)
found = provider._exporter
provider._exporter = lambda *named: (looking.set(), time.sleep(1.0), found(*named))[2]
looking = threading.Event()
# What it waits for: a read of a value that is traced.
thread = threading.Thread(target=lambda: [read() for _ in iter(looking.is_set, True)])
thread.start()
assert looking.wait(20)
in_children([os._exit] * forks)
thread.join()
publisher.close()
reader.close()
"""


def forked(flights: Flights, script: str, forks: int) -> str:
    """What a process says that forks so often, its exporter hanging all the time."""
    with sink(delay_s=HANGS_S) as hanging:
        environment = flights.environment("forked", OTEL_EXPORTER_OTLP_ENDPOINT=hanging.otlp_endpoint)
        done = subprocess.run(
            [sys.executable, "-c", FORKS + script, str(flights.folder / "store"), str(forks)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout + "".join(
        line for line in done.stderr.splitlines(keepends=True) if "child" in line or "Error" in line
    )


def test_a_reader_goes_on_after_a_fork(world: tuple[Flights, Sink]) -> None:
    """Forked at any moment, with all threads busy: the child reads on, refuses to publish, and neither side hangs."""
    flights, _ = world

    assert forked(flights, BUSY, 12) == "failed: 0\n"


def test_a_fork_while_spans_are_set_up_does_not_hang_the_child(world: tuple[Flights, Sink]) -> None:
    """Another thread was just looking for the exporter: the child looks for itself."""
    flights, _ = world

    assert forked(flights, LOOKING, 1) == "failed: 0\n"
