"""`syncline apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncline.cli.options import (
    actor_option,
    agreed,
    allow_widening_option,
    connection_settings,
    folder_argument,
    output_option,
    yes_option,
)
from syncline.cli.output import Output, counted
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.definitions.actions import Plan


@click.command()
@folder_argument
@actor_option
@click.option("--reason", help="Why; kept in the catalog. [the folder and its git commit]")
@allow_widening_option
@yes_option
@connection_settings
@output_option
def apply(
    *,
    folder: str,
    actor: str | None,
    reason: str | None,
    allow_widening: bool,
    yes: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Make topics, schemas and catalog what the definitions in FOLDER say.

    Applying again changes nothing, and an apply that failed half-way is simply run again.
    """
    if allow_widening and not reason:
        raise click.UsageError(
            "--allow-widening needs a --reason: why consumers may meet values they were promised not to"
        )
    from syncline import wiring
    from syncline.catalog_client import Author, CatalogClient
    from syncline.cli.authorship import default_actor, default_reason
    from syncline.cli.planned import make_plan, plan_document, show_plan
    from syncline.clock import SystemClock
    from syncline.definitions.apply import Ports, reach
    from syncline.definitions.apply import apply as carry_out
    from syncline.wire.topics import Topics

    clock = SystemClock()
    log, registry = wiring.open_log(settings), wiring.open_registry(settings)
    catalog = CatalogClient(log, Topics(settings.prefix).catalog, clock=clock, client_id="syncline-apply")

    def planned_now() -> Plan:
        return make_plan(
            folder,
            settings=settings,
            log=log,
            registry=registry,
            catalog=catalog,
            allow_widening=allow_widening,
        )

    try:
        with output.problems():
            planned = planned_now()
        if planned.has_changes:
            reach(log, registry)
        if not output.is_json:
            show_plan(planned, output)
        if planned.has_changes and not agreed("Apply this?", yes=yes):
            output.say("Nothing was changed.")
            return 1
        author = Author(actor or default_actor(), reason or default_reason(folder))
        ports = Ports(log, registry, catalog, clock)
        offsets = carry_out(planned, ports, author, plan_again=planned_now, on_step=output.say)
    finally:
        catalog.close()
    if output.is_json:
        output.document({"applied": planned.has_changes, "offsets": offsets, "plan": plan_document(planned)})
    elif planned.has_changes:
        output.line(
            f"Applied by {author.actor}: {counted(len(offsets), 'decision')} in the catalog.", style="green"
        )
    return 0
