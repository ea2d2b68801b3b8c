"""What a subscription's policy makes of the releases of its bundle, and what a new release would do to it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline.catalog.events import BundleReleased, BundleView, PolicyKind, SubscriptionDeclared


@dataclass(frozen=True, slots=True)
class Resolution:
    """The release that a policy means, if there is one."""

    release: BundleReleased | None
    reason: str
    """Why it is this one, or why there is none."""
    passed_over: tuple[int, ...] = ()
    """Newer releases that the policy does not take."""

    @property
    def number(self) -> int | None:
        """The release's number."""
        return None if self.release is None else self.release.release


@dataclass(frozen=True, slots=True)
class Shift:
    """What one release instead of another means to a subscription."""

    alias: str
    rule: str
    """`alias-removed`, `feature-removed`, `keys-changed`, `view-changed`, `major-changed`."""
    breaks: bool
    """Whether a model that reads the one cannot read the other. A new MAJOR is announced, and rolled out: a risk."""
    reason: str


def resolve(subscription: SubscriptionDeclared, releases: Sequence[BundleReleased]) -> Resolution:
    """The release that the subscription's policy means, of all releases of its bundle in ascending order.

    `pin: n` is release n and no other; `compatible: n` the newest whose views have the MAJORs of release n, under
    release n's aliases (more views may have come); `follow` the newest.
    """
    known = [release for release in releases if release.bundle == subscription.bundle]
    if not known:
        return Resolution(None, f"bundle {subscription.bundle} has no release")
    if subscription.policy is PolicyKind.FOLLOW:
        return Resolution(known[-1], "the newest")
    number = subscription.policy_release
    named = next((release for release in known if release.release == number), None)
    if named is None:
        return Resolution(None, f"{subscription.bundle} has no release {number}")
    fitting = [named]
    if subscription.policy is PolicyKind.COMPATIBLE:
        fitting = [release for release in known if release.release >= named.release and fits(named, release)]
    chosen = fitting[-1]
    passed_over = tuple(release.release for release in known if release.release > chosen.release)
    if subscription.policy is PolicyKind.PIN:
        return Resolution(chosen, f"pinned to {number}", passed_over)
    return Resolution(chosen, f"the newest with the MAJORs of release {number}", passed_over)


def shifts(before: BundleReleased, after: BundleReleased) -> tuple[Shift, ...]:
    """What a consumer of `before` would meet if it were given `after`, alias by alias."""
    found: list[Shift] = []
    now = {view.alias: view for view in after.views}
    for view in before.views:
        other = now.get(view.alias)
        if other is None:
            reason = f"`{view.alias}` is gone: its features would be asked for in vain"
            found.append(Shift(view.alias, "alias-removed", breaks=True, reason=reason))
        elif other.view != view.view:
            reason = f"`{view.alias}` is the view {other.view} now, and was {view.view}"
            found.append(Shift(view.alias, "view-changed", breaks=True, reason=reason))
        else:
            found += _shifts_of_view(view, other)
    return tuple(found)


def _shifts_of_view(view: BundleView, other: BundleView) -> list[Shift]:
    found = []
    lost = [name for name in view.features if name not in other.features]
    is_new_major = other.version.major != view.version.major
    if is_new_major:
        said = f"`{view.alias}` goes from {view.view}@{view.version} to {other.view}@{other.version}, a new MAJOR"
        said += f", without {', '.join(lost)}" if lost else ""
        found.append(Shift(view.alias, "major-changed", breaks=False, reason=said))
    elif lost:
        said = f"`{view.alias}` has no {', '.join(lost)} any more"
        found.append(Shift(view.alias, "feature-removed", breaks=True, reason=said))
    if dict(view.keys) != dict(other.keys) and not is_new_major:
        before, after = (", ".join(name for _, name in each.keys) for each in (view, other))
        said = f"`{view.alias}` is joined by {after} now, and was by {before}: requests do not give it"
        found.append(Shift(view.alias, "keys-changed", breaks=True, reason=said))
    return found


def reads(releases: Sequence[BundleReleased], view: str, major: int) -> tuple[str, ...]:
    """The features of a view MAJOR that consumers of these releases read, in the order first seen."""
    return tuple(
        dict.fromkeys(
            feature
            for release in releases
            for each in release.views
            if (each.view, each.version.major) == (view, major)
            for feature in each.features
        )
    )


def fits(named: BundleReleased, release: BundleReleased) -> bool:
    """Whether what `named` reads is there under the same aliases, in the same MAJORs."""
    there = {view.alias: (view.view, view.version.major) for view in release.views}
    return all(there.get(view.alias) == (view.view, view.version.major) for view in named.views)
