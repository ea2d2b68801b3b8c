"""The demo: all of it on real flights, from the contract to the model input, in a minute."""

from __future__ import annotations

import tempfile
from collections import Counter
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
from syncline.demo.examples import examples
from syncline.demo.fleet import Fleet, digests, has_reached
from syncline.demo.flights import DEMO, YEAR, Departure, Replay
from syncline.demo.predictor import DelayPredictor
from syncline.demo.screen import Screen
from syncline.errors import SynclineError
from syncline.ports.log import TopicPartition
from syncline.reader import ModelInput
from syncline.telemetry.reports import AgentStatus
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.topics import Topics, dead_letters
from syncline.wiring import FeatureReader, Publisher

BUNDLE = "flight_inputs"
DEFINITIONS = resources.files("syncline") / "demo" / "definitions"
_AHEAD_US = 20_000_000
"""Event times are shifted so that the last flight falls about where the demo ends."""
_WAIT_S = 120.0
_LEARN_EVERY = 5
_SHOWN_DEPARTURES = 6


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
            screen.step("Model inputs of flights about to leave")
            with FeatureReader(agents[0].store) as reader:
                self._predict(reader)
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
            "no key": (None, b"\x00\x00\x00\x00\x01"),
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

    def _predict(self, reader: FeatureReader) -> None:
        learnt = list(examples(self._replay, every=_LEARN_EVERY))
        model = DelayPredictor.fit((example.values, example.departure.dep_delay) for example in learnt)
        departures = self._replay.upcoming(within_min=60)[:_SHOWN_DEPARTURES]
        inputs = [reader.get(BUNDLE, one.keys) for one in departures]
        self._screen.table(
            [
                ("flight", ""),
                ("from", ""),
                ("to", ""),
                ("aircraft", ""),
                ("predicted", "right"),
                ("left", "right"),
                ("inputs", ""),
            ],
            [
                (
                    f"{one.carrier} {one.number}",
                    one.origin,
                    one.dest,
                    one.tailnum or "?",
                    f"{model.predict(row.values):+.0f} min",
                    f"{one.dep_delay:+d} min",
                    _summary(row),
                )
                for one, row in zip(departures, inputs, strict=True)
            ],
        )
        self._explain(departures[0], inputs[0])

    def _explain(self, departure: Departure, row: ModelInput) -> None:
        self._screen.say(
            f"What {departure.carrier} {departure.number} was predicted from: release {row.release}, and the record "
            "behind each value"
        )
        ages = row.ages
        self._screen.table(
            [
                ("feature", ""),
                ("value", "right"),
                ("status", ""),
                ("age", "right"),
                ("record (partition:offset)", ""),
            ],
            [
                (name, _text(value), str(row.statuses[name]), _age(ages[name]), _source(row, name))
                for name, value in row.values.items()
            ],
        )

    def _show_dead_letters(self) -> None:
        found: dict[tuple[str, int, int, bytes | None], DeadLetter] = {}
        reader = self._cluster.log.reader(client_id="syncline-demo-dead-letters")
        try:
            for topic in map(dead_letters, self._feature_topics()):
                first, end = reader.watermarks(topic, 0)
                reader.assign([(topic, 0, first)])
                while first < end:
                    batch = reader.poll(1_000, 10_000_000, 1.0)
                    for row, value in enumerate(batch.values):
                        letter = DeadLetter.parse(
                            batch.keys[row], value, batch.headers.get(row, ()), int(batch.timestamps_ms[row])
                        )
                        if letter is not None:
                            # Every replica writes its own: one letter per record of the feature topic.
                            own = letter.value if letter.offset < 0 else None
                            found[letter.topic, letter.partition, letter.offset, own] = letter
                    first = batch.slices[-1].next_offset if batch.slices else first
        finally:
            reader.close()
        groups = Counter(
            (letter.reason.view_version, letter.reason.rule, letter.reason.feature)
            for letter in found.values()
        )
        examples_of = {
            (letter.reason.view_version, letter.reason.rule, letter.reason.feature): letter
            for letter in found.values()
        }
        self._screen.table(
            [("view", ""), ("rule", ""), ("records", "right"), ("found by", ""), ("for instance", "")],
            [
                (
                    group[0],
                    group[1],
                    f"{count:,}",
                    "publisher" if examples_of[group].offset < 0 else "agents",
                    examples_of[group].reason.message,
                )
                for group, count in groups.most_common()
            ],
        )

    def _compare(self, statuses: Sequence[AgentStatus]) -> None:
        first, second = (digests(status) for status in statuses)
        rows = []
        for topic, count in self._feature_topics().items():
            same = sum(first[topic, one] == second[topic, one] for one in range(count))
            cells = sum(part.cells for part in statuses[0].partitions if part.topic == topic)
            sums = [sum(state[topic, one][1] for one in range(count)) % 2**64 for state in (first, second)]
            rows.append((topic, f"{same} of {count}", f"{cells:,}", f"{sums[0]:016x}", f"{sums[1]:016x}"))
        columns = [("topic", ""), ("equal partitions", "right"), ("cells", "right")]
        self._screen.table([*columns, *((status.agent, "") for status in statuses)], rows)
        if first != second:
            raise SynclineError("the agents' digests differ at equal positions: please report this")
        self._screen.say("Equal digests at equal offsets: both replicas hold the same state, to the byte.")

    def _next(self) -> None:
        lines = [
            "syncline init my-features && cd my-features    a folder with these definitions, to change as you like",
            "syncline validate                               contracts, bundles and subscriptions, all problems at once",
            "make stack                                      a real Kafka and schema registry on this machine",
            "syncline demo --bootstrap-servers … --registry …   the same there, with all 336,776 flights of the year",
        ]
        if not self._cluster.embedded:
            lines = [
                "syncline status                      what the agents report",
                "syncline dlq list airport_delay      dead letters, folded over replicas",
                "syncline agent --subscription ops-dashboard --store ./store    an agent of your own",
                "syncline get flight_inputs origin=EWR dest=IAH tailnum=N14228 --store ./store",
            ]
        for line in lines:
            self._screen.say(line)


def run_demo(
    *, screen: Screen, clock: Clock, bootstrap_servers: str | None, registry_url: str | None, whole_year: bool
) -> None:
    """Run the demo, embedded unless a cluster is named."""
    with open_cluster(bootstrap_servers, registry_url) as cluster:
        Demo(cluster, screen=screen, clock=clock, whole_year=whole_year).run()


def _summary(row: ModelInput) -> str:
    counts = Counter(str(status) for status in row.statuses.values())
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _age(age: object) -> str:
    return "-" if age is None else str(age).split(".", maxsplit=1)[0]


def _source(row: ModelInput, name: str) -> str:
    source = row.sources[name.split("__", maxsplit=1)[0]]
    if source.offset is None:
        return "-"
    return f"{source.reference} {source.partition}:{source.offset}"
