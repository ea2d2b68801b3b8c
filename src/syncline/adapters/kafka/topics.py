"""A cluster's topics: described, and made so that they can be written at once."""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported; its types do not say so
    AdminClient,
    ConfigResource,
    ConfigSource,
    NewTopic,
    OffsetSpec,
)

from syncline.adapters.kafka.errors import raised, refused_settings
from syncline.adapters.kafka.lines import logged_lines
from syncline.errors import LogError, LogUnavailable, TopicMismatch
from syncline.ports.log import TopicDescription, TopicSpec

if TYPE_CHECKING:
    from concurrent.futures import Future

    from syncline.adapters.kafka.settings import Properties

_REPLICAS = 3
_RETRY_S = 0.1


class KafkaTopics:
    """Asks a cluster about itself and its topics, and makes topics."""

    def __init__(self, properties: Properties) -> None:
        configuration: dict[str, Any] = {**properties, "logger": logged_lines()}
        self._servers = properties["bootstrap.servers"]
        try:
            self._admin = AdminClient(configuration)
        except KafkaException as error:
            raise refused_settings(error.args[0]) from None

    def cluster(self, timeout_s: float) -> tuple[str, int]:
        """(cluster id, number of brokers that are up).

        Raises:
            LogUnavailable: no broker answered in time.
        """
        asked = self._admin.describe_cluster(request_timeout=timeout_s)
        found = self._answer(asked, timeout_s, f"asking for the cluster at {self._servers}")
        return str(found.cluster_id), len(found.nodes)

    def describe(self, name: str, timeout_s: float) -> TopicDescription | None:
        """See `Log.describe_topic`. `config` holds what was set for this topic, not what it inherits."""
        deadline_s = time.monotonic() + timeout_s
        found = self._found(name, timeout_s)
        if found is None:
            return None
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        left_s = max(deadline_s - time.monotonic(), _RETRY_S)
        asked = self._admin.describe_configs([resource], request_timeout=left_s)[resource]
        entries = self._answer(asked, left_s, f"asking for the settings of {name}")
        config = {
            entry.name: entry.value
            for entry in entries.values()
            if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value and entry.value is not None
        }
        return TopicDescription(name, len(found.partitions), str(found.topic_id), config)

    def create(self, spec: TopicSpec, timeout_s: float) -> bool:
        """See `Log.create_topic`."""
        deadline_s = time.monotonic() + timeout_s
        _, brokers = self.cluster(timeout_s)
        replicas = min(_REPLICAS, brokers)
        config = dict(spec.config)
        if replicas == _REPLICAS:
            config.setdefault("min.insync.replicas", "2")
        topic = NewTopic(spec.name, spec.partitions, replicas, config=config)
        left_s = max(deadline_s - time.monotonic(), _RETRY_S)
        asked = self._admin.create_topics([topic], operation_timeout=left_s, request_timeout=left_s)[
            spec.name
        ]
        try:
            self._answer(asked, left_s, f"making the topic {spec.name}")
            created = True
        except _ExistsError:
            created = False
        self._await_writable(spec, deadline_s)
        return created

    def _await_writable(self, spec: TopicSpec, deadline_s: float) -> None:
        """Wait until each partition has a leader that answers: brokers learn of a topic one after another."""
        doing = f"waiting until {spec.name} can be written"
        reason = "a partition still has no leader"
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                if self._is_writable(spec, left_s):
                    return
            except LogUnavailable as error:
                reason = str(error)
            time.sleep(_RETRY_S)
        raise LogUnavailable(f"{doing}: {reason}; check the brokers, then run it again")

    def _is_writable(self, spec: TopicSpec, timeout_s: float) -> bool:
        found = self._found(spec.name, timeout_s)
        if found is None:
            return False
        if len(found.partitions) != spec.partitions:
            raise TopicMismatch(
                f"the topic {spec.name} has {len(found.partitions)} partitions, not {spec.partitions}; keys"
                " would move between partitions, so it is left alone: correct the definition, or use a new topic"
            )
        if any(partition.leader is None for partition in found.partitions):
            return False
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the binding's own types are partial
        wanted = {TopicPartition(spec.name, number): latest for number in range(spec.partitions)}
        for asked in self._admin.list_offsets(wanted, request_timeout=timeout_s).values():
            try:
                self._answer(asked, timeout_s, f"asking the leaders of {spec.name}")
            except _MissingError:
                return False
        return True

    def _found(self, name: str, timeout_s: float) -> Any | None:  # noqa: ANN401  # the client's own description
        asked = self._admin.describe_topics(TopicCollection([name]), request_timeout=timeout_s)[name]
        try:
            return self._answer(asked, timeout_s, f"asking for the topic {name}")
        except _MissingError:
            return None

    def _answer(self, asked: Future[Any], timeout_s: float, doing: str) -> Any:  # noqa: ANN401  # the client's types
        try:
            return asked.result(timeout_s + 1.0)
        except FutureTimeoutError:
            raise LogUnavailable(f"{doing}: no broker answered within {timeout_s:.1f} s") from None
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:
                raise _ExistsError(doing) from None
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise _MissingError(doing) from None
            raise raised(error.args[0], doing) from None
        finally:
            self._admin.poll(0)  # log lines and errors queue up until someone takes them


class _ExistsError(LogError):
    """The topic exists already."""


class _MissingError(LogError):
    """The topic does not exist."""
