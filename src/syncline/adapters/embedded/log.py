"""The embedded broker as a `Log`: Kafka's client as it is, topics by way of the broker object."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported; its types do not say so
    AdminClient,
    ClusterMetadata,
)

from syncline.adapters.kafka.errors import raised
from syncline.adapters.kafka.lines import logged_lines
from syncline.adapters.kafka.log import KafkaLog
from syncline.adapters.kafka.settings import admin_properties, checked
from syncline.errors import LogError, TopicMismatch
from syncline.ports.log import TopicDescription, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

# The broker's fetch brings one message set at a time, so small sets make it slow.
_CLIENT: Mapping[str, str | int] = MappingProxyType({"linger.ms": 50})


class Broker(Protocol):
    """An embedded broker as a log needs it."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        ...

    def create_topic(self, name: str, partitions: int) -> bool:
        """Make a topic; False if it exists."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteBroker:
    """An embedded broker that lives in another process: reachable, but only its owner can make topics."""

    bootstrap_servers: str

    def create_topic(self, name: str, partitions: int) -> bool:
        """Raise: see the class."""
        raise LogError(
            f"topic {name} ({partitions} partitions) can be made only in the process that runs the embedded broker"
        )


class EmbeddedLog(KafkaLog):
    """A `Log` over an `EmbeddedBroker`, with its limits: see there. A topic's `config` has no effect.

    The broker has no controller, so Kafka's admin requests get no answer: all is asked by metadata.
    """

    def __init__(self, broker: Broker, *, client: Mapping[str, str | int] = MappingProxyType({})) -> None:
        super().__init__(broker.bootstrap_servers, client={**_CLIENT, **client})
        self._broker = broker
        properties: dict[str, Any] = {**admin_properties(broker.bootstrap_servers, checked(client))}
        self._admin = AdminClient(properties | {"logger": logged_lines()})

    def cluster_id(self, timeout_s: float = 5.0) -> str:
        """See `Log.cluster_id`."""
        return str(self._metadata(timeout_s).cluster_id)

    def broker_count(self, timeout_s: float = 5.0) -> int:
        """See `Log.broker_count`."""
        return len(self._metadata(timeout_s).brokers)

    def describe_topic(self, name: str, timeout_s: float = 5.0) -> TopicDescription | None:
        """See `Log.describe_topic`. The broker has neither topic ids nor settings."""
        # All topics are asked for: asked for one that does not exist, the broker would make it.
        found = self._metadata(timeout_s).topics.get(name)
        return None if found is None else TopicDescription(name, len(found.partitions), None, {})

    def create_topic(self, spec: TopicSpec, timeout_s: float = 15.0) -> bool:
        """See `Log.create_topic`."""
        made = self._broker.create_topic(spec.name, spec.partitions)
        found = self.describe_topic(spec.name, timeout_s)
        if found is not None and found.partitions != spec.partitions:
            raise TopicMismatch(
                f"the topic {spec.name} has {found.partitions} partitions, not {spec.partitions}"
            )
        return made

    def _metadata(self, timeout_s: float) -> ClusterMetadata:
        try:
            return self._admin.list_topics(timeout=timeout_s)
        except KafkaException as error:
            raise raised(error.args[0], "asking the embedded broker for its topics") from None
        finally:
            self._admin.poll(0)
