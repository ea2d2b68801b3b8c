"""`syncline trace`: where the values of one model input come from, and where each of them waited."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncline.cli.options import connection_settings, output_option, store_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncline.cli.stored_input import StoredInput
    from syncline.cli.traced_input import TracedAlias
    from syncline.inspection.jaeger import Answer, Jaeger
    from syncline.inspection.origins import Origin, RecordFound
    from syncline.ports.log import Log

_RECORDS_S = 4.0
_PUBLISHERS_S = 3.0
"""How long the log is asked for each, at most."""
_WRITTEN_LATELY_US = 30_000_000


def _jaeger(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from syncline.inspection.jaeger import jaeger_url

    if not value:
        return None
    try:
        return jaeger_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("bundle")
@click.argument("keys", nargs=-1, metavar="KEY=VALUE...")
@store_option
@click.option(
    "--feature",
    "features",
    multiple=True,
    help="Only this feature (repeat), as alias:feature or its result name.",
)
@click.option("--values", is_flag=True, help="Show the values, too.")
@click.option(
    "--jaeger",
    envvar="SYNCLINE_JAEGER_URL",
    metavar="URL",
    callback=_jaeger,
    help="The Jaeger that has the traces, to draw their spans. [SYNCLINE_JAEGER_URL]",
)
@connection_settings
@output_option
def trace(
    *,
    bundle: str,
    keys: tuple[str, ...],
    store: Path,
    features: tuple[str, ...],
    values: bool,
    jaeger: str | None,
    settings: ConnectionSettings,
    output: Output,
) -> None:
    """Show where the values of one model input of BUNDLE come from, and how long each stage of their way took.

    For instance: syncline trace flight_inputs origin=EWR dest=IAH tailnum=N14228 --store ./store

    Times are those of the store, of the record itself while the log has it, and of the spans where the update was
    traced and a Jaeger is named. What cannot be reached is said, and the rest is shown all the same.
    """
    from contextlib import closing

    from syncline import wiring
    from syncline.cli.stored_input import read_stored
    from syncline.cli.traced_input import TracedInput, show_traced, traced_document
    from syncline.clock import SystemClock
    from syncline.inspection.jaeger import Jaeger

    with closing(wiring.open_store(store, read_only=True)) as opened:
        stored = read_stored(opened, bundle, keys, features=list(features) or None, clock=SystemClock())
    _say_condition(stored, output)
    log = wiring.open_log(settings)
    records = _records(log, stored.origins, settings.bootstrap_servers, output)
    asked = None if jaeger is None else Jaeger(jaeger)
    aliases = _with_traces(stored, records, asked, output)
    unsigned = {
        alias.origin.topic for alias in aliases if alias.origin.place is not None and not alias.sent_by
    }
    if unsigned and any(not record.missing for record in records.values()):
        aliases = _with_publishers(log, stored, aliases, unsigned)
    found = TracedInput(stored, tuple(aliases), asked)
    if output.is_json:
        output.document(traced_document(found, values=values))
    else:
        show_traced(found, output, values=values)


def _say_condition(stored: StoredInput, output: Output) -> None:
    """What keeps the store's values from being those of the log."""
    from syncline.inspection.ages import rough

    condition = stored.condition
    if condition is None:
        return
    why = f" ({condition.reason})" if condition.reason else ""
    silent_us = stored.read_at_us - condition.reported_at_us
    if not condition.ready:
        output.say(f"note: the agent {condition.agent} is not ready: it is {condition.state}{why}")
    elif silent_us > _WRITTEN_LATELY_US:
        output.say(f"note: the agent {condition.agent} has not written this store for {rough(silent_us)}")


def _records(
    log: Log, origins: Sequence[Origin], servers: str, output: Output
) -> dict[tuple[str, int, int], RecordFound]:
    from syncline.inspection.origins import RecordFound
    from syncline.inspection.records import NO_BROKER, find_records

    found = find_records(log, origins, timeout_s=_RECORDS_S)
    if any(record.missing == NO_BROKER for record in found.values()):
        missing = f"no broker answered at {servers}"
        output.say(f"note: {missing}: the records themselves are left out")
        return {
            place: RecordFound(missing=missing) if record.missing == NO_BROKER else record
            for place, record in found.items()
        }
    return found


def _with_traces(
    stored: StoredInput,
    records: dict[tuple[str, int, int], RecordFound],
    jaeger: Jaeger | None,
    output: Output,
) -> list[TracedAlias]:
    """What is known of each alias, with the spans of its update where a Jaeger has them."""
    from syncline.cli.traced_input import TracedAlias
    from syncline.inspection.origins import NOT_LOOKED_FOR, trace_of

    answers: dict[str, Answer] = {}
    away: Answer | None = None
    aliases = []
    for origin in stored.origins:
        record = NOT_LOOKED_FOR if origin.place is None else records[origin.place]
        trace = trace_of(origin, record)
        answer = None
        if trace is not None and jaeger is not None:
            # One that does not answer is asked once.
            answer = away or answers.get(trace[0])
            if answer is None:
                answer = answers[trace[0]] = jaeger.trace(trace[0])
                if not answer.is_reachable:
                    away = answer
                    output.say(f"note: no spans from Jaeger at {jaeger.url}: {answer.trouble}")
        aliases.append(TracedAlias(origin, record, answer))
    return aliases


def _with_publishers(
    log: Log, stored: StoredInput, aliases: list[TracedAlias], topics: set[str]
) -> list[TracedAlias]:
    """Who was heard on these topics: of an update without a span nobody knows which of them sent it."""
    from dataclasses import replace

    from syncline.errors import LogError
    from syncline.inspection.publishers import publishers_by_heartbeat

    asked = {topic: major for topic, major in stored.topics.items() if topic in topics}
    try:
        heard = publishers_by_heartbeat(log, asked, timeout_s=_PUBLISHERS_S)
    except LogError:
        return aliases
    by_topic = {topic: heard.get(f"{view}@{major}", set()) for topic, (view, major) in asked.items()}
    return [replace(alias, heard=tuple(sorted(by_topic.get(alias.origin.topic, ())))) for alias in aliases]
