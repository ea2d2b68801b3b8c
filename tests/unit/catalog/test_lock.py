"""A lock says what a subscription resolved to: the same catalog, the same bytes; and what differs between two."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.events import Decision, Payload, PolicyKind, SubscriptionDeclared, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.catalog.lifecycle_events import ViewVersionDeprecated
from syncline.catalog.lock import Difference, Lock, LockedView, differences, lock_of, parse
from syncline.contracts.model import Version
from syncline.errors import CatalogError, UnknownFormat
from tests.unit.catalog.test_fold import bundle, declared, pictured, view

HISTORY: list[Payload] = [
    view(),
    view(minor=1),
    bundle(),
    bundle(2, minor=1),
    declared(),
]

names = st.sampled_from(["a", "b", "c", "dé"])
locked_views = st.builds(
    LockedView,
    alias=names,
    view=st.sampled_from(["v@1.0", "v@1.1", "w@2.0"]),
    topic=st.sampled_from(["t1", "t2"]),
    schema_id=st.integers(0, 3),
    contract_hash=st.sampled_from(["x", "y"]),
    keys=st.lists(st.tuples(names, names), max_size=2).map(tuple),
    features=st.lists(names, unique=True, max_size=3).map(tuple),
)
locks = st.builds(
    Lock,
    consumer=names,
    bundle=names,
    release=st.integers(1, 3),
    policy=st.sampled_from(["follow", "pin: 1"]),
    views=st.lists(locked_views, min_size=1, max_size=3, unique_by=lambda found: found.alias).map(tuple),
)


def folded(*, actor: str, at_us: int, more: int = 0) -> Picture:
    """The history, as somebody recorded it at some time, among records about other things."""
    payloads = [*HISTORY, *(view("w", minor=number) for number in range(more))]
    values = [
        encode_decision(Decision(f"{actor}-{number}", at_us + number, actor, "why", number, payload))
        for number, payload in enumerate(payloads)
    ]
    return fold(Picture(), enumerate(values))


def lock(release: int = 2) -> Lock:
    """The consumer's lock."""
    return lock_of(pictured(*((each, number) for number, each in enumerate(HISTORY))), declared(), release)


def test_a_lock_names_everything_that_values_are_judged_and_read_by() -> None:
    """Exact versions, topics, schema ids, contract hashes, features and join keys, by alias."""
    assert lock() == Lock(
        "model", "b", 2, "follow", (LockedView("v", "v@1.1", "t-v-1", 2112, "v-1.1", (("k", "k"),), ("f",)),)
    )
    assert lock().reference == "b@2"


def test_its_policy_is_part_of_it() -> None:
    """Two policies that resolve to one release are two locks: they differ tomorrow."""
    picture = pictured(*((each, number) for number, each in enumerate(HISTORY)))
    pinned = SubscriptionDeclared("model", "b", PolicyKind.PIN, 2)

    found = differences(lock_of(picture, declared(), 2), lock_of(picture, pinned, 2))

    assert [str(each) for each in found] == ["policy: follow became pin: 2"]


def test_the_form_is_pinned() -> None:
    """Agents report this hash and people save these bytes: a change of the form needs a new format version."""
    assert lock().pack() == (
        b'{"bundle":"b","consumer":"model","format_version":1,"policy":"follow","release":2,"views":[{"alias":"v",'
        b'"contract_hash":"v-1.1","features":["f"],"keys":[{"asked_as":"k","key":"k"}],"schema_id":2112,'
        b'"topic":"t-v-1","view":"v@1.1"}]}'
    )
    assert lock().hash == "3aceead56cdaa3daaf2f0279aeb3fef7e9b4784032bce431ac1e35dc44696200"


@given(st.text(min_size=1), st.integers(0, 2**50), st.integers(0, 4))
def test_the_same_decisions_give_the_same_bytes(actor: str, at_us: int, more: int) -> None:
    """Nothing of time, of who decided, or of what else stands in the catalog is in a lock."""
    found = lock_of(folded(actor=actor, at_us=at_us, more=more), declared(), 2)

    assert found.pack() == lock().pack()


def test_a_deprecation_does_not_change_a_lock() -> None:
    """What was resolved stays what it is, whatever is said of it later."""
    payload = ViewVersionDeprecated("v", Version(1, 1), date(2026, 1, 1), date(2026, 6, 1))
    picture = pictured(*((each, number) for number, each in enumerate([*HISTORY, payload])))

    assert picture.deprecated
    assert lock_of(picture, declared(), 2) == lock()


