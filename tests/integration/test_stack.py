"""The real Kafka and registry of the test run: that a fault is one, and that what was written survives it."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.real


@pytest.fixture
def topic(kafka, prefix):
    """A topic of one partition."""
    name = f"{prefix}records"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def write(kafka, topic, value, *, timeout_s=60.0):
    """How many records are left unacknowledged of one."""
    settings = {"acks": "all", "log_level": 0, "error_cb": lambda _error: None}
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, **settings})
    producer.produce(topic, value)
    left = producer.flush(timeout_s)
    producer.purge()
    return left


def read(kafka, topic):
    """All values of the topic."""
    reader = Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": topic, "enable.partition.eof": True}
    )
    reader.assign([TopicPartition(topic, 0, 0)])
    values = []
    while (message := reader.poll(30)) is not None and not message.error():
        values.append(message.value())
    reader.close()
    assert message is not None, "the end of the topic was not reached"
    return values


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kafka_comes_back_with_its_data(kafka, topic, end):
    """After a stop or a crash it answers on the same port, with what it had acknowledged."""
    assert write(kafka, topic, b"before") == 0

    getattr(kafka, end)()
    kafka.start()

    assert write(kafka, topic, b"after") == 0
    assert read(kafka, topic) == [b"before", b"after"]


def test_paused_kafka_acknowledges_nothing(kafka, topic):
    """While it is frozen nothing is acknowledged; resumed it serves on."""
    kafka.pause()
    assert write(kafka, topic, b"lost", timeout_s=0.5) == 1

    kafka.resume()
    assert write(kafka, topic, b"kept") == 0


def test_registry_comes_back_with_its_schemas(stack, registry_url, prefix):
    """After a restart an id still gives its schema."""
    from syncline.adapters.registry import ConfluentRegistry

    registry = ConfluentRegistry(registry_url, timeout_s=20.0)
    schema_id = registry.register(f"{prefix}value", '"string"')

    stack.registry.stop()
    stack.registry.start()

    assert registry.schema(schema_id) == '"string"'
