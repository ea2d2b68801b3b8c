"""`syncline verify`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from syncline.cli.options import actor_option, connection_settings, output_option
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

if TYPE_CHECKING:
    from syncline.catalog_client import Author
    from syncline.inspection.auditing import Audit, Auditor

_OFFSET_MAX = 2**63 - 1


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    from syncline.contracts.durations import parse_duration

    try:
        found = parse_duration(value) / 1_000_000
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if found <= 0:
        raise click.BadParameter("it is no time at all: write one as `30 s`")
    return found


@click.command()
@click.argument("bundle", required=False)
@click.option(
    "--explain", "explained", is_flag=True, help="Name the entities that differ, by a second audit."
)
@click.option(
    "--audit",
    type=click.IntRange(0, _OFFSET_MAX),
    help="Ask nobody: look again at the audit asked for at this catalog offset.",
)
@click.option(
    "--cut",
    type=click.IntRange(0, _OFFSET_MAX),
    help="Ask nobody: compare the digests that agents told at this version cut.",
)
@click.option(
    "--timeout", "timeout_s", default="30 s", callback=_seconds, help="How long to wait for proof. [30 s]"
)
@click.option("--reason", default="", help="Why; kept in the catalog. [proof asked for by ACTOR]")
@actor_option
@connection_settings
@output_option
def verify(
    *,
    bundle: str | None,
    explained: bool,
    audit: int | None,
    cut: int | None,
    timeout_s: float,
    reason: str,
    actor: str | None,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Prove that all agents of BUNDLE hold the same state, or name the first partition that diverges.

    Without BUNDLE: of every bundle that a consumer has declared. The coordinator draws a line across the log; at it
    each agent counts its cells again, from their bytes, and tells what they come to. Nothing is held up by it.

    Exits 0 only if every agent that is there has shown its state, and all of it agrees; 1 if anything diverges, a
    cell is broken, or somebody did not answer.
    """
    from syncline import wiring
    from syncline.catalog.rollout_events import CutKind
    from syncline.catalog_client import Author
    from syncline.cli.authorship import default_actor
    from syncline.clock import SystemClock
    from syncline.inspection.auditing import Auditor
    from syncline.wire.topics import Topics

    if audit is not None and cut is not None:
        raise click.UsageError("give --audit or --cut, not both")
    number, looks_back = (audit if cut is None else cut), audit is not None or cut is not None
    if looks_back and (bundle is not None or explained):
        raise click.UsageError("--audit and --cut look at what was reported: leave out BUNDLE and --explain")
    log = wiring.open_log(settings)
    log.cluster_id()  # asks for less long: whoever asks while no broker answers is told soon
    with Auditor(log, Topics(settings.prefix), clock=SystemClock(), tell=output.say) as auditor:
        if number is not None:
            found = auditor.look_again(number, kind=CutKind.VERSION if audit is None else CutKind.AUDIT)
            return _report(auditor, {found.evidence.cut.prepared.bundle: lambda: found}, output)
        who = actor or default_actor()
        author = Author(who, reason.strip() or f"proof asked for by {who}")
        wanted = auditor.bundles() if bundle is None else (bundle,)
        audits = {
            name: _asking(auditor, name, author, timeout_s=timeout_s, explained=explained) for name in wanted
        }
        return _report(auditor, audits, output)


def _asking(
    auditor: Auditor, bundle: str, author: Author, *, timeout_s: float, explained: bool
) -> Callable[[], Audit]:
    return lambda: auditor.verify(bundle, author, timeout_s=timeout_s, explained=explained)


def _report(auditor: Auditor, audits: dict[str, Callable[[], Audit]], output: Output) -> int:
    """Show each as soon as it is there; a bundle that cannot be verified does not keep the others from it."""
    from syncline.cli.verified import audit_document, failed_document, show_audit, show_failed
    from syncline.errors import AuditFailed
    from syncline.inspection.witnesses import Verdict

    documents, verdicts = [], []
    for bundle, ask in audits.items():
        try:
            audit = ask()
        except AuditFailed as error:
            verdicts.append(Verdict.UNPROVEN)
            documents.append(failed_document(bundle, str(error)))
            if not output.is_json:
                show_failed(bundle, str(error), output)
            continue
        except KeyboardInterrupt as error:
            _interrupted(bundle, str(error), documents, output)
            raise
        verdicts.append(audit.evidence.verdict)
        documents.append(audit_document(auditor.picture, audit))
        if not output.is_json:
            show_audit(auditor.picture, audit, output)
    worst = next((each for each in (Verdict.DIVERGED, Verdict.UNPROVEN) if each in verdicts), Verdict.IN_SYNC)
    if not audits:
        worst = Verdict.UNPROVEN
        output.say("No consumer has declared a bundle: run `syncline apply`.")
    if output.is_json:
        output.document({"verdict": str(worst), "bundles": documents})
    return 0 if worst is Verdict.IN_SYNC else 1


def _interrupted(bundle: str, said: str, documents: list[dict[str, Any]], output: Output) -> None:
    """What stands of an audit that was asked for, after those that were done: nobody else would say it."""
    from syncline.cli.verified import failed_document
    from syncline.inspection.witnesses import Verdict

    if not said:
        return
    output.say(said)
    if output.is_json:
        found = [*documents, failed_document(bundle, said)]
        output.document({"verdict": str(Verdict.UNPROVEN), "bundles": found})
