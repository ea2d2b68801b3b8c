"""What apply would do: the difference between a folder and the catalog. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from syncline.catalog.events import BundleReleased, BundleView, SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.contracts.avro import contract_hash
from syncline.contracts.model import Contract
from syncline.definitions.changes import Change, Level, changes
from syncline.definitions.check import check
from syncline.definitions.model import ContractFile, Definitions, Subscription
from syncline.definitions.topics import differences, mismatches, own_topics, view_topics
from syncline.definitions.views import Views
from syncline.errors import DefinitionError, Problem
from syncline.ports.log import TopicDescription, TopicSpec
from syncline.wire.topics import Topics


class ViewChange(StrEnum):
    """What the registration of a view version means."""

    NEW_VIEW = "new view"
    NEW_MAJOR = "new MAJOR"
    NEW_MINOR = "new MINOR"
    METADATA = "metadata"
    """The contract's wire form is as it was: a catalog record, no new schema."""


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A view version to register."""

    contract: Contract
    change: ViewChange
    changes: tuple[Change, ...] = ()
    """Against the version before, for a new MINOR or MAJOR."""

    @property
    def subject(self) -> str:
        """What the decision is about."""
        return f"view {self.contract.view}"


@dataclass(frozen=True, slots=True)
class ReleaseBundle:
    """A release to make. `differences` against the one before; empty for the first."""

    payload: BundleReleased
    differences: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What the decision is about."""
        return self.payload.subject


@dataclass(frozen=True, slots=True)
class DeclareSubscription:
    """A subscription to declare; `before` is what its consumer said until now."""

    payload: SubscriptionDeclared
    before: SubscriptionDeclared | None = None

    @property
    def subject(self) -> str:
        """What the decision is about."""
        return self.payload.subject


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do, in this order, and the catalog position that it was thought out at."""

    based_on: int
    """The next catalog offset that was read."""
    topics: tuple[TopicSpec, ...] = ()
    """To be made: those known to be missing, or all where the cluster was not looked at."""
    views: tuple[RegisterView, ...] = ()
    bundles: tuple[ReleaseBundle, ...] = ()
    subscriptions: tuple[DeclareSubscription, ...] = ()
    unchanged: tuple[str, ...] = ()
    """`view airport_delay@1.0`, `bundle flight_inputs@1`, …"""
    notes: tuple[str, ...] = ()
    """What a person should know although nothing stops it."""
    needed_topics: tuple[TopicSpec, ...] = ()
    """All topics that the definitions stand on, those to be made among them."""

    @property
    def has_changes(self) -> bool:
        """Whether apply would do anything."""
        return bool(self.topics or self.views or self.bundles or self.subscriptions)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the decisions are about."""
        actions: list[RegisterView | ReleaseBundle | DeclareSubscription] = []
        actions += [*self.views, *self.bundles, *self.subscriptions]
        return tuple(action.subject for action in actions)


def plan(
    definitions: Definitions,
    picture: Picture,
    *,
    topics: Mapping[str, TopicDescription | None] | None = None,
    refusals: Mapping[str, Sequence[str]] | None = None,
    prefix: str = "syncline",
) -> Plan:
    """What applying `definitions` would change in what the catalog says.

    Args:
        definitions: as read from the folder.
        picture: the catalog; an empty one for a cluster that nothing was applied to.
        topics: each needed topic as it is, None where it does not exist; None altogether: not looked at.
        refusals: view reference (`airport_delay@1.3`) → further reasons not to register it, as the registry gives.
        prefix: of all topics.

    Raises:
        DefinitionError: lists everything that may not be applied, with file, line, rule and remedy.
    """
    planning = _Planning(definitions, picture, prefix)
    planning.look_at_topics(topics)
    for file in definitions.contracts:
        planning.view(file, (refusals or {}).get(file.contract.reference, ()))
    planning.check()
    if planning.problems:
        raise DefinitionError(
            sorted(planning.problems, key=lambda problem: (problem.file, problem.line or 0))
        )
    return planning.plan()


