"""`syncline status`."""

from __future__ import annotations

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output, counted
from syncline.settings import ConnectionSettings

_LOOKED_AT = 2_000


@click.command()
@click.option("--consumer", help="Only the agents of this subscription.")
@click.option("--partitions", is_flag=True, help="Show every partition of every agent.")
@click.option(
    "--all", "everything", is_flag=True, help=f"Read all reports, not the last {_LOOKED_AT} a partition."
)
@connection_settings
@output_option
def status(
    consumer: str | None, partitions: bool, everything: bool, settings: ConnectionSettings, output: Output
) -> int:
    """Show what each agent last reported, and whether agents at equal positions have equal digests.

    Exits 1 if digests disagree: two agents read the same records and have different states.
    """
    from syncline import wiring
    from syncline.cli.fleet import show_fleet, status_document
    from syncline.clock import SystemClock
    from syncline.inspection.fleet import compare, read_fleet
    from syncline.wire.topics import Topics

    log = wiring.open_log(settings)
    log.cluster_id()
    last = None if everything else _LOOKED_AT
    fleet, skipped = read_fleet(log, Topics(settings.prefix).reports, last=last)
    agents = [agent for agent in fleet if consumer in (None, agent.consumer)]
    comparison = compare(agents)
    now_us = SystemClock().now_us()
    if skipped:
        output.say(
            f"note: {counted(skipped, 'report')} could not be read: other bytes, or written by a newer Syncline"
        )
    if output.is_json:
        output.document(status_document(agents, comparison, now_us=now_us))
    else:
        show_fleet(agents, comparison, output, now_us=now_us, partitions=partitions)
    return 1 if comparison.disagreements else 0
