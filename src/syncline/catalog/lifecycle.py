"""Which versions are on their way out, and who still needs them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.catalog.enactment import admits
from syncline.catalog.policies import resolve

if TYPE_CHECKING:
    from syncline.catalog.events import SubscriptionDeclared
    from syncline.catalog.fold import Picture
    from syncline.contracts.model import Version


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
    """Release → why, of all releases that the subscription has, or gets by its policy, or may be put back to."""
    bundle = subscription.bundle
    releases = [recorded.payload for recorded in picture.releases.get(bundle, ())]
    found: dict[int, str] = {}
    resolved = resolve(subscription, releases)
    if resolved.number is not None:
        found[resolved.number] = f"policy: {resolved.reason}"
    rollout = picture.coordination.under_way(bundle)
    kept = set(picture.coordination.retained(bundle)) | ({rollout.to_release} if rollout else set())
    for release in sorted(kept):
        if admits(subscription, releases, release):
            found.setdefault(release, "live, or kept until the rollout is final")
    return found


def needed_by(picture: Picture, view: str, version: Version) -> tuple[Need, ...]:
    """Every live subscription that needs this view version, by consumer."""
    found = []
    for consumer, recorded in sorted(picture.subscriptions.items()):
        subscription = recorded.payload
        for number, why in releases_in_use(picture, subscription).items():
            release = picture.releases[subscription.bundle][number - 1].payload
            if any(
                (each.view, each.version.major, each.version.minor) == (view, version.major, version.minor)
                for each in release.views
            ):
                found.append(Need(consumer, f"{subscription.bundle}@{number}", why))
                break
    return tuple(found)
