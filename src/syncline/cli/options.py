"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from syncline.cli.output import Output

if TYPE_CHECKING:
    from syncline.settings import ConnectionSettings

F = TypeVar("F", bound=Callable[..., Any])

folder_argument = click.argument("folder", default=".", type=click.Path(path_type=str))
"""The folder of definitions; the one we stand in by default."""


@dataclass
class Call:
    """One call of the command line; `output` is that of its command, once its options were read."""

    output: Output | None = None


def text_value(value: str) -> str:
    """The text of an option that is kept for good.

    Raises:
        BadParameter: it has bytes that are no UTF-8, or halves of a surrogate pair: no file and no topic takes them.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter(
            f"character {error.start + 1} is no Unicode text: write it in UTF-8, it is kept for good"
        ) from None
    return value


def _actor(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if not value.strip():
        raise click.BadParameter("it is blank: say who decides, or leave it out; it is kept for good")
    return text_value(value).strip()


actor_option = click.option(
    "--actor",
    envvar="SYNCLINE_ACTOR",
    callback=_actor,
    help="Who decides. [git's user, else the system's; SYNCLINE_ACTOR]",
)


def _reason(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("it is empty: say why, it is kept for good")
    return text_value(value).strip()


reason_option = click.option(
    "--reason", required=True, callback=_reason, help="Why; kept in the catalog for good."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask. Off a terminal nobody is asked anyway.")


def agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: `yes`, or the answer of whoever sits at the terminal, if anyone does."""
    return yes or not sys.stdin.isatty() or click.confirm(question, default=False, err=True)


def _output(ctx: click.Context, _param: click.Parameter, form: str) -> Output:
    """The output, noted in the call: failures are told there, too."""
    output = Output(form)
    call = ctx.find_object(Call)
    if call is not None:
        call.output = output
    return output


output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    is_eager=True,
    callback=_output,
    help="Text for people, or one JSON document with a format_version.",
)
"""`--output text|json`; the command gets `output: Output`."""


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


store_option = click.option(
    "--store",
    required=True,
    envvar="SYNCLINE_STORE",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of an agent's store on this machine.",
)
"""`--store FOLDER`; the command gets `store: Path`."""


metrics_option = click.option(
    "--metrics", metavar="HOST:PORT", help="Serve /metrics there, for Prometheus. [SYNCLINE_METRICS]"
)


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
