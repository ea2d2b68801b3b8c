"""Which decisions an agent enacts, in which order: a pure function of the catalog and of who the agent is.

Whether a decision is for an agent is judged by its subscription as it stood when the decision was prepared, never by
when somebody looks, nor by what the agent serves at the moment: so all replicas of a consumer enact the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

from syncline.catalog.coordination import CutState, Ruling
from syncline.catalog.events import BundleReleased, PolicyKind, SubscriptionDeclared
from syncline.catalog.policies import fits
from syncline.catalog.rollout_events import ALL_AGENTS, Cohort, CutKind, CutPrepared

if TYPE_CHECKING:
    from syncline.catalog.fold import Picture, Recorded


@dataclass(frozen=True, slots=True)
class Member:
    """Who an agent is, as configured: stable over restarts, never a pod's random name."""

    consumer: str
    instance: str

    @property
    def share(self) -> int:
        """Its place among 10,000: below a cohort's share, it is one of them."""
        return xxh3_64_intdigest(f"{self.consumer}/{self.instance}".encode()) % ALL_AGENTS


def in_cohort(cohort: Cohort, member: Member, labels: Sequence[tuple[str, str]]) -> bool:
    """Whether the cohort has this agent, whose subscription has these labels."""
    if cohort.consumers and member.consumer not in cohort.consumers:
        return False
    return set(cohort.labels) <= set(labels) and (cohort.share >= ALL_AGENTS or member.share < cohort.share)


def admits(subscription: SubscriptionDeclared, releases: Sequence[BundleReleased], number: int) -> bool:
    """Whether the policy takes this release of its bundle, all of whose releases are given in ascending order.

    A matter of the policy alone: what is active makes no difference.
    """
    if not 1 <= number <= len(releases):
        return False
    named = subscription.policy_release
    match subscription.policy:
        case PolicyKind.FOLLOW:
            return True
        case PolicyKind.PIN:
            return number == named
        case PolicyKind.COMPATIBLE:
            return (
                named is not None
                and named <= number
                and named <= len(releases)
                and fits(releases[named - 1], releases[number - 1])
            )


def declarations(picture: Picture, consumer: str) -> tuple[Recorded[SubscriptionDeclared], ...]:
    """What the consumer has declared since it has read the bundle that it reads now; empty if it is not declared."""
    declared = picture.subscriptions.get(consumer)
    if declared is None:
        return ()
    run: list[Recorded[SubscriptionDeclared]] = []
    for recorded in reversed(picture.declared.get(consumer, (declared,))):
        if recorded.payload.bundle != declared.payload.bundle:
            break
        run.append(recorded)
    return tuple(reversed(run))


def declared_at(run: Sequence[Recorded[SubscriptionDeclared]], offset: int) -> SubscriptionDeclared:
    """The subscription as it stood at a catalog offset: the last declaration before it, else the first."""
    standing = [recorded.payload for recorded in run if recorded.offset < offset]
    return standing[-1] if standing else run[0].payload


def base_release(picture: Picture, consumer: str) -> Recorded[BundleReleased] | None:
    """What an agent of this consumer serves before it has enacted anything: the first release that it admits.

    Of a bundle that it follows that is release 1, which is simply active; a policy that names a release starts there,
    if the release was there when it was declared. None where the consumer is not declared.
    """
    run = declarations(picture, consumer)
    if not run:
        return None
    first = run[0].payload
    releases = picture.releases[first.bundle]
    number = first.policy_release if first.policy is not PolicyKind.FOLLOW else 1
    if number is None or not 1 <= number <= len(releases) or releases[number - 1].offset > run[0].offset:
        # One that comes later does not change where agents of before and after it begin.
        number = 1
    return releases[number - 1]


def rulings_for(picture: Picture, member: Member, *, after: int) -> tuple[Ruling, ...]:
    """What the agent has still to enact: valid decisions for its bundle, cohort and policy after `after`, in order.

    An Immediate cancels every earlier one that was not enacted yet, so the last of them comes first.
    """
    run = declarations(picture, member.consumer)
    if not run:
        return ()
    bundle, audience = run[0].payload.bundle, _Audience(picture, run, member)
    queue = [
        ruling
        for ruling in picture.coordination.rulings.get(bundle, ())
        if ruling.epoch > after
        and audience.has(ruling.cohort, release=ruling.to_release, at=ruling.judged_at)
    ]
    last = max((place for place, ruling in enumerate(queue) if ruling.cut is None), default=0)
    return tuple(queue[last:])


