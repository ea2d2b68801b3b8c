"""A Kafka cluster as a `Log`."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING

from syncline.adapters.kafka.reader import KafkaReader
from syncline.adapters.kafka.settings import admin_properties, checked, reader_properties, writer_properties
from syncline.adapters.kafka.topics import KafkaTopics
from syncline.adapters.kafka.writer import KafkaWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.ports.log import TopicDescription, TopicSpec


class KafkaLog:
    """A Kafka cluster. `client` holds librdkafka properties of the user: security, sockets, tuning.

    Making one opens no connection. Every reader and writer has connections of its own.

    Raises:
        SettingsError: a property in `client` is Syncline's own, or contradicts what its promises stand on.
    """

    def __init__(
        self, bootstrap_servers: str, *, client: Mapping[str, str | int] = MappingProxyType({})
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._client = checked(client)
        self._lock = threading.Lock()
        self._topics: KafkaTopics | None = None

    def reader(self, *, client_id: str, group: str | None = None) -> KafkaReader:
        """See `Log.reader`."""
        properties = reader_properties(
            self._bootstrap_servers, self._client, client_id=client_id, group=group
        )
        return KafkaReader(properties, commits=group is not None)

    def writer(self, *, client_id: str) -> KafkaWriter:
        """See `Log.writer`."""
        return KafkaWriter(writer_properties(self._bootstrap_servers, self._client, client_id=client_id))

    def cluster_id(self, timeout_s: float = 5.0) -> str:
        """See `Log.cluster_id`."""
        return self._ask().cluster(timeout_s)[0]

    def broker_count(self, timeout_s: float = 5.0) -> int:
        """See `Log.broker_count`."""
        return self._ask().cluster(timeout_s)[1]

    def describe_topic(self, name: str, timeout_s: float = 5.0) -> TopicDescription | None:
        """See `Log.describe_topic`. `config` holds only what was set for this topic."""
        return self._ask().describe(name, timeout_s)

    def create_topic(self, spec: TopicSpec, timeout_s: float = 15.0) -> bool:
        """See `Log.create_topic`."""
        return self._ask().create(spec, timeout_s)

    def _ask(self) -> KafkaTopics:
        with self._lock:
            if self._topics is None:
                self._topics = KafkaTopics(admin_properties(self._bootstrap_servers, self._client))
            return self._topics
