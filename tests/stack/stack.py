"""A Kafka and a schema registry for a test run: in containers, from packages, or embedded."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from syncline.adapters.embedded.broker import EmbeddedBroker
from syncline.adapters.embedded.registry import EmbeddedRegistry
from tests.stack.apicurio import APICURIO_VERSION, Apicurio, apicurio_folder
from tests.stack.engine import ContainerApicurio, ContainerKafka, why_no_engine
from tests.stack.kafka import KAFKA_VERSION, Kafka, kafka_jars
from tests.stack.maven import why_no_java

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

VARIABLE = "SYNCLINE_TEST_STACK"


class StackError(RuntimeError):
    """The parts that were asked for cannot be had here; the message says which and why."""


class StackKind(StrEnum):
    """Where the servers of a run come from."""

    LOCAL = "local"
    DOCKER = "docker"
    EMBEDDED = "embedded"


class FaultyServer(Protocol):
    """A server that a test may stop, crash, freeze and start again, on the same port with the same data."""

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it answers."""
        ...

    def stop(self) -> None:
        """End it in order. Idempotent."""
        ...

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        ...

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        ...

    def resume(self) -> None:
        """Undo `pause`."""
        ...


class KafkaServer(FaultyServer, Protocol):
    """A Kafka broker."""

    @property
    def bootstrap_servers(self) -> str:
        """Host and port for clients."""
        ...


class RegistryServer(FaultyServer, Protocol):
    """A schema registry."""

    @property
    def registry_url(self) -> str:
        """The root of its Confluent-compatible API."""
        ...


def choose_kind(environment: Mapping[str, str] = os.environ) -> tuple[StackKind, str]:
    """Which stack this run uses, and why, from `SYNCLINE_TEST_STACK` (auto|local|docker|embedded).

    `auto`, which is the default: containers where an engine answers, else packages where Java and Maven are,
    else embedded.

    Raises:
        StackError: the variable names something else, or a stack that cannot be had here.
    """
    asked = environment.get(VARIABLE, "auto")
    if asked == "auto":
        no_engine = why_no_engine()
        if no_engine is None:
            return StackKind.DOCKER, "a container engine answers"
        no_java = why_no_java()
        if no_java is None:
            return StackKind.LOCAL, "Java and Maven are here, and no container engine answers"
        return StackKind.EMBEDDED, f"{no_engine}; {no_java}"
    try:
        kind = StackKind(asked)
    except ValueError:
        raise StackError(f"{VARIABLE}={asked}: write auto, local, docker or embedded") from None
    why_not = {StackKind.LOCAL: why_no_java, StackKind.DOCKER: why_no_engine}.get(kind, lambda: None)()
    if why_not is not None:
        raise StackError(f"{VARIABLE}={asked}, but {why_not}")
    return kind, f"{VARIABLE}={asked}"


class Stack:
    """A broker and a registry, started together. Use as a context, or `start` and `stop`.

    `kafka` and `registry` are the servers themselves, for faults; None where they are embedded.
    """

    def __init__(self, kind: StackKind, reason: str = "asked for") -> None:
        self.kind = kind
        self.reason = reason
        self.kafka: KafkaServer | None = None
        self.registry: RegistryServer | None = None
        self.bootstrap_servers = ""
        self.registry_url = ""
        self._cleanup = contextlib.ExitStack()

    @property
    def is_real(self) -> bool:
        """Whether these are the real servers."""
        return self.kind is not StackKind.EMBEDDED

    @property
    def description(self) -> str:
        """What runs, in one line."""
        if not self.is_real:
            return f"embedded broker and registry ({self.reason})"
        return f"Kafka {KAFKA_VERSION} and Apicurio {APICURIO_VERSION}, {self.kind} ({self.reason})"

    def fetch(self) -> None:
        """Have on this machine what `start` needs; at once where it is here."""
        if self.kind is StackKind.LOCAL:
            kafka_jars()
            apicurio_folder()

    def start(self) -> Self:
        """Start everything and return once all of it answers; nothing runs where this raises."""
        try:
            getattr(self, f"_start_{self.kind}")()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything and remove its data. Idempotent."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _start_local(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="syncline-stack-"))
        self._cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        kafka, registry = Kafka(folder / "kafka"), Apicurio(folder / "apicurio")
        self._cleanup.callback(kafka.stop)
        self._cleanup.callback(registry.stop)
        self._adopt(kafka, registry)

    def _start_docker(self) -> None:
        kafka, registry = ContainerKafka(), ContainerApicurio()
        self._cleanup.callback(kafka.remove)
        self._cleanup.callback(registry.remove)
        self._adopt(kafka, registry)

    def _start_embedded(self) -> None:
        broker = self._cleanup.enter_context(EmbeddedBroker.start())
        registry = self._cleanup.enter_context(EmbeddedRegistry.start())
        self.bootstrap_servers, self.registry_url = broker.bootstrap_servers, registry.url

    def _adopt(self, kafka: KafkaServer, registry: RegistryServer) -> None:
        with ThreadPoolExecutor() as pool:
            for starting in [pool.submit(kafka.start), pool.submit(registry.start)]:
                starting.result()
        self.kafka, self.registry = kafka, registry
        self.bootstrap_servers, self.registry_url = kafka.bootstrap_servers, registry.registry_url
