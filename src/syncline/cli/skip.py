"""`syncline skip`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncline.cli.options import actor_option, agreed, connection_settings, output_option, yes_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.catalog.events import Payload
    from syncline.catalog.fold import Picture
    from syncline.ports.log import Log
    from syncline.state.passages import Passage

_TIMEOUT_S = 30.0
_OFFSET_MAX = 2**63 - 1
_PARTITION_MAX = 2**31 - 1
_SCHEMA_ID_MAX = 2**32 - 1


@click.command()
@click.argument("topic", required=False)
@click.argument("partition", required=False, type=click.IntRange(0, _PARTITION_MAX))
@click.argument("offset", required=False, type=click.IntRange(0, _OFFSET_MAX))
@click.option(
    "--schema-id",
    type=click.IntRange(0, _SCHEMA_ID_MAX),
    help="Instead of one record: all records under this id, which the catalog does not know.",
)
@click.option("--reason", required=True, help="Why; kept in the catalog, and told by the dead letter.")
@actor_option
@yes_option
@connection_settings
@output_option
def skip(
    *,
    topic: str | None,
    partition: int | None,
    offset: int | None,
    schema_id: int | None,
    reason: str,
    actor: str | None,
    yes: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Let every agent pass the record that holds a partition: TOPIC PARTITION OFFSET, as `syncline status` names it.

    The record goes to the dead letters with your reason, and nothing of it is applied. With --schema-id, all records
    under an id that nobody registered do. Both are final, and stand in the catalog for every agent, now and later.
    """
    from syncline.cli.letters import open_catalog
    from syncline.wire.topics import Topics

    if not reason.strip():
        raise click.UsageError("--reason is empty: say why, it is kept for good")
    log, picture = open_catalog(settings)
    if topic is not None and partition is not None and offset is not None and schema_id is None:
        payload, shown, earlier = _record(log, picture, topic, partition, offset)
    elif topic is None and schema_id is not None:
        payload, shown, earlier = _refusal(picture, schema_id)
    else:
        raise click.UsageError("name one record, TOPIC PARTITION OFFSET, or give --schema-id ID")
    if earlier is None:
        if not output.is_json:
            _show(shown, output)
        if not agreed("Pass it, for good?", yes=yes):
            output.say("Nothing was decided.")
            return 1
    catalog_topic = Topics(settings.prefix).catalog
    at = earlier.catalog_offset if earlier else _decide(log, catalog_topic, payload, actor, reason.strip())
    if output.is_json:
        output.document({"decided": earlier is None, "catalog_offset": at, **shown})
    elif earlier is not None:
        output.line(f"Passed already, at catalog offset {at}, by {earlier.actor}: {earlier.reason}")
    else:
        output.line(
            f"Decided at catalog offset {at}. Agents that hold there go on by themselves.", style="green"
        )
    return 0


def _decide(log: Log, catalog_topic: str, payload: Payload, actor: str | None, reason: str) -> int:
    from syncline.catalog_client import Author, CatalogClient
    from syncline.cli.authorship import default_actor
    from syncline.clock import SystemClock

    catalog = CatalogClient(log, catalog_topic, clock=SystemClock(), client_id="syncline-skip")
    try:
        catalog.catch_up(_TIMEOUT_S)
        (offset,) = catalog.propose([payload], Author(actor or default_actor(), reason))
    finally:
        catalog.close()
    return offset


def _record(
    log: Log, picture: Picture, topic: str, partition: int, offset: int
) -> tuple[Payload, dict[str, Any], Passage | None]:
    from syncline.catalog.events import RecordSkipped
    from syncline.cli.letters import text_or_hex, time_text
    from syncline.inspection.skips import earlier_skip, holding_record

    payload = RecordSkipped(topic, partition, offset)
    shown: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset}
    earlier = earlier_skip(picture, topic, partition, offset)
    if earlier is not None:
        return payload, shown, earlier
    held = holding_record(log, picture, topic, partition, offset)
    shown |= {
        "key": text_or_hex(held.record.key),
        "schema_id": held.schema_id,
        "time": time_text(held.record.timestamp_ms),
        "holds_because": held.why,
    }
    return payload, shown, None


def _refusal(picture: Picture, schema_id: int) -> tuple[Payload, dict[str, Any], Passage | None]:
    from syncline.catalog.events import SchemaRefused
    from syncline.inspection.skips import earlier_refusal

    earlier = earlier_refusal(picture, schema_id)
    return SchemaRefused(schema_id), {"schema_id": schema_id}, earlier


def _show(shown: dict[str, Any], output: Output) -> None:
    width = max(map(len, shown))
    for name, content in shown.items():
        output.line(f"{name.ljust(width)}  {content}")
    if "topic" not in shown:
        output.say(
            "Every record under this id, of every view, goes to the dead letters; it can never be registered."
        )
