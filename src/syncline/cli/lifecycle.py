"""`syncline deprecate`, `syncline retire` and `syncline withdraw`: how versions and subscriptions end."""

from __future__ import annotations

import re
from datetime import date

import click

from syncline.cli.options import (
    actor_option,
    connection_settings,
    output_option,
    reason_option,
    yes_option,
)
from syncline.cli.output import Output
from syncline.settings import ConnectionSettings


class _Day(click.ParamType[date]):
    """A day of the calendar: `2027-06-30`."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day."""
        text = str(value).strip()
        written = _WRITTEN_DAY.fullmatch(text)
        if written is None:
            self.fail(f"{text[:40]!r} is no day: write it as 2027-06-30", param, ctx)
        try:
            return date(*map(int, written.groups()))
        except ValueError:
            self.fail(f"the calendar has no {text}: name a day that there is", param, ctx)


_WRITTEN_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DAY = _Day()


def _versioned(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from syncline.inspection.endings import versioned

    try:
        return str(versioned(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _alternative(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    from syncline.inspection.endings import as_view

    try:
        return str(as_view(value)) if value else ""
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("version", metavar="VIEW@VERSION", callback=_versioned)
@click.option("--until", required=True, type=_DAY, metavar="DATE", help="The last day that it is supported.")
@click.option(
    "--since", type=_DAY, metavar="DATE", help="Deprecated since this day, not a day to come. [today, UTC]"
)
@click.option(
    "--alternative",
    default="",
    metavar="REFERENCE",
    callback=_alternative,
    help="What to use instead: view, view@2 or view@2.1.",
)
@reason_option
@actor_option
@yes_option
@connection_settings
@output_option
def deprecate(
    *,
    version: str,
    until: date,
    since: date | None,
    alternative: str,
    reason: str,
    actor: str | None,
    yes: bool,
    settings: ConnectionSettings,
    output: Output,
) -> int:
    """Say that consumers shall leave a view version: airport_delay@1.0, or airport_delay@1 for its whole MAJOR.

    It goes on being published and served. Publishers, agents, readers and plan warn of it from now on. Deprecated
    again, it gets the new dates and the new alternative.
    """
    from syncline.cli.deciding import decide
    from syncline.clock import SystemClock, from_us
    from syncline.inspection.endings import deprecation

    today = from_us(SystemClock().now_us()).date()
    if since is not None and since > today:
        raise click.UsageError(
            f"--since {since} is yet to come, and a deprecation counts at once: leave it out, or decide on that day"
        )
    if since is not None and until < since:
        raise click.UsageError(
            f"--until {until} is before --since {since}: exchange them, or leave --since out"
        )
    if since is None and until < today:
        raise click.UsageError(
            f"--until {until} is over already: name a day from today on, or say with --since when it began"
        )
    return decide(
        lambda picture, _, __: deprecation(
            picture, version, since=since or today, until=until, alternative=alternative, today=today
        ),
        question=f"Deprecate {version} until {until}?",
        actor=actor,
        reason=reason,
        yes=yes,
        settings=settings,
        output=output,
    )


@click.command()
@click.argument("version", metavar="VIEW@VERSION", callback=_versioned)
@reason_option
@actor_option
@yes_option
@connection_settings
@output_option
def retire(
    *, version: str, reason: str, actor: str | None, yes: bool, settings: ConnectionSettings, output: Output
) -> int:
    """Retire a view version that nobody needs: airport_delay@1.0, or airport_delay@1 for its whole MAJOR. Final.

    No release may name it any more, and publishers of it are refused when they start. Refused while a live
    subscription needs it: each is named, with what to do. What was never deprecated is retired with a warning.
    """
    from syncline.cli.deciding import decide
    from syncline.inspection.endings import retirement

    return decide(
        lambda picture, reports, now_us: retirement(picture, reports, version, now_us=now_us),
        question=f"Retire {version}, for good?",
        actor=actor,
        reason=reason,
        yes=yes,
        settings=settings,
        output=output,
    )


@click.command()
@click.argument("consumer")
@reason_option
@actor_option
@yes_option
@connection_settings
@output_option
def withdraw(
    *, consumer: str, reason: str, actor: str | None, yes: bool, settings: ConnectionSettings, output: Output
) -> int:
    """Withdraw the subscription of CONSUMER, which needs nothing any more. Declared again, it begins anew.

    Apply only adds: a subscription that is gone from the folder stays live until it is withdrawn.
    """
    from syncline.cli.deciding import decide
    from syncline.inspection.endings import withdrawal

    return decide(
        lambda picture, reports, now_us: withdrawal(picture, reports, consumer, now_us=now_us),
        question=f"Withdraw the subscription of {consumer}?",
        actor=actor,
        reason=reason,
        yes=yes,
        settings=settings,
        output=output,
    )
