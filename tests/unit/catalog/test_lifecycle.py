"""How view versions and subscriptions end: what the fold counts, who still needs what, and what is said of it."""

from __future__ import annotations

from datetime import date

import pytest

from syncline.catalog.events import BundleReleased, BundleView, Payload, PolicyKind, SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import (
    Stage,
    alternative_to,
    deprecations_of,
    needed_by,
    on_its_way_out,
    retired_in,
    stage_of,
)
from syncline.catalog.lifecycle_events import SubscriptionWithdrawn, ViewVersionDeprecated, ViewVersionRetired
from syncline.catalog.rollout_events import (
    Claimed,
    Cohort,
    CutCommitted,
    CutKind,
    CutPrepared,
    Immediate,
    RolloutAction,
    RolloutAdvanced,
    RolloutFinished,
    RolloutOutcome,
    RolloutRequested,
)
from syncline.catalog.serving import Serving, serve
from syncline.contracts.model import Version
from tests.unit.catalog.test_fold import bundle, declared, pictured, view, voids

ONE, TWO, NEXT = Version(1, 0), Version(1, 1), Version(2, 0)


def deprecated(version: Version = ONE, *, until: date = date(2026, 6, 30), alternative: str = "") -> Payload:
    """A deprecation of v since the first of January."""
    return ViewVersionDeprecated("v", version, date(2026, 1, 1), until, alternative)


def retired(version: Version = ONE) -> Payload:
    """A retirement of v."""
    return ViewVersionRetired("v", version)


def pinned(consumer: str = "old", release: int = 1) -> SubscriptionDeclared:
    """A consumer that stays where it is."""
    return SubscriptionDeclared(consumer, "b", PolicyKind.PIN, release)


def of_major_2(release: int) -> BundleReleased:
    """A release of v@2.0."""
    return BundleReleased("b", release, "o", (BundleView("v", "v", NEXT, (("k", "k"),), ("f",)),))


def decided(*payloads: Payload) -> Picture:
    """One after the other, each by somebody who had read all before it."""
    return pictured(*((payload, number) for number, payload in enumerate(payloads)))


def rolled_out(*before: Payload, final: bool, to: int = 2) -> list[Payload]:
    """These decisions, and a rollout of the bundle's second release, final or not."""
    base = len(before)
    topics = (("t-v-1", 1),)
    found: list[Payload] = [
        *before,
        RolloutRequested("b", RolloutAction.START, 1, to),
        Claimed(-1, "c"),
        CutPrepared(base + 1, base + 1, CutKind.VERSION, "b", 1, to, Cohort(), topics, 1, base),
        CutCommitted(base + 2, base + 1, base + 2, (("t-v-1", 0, 5),)),
        RolloutAdvanced(base + 3, base + 1, base, "b", "live", base + 3),
    ]
    if final:
        found.append(RolloutFinished(base + 4, base + 1, base, "b", to, RolloutOutcome.FINAL))
    return found


TWO_RELEASES = (view(), view(minor=1), bundle(), bundle(2, minor=1))


def test_a_version_goes_from_registered_to_retired() -> None:
    """Registered, active once a release that stands names it, deprecated, retired."""
    stages = [
        stage_of(decided(*payloads), "v", ONE)
        for payloads in (
            [view()],
            [view(), bundle()],
            [view(), bundle(), deprecated()],
            [view(), bundle(), deprecated(), retired()],
        )
    ]

    assert stages == [Stage.REGISTERED, Stage.ACTIVE, Stage.DEPRECATED, Stage.RETIRED]


def test_a_release_that_waits_for_its_rollout_makes_nothing_active() -> None:
    """Active is what agents serve, or keep until a rollout is final."""
    waiting = decided(*TWO_RELEASES, declared())
    live = decided(*rolled_out(*TWO_RELEASES, declared(), final=False))
    final = decided(*rolled_out(*TWO_RELEASES, declared(), final=True))

    assert not voids(live)
    assert not voids(final)
    stages = [[stage_of(picture, "v", each) for each in (ONE, TWO)] for picture in (waiting, live, final)]
    assert stages == [
        [Stage.ACTIVE, Stage.REGISTERED],
        [Stage.ACTIVE, Stage.ACTIVE],
        [Stage.REGISTERED, Stage.ACTIVE],
    ]


