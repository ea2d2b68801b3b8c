"""`syncline plan`."""

from __future__ import annotations

import click

from syncline.cli.options import allow_widening_option, connection_settings, folder_argument, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

EXIT_CHANGES = 2


@click.command()
@folder_argument
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there are changes, 0 if there are none.")
@allow_widening_option
@connection_settings
@output_option
def plan(
    *,
    folder: str,
    detailed_exitcode: bool,
    allow_widening: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Compare the definitions in FOLDER with the catalog, and show what apply would do. Nothing is written."""
    from syncline import wiring
    from syncline.catalog_client import CatalogClient
    from syncline.cli.planned import make_plan, plan_document, show_plan
    from syncline.clock import SystemClock
    from syncline.wire.topics import Topics

    log, registry = wiring.open_log(settings), wiring.open_registry(settings)
    catalog = CatalogClient(
        log, Topics(settings.prefix).catalog, clock=SystemClock(), client_id="syncline-plan"
    )
    try:
        with output.problems():
            planned = make_plan(
                folder,
                settings=settings,
                log=log,
                registry=registry,
                catalog=catalog,
                allow_widening=allow_widening,
            )
    finally:
        catalog.close()
    if output.is_json:
        output.document(plan_document(planned))
    else:
        show_plan(planned, output)
    return EXIT_CHANGES if detailed_exitcode and planned.has_changes else 0
