"""The same servers in containers, where a container engine answers."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import docker
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from tests.stack.apicurio import APICURIO_VERSION, CONFLUENT_API, answers_registry
from tests.stack.kafka import KAFKA_VERSION, answers_kafka
from tests.stack.ports import LOOPBACK, free_port
from tests.stack.server import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

_BROKER_PORT = 9092
_CONTROLLER_PORT = 9093
_REGISTRY_PORT = 8080


def why_no_engine() -> str | None:
    """None where a container engine answers; else why not, in one sentence."""
    try:
        client = docker.from_env(timeout=3)
    except DockerException as error:
        return f"no container engine: {error}"
    try:
        client.ping()
    except (DockerException, OSError) as error:
        return f"the container engine does not answer: {error}"
    finally:
        client.close()
    return None


class _ContainerServer:
    """One container with a published port on the loopback address that stays the same over restarts."""

    def __init__(self, name: str, container: DockerContainer, *, is_healthy: Callable[[], bool]) -> None:
        self.name = name
        self._container = container
        self._is_healthy = is_healthy
        self._made = False

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it answers.

        Raises:
            ServerError: it did not answer within `timeout_s`.
        """
        if self._made:
            self._engine().start()
        else:
            self._container.start()
            self._made = True
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self._is_healthy():
                    return
            time.sleep(0.1)
        tail = self._engine().logs(tail=40).decode(errors="replace")
        raise ServerError(f"{self.name} did not answer within {timeout_s:g} s\n{tail}")

    def stop(self) -> None:
        """End it in order. Idempotent."""
        if self._made:
            self._engine().stop()

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        if self._made and self._status() in {"running", "paused"}:
            self._engine().kill()
            self._engine().wait()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._engine().pause()

    def resume(self) -> None:
        """Undo `pause`."""
        if self._status() == "paused":
            self._engine().unpause()

    def remove(self) -> None:
        """Delete the container with its data."""
        if self._made:
            self._container.stop()
            self._made = False

    def _engine(self) -> Any:
        return self._container.get_wrapped_container()

    def _status(self) -> str:
        container = self._engine()
        container.reload()
        return str(container.status)


class ContainerKafka(_ContainerServer):
    """`Kafka` in a container."""

    def __init__(self) -> None:
        self.port = free_port()
        self.bootstrap_servers = f"{LOOPBACK}:{self.port}"
        container = DockerContainer(f"apache/kafka:{KAFKA_VERSION}").with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_CONTROLLER_QUORUM_VOTERS=f"1@localhost:{_CONTROLLER_PORT}",
            KAFKA_LISTENERS=f"PLAINTEXT://:{_BROKER_PORT},CONTROLLER://:{_CONTROLLER_PORT}",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{self.bootstrap_servers}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_BROKER_SESSION_TIMEOUT_MS="3000",
            KAFKA_BROKER_HEARTBEAT_INTERVAL_MS="500",
            KAFKA_HEAP_OPTS="-Xmx256m",
        )
        container.ports = {f"{_BROKER_PORT}/tcp": (LOOPBACK, self.port)}
        super().__init__(
            f"apache/kafka:{KAFKA_VERSION}",
            container,
            is_healthy=lambda: answers_kafka(self.bootstrap_servers),
        )


class ContainerApicurio(_ContainerServer):
    """`Apicurio` in a container."""

    def __init__(self) -> None:
        self.port = free_port()
        self.registry_url = f"http://{LOOPBACK}:{self.port}{CONFLUENT_API}"
        container = DockerContainer(f"apicurio/apicurio-registry:{APICURIO_VERSION}").with_envs(
            APICURIO_DATASOURCE_URL="jdbc:h2:file:/tmp/schemas",
        )
        container.ports = {f"{_REGISTRY_PORT}/tcp": (LOOPBACK, self.port)}
        super().__init__(
            f"apicurio/apicurio-registry:{APICURIO_VERSION}",
            container,
            is_healthy=lambda: answers_registry(self.port, CONFLUENT_API),
        )
