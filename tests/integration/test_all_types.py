"""One contract with everything that can be said, from `apply` to the model input, on a real broker and registry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.registry import ConfluentRegistry
from syncline.catalog_client import CatalogClient
from syncline.clock import SystemClock, from_us
from syncline.contracts.codec.avro import avro_text
from syncline.reader import Status
from syncline.wire.dead_letters import DeadLetter
from syncline.wire.framing import unframe
from syncline.wire.topics import Topics
from syncline.wiring import FeatureReader
from tests.integration.test_agent_on_kafka import Sidecar, now_us, running
from tests.unit.all_types import BROKEN, FEATURES, NULLABLE, flight, flight_contract, flight_text
from tests.unit.publisher.airport import make_publisher, records
from tests.unit.publisher.test_all_types import as_arrow, as_pandas, as_written

if TYPE_CHECKING:
    from syncline.contracts.model import Contract
    from syncline.publisher import Publisher
    from tests.stack.stack import Stack

pytestmark = pytest.mark.real

BUNDLE = """
apiVersion: syncline/v1
kind: Bundle
name: inputs
owner: tests
features:
  - {view: flight@1}
"""
SUBSCRIPTION = """
apiVersion: syncline/v1
kind: Subscription
name: model
bundle: inputs
policy: follow
"""


@dataclass
class Flights:
    """The view on the real cluster, under a prefix of its own."""

    stack: Stack
    prefix: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    contract: Contract = field(init=False)
    log: KafkaLog = field(init=False)

    def __post_init__(self) -> None:
        """Apply the definitions with the console script."""
        self.contract = flight_contract(self.prefix, **self.settings)
        self.log = KafkaLog(self.stack.bootstrap_servers)
        definitions = self.folder / "definitions"
        for name, text in {
            "contracts/flight.odcs.yaml": flight_text(**self.settings),
            "bundles/inputs.yaml": BUNDLE,
            "subscriptions/model.yaml": SUBSCRIPTION,
        }.items():
            (definitions / name).parent.mkdir(parents=True, exist_ok=True)
            (definitions / name).write_text(text)
        script = Path(sys.executable).with_name("syncline")
        connected = [
            "--bootstrap-servers",
            self.stack.bootstrap_servers,
            "--registry",
            self.stack.registry_url,
        ]
        applied = subprocess.run(
            [script, "apply", definitions, "--prefix", self.prefix, *connected],
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert applied.returncode == 0, applied.stderr

    @property
    def topic(self) -> str:
        """The feature topic."""
        return self.contract.topic

    def schema_id(self) -> int:
        """As the catalog says."""
        client = CatalogClient(self.log, Topics(self.prefix).catalog, clock=SystemClock(), client_id="tests")
        try:
            registered = client.catch_up(20).newest("flight")
        finally:
            client.close()
        assert registered is not None
        return registered.schema_id

    def publisher(self, on_violation: str = "raise") -> Publisher:
        """A publisher with the machine's clock."""
        return make_publisher(self.log, SystemClock(), prefix=self.prefix, on_violation=on_violation)

    def letters(self) -> dict[bytes | None, DeadLetter]:
        """The dead letters by key."""
        batch = records(self.log, f"{self.topic}.dlq")
        found = [
            DeadLetter.parse(key, value, batch.headers.get(number, ()), 0)
            for number, (key, value) in enumerate(zip(batch.keys, batch.values, strict=True))
        ]
        return {letter.key: letter for letter in found if letter is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where stores and definitions stand."""
    return tmp_path


def test_everything_sayable_goes_all_the_way(stack: Stack, prefix: str, folder: Path) -> None:
    """P2, P5: applied on Apicurio, published in every form, judged by two agents that agree, read as it was written."""
    world = Flights(stack, prefix.rstrip("-"), folder)
    start_us = now_us()
    nulls = dict.fromkeys(NULLABLE)
    with world.publisher() as publisher:
        view = publisher.view("flight")
        view.publish({"flight": "single"}, FEATURES, event_time=from_us(start_us))
        view.publish_many(as_written([flight("few", start_us), flight("nulls", start_us, **nulls)]))
        view.publish_many(as_written([flight(f"many{number}", start_us) for number in range(300)]))
        view.publish_many(as_arrow([flight("arrow", start_us)]))
        view.publish_many(as_pandas([flight("pandas", start_us)]))
    with world.publisher("observe") as publisher:
        publisher.view("flight").publish_many(
            [flight(f"B{number}", start_us, **changes) for number, (changes, _) in enumerate(BROKEN)]
        )
    total = 305 + len(BROKEN)
    agents = Sidecar(world, "a"), Sidecar(world, "b")  # type: ignore[arg-type]  it has all that a sidecar asks of its world

    with running(*agents):
        for agent in agents:
            agent.await_rows(total)
            agent.await_state("LIVE")
        digests = [
            {number: state.digest.total for number, state in agent.states().items()} for agent in agents
        ]
        assert digests[0] == digests[1]
        with FeatureReader(agents[0].store) as reader:
            found = {
                name: reader.get("inputs", {"flight": name}, full_feature_names=False)
                for name in ("single", "few", "many299", "arrow", "pandas", "nulls", "B0")
            }
            table = reader.get_many(
                "inputs", {"flight": ["few", "nulls"]}, full_feature_names=False
            ).to_arrow()
        for agent in agents:
            agent.stop()

    missing = found.pop("B0")
    assert set(missing.statuses.values()) == {Status.NOT_FOUND}
    assert found.pop("nulls").values == {**FEATURES, **nulls}
    for name, row in found.items():
        assert row.values == FEATURES, name
        assert set(row.event_times.values()) == {from_us(start_us)}
    assert table.to_pylist(maps_as_pydicts="strict") == [FEATURES, {**FEATURES, **nulls}]
    letters = world.letters()
    assert len(letters) == len(BROKEN)
    for number, (_, rules) in enumerate(BROKEN):
        reason = letters[f"B{number}".encode()].reason
        assert (reason.feature, reason.rule) in rules
        for feature, rule in rules:
            assert f"{feature or 'record'}: {rule}: " in reason.message


def test_observing_agents_serve_the_rest(stack: Stack, prefix: str, folder: Path) -> None:
    """P5: under `observe` a record that breaks a rule is applied, and only what the rule is about is withheld."""
    world = Flights(stack, prefix.rstrip("-"), folder, {"onViolation": "observe"})
    start_us = now_us()
    with world.publisher("observe") as publisher:
        publisher.view("flight").publish_many(
            [flight(f"B{number}", start_us, **changes) for number, (changes, _) in enumerate(BROKEN)]
        )
    agent = Sidecar(world, "a")  # type: ignore[arg-type]  see above

    with running(agent):
        agent.await_rows(len(BROKEN))
        agent.await_state("LIVE")
        with FeatureReader(agent.store) as reader:
            for number, (changes, rules) in enumerate(BROKEN):
                row = reader.get("inputs", {"flight": f"B{number}"}, full_feature_names=False)
                blamed = {name for feature, rule in rules for name in world.contract.blamed(feature, rule)}
                assert row.values == {**FEATURES, **changes, **dict.fromkeys(blamed)}
                assert {name for name, status in row.statuses.items() if status is Status.INVALID} == blamed
        agent.stop()
    assert world.letters() == {}


def test_other_clients_read_and_write_these_types(stack: Stack, prefix: str, folder: Path) -> None:
    """Confluent's deserializer reads what we write, and what its serializer writes is applied, types and all."""
    world = Flights(stack, prefix.rstrip("-"), folder)
    registry = SchemaRegistryClient({"url": stack.registry_url})
    context = SerializationContext(world.topic, MessageField.VALUE)
    start_us = now_us()
    ours = flight("ours", start_us)
    with world.publisher() as publisher:
        publisher.view("flight").publish_many([ours])
    (value,) = records(world.log, world.topic).values
    assert value is not None
    assert unframe(value)[0] == world.schema_id()

    decoded = AvroDeserializer(registry)(value, context)
    assert decoded == {**ours, "event_time": from_us(start_us)}

    registered = ConfluentRegistry(stack.registry_url, timeout_s=20.0).lookup(
        f"{world.topic}-value", avro_text(world.contract)
    )
    assert registered == world.schema_id()
    serializer = AvroSerializer(
        registry,
        avro_text(world.contract),
        conf={"auto.register.schemas": False, "use.latest.version": False},
    )
    theirs = serializer({**flight("theirs"), "event_time": from_us(start_us)}, context)
    far = serializer({**flight("far"), "event_time": from_us(start_us), "built": 2_932_897}, context)
    writer = world.log.writer(client_id="tests")
    for key, written in ((b"theirs", theirs), (b"far", far)):
        writer.append(world.topic, key=key, value=written)
    writer.flush(30)
    writer.close(1)
    agent = Sidecar(world, "a")  # type: ignore[arg-type]  see above
    with running(agent):
        agent.await_rows(3)
        agent.await_state("LIVE")
        with FeatureReader(agent.store) as reader:
            for name in ("ours", "theirs"):
                row = reader.get("inputs", {"flight": name}, full_feature_names=False)
                assert row.values == FEATURES
        agent.stop()
    letters = world.letters()
    assert [(key, letter.reason.feature, letter.reason.rule) for key, letter in letters.items()] == [
        (b"far", "built", "type")
    ]
