"""Whether the agents that were heard of lately can take a release. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.catalog.enactment import Member, admits, in_cohort

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture
    from syncline.catalog.rollout_events import Cohort

WARM_ROWS = 10_000
"""An agent that is no further behind than this on a new topic is taken to have warmed its cells."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What one agent has reported of itself."""

    member: Member
    bundle: str
    read_to: int
    """The next catalog offset that it will read."""
    cannot_serve: Mapping[int, str]
    """Release → why this agent cannot serve it."""
    behind: Mapping[str, int | None]
    """Topic that it reads → how many records it is behind; None where that is not known yet."""


def why_not_ready(
    picture: Picture, fleet: Sequence[Readiness], *, bundle: str, release: int, cohort: Cohort, forced: bool
) -> tuple[str, ...]:
    """What speaks against a cut to a release, agent by agent.

    `forced`: a person says that warming need not be waited for. An agent that cannot serve the release is never passed
    over: it would hold until it is upgraded.
    """
    found = []
    releases = [recorded.payload for recorded in picture.releases[bundle]]
    topics = picture.topics_of(bundle, release) or frozenset()
    for agent in fleet:
        declared = picture.subscriptions.get(agent.member.consumer)
        if agent.bundle != bundle or declared is None:
            continue
        subscription = declared.payload
        if not (
            in_cohort(cohort, agent.member, subscription.labels) and admits(subscription, releases, release)
        ):
            continue
        name = f"{agent.member.consumer}/{agent.member.instance}"
        why = agent.cannot_serve.get(release)
        if why is not None:
            found.append(f"{name} cannot serve {bundle}@{release}: {why}")
        elif forced:
            continue
        elif agent.read_to <= picture.releases[bundle][release - 1].offset:
            # What it cannot serve it says once it has read of it.
            found.append(f"{name} has not read of {bundle}@{release} yet")
        else:
            cold = _cold(agent, topics)
            if cold:
                found.append(f"{name} is still warming {bundle}@{release}: {cold}")
    return tuple(found)


def _cold(agent: Readiness, topics: frozenset[str]) -> str:
    for topic in sorted(topics):
        behind = agent.behind.get(topic, -1)
        if behind == -1:
            return f"it does not read {topic} yet"
        if behind is None:
            return f"how far it is on {topic} is not known yet"
        if behind > WARM_ROWS:
            return f"it is {behind} records behind on {topic}"
    return ""
