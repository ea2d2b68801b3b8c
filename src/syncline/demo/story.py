"""The demo: all of it on real flights, from the contract to the model input, in a minute."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from syncline.clock import Clock
from syncline.demo import release_changes
from syncline.demo.airport_versions import AIRPORT_VIEW
from syncline.demo.applying import DefinitionsFolder, apply_folder
from syncline.demo.cluster import Cluster, open_cluster
from syncline.demo.fleet import Fleet, has_reached
from syncline.demo.flight_job import Row
from syncline.demo.flights import DEMO, YEAR, Departure, Replay, in_batches
from syncline.demo.flow import Flow, Told
from syncline.demo.inputs import BUNDLE, show_inputs
from syncline.demo.processes import CONSUMER, Replica, RoleProcess, coordinator
from syncline.demo.release_changes import expected_of
from syncline.demo.results import is_comparable, show_dead_letters, show_proof
from syncline.demo.scene import Scene
from syncline.demo.screen import Screen
from syncline.demo.telemetry_stack import METRICS, SCRAPE_S, TelemetryStack
from syncline.demo.watch import Expected, InputWatch
from syncline.errors import SynclineError
from syncline.inspection.dead_letters import DeadLetters
from syncline.ports.log import TopicPartition
from syncline.telemetry.reports import AgentStatus
from syncline.wire.topics import Topics
from syncline.wiring import FeatureReader, Publisher

_AHEAD_US = 45_000_000
"""Event times are shifted so that the last flight falls about where the demo ends."""
FLOWING_ROWS = 25_000
"""So many updates are kept back: they flow while versions change."""
FLOWING_BATCH_ROWS = 50
_RECENT = 600
_OFTEN = 20
_WAIT_S = 120.0


class Demo:
    """One run of the demo."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        screen: Screen,
        clock: Clock,
        whole_year: bool,
        telemetry: TelemetryStack | None = None,
    ) -> None:
        """`telemetry` is where spans and metrics go; None: nowhere."""
        self._cluster = cluster
        self._telemetry = telemetry
        self._screen = screen
        self._clock = clock
        self._topics = Topics(cluster.settings.prefix)
        self._replay = Replay.load(YEAR if whole_year else DEMO, shift_to_us=clock.now_us() + _AHEAD_US)

    def run(self) -> None:
        """Tell the whole story.

        Raises:
            SynclineError: something did not come out as promised: digests differ, an input mixed releases, or a process
                ended by itself.
        """
        screen, settings = self._screen, self._cluster.settings
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncline-demo-")))
            screen.step("Contracts, a bundle and subscriptions become decisions in the catalog")
            definitions = DefinitionsFolder(folder)
            expected = {f"{BUNDLE}@1": self._apply(definitions)}
            fleet = Fleet(self._cluster.log, self._topics.reports, clock=self._clock)
            stack.callback(fleet.close)
            screen.step("Two agents start, as beside two replicas of a service, and a coordinator")
            replicas = [
                Replica.of(settings, instance=name, folder=folder, metrics=self._metrics(name))
                for name in ("replica-1", "replica-2")
            ]
            roles = [
                *(replica.process for replica in replicas),
                coordinator(settings, folder=folder, metrics=self._metrics("coordinator")),
            ]
            for role in roles:
                stack.enter_context(role)
            for replica in replicas:
                screen.say(f"syncline agent --subscription {CONSUMER} --store …/{replica.instance}")
            screen.say("syncline coordinator")
            self._wait(fleet, replicas, roles, {}, "the agents' first report")
            started_s = self._clock.monotonic_s()
            screen.step("A streaming job publishes what it computes from real flights of 2013")
            publisher = stack.enter_context(self._publisher())
            heard, told = self._replay.heard(), Told()
            self._publish(publisher, islice(heard, self._total - FLOWING_ROWS), told)
            screen.step("A producer without the library sends three broken records")
            self._misbehave()
            self._wait(fleet, replicas, roles, self._ends(), "folding the whole log")
            folded_s = self._clock.monotonic_s() - started_s
            applied = min(status.applied_rows for status in fleet.statuses.values())
            screen.say(
                f"Both agents have folded all of it: {applied:,} updates each, {applied / folded_s:,.0f}/s "
                "from the first publish to the last commit"
            )
            readers = {
                replica.name: stack.enter_context(FeatureReader(replica.store)) for replica in replicas
            }
            with ExitStack() as going_on:
                flow = going_on.enter_context(
                    Flow(
                        publisher, in_batches(heard, chunk_rows=FLOWING_BATCH_ROWS), told, total=FLOWING_ROWS
                    )
                )
                watches = {
                    name: going_on.enter_context(
                        InputWatch(reader, self._asked(), expected=expected, told=told)
                    )
                    for name, reader in readers.items()
                }
                scene = Scene(
                    self._cluster,
                    screen,
                    self._clock,
                    fleet,
                    flow,
                    watches,
                    expected,
                    lambda: _require(roles),
                )
                self._change(scene, definitions)
                flow.finish()
            self._wait(fleet, replicas, roles, self._ends(), "folding the rest")
            screen.step("A model gets its inputs: real departures, and what was known before they left")
            show_inputs(readers[replicas[0].name], self._replay, screen)
            screen.step("What broke its contract was kept whole, with the reason")
            show_dead_letters(screen, DeadLetters(self._cluster.log, self._feature_topics()))
            screen.step("The log stands still now: both agents' digests")
            # Heartbeats may have come since: reports of two moments cannot be compared.
            fleet.wait(
                lambda statuses: is_comparable(
                    [statuses[replica.name] for replica in replicas], self._feature_topics()
                ),
                timeout_s=_WAIT_S,
                watch=lambda: _require(roles),
                waiting_for="reports of both agents at one moment of the log",
            )
            show_proof(screen, [fleet.statuses[replica.name] for replica in replicas], self._feature_topics())
            if self._telemetry is not None:
                screen.step("What an SRE sees of it")
                for what, link in self._telemetry.links():
                    screen.say(what)
                    screen.say(f"   {link}")
                screen.say("Prometheus looks once more")
                time.sleep(SCRAPE_S + 1)
        screen.step("What to try next")
        self._next()

    def _apply(self, definitions: DefinitionsFolder) -> Expected:
        if self._cluster.log.describe_topic(self._topics.catalog) is not None:
            prefix = self._cluster.settings.prefix
            raise SynclineError(
                f"there is a catalog {self._topics.catalog} already: the demo brings releases live and back, and "
                f"does so only in one of its own; play it under another prefix, as with SYNCLINE_PREFIX={prefix}2"
            )
        picture = apply_folder(
            definitions.path,
            self._cluster,
            clock=self._clock,
            reason="to show what Syncline does",
            on_step=self._screen.say,
        )
        return expected_of(picture, 1)

    def _change(self, scene: Scene, definitions: DefinitionsFolder) -> None:
        screen = self._screen
        screen.step(
            "MINOR: a feature is added, while flights keep flowing and a model reads both replicas all the time"
        )
        release_changes.minor(scene, definitions)
        screen.step("MAJOR: delays become seconds")
        release_changes.major(scene, definitions)
        screen.step("And back, at once")
        release_changes.back(scene)
        screen.step("Proof of sync, at a line across the log that flows on")
        release_changes.prove(scene)
        screen.step("What the model has read meanwhile")
        release_changes.tell_inputs(scene)

    def _publisher(self) -> Publisher:
        settings = self._cluster.settings
        return Publisher.from_env(
            publisher="flights",
            on_violation="deadLetter",
            bootstrap_servers=settings.bootstrap_servers,
            registry_url=settings.registry_url,
            prefix=settings.prefix,
            metrics=self._metrics("publisher"),
        )

    def _metrics(self, process: str) -> str:
        return METRICS[process] if self._telemetry is not None else ""

    @property
    def _total(self) -> int:
        return sum(self._replay.counts.values())

    def _asked(self) -> list[Departure]:
        """Whose inputs are read while versions change: late departures to the airports that most go to."""
        departures = [one for one in self._replay.departures()[-_RECENT:] if one.tailnum]
        often = {dest for dest, _ in Counter(one.dest for one in departures).most_common(_OFTEN)}
        return [one for one in departures if one.dest in often]

    def _publish(self, publisher: Publisher, heard: Iterator[tuple[int, str, Row]], told: Told) -> None:
        total = self._total - FLOWING_ROWS
        counts: Counter[str] = Counter()
        with self._screen.progress("updates", total) as advance:
            views = {view: publisher.view(view) for view in self._replay.counts}
            started_s = self._clock.monotonic_s()
            for batch in in_batches(heard, chunk_rows=4_000):
                views[batch.view].publish_many(batch.rows)
                counts[batch.view] += len(batch.rows)
                if batch.view == AIRPORT_VIEW:
                    told.add(batch.rows)
                    told.forget_the_past()
                advance(counts.total())
            publisher.flush()
            stats = publisher.stats()
            took_s = self._clock.monotonic_s() - started_s
        per_view = ", ".join(f"{count:,} {view}" for view, count in counts.items())
        self._screen.say(f"{counts.total():,} updates ({per_view}); {FLOWING_ROWS:,} more follow below")
        self._screen.say(
            f"{stats.acknowledged:,} acknowledged, {stats.failed} failed, {stats.unknown} unknown; "
            f"{counts.total() / took_s:,.0f} updates/s, computing them included"
        )

    def _misbehave(self) -> None:
        topic = self._topics.features("airport_delay", 1)
        writer = self._cluster.log.writer(client_id="a-foreign-producer")
        broken = {
            "no key": (None, b"{}"),
            "another framing": (b"EWR", b'{"airport": "EWR"}'),
            "a delete without its event time": (b"EWR", None),
        }
        for key, value in broken.values():
            writer.append(topic, key=key, value=value)
        writer.close(10.0)
        self._screen.say(", ".join(broken))

    def _ends(self) -> dict[TopicPartition, int]:
        reader = self._cluster.log.reader(client_id="syncline-demo-ends")
        try:
            return {
                (topic, partition): reader.watermarks(topic, partition)[1]
                for topic, count in self._feature_topics().items()
                for partition in range(count)
            }
        finally:
            reader.close()

    def _feature_topics(self) -> dict[str, int]:
        found = {}
        for view, major in [*((view, 1) for view in self._replay.counts), (AIRPORT_VIEW, 2)]:
            topic = self._topics.features(view, major)
            description = self._cluster.log.describe_topic(topic)
            if description is not None:
                found[topic] = description.partitions
        return found

    def _wait(
        self,
        fleet: Fleet,
        replicas: Sequence[Replica],
        roles: Sequence[RoleProcess],
        ends: Mapping[TopicPartition, int],
        waiting_for: str,
    ) -> None:
        names = {replica.name for replica in replicas}

        def done(statuses: Mapping[str, AgentStatus]) -> bool:
            return names <= statuses.keys() and all(
                statuses[name].state == "LIVE" and has_reached(statuses[name], ends) for name in names
            )

        fleet.wait(done, timeout_s=_WAIT_S, watch=lambda: _require(roles), waiting_for=waiting_for)

    def _next(self) -> None:
        steps = {
            "syncline init my-features && cd my-features": "these definitions, to change as you like",
            "syncline validate && syncline plan": "all problems of its files at once, then what a change would do",
            "make stack": "a real Kafka and schema registry on this machine, with Jaeger and Prometheus",
            "syncline demo --stack": "the same there, with every stage in Jaeger and every figure in Prometheus",
            "syncline demo --bootstrap-servers … --registry …": "the same there, with all 336,776 flights of 2013",
        }
        if not self._cluster.embedded:
            steps = {
                "syncline status": "what the agents report",
                "syncline dlq list airport_delay": "dead letters, folded over replicas",
                "syncline agent --subscription ops-dashboard --store ./store": "an agent of your own",
                "syncline get flight_inputs origin=EWR dest=IAH tailnum=N14228 --store ./store": "its model input",
            }
        for command, what in steps.items():
            self._screen.say(command)
            self._screen.say(f"   {what}")


def _require(roles: Sequence[RoleProcess]) -> None:
    for role in roles:
        role.require_running()


def run_demo(
    *,
    screen: Screen,
    clock: Clock,
    bootstrap_servers: str | None,
    registry_url: str | None,
    whole_year: bool,
    telemetry: TelemetryStack | None = None,
) -> None:
    """Run the demo, embedded unless a cluster is named."""
    with open_cluster(bootstrap_servers, registry_url) as cluster:
        Demo(cluster, screen=screen, clock=clock, whole_year=whole_year, telemetry=telemetry).run()
