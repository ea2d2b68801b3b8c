"""Whether definitions fit each other and, where the catalog is known, what is in it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from syncline.catalog.events import BundleReleased, BundleView, PolicyKind
from syncline.catalog.fold import Picture
from syncline.catalog.policies import resolve
from syncline.catalog.references import ViewReference
from syncline.catalog.risks import slowest_promise
from syncline.contracts.durations import format_duration
from syncline.contracts.model import Contract, FeatureType, Version
from syncline.contracts.nearest import nearest
from syncline.definitions.model import Bundle, Definitions, Subscription, ViewUse
from syncline.definitions.views import Views
from syncline.errors import Problem


@dataclass(frozen=True, slots=True)
class ResolvedBundle:
    """A bundle with the exact versions that its views mean now."""

    bundle: Bundle
    views: tuple[BundleView, ...]
    release: int
    """The number of the release with this content: the last one's, or the next."""
    is_new: bool
    """Whether that release is still to be made."""

    @property
    def released(self) -> BundleReleased:
        """The release, without its compatibility report."""
        return BundleReleased(self.bundle.name, self.release, self.bundle.owner, self.views)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. `bundles` lacks those with problems, and those that only the catalog could resolve."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    bundles: Mapping[str, ResolvedBundle]


def check(
    definitions: Definitions, views: Views, *, picture: Picture | None = None, broken: Collection[str] = ()
) -> Checked:
    """Check bundles against views and subscriptions against bundles.

    Without a `picture`, what is not in the folder may be in the catalog: that is a note, not a problem. `broken`
    names definitions that exist but cannot be read (`view x`, `bundle x`, or `*` for files of unknown content).
    """
    checking = _Checking(views, picture, broken)
    for bundle in definitions.bundles:
        checking.bundle(bundle)
    for subscription in definitions.subscriptions:
        checking.subscription(subscription)
    return Checked(tuple(checking.problems), tuple(checking.notes), checking.bundles)


