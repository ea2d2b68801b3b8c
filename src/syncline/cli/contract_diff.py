"""The differences of two contracts, shown as `plan` shows them."""

from __future__ import annotations

from typing import Any

from syncline.cli.output import Output, counted
from syncline.contracts.compatibility.comparison import Change, Comparison, Level
from syncline.contracts.model import Contract

_STYLES = {Level.MAJOR: "red", Level.MINOR: "yellow"}


def diff_document(old: Contract, new: Contract, compared: Comparison) -> dict[str, Any]:
    """The differences as JSON data."""
    return {
        "old": old.reference,
        "new": new.reference,
        "level": compared.level.name,
        "same_wire": compared.same_wire,
        "changes": [change_document(change) for change in compared.changes],
    }


def change_document(change: Change) -> dict[str, Any]:
    """One difference as JSON data."""
    return {
        "what": change.what,
        "is_feature": change.is_feature,
        "level": change.level.name,
        "rule": change.rule,
        "reason": change.reason,
    }


def show_diff(old: Contract, new: Contract, compared: Comparison, output: Output) -> None:
    """The differences for people: one line each, `+` for what is new, `-` for what is gone, `~` for what changed."""
    output.line(f"{old.reference} → {new.reference}")
    if not compared.changes:
        output.line("  No differences.", style="green")
        return
    for change in compared.changes:
        output.line(f"  {change.sign} {change}", style=_STYLES.get(change.level, ""))
    output.line()
    asked = compared.level
    said = {
        Level.MAJOR: f"a new MAJOR ({new.view}@{old.version.major + 1}.0)",
        Level.MINOR: "a new MINOR",
    }.get(asked, "no new version")
    output.line(f"{counted(len(compared.changes), 'difference')}: {said} is asked for.")
