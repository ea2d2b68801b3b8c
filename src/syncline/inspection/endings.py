"""What it would mean to deprecate or retire view versions, or to withdraw a subscription. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from syncline.catalog.events import PolicyKind
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import Need, alternative_to, needed_by, stage_of
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.lock import policy_text
from syncline.catalog.policies import resolve
from syncline.catalog.references import ViewReference, parse_reference
from syncline.clock import from_us
from syncline.contracts.model import Version
from syncline.contracts.nearest import nearest
from syncline.errors import CatalogError, UnknownBundle
from syncline.inspection.fleet import Reports
from syncline.inspection.rollouts import is_absent
from syncline.telemetry.violations import PUBLISHER

_LATELY_US = 3_600_000_000
"""Who published within the last hour is told of."""
Payload = ViewVersionDeprecated | ViewVersionRetired | SubscriptionWithdrawn


@dataclass(frozen=True, slots=True)
class Ended:
    """One view version or subscription that comes to its end, as it stands before that."""

    what: str
    """`airport_delay@1.0`, or the consumer."""
    stage: str
    """`active`, `deprecated`, …; of a subscription what it reads: `flight_inputs, policy follow`."""
    needs: tuple[Need, ...]
    """The live subscriptions that need it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What would be decided, and what a person should know first."""

    payloads: tuple[Payload, ...]
    """One for each of `ended`, in their order; none where all is so already."""
    ended: tuple[Ended, ...]
    unchanged: tuple[str, ...]
    """What is so already."""
    warnings: tuple[str, ...]


def deprecation(
    picture: Picture, word: str, *, since: date, until: date, alternative: str, today: date
) -> Ending:
    """What deprecating a version, or all versions of a MAJOR, would decide.

    Raises:
        ValueError: the words are no references to versions.
        UnknownBundle: the catalog has no such version, or no such alternative.
        CatalogError: it is retired already, or its alternative is, or is the version itself.
    """
    reference = versioned(word)
    versions = _left(picture, reference)
    view = reference.view
    warnings = []
    if alternative:
        warnings += _look_at_alternative(picture, alternative, view, versions)
    if until < today:
        warnings.append(f"{until} is over already: consumers have no time to leave")
    payloads, ended, unchanged = [], [], []
    for version in versions:
        payload = ViewVersionDeprecated(view, version, since, until, alternative)
        stands = picture.deprecated.get((view, version))
        if stands is not None and stands.payload == payload:
            unchanged.append(
                f"{view}@{version}: deprecated so already, at catalog offset {stands.offset}, by "
                f"{stands.decision.actor}"
            )
            continue
        payloads.append(payload)
        ended.append(_ended(picture, view, version))
        if stands is not None:
            warnings.append(
                f"{view}@{version} was supported until {stands.payload.until}: this takes the place of what "
                f"{stands.decision.actor} decided at catalog offset {stands.offset}"
            )
    return Ending(tuple(payloads), tuple(ended), tuple(unchanged), tuple(warnings))


def retirement(picture: Picture, reports: Reports, word: str, *, now_us: int) -> Ending:
    """What retiring a version, or all versions of a MAJOR, would decide.

    Raises:
        ValueError: the word is no reference to versions.
        UnknownBundle: the catalog has no such version.
        CatalogError: live subscriptions need it; each is named, with what to do about it.
    """
    reference = versioned(word)
    view = reference.view
    all_versions = _meant(picture, reference)
    versions = [version for version in all_versions if (view, version) not in picture.retired]
    refused = [
        f"  {view}@{version}: {need}: {_remedy(picture, need, view, versions)}"
        for version in versions
        for need in needed_by(picture, view, version)
    ]
    if refused:
        raise CatalogError(f"{reference} is still needed, and nothing was retired:\n" + "\n".join(refused))
    today = from_us(now_us).date()
    warnings = []
    for version in versions:
        warnings += _too_soon(picture, view, version, today)
        warnings += _still_used(picture, reports, view, version, now_us=now_us)
    unchanged = [
        f"{view}@{version}: retired already, at catalog offset {stands.offset}, by {stands.decision.actor}"
        for version in all_versions
        if (stands := picture.retired.get((view, version))) is not None
    ]
    return Ending(
        tuple(ViewVersionRetired(view, version) for version in versions),
        tuple(_ended(picture, view, version) for version in versions),
        tuple(unchanged),
        tuple(warnings),
    )


def withdrawal(picture: Picture, reports: Reports, consumer: str, *, now_us: int) -> Ending:
    """What withdrawing a subscription would decide.

    Raises:
        UnknownBundle: no such consumer is declared; the message names the nearest.
    """
    declared = picture.subscriptions.get(consumer)
    if declared is None:
        raise UnknownBundle(
            f"there is no live subscription of {consumer}. {nearest(consumer, picture.subscriptions)}"
        )
    payload = declared.payload
    warnings = [
        f"remove {consumer} from the folder of definitions, too: else the next apply declares it again"
    ]
    running = [
        agent.agent
        for agent in reports.agents
        if agent.consumer == consumer and not is_absent(agent, now_us=now_us)
    ]
    if running:
        warnings.append(f"its agents still run, and will have nothing to serve: {', '.join(running)}")
    others = [
        each
        for each, recorded in picture.subscriptions.items()
        if recorded.payload.bundle == payload.bundle and each != consumer
    ]
    if not others:
        warnings.append(f"nobody else reads {payload.bundle}")
    ended = Ended(consumer, f"{payload.bundle}, policy {policy_text(payload)}", ())
    return Ending((SubscriptionWithdrawn(consumer),), (ended,), (), tuple(warnings))


def _ended(picture: Picture, view: str, version: Version) -> Ended:
    return Ended(
        f"{view}@{version}", str(stage_of(picture, view, version)), needed_by(picture, view, version)
    )


def as_view(word: str) -> ViewReference:
    """The view, perhaps with a version, that a word means.

    Raises:
        ValueError: it is no reference, or one of a single feature.
    """
    reference = parse_reference(word)
    if reference.feature is not None:
        whole = ViewReference(reference.view, reference.major, reference.minor)
        raise ValueError(
            f"{word} names a feature, and versions of a whole view come to their end: write {whole}"
        )
    return reference


def versioned(word: str) -> ViewReference:
    """The version, or all versions of a MAJOR, that a word means.

    Raises:
        ValueError: it is no reference, or names no version.
    """
    reference = as_view(word)
    if reference.major is None:
        raise ValueError(f"{word} names no version: write {word}@1 (all versions of the MAJOR) or {word}@1.0")
    return reference


def _meant(picture: Picture, reference: ViewReference) -> list[Version]:
    """The registered versions that a reference means, ascending; at least one."""
    versions = picture.views.get(reference.view)
    if versions is None:
        raise UnknownBundle(
            f"the catalog has no view {reference.view}. {nearest(reference.view, picture.views)}"
        )
    found = [
        version
        for version in versions
        if reference.major in (None, version.major) and reference.minor in (None, version.minor)
    ]
    if not found:
        known = ", ".join(f"{reference.view}@{version}" for version in versions)
        raise UnknownBundle(f"the catalog has no {reference}. There is {known}")
    return found


def _left(picture: Picture, reference: ViewReference) -> list[Version]:
    """Those of the versions meant that are not retired; at least one."""
    meant = _meant(picture, reference)
    left = [version for version in meant if (reference.view, version) not in picture.retired]
    if not left:
        stands = picture.retired[reference.view, meant[-1]]
        raise CatalogError(
            f"{reference} is retired already, at catalog offset {stands.offset}, by {stands.decision.actor}"
        )
    return left


def _look_at_alternative(picture: Picture, word: str, view: str, versions: Sequence[Version]) -> list[str]:
    reference = as_view(word)
    meant = [(reference.view, version) for version in _left(picture, reference)]
    if {(view, version) for version in versions} >= set(meant):
        raise CatalogError(f"{word} cannot take the place of itself: name another version as the alternative")
    deprecated = [f"{name}@{version}" for name, version in meant if (name, version) in picture.deprecated]
    if len(deprecated) == len(meant):
        return [f"the alternative {word} is deprecated, too: {', '.join(deprecated)}"]
    return []


def _too_soon(picture: Picture, view: str, version: Version, today: date) -> list[str]:
    stands = picture.deprecated.get((view, version))
    if stands is None:
        reference = f"{view}@{version}"
        said = f"{reference} was never deprecated: nobody was told that it ends. First: "
        return [f"{said}syncline deprecate {reference} --until DATE --reason …"]
    if today <= stands.payload.until:
        return [f"{view}@{version} is to be supported until {stands.payload.until}, which is not over"]
    return []


def _still_used(picture: Picture, reports: Reports, view: str, version: Version, *, now_us: int) -> list[str]:
    reference = f"{view}@{version}"
    publishers = sorted(
        {
            counts.reporter.name
            for counts in reports.violations
            if counts.reporter.kind == PUBLISHER
            and counts.window_end_us > now_us - _LATELY_US
            and any(each.view_version == reference and each.rows_judged for each in counts.views)
        }
    )
    agents = [
        f"{agent.agent} ({agent.bundle}@{agent.release})"
        for agent in reports.agents
        if not is_absent(agent, now_us=now_us)
        and _serves(picture, agent.bundle, agent.release, view, version)
    ]
    found = []
    if publishers:
        instead = alternative_to(picture, view, version)
        found.append(
            f"{reference} was published within the last hour by {', '.join(publishers)}: they go on until they are "
            f"started again, and are refused then{f'; give them {instead}' if instead else ''}"
        )
    if agents:
        found.append(f"{reference} is still served by {', '.join(agents)}")
    return found


def _serves(picture: Picture, bundle: str, release: int | None, view: str, version: Version) -> bool:
    releases = picture.releases.get(bundle, ())
    return (
        release is not None
        and 1 <= release <= len(releases)
        and any((each.view, each.version) == (view, version) for each in releases[release - 1].payload.views)
    )


def _remedy(picture: Picture, need: Need, view: str, versions: Sequence[Version]) -> str:
    """What to do so that a subscription needs none of the versions any more."""
    subscription = picture.subscriptions[need.consumer].payload
    bundle = subscription.bundle
    releases = [recorded.payload for recorded in picture.releases[bundle]]
    without = [
        each.release
        for each in releases
        if not any(other.view == view and other.version in versions for other in each.views)
    ]
    gone = f"or, if it is gone, `syncline withdraw {need.consumer} --reason …`"
    meant = resolve(subscription, releases).number or 0
    later = [number for number in without if number > meant]
    rollout = picture.coordination.under_way(bundle)
    if meant not in without and later:
        return (
            f"change the policy of {need.consumer} so that it takes {bundle}@{later[-1]}, and apply; {gone}"
        )
    if meant not in without:
        takes = "" if subscription.policy is PolicyKind.FOLLOW else f", let {need.consumer} take that release"
        following = f"{bundle}@{len(releases) + 1}"
        return (
            f"take it out of {bundle}{takes}, `syncline apply`, and `syncline rollout start {following} --reason …`; "
            f"{gone}"
        )
    if rollout is not None and rollout.to_release == meant:
        return f"end the rollout: `syncline rollout promote {bundle} --reason …` when it is live; {gone}"
    if rollout is not None:
        return f"end the rollout that is under way first: `syncline rollout status {bundle}`; {gone}"
    return f"`syncline rollout start {bundle}@{meant} --reason …`, and promote it when it is live; {gone}"
