"""The demo: all of it on real flights, from the contract to the model input, in a minute."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

from syncline.catalog_client import Author, CatalogClient
from syncline.clock import Clock
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.definitions.observe import observe
from syncline.definitions.plan import plan
from syncline.demo.agents import CONSUMER, AgentProcess
from syncline.demo.cluster import Cluster, open_cluster
from syncline.demo.fleet import Fleet, has_reached
from syncline.demo.flights import DEMO, YEAR, Replay
from syncline.demo.inputs import show_inputs
from syncline.demo.screen import Screen
from syncline.errors import SynclineError
from syncline.inspection.dead_letters import DeadLetters, survey
from syncline.inspection.fleet import compare
from syncline.ports.log import TopicPartition
from syncline.telemetry.reports import AgentStatus
from syncline.wire.topics import Topics
from syncline.wiring import FeatureReader, Publisher

DEFINITIONS = resources.files("syncline") / "demo" / "definitions"
_AHEAD_US = 20_000_000
"""Event times are shifted so that the last flight falls about where the demo ends."""
_WAIT_S = 120.0


class Demo:
    """One run of the demo."""

    def __init__(self, cluster: Cluster, *, screen: Screen, clock: Clock, whole_year: bool) -> None:
        self._cluster = cluster
        self._screen = screen
        self._clock = clock
        self._topics = Topics(cluster.settings.prefix)
        self._replay = Replay.load(YEAR if whole_year else DEMO, shift_to_us=clock.now_us() + _AHEAD_US)

    def run(self) -> None:
        """Tell the whole story.

        Raises:
            SynclineError: something did not come out as promised: digests differ, or an agent ended by itself.
        """
        screen = self._screen
        screen.step("Contracts, a bundle and subscriptions become decisions in the catalog")
        self._apply()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncline-demo-")))
            fleet = Fleet(self._cluster.log, self._topics.reports, clock=self._clock)
            stack.callback(fleet.close)
            screen.step("Two agents start, each a process of its own, as beside two replicas of a service")
            agents = [
                stack.enter_context(AgentProcess(self._cluster.settings, instance=name, folder=folder))
                for name in ("replica-1", "replica-2")
            ]
            for agent in agents:
                screen.say(f"syncline agent --subscription {CONSUMER} --store …/{agent.store.name}")
            self._wait(fleet, agents, {}, "the agents' first report")
            started_s = self._clock.monotonic_s()
            screen.step("A streaming job publishes what it computes from real flights of 2013")
            self._publish()
            screen.step("A producer without the library sends three broken records")
            self._misbehave()
            ends = self._ends()
            self._wait(fleet, agents, ends, "folding the whole log")
            folded_s = self._clock.monotonic_s() - started_s
            applied = min(status.applied_rows for status in fleet.statuses.values())
            screen.say(
                f"Both agents have folded all of it: {applied:,} updates each, {applied / folded_s:,.0f}/s "
                "from the first publish to the last commit"
            )
            screen.step("A model gets its inputs: real departures, and what was known before they left")
            with FeatureReader(agents[0].store) as reader:
                show_inputs(reader, self._replay, screen)
            screen.step("What broke its contract was kept whole, with the reason")
            self._show_dead_letters()
            screen.step("Proof of sync: both agents' digests")
            self._compare([fleet.statuses[agent.name] for agent in agents])
        screen.step("What to try next")
        self._next()

    def _apply(self) -> None:
        cluster, screen = self._cluster, self._screen
        with resources.as_file(DEFINITIONS) as folder:
            definitions = read_folder(folder, prefix=cluster.settings.prefix)
        catalog = CatalogClient(
            cluster.log, self._topics.catalog, clock=self._clock, client_id="syncline-demo-apply"
        )
        try:
            seen = observe(
                definitions, log=cluster.log, registry=cluster.registry, catalog=catalog, topics=self._topics
            )
            planned = plan(
                definitions,
                seen.picture,
                topics=seen.topics,
                refusals=seen.refusals,
                prefix=cluster.settings.prefix,
            )
            apply(
                planned,
                Ports(cluster.log, cluster.registry, catalog, self._clock),
                Author("syncline demo", "to show what Syncline does"),
                on_step=screen.say,
            )
        finally:
            catalog.close()
        for subject in planned.unchanged:
            screen.say(f"{subject} is in the catalog already")

    def _publish(self) -> None:
        counts = self._replay.counts
        total = sum(counts.values())
        settings = self._cluster.settings
        with (
            Publisher.from_env(
                publisher="flights",
                on_violation="deadLetter",
                bootstrap_servers=settings.bootstrap_servers,
                registry_url=settings.registry_url,
                prefix=settings.prefix,
            ) as publisher,
            self._screen.progress("updates", total) as advance,
        ):
            views = {view: publisher.view(view) for view in counts}
            started_s, sent = self._clock.monotonic_s(), 0
            for batch in self._replay.updates(chunk_rows=4_000):
                views[batch.view].publish_many(batch.rows)
                sent += len(batch.rows)
                advance(sent)
            publisher.flush()
            stats = publisher.stats()
            took_s = self._clock.monotonic_s() - started_s
        per_view = ", ".join(f"{count:,} {view}" for view, count in counts.items())
        self._screen.say(f"{total:,} updates ({per_view})")
        self._screen.say(
            f"{stats.acknowledged:,} acknowledged, {stats.failed} failed, {stats.unknown} unknown; "
            f"{total / took_s:,.0f} updates/s, computing them included"
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
        for view in self._replay.counts:
            topic = self._topics.features(view, 1)
            description = self._cluster.log.describe_topic(topic)
            found[topic] = description.partitions if description else 0
        return found

    def _wait(
        self,
        fleet: Fleet,
        agents: Sequence[AgentProcess],
        ends: Mapping[TopicPartition, int],
        waiting_for: str,
    ) -> None:
        names = {agent.name for agent in agents}

        def done(statuses: Mapping[str, AgentStatus]) -> bool:
            return names <= statuses.keys() and all(
                statuses[name].state == "LIVE" and has_reached(statuses[name], ends) for name in names
            )

        def watch() -> None:
            for agent in agents:
                agent.require_running()

        fleet.wait(done, timeout_s=_WAIT_S, watch=watch, waiting_for=waiting_for)

    def _show_dead_letters(self) -> None:
        found = survey(DeadLetters(self._cluster.log, self._feature_topics()), limit=0)
        self._screen.table(
            [("records", "right"), ("view", ""), ("feature", ""), ("rule", ""), ("found by", "")],
            [
                (
                    f"{group.count:,}",
                    group.view_version,
                    group.feature or "-",
                    group.rule,
                    "publisher" if group.by_publisher else "agents",
                )
                for group in found.groups
            ],
        )
        self._screen.say("For instance:")
        for group in found.groups:
            self._screen.say(f"- {group.message}")

    def _compare(self, statuses: Sequence[AgentStatus]) -> None:
        comparison = compare(statuses)
        rows = []
        for view, (topic, count) in zip(self._replay.counts, self._feature_topics().items(), strict=True):
            states = [[part for part in status.partitions if part.topic == topic] for status in statuses]
            wrong = sum(found.topic == topic for found in comparison.disagreements)
            sums = [f"{sum(part.digest for part in parts) % 2**64:016x}" for parts in states]
            cells = sum(part.cells for part in states[0])
            rows.append((view, f"{count - wrong} of {count}", f"{cells:,}", *sums))
        columns = [("view", ""), ("equal partitions", "right"), ("cells", "right")]
        self._screen.table([*columns, *((status.agent.partition("/")[2], "") for status in statuses)], rows)
        if comparison.disagreements or comparison.compared != sum(self._feature_topics().values()):
            raise SynclineError("the agents' digests differ, or could not be compared: please report this")
        self._screen.say("Equal digests at equal offsets: both replicas hold the same state, to the byte.")

    def _next(self) -> None:
        steps = {
            "syncline init my-features && cd my-features": "these definitions, to change as you like",
            "syncline validate": "all problems of its files at once",
            "make stack": "a real Kafka and schema registry on this machine",
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


def run_demo(
    *, screen: Screen, clock: Clock, bootstrap_servers: str | None, registry_url: str | None, whole_year: bool
) -> None:
    """Run the demo, embedded unless a cluster is named."""
    with open_cluster(bootstrap_servers, registry_url) as cluster:
        Demo(cluster, screen=screen, clock=clock, whole_year=whole_year).run()
