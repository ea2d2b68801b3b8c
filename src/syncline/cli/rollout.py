"""`syncline rollout`: ask for a release to go live, and for it to be final, paused, aborted or rolled back."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from syncline.cli.options import (
    actor_option,
    agreed,
    connection_settings,
    output_option,
    reason_option,
    text_value,
    yes_option,
)
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings

F = TypeVar("F", bound=Callable[..., Any])
_EVIDENCE_MAX = 100_000
_REFERENCE = re.compile(r"(?P<bundle>[a-z][a-z0-9_]*)@(?P<release>[1-9][0-9]{0,8})", re.ASCII)


class _Duration(click.ParamType[int]):
    """`90 s`, `1 h`, in microseconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The microseconds."""
        from syncline.contracts.durations import parse_duration

        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _reference(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, int]:
    match = _REFERENCE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value[:80]!r} is no release: write BUNDLE@N, as flight_inputs@2")
    return match["bundle"], int(match["release"])


def _bundle(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if "@" in value:
        raise click.BadParameter(
            f"{value[:80]!r} names a release: write the bundle alone, as at most one rollout of it is under way"
        )
    return value


def _evidence(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """The JSON, or that of the file after `@`, on one line."""
    if not value:
        return ""
    try:
        text = Path(value[1:]).read_text("utf-8") if value.startswith("@") else value
        said = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except OSError as error:
        raise click.BadParameter(f"{value[1:]} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise click.BadParameter('it is no JSON: write {"…": …}, or @FILE for a file that holds it') from None
    if len(text_value(said).encode()) > _EVIDENCE_MAX:
        raise click.BadParameter(
            f"it has more than {_EVIDENCE_MAX:,} bytes: keep it elsewhere, and link to it"
        )
    return said


def _names(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(text_value, value))


def _labels(
    _ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for text in map(text_value, value):
        name, equals, wanted = text.partition("=")
        if not (name and equals and wanted):
            raise click.BadParameter(f"{text[:80]!r} is no label: write NAME=VALUE, as tier=canary")
        if found.setdefault(name, wanted) != wanted:
            raise click.BadParameter(f"the label {name} is given twice: a subscription has one value of it")
    return tuple(sorted(found.items()))


bundle_argument = click.argument("bundle", callback=_bundle)


def asking_options(command: F) -> F:
    """What every request takes: who, why, and whether to wait for it."""
    for option in (
        output_option,
        connection_settings,
        click.option(
            "--timeout", "timeout_us", type=_Duration(), default="60 s", help="How long --wait waits. [60 s]"
        ),
        click.option(
            "--wait/--no-wait",
            default=None,
            help="Tell each step until it is done; exit 1 if it is not. [on a terminal: --wait]",
        ),
        actor_option,
        reason_option,
    ):
        command = option(command)
    return command


evidence_option = click.option(
    "--evidence",
    metavar="JSON|@FILE",
    default="",
    callback=_evidence,
    help="What it rests on, as JSON; kept in the catalog.",
)


def _is_asked(*, yes: bool) -> bool:
    """Whether `agreed` asks anybody: what it means has to be shown first."""
    return not yes and sys.stdin.isatty()


def _waits(wait: bool | None) -> bool:
    """Scripts do not wait unless they say so."""
    return sys.stdout.isatty() if wait is None else wait


@click.group()
def rollout() -> None:
    """Ask for a release to go live at a cut, and for what comes after it.

    These are requests in the catalog, with who and why; the coordinator enacts them. A release goes live at one
    position of the log for every agent, stays revocable until it is final, and is then the one that stands.
    """


@rollout.command()
@click.argument("release", metavar="BUNDLE@N", callback=_reference)
@click.option(
    "--consumer",
    "consumers",
    metavar="NAME",
    multiple=True,
    callback=_names,
    help="Only for this one; may repeat.",
)
@click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_labels,
    help="Only for subscriptions with this label; may repeat.",
)
@click.option(
    "--final-after",
    "final_after_us",
    metavar="DURATION",
    type=_Duration(),
    help="Final so long after it went live, as `1 h`. [only when `rollout promote` says so]",
)
@evidence_option
@yes_option
@asking_options
def start(
    *,
    release: tuple[str, int],
    consumers: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
    final_after_us: int | None,
    evidence: str,
    yes: bool,
    reason: str,
    actor: str | None,
    wait: bool | None,
    timeout_us: int,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Bring release N of BUNDLE live, at one cut of the log.

    First shows what it means to each live subscription of the bundle, and asks.
    """
    from syncline.catalog.rollout_events import Cohort, RolloutAction, RolloutRequested
    from syncline.cli.rollout_asking import Desk
    from syncline.cli.rollout_preview import preview_document, show_preview

    bundle, number = release
    cohort = Cohort(tuple(sorted(set(consumers))), labels)
    with Desk.open(settings, output) as desk:
        meant = desk.preview(bundle, number, cohort)
        payload = RolloutRequested(
            bundle,
            RolloutAction.START,
            from_release=meant.from_release,
            to_release=number,
            cohort=cohort,
            final_after_us=final_after_us,
            evidence=evidence,
        )
        desk.require_valid(payload)
        desk.require_audience(meant)
        if not output.is_json or _is_asked(yes=yes):
            show_preview(meant, output)
        if not agreed(f"Bring {bundle}@{number} live?", yes=yes):
            output.say("Nothing was asked for.")
            return 1
        asked = desk.ask(payload, actor=actor, reason=reason)
        return desk.answer(
            asked,
            wait=_waits(wait),
            timeout_s=timeout_us / 1_000_000,
            shown={"preview": preview_document(meant)},
        )


