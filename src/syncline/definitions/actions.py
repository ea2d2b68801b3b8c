"""What a plan says that apply would do, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from syncline.catalog.events import BundleReleased, SubscriptionDeclared
from syncline.catalog.risks import Risk
from syncline.contracts.compatibility.comparison import Change, Level
from syncline.contracts.model import Contract
from syncline.ports.log import TopicSpec


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
    """Against the version before; empty for a new view."""
    before: str | None = None
    """That version: `airport_delay@1.0`."""

    @property
    def subject(self) -> str:
        """What the decision is about."""
        return f"view {self.contract.view}"

    @property
    def level(self) -> Level:
        """The gravest of its changes."""
        return max((change.level for change in self.changes), default=Level.NONE)


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
class Premises:
    """What a plan takes for granted beside its own subjects: if it changes, the plan has to be thought out again.

    The fold voids a decision whose own subject has changed; that these have not is for the writer to see.
    """

    subjects: frozenset[str] = frozenset()
    bundles: frozenset[str] = frozenset()
    """No subscription to one of these may have come, or changed."""


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
    risks: tuple[Risk, ...] = ()
    """What live subscriptions would notice, and what a view that is registered already does to them."""
    allow_widening: bool = False
    premises: Premises = field(default_factory=Premises)

    @property
    def has_changes(self) -> bool:
        """Whether apply would do anything."""
        return bool(self.topics or self.views or self.bundles or self.subscriptions)

    @property
    def actions(self) -> tuple[RegisterView | ReleaseBundle | DeclareSubscription, ...]:
        """The decisions, in their order."""
        return (*self.views, *self.bundles, *self.subscriptions)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the decisions are about."""
        return tuple(action.subject for action in self.actions)

    def covers(self, later: Plan) -> bool:
        """Whether `later` decides and risks nothing more: who agreed to this plan agreed to that one."""
        return all(action in self.actions for action in later.actions) and set(later.risks) <= set(self.risks)
