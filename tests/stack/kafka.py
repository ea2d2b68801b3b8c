"""Apache Kafka in KRaft mode, from its own jars."""

from __future__ import annotations

import base64
import subprocess
import uuid
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.stack.cache import filled
from tests.stack.maven import run_maven
from tests.stack.ports import LOOPBACK, free_port
from tests.stack.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KAFKA_VERSION = "4.3.1"
_LOG4J_VERSION = "2.24.3"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>syncline.tests</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version></dependency>
  </dependencies>
</project>
"""
_LOGGING = """rootLogger.level=WARN
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %m (%c)%n
"""


def kafka_jars() -> Path:
    """The folder with Kafka's jars, fetched once."""
    return filled(f"kafka-{KAFKA_VERSION}", _fetch_jars)


class Kafka:
    """One Kafka node (broker and controller) on the loopback address, with its data in `folder`.

    `start` after `stop` or `kill` comes back on the same port with the same data. A cluster of three is three
    of these with the same `voters` (node id to controller port) and `cluster`, in folders of their own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.bootstrap_servers = f"{LOOPBACK}:{self.port}"
        self._node_id = node_id
        self._voters = dict(voters or {node_id: free_port()})
        self._cluster = cluster or base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._settings = dict(settings or {})
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.server = Server(
            f"Kafka {KAFKA_VERSION} (node {node_id})",
            [*self._java("kafka.Kafka", heap="256m"), str(self._properties)],
            log=folder / "kafka.log",
            is_healthy=self._answers,
        )

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it answers as a broker."""
        if not self._properties.exists():
            self._format()
        self.server.start(timeout_s=timeout_s)

    def stop(self) -> None:
        """End it in order. Idempotent."""
        self.server.stop()

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        self.server.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.server.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        self.server.resume()

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _format(self) -> None:
        (self._folder / "log4j2.properties").write_text(_LOGGING)
        draft = self._folder / "server.properties.draft"
        draft.write_text("".join(f"{name}={value}\n" for name, value in self._server_settings().items()))
        done = subprocess.run(
            [
                *self._java("kafka.tools.StorageTool", heap="64m"),
                "format",
                # In one word: an id may begin with a hyphen.
                f"--cluster-id={self._cluster}",
                f"--config={draft}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"Kafka's storage could not be formatted\n{(done.stdout + done.stderr)[-3000:]}"
            )
        draft.rename(self._properties)

    def _server_settings(self) -> dict[str, str]:
        controller = f"{LOOPBACK}:{self._voters[self._node_id]}"
        replicas = str(min(3, len(self._voters)))
        return {
            "process.roles": "broker,controller",
            "node.id": str(self._node_id),
            "controller.quorum.voters": ",".join(f"{n}@{LOOPBACK}:{p}" for n, p in self._voters.items()),
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "num.network.threads": "2",
            "num.io.threads": "2",
            # A broker that was killed is let in again once its earlier session has ended: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # Half of the heap by default.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            **self._settings,
        }

    def _java(self, main: str, *, heap: str) -> list[str]:
        return [
            "java",
            f"-Xmx{heap}",
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}",
            "-cp",
            str(kafka_jars() / "*"),
            main,
        ]

    def _answers(self) -> bool:
        return answers_kafka(self.bootstrap_servers)


def answers_kafka(bootstrap_servers: str) -> bool:
    """Whether a broker answers a metadata request there, with itself among the brokers."""
    client = AdminClient(
        {"bootstrap.servers": bootstrap_servers, "log_level": 0, "error_cb": lambda _error: None}
    )
    try:
        return bool(client.list_topics(timeout=2.0).brokers)
    except KafkaException:
        return False


def _fetch_jars(folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM)
    run_maven("dependency:copy-dependencies", f"-DoutputDirectory={folder}", folder=folder)
