"""What a policy makes of a bundle's releases, and what a consumer would meet in another one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.events import BundleReleased, BundleView, PolicyKind, SubscriptionDeclared
from syncline.catalog.policies import reads, resolve, shifts
from syncline.catalog.risks import Step, risks_of, slowest_promise
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.model import Contract, Version
from tests.unit.contracts.compatibility.pairs import BASE, HOUR, feature


def view(
    alias: str = "v",
    name: str = "airport_delay",
    major: int = 1,
    minor: int = 0,
    *features: str,
    key: str = "k",
) -> BundleView:
    """A view of a release."""
    return BundleView(alias, name, Version(major, minor), (("airport", key),), features or ("delay", "count"))


def release(number: int, *views: BundleView) -> BundleReleased:
    """A release of the bundle `b`."""
    return BundleReleased("b", number, "o", views)


def wants(policy: PolicyKind, number: int | None = None, **said: object) -> SubscriptionDeclared:
    """A subscription to `b`."""
    return SubscriptionDeclared("model", "b", policy, number, **said)


PIN, COMPATIBLE, FOLLOW = PolicyKind.PIN, PolicyKind.COMPATIBLE, PolicyKind.FOLLOW
HISTORY = (
    release(1, view(minor=0)),
    release(2, view(minor=1)),
    release(3, view(major=2)),
    release(4, view(minor=2), view("w", "weather")),
    release(5, view(major=2, minor=1)),
)


@pytest.mark.parametrize(
    ("subscription", "number", "passed_over"),
    [
        (wants(PIN, 1), 1, (2, 3, 4, 5)),
        (wants(PIN, 3), 3, (4, 5)),
        (wants(COMPATIBLE, 1), 4, (5,)),
        (wants(COMPATIBLE, 2), 4, (5,)),
        (wants(COMPATIBLE, 3), 5, ()),
        (wants(COMPATIBLE, 4), 4, (5,)),
        (wants(FOLLOW), 5, ()),
    ],
)
def test_a_policy_means_one_release(subscription, number, passed_over):
    """Pin is exact, compatible the newest of the same MAJORs (with more views, perhaps), follow the newest."""
    resolution = resolve(subscription, HISTORY)

    assert (resolution.number, resolution.passed_over) == (number, passed_over)


@pytest.mark.parametrize(
    ("subscription", "releases", "reason"),
    [
        (wants(PIN, 9), HISTORY, "b has no release 9"),
        (wants(COMPATIBLE, 9), HISTORY, "b has no release 9"),
        (wants(FOLLOW), (), "bundle b has no release"),
        (replace(wants(FOLLOW), bundle="c"), HISTORY, "bundle c has no release"),
    ],
)
def test_a_policy_that_means_none_says_why(subscription, releases, reason):
    """No release is an answer with a reason, never an exception."""
    resolution = resolve(subscription, releases)

    assert (resolution.number, resolution.reason) == (None, reason)


@pytest.mark.parametrize(
    "other", [view("other"), view(name="other"), view(major=2)], ids=["alias", "view", "MAJOR"]
)
def test_compatible_needs_every_alias_in_its_view_and_major(other):
    """An alias that is gone, another view under it, or another MAJOR, is not what the named release promised."""
    assert resolve(wants(COMPATIBLE, 1), (release(1, view()), release(2, other))).number == 1


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("vw"), st.integers(1, 2)), min_size=1, max_size=2),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_resolution_is_stable_and_ordered(made, data):
    """Over any history: pin stays, compatible never goes back nor below what it names, follow is never behind it."""
    history = [
        release(number + 1, *(view(alias, alias, major) for alias, major in dict(views).items()))
        for number, views in enumerate(made)
    ]
    number = data.draw(st.integers(1, len(history)))

    seen = []
    for length in range(number, len(history) + 1):
        pin, compatible, follow = (
            resolve(wanted, history[:length]).number
            for wanted in (wants(PIN, number), wants(COMPATIBLE, number), wants(FOLLOW))
        )
        assert pin == number
        assert number <= compatible <= follow == length
        seen.append(compatible)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("other", "rules"),
    [
        (view("other"), [("alias-removed", True)]),
        (view(name="other"), [("view-changed", True)]),
        (view("v", "airport_delay", 1, 1, "delay"), [("feature-removed", True)]),
        (view(key="z"), [("keys-changed", True)]),
        (
            view("v", "airport_delay", 1, 0, "delay", key="z"),
            [("feature-removed", True), ("keys-changed", True)],
        ),
        (view(major=2), [("major-changed", False)]),
        (view("v", "airport_delay", 2, 0, "delay"), [("major-changed", False)]),
        (view("v", "airport_delay", 1, 1, "delay", "count", "more"), []),
    ],
)
def test_what_a_consumer_meets_in_another_release(other, rules):
    """Less than before breaks; a new MAJOR is announced; more of everything is nothing to speak of."""
    found = shifts(release(1, view()), release(2, other))

    assert [(shift.rule, shift.breaks) for shift in found] == rules


def test_reads_names_each_feature_once():
    """Over all releases and aliases of the MAJOR, and no other."""
    both = (
        release(1, view("a", "v", 1, 0, "x"), view("b", "v", 1, 0, "y", "x")),
        release(2, view("a", "v", 1, 1, "x", "z"), view("c", "v", 2, 0, "other")),
    )

    assert reads(both, "v", 1) == ("x", "y", "z")


def minor(new: Contract) -> Step:
    """The MINOR after the base."""
    later = replace(new, version=Version(1, 1))
    return Step(later, compare(BASE, later))


def risks(subscription: SubscriptionDeclared, step: Step, *planned: BundleReleased) -> list[tuple[str, bool]]:
    """(rule, breaks) of what a step and releases mean to a consumer of release 1."""
    found = risks_of(
        subscription,
        releases=(release(1, view()),),
        planned=planned,
        steps=[step],
        contract_of=lambda _, version: BASE if version == Version(1, 0) else step.contract,
    )
    return [(risk.rule, risk.breaks) for risk in found]


@pytest.mark.parametrize("subscription", [wants(PIN, 1), wants(COMPATIBLE, 1), wants(FOLLOW)])
def test_a_widening_reaches_every_policy(subscription):
    """All MINORs share a topic: who is pinned meets the wider values too, and needs to accept them."""
    wider = minor(feature("delay", maximum=5_000.0))

    assert risks(subscription, wider) == [("range-widened", True)]
    assert risks(replace(subscription, accepts_widening=True), wider) == [("range-widened", False)]


def test_a_widening_of_what_is_not_read_is_no_risk():
    """Only features of the releases that the policy means, before and after."""
    wider = minor(feature("small", maximum=5_000))

    assert risks(wants(FOLLOW), wider) == []
    assert risks(
        wants(FOLLOW), wider, release(2, view("v", "airport_delay", 1, 1, "delay", "count", "small"))
    ) == [("range-widened", True)]


@pytest.mark.parametrize(
    ("asked_us", "expected"), [(HOUR, []), (HOUR // 2 - 1, [("freshness", False), ("major-changed", False)])]
)
def test_a_new_majors_slower_promise_is_a_risk(asked_us, expected):
    """What the model needs is held against what the new MAJOR promises."""
    second = replace(BASE, version=Version(2, 0))
    found = risks_of(
        wants(FOLLOW, freshness_us=(("v", asked_us),)),
        releases=(release(1, view()),),
        planned=(release(2, view(major=2)),),
        steps=[],
        contract_of=lambda _, version: BASE if version.major == 1 else second,
    )

    assert sorted((risk.rule, risk.breaks) for risk in found) == (expected or [("major-changed", False)])


def test_what_breaks_comes_first():
    """A person reads the refusal before the remarks."""
    wider = minor(feature("delay", maximum=5_000.0, minimum=-120.0))
    narrower = replace(wider, contract=replace(wider.contract, version=Version(1, 1)))

    found = risks(wants(FOLLOW), narrower, release(2, view(minor=1, key="z")))

    assert [breaks for _, breaks in found] == sorted((breaks for _, breaks in found), reverse=True)
    assert ("keys-changed", True) in found


def test_the_slowest_promise_decides():
    """A value cannot be fresher than both promises allow; without one there is nothing to hold against."""
    assert slowest_promise(BASE) == ("frequency", HOUR // 2)
    assert slowest_promise(replace(BASE, frequency_us=None)) == ("latency", 5_000_000)
    assert slowest_promise(replace(BASE, frequency_us=None, latency_us=None)) is None
