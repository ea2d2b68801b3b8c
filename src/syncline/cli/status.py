"""`syncline status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output, counted
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture
    from syncline.ports.log import Log

_TIMEOUT_S = 30.0
_BROKER_S = 4.0
_LOOKED_AT = 2_000
_VIOLATIONS_US = 3_600_000_000


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
    """Show what agents and coordinators last reported, whether digests agree, what waits for a rollout, and violations.

    Of each topic it says why nothing new is served, where that is so: the agent is behind or held, its publisher has
    stalled, or nothing is published. Where no broker answers, nothing of that can be known: it says so, and exits 1.

    Violations are those of the last hour, or all that are kept with --all: publishers' counts added up, and of a
    consumer's agents the highest count, as each of its agents judges every record.

    Exits 1 if digests disagree: two agents read the same records and have different states.
    """
    from syncline import wiring
    from syncline.cli.fleet import show_fleet, show_releases_waiting, show_waiting, status_document
    from syncline.cli.rollout_status import show_coordinators
    from syncline.cli.violations import show_violations
    from syncline.clock import SystemClock
    from syncline.inspection.fleet import compare, read_reports
    from syncline.inspection.rollouts import coordinator_states, unused_releases
    from syncline.inspection.violations import sum_up
    from syncline.inspection.waiting import waits
    from syncline.wire.topics import Topics

    log = wiring.open_log(settings)
    _require_broker(log, settings.bootstrap_servers)
    last = None if everything else _LOOKED_AT
    reports = read_reports(log, Topics(settings.prefix).reports, last=last)
    agents = [agent for agent in reports.agents if consumer in (None, agent.consumer)]
    comparison = compare(agents)
    now_us = SystemClock().now_us()
    from_us = None if everything else now_us - _VIOLATIONS_US
    picture = _picture(log, Topics(settings.prefix).catalog)
    coordinators = coordinator_states(picture, reports.coordinators, now_us=now_us)
    waiting = waits(agents, now_us=now_us)
    releases_waiting = {
        bundle: found for bundle in sorted(picture.releases) if (found := unused_releases(picture, bundle))
    }
    violations = sum_up(reports.violations, from_us=from_us, consumer=consumer)
    if reports.skipped:
        output.say(
            f"note: {counted(reports.skipped, 'report')} could not be read: other bytes, or written by a newer Syncline"
        )
    if output.is_json:
        output.document(
            status_document(
                agents,
                comparison,
                violations,
                now_us=now_us,
                coordinators=coordinators,
                releases_waiting=releases_waiting,
                waiting=waiting,
            )
        )
    else:
        show_fleet(agents, comparison, output, now_us=now_us, partitions=partitions)
        show_waiting(waiting, output)
        if picture.coordination.rollouts or coordinators:
            show_coordinators(picture, coordinators, output)
        show_releases_waiting(releases_waiting, output)
        show_violations(violations, output, looked_from_us=from_us)
    return 1 if comparison.disagreements else 0


def _require_broker(log: Log, servers: str) -> None:
    """Make sure that a broker answers here.

    Raises:
        LogUnavailable: none does; says what that means.
    """
    from syncline.errors import LogUnavailable

    try:
        log.cluster_id(_BROKER_S)
    except LogUnavailable as error:
        raise LogUnavailable(
            f"broker down: none answers at {servers} within {_BROKER_S:g} s, so what agents report cannot be read. "
            "Agents that reach none either go on serving what they have, and state its age; nothing new gets to them. "
            "Check the address and the brokers; `syncline doctor` says more"
        ) from error


def _picture(log: Log, topic: str) -> Picture:
    """What stands in the catalog; nothing where there is none."""
    from syncline.catalog.fold import Picture
    from syncline.catalog_client import CatalogClient
    from syncline.clock import SystemClock

    if log.describe_topic(topic, _TIMEOUT_S) is None:
        return Picture()
    catalog = CatalogClient(log, topic, clock=SystemClock(), client_id="syncline-status")
    try:
        return catalog.catch_up(_TIMEOUT_S)
    finally:
        catalog.close()
