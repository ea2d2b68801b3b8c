"""The live subscriptions: who reads what, what a plan would do to them, and what it takes for granted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from syncline.catalog.events import BundleReleased, SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.catalog.policies import reads, resolve
from syncline.catalog.risks import Risk, Step, risks_of
from syncline.contracts.model import Contract, Version
from syncline.definitions.actions import DeclareSubscription, Premises, RegisterView
from syncline.definitions.model import Definitions, Place
from syncline.errors import Problem


class LiveSubscriptions:
    """Those that the catalog has, with what the plan would have them say."""

    def __init__(self, picture: Picture, declared: Sequence[SubscriptionDeclared]) -> None:
        """`declared`: what the plan declares. Who is new there has no model yet that could break."""
        changed = {payload.consumer: payload for payload in declared}
        self._subscriptions = [
            changed.get(consumer, recorded.payload)
            for consumer, recorded in sorted(picture.subscriptions.items())
        ]
        self._releases = {
            bundle: tuple(recorded.payload for recorded in releases)
            for bundle, releases in picture.releases.items()
        }

    def bundle_of(self, consumer: str) -> str:
        """The bundle that one of them reads."""
        return next(each.bundle for each in self._subscriptions if each.consumer == consumer)

    def readers(self, contract: Contract, feature: str) -> tuple[str, ...]:
        """Who reads this feature of the contract's MAJOR, as things stand."""
        found = []
        for subscription in self._subscriptions:
            release = resolve(subscription, self._releases.get(subscription.bundle, ())).release
            if release is not None and feature in reads([release], contract.view, contract.version.major):
                found.append(subscription.consumer)
        return tuple(found)

    def risks(
        self,
        planned: Sequence[BundleReleased],
        steps: Sequence[Step],
        contract_of: Callable[[str, Version], Contract],
    ) -> list[Risk]:
        """What releases and MINORs would do to each of them, by consumer."""
        found: list[Risk] = []
        for subscription in self._subscriptions:
            found += risks_of(
                subscription,
                releases=self._releases.get(subscription.bundle, ()),
                planned=[release for release in planned if release.bundle == subscription.bundle],
                steps=steps,
                contract_of=contract_of,
            )
        return found

    def refusals(
        self, risks: Sequence[Risk], definitions: Definitions, *, consented: Collection[str]
    ) -> list[Problem]:
        """What breaks, as problems at the bundle or contract that does it.

        `consented` are the new MINORs whose wider values need a yes from everyone who reads them. Elsewhere such a
        value is refused as MAJOR already, or has been recorded with the consent of those who were there.
        """
        places: dict[str, Place] = {
            file.contract.reference: file.place.at("version") for file in definitions.contracts
        }
        bundles = {bundle.name: bundle.place for bundle in definitions.bundles}
        found = []
        for risk in risks:
            if not risk.breaks:
                continue
            place = places.get(risk.about)
            if place is not None and risk.rule != "freshness":
                if risk.about in consented:
                    found.append(
                        place.problem(
                            risk.rule,
                            f"{risk.about} would break the subscription {risk.consumer}: {risk.reason}",
                            f"Ask the team of {risk.consumer} to declare `acceptsWidening: true`, or raise the MAJOR",
                        )
                    )
                continue
            place = bundles[self.bundle_of(risk.consumer)]
            found.append(
                place.problem(
                    risk.rule,
                    f"{risk.about} would break the subscription {risk.consumer}: {risk.reason}",
                    f"Undo it, release another bundle beside this one, or let {risk.consumer} pin the release it has",
                )
            )
        return found


def premises(
    picture: Picture,
    views: Sequence[RegisterView],
    planned: Sequence[BundleReleased],
    declarations: Sequence[DeclareSubscription],
) -> Premises:
    """What the plan was checked against beside its own subjects."""
    bundles = {release.bundle for release in planned}
    majors = {(action.contract.view, action.contract.version.major) for action in views}
    read_by = {
        bundle
        for bundle, releases in picture.releases.items()
        for recorded in releases
        if any((view.view, view.version.major) in majors for view in recorded.payload.views)
    }
    stands_on = {f"view {view.view}" for release in planned for view in release.views}
    stands_on |= {f"bundle {bundle}" for bundle in read_by}
    for action in declarations:
        stands_on.add(f"bundle {action.payload.bundle}")
        for recorded in picture.releases.get(action.payload.bundle, ()):
            stands_on |= {f"view {view.view}" for view in recorded.payload.views}
    return Premises(frozenset(stands_on), frozenset(bundles | read_by))
