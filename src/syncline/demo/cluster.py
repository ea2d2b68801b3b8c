"""Where the demo runs: on a broker and a registry inside this process, or on a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncline.adapters.embedded.broker import EmbeddedBroker
from syncline.adapters.embedded.log import EmbeddedLog
from syncline.adapters.embedded.registry import EmbeddedRegistry
from syncline.ports.log import Log
from syncline.ports.registry import Registry
from syncline.settings import ConnectionSettings
from syncline.wiring import open_log, open_registry


@dataclass(frozen=True, slots=True)
class Cluster:
    """A log and a registry, and how other processes reach them."""

    settings: ConnectionSettings
    log: Log
    registry: Registry
    embedded: bool


@contextmanager
def open_cluster(bootstrap_servers: str | None, registry_url: str | None) -> Iterator[Cluster]:
    """The cluster at these addresses; without them, one inside this process that is gone afterwards."""
    if bootstrap_servers is not None:
        settings = ConnectionSettings.load(bootstrap_servers=bootstrap_servers, registry_url=registry_url)
        yield Cluster(settings, open_log(settings), open_registry(settings), embedded=False)
        return
    with EmbeddedBroker.start() as broker, EmbeddedRegistry.start() as registry:
        settings = ConnectionSettings.load(
            bootstrap_servers=f"embedded://{broker.bootstrap_servers}",
            registry_url=registry.url,
            prefix="syncline",
            client={},
        )
        yield Cluster(settings, EmbeddedLog(broker), open_registry(settings), embedded=True)
