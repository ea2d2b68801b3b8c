"""What a folder of definitions says, as plain data that remembers where each part stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline.catalog.events import PolicyKind, SubscriptionDeclared
from syncline.catalog.references import ViewReference
from syncline.contracts.model import Contract
from syncline.contracts.odcs.located import Located, Path, path_text
from syncline.errors import Problem


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a file; problems found later, against the catalog, name it too."""

    located: Located = field(repr=False)
    path: Path = ()

    def at(self, *parts: str | int) -> Place:
        """A part of this part."""
        return Place(self.located, (*self.path, *parts))

    def problem(self, rule: str, message: str, remedy: str) -> Problem:
        """That this part breaks `rule`."""
        line = self.located.line(self.path)
        return Problem(self.located.file, path_text(self.path), rule, message, remedy, line)


@dataclass(frozen=True, slots=True)
class ContractFile:
    """A contract and the file that states it."""

    contract: Contract
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ViewUse:
    """One view of a bundle, as written."""

    view: ViewReference
    """With its MAJOR always; with a MINOR only where the bundle is tied to it."""
    alias: str
    keys: tuple[tuple[str, str], ...]
    """(join key of the view, name in a request), only those that are written."""
    features: tuple[str, ...] | None
    """None means all features of the version."""
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bundle:
    """The stable interface that a model reads."""

    name: str
    owner: str
    views: tuple[ViewUse, ...]
    place: Place = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A consumer's stated needs."""

    name: str
    bundle: str
    policy: PolicyKind
    policy_release: int | None
    labels: tuple[tuple[str, str], ...]
    """Sorted."""
    freshness_us: tuple[tuple[str, int], ...]
    """(alias, largest age that the model accepts), sorted."""
    model_name: str | None
    model_version: str | None
    required: bool
    accepts_widening: bool
    """Whether its model can live with wider ranges and more allowed values within a MAJOR."""
    place: Place = field(compare=False, repr=False)

    @property
    def declared(self) -> SubscriptionDeclared:
        """As the catalog keeps it."""
        return SubscriptionDeclared(
            consumer=self.name,
            bundle=self.bundle,
            policy=self.policy,
            policy_release=self.policy_release,
            labels=self.labels,
            freshness_us=self.freshness_us,
            model_name=self.model_name,
            model_version=self.model_version,
            required=self.required,
            accepts_widening=self.accepts_widening,
        )


@dataclass(frozen=True, slots=True)
class Definitions:
    """A folder that holds together as far as can be told without the catalog."""

    contracts: tuple[ContractFile, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be told without the catalog."""
