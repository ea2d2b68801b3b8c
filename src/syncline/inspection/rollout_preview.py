"""What a rollout would mean to everyone who reads the bundle, before it is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.catalog.enactment import Member, admits, in_cohort
from syncline.catalog.events import SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import served_by
from syncline.catalog.lock import policy_text
from syncline.catalog.policies import Shift, shifts
from syncline.catalog.rollout_events import Cohort
from syncline.contracts.nearest import nearest
from syncline.errors import CatalogError, UnknownBundle
from syncline.inspection.fleet import Reports
from syncline.inspection.rollouts import is_absent, live_coordinator, require_bundle


@dataclass(frozen=True, slots=True)
class Effect:
    """What the rollout means to one live subscription."""

    consumer: str
    policy: str
    """`follow`, `pin: 1`, `compatible: 1`."""
    serves: int | None
    """The release that its agents serve, once they have enacted all that was decided."""
    switches: bool
    why: str
    """Why it does not switch; empty where it does."""
    shifts: tuple[Shift, ...]
    """What its model meets when it switches."""

    @property
    def breaks(self) -> bool:
        """Whether a model that reads what it serves now cannot read the new release."""
        return any(shift.breaks for shift in self.shifts)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rollout to a release would mean."""

    bundle: str
    from_release: int
    """What stands."""
    to_release: int
    cohort: Cohort
    effects: tuple[Effect, ...]
    """By consumer."""
    agents: tuple[str, ...]
    """The agents that would switch and were heard of lately."""
    warnings: tuple[str, ...]


def preview(
    picture: Picture, reports: Reports, *, bundle: str, release: int, cohort: Cohort, now_us: int
) -> Preview:
    """What it would mean to bring a bundle's release to a cohort.

    Raises:
        UnknownBundle: the catalog has no such bundle or release; the message names the nearest.
    """
    require_bundle(picture, bundle)
    count = len(picture.releases[bundle])
    if not 1 <= release <= count:
        names = [f"{bundle}@{number}" for number in range(1, count + 1)]
        raise UnknownBundle(f"there is no release {bundle}@{release}. {_known(f'{bundle}@{release}', names)}")
    effects = tuple(
        _effect(picture, recorded.payload, release, cohort)
        for _, recorded in sorted(picture.subscriptions.items())
        if recorded.payload.bundle == bundle
    )
    switching = {effect.consumer for effect in effects if effect.switches}
    labels = {consumer: recorded.payload.labels for consumer, recorded in picture.subscriptions.items()}
    agents = [
        agent
        for agent in reports.agents
        if agent.consumer in switching
        and not is_absent(agent, now_us=now_us)
        and in_cohort(
            cohort, Member(agent.consumer, agent.agent.partition("/")[2]), labels.get(agent.consumer, ())
        )
    ]
    warnings = [
        *_about_the_release(picture, bundle, release),
        *(
            f"{agent.agent} cannot serve {bundle}@{number}: {why}; no cut is prepared before it is upgraded"
            for agent in agents
            for number, why in agent.cannot_serve
            if number == release
        ),
        *_about_who_is_there(picture, reports, effects, now_us=now_us),
    ]
    if switching and not agents:
        warnings.append("no agent that would switch was heard of lately: nobody could say that it cannot")
    return Preview(
        bundle,
        picture.coordination.standing(bundle),
        release,
        cohort,
        effects,
        tuple(agent.agent for agent in agents),
        tuple(warnings),
    )


def require_audience(picture: Picture, meant: Preview) -> None:
    """Make sure that a rollout for some of the consumers moves one of them; one for everyone may move nobody yet.

    Raises:
        UnknownBundle: it names a consumer that has no live subscription of the bundle; the message names the nearest.
        CatalogError: nobody whom it is for would switch; the message says why, and what to do.
    """
    bundle, cohort = meant.bundle, meant.cohort
    consumers = [effect.consumer for effect in meant.effects]
    for consumer in cohort.consumers:
        if consumer not in consumers:
            raise UnknownBundle(
                f"no live subscription of {bundle} is called {consumer}. {nearest(consumer, consumers)}"
            )
    if cohort == Cohort() or any(effect.switches for effect in meant.effects):
        return
    target = f"{bundle}@{meant.to_release}"
    reasons = [
        f"{effect.consumer} ({effect.policy}): {effect.why}"
        for effect in meant.effects
        if in_cohort(
            cohort,
            Member(effect.consumer, ""),
            picture.subscriptions[effect.consumer].payload.labels,
        )
    ]
    why = "; ".join(reasons) or f"no live subscription of {bundle} is one of {cohort}"
    raise CatalogError(
        f"nobody would go to {target}: {why}. Name other consumers or labels, or leave them out to bring it to everyone"
    )


def _known(name: str, names: list[str]) -> str:
    return nearest(name, names[-10:])


def _effect(picture: Picture, subscription: SubscriptionDeclared, release: int, cohort: Cohort) -> Effect:
    consumer, bundle = subscription.consumer, subscription.bundle
    releases = [recorded.payload for recorded in picture.releases[bundle]]
    serves, policy = served_by(picture, consumer), policy_text(subscription)
    why = ""
    if serves == release:
        why = f"it is on {bundle}@{release} already"
    elif not admits(subscription, releases, release):
        why = f"its policy does not take {bundle}@{release}"
    elif (cohort.consumers and consumer not in cohort.consumers) or not set(cohort.labels) <= set(
        subscription.labels
    ):
        why = f"the rollout is for {cohort}"
    found = () if why or serves is None else shifts(releases[serves - 1], releases[release - 1])
    return Effect(consumer, policy, serves, not why, why, found)


def _about_the_release(picture: Picture, bundle: str, release: int) -> list[str]:
    found = []
    views = picture.releases[bundle][release - 1].payload.views
    # Two aliases of one view are one version.
    for key in dict.fromkeys((view.view, view.version.without_patch) for view in views):
        reference = f"{key[0]}@{key[1]}"
        retired, deprecated = picture.retired.get(key), picture.deprecated.get(key)
        if retired is not None:
            found.append(
                f"{reference} was retired at catalog offset {retired.offset}: the request will not count"
            )
        elif deprecated is not None:
            payload = deprecated.payload
            instead = f"; use {payload.alternative} instead" if payload.alternative else ""
            found.append(f"{reference} is deprecated, and supported until {payload.until}{instead}")
    standing = picture.coordination.standing(bundle)
    if release < standing:
        found.append(f"{bundle}@{release} is older than {bundle}@{standing}, which stands")
    return found


def _about_who_is_there(
    picture: Picture, reports: Reports, effects: tuple[Effect, ...], *, now_us: int
) -> list[str]:
    found = []
    if not any(effect.switches for effect in effects):
        found.append("no live subscription would switch")
    if live_coordinator(picture, reports.coordinators, now_us=now_us) is None:
        found.append(
            "no coordinator was heard of lately: the request waits until one runs (syncline coordinator)"
        )
    return found