class _Checking:
    def __init__(self, views: Views, picture: Picture | None, broken: Collection[str]) -> None:
        self._views = views
        self._picture = picture
        self._broken = set(broken)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.bundles: dict[str, ResolvedBundle] = {}

    def bundle(self, bundle: Bundle) -> None:
        before = len(self.problems)
        resolved: list[BundleView] = []
        types: dict[str, tuple[FeatureType, str]] = {}
        for use in bundle.views:
            contract = self._contract(bundle, use)
            if contract is None:
                continue
            keys = self._keys(use, contract)
            self._request_types(use, contract, keys, types)
            resolved.append(
                BundleView(
                    alias=use.alias,
                    view=contract.view,
                    version=Version(contract.version.major, contract.version.minor),
                    keys=keys,
                    features=self._features(use, contract),
                )
            )
        if len(self.problems) > before:
            self._broken.add(f"bundle {bundle.name}")
        elif len(resolved) == len(bundle.views):
            content = tuple(resolved)
            releases = self._picture.releases.get(bundle.name, ()) if self._picture is not None else ()
            is_new = not releases or releases[-1].payload.views != content
            self.bundles[bundle.name] = ResolvedBundle(bundle, content, len(releases) + is_new, is_new)
        else:
            # It is here, and a note says what only the catalog can tell: of who reads it nothing can be said, either.
            self._broken.add(f"bundle {bundle.name}")

    def subscription(self, subscription: Subscription) -> None:
        views = self._views_of(subscription)
        if views is None:
            return
        for alias, asked_us in subscription.freshness_us:
            place = subscription.place.at("freshness", alias)
            view = next((view for view in views if view.alias == alias), None)
            if view is not None:
                self._freshness(subscription, alias, asked_us, self._views.contract(view.view, view.version))
            elif self._picture is None and subscription.policy is not PolicyKind.FOLLOW:
                self.notes.append(
                    f"{subscription.name}: `{alias}` is not in the bundle as it stands here; plan looks into release "
                    f"{subscription.policy_release}"
                )
            else:
                self.problems.append(
                    place.problem(
                        "unknown-alias",
                        f"{subscription.bundle} has no view called `{alias}`",
                        nearest(alias, [view.alias for view in views]),
                    )
                )

    def _contract(self, bundle: Bundle, use: ViewUse) -> Contract | None:
        contract = self._views.find(use.view)
        if contract is not None:
            return contract
        reference, place = use.view, use.place.at("view")
        if self._is_broken(f"view {reference.view}"):
            return None
        if not self._views.knows_catalog:
            self.notes.append(
                f"{bundle.name}: {reference} is not in this folder; plan looks for it in the catalog"
            )
            return None
        versions = self._views.versions(reference.view)
        if versions:
            known = [str(ViewReference(reference.view, version.major, version.minor)) for version in versions]
            remedy = f"Known are: {', '.join(known)}"
        else:
            remedy = nearest(reference.view, self._views.names())
        self.problems.append(
            place.problem("unknown-view", f"there is no {reference}, neither here nor in the catalog", remedy)
        )
        return None

    def _keys(self, use: ViewUse, contract: Contract) -> tuple[tuple[str, str], ...]:
        names = [key.name for key in contract.keys]
        for key, _ in use.keys:
            if key not in names:
                self.problems.append(
                    use.place.at("keys", key).problem(
                        "unknown-key", f"{contract.reference} has no join key `{key}`", nearest(key, names)
                    )
                )
        mapped = dict(use.keys)
        return tuple((name, mapped.get(name, name)) for name in names)

    def _request_types(
        self,
        use: ViewUse,
        contract: Contract,
        keys: tuple[tuple[str, str], ...],
        types: dict[str, tuple[FeatureType, str]],
    ) -> None:
        """One name in a request has one value, so it must have one type in all the views it joins."""
        for key, (_, name) in zip(contract.keys, keys, strict=True):
            kind, alias = types.setdefault(name, (key.type, use.alias))
            if kind is not key.type:
                self.problems.append(
                    use.place.at("keys", key.name).problem(
                        "key-type",
                        f"`{name}` is a {key.type.value} here and a {kind.value} for `{alias}`",
                        f"Map the join key to another name: `keys: {{{key.name}: ...}}`",
                    )
                )

    def _features(self, use: ViewUse, contract: Contract) -> tuple[str, ...]:
        known = tuple(feature.name for feature in contract.features)
        if use.features is None:
            return known
        for number, name in enumerate(use.features):
            if name not in known:
                self.problems.append(
                    use.place.at("features", number).problem(
                        "unknown-feature",
                        f"{contract.reference} has no feature `{name}`",
                        nearest(name, known),
                    )
                )
        return use.features

    def _views_of(self, subscription: Subscription) -> tuple[BundleView, ...] | None:
        """The views that the subscription gets; None where that cannot be said, or is said already."""
        if self._is_broken(f"bundle {subscription.bundle}"):
            return None
        resolved = self.bundles.get(subscription.bundle)
        if self._picture is not None:
            return self._views_of_release(subscription, self._picture, resolved)
        if resolved is None:
            self.notes.append(
                f"{subscription.name}: bundle {subscription.bundle} is not in this folder; plan looks in the catalog"
            )
            return None
        return resolved.views

    def _views_of_release(
        self, subscription: Subscription, picture: Picture, resolved: ResolvedBundle | None
    ) -> tuple[BundleView, ...] | None:
        name, number = subscription.bundle, subscription.policy_release
        releases = [release.payload for release in picture.releases.get(name, ())]
        if resolved is not None and resolved.is_new:
            releases.append(resolved.released)
        if not releases:
            self.problems.append(
                subscription.place.at("bundle").problem(
                    "unknown-bundle",
                    f"there is no bundle {name}, neither here nor in the catalog",
                    nearest(name, {*picture.releases, *self.bundles}),
                )
            )
            return None
        if number is not None and number > len(releases):
            self.problems.append(
                subscription.place.at("policy", subscription.policy.value).problem(
                    "unknown-release",
                    f"{name} has no release {number} yet",
                    f"Name a release from 1 to {len(releases)}",
                )
            )
            return None
        release = resolve(subscription.declared, releases).release
        return None if release is None else release.views

    def _freshness(self, subscription: Subscription, alias: str, asked_us: int, contract: Contract) -> None:
        slowest = slowest_promise(contract)
        if slowest is not None and asked_us < slowest[1]:
            promised = format_duration(slowest[1])
            self.problems.append(
                subscription.place.at("freshness", alias).problem(
                    "freshness",
                    f"{format_duration(asked_us)} is asked for, but {contract.reference} promises "
                    f"a {slowest[0]} of {promised}",
                    f"Ask for {promised} or more, or agree on a new contract with {contract.owner}",
                )
            )

    def _is_broken(self, name: str) -> bool:
        return "*" in self._broken or name in self._broken
