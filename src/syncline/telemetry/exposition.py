"""`/metrics` over HTTP, OpenMetrics where the scraper takes it: one address a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from syncline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry


def serve_metrics(address: str, registry: CollectorRegistry) -> Callable[[], None]:
    """Serve the registry at `host:port`, in a thread of its own; returns what ends it.

    Raises:
        SettingsError: nothing can listen there.
    """
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), addr=host.strip("[]"), registry=registry)
    except OSError as error:
        raise SettingsError(
            f"SYNCLINE_METRICS: /metrics cannot be served at {address}: {error.strerror or error}. Choose another "
            "address, or leave it empty"
        ) from None

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