@given(locks)
def test_a_lock_comes_back_as_it_was(found: Lock) -> None:
    """What `pack` wrote is read back, whatever its blanks and the order of its names."""
    assert parse(found.pack()) == found
    assert parse(json.dumps(json.loads(found.pack()), indent=2)) == found
    assert parse(found.pack()).hash == found.hash


@given(locks, locks)
def test_locks_differ_where_they_are_not_equal_and_both_ways(one: Lock, other: Lock) -> None:
    """No difference of a lock and itself; the other way round every side is exchanged; hashes follow."""
    there, back = differences(one, other), differences(other, one)

    assert differences(one, one) == ()
    assert bool(there) == (one != other) == (one.hash != other.hash)
    assert [Difference(each.what, each.after, each.before) for each in back] == list(there)


def test_each_difference_is_a_sentence() -> None:
    """What came, what went, what became something else."""
    before = lock()
    (old,) = before.views
    new = replace(old, view="v@2.0", topic="t-v-2", schema_id=9, contract_hash="v-2.0", keys=(("k", "q"),))
    after = replace(
        before, release=3, views=(replace(new, features=("f", "g")), replace(old, alias="w", features=()))
    )

    assert [str(each) for each in differences(before, after)] == [
        "release: 2 became 3",
        "v: version: v@1.1 became v@2.0",
        "v: topic: t-v-1 became t-v-2",
        "v: schema id: 2112 became 9",
        "v: contract: v-1.1 became v-2.0",
        "v: join keys: k became k asked for as q",
        "v:g: added (a feature)",
        "w: added (v@1.1)",
    ]
    assert [str(each) for each in differences(after, before)][-2:] == [
        "v:g: removed (a feature)",
        "w: removed (v@1.1)",
    ]


def test_order_is_a_difference() -> None:
    """Values come in the release's order."""
    before = lock()
    (old,) = before.views
    two = replace(before, views=(replace(old, features=("f", "g")), replace(old, alias="w")))
    turned = replace(two, views=(two.views[1], replace(two.views[0], features=("g", "f"))))

    assert [str(each) for each in differences(two, turned)] == [
        "v: order of features: f, g became g, f",
        "order of views: v, w became w, v",
    ]


def test_a_release_that_is_not_there_is_told() -> None:
    """With those that are."""
    picture = pictured((view(), 0), (bundle(), 1))

    with pytest.raises(CatalogError, match=r"no b@2: b has the releases 1 to 1"):
        lock_of(picture, declared(), 2)
    with pytest.raises(CatalogError, match=r"no c@1: c has no release"):
        lock_of(picture, declared(name="c"), 1)


WHOLE = json.loads(lock().pack())
BROKEN = {
    "no JSON": b"{",
    "nested beyond reason": b"[" * 100_000,
    "a list": b"[]",
    "no version": b"{}",
    "a version that is none": json.dumps(WHOLE | {"format_version": True}),
    "no views": json.dumps(WHOLE | {"views": {}}),
    "an empty list of views": json.dumps(WHOLE | {"views": []}),
    "a view that is none": json.dumps(WHOLE | {"views": [1]}),
    "an id below 0": json.dumps(WHOLE | {"views": [WHOLE["views"][0] | {"schema_id": -1}]}),
    "a key without a name": json.dumps(WHOLE | {"views": [WHOLE["views"][0] | {"keys": [{"key": "k"}]}]}),
    "a feature that is no text": json.dumps(WHOLE | {"views": [WHOLE["views"][0] | {"features": [1]}]}),
    "an alias that is named twice": json.dumps(WHOLE | {"views": WHOLE["views"] * 2}),
    "an alias that has no bytes": json.dumps(WHOLE | {"views": [WHOLE["views"][0] | {"alias": "\ud800"}]}),
    "a feature that has no bytes": json.dumps(
        WHOLE | {"views": [WHOLE["views"][0] | {"features": ["\udfff"]}]}
    ),
    "a release that is none": json.dumps(WHOLE | {"release": 0}),
    "a consumer that is none": json.dumps(WHOLE | {"consumer": None}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_lock_is_told(name: str) -> None:
    """One sentence, whatever the bytes."""
    with pytest.raises(CatalogError):
        parse(BROKEN[name])


def test_a_lock_of_a_newer_syncline_is_told() -> None:
    """It may mean more than this one can read."""
    with pytest.raises(UnknownFormat, match="upgrade"):
        parse(json.dumps(WHOLE | {"format_version": 2}))
