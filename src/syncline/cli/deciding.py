"""From what an ending would mean to its decisions in the catalog: shown, asked about, recorded, read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from syncline import wiring
from syncline.catalog.fold import Picture
from syncline.catalog_client import Author, CatalogClient, require_catalog
from syncline.cli.authorship import default_actor
from syncline.cli.options import agreed
from syncline.cli.output import Output, counted
from syncline.clock import SystemClock
from syncline.errors import DecisionVoid, LogError
from syncline.inspection.endings import Ending
from syncline.inspection.fleet import Reports, read_reports
from syncline.settings import ConnectionSettings
from syncline.wire.topics import Topics

_TIMEOUT_S = 30.0
_LOOKED_AT = 2_000
"""How many of the last offsets of each partition of the reports are looked at."""
Look = Callable[[Picture, Reports, int], Ending]
"""(catalog, reports, now in microseconds) → what would be decided."""


def decide(
    look: Look,
    *,
    question: str,
    actor: str | None,
    reason: str,
    yes: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Show what `look` finds, ask, and record it; returns the exit code.

    Raises:
        SynclineError: what `look` raises: nothing was decided.
        TopicMissing: nothing has been applied to this cluster yet.
        DecisionVoid: somebody else decided about the same at the same time; what stands by then is named.
        LogError: brokers went away meanwhile; what may stand, and what stands by then, is named.
    """
    topics, clock = Topics(settings.prefix), SystemClock()
    log = wiring.open_log(settings)
    log.cluster_id()  # asks for less long: whoever decides while no broker answers is told soon
    require_catalog(log, topics.catalog)
    catalog = CatalogClient(log, topics.catalog, clock=clock, client_id="syncline-lifecycle")
    offsets: list[int] = []
    try:
        picture = catalog.catch_up(_TIMEOUT_S)
        ending = look(picture, read_reports(log, topics.reports, last=_LOOKED_AT), clock.now_us())
        if not output.is_json:
            _show(ending, output)
        if ending.payloads and not agreed(question, yes=yes):
            output.say("Nothing was decided.")
            if output.is_json:
                output.document(_document(ending, []))
            return 1
        author = Author(actor or default_actor(), reason)
        _record(catalog, ending, author, offsets)
    finally:
        catalog.close()
    if output.is_json:
        output.document(_document(ending, offsets))
    elif offsets:
        output.line(
            f"Decided by {author.actor}: {counted(len(offsets), 'decision')} in the catalog, at offset "
            f"{', '.join(map(str, offsets))}.",
            style="green",
        )
    return 0


def _record(catalog: CatalogClient, ending: Ending, author: Author, offsets: list[int]) -> None:
    try:
        catalog.propose(
            ending.payloads,
            author,
            on_recorded=lambda _, offset: offsets.append(offset),
            remedy="look at what stands now, and decide again",
        )
    except (DecisionVoid, LogError) as error:
        done = [f"{ended.what} at {offset}" for ended, offset in zip(ending.ended, offsets, strict=False)]
        raise type(error)(f"{error}" + (f". Decided before: {', '.join(done)}" if done else "")) from error


def _show(ending: Ending, output: Output) -> None:
    for ended in ending.ended:
        output.line(f"{ended.what}  ({ended.stage})")
        for need in ended.needs:
            output.line(f"  needed by {need}")
    for said in ending.unchanged:
        output.line(said)
    for warning in ending.warnings:
        output.say(f"warning: {warning}")


def _document(ending: Ending, offsets: list[int]) -> dict[str, Any]:
    return {
        "decided": bool(offsets),
        "catalog_offsets": offsets,
        "ended": [asdict(ended) for ended in ending.ended],
        "unchanged": list(ending.unchanged),
        "warnings": list(ending.warnings),
    }
