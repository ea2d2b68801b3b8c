"""`syncline agent`: the sidecar beside an inference service."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncline.cli.options import connection_settings, metrics_option
from syncline.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from syncline.settings import ConnectionSettings


@click.command()
@click.option(
    "--subscription",
    required=True,
    envvar="SYNCLINE_SUBSCRIPTION",
    show_envvar=True,
    help="The subscription's name, or a YAML file that holds it.",
)
@click.option(
    "--store",
    required=True,
    envvar="SYNCLINE_STORE",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the store; made if it is not there.",
)
@click.option(
    "--instance",
    help="Which replica this is: stable over restarts. [SYNCLINE_INSTANCE; default: the host's name]",
)
@click.option(
    "--snapshots",
    help="Where snapshots are (a folder, or any URL that fsspec knows): a new store begins from the newest. "
    "[SYNCLINE_SNAPSHOTS]",
)
@metrics_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@connection_settings
def agent(
    *,
    subscription: str,
    store: Path,
    instance: str | None,
    snapshots: str | None,
    metrics: str | None,
    log_level: str,
    settings: ConnectionSettings,
) -> None:
    """Keep the current values of a subscription's features in a local store.

    Reads the log from where the store stands, checks every record against its contract again, and commits values
    and positions together. Ends cleanly on SIGTERM or Ctrl-C; killed at any moment, it goes on where it was.
    """
    from syncline.settings import AgentSettings
    from syncline.telemetry.logging import configure_logging
    from syncline.wiring import calm_collector, make_agent, open_store

    own = AgentSettings.load(
        **settings.model_dump(),
        subscription=subscription,
        store=store,
        instance=instance,
        snapshots=snapshots,
        metrics=metrics,
    )
    consumer = consumer_name(subscription)
    configure_logging(log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    opened = open_store(own.store)
    try:
        worker = make_agent(own, consumer=consumer, store=opened, stopped=stop.is_set, wait=stop.wait)
        calm_collector()
        worker.run()
    finally:
        opened.close()


def consumer_name(subscription: str) -> str:
    """The consumer that an argument means: the name itself, or the one in the file of that path.

    Raises:
        DefinitionError: the file is no valid definition, or holds not exactly one subscription.
    """
    from syncline.definitions.fields import CONSUMER
    from syncline.definitions.folder import read_subscriptions

    path = Path(subscription)
    if path.suffix not in (".yaml", ".yml"):
        if not CONSUMER.fullmatch(subscription):
            message = "it is neither a subscription's name nor a YAML file"
            remedy = "Name the subscription, or the file that holds it"
            raise DefinitionError([Problem(repr(subscription), "", "no-subscription", message, remedy)])
        return subscription
    found = read_subscriptions(path)
    if len(found) != 1:
        message = f"it holds {len(found)} subscriptions"
        remedy = "An agent serves one: name a file with one document of kind Subscription, or the subscription itself"
        raise DefinitionError([Problem(str(path), "", "one-subscription", message, remedy)])
    return found[0].name
