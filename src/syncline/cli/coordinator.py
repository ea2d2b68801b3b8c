"""`syncline coordinator`: turns what was asked of a rollout into cuts."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from syncline.cli.options import connection_settings, metrics_option

if TYPE_CHECKING:
    from syncline.settings import ConnectionSettings


@click.command()
@click.option(
    "--name",
    help="Its name: stable over restarts, unique in the catalog. [SYNCLINE_COORDINATOR; default: the host's name]",
)
@metrics_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@connection_settings
def coordinator(
    *, name: str | None, metrics: str | None, log_level: str, settings: ConnectionSettings
) -> None:
    """Take releases live at one cut across all partitions, and back, as `syncline rollout` asks.

    One coordinator is live; any number stand by, and take over when nothing is heard of it any more. Ends cleanly on
    SIGTERM or Ctrl-C; killed at any moment, its successor comes to one outcome.
    """
    from syncline.settings import CoordinatorSettings
    from syncline.telemetry.logging import configure_logging
    from syncline.wiring import calm_collector, make_coordinator

    own = CoordinatorSettings.load(**settings.model_dump(), coordinator=name, metrics=metrics)
    configure_logging(log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = make_coordinator(own, stopped=stop.is_set, wait=stop.wait)
    calm_collector()
    worker.run()
