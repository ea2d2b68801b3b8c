"""`syncline lock`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.inspection.locks import ConsumerLocks

EXIT_CHANGES = 2
_RELEASE = click.IntRange(1, 2**31 - 1)


@click.group()
def lock() -> None:
    """Show what a subscription resolved to: exact versions, schema ids and contract hashes."""


@lock.command()
@click.argument("consumer", required=False)
@click.option(
    "--release", type=_RELEASE, help="Under this release of its bundle. [what its policy resolves to]"
)
@click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    help="Instead of asking the catalog: what the agent that writes the store in this folder serves.",
)
@connection_settings
@output_option
def show(
    *,
    consumer: str | None,
    release: int | None,
    store: Path | None,
    settings: ConnectionSettings,
    output: Output,
) -> None:
    """Show the lock of CONSUMER, and whether it is the one that is live.

    The same catalog gives the same lock, byte for byte; its hash is what agents report.
    """
    from syncline.cli.locks import show_lock, show_stored, stored_lock

    if store is not None:
        if release is not None:
            raise click.UsageError("a store has the lock that its agent serves: leave --release out")
        show_stored(stored_lock(store, consumer), output)
        return
    if consumer is None:
        raise click.UsageError("name the consumer, or a store (--store)")
    show_lock(_locks(settings, consumer), release, output)


@lock.command()
@click.argument("consumer")
@click.argument("other", required=False, type=click.Path(path_type=Path))
@click.option("--from", "before", type=_RELEASE, help="From this release. [what is live]")
@click.option("--to", "after", type=_RELEASE, help="To this release. [what the policy resolves to]")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if they differ, 0 if they do not.")
@connection_settings
@output_option
def diff(
    *,
    consumer: str,
    other: Path | None,
    before: int | None,
    after: int | None,
    detailed_exitcode: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Show what differs between what is live for CONSUMER and what its policy resolves to.

    With OTHER, a file that `syncline lock show --output json` wrote: what has changed since then.
    """
    from syncline.cli.locks import saved_lock, show_differences

    if other is not None and before is not None:
        raise click.UsageError("OTHER is what it is compared with: leave --from out")
    # What is wrong with the file is told without asking anybody.
    saved = None if other is None else saved_lock(other, consumer)
    locks = _locks(settings, consumer)
    if saved is None:
        saved = locks.live() if before is None else locks.under(before)
    found = show_differences(saved, locks.by_policy() if after is None else locks.under(after), output)
    return EXIT_CHANGES if detailed_exitcode and found else 0


def _locks(settings: ConnectionSettings, consumer: str) -> ConsumerLocks:
    from syncline.cli.letters import open_catalog
    from syncline.inspection.locks import ConsumerLocks

    return ConsumerLocks.of(open_catalog(settings)[1], consumer)
