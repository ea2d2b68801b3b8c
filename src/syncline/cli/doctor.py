"""`syncline doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option(
    "--store", type=click.Path(path_type=Path), envvar="SYNCLINE_STORE", help="Look at this store, too."
)
@click.option(
    "--snapshots",
    default="",
    envvar="SYNCLINE_SNAPSHOTS",
    metavar="URL",
    help="Look at the snapshots there, too: can an agent start from the newest?",
)
@connection_settings
@output_option
def doctor(store: Path | None, snapshots: str, settings: ConnectionSettings, output: Output) -> int:
    """Check libraries, brokers, topics, registry, clock, store and snapshots; say for each what to do about it.

    Exits 1 if something has failed. Warnings do not count.
    """
    from dataclasses import asdict

    from syncline.cli.checks import Level
    from syncline.cli.health import examine

    checks = []
    for check in examine(settings, store, snapshots):
        checks.append(check)
        if not output.is_json:
            remedy = f". {check.remedy}" if check.remedy else ""
            output.line(
                f"{check.level.value.ljust(4)}  {check.name}: {check.said}{remedy}",
                style=_STYLES[check.level],
            )
    failed = any(check.level is Level.FAIL for check in checks)
    if output.is_json:
        output.document({"ok": not failed, "checks": [asdict(check) for check in checks]})
    return 1 if failed else 0
