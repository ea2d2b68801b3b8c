"""What a rollout would mean, as the CLI shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from syncline.cli.output import Output, counted
from syncline.inspection.rollout_preview import Effect, Preview

Line = Callable[..., None]
"""(text, style=…): prints a line of what is shown."""


def preview_document(meant: Preview) -> dict[str, Any]:
    """It as JSON data."""
    return {
        "bundle": meant.bundle,
        "from_release": meant.from_release,
        "to_release": meant.to_release,
        "cohort": str(meant.cohort),
        "subscriptions": [
            {
                "subscription": effect.consumer,
                "policy": effect.policy,
                "serves": effect.serves,
                "switches": effect.switches,
                "why": effect.why,
                "breaks": effect.breaks,
                "shifts": [asdict(shift) for shift in effect.shifts],
            }
            for effect in meant.effects
        ],
        "agents": list(meant.agents),
        "warnings": list(meant.warnings),
    }


def show_preview(meant: Preview, output: Output) -> None:
    """It for people: the result, or beside the document, on stderr."""
    _show((lambda text, **_: output.say(text)) if output.is_json else output.line, meant)


def _show(line: Line, meant: Preview) -> None:
    line(f"{meant.bundle}: from release {meant.from_release} to {meant.to_release}, for {meant.cohort}")
    for effect in meant.effects:
        _show_effect(line, meant, effect)
    if meant.agents:
        shown = ", ".join(meant.agents[:_AGENTS_SHOWN])
        more = len(meant.agents) - _AGENTS_SHOWN
        line(
            f"{counted(len(meant.agents), 'agent')} would switch: {shown}"
            + (f" and {more} more" if more > 0 else "")
        )
    for warning in meant.warnings:
        line(f"  ! {warning}", style="yellow")


def _show_effect(line: Line, meant: Preview, effect: Effect) -> None:
    serves = "nothing" if effect.serves is None else f"{meant.bundle}@{effect.serves}"
    if not effect.switches:
        line(f"  = {effect.consumer} ({effect.policy}) stays on {serves}: {effect.why}")
        return
    line(
        f"  ~ {effect.consumer} ({effect.policy}) goes from {serves} to {meant.bundle}@{meant.to_release}",
        style="red" if effect.breaks else "green",
    )
    for shift in effect.shifts:
        said = "its model cannot read that" if shift.breaks else "its model meets that"
        line(f"      {shift.reason}: {said} ({shift.rule})", style="red" if shift.breaks else "yellow")


_AGENTS_SHOWN = 10
