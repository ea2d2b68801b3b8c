"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from syncline.cli.output import Output

if TYPE_CHECKING:
    from syncline.settings import ConnectionSettings

F = TypeVar("F", bound=Callable[..., Any])

folder_argument = click.argument("folder", default=".", type=click.Path(path_type=str))
"""The folder of definitions; the one we stand in by default."""


actor_option = click.option(
    "--actor", envvar="SYNCLINE_ACTOR", help="Who decides. [git's user, else the system's; SYNCLINE_ACTOR]"
)


def _reason(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("it is empty: say why, it is kept for good")
    return value.strip()


reason_option = click.option(
    "--reason", required=True, callback=_reason, help="Why; kept in the catalog for good."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask. Off a terminal nobody is asked anyway.")


def agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: `yes`, or the answer of whoever sits at the terminal, if anyone does."""
    return yes or not sys.stdin.isatty() or click.confirm(question, default=False, err=True)


def output_option(command: F) -> F:
    """`--output text|json`; the command gets `output: Output`."""

    @click.option(
        "--output",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        help="Text for people, or one JSON document with a format_version.",
    )
    @wraps(command)
    def wrapped(*args: object, form: str, **kwargs: object) -> object:
        return command(*args, output=Output(form), **kwargs)

    return wrapped  # type: ignore[return-value]  # click reads its signature from the decorators


def connection_options(command: F) -> F:
    """Where cluster and registry are: `bootstrap_servers`, `registry` and `prefix`, None where not given."""
    for option in (
        click.option(
            "--prefix", metavar="NAME", help="What every topic's name begins with. [SYNCLINE_PREFIX]"
        ),
        click.option("--registry", metavar="URL", help="The schema registry. [SYNCLINE_REGISTRY_URL]"),
        click.option(
            "--bootstrap-servers", metavar="HOST:PORT,…", help="Kafka brokers. [SYNCLINE_BOOTSTRAP_SERVERS]"
        ),
    ):
        command = option(command)
    return command


def connection_settings(command: F) -> F:
    """`connection_options` with the environment behind them; the command gets `settings: ConnectionSettings`."""

    @connection_options
    @wraps(command)
    def wrapped(
        *args: object,
        bootstrap_servers: str | None,
        registry: str | None,
        prefix: str | None,
        **kwargs: object,
    ) -> object:
        return command(*args, settings=load_settings(bootstrap_servers, registry, prefix), **kwargs)

    return wrapped  # type: ignore[return-value]  # click reads its signature from the decorators


allow_widening_option = click.option(
    "--allow-widening",
    is_flag=True,
    help="Wider ranges and more allowed values are MINOR, if every live subscription that reads them accepts it.",
)


def load_settings(
    bootstrap_servers: str | None, registry: str | None, prefix: str | None
) -> ConnectionSettings:
    """The environment's settings, with what the options say in their place."""
    from syncline.settings import ConnectionSettings

    return ConnectionSettings.load(bootstrap_servers=bootstrap_servers, registry_url=registry, prefix=prefix)