def _ask_about(
    action: str,
    bundle: str,
    *,
    settings: ConnectionSettings,
    output: Output,
    reason: str,
    actor: str | None,
    wait: bool | None,
    timeout_us: int,
    evidence: str = "",
    mode: str = "cut",
    yes: bool = True,
) -> int:
    """Ask something of the rollout that is under way."""
    from syncline.cli.rollout_asking import Desk

    with Desk.open(settings, output) as desk:
        payload = desk.request(bundle, action, mode=mode, evidence=evidence)
        desk.require_valid(payload)
        for warning in desk.stays_behind(payload):
            output.say(f"warning: {warning}")
        question = desk.question(payload)
        if question and not agreed(question, yes=yes):
            output.say("Nothing was asked for.")
            return 1
        asked = desk.ask(payload, actor=actor, reason=reason)
        return desk.answer(asked, wait=_waits(wait), timeout_s=timeout_us / 1_000_000)


@rollout.command()
@bundle_argument
@evidence_option
@yes_option
@asking_options
def promote(*, bundle: str, **asking: Any) -> int:  # noqa: ANN401  what asking_options gives
    """Take the rollout of BUNDLE on to its next step.

    Before it is live: lift a pause, and do not wait for agents to warm the new cells. Live for a part only (started
    with --consumer or --label): bring it to everyone, by one more cut. Live for everyone: make it final. What was
    live before is let go then, and only a new cut goes back to it. So after a rollout to a part, the first promote
    means "for everyone", and the second "final".
    """
    return _ask_about("promote", bundle, **asking)


@rollout.command()
@bundle_argument
@asking_options
def pause(*, bundle: str, **asking: Any) -> int:  # noqa: ANN401  what asking_options gives
    """Prepare no further cut of BUNDLE's rollout, until `rollout promote` goes on."""
    return _ask_about("pause", bundle, **asking)


@rollout.command()
@bundle_argument
@evidence_option
@asking_options
def abort(*, bundle: str, **asking: Any) -> int:  # noqa: ANN401  what asking_options gives
    """End the rollout of BUNDLE before it is live. Once it is live: `rollout rollback`."""
    return _ask_about("abort", bundle, **asking)


@rollout.command()
@bundle_argument
@click.option(
    "--mode",
    type=click.Choice(["immediate", "cut"]),
    default="immediate",
    help="At once, or at one cut of the log. [immediate]",
)
@evidence_option
@asking_options
def rollback(*, bundle: str, mode: str, **asking: Any) -> int:  # noqa: ANN401  what asking_options gives
    """Bring back what was live before the rollout of BUNDLE.

    immediate, the default, as the release is known to be broken: each agent goes back as soon as it reads the
    decision, and serves nothing where it starts before having done so. The earlier cells were kept, so nothing is
    copied. Agents do not go back at one position of the log.

    cut: all agents go back at one position of the log; the release goes on being served until then.
    """
    return _ask_about("rollback", bundle, mode=mode, **asking)


@rollout.command()
@click.argument("bundle", required=False)
@connection_settings
@output_option
def status(bundle: str | None, settings: ConnectionSettings, output: Output) -> int:
    """Show what is live, which rollouts are under way and what they wait for, and who has switched.

    Exits 1 if a rollout waits for a person.
    """
    from syncline.cli.rollout_asking import Desk
    from syncline.cli.rollout_status import show_states, states_document
    from syncline.inspection.rollouts import bundle_states, coordinator_states

    with Desk.open(settings, output) as desk:
        now_us, picture, reports = desk.now_us(), desk.picture, desk.reports()
        states = bundle_states(picture, reports, now_us=now_us, bundle=bundle)
        coordinators = coordinator_states(picture, reports.coordinators, now_us=now_us)
    if output.is_json:
        output.document(states_document(picture, states, coordinators))
    else:
        show_states(picture, states, coordinators, output, now_us=now_us)
    return 1 if any(state.rollout is not None and state.rollout.paused for state in states) else 0
