"""What a release says of itself against the one before: its differences, and its compatibility report. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from syncline.catalog.events import BundleView
from syncline.catalog.risks import Risk, Step
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.model import Contract, Version

REPORT_FORMAT = 1


def release_differences(old: Sequence[BundleView], new: Sequence[BundleView]) -> tuple[str, ...]:
    """What differs between two lists of view versions, one sentence each; never empty for lists that differ."""
    before, after = ({view.alias: view for view in views} for views in (old, new))
    found = [f"{alias}: removed" for alias in before if alias not in after]
    for alias, view in after.items():
        earlier = before.get(alias)
        if earlier is None:
            found.append(f"{alias}: added ({view.view}@{view.version})")
            continue
        if (earlier.view, earlier.version) != (view.view, view.version):
            found.append(f"{alias}: {earlier.view}@{earlier.version} became {view.view}@{view.version}")
        if earlier.keys != view.keys:
            found.append(f"{alias}: its join keys are asked for under other names")
        lost = [name for name in earlier.features if name not in view.features]
        gained = [name for name in view.features if name not in earlier.features]
        if lost:
            found.append(f"{alias}: without {', '.join(lost)}")
        if gained:
            found.append(f"{alias}: with {', '.join(gained)}")
        if not lost and not gained and earlier.features != view.features:
            found.append(f"{alias}: its features are in another order")
    if not found:
        found.append("the views are in another order")
    return tuple(found)


def release_steps(
    old: Sequence[BundleView], new: Sequence[BundleView], contract_of: Callable[[str, Version], Contract]
) -> tuple[Step, ...]:
    """The view versions that take the place of others of the same view, each pair once, a new MAJOR too."""
    before = {view.alias: view for view in old}
    pairs = {
        (view.view, before[view.alias].version, view.version): None
        for view in new
        if view.alias in before
        and before[view.alias].view == view.view
        and before[view.alias].version != view.version
    }
    steps = []
    for name, earlier, later in pairs:
        contract = contract_of(name, later)
        comparison = compare(contract_of(name, earlier), contract)
        steps.append(Step(contract, comparison, is_minor=earlier.major == later.major))
    return tuple(steps)


def compatibility_report(
    *, against: int, differences: Sequence[str], steps: Sequence[Step], risks: Sequence[Risk]
) -> str:
    """The text that a BundleReleased keeps: JSON with a `format_version`."""
    return json.dumps(
        {
            "format_version": REPORT_FORMAT,
            "against": against,
            "differences": list(differences),
            "views": [
                {
                    "view": step.comparison.new,
                    "before": step.comparison.old,
                    "changes": [
                        {
                            "what": change.what,
                            "level": change.level.name,
                            "rule": change.rule,
                            "reason": change.reason,
                        }
                        for change in step.comparison.changes
                    ],
                }
                for step in steps
            ],
            "subscriptions": [
                {"subscription": risk.consumer, "rule": risk.rule, "about": risk.about, "reason": risk.reason}
                for risk in risks
            ],
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )
