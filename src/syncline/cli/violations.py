"""Reported violations as the CLI shows them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from syncline.cli.output import Output, counted
from syncline.contracts.model import FeatureType
from syncline.contracts.moments import format_moment
from syncline.inspection.violations import RuleSummary, Violations


def violations_document(violations: Violations) -> dict[str, Any]:
    """Violations as JSON data; `consumer` is null where publishers counted."""
    return {
        "since_us": violations.since_us,
        "views": [
            {
                "view_version": view.view_version,
                "consumer": view.consumer,
                "rows_judged": view.rows_judged,
                "rows_broken": view.rows_broken,
                "reporters": list(view.reporters),
            }
            for view in violations.views
        ],
        "rules": [
            {
                **rule.broken._asdict(),
                "consumer": rule.consumer,
                "count": rule.count,
                "rows_judged": rule.rows_judged,
                "share": rule.share,
                "reporters": list(rule.reporters),
                "newest_window": {"start_us": rule.newest_window_us[0], "end_us": rule.newest_window_us[1]},
            }
            for rule in violations.rules
        ],
    }


def show_violations(violations: Violations, output: Output, *, looked_from_us: int | None) -> None:
    """Violations for people: the rules that were broken, or one line that says that none was."""
    output.line()
    if violations.since_us is None:
        period = "so far" if looked_from_us is None else f"since {_moment(looked_from_us)}"
        output.line(f"No counts of violations were reported {period}.")
        return
    since = _moment(violations.since_us)
    if not violations.rules:
        output.line(f"No violations since {since}: {_judged(violations)}.", style="green")
        return
    output.line(f"Violations since {since}, where {_judged(violations)}:")
    output.table(
        ["feature", "rule", "action", "rows", "share", "last", "counted by"],
        [
            [
                f"{rule.broken.view_version}:{rule.broken.feature}".removesuffix(":"),
                rule.broken.rule,
                rule.broken.action,
                f"{rule.count:,}",
                _percent(rule.share),
                _moment(rule.newest_window_us[1]),
                _counted_by(rule),
            ]
            for rule in violations.rules[:_RULES_MAX]
        ],
        right=["rows", "share"],
    )
    left_out = len(violations.rules) - _RULES_MAX
    if left_out > 0:
        output.line(f"{left_out:,} more with fewer rows are not shown; --output json has all.")


def _judged(violations: Violations) -> str:
    rows: Counter[str | None] = Counter()
    for view in violations.views:
        rows[view.consumer] += view.rows_judged
    sides = sorted(rows.items(), key=lambda side: side[0] or "")
    return ", ".join(
        f"{'publishers' if consumer is None else f'agents of {consumer}'} judged {counted(count, 'row')}"
        for consumer, count in sides
    )


def _counted_by(rule: RuleSummary) -> str:
    names = ", ".join(rule.reporters[:_NAMES_MAX])
    more = len(rule.reporters) - _NAMES_MAX
    return f"{names} and {more} more" if more > 0 else names


def _percent(share: float) -> str:
    return "<0.01%" if 0 < share < _SHOWN_SHARE_MIN else f"{share:.2%}"


def _moment(us: int) -> str:
    """To the second; anyone can write to the topic, so it may be no time of any calendar."""
    return format_moment(us - us % 1_000_000, FeatureType.TIMESTAMP)


_NAMES_MAX = 3
_RULES_MAX = 20
_SHOWN_SHARE_MIN = 0.0001
