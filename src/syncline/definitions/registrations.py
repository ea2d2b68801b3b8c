"""What a contract of the folder means to the catalog: a new version, metadata, nothing, or a refusal. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from syncline.catalog.fold import Picture
from syncline.catalog.risks import Step
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.compatibility.comparison import Change, Comparison, Level
from syncline.contracts.model import Contract
from syncline.definitions.actions import RegisterView, ViewChange
from syncline.definitions.model import ContractFile
from syncline.definitions.views import Views
from syncline.errors import Problem


@dataclass
class Registrations:
    """What all contracts of a folder come to."""

    actions: list[RegisterView] = field(default_factory=list)
    minors: list[Step] = field(default_factory=list)
    """The new MINORs, refused ones too: what they would do to subscriptions is said all at once."""
    unchanged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Registering:
    """Looks at one contract after the other."""

    def __init__(
        self,
        picture: Picture,
        views: Views,
        *,
        allow_widening: bool,
        readers: Callable[[Contract, str], Sequence[str]],
    ) -> None:
        """`readers` names the live subscriptions that read a feature of the contract's MAJOR."""
        self._picture = picture
        self._views = views
        self._allow_widening = allow_widening
        self._readers = readers
        self.found = Registrations()

    def look_at(self, file: ContractFile, refusals: Sequence[str]) -> None:
        """Decide about one contract; `refusals` is what the registry has against it."""
        contract = file.contract
        registered = self._picture.version(contract.view, contract.version)
        if registered is not None:
            self._registered_version(file, registered.version.patch)
            return
        newest = self._picture.newest(contract.view, contract.version.major)
        if newest is None:
            self._new_major(file)
        elif newest.version.minor > contract.version.minor:
            self._refuse_version(
                file,
                f"{contract.reference} is lower than {newest.version}, which is registered; versions only go up",
                f"Raise it above {newest.version}",
            )
        else:
            self._new_minor(file, self._views.contract(contract.view, newest.version), refusals)

    def _new_major(self, file: ContractFile) -> None:
        contract = file.contract
        newest = self._picture.newest(contract.view)
        if newest is None:
            self.found.actions.append(RegisterView(contract, ViewChange.NEW_VIEW))
            return
        above = newest.version.major
        if above > contract.version.major:
            self._refuse_version(
                file,
                f"{contract.reference} would come after MAJOR {above}; versions only go up",
                f"Raise the MAJOR: {above + 1}.0.0",
            )
            return
        before = self._views.contract(contract.view, newest.version)
        changes = compare(before, contract).changes
        self.found.actions.append(RegisterView(contract, ViewChange.NEW_MAJOR, changes, before.reference))

    def _registered_version(self, file: ContractFile, patch: int) -> None:
        contract = file.contract
        registered = self._views.registered(contract.view, contract.version)
        assert registered is not None
        comparison = compare(registered, contract)
        if comparison.level >= Level.MINOR or not comparison.same_wire:
            changes = [change for change in comparison.changes if change.level is not Level.METADATA]
            self._refuse_version(
                file,
                f"{contract.reference} is registered with another contract, and versions never change: "
                + "; ".join(map(str, changes)),
                f"Raise the version to {self._raised(contract, comparison.level)}",
            )
        elif contract.version.patch < patch:
            self._refuse_version(
                file,
                f"{contract.reference}.{contract.version.patch} is lower than {contract.reference}.{patch}, "
                "which is registered; versions only go up",
                f"Raise the third number to {patch} or more",
            )
        elif registered.document != contract.document:
            self.found.actions.append(
                RegisterView(contract, ViewChange.METADATA, comparison.changes, registered.reference)
            )
        else:
            self.found.unchanged.append(f"view {contract.reference}")
        newest = self._picture.newest(contract.view, contract.version.major)
        if newest is not None and newest.version.minor > contract.version.minor:
            self.found.notes.append(
                f"{contract.view}@{newest.version} is registered, and {file.place.located.file} still says "
                f"{contract.version}: is this folder older than what was applied last?"
            )

    def _new_minor(self, file: ContractFile, before: Contract, refusals: Sequence[str]) -> None:
        contract = file.contract
        comparison = compare(before, contract)
        if contract.version.major + 1 != self._next_major(contract):
            beside = f"{contract.view}@{self._next_major(contract)} beside {contract.view}@{contract.version.major}"
            comparison = replace(comparison, beside=beside)
        breaking = [change for change in comparison.at(Level.MAJOR) if not self._is_consented(change)]
        for change in breaking:
            self._refuse_change(file, comparison, change)
        if not breaking:
            for reason in refusals:
                remedy = f"Undo it, or raise the version to {self._raised(contract, Level.MAJOR)}"
                self.found.problems.append(file.place.problem("registry", reason, remedy))
        self.found.minors.append(Step(contract, comparison))
        self.found.actions.append(
            RegisterView(
                self._views.following(contract), ViewChange.NEW_MINOR, comparison.changes, before.reference
            )
        )

    def _is_consented(self, change: Change) -> bool:
        """Whether consent makes it MINOR; who does not consent is named where subscriptions are looked at."""
        return self._allow_widening and change.widens

    def _refuse_change(self, file: ContractFile, comparison: Comparison, change: Change) -> None:
        message = (
            f"{comparison.new} cannot follow {comparison.old} as a MINOR: {change.what}: {change.reason}"
        )
        readers = self._readers(file.contract, change.what) if change.is_feature else ()
        if readers:
            message += f". It is read by {', '.join(readers)}"
        remedy = f"{comparison.remedy(change)} (version {self._raised(file.contract, Level.MAJOR)})"
        if change.widens:
            remedy += ", or plan with --allow-widening if all who read it accept wider values"
        self.found.problems.append(file.place.at("version").problem(change.rule, message, remedy))

    def _refuse_version(self, file: ContractFile, message: str, remedy: str) -> None:
        self.found.problems.append(file.place.at("version").problem("version", message, remedy))

    def _next_major(self, contract: Contract) -> int:
        newest = self._picture.newest(contract.view)
        return max(contract.version.major, newest.version.major if newest else 0) + 1

    def _raised(self, contract: Contract, level: Level) -> str:
        """The version that a change of this level needs."""
        version = contract.version
        if level is Level.MAJOR:
            return f"{self._next_major(contract)}.0.0"
        newest = self._picture.newest(contract.view, version.major)
        return f"{version.major}.{max(version.minor, newest.version.minor if newest else 0) + 1}.0"
