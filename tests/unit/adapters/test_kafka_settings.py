"""What a user may tell librdkafka, and what Syncline does not let go."""

from __future__ import annotations

import logging

import pytest

from syncline.adapters.kafka.lines import Lines, logged_lines
from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.kafka.settings import (
    READER_SAFETY,
    WRITER_SAFETY,
    admin_properties,
    checked,
    reader_properties,
    writer_properties,
)
from syncline.errors import LogUnavailable, SettingsError

SERVERS = "127.0.0.1:9092"


def test_a_cluster_that_does_not_answer_is_named() -> None:
    """Who is woken at night sees which address did not answer."""
    log = KafkaLog("127.0.0.1:1")

    with pytest.raises(
        LogUnavailable, match=r"^asking for the cluster at 127\.0\.0\.1:1: no broker answered"
    ):
        log.cluster_id(timeout_s=0.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enable.auto.commit", "true"),
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "false"),
        ("isolation.level", "read_uncommitted"),
        ("check.crcs", "false"),
        ("enable.idempotence", "false"),
        ("acks", 1),
        ("request.required.acks", "1"),
        ("partitioner", "consistent_random"),
        ("allow.auto.create.topics", "true"),
        ("delivery.report.only.error", 1),
    ],
)
def test_a_setting_that_breaks_a_promise_is_refused(name: str, value: str | int) -> None:
    """P1, P6: losing, skipping or doubling records cannot be configured; the message names the property."""
    with pytest.raises(SettingsError, match=name):
        KafkaLog(SERVERS, client={name: value})


@pytest.mark.parametrize(
    "name",
    ["bootstrap.servers", "metadata.broker.list", "client.id", "group.id", "transactional.id"],
)
def test_a_property_that_is_ours_is_refused(name: str) -> None:
    """What Syncline sets itself cannot be set twice."""
    with pytest.raises(SettingsError, match=f"{name}.*remove it"):
        KafkaLog(SERVERS, client={name: "x"})


def test_unsigned_tokens_are_refused() -> None:
    """The unsecured OAUTHBEARER accepts anything, so it is not for us."""
    with pytest.raises(SettingsError, match="nobody signed"):
        KafkaLog(SERVERS, client={"enable.sasl.oauthbearer.unsecure.jwt": "true"})


def test_a_safe_setting_may_be_repeated() -> None:
    """A user who writes what holds anyway is not refused, in any spelling librdkafka knows."""
    client = {"acks": "-1", "enable.idempotence": 1, "check.crcs": "True", "auto.offset.reset": "ERROR"}

    properties = writer_properties(SERVERS, checked(client), client_id="w")

    assert properties["acks"] == "all"


def test_tuning_and_security_are_the_users() -> None:
    """The user's properties win over our tuning, by an alias too, in all three clients."""
    client = checked({"queue.buffering.max.ms": 77, "security.protocol": "SSL", "fetch.queue.backoff.ms": 9})

    writer = writer_properties(SERVERS, client, client_id="w")
    reader = reader_properties(SERVERS, client, client_id="r", group=None)
    admin = admin_properties(SERVERS, client)

    assert (writer["linger.ms"], reader["fetch.queue.backoff.ms"]) == (77, 9)
    assert {writer["security.protocol"], reader["security.protocol"], admin["security.protocol"]} == {"SSL"}


def test_safety_stands_in_every_client() -> None:
    """P1, P6: what the promises need is in the properties that the clients get."""
    reader = reader_properties(SERVERS, {}, client_id="r", group="g")
    writer = writer_properties(SERVERS, {}, client_id="w")

    assert reader.items() >= READER_SAFETY.items()
    assert writer.items() >= WRITER_SAFETY.items()
    assert (reader["group.id"], reader["client.id"]) == ("g", "r")


def test_a_property_unknown_to_librdkafka_is_a_settings_error() -> None:
    """A misspelt property is named when the first client is made."""
    log = KafkaLog(SERVERS, client={"linger.mss": 5})

    for make in (lambda: log.writer(client_id="w"), lambda: log.reader(client_id="r"), log.cluster_id):
        with pytest.raises(SettingsError, match=r"linger\.mss"):
            make()


def test_lines_are_never_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The lines go to the logger `syncline.kafka`; without a handler nothing reaches stderr."""
    logging.getLogger("syncline.kafka").propagate = False
    try:
        logged_lines().log(3, "%s [%s] %s", "FAIL", "client", "broken")
    finally:
        logging.getLogger("syncline.kafka").propagate = True

    assert capfd.readouterr() == ("", "")


def test_lines_about_the_other_clients_are_dropped() -> None:
    """One dictionary serves all clients, so that a property is not for one of them is no news."""
    taken: list[str] = []
    lines = Lines(taken.append)

    lines.log(4, "%s [%s] %s", "CONFWARN", "c", "linger.ms is a producer property and will be ignored")
    lines.log(4, "%s [%s] %s", "OTHER", "c", "100% odd")
    lines.log(4, "100% without arguments")

    assert taken == ["OTHER [c] 100% odd", "100% without arguments"]
