"""What decisions that are planned would do to a live subscription. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from syncline.catalog.events import BundleReleased, BundleView, PolicyKind, SubscriptionDeclared
from syncline.catalog.policies import reads, resolve, shifts
from syncline.contracts.compatibility.comparison import Change, Comparison
from syncline.contracts.durations import format_duration
from syncline.contracts.model import Contract, OnViolation, Version


@dataclass(frozen=True, slots=True)
class Risk:
    """One thing that a consumer would notice."""

    consumer: str
    rule: str
    """A short stable name: `feature-removed`, `range-widened`, `major-changed`, …"""
    breaks: bool
    """Whether that is refused; else a person should know."""
    about: str
    """What does it: `flight_inputs@3`, `airport_delay@1.1`."""
    reason: str

    def __str__(self) -> str:
        """One line: who, why, and by what."""
        return f"{self.consumer}: {self.reason} ({self.rule}, by {self.about})"


@dataclass(frozen=True, slots=True)
class Step:
    """A view version that takes the place of an earlier one, and how they differ."""

    contract: Contract
    comparison: Comparison
    is_minor: bool = True
    """Whether both are of one MAJOR."""

    @property
    def widenings(self) -> tuple[Change, ...]:
        """The changes that are MINOR only if every reader accepts them."""
        return tuple(change for change in self.comparison.changes if change.widens)


def risks_of(
    subscription: SubscriptionDeclared,
    *,
    releases: Sequence[BundleReleased],
    planned: Sequence[BundleReleased],
    steps: Iterable[Step],
    contract_of: Callable[[str, Version], Contract],
) -> tuple[Risk, ...]:
    """Everything that the planned releases and MINORs would do to one subscription, what breaks it first.

    Args:
        subscription: as it will stand.
        releases: those that stand of its bundle, ascending.
        planned: those to come of its bundle.
        steps: from MINOR to MINOR, of whatever view: all that are planned, and those between the releases. Records of
            all MINORs of a MAJOR share a topic: a widening reaches the readers of every release, pinned ones too.
        contract_of: the contract of a version that stands or is planned.
    """
    before, after = (
        resolve(subscription, releases).release,
        resolve(subscription, [*releases, *planned]).release,
    )
    if before is None or after is None:
        return ()
    found = [
        *_of_release(subscription, before, after, planned),
        *_of_promises(subscription, before, after, contract_of),
    ]
    for step in steps:
        found += _of_step(subscription, before, after, step)
    return tuple(sorted(found, key=lambda risk: not risk.breaks))


def _of_release(
    subscription: SubscriptionDeclared,
    before: BundleReleased,
    after: BundleReleased,
    planned: Sequence[BundleReleased],
) -> Iterator[Risk]:
    consumer, about = subscription.consumer, f"{after.bundle}@{after.release}"
    for shift in shifts(before, after):
        yield Risk(consumer, shift.rule, shift.breaks, about, shift.reason)
    if subscription.policy is PolicyKind.COMPATIBLE:
        for release in planned:
            if release.release > after.release:
                about = f"{release.bundle}@{release.release}"
                reason = f"it stays on {after.bundle}@{after.release}, as {about} has other views or MAJORs"
                yield Risk(consumer, "passed-over", breaks=False, about=about, reason=reason)


def _of_promises(
    subscription: SubscriptionDeclared,
    before: BundleReleased,
    after: BundleReleased,
    contract_of: Callable[[str, Version], Contract],
) -> Iterator[Risk]:
    """Promises of freshness that would no longer be enough."""
    earlier, later = ({view.alias: view for view in release.views} for release in (before, after))
    for alias, asked_us in subscription.freshness_us:
        if alias not in later or later[alias] == earlier.get(alias):
            continue
        contract = contract_of(later[alias].view, later[alias].version)
        slowest = slowest_promise(contract)
        if slowest is None or slowest[1] <= asked_us:
            continue
        name, us = slowest
        reason = (
            f"`{alias}` is needed within {format_duration(asked_us)}, and {contract.reference} promises a {name} of "
            f"{format_duration(us)}"
        )
        breaks = alias in earlier and earlier[alias].version.major == later[alias].version.major
        yield Risk(subscription.consumer, "freshness", breaks, contract.reference, reason)


def slowest_promise(contract: Contract) -> tuple[str, int] | None:
    """The name and µs of the promise that decides how fresh values can be; None where nothing is promised."""
    promises = (("latency", contract.latency_us), ("frequency", contract.frequency_us))
    stated = [(name, us) for name, us in promises if us is not None]
    return max(stated, key=lambda promise: promise[1]) if stated else None


def _of_step(
    subscription: SubscriptionDeclared, before: BundleReleased, after: BundleReleased, step: Step
) -> Iterator[Risk]:
    consumer, contract = subscription.consumer, step.contract
    about = contract.reference
    major = contract.version.major
    read = reads([before, after], contract.view, major)
    if not read:
        return
    for change in step.widenings:
        if change.what in read:
            breaks = not subscription.accepts_widening
            yield Risk(consumer, change.rule, breaks, about, _widened(change, accepts=not breaks))
    if contract.on_violation is OnViolation.HALT and _changed(step, "on-violation-changed"):
        reason = "its agents will hold at a record that breaks the contract"
        yield Risk(consumer, "on-violation-changed", breaks=False, about=about, reason=reason)
    switched = [view for view in after.views if _is(view, contract)]
    if not switched:
        return
    now = {name for view in switched for name in view.features}
    for change in step.comparison.changes:
        if change.rule == "when-stale-changed":
            reason = f"what it gets for a value that is too old: {change.reason}"
            yield Risk(consumer, change.rule, breaks=False, about=about, reason=reason)
        elif change.what in now and change.narrows:
            reason = (
                f"`{change.what}`: values written before that break the new limits will be served INVALID"
            )
            yield Risk(consumer, change.rule, breaks=False, about=about, reason=reason)
        elif change.what in now and change.rule == "default-changed":
            yield Risk(consumer, change.rule, False, about, f"`{change.what}`: {change.reason}")


def _widened(change: Change, *, accepts: bool) -> str:
    said = f"it reads `{change.what}`: {change.reason}"
    return (
        f"{said}; it says that it accepts this"
        if accepts
        else f"{said}; it does not say `acceptsWidening: true`"
    )


def _changed(step: Step, rule: str) -> bool:
    return any(change.rule == rule for change in step.comparison.changes)


def _is(view: BundleView, contract: Contract) -> bool:
    version = contract.version
    return (view.view, view.version.major, view.version.minor) == (
        contract.view,
        version.major,
        version.minor,
    )
