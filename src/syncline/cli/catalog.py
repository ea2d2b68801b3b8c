"""`syncline catalog`: the history of decisions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from syncline.cli.letter_filters import Moment
from syncline.cli.options import connection_settings, output_option
from syncline.cli.output import Output, counted
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture
    from syncline.inspection.history import Entry, History, Wanted
    from syncline.ports.log import Log

_FOLLOW_S = 1.0


def _kinds(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> frozenset[str] | None:
    """The kinds meant: a whole name, or the beginning of some, in any spelling of case."""
    from syncline.contracts.nearest import nearest
    from syncline.inspection.history import NO_DECISION
    from syncline.inspection.sentences import KINDS

    known, found = (*KINDS, NO_DECISION), set[str]()
    for text in value:
        wanted = text.replace("-", "").replace("_", "").lower()
        meant = {kind for kind in known if kind.lower() == wanted} or {
            kind for kind in known if wanted and kind.lower().startswith(wanted)
        }
        if not meant:
            raise click.BadParameter(f"there is no kind {text[:40]!r}. {nearest(text, known)}", ctx, param)
        found |= meant
    return frozenset(found) or None


@click.group()
def catalog() -> None:
    """Look into the catalog: every decision, in one order for everyone."""


@catalog.command()
@click.option("--actor", metavar="NAME", help="Only what this one decided.")
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    multiple=True,
    callback=_kinds,
    help="Only this kind, as BundleReleased; `Cut` or `rollout` are all that begin so. May repeat.",
)
@click.option(
    "--about",
    metavar="NAME",
    help="Only what concerns this view, view@1, view@1.3, bundle, bundle@2, consumer, model, topic or coordinator.",
)
@click.option(
    "--since",
    "since_ms",
    type=Moment(),
    help="Only from this time on: RFC 3339, or `2 h` ago (writers' clocks).",
)
@click.option("--until", "until_ms", type=Moment(), help="Only up to this time.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N of those.")
@click.option("--void/--counted", default=None, help="Only records that do not count, or only those that do.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@connection_settings
@output_option
def log(
    *,
    actor: str | None,
    kinds: frozenset[str] | None,
    about: str | None,
    since_ms: int | None,
    until_ms: int | None,
    last: int | None,
    void: bool | None,
    follow: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Show who decided what, why and when, in the catalog's order.

    Of a record that does not count, the last column says why. Exits 1 if a record was written by a newer
    Syncline: what comes after it cannot be read.
    """
    if since_ms is not None and until_ms is not None and since_ms > until_ms:
        raise click.UsageError("--since is after --until: exchange them")
    if follow and output.is_json:
        raise click.UsageError("--follow does not end, so it makes no JSON document: ask for one of them")
    from syncline.catalog.fold import Picture
    from syncline.inspection.history import Wanted, require_known

    wanted = Wanted(
        actor,
        kinds,
        about,
        None if since_ms is None else since_ms * 1_000,
        None if until_ms is None else until_ms * 1_000 + 999,
        void,
    )
    cluster, topic = _open(settings)
    history = _read_on(cluster, topic, Picture())
    if not follow:
        require_known(history, about=about, actor=actor)
    found = [entry for entry in history.entries if wanted.admits(entry)]
    left_out = max(0, len(found) - last) if last is not None else 0
    found = found[left_out:]
    if output.is_json:
        output.document(
            {
                "catalog_offset": history.picture.next_offset,
                "left_out": left_out,
                "unreadable": history.unreadable,
                "decisions": [_document(entry) for entry in found],
            }
        )
    else:
        _show(found, output)
        if not found and not follow:
            output.say("No decision is like that.")
        if left_out:
            output.say(f"{counted(left_out, 'earlier decision')} left out by --last")
    if history.unreadable:
        output.say(f"nothing after this can be read: {history.unreadable}")
        return 1
    for entries in _followed(cluster, topic, history.picture, wanted) if follow else ():
        _show_more(entries, output)
    return 0


def _open(settings: ConnectionSettings) -> tuple[Log, str]:
    from syncline import wiring
    from syncline.catalog_client import require_catalog
    from syncline.wire.topics import Topics

    cluster, topic = wiring.open_log(settings), Topics(settings.prefix).catalog
    cluster.cluster_id()  # asks for less long: whoever looks here while no broker answers is told soon
    require_catalog(cluster, topic, 5.0)
    return cluster, topic


def _read_on(cluster: Log, topic: str, before: Picture) -> History:
    from syncline.inspection.history import read_on
    from syncline.inspection.reading import read_to_end

    records = read_to_end(cluster, topic, start=before.next_offset)
    return read_on(before, [(record.offset, record.value) for record in records])


def _followed(cluster: Log, topic: str, picture: Picture, wanted: Wanted) -> Iterator[list[Entry]]:
    from syncline.errors import UnknownFormat

    while True:
        time.sleep(_FOLLOW_S)
        history = _read_on(cluster, topic, picture)
        picture = history.picture
        yield [entry for entry in history.entries if wanted.admits(entry)]
        if history.unreadable:
            raise UnknownFormat(history.unreadable)


def _show(entries: list[Entry], output: Output) -> None:
    """One row each; where some do not count, a column says why."""
    if not entries:
        return
    some_void = any(entry.void for entry in entries)
    output.table(
        ["offset", "when", "who", "what", "why", *(["does not count"] if some_void else [])],
        [_row(entry) + ([entry.void] if some_void else []) for entry in entries],
        right=["offset"],
    )


def _show_more(entries: list[Entry], output: Output) -> None:
    """As they come: a line each."""
    for entry in entries:
        void = f"  does not count: {entry.void}" if entry.void else ""
        output.line("  ".join(_row(entry)) + void, style="yellow" if void else "")


def _row(entry: Entry) -> list[str]:
    from syncline.cli.rollout_status import moment_text

    when = "-" if entry.decision is None else moment_text(entry.recorded_at_us)
    return [str(entry.offset), when, entry.actor or "-", entry.what, entry.reason]


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "offset": entry.offset,
        "kind": entry.kind,
        "actor": entry.actor,
        "reason": entry.reason,
        "recorded_at_us": entry.recorded_at_us if entry.decision is not None else None,
        "event_id": None if entry.decision is None else entry.decision.event_id,
        "based_on": None if entry.decision is None else entry.decision.based_on,
        "what": entry.what,
        "about": sorted(entry.about),
        "counts": not entry.void,
        "void": entry.void,
        "evidence": getattr(entry.decision.payload, "evidence", "") if entry.decision else "",
    }
