"""The librdkafka properties of our clients, each with its reason, and which of them a user may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Properties = dict[str, str | int]

READER_SAFETY: Mapping[str, str | int] = {
    # Positions live in the store, in one transaction with the values: the client must not commit by itself.
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    # `earliest` and `latest` jump silently when a position is gone; `error` stops the partition and says so.
    "auto.offset.reset": "error",
    # The only truthful sign that the end of the log was reached.
    "enable.partition.eof": "true",
    # Records of aborted transactions (a foreign producer's) never took place.
    "isolation.level": "read_committed",
    # Bytes damaged on the way or on the broker's disk must not become values. Off by default.
    "check.crcs": "true",
    # A reader that misspells a topic must not make it.
    "allow.auto.create.topics": "false",
}

READER_TUNING: Mapping[str, str | int] = {
    # When the local queue is full, fetching of that partition sleeps this long; the default is a second.
    "fetch.queue.backoff.ms": 5,
    # Both bounds count the one queue of the consumer, not each partition.
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 65_536,
    "fetch.max.bytes": 16 << 20,
    # The end of a partition is told by the first fetch that brings nothing, so this is how late it is known.
    "fetch.wait.max.ms": 100,
    # A missing topic is told after this time; 30 s by default. Topics are made before anyone reads them.
    "topic.metadata.propagation.max.ms": 5_000,
}

WRITER_SAFETY: Mapping[str, str | int] = {
    # Off by default: retries would duplicate and reorder.
    "enable.idempotence": "true",
    "acks": "all",
    # Java's partitioner, so that Flink, Kafka Streams and Spark agree on where a key lives.
    "partitioner": "murmur2_random",
    # Every append has an outcome, good or bad. (The binding takes no text here.)
    "delivery.report.only.error": False,
    "allow.auto.create.topics": "false",
}

WRITER_TUNING: Mapping[str, str | int] = {
    # 1 GiB by default. What does not fit is refused with BufferError, which is the caller's backpressure.
    "queue.buffering.max.kbytes": 65_536,
    "queue.buffering.max.messages": 500_000,
    "linger.ms": 10,
    "compression.type": "lz4",
    # After this an append is given up; its outcome is then unknown, unless it never had a partition.
    "delivery.timeout.ms": 120_000,
    # A dead letter is larger than the record it keeps, and brokers take records of 1,048,588 bytes by default.
    "message.max.bytes": 2 << 20,
    "topic.metadata.propagation.max.ms": 5_000,
}

EVERY_CLIENT: Mapping[str, str | int] = {
    "statistics.interval.ms": 0,
    # Warnings and worse; they go to our own sink, never to stderr.
    "log_level": 4,
    # Brokers close idle connections all the time; that is no news.
    "log.connection.close": "false",
    # Come back soon after an outage; 10 s by default.
    "reconnect.backoff.max.ms": 2_000,
    "socket.keepalive.enable": "true",
}

_REASONS: Mapping[str, str] = {
    "bootstrap.servers": "it is a setting of its own",
    "metadata.broker.list": "it is bootstrap.servers by another name, which is a setting of its own",
    "client.id": "each role names its own clients",
    "group.id": "each role names its own group",
    "transactional.id": "Syncline uses no transactions: a cut is one record of the catalog",
    "enable.sasl.oauthbearer.unsecure.jwt": "it accepts tokens that nobody signed",
}

_ALIASES: Mapping[str, str] = {
    "request.required.acks": "acks",
    "auto.commit.enable": "enable.auto.commit",
    "message.timeout.ms": "delivery.timeout.ms",
    "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
}


def checked(client: Mapping[str, str | int]) -> Properties:
    """The user's own librdkafka properties (security, sockets, tuning), once none of them breaks a promise.

    Raises:
        SettingsError: a property is Syncline's own, or contradicts what its promises stand on.
    """
    properties: Properties = {}
    for name, value in client.items():
        if name in _REASONS:
            raise SettingsError(
                f"the client property {name!r} cannot be set here: {_REASONS[name]}; remove it"
            )
        name_known = _ALIASES.get(name, name)
        for safety in (READER_SAFETY, WRITER_SAFETY):
            safe = safety.get(name_known)
            if safe is not None and _text(value) != _text(safe):
                raise SettingsError(
                    f"the client property {name!r} is {value!r}, but Syncline's promises need"
                    f" {_text(safe)!r}; remove it"
                )
        properties[name_known] = value
    return properties


def reader_properties(
    bootstrap_servers: str, client: Properties, *, client_id: str, group: str | None
) -> Properties:
    """The properties of a consumer. librdkafka wants a group id even where only `assign` is used."""
    ours = {"bootstrap.servers": bootstrap_servers, "client.id": client_id, "group.id": group or client_id}
    return {**EVERY_CLIENT, **READER_TUNING, **client, **READER_SAFETY, **ours}


def writer_properties(bootstrap_servers: str, client: Properties, *, client_id: str) -> Properties:
    """The properties of a producer."""
    ours = {"bootstrap.servers": bootstrap_servers, "client.id": client_id}
    return {**EVERY_CLIENT, **WRITER_TUNING, **client, **WRITER_SAFETY, **ours}


def admin_properties(bootstrap_servers: str, client: Properties) -> Properties:
    """The properties of the client that makes and describes topics."""
    ours = {"bootstrap.servers": bootstrap_servers, "client.id": "syncline-admin"}
    return {**EVERY_CLIENT, **client, "allow.auto.create.topics": "false", **ours}


_SAME: Mapping[str, str] = {"1": "true", "0": "false", "-1": "all"}


def _text(value: str | int) -> str:
    text = str(value).strip().lower()
    return _SAME.get(text, text)