class _Planning:
    def __init__(self, definitions: Definitions, picture: Picture, prefix: str) -> None:
        self._definitions = definitions
        self._picture = picture
        self._views = Views(definitions, picture, prefix=prefix)
        self._needed = [
            *own_topics(Topics(prefix)),
            *view_topics(file.contract for file in definitions.contracts),
        ]
        self._missing: list[TopicSpec] = []
        self._registrations: list[RegisterView] = []
        self._releases: list[ReleaseBundle] = []
        self._declarations: list[DeclareSubscription] = []
        self._unchanged: list[str] = []
        self._notes: list[str] = []
        self.problems: list[Problem] = []

    def plan(self) -> Plan:
        return Plan(
            based_on=self._picture.next_offset,
            topics=tuple(self._missing),
            views=tuple(self._registrations),
            bundles=tuple(self._releases),
            subscriptions=tuple(self._declarations),
            unchanged=tuple(self._unchanged),
            notes=tuple(self._notes),
            needed_topics=tuple(self._needed),
        )

    def look_at_topics(self, topics: Mapping[str, TopicDescription | None] | None) -> None:
        if topics is None:
            self._missing = list(self._needed)
            return
        by_topic = {file.contract.topic: file for file in self._definitions.contracts}
        for spec in self._needed:
            found = topics.get(spec.name)
            if found is None:
                self._missing.append(spec)
                continue
            self._notes += differences(spec, found)
            for reason in mismatches(spec, found):
                said, _, remedy = reason.rpartition(": ")
                file = by_topic.get(spec.name)
                if file is None:
                    self.problems.append(Problem("cluster", "", "topic", said, _sentence(remedy)))
                else:
                    self.problems.append(file.place.problem("topic", said, _sentence(remedy)))

    def view(self, file: ContractFile, refusals: Sequence[str]) -> None:
        contract = file.contract
        place = file.place.at("version")
        known = self._picture.views.get(contract.view, {})
        registered = self._picture.version(contract.view, contract.version)
        if registered is not None:
            self._registered_version(file, registered.version.patch)
            return
        newest = self._picture.newest(contract.view, contract.version.major)
        if newest is None:
            above = max((version.major for version in known), default=0)
            if above > contract.version.major:
                self.problems.append(
                    place.problem(
                        "version",
                        f"{contract.reference} would come after MAJOR {above}; versions only go up",
                        f"Raise the MAJOR: {above + 1}.0.0",
                    )
                )
                return
            change = ViewChange.NEW_MAJOR if known else ViewChange.NEW_VIEW
            self._registrations.append(RegisterView(contract, change))
            return
        if newest.version.minor > contract.version.minor:
            self.problems.append(
                place.problem(
                    "version",
                    f"{contract.reference} is lower than {newest.version}, which is registered; versions only go up",
                    f"Raise it above {newest.version}",
                )
            )
            return
        self._new_minor(file, self._views.contract(contract.view, newest.version), refusals)

    def _registered_version(self, file: ContractFile, patch: int) -> None:
        contract, place = file.contract, file.place.at("version")
        registered = self._views.registered(contract.view, contract.version)
        assert registered is not None
        if contract_hash(registered) != contract_hash(contract):
            found = changes(registered, contract)
            raised = _raised(contract, max((change.level for change in found), default=Level.MINOR))
            self.problems.append(
                place.problem(
                    "version",
                    f"{contract.reference} is registered with another contract, and versions never change: "
                    + "; ".join(map(str, found)),
                    f"Raise the version to {raised}",
                )
            )
        elif contract.version.patch < patch:
            self.problems.append(
                place.problem(
                    "version",
                    f"{contract.reference}.{contract.version.patch} is lower than {contract.reference}.{patch}, "
                    "which is registered; versions only go up",
                    f"Raise the third number to {patch} or more",
                )
            )
        elif registered.document != contract.document:
            self._registrations.append(RegisterView(contract, ViewChange.METADATA))
        else:
            self._unchanged.append(f"view {contract.reference}")

    def _new_minor(self, file: ContractFile, before: Contract, refusals: Sequence[str]) -> None:
        contract = file.contract
        found = changes(before, contract)
        breaking = [change for change in found if change.level is Level.MAJOR]
        for change in breaking:
            self.problems.append(
                file.place.at("version").problem(
                    "compatibility",
                    f"{contract.reference} cannot follow {before.reference} as a MINOR: "
                    f"{change.what}: {change.sentence}",
                    f"Undo it, or raise the version to {_raised(contract, Level.MAJOR)}",
                )
            )
        if not breaking:
            for reason in refusals:
                self.problems.append(
                    file.place.problem(
                        "registry",
                        reason,
                        f"Undo it, or raise the version to {_raised(contract, Level.MAJOR)}",
                    )
                )
        self._registrations.append(RegisterView(contract, ViewChange.NEW_MINOR, found))

    def check(self) -> None:
        """Bundles and subscriptions, against the folder and the catalog together."""
        found = check(self._definitions, self._views, picture=self._picture)
        self.problems += found.problems
        self._notes += found.notes
        for resolved in found.bundles.values():
            self._bundle(
                resolved.bundle.name, resolved.bundle.owner, resolved.views, resolved.release, resolved.is_new
            )
        for subscription in self._definitions.subscriptions:
            self._subscription(subscription)

    def _bundle(
        self, name: str, owner: str, views: tuple[BundleView, ...], release: int, is_new: bool
    ) -> None:
        releases = self._picture.releases.get(name, ())
        if not is_new:
            self._unchanged.append(f"bundle {name}@{release}")
            if releases[-1].payload.owner != owner:
                self._notes.append(
                    f"bundle {name}: its new owner, {owner}, will be recorded with its next release"
                )
            return
        if not releases:
            self._releases.append(ReleaseBundle(BundleReleased(name, release, owner, views)))
            return
        found = _bundle_differences(releases[-1].payload.views, views)
        report = json.dumps(
            {"format_version": 1, "against": release - 1, "differences": found}, separators=(",", ":")
        )
        self._releases.append(
            ReleaseBundle(BundleReleased(name, release, owner, views, report), tuple(found))
        )
        self._notes.append(
            f"{name}@{release} will be recorded, and agents go on serving {name}@1: they switch with a rollout, which "
            "comes with a later version of Syncline"
        )

    def _subscription(self, subscription: Subscription) -> None:
        declared = self._picture.subscriptions.get(subscription.name)
        payload = SubscriptionDeclared(
            consumer=subscription.name,
            bundle=subscription.bundle,
            policy=subscription.policy,
            policy_release=subscription.policy_release,
            labels=subscription.labels,
            freshness_us=subscription.freshness_us,
            model_name=subscription.model_name,
            model_version=subscription.model_version,
            required=subscription.required,
        )
        if declared is not None and declared.payload == payload:
            self._unchanged.append(f"subscription {subscription.name}")
        else:
            self._declarations.append(DeclareSubscription(payload, declared.payload if declared else None))


def _bundle_differences(old: Sequence[BundleView], new: Sequence[BundleView]) -> list[str]:
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
    return found


def _raised(contract: Contract, level: Level) -> str:
    version = contract.version
    return f"{version.major + 1}.0.0" if level is Level.MAJOR else f"{version.major}.{version.minor + 1}.0"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
