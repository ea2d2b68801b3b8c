"""A plan: made from a folder and a cluster, and shown. What `plan` and `apply` share."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from syncline.catalog.events import SubscriptionDeclared
from syncline.catalog_client import CatalogClient
from syncline.cli.contract_diff import change_document
from syncline.cli.output import Output, counted
from syncline.contracts.compatibility.comparison import Change, Level
from syncline.definitions.actions import Plan, RegisterView, ViewChange
from syncline.definitions.folder import read_folder
from syncline.definitions.observe import observe
from syncline.definitions.plan import plan
from syncline.ports.log import Log
from syncline.ports.registry import Registry
from syncline.settings import ConnectionSettings
from syncline.wire.topics import Topics


def make_plan(
    folder: str,
    *,
    settings: ConnectionSettings,
    log: Log,
    registry: Registry,
    catalog: CatalogClient,
    allow_widening: bool = False,
) -> Plan:
    """Read the folder, then the cluster, and compare.

    Raises:
        DefinitionError: the definitions are wrong, or may not be applied to this catalog.
        LogUnavailable: no broker answered in time.
    """
    definitions = read_folder(folder, prefix=settings.prefix)
    seen = observe(definitions, log=log, registry=registry, catalog=catalog, topics=Topics(settings.prefix))
    planned = plan(
        definitions,
        seen.picture,
        topics=seen.topics,
        refusals=seen.refusals,
        prefix=settings.prefix,
        allow_widening=allow_widening,
    )
    return replace(planned, notes=(*seen.notes, *planned.notes))


def plan_document(planned: Plan) -> dict[str, Any]:
    """The plan as JSON data."""
    return {
        "based_on": planned.based_on,
        "changes": planned.has_changes,
        "topics": [
            {"name": spec.name, "partitions": spec.partitions, "config": dict(spec.config)}
            for spec in planned.topics
        ],
        "views": [
            {
                "reference": action.contract.reference,
                "change": action.change.value,
                "topic": action.contract.topic,
                "owner": action.contract.owner,
                "before": action.before,
                "level": action.level.name,
                "changes": [
                    {**change_document(change), "accepted": _is_accepted(action, change)}
                    for change in action.changes
                ],
            }
            for action in planned.views
        ],
        "bundles": [
            {
                "bundle": action.payload.bundle,
                "release": action.payload.release,
                "views": [
                    {
                        "alias": view.alias,
                        "view": f"{view.view}@{view.version}",
                        "keys": dict(view.keys),
                        "features": list(view.features),
                    }
                    for view in action.payload.views
                ],
                "differences": list(action.differences),
            }
            for action in planned.bundles
        ],
        "subscriptions": [
            {
                "subscription": _subscription(action.payload),
                "before": None if action.before is None else _subscription(action.before),
            }
            for action in planned.subscriptions
        ],
        "at_risk": [
            {
                "subscription": risk.consumer,
                "rule": risk.rule,
                "about": risk.about,
                "reason": risk.reason,
            }
            for risk in planned.risks
        ],
        "allow_widening": planned.allow_widening,
        "unchanged": list(planned.unchanged),
        "notes": list(planned.notes),
    }


def show_plan(planned: Plan, output: Output) -> None:
    """The plan for people: one line for each action, `+` for what is new and `~` for what changes."""
    for spec in planned.topics:
        _action(output, "+", f"topic {spec.name} ({counted(spec.partitions, 'partition')})")
    for view in planned.views:
        sign = "+" if view.change in (ViewChange.NEW_VIEW, ViewChange.NEW_MAJOR) else "~"
        features = counted(len(view.contract.features), "feature")
        _action(
            output,
            sign,
            f"view {view.contract.reference}: {view.change.value}, {features}, owner {view.contract.owner}",
        )
        for change in view.changes:
            _change(output, view, change)
    for bundle in planned.bundles:
        release = bundle.payload
        versions = ", ".join(f"{view.alias} {view.view}@{view.version}" for view in release.views)
        sign = "+" if release.release == 1 else "~"
        _action(output, sign, f"bundle {release.bundle}@{release.release}: {versions}")
        for difference in bundle.differences:
            output.line(f"      {difference}")
    for subscription in planned.subscriptions:
        declared = subscription.payload
        sign = "+" if subscription.before is None else "~"
        _action(output, sign, f"subscription {declared.consumer}: {declared.bundle}, {_policy(declared)}")
        for difference in _subscription_differences(subscription.before, declared):
            output.line(f"      {difference}")
    _show_remarks(planned, output)
    if not planned.has_changes:
        output.line(
            f"No changes: the catalog (up to offset {planned.based_on}) says what the folder says.",
            style="green",
        )
        return
    counts = (
        counted(len(planned.topics), "topic"),
        counted(len(planned.views), "view version"),
        counted(len(planned.bundles), "release"),
        counted(len(planned.subscriptions), "subscription"),
    )
    output.line()
    output.line(f"Plan: {', '.join(counts)}; {len(planned.unchanged)} unchanged.")


def _show_remarks(planned: Plan, output: Output) -> None:
    if planned.risks:
        output.line()
        output.line("Subscriptions at risk:")
        for risk in planned.risks:
            output.line(f"  ! {risk}", style="yellow")
    for note in planned.notes:
        output.say(f"note: {note}")


def _action(output: Output, sign: str, text: str) -> None:
    output.line(f"  {sign} {text}", style="green" if sign == "+" else "yellow")


def _change(output: Output, view: RegisterView, change: Change) -> None:
    level = "MAJOR, accepted as MINOR" if _is_accepted(view, change) else change.level.words
    style = {"+": "green", "-": "red"}.get(change.sign, "yellow")
    output.line(f"      {change.sign} {change.what}: {change.reason} ({level})", style=style)


def _is_accepted(view: RegisterView, change: Change) -> bool:
    """Whether a change that asks for a MAJOR is in a MINOR all the same: all who read it accept it."""
    return view.change is ViewChange.NEW_MINOR and change.level is Level.MAJOR


def _policy(declared: SubscriptionDeclared) -> str:
    return declared.policy.value + ("" if declared.policy_release is None else f" {declared.policy_release}")


def _subscription(declared: SubscriptionDeclared) -> dict[str, Any]:
    return {
        **asdict(declared),
        "policy": declared.policy.value,
        "labels": dict(declared.labels),
        "freshness_us": dict(declared.freshness_us),
    }


def _subscription_differences(before: SubscriptionDeclared | None, after: SubscriptionDeclared) -> list[str]:
    if before is None:
        return []
    earlier, later = _subscription(before), _subscription(after)
    return [f"{name}: {earlier[name]} became {later[name]}" for name in later if earlier[name] != later[name]]
