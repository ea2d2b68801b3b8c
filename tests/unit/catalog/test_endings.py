"""Whatever is decided in whatever order, and by whoever had read how little: no live subscription is left without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from hypothesis import event, given, settings
from hypothesis import strategies as st

from syncline.catalog.events import (
    BundleReleased,
    BundleView,
    Decision,
    Payload,
    PolicyKind,
    SubscriptionDeclared,
    encode_decision,
)
from syncline.catalog.fold import Picture, fold
from syncline.catalog.lifecycle import needed_by, releases_in_use, retired_in
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rollout_events import Claimed, Cohort, RolloutAction, RolloutMode, RolloutRequested
from syncline.contracts.model import Version
from syncline.rollout.step import Append, Mark, View
from syncline.rollout.steps import next_step
from tests.unit.catalog.test_fold import view

VERSIONS = [Version(1, 0), Version(1, 1), Version(2, 0)]
CONSUMERS = ["one", "two"]
COHORTS = [Cohort(), Cohort(consumers=("one",)), Cohort(labels=(("env", "prod"),))]


@dataclass
class History:
    """A catalog that grows by one record after the other."""

    picture: Picture = field(default_factory=Picture)
    read: list[int] = field(default_factory=lambda: [0])
    """The next offset of every moment so far: what a writer may have read."""

    def add(self, payload: Payload, *, ago: int = 0) -> None:
        """Append what somebody decided who had read all but the last `ago` records."""
        based_on = self.read[max(0, len(self.read) - 1 - ago)]
        value = encode_decision(Decision("id", 0, "me", "why", based_on, payload))
        self.picture = fold(self.picture, [(self.picture.next_offset, value)])
        self.read.append(self.picture.next_offset)

    def coordinate(self) -> None:
        """Let a coordinator do what is to be done now."""
        standing = self.picture.coordination
        if standing.claim < 0:
            self.add(Claimed(standing.last, "c"))
            return
        acknowledged: dict[tuple[str, int], int] = {}
        for _ in range(8):
            seen = View(
                self.picture, self.picture.coordination.claim, 0, 1_000_000, lambda _: 1, acknowledged
            )
            match next_step(seen):
                case Append(payload, _):
                    self.add(payload)
                case Mark(_, places):
                    acknowledged |= dict.fromkeys(places, self.picture.next_offset)
                case _:
                    return


def asked(picture: Picture, number: int, action: RolloutAction, cohort: Cohort) -> RolloutRequested:
    """A request that fits what is under way, if anything is."""
    standing = picture.coordination
    rollout = standing.under_way("b")
    if action is RolloutAction.START or rollout is None:
        return RolloutRequested("b", RolloutAction.START, standing.standing("b"), number, cohort)
    back = action is RolloutAction.ROLLBACK
    ends = (rollout.to_release, rollout.from_release)
    mode = RolloutMode.IMMEDIATE if back and number % 2 else RolloutMode.CUT
    return RolloutRequested("b", action, *(ends if back else reversed(ends)), cohort, mode)


def released(picture: Picture, version: Version) -> BundleReleased:
    """The next release, of this version."""
    number = len(picture.releases.get("b", ())) + 1
    return BundleReleased("b", number, "o", (BundleView("v", "v", version, (("k", "k"),), ("f",)),))


def declared(consumer: str, policy: PolicyKind, number: int, label: str) -> SubscriptionDeclared:
    """A consumer's needs."""
    named = None if policy is PolicyKind.FOLLOW else number
    return SubscriptionDeclared(consumer, "b", policy, named, (("env", label),))


version = st.sampled_from(VERSIONS)
number = st.sampled_from([1, 2, 2, 3])
Step = tuple[str, Callable[[Picture], Payload] | None, int]


def step(name: str, make: st.SearchStrategy[Callable[[Picture], Payload] | None]) -> st.SearchStrategy[Step]:
    """What may happen, by somebody who had not read the last few records."""
    return st.tuples(st.just(name), make, st.sampled_from([0, 0, 0, 1, 2]))


steps: st.SearchStrategy[Step] = st.one_of(
    step("release", st.builds(lambda v: lambda picture: released(picture, v), version)),
    step(
        "declare",
        st.builds(
            lambda *fields: lambda _: declared(*fields),
            st.sampled_from(CONSUMERS),
            st.sampled_from(PolicyKind),
            number,
            st.sampled_from(["prod", "test"]),
        ),
    ),
    step("withdraw", st.builds(lambda c: lambda _: SubscriptionWithdrawn(c), st.sampled_from(CONSUMERS))),
    step("retire", st.builds(lambda v: lambda _: ViewVersionRetired("v", v), version)),
    step(
        "deprecate",
        st.builds(
            lambda v: lambda _: ViewVersionDeprecated("v", v, date(2026, 1, 1), date(2026, 2, 1)), version
        ),
    ),
    step(
        "ask",
        st.builds(
            lambda n, action, cohort: lambda picture: asked(picture, n, action, cohort),
            number,
            st.sampled_from([*RolloutAction, RolloutAction.START, RolloutAction.START]),
            st.sampled_from(COHORTS),
        ),
    ),
    step("coordinate", st.none()),
)


@settings(max_examples=300)
@given(st.lists(steps, min_size=5, max_size=40))
def test_what_a_live_subscription_needs_is_never_retired(happenings: list[Step]) -> None:
    """Retirements, subscriptions, releases and rollouts in any order, some by writers who had not read the last."""
    history = History()
    for each in VERSIONS:
        history.add(view(major=each.major, minor=each.minor))
    for each in VERSIONS[:2]:
        history.add(released(history.picture, each))
    history.coordinate()
    for name, make, ago in happenings:
        if make is None:
            history.coordinate()
        else:
            history.add(make(history.picture), ago=ago)
            if name == "ask":
                # Else nearly no history would get anywhere.
                history.coordinate()
        picture = history.picture
        for recorded in picture.subscriptions.values():
            subscription = recorded.payload
            for release in releases_in_use(picture, subscription):
                assert not retired_in(picture, picture.releases["b"][release - 1].payload), name
        assert not any(needed_by(picture, *key) for key in picture.retired)
    event(f"{len(history.picture.retired)} retired, {len(history.picture.subscriptions)} subscribe")
    event(f"{len(history.picture.coordination.rulings.get('b', ()))} rulings")
