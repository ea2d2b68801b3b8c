"""Which dead letters a command is about: the options that `dlq list` and `dlq replay` share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Moment(click.ParamType[int]):
    """An RFC 3339 time with its zone, or how long ago: `2026-11-23T03:00:00Z`, `2 h`, `2 h ago`. In milliseconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds since 1970."""
        from syncline.clock import SystemClock
        from syncline.contracts.durations import parse_duration
        from syncline.contracts.model import FeatureType
        from syncline.contracts.moments import parse_moment

        text = str(value).strip()
        try:
            return (SystemClock().now_us() - parse_duration(text.removesuffix("ago"))) // 1_000
        except ValueError:
            pass
        try:
            return parse_moment(text, FeatureType.TIMESTAMP) // 1_000
        except ValueError:
            self.fail(
                f"{text[:40]!r} is neither a time with its zone, as 2026-11-23T03:00:00Z, nor how long ago, as `2 h`",
                param,
                ctx,
            )


def _checked(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    from syncline.inspection.dead_letters import is_name

    for name in value:
        if not is_name(name):
            raise click.BadParameter(
                f"{name[:40]!r} is no dead letter's ID; `syncline dlq list` shows them, as 3:1042 or dlq:0:17",
                ctx,
                param,
            )
    return value


def letter_filters(command: F) -> F:
    """`--rule --feature --view-version --since --until --id`; the command gets `wanted: Wanted`."""
    for option in (
        click.option(
            "--id", "ids", metavar="ID", multiple=True, callback=_checked, help="Only this one; may repeat."
        ),
        click.option("--until", type=Moment(), help="Only records of this time or before it."),
        click.option(
            "--since", type=Moment(), help="Only records of this time or after it: RFC 3339, or `2 h` ago."
        ),
        click.option(
            "--view-version", metavar="VERSION", help="Only those judged under this version, as 1.3."
        ),
        click.option("--feature", metavar="NAME", help="Only those that this feature broke."),
        click.option("--rule", metavar="RULE", help="Only those that broke this rule first, as `maximum`."),
    ):
        command = option(command)

    @wraps(command)
    def wrapped(
        *args: object,
        rule: str | None,
        feature: str | None,
        view_version: str | None,
        since: int | None,
        until: int | None,
        ids: tuple[str, ...],
        **kwargs: object,
    ) -> object:
        from syncline.inspection.dead_letters import Wanted

        if since is not None and until is not None and since > until:
            raise click.UsageError("--since is after --until: exchange them")
        names = frozenset(ids) if ids else None
        return command(*args, wanted=Wanted(rule, feature, view_version, since, until, names), **kwargs)

    return wrapped  # type: ignore[return-value]  # click reads its signature from the decorators
