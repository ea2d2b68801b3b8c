"""`syncline demo`: all of it on real flights, in a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncline.cli.options import connection_settings

if TYPE_CHECKING:
    from syncline.settings import ConnectionSettings


@click.group(invoke_without_command=True)
@click.option(
    "--bootstrap-servers",
    help="Run on this Kafka cluster, with the whole year. [default: a broker inside the demo]",
)
@click.option("--registry", help="The schema registry of that cluster.")
@click.option(
    "--stack",
    is_flag=True,
    help="Run on what `make stack` started, with its exports set: telemetry goes to its Jaeger and Prometheus.",
)
@click.pass_context
def demo(context: click.Context, *, bootstrap_servers: str | None, registry: str | None, stack: bool) -> None:
    """Show all of Syncline on real flights of 2013: contracts, publishing, two agents, model inputs, proof.

    Without options it runs on a broker and a registry inside this process, on five weeks of flights.
    """
    if context.invoked_subcommand is not None:
        return
    import os

    from syncline.clock import SystemClock
    from syncline.demo.screen import Screen
    from syncline.demo.story import run_demo
    from syncline.demo.telemetry_stack import TelemetryStack

    named = bootstrap_servers is not None
    if stack and not named and registry is None:
        bootstrap_servers = os.environ.get("SYNCLINE_BOOTSTRAP_SERVERS")
        registry = os.environ.get("SYNCLINE_REGISTRY_URL") if bootstrap_servers else None
    if (bootstrap_servers is None) != (registry is None):
        raise click.UsageError("--bootstrap-servers and --registry belong together")

    run_demo(
        screen=Screen.standard(),
        clock=SystemClock(),
        bootstrap_servers=bootstrap_servers,
        registry_url=registry,
        whole_year=named,
        telemetry=TelemetryStack.from_env() if stack else None,
    )


@demo.command()
@click.option(
    "--rate", type=click.IntRange(min=1), default=2_000, show_default=True, help="Updates a second."
)
@click.option(
    "--rounds", type=click.IntRange(min=0), default=0, help="How often to play the five weeks; 0 is for ever."
)
@connection_settings
def publish(*, rate: int, rounds: int, settings: ConnectionSettings) -> None:
    """Play flights into a cluster where the definitions have been applied, at a steady rate."""
    import signal
    import threading

    from syncline.clock import SystemClock
    from syncline.demo.player import play
    from syncline.demo.screen import Screen

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    play(
        settings,
        screen=Screen.standard(),
        clock=SystemClock(),
        rate=rate,
        rounds=rounds,
        stopped=stop.is_set,
        wait=stop.wait,
    )
