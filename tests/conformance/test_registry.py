"""What every registry must do behind the Registry port: Apicurio and the embedded one, by one adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from syncline.adapters.registry import ConfluentRegistry
from syncline.errors import RegistryError, SchemaIncompatible, SchemaNotFound

if TYPE_CHECKING:
    from syncline.ports.registry import Registry

pytestmark = pytest.mark.timeout(120)
DELAY = {"name": "delay", "type": "double", "syncline.unit": "min", "syncline.maximum": 3000}
GATE = {"name": "gate", "type": "string"}
GATE_OR_NONE = {"name": "gate", "type": ["null", "string"], "default": None}


def record(*fields: object) -> str:
    """An Avro record's schema, as text."""
    return json.dumps({"type": "record", "name": "airport", "namespace": "syncline.tests", "fields": fields})


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real), "embedded"])
def url(request):
    """Where a registry answers."""
    if request.param == "real":
        return request.getfixturevalue("registry_url")
    return request.getfixturevalue("embedded").registry_url


@pytest.fixture
def registry(url) -> Registry:
    """The port, filled by the adapter."""
    # A real one on a busy machine gets more time than the default.
    return ConfluentRegistry(url, timeout_s=20.0)


@pytest.fixture
def subject(prefix) -> str:
    """A subject that no other test has, held to what `apply` sets."""
    return f"{prefix}value"


def test_answers_a_ping(registry):
    """A registry that runs answers."""
    registry.ping()


def test_gives_back_what_was_registered(registry, subject):
    """A schema comes back by its id, units and limits included."""
    schema_id = registry.register(subject, record(DELAY))

    assert json.loads(registry.schema(schema_id)) == json.loads(record(DELAY))


def test_registers_once(registry, subject):
    """Registering again changes nothing and gives the same id, also for a version that is not the latest."""
    registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    first = registry.register(subject, record(DELAY))
    second = registry.register(subject, record(DELAY, GATE_OR_NONE))

    assert second != first
    assert registry.register(subject, record(DELAY)) == first
    assert registry.register(subject, record(DELAY, GATE_OR_NONE)) == second


def test_one_schema_has_one_id(registry, subject):
    """The same text under two subjects shares an id."""
    assert registry.register(subject, record(DELAY)) == registry.register(f"{subject}-2", record(DELAY))


def test_attributes_tell_schemas_apart(registry, subject):
    """Two schemas that differ in a limit only are two schemas: the limit is part of the promise."""
    first = registry.register(subject, record(DELAY))
    second = registry.register(subject, record({**DELAY, "syncline.maximum": 100}))

    assert first != second


def test_level_may_precede_the_first_schema(registry, subject):
    """A level can be set on a subject that does not exist yet, and is told afterwards."""
    assert registry.compatibility(subject) is None

    registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")

    assert registry.compatibility(subject) == "BACKWARD_TRANSITIVE"


def test_refuses_an_incompatible_schema(registry, subject):
    """A new feature without a default cannot read what was written: refused, with the registry's reason."""
    registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    registry.register(subject, record(DELAY))

    with pytest.raises(SchemaIncompatible, match=r"gate|/fields/1"):
        registry.register(subject, record(DELAY, GATE))

    assert registry.lookup(subject, record(DELAY, GATE)) is None


def test_checks_against_every_earlier_version(registry, subject):
    """Under BACKWARD_TRANSITIVE the first version counts too, not only the latest."""
    registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    registry.register(subject, record(DELAY))
    registry.register(subject, record(DELAY, GATE_OR_NONE))

    # It reads the latest version, which has a gate, and not the first.
    required = record(DELAY, {"name": "gate", "type": ["null", "string"]})
    assert registry.check(subject, required)
    with pytest.raises(SchemaIncompatible):
        registry.register(subject, required)


def test_checks_without_registering(registry, subject):
    """A check says why a schema would be refused, and leaves nothing behind."""
    registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    registry.register(subject, record(DELAY))

    assert registry.check(subject, record(DELAY, GATE_OR_NONE)) == []
    assert registry.check(subject, record(DELAY, GATE)) != []
    assert registry.lookup(subject, record(DELAY, GATE_OR_NONE)) is None


def test_new_subject_accepts_every_schema(registry, subject):
    """A check against a subject without a schema finds nothing."""
    assert registry.check(subject, record(DELAY)) == []


def test_level_none_accepts_every_schema(registry, subject):
    """Under NONE nothing is compared."""
    # In this order, as Apicurio refuses to set NONE before the first schema.
    registry.register(subject, record(DELAY))
    registry.set_compatibility(subject, "NONE")

    registry.register(subject, record(GATE))


def test_looks_up(registry, subject):
    """A look-up gives the id under the subject, or None: for another subject, and for another schema."""
    assert registry.lookup(subject, record(DELAY)) is None

    schema_id = registry.register(subject, record(DELAY))

    assert registry.lookup(subject, record(DELAY)) == schema_id
    assert registry.lookup(subject, record(GATE)) is None
    assert registry.lookup(f"{subject}-2", record(DELAY)) is None


def test_unknown_id(registry):
    """An id that was never given out is SchemaNotFound, by name."""
    with pytest.raises(SchemaNotFound, match="2147483647"):
        registry.schema(2_147_483_647)


@pytest.mark.parametrize("text", ["{not json", '{"type": "recrd", "name": "x"}', '"nothing"'])
def test_refuses_what_is_no_schema(registry, subject, text):
    """What is no Avro schema is refused for good, and not as incompatible."""
    with pytest.raises(RegistryError) as caught:
        registry.register(subject, text)

    assert type(caught.value) is RegistryError


def test_subject_names_are_quoted(registry, prefix):
    """Letters that mean something in a URL are part of the name."""
    subject = f"{prefix}a b/c?d=e%20f"

    schema_id = registry.register(subject, record(DELAY))

    assert registry.lookup(subject, record(DELAY)) == schema_id


def test_unknown_level(registry, subject):
    """A level that does not exist is refused before anything is sent."""
    with pytest.raises(RegistryError, match="SIDEWAYS"):
        registry.set_compatibility(subject, "SIDEWAYS")


def test_serves_confluents_serializers(url, registry, prefix):
    """What Confluent's serializer writes with a schema of ours, its deserializer reads back."""
    topic = f"{prefix}airport"
    schema_id = registry.register(f"{topic}-value", record(DELAY))
    client = SchemaRegistryClient({"url": url, "timeout": 20})
    by_topic = {"subject.name.strategy.type": "TOPIC"}
    context = SerializationContext(topic, MessageField.VALUE)

    serializer = AvroSerializer(client, record(DELAY), conf={"auto.register.schemas": False, **by_topic})
    payload = serializer({"delay": 12.5}, context)

    assert payload[:5] == b"\x00" + schema_id.to_bytes(4, "big")
    assert AvroDeserializer(client, conf=by_topic)(payload, context) == {"delay": 12.5}
