"""The embedded broker: that it serves, and that each fault is one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from syncline.adapters.embedded.broker import ApiKey, EmbeddedBroker
from syncline.errors import LogError


@pytest.fixture
def broker():
    """A running cluster of one."""
    with EmbeddedBroker.start() as running:
        running.create_topic("delays", 6)
        yield running


def producer(broker, **settings):
    """A client that tells its outcomes; see `send`."""
    quiet = {"log_level": 0, "error_cb": lambda _error: None}
    return Producer({"bootstrap.servers": broker.bootstrap_servers, **quiet, **settings})


def send(client, *, timeout_s=30.0):
    """The error of one record that was sent, None for none, or `pending`."""
    outcomes = ["pending"]
    client.produce("delays", b"12", on_delivery=lambda error, _message: outcomes.append(error))
    client.flush(timeout_s)
    return outcomes[-1]


def test_serves_clients(broker):
    """A client's record is acknowledged."""
    assert send(producer(broker)) is None


def test_topic_has_the_partitions_asked_for(broker):
    """Any number of partitions, where the broker's own default is four."""
    assert broker.create_topic("wide", 17)

    topics = AdminClient({"bootstrap.servers": broker.bootstrap_servers}).list_topics(timeout=10).topics
    assert len(topics["wide"].partitions) == 17


def test_topic_is_made_once(broker):
    """Making it again changes nothing and says so."""
    assert not broker.create_topic("delays", 3)

    topics = AdminClient({"bootstrap.servers": broker.bootstrap_servers}).list_topics(timeout=10).topics
    assert len(topics["delays"].partitions) == 6


@pytest.mark.parametrize(("name", "partitions"), [("", 1), ("a b", 1), ("x" * 250, 1), ("empty", 0)])
def test_refuses_an_impossible_topic(broker, name, partitions):
    """What Kafka refuses is refused here, where librdkafka would serve a topic that nobody can use."""
    with pytest.raises(LogError, match="cannot be made"):
        broker.create_topic(name, partitions)


def test_pushed_error_reaches_the_client(broker):
    """One request fails with the code, the next one does not."""
    client = producer(broker, retries=0)
    broker.push_errors(ApiKey.PRODUCE, [KafkaError.INVALID_REQUIRED_ACKS])

    assert send(client).code() == KafkaError.INVALID_REQUIRED_ACKS
    assert send(client) is None


def test_cleared_errors_are_forgotten(broker):
    """What was pushed and not used is gone."""
    broker.push_errors(ApiKey.PRODUCE, [KafkaError.INVALID_REQUIRED_ACKS] * 5)
    broker.clear_errors(ApiKey.PRODUCE)

    assert send(producer(broker, retries=0)) is None


def test_broker_goes_down_and_comes_up(broker):
    """While it is down records wait; once it is up they are acknowledged."""
    client = producer(broker, **{"reconnect.backoff.max.ms": 200})
    assert send(client) is None

    broker.down()
    assert send(client, timeout_s=0.5) == "pending"

    broker.up()
    assert client.flush(60) == 0
    assert send(client) is None


def test_latency_delays_answers(broker):
    """A client that waits less than the latency gets no answer; without the latency it does."""
    patient = producer(broker)
    assert send(patient) is None

    broker.set_latency(3_000)
    assert send(producer(broker, **{"message.timeout.ms": 500})).code() == KafkaError._MSG_TIMED_OUT

    broker.set_latency(0)
    assert send(patient) is None


def test_unknown_broker(broker):
    """A broker that does not exist cannot go down."""
    with pytest.raises(LogError, match="broker 9"):
        broker.down(9)


def test_closed_broker_refuses():
    """After close it says so, and closing again does nothing."""
    broker = EmbeddedBroker.start()
    broker.close()
    broker.close()

    with pytest.raises(LogError, match="closed"):
        broker.create_topic("delays", 1)


def test_interpreter_ends_with_an_open_broker():
    """A process that never closes its broker ends well, and so does a child that it forked."""
    program = (
        "import os, sys\n"
        "from syncline.adapters.embedded.broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker.start(brokers=3)\n"
        "child = os.fork()\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
