"""The only place that joins settings, roles and adapters. Adapters are imported when they are needed, not before."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

from syncline import publisher, reader
from syncline.clock import Clock, SystemClock
from syncline.settings import (
    AgentSettings,
    ConnectionSettings,
    CoordinatorSettings,
    PublisherSettings,
    TelemetrySettings,
)
from syncline.telemetry.metrics import own_registry
from syncline.telemetry.telemetry import Telemetry
from syncline.wire.topics import Topics

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from syncline.agent.agent import Agent
    from syncline.coordinator.coordinator import Coordinator
    from syncline.ports.log import Log
    from syncline.ports.registry import Registry
    from syncline.ports.snapshots import SnapshotStore
    from syncline.ports.store import Store


def open_log(settings: ConnectionSettings) -> Log:
    """The Kafka cluster of the settings; nothing is connected yet.

    `embedded://host:port` means the embedded broker that another process runs, as the demo does.
    """
    if settings.bootstrap_servers.startswith("embedded://"):
        from syncline.adapters.embedded.log import EmbeddedLog, RemoteBroker

        broker = RemoteBroker(settings.bootstrap_servers.removeprefix("embedded://"))
        return EmbeddedLog(broker, client=settings.client)
    from syncline.adapters.kafka.log import KafkaLog

    return KafkaLog(settings.bootstrap_servers, client=settings.client)


def open_registry(settings: ConnectionSettings) -> Registry:
    """The schema registry of the settings; nothing is connected yet."""
    from syncline.adapters.registry import ConfluentRegistry

    return ConfluentRegistry(settings.registry_url)


def open_store(path: Path, *, read_only: bool = False) -> Store:
    """The store in this folder, made if an agent opens it for the first time.

    Raises:
        StoreMissing: there is none, and it is opened to read only.
        StoreBusy: another process writes it.
        StoreCorrupt: it is not what was written.
    """
    from syncline.adapters.lmdb.store import LmdbStore

    return LmdbStore.open(path, create=not read_only, read_only=read_only)


def open_snapshots(location: str) -> SnapshotStore:
    """The place of snapshots at a folder or an fsspec URL; nothing is connected yet.

    Raises:
        SnapshotError: nothing is known that could read such a URL.
    """
    from syncline.adapters.fsspec import FsspecSnapshots

    return FsspecSnapshots.open(location)


def make_agent(
    settings: AgentSettings,
    *,
    consumer: str,
    store: Store,
    stopped: Callable[[], bool],
    wait: Callable[[float], object],
) -> Agent:
    """An agent for a consumer, on Kafka."""
    from syncline.agent.agent import Agent, Ports

    snapshots = open_snapshots(settings.snapshots) if settings.snapshots else None
    clock = SystemClock()
    telemetry = _telemetry(settings, service="syncline-agent", instance=f"{consumer}/{settings.instance}")
    ports = Ports(open_log(settings), store, clock, snapshots, telemetry)
    return Agent(ports, settings=settings, consumer=consumer, stopped=stopped, wait=wait)


def make_coordinator(
    settings: CoordinatorSettings, *, stopped: Callable[[], bool], wait: Callable[[float], object]
) -> Coordinator:
    """A coordinator, on Kafka."""
    from syncline.coordinator.coordinator import Coordinator, Ports

    ours = {
        # Agents stand while its records are on their way: nothing is waited for to send more at once.
        "linger.ms": 0,
        # A marker without an answer is given up with its cut.
        "delivery.timeout.ms": max(1, round(settings.prepare_timeout_s * 1_000)),
    }
    connection = settings.model_copy(update={"client": ours | settings.client})
    telemetry = _telemetry(settings, service="syncline-coordinator", instance=settings.coordinator)
    ports = Ports(open_log(connection), SystemClock(), telemetry)
    return Coordinator(ports, settings=settings, stopped=stopped, wait=wait)


def _telemetry(settings: TelemetrySettings, *, service: str, instance: str) -> Telemetry:
    """That of a process of our own, whose metrics are served at once.

    Raises:
        SettingsError: they cannot be served at this address.
    """
    telemetry = Telemetry(
        settings, service=service, instance=instance, clock=SystemClock(), registry=own_registry()
    )
    telemetry.serve()
    return telemetry


def calm_collector() -> None:
    """Let Python's collector run seldom: a fast loop makes many short-lived objects, and it would take a third of it.

    For processes of our own only, once they have started; never in a process that hosts the library (hazards.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)


class Publisher(publisher.Publisher):
    """Publishes feature updates, checked against their contract before they leave. See `syncline.publisher`."""

    @classmethod
    def from_env(cls, *, registry: CollectorRegistry | None = None, **settings: object) -> Self:
        """A publisher as the `SYNCLINE_…` variables say, with what is given here in their place.

        Its metrics are in `registry`, which is prometheus_client's own unless given, and at `SYNCLINE_METRICS` where
        that is set. Its spans go to the application's tracer provider; without one, to where `OTEL_…` variables say.

        Nothing is connected yet: what is wrong with the cluster is told by the first `view`.

        Raises:
            SettingsError: a setting is missing or wrong.
        """
        loaded = PublisherSettings.load(**settings)
        timeout = {"delivery.timeout.ms": round(loaded.delivery_timeout_s * 1_000)}
        connection = loaded.model_copy(update={"client": timeout | loaded.client})
        clock = SystemClock()
        telemetry = Telemetry(
            loaded, service="syncline-publisher", instance=loaded.publisher, clock=clock, registry=registry
        )
        telemetry.serve()
        return cls(
            open_log(connection),
            settings=loaded,
            clock=clock,
            topics=Topics(loaded.prefix),
            telemetry=telemetry,
        )


class FeatureReader(reader.FeatureReader):
    """Hands out model inputs from an agent's store, in process. See `syncline.reader`."""

    def __init__(
        self, store: str | Path, *, clock: Clock | None = None, registry: CollectorRegistry | None = None
    ) -> None:
        """`store` is the folder that the agent writes.

        Ages and durations of reads are counted in `registry`, which is prometheus_client's own unless given. Spans, and
        links of the current span to the updates behind a model input, go as for a `Publisher`.

        Raises:
            StoreMissing: there is no store in this folder.
            SettingsError: a `SYNCLINE_…` variable has no valid value.
        """
        settings, now = TelemetrySettings.load(), clock or SystemClock()
        telemetry = Telemetry(
            settings, service="syncline-reader", instance=socket.gethostname(), clock=now, registry=registry
        )
        super().__init__(open_store(Path(store), read_only=True), clock=now, telemetry=telemetry)
