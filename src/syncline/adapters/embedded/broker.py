"""A Kafka broker inside this process: the one for tests that the Kafka client's librdkafka brings."""

from __future__ import annotations

import ctypes
import os
import re
import weakref
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import confluent_kafka.cimpl
from confluent_kafka import KafkaError

from syncline.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

ALL_BROKERS = -1
_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_TOPIC_RULE = (
    "a name has 1 to 249 letters, digits, dots, underscores or hyphens, and a topic a partition or more"
)
_PRODUCER = 0
_INVALID_CONFIGURATION = -1


class ApiKey(IntEnum):
    """The requests one may want to fail, by Kafka's number."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8


class EmbeddedBroker:
    """A cluster that real Kafka clients, in this process or another, reach over TCP on 127.0.0.1.

    Make one with `start`, use it as a context or `close` it: all that is on it is gone then. The first
    broker's id is 1.

    What it does not do, as of librdkafka 2.16:

    - it keeps the last 5 MB of a partition, and nothing on disk;
    - timestamps are those of the producer (CreateTime), whatever the topic's settings, of which it has none;
    - no CreateTopics: topics are made by `create_topic` here, or on first use with 4 partitions;
    - no compaction, no transactions worth the name, no suppression of a retried duplicate;
    - a fetch brings one message set: produce with `linger.ms` of 50 or more where speed matters.
    """

    def __init__(self, *, brokers: int) -> None:
        self._library = _library()
        self._client, self._cluster = _make_cluster(self._library, brokers)
        servers: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.bootstrap_servers = servers.decode()
        # Also runs when the interpreter ends, so that no thread of the cluster outlives what it works on.
        self._close = weakref.finalize(
            self, _destroy, self._library, self._client, self._cluster, owner_pid=os.getpid()
        )

    @classmethod
    def start(cls, *, brokers: int = 1) -> Self:
        """A running cluster of `brokers` brokers.

        Raises:
            LogError: the installed Kafka client does not bring the embedded broker.
        """
        return cls(brokers=brokers)

    def close(self) -> None:
        """End the cluster: clients are disconnected, and its data is gone. Idempotent."""
        self._close()

    def __enter__(self) -> Self:
        """The running cluster itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def create_topic(self, name: str, partitions: int) -> bool:
        """Make a topic. True if it was made, False if it existed, with whatever partitions it has.

        Raises:
            LogError: the name is not a topic's name, or the number is below 1.
        """
        # The broker itself would take both, and serve a topic that nobody can use.
        if not _TOPIC_NAME.fullmatch(name) or partitions < 1:
            raise LogError(f"topic {name!r} with {partitions} partitions cannot be made: {_TOPIC_RULE}")
        made: int = self._library.rd_kafka_mock_topic_create(self._live(), name.encode(), partitions, 1)
        if made == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        _raise_for(made, f"topic {name!r} cannot be made")
        return True

    def down(self, broker_id: int = ALL_BROKERS) -> None:
        """Disconnect everyone from the broker and accept nobody, until `up`. No leader moves."""
        failed: int = self._library.rd_kafka_mock_broker_set_down(self._live(), broker_id)
        _raise_for(failed, f"broker {broker_id} cannot be taken down")

    def up(self, broker_id: int = ALL_BROKERS) -> None:
        """Undo `down`."""
        failed: int = self._library.rd_kafka_mock_broker_set_up(self._live(), broker_id)
        _raise_for(failed, f"broker {broker_id} cannot be brought up")

    def push_errors(self, api_key: int, codes: Sequence[int]) -> None:
        """Answer the next requests of this kind with these error codes (`KafkaError.*`), one each.

        The code `KafkaError._TRANSPORT` disconnects the client instead of answering.
        """
        errors = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._live(), api_key, len(codes), errors)

    def clear_errors(self, api_key: int) -> None:
        """Forget what `push_errors` left for this kind of request."""
        self._library.rd_kafka_mock_clear_request_errors(self._live(), api_key)

    def set_latency(self, latency_ms: int, broker_id: int = ALL_BROKERS) -> None:
        """Delay each answer by so many milliseconds; 0 ends it."""
        failed: int = self._library.rd_kafka_mock_broker_set_rtt(self._live(), broker_id, latency_ms)
        _raise_for(failed, f"broker {broker_id} cannot be slowed")

    def _live(self) -> int:
        if not self._close.alive:
            raise LogError("the embedded broker is closed; start another")
        return self._cluster


def _library() -> ctypes.CDLL:
    # Symbols are looked up in the client's extension and in the libraries it was linked with: this finds the
    # very librdkafka that the client uses, whatever the wheel calls the file and wherever it keeps it.
    library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    broker_id, api_key = ctypes.c_int32, ctypes.c_int16
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, broker_id]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, broker_id]),
        "rd_kafka_mock_broker_set_rtt": (number, [pointer, broker_id, number]),
        "rd_kafka_mock_clear_request_errors": (None, [pointer, api_key]),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, api_key, ctypes.c_size_t, ctypes.POINTER(number)],
        ),
    }
    for name, (result, arguments) in signatures.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise LogError(
                f"the installed Kafka client lacks {name}, so there is no embedded broker here; "
                "install confluent-kafka from its wheel, or use a real cluster"
            ) from None
        function.restype, function.argtypes = result, arguments
    return library


def _make_cluster(library: ctypes.CDLL, brokers: int) -> tuple[int, int]:
    """(client, cluster): the cluster hangs on a client that serves for nothing else."""
    reason = ctypes.create_string_buffer(512)
    settings = library.rd_kafka_conf_new()
    # It would complain that it has no bootstrap servers.
    set_to = library.rd_kafka_conf_set(settings, b"log_level", b"0", reason, len(reason))
    assert set_to != _INVALID_CONFIGURATION, reason.value
    client = library.rd_kafka_new(_PRODUCER, settings, reason, len(reason))
    if not client:
        raise LogError(f"the embedded broker cannot start: {reason.value.decode()}")
    cluster = library.rd_kafka_mock_cluster_new(client, brokers)
    if not cluster:
        library.rd_kafka_destroy(client)
        raise LogError(f"an embedded cluster of {brokers} brokers cannot start")
    return client, cluster


def _destroy(library: ctypes.CDLL, client: int, cluster: int, *, owner_pid: int) -> None:
    # A forked child has the memory, but not the threads: destroying would wait for them for ever.
    if os.getpid() == owner_pid:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)


def _raise_for(code: int, sentence: str) -> None:
    if code != KafkaError.NO_ERROR:
        raise LogError(f"{sentence}: {KafkaError(code).str()}")
