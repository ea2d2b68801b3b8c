"""What an agent leaves for readers, and how versions are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.catalog.events import Decision, Payload, PolicyKind, SubscriptionDeclared, encode_decision
from syncline.catalog.fold import Picture, fold
from syncline.catalog.references import ViewReference, parse_reference
from syncline.catalog.serving import AgentCondition, ServedSchema, ServedView, Serving, serve
from tests.unit.agent.world import registration, release, subscription
from tests.unit.state.world import Version

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
LONGS = st.integers(0, 2**63 - 1)
SERVINGS = st.builds(
    Serving,
    bundle=TEXTS,
    release=LONGS,
    epoch=LONGS,
    cut=st.none() | LONGS,
    consumer=TEXTS,
    views=st.lists(
        st.builds(
            ServedView,
            alias=TEXTS,
            view=TEXTS,
            major=LONGS,
            minor=LONGS,
            topic=TEXTS,
            keys=st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple),
            features=st.lists(TEXTS, max_size=2).map(tuple),
            contract=TEXTS,
            max_age_us=st.none() | LONGS,
        ),
        max_size=2,
    ).map(tuple),
    schemas=st.lists(st.builds(ServedSchema, LONGS, TEXTS, TEXTS), max_size=2).map(tuple),
)


@given(serving=SERVINGS)
def test_what_is_served_comes_back(serving: Serving) -> None:
    """A reader needs nothing but the store."""
    assert Serving.unpack(serving.pack()) == serving


@given(condition=st.builds(AgentCondition, TEXTS, TEXTS, TEXTS, st.booleans(), LONGS))
def test_a_condition_comes_back(condition: AgentCondition) -> None:
    """Readers are told since when nobody writes, and why."""
    assert AgentCondition.unpack(condition.pack()) == condition


def test_a_release_is_served_with_all_schemas_of_its_majors() -> None:
    """Cells written under any MINOR can be decoded; those of another MAJOR stand in another topic."""
    versions = [
        Version.make(7),
        Version.make(9, version="1.1.0", extra=True),
        Version.make(11, version="2.0.0"),
        Version.make(13, view="weather"),
    ]
    payloads: list[Payload] = [
        *map(registration, versions),
        release(versions[0]),
        SubscriptionDeclared("model", "inputs", PolicyKind.PIN, 1, freshness_us=(("delay", 60),)),
    ]
    records = [
        (number, encode_decision(Decision("", 0, "", "", number, payload)))
        for number, payload in enumerate(payloads)
    ]
    picture = fold(Picture(), records)
    assert picture.void == ()

    serving = serve(picture, picture.subscriptions["model"].payload, picture.releases["inputs"][0])

    assert [(each.schema_id, each.reference) for each in serving.schemas] == [
        (7, "delay@1.0"),
        (9, "delay@1.1"),
    ]
    (served,) = serving.views
    assert (served.reference, served.max_age_us, served.features) == ("delay@1.0", 60, ("mean",))
    assert (serving.epoch, serving.release, serving.cut, serving.consumer) == (4, 1, None, "model")
    assert subscription().bundle == serving.bundle


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
REFERENCES = st.builds(
    lambda view, version, feature: ViewReference(view, *version, feature),
    NAMES,
    st.sampled_from([(None, None), (1, None), (1, 0), (12, 345)]),
    st.none() | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True),
)


@given(reference=REFERENCES)
def test_a_reference_is_written_as_it_is_read(reference: ViewReference) -> None:
    """`view@1.3:feature`, and every shorter form."""
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@1",
        "View",
        "v@",
        "v@0",
        "v@1.",
        "v@.3",
        "v@1.3:",
        "v@1.3:9",
        "v@1.3.0",
        "v@-1",
        "v@1:f:g",
        " v",
        "v\n",
        "v@\uff11",
        "ü",
    ],
)
def test_what_is_no_reference_is_refused_with_the_form(text: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(ValueError, match=r"view@1\.3:feature"):
        parse_reference(text)