def test_what_is_said_of_it_is_a_function_of_the_catalog() -> None:
    """Dates and alternative as decided; nothing of today."""
    picture = decided(view(), view(minor=1), bundle(), deprecated(alternative="v@1.1"))

    text = "deprecated since 2026-01-01, supported until 2026-06-30; use v@1.1 instead"
    assert on_its_way_out(picture, "v", Version(1, 0, 7)) == text
    assert on_its_way_out(picture, "v", TWO) == ""
    assert deprecations_of(picture, bundle()) == (("v@1.0", text),)
    assert alternative_to(picture, "v", ONE) == "v@1.1"
    assert (retired_in(picture, bundle()), alternative_to(picture, "v", TWO)) == ((), "")


def test_deprecated_again_it_has_the_new_dates() -> None:
    """A deprecation can be put off."""
    later = date(2027, 1, 1)
    picture = decided(view(), deprecated(), deprecated(until=later))

    assert not voids(picture)
    assert picture.deprecated["v", ONE].payload.until == later


def test_what_is_retired_says_so_with_the_alternative_that_was_announced() -> None:
    """Whoever still meets it learns by whom, and what to use."""
    picture = decided(view(), view(minor=1), bundle(), deprecated(alternative="v@1.1"), retired())

    assert deprecations_of(picture, bundle()) == (
        ("v@1.0", "retired at catalog offset 4 by me; use v@1.1 instead"),
    )
    assert [each.payload.version for each in retired_in(picture, bundle())] == [ONE]


@pytest.mark.parametrize(
    ("payloads", "said"),
    [
        ([view(), deprecated(TWO)], "v@1.1 is not registered"),
        ([view(), deprecated(until=date(2025, 12, 31))], "before 2026-01-01"),
        ([view(), retired(), deprecated()], "retired already"),
        ([view(), retired(TWO)], "v@1.1 is not registered"),
        ([view(), retired(), retired()], "retired already"),
        ([view(), bundle(), SubscriptionWithdrawn("nobody")], "nobody is not declared"),
        ([view(), view(minor=1), retired(), bundle()], "v@1.0 was retired at catalog offset 2"),
    ],
)
def test_what_makes_no_sense_does_not_count(payloads: list[Payload], said: str) -> None:
    """Whoever writes it: the fold leaves it out, and says why."""
    picture = decided(*payloads)

    assert voids(picture) == [len(payloads) - 1]
    assert said in picture.void[0].reason


def test_what_a_live_subscription_needs_is_not_retired() -> None:
    """By its policy, or because its agents serve it still: each is named with its release."""
    waiting = decided(*TWO_RELEASES, declared(), pinned(), retired(), retired(TWO))

    assert voids(waiting) == [6, 7]
    assert "model (b@1, its agents serve it)" in waiting.void[0].reason
    assert "old (b@1, policy: pinned to 1)" in waiting.void[0].reason
    assert "model (b@2, policy: the newest)" in waiting.void[1].reason
    assert "old" not in waiting.void[1].reason


def test_the_previous_release_is_needed_until_the_rollout_is_final() -> None:
    """Agents may be sent back to it."""
    live = decided(*rolled_out(*TWO_RELEASES, declared(), final=False), retired())
    final = decided(*rolled_out(*TWO_RELEASES, declared(), final=True), retired())

    assert voids(live) == [live.next_offset - 1]
    assert "kept until the rollout is final" in live.void[0].reason
    assert voids(final) == []
    assert stage_of(final, "v", ONE) is Stage.RETIRED


