"""Which versions are on their way out, and who still needs them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from syncline.catalog.enactment import Member, admits, base_release, in_cohort, rulings_for
from syncline.catalog.policies import resolve
from syncline.catalog.rollout_events import ALL_AGENTS
from syncline.contracts.model import Version

if TYPE_CHECKING:
    from syncline.catalog.events import BundleReleased, SubscriptionDeclared
    from syncline.catalog.fold import Picture, Recorded
    from syncline.catalog.lifecycle_events import ViewVersionDeprecated, ViewVersionRetired


class Stage(StrEnum):
    """Where a view version is in its life."""

    REGISTERED = "registered"
    ACTIVE = "active"
    """A release that stands, or that agents keep until a rollout is final, names it."""
    DEPRECATED = "deprecated"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Need:
    """A live subscription that needs a view version, and by which release."""

    consumer: str
    release: str
    """`flight_inputs@3`."""
    why: str

    def __str__(self) -> str:
        """One phrase."""
        return f"{self.consumer} ({self.release}, {self.why})"


def releases_in_use(picture: Picture, subscription: SubscriptionDeclared) -> dict[int, str]:
    """Release → why, of all releases that the subscription has, or gets by its policy, or may be put back to.

    One that is not declared yet is told as if it were.
    """
    bundle = subscription.bundle
    releases = [recorded.payload for recorded in picture.releases.get(bundle, ())]
    found: dict[int, str] = {}
    resolved = resolve(subscription, releases)
    if resolved.number is not None:
        found[resolved.number] = f"policy: {resolved.reason}"
    if releases:
        # A policy may mean a release that no rollout has brought yet.
        found.setdefault(_served(picture, subscription, releases), "its agents serve it")
    rollout = picture.coordination.under_way(bundle)
    kept = set(picture.coordination.retained(bundle)) | ({rollout.to_release} if rollout else set())
    for release in sorted(kept):
        if admits(subscription, releases, release):
            found.setdefault(release, "live, or kept until the rollout is final")
    return found


def served_by(picture: Picture, consumer: str) -> int | None:
    """The release that the consumer's agents serve once they have enacted all that is for them.

    None where it is not declared. A cohort of a share of the agents is judged for a nameless one.
    """
    queue = rulings_for(picture, Member(consumer, ""), after=-1)
    if queue:
        return queue[-1].to_release
    first = base_release(picture, consumer)
    return None if first is None else first.payload.release


def _served(picture: Picture, subscription: SubscriptionDeclared, releases: Sequence[BundleReleased]) -> int:
    """The release that agents of the subscription serve, or would serve if it were declared as it stands here."""
    consumer, bundle = subscription.consumer, subscription.bundle
    declared = picture.subscriptions.get(consumer)
    if declared is not None and declared.payload.bundle == bundle:
        return served_by(picture, consumer) or 1
    named = subscription.policy_release
    served = named if named is not None and 1 <= named <= len(releases) else 1
    for ruling in picture.coordination.rulings.get(bundle, ()):
        cohort = replace(ruling.cohort, share=ALL_AGENTS)
        if in_cohort(cohort, Member(consumer, ""), subscription.labels) and admits(
            subscription, releases, ruling.to_release
        ):
            served = ruling.to_release
    return served


def needed_by(picture: Picture, view: str, version: Version) -> tuple[Need, ...]:
    """Every live subscription that needs this view version, by consumer."""
    found = []
    for consumer, recorded in sorted(picture.subscriptions.items()):
        subscription = recorded.payload
        for number, why in releases_in_use(picture, subscription).items():
            release = picture.releases[subscription.bundle][number - 1].payload
            if _names(release, view, version):
                found.append(Need(consumer, f"{subscription.bundle}@{number}", why))
                break
    return tuple(found)


def stage_of(picture: Picture, view: str, version: Version) -> Stage:
    """Where a registered view version is in its life. What is deprecated may be served all the same."""
    key = (view, version.without_patch)
    if key in picture.retired:
        return Stage.RETIRED
    if key in picture.deprecated:
        return Stage.DEPRECATED
    for bundle, releases in picture.releases.items():
        for number in picture.coordination.retained(bundle):
            if number <= len(releases) and _names(releases[number - 1].payload, *key):
                return Stage.ACTIVE
    return Stage.REGISTERED


def on_its_way_out(picture: Picture, view: str, version: Version) -> str:
    """That a view version is deprecated or retired, with what to use instead, as a phrase; empty where it is neither.

    It names dates of the catalog only: the same catalog gives the same text at any time.
    """
    key = (view, version.without_patch)
    retired, deprecated = picture.retired.get(key), picture.deprecated.get(key)
    if retired is not None:
        return _retired_text(retired, deprecated)
    return "" if deprecated is None else _deprecated_text(deprecated.payload)


def alternative_to(picture: Picture, view: str, version: Version) -> str:
    """What to use instead of a view version, as its deprecation says; empty where nobody said so."""
    deprecated = picture.deprecated.get((view, version.without_patch))
    return "" if deprecated is None else deprecated.payload.alternative


def deprecations_of(picture: Picture, release: BundleReleased) -> tuple[tuple[str, str], ...]:
    """(`airport_delay@1.0`, `deprecated since …`) of each version that a release names and that is on its way out."""
    found = {}
    for view in release.views:
        text = on_its_way_out(picture, view.view, view.version)
        if text:
            found[f"{view.view}@{view.version}"] = text
    return tuple(sorted(found.items()))


def retired_in(picture: Picture, release: BundleReleased) -> tuple[Recorded[ViewVersionRetired], ...]:
    """The retirements of the versions that a release names."""
    keys = [(view.view, view.version.without_patch) for view in release.views]
    return tuple(picture.retired[key] for key in dict.fromkeys(keys) if key in picture.retired)


def _deprecated_text(payload: ViewVersionDeprecated) -> str:
    instead = f"; use {payload.alternative} instead" if payload.alternative else ""
    return f"deprecated since {payload.since}, supported until {payload.until}{instead}"


def _retired_text(
    retired: Recorded[ViewVersionRetired], deprecated: Recorded[ViewVersionDeprecated] | None
) -> str:
    alternative = deprecated.payload.alternative if deprecated is not None else ""
    instead = f"; use {alternative} instead" if alternative else ""
    return f"retired at catalog offset {retired.offset} by {retired.decision.actor}{instead}"


def _names(release: BundleReleased, view: str, version: Version) -> bool:
    return any(
        (each.view, each.version.without_patch) == (view, version.without_patch) for each in release.views
    )