def open_cut_for(picture: Picture, member: Member) -> int | None:
    """The cut that is open and addresses this agent, or None. An audit addresses nobody: it holds nobody."""
    cut_id = picture.coordination.open_cut
    run = declarations(picture, member.consumer)
    if cut_id is None or not run:
        return None
    prepared = picture.coordination.cuts[cut_id].prepared
    return cut_id if _addresses(picture, run, member, cut_id, prepared) else None


def audits_for(picture: Picture, bundle: str) -> tuple[int, ...]:
    """The committed audits of a bundle, in catalog order."""
    return tuple(
        cut.id
        for cut in picture.coordination.cuts.values()
        if cut.prepared.kind is CutKind.AUDIT
        and cut.state is CutState.COMMITTED
        and cut.prepared.bundle == bundle
    )


def releases_to_warm(picture: Picture, member: Member, *, active: int, applied: int) -> tuple[int, ...]:
    """The releases whose cells the agent has to keep current, ascending; the active one is among them.

    What its policy admits from the active one on is warmed, so that a cut finds it ready; what was active before is
    kept until a RolloutFinished that stands before all that is still to be enacted has let it go.
    """
    run = declarations(picture, member.consumer)
    if not run:
        # Withdrawn: it keeps what it serves, and nothing more is meant for it.
        return (active,)
    bundle, subscription = run[0].payload.bundle, run[-1].payload
    releases = [recorded.payload for recorded in picture.releases[bundle]]
    coordination = picture.coordination
    queue = rulings_for(picture, member, after=applied)
    horizon = queue[0].epoch if queue else picture.next_offset
    finishes = [finish for finish in coordination.finishes.get(bundle, ()) if finish.offset < horizon]
    since = finishes[-1].offset if finishes else -1
    audience = _Audience(picture, run, member)
    found = {active, *(ruling.to_release for ruling in queue)}
    found |= {finishes[-1].release if finishes else 1} & set(_admitted(subscription, releases))
    found |= {
        ruling.to_release
        for ruling in coordination.rulings.get(bundle, ())
        if since < ruling.epoch
        and audience.has(ruling.cohort, release=ruling.to_release, at=ruling.judged_at)
    }
    newest_let_go = max(active, finishes[-1].release if finishes else 1)
    found |= {number for number in _admitted(subscription, releases) if number > newest_let_go}
    rollout = coordination.under_way(bundle)
    # A rollout may go back to what was let go: it has to be warm before the cut, too.
    found |= {rollout.to_release} & set(_admitted(subscription, releases)) if rollout else set()
    return tuple(sorted(found))


def _admitted(subscription: SubscriptionDeclared, releases: Sequence[BundleReleased]) -> list[int]:
    return [release.release for release in releases if admits(subscription, releases, release.release)]


def _addresses(
    picture: Picture,
    run: Sequence[Recorded[SubscriptionDeclared]],
    member: Member,
    cut_id: int,
    prepared: CutPrepared,
) -> bool:
    return (
        prepared.kind is CutKind.VERSION
        and prepared.bundle == run[0].payload.bundle
        and _Audience(picture, run, member).has(prepared.cohort, release=prepared.to_release, at=cut_id)
    )


class _Audience:
    """Whom decisions are for, of one agent: asked for every decision of a bundle's history, so it remembers."""

    def __init__(
        self, picture: Picture, run: Sequence[Recorded[SubscriptionDeclared]], member: Member
    ) -> None:
        self._run = run
        self._member = member
        self._releases = [recorded.payload for recorded in picture.releases[run[0].payload.bundle]]
        self._admitted: dict[tuple[int, int], bool] = {}

    def has(self, cohort: Cohort, *, release: int, at: int) -> bool:
        """Whether a decision to go to a release is for this agent, by its subscription as it stood at `at`."""
        subscription = declared_at(self._run, at)
        asked = (id(subscription), release)
        admitted = self._admitted.get(asked)
        if admitted is None:
            admitted = self._admitted[asked] = admits(subscription, self._releases, release)
        return admitted and in_cohort(cohort, self._member, subscription.labels)