def test_what_agents_serve_is_needed_although_the_policy_means_something_newer() -> None:
    """A policy that names release 2 begins there, and resolves to 3, which no rollout has brought yet."""
    compatible = SubscriptionDeclared("model", "b", PolicyKind.COMPATIBLE, 2)
    payloads = [*TWO_RELEASES, view(minor=2), bundle(3, minor=2), compatible]

    picture = decided(*payloads, retired(TWO), retired())

    assert voids(picture) == [7]
    assert [str(need) for need in needed_by(picture, "v", TWO)] == ["model (b@2, its agents serve it)"]
    assert needed_by(picture, "v", ONE) == ()


def test_a_withdrawn_subscription_needs_nothing() -> None:
    """The way to retire what only the gone still need."""
    picture = decided(view(), bundle(), pinned(), SubscriptionWithdrawn("old"), retired())

    assert voids(picture) == []
    assert not picture.subscriptions


def test_of_a_retirement_and_a_subscription_at_the_same_time_the_first_counts() -> None:
    """Their subjects differ, so the content decides: nobody ends up with a subscription to what is gone."""
    history = [(view(), 0), (bundle(), 1)]
    first = pictured(*history, (retired(), 2), (pinned(), 2))
    second = pictured(*history, (pinned(), 2), (retired(), 2))

    assert voids(first) == [3]
    assert (
        "it would read b@1, which names v@1.0, and that was retired at catalog offset 2"
        in first.void[0].reason
    )
    assert voids(second) == [3]
    assert "still needed by old" in second.void[0].reason


def test_a_newcomer_is_judged_by_what_it_would_serve() -> None:
    """It follows: its policy means release 2, and its agents begin with what is live."""
    history = [view(), view(major=2), bundle(), of_major_2(2)]
    waiting = decided(*history, retired(), declared())

    assert voids(waiting) == [5]
    assert "b@1" in waiting.void[0].reason

    topics = (("t-v-1", 1), ("t-v-2", 1))
    base = len(history)
    final = decided(
        *history,
        RolloutRequested("b", RolloutAction.START, 1, 2),
        Claimed(-1, "c"),
        CutPrepared(base + 1, base + 1, CutKind.VERSION, "b", 1, 2, Cohort(), topics, 1, base),
        CutCommitted(base + 2, base + 1, base + 2, (("t-v-1", 0, 5), ("t-v-2", 0, 1))),
        RolloutFinished(base + 3, base + 1, base, "b", 2, RolloutOutcome.FINAL),
        retired(),
        declared(),
    )
    assert voids(final) == []


def test_no_rollout_goes_back_to_what_is_retired() -> None:
    """Random histories hardly ever come here: final, retired, and then asked for again."""
    history = rolled_out(*TWO_RELEASES, declared(), final=True)
    picture = decided(*history, retired(), RolloutRequested("b", RolloutAction.START, 2, 1))

    assert voids(picture) == [len(history) + 1]
    assert f"b@1 names v@1.0, which was retired at catalog offset {len(history)}" in picture.void[0].reason


def test_what_was_rolled_back_to_is_needed() -> None:
    """After an Immediate the old release is what agents serve."""
    history = rolled_out(*TWO_RELEASES, declared(), final=False)
    last = len(history) - 1
    back = Immediate(last, 6, "b", 1, Cohort(), (), 5)
    picture = decided(*history, back, retired())

    assert voids(picture) == [len(history) + 1]
    assert needed_by(picture, "v", ONE)


def test_a_store_carries_what_its_readers_are_to_be_warned_of() -> None:
    """Readers know nothing but the store; a store of an earlier Syncline has no such field."""
    picture = decided(view(), bundle(), declared(), deprecated())
    serving = serve(picture, declared(), picture.releases["b"][0])

    assert serving.deprecated == deprecations_of(picture, bundle())
    assert Serving.unpack(serving.pack()) == serving
    earlier = serving.pack().replace(
        b',"deprecated":"deprecated since 2026-01-01, supported until 2026-06-30"', b""
    )
    assert earlier != serving.pack()
    assert Serving.unpack(earlier).deprecated == ()
