"""Definitions that name view versions on their way out: refused where retired, told where deprecated. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from syncline.catalog.events import BundleReleased, Decision, SubscriptionDeclared
from syncline.catalog.fold import Picture, Recorded
from syncline.catalog.lifecycle import alternative_to, on_its_way_out, releases_in_use, retired_in
from syncline.contracts.model import Contract
from syncline.definitions.check import ResolvedBundle
from syncline.definitions.model import Bundle, ContractFile, Definitions
from syncline.errors import Problem


def retired_problems(
    definitions: Definitions,
    picture: Picture,
    planned: Sequence[BundleReleased],
    declared: Sequence[SubscriptionDeclared],
) -> list[Problem]:
    """What may not be recorded, as a version is retired.

    A release that names one, a subscription that would read one, and a new MINOR of a MAJOR that is retired whole.
    """
    bundles = {bundle.name: bundle for bundle in definitions.bundles}
    return [
        *(problem for file in definitions.contracts for problem in _of_contract(file, picture)),
        *(
            problem
            for release in planned
            for problem in _of_release(bundles[release.bundle], release, picture)
        ),
        *_of_subscriptions(definitions, picture, planned, declared),
    ]


def is_over(picture: Picture, contract: Contract) -> bool:
    """Whether every registered version of the contract's MAJOR is retired: nobody needs its topic any more."""
    versions = [
        version for version in picture.views.get(contract.view, {}) if version.major == contract.version.major
    ]
    return bool(versions) and all((contract.view, version) in picture.retired for version in versions)


def ageing_notes(definitions: Definitions, picture: Picture, bundles: Sequence[ResolvedBundle]) -> list[str]:
    """What a person should know of deprecated versions, and of what contracts themselves say of their end."""
    found: list[str] = []
    for file in definitions.contracts:
        found += _notes_of(file.contract, picture)
    for each in bundles:
        for view in each.views:
            text = on_its_way_out(picture, view.view, view.version)
            if text:
                found.append(
                    f"bundle {each.bundle.name}@{each.release} names {view.view}@{view.version} (`{view.alias}`), "
                    f"which is {text}"
                )
    return found


def _of_contract(file: ContractFile, picture: Picture) -> Iterator[Problem]:
    contract = file.contract
    versions = [
        version for version in picture.views.get(contract.view, {}) if version.major == contract.version.major
    ]
    is_new = contract.version.without_patch not in versions
    if is_new and is_over(picture, contract):
        stands = picture.retired[contract.view, versions[-1]]
        newest = picture.newest(contract.view)
        above = max(contract.version.major, newest.version.major if newest else 0) + 1
        last = f"{contract.view}@{versions[-1]} at catalog offset {stands.offset} by {stands.decision.actor}"
        yield file.place.at("version").problem(
            "retired",
            f"all of {contract.view}@{contract.version.major} is retired, {last}: no MINOR follows",
            f"Raise the version to {above}.0.0, or remove the file",
        )


def _of_release(bundle: Bundle, release: BundleReleased, picture: Picture) -> Iterator[Problem]:
    for use, view in zip(bundle.views, release.views, strict=True):
        stands = picture.retired.get((view.view, view.version))
        if stands is None:
            continue
        yield use.place.at("view").problem(
            "retired",
            f"{view.view}@{view.version} was retired at catalog offset {stands.offset} by {stands.decision.actor}: "
            "no release may name it",
            _instead(picture, view.view, alternative_to(picture, view.view, view.version)),
        )


def _of_subscriptions(
    definitions: Definitions,
    picture: Picture,
    planned: Sequence[BundleReleased],
    declared: Sequence[SubscriptionDeclared],
) -> Iterator[Problem]:
    picture = _with(picture, planned)
    by_name = {subscription.name: subscription for subscription in definitions.subscriptions}
    for payload in declared:
        releases = [recorded.payload for recorded in picture.releases.get(payload.bundle, ())]
        for number in releases_in_use(picture, payload):
            if releases[number - 1] in planned:
                # What is wrong with that is told where the bundle stands.
                continue
            for stands in retired_in(picture, releases[number - 1]):
                place = by_name[payload.consumer].place
                yield place.at("policy").problem(
                    "retired",
                    f"{payload.consumer} would read {payload.bundle}@{number}, which names {stands.payload.view}@"
                    f"{stands.payload.version}, and that was retired at catalog offset {stands.offset} by "
                    f"{stands.decision.actor}",
                    "Let it take a later release, or release the bundle without it and roll that out first",
                )


def _with(picture: Picture, planned: Sequence[BundleReleased]) -> Picture:
    """The catalog as it will be once the releases are recorded."""
    releases = dict(picture.releases)
    for release in planned:
        decision = Decision("", 0, "", "", picture.next_offset, release)
        recorded = Recorded(picture.next_offset, decision, release)
        releases[release.bundle] = (*releases.get(release.bundle, ()), recorded)
    return replace(picture, releases=releases)


def _notes_of(contract: Contract, picture: Picture) -> Iterator[str]:
    reference = contract.reference
    key = (contract.view, contract.version.without_patch)
    if key in picture.retired:
        yield f"{reference} is {on_its_way_out(picture, *key)}; its file may be removed"
        return
    stands = picture.deprecated.get(key)
    if stands is None and contract.status in ("deprecated", "retired"):
        verb = "deprecate" if contract.status == "deprecated" else "retire"
        until = contract.end_of_support.isoformat() if contract.end_of_support else "DATE"
        more = f" --until {until}" if verb == "deprecate" else ""
        yield (
            f"{reference} says `status: {contract.status}` of itself, which is a note to people: the decision is made "
            f"with `syncline {verb} {reference}{more} --reason …`"
        )
    elif stands is not None and contract.end_of_support not in (None, stands.payload.until):
        yield (
            f"{reference} says that its support ends on {contract.end_of_support}, and it is deprecated until "
            f"{stands.payload.until}, at catalog offset {stands.offset}"
        )
    others = [version for version in picture.views.get(contract.view, {}) if version.major == key[1].major]
    if (
        key[1] not in others
        and others
        and all((contract.view, each) in picture.deprecated for each in others)
    ):
        last = picture.deprecated[contract.view, others[-1]].payload
        yield (
            f"all of {contract.view}@{key[1].major} is deprecated, and {reference} is new: to deprecate it as well, "
            f"`syncline deprecate {reference} --until {last.until} --reason …`"
        )


def _instead(picture: Picture, view: str, alternative: str) -> str:
    if alternative:
        return f"Name {alternative}"
    left = [
        f"{view}@{version}"
        for version in picture.views.get(view, {})
        if (view, version) not in picture.retired
    ]
    return f"Name {left[-1]}" if left else "Take it out: no version of it is left"
