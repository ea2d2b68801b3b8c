"""What differs between two contracts, which number of the version that asks for, and why."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.codec.avro import as_registered, avro_schema, avro_text, contract_hash
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.compatibility.comparison import WIDENINGS, Level
from syncline.contracts.limits import INTEGER_RANGES, as_float32, closed_range
from syncline.contracts.model import Contract, Feature, FeatureType, Item, Rule, Version
from tests.unit.contracts.compatibility.pairs import BASE, MINUTE, feature, pairs, without

PAIRS = list(pairs())
SCALARS = [kind for kind in FeatureType if not kind.is_nested]
ITEM_LIMITS = tuple(name for name in Item.__slots__ if name != "type")
LIMITS = (*ITEM_LIMITS, "required", "min_items", "max_items", "unique_items", "dimensions")


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_each_difference_has_its_level_and_its_rule(pair):
    """Every row of the table in contracts.md, in both directions, is the one change that is found."""
    comparison = compare(pair.old, pair.new)

    assert [(change.level, change.rule) for change in comparison.changes] == [(pair.level, pair.rule)]
    assert comparison.level is pair.level
    assert comparison.same_wire == (contract_hash(pair.old) == contract_hash(_as_old(pair.new)))


def _as_old(contract: Contract) -> Contract:
    return replace(contract, version=Version(1, 0))


def test_a_level_has_one_name_for_people_everywhere():
    """`plan`, `diff` and the pages all say these words; data has the names."""
    assert [level.words for level in Level] == ["no change", "metadata", "MINOR", "MAJOR"]


def test_all_rules_are_shown_by_a_pair():
    """A rule that widens and is in no pair would be held by no test."""
    assert {pair.rule for pair in PAIRS} >= WIDENINGS


def test_a_unit_of_minutes_that_becomes_seconds_says_what_that_means():
    """A data engineer reads how wrong the numbers would be, and what to do instead."""
    comparison = compare(BASE, feature("delay", unit="s"))

    (change,) = comparison.changes
    assert str(change) == (
        "delay: its unit was min and is s now: every consumer would read numbers 60 times as large as those its model "
        "was trained on (MAJOR)"
    )
    assert comparison.remedy(change) == (
        "This is another feature: register airport_delay@2 beside airport_delay@1, or undo it"
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("s", "min", "numbers 60 times smaller than those its model was trained on"),
        ("m/s", "km/h", "numbers 3.6 times as large as those its model was trained on"),
        ("celsius", "fahrenheit", "numbers that mean something else than those its model was trained on"),
    ],
)
def test_a_changed_unit_says_how_much_where_that_is_known(old, new, says):
    """The factor is stated for known units only: a wrong one would be worse than none."""
    (change,) = compare(feature("delay", unit=old), feature("delay", unit=new)).changes

    assert change.reason.endswith(says)


def test_a_renamed_feature_is_recognised():
    """Removed and added with the same type, unit and limits: the sentence asks whether it was renamed."""
    renamed = feature("delay", name="departure_delay", has_default=True, default=None)

    removed, added = compare(BASE, renamed).changes

    assert (removed.what, removed.level, removed.sign) == ("delay", Level.MAJOR, "-")
    assert "renamed? `departure_delay` has the same type, unit and limits" in removed.reason
    assert (added.what, added.level, added.sign) == ("departure_delay", Level.MINOR, "+")
    assert "renamed? it looks like `delay`" in added.reason


def test_a_removed_feature_is_not_taken_for_another_one():
    """Another unit is no rename."""
    other = replace(BASE.feature("delay"), name="departure_delay", unit="s", has_default=True)

    removed, _ = compare(
        BASE, replace(without("delay"), features=(*without("delay").features, other))
    ).changes

    assert "renamed" not in removed.reason


def test_all_changes_are_listed_settings_first():
    """Nothing hides behind the first difference, and each feature's stand together."""
    new = replace(
        feature("delay", unit="s", maximum=4_000.0, required=True), partitions=3, owner="runway-ops", rules=()
    )

    comparison = compare(BASE, new)

    assert [(change.what, change.rule) for change in comparison.changes] == [
        ("partitions", "partitions-changed"),
        ("delay", "unit-changed"),
        ("delay", "made-required"),
        ("delay", "range-widened"),
        ("rule few_by_count", "rule-removed"),
        ("owner", "owner-changed"),
    ]
    assert [change.rule for change in comparison.of("delay")] == [
        "unit-changed",
        "made-required",
        "range-widened",
    ]
    assert [change.what for change in comparison.at(Level.METADATA)] == ["owner"]


def test_a_max_age_that_only_follows_the_frequency_is_said_once():
    """Twice the frequency is what the contract means where it says nothing: one cause, one sentence."""
    old, new = (replace(BASE, frequency_us=us, max_age_us=2 * us) for us in (MINUTE, 2 * MINUTE))

    assert [change.rule for change in compare(old, new).changes] == ["frequency-loosened"]


def test_listed_numbers_are_judged_together_with_their_range():
    """A range that a list of values makes idle may grow; a short range is as good as a list."""
    listed = feature("small", allowed=(1, 2, 3))
    in_words = feature("small", minimum=1, maximum=3)

    assert compare(listed, feature("small", allowed=(1, 2, 3), maximum=500)).level is Level.NONE
    assert compare(listed, in_words).level is Level.NONE
    assert [change.rule for change in compare(BASE, listed).changes] == ["values-removed"]
    assert [change.rule for change in compare(in_words, feature("small", allowed=(0, 1))).changes] == [
        "values-added",
        "values-removed",
    ]


def test_parts_of_the_document_that_no_message_is_judged_by_are_metadata():
    """Tags, contacts and a runbook are a catalog record; so is a quality gate over windows."""
    old = replace(BASE, document={"version": "1.0.0", "tags": ["a"], "schema": [{"quality": []}]})
    new = replace(BASE, document={"version": "1.0.1", "tags": ["b"], "schema": [{"quality": [1]}]})

    (change,) = compare(old, new).changes

    assert (change.level, change.rule) == (Level.METADATA, "document-changed")
    assert change.reason.startswith("tags, schema: ")


def test_a_topic_is_compared_within_a_major_only():
    """MINORs share a topic; another MAJOR has its own."""
    moved = replace(BASE, topic="elsewhere")

    assert [change.rule for change in compare(BASE, moved).changes] == ["topic-changed"]
    assert compare(BASE, replace(moved, version=Version(2, 0))).changes == ()


def test_a_required_feature_whose_union_stays_is_written_as_before():
    """Made required within a MAJOR: the Avro type is the old union, the hash is the new contract's."""
    nullable = feature("count", required=False)

    new = as_registered(replace(BASE, version=Version(1, 1)), avro_text(nullable))

    types = {field["name"]: field["type"] for field in avro_schema(new)["fields"]}
    assert new.union_stays == {"count"}
    assert types["count"] == ["null", "long"]
    assert types["small"] == "int"
    assert contract_hash(new) == contract_hash(replace(BASE, version=Version(1, 1)))


# Properties: over contracts of one feature, of whatever type and limits.


@st.composite
def numbers(draw: Any, kind: FeatureType) -> Any:
    """A small number of the type, so that limits of two contracts meet often."""
    if kind in INTEGER_RANGES:
        return draw(st.integers(-3, 3))
    value = draw(st.sampled_from([-1.5, -1.0, -0.0, 0.0, 0.1, 1.0, 1e30]))
    return as_float32(value) if kind is FeatureType.FLOAT else value


@st.composite
def limits_of(draw: Any, kind: FeatureType) -> dict[str, Any]:
    """Any limits that the type can have, satisfiable or not."""
    stated: dict[str, Any] = {}
    if kind.is_ordered:
        for limit in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum"):
            if draw(st.integers(0, 2)) == 0:
                stated[limit] = draw(numbers(kind))
    if kind.is_floating:
        stated["finite"] = draw(st.booleans())
    if kind is FeatureType.STRING:
        stated["min_length"] = draw(st.none() | st.integers(0, 2))
        stated["max_length"] = draw(st.none() | st.integers(1, 3))
        stated["pattern"] = draw(st.none() | st.sampled_from(["^a", "b$"]))
    if kind is FeatureType.STRING and draw(st.booleans()):
        stated["allowed"] = tuple(
            draw(st.lists(st.sampled_from(["", "a", "ab", "abc"]), min_size=1, unique=True))
        )
    if kind in INTEGER_RANGES and draw(st.integers(0, 3)) == 0:
        stated["allowed"] = tuple(draw(st.lists(st.integers(-3, 3), min_size=1, unique=True)))
    return stated


@st.composite
def one_feature(draw: Any, kind: FeatureType, inside: FeatureType | None = None) -> Feature:
    """A feature of the type, with any limits."""
    stated: dict[str, Any] = {"required": draw(st.booleans())}
    if not kind.is_nested:
        return Feature("x", kind, **stated, **draw(limits_of(kind)))
    assert inside is not None
    stated["item"] = Item(inside, **draw(limits_of(inside)))
    if kind is FeatureType.VECTOR:
        stated["dimensions"] = draw(st.integers(1, 2))
    else:
        stated["min_items"] = draw(st.none() | st.integers(0, 1))
        stated["max_items"] = draw(st.none() | st.integers(1, 2))
    if kind is FeatureType.LIST and not inside.is_floating:
        stated["unique_items"] = draw(st.booleans())
    return Feature("x", kind, **stated)


def of(part: Feature) -> Contract:
    """A contract of this feature alone."""
    return replace(BASE, features=(part,), rules=())


@st.composite
def two_contracts(draw: Any) -> tuple[Contract, Contract]:
    """Two contracts whose one feature has the same type."""
    # Texts have the most ways to differ, and few vectors have as many dimensions as their row has elements.
    kind = draw(st.sampled_from([*FeatureType, FeatureType.STRING, FeatureType.STRING, FeatureType.VECTOR]))
    floats = [FeatureType.FLOAT, FeatureType.DOUBLE]
    inside = (
        draw(st.sampled_from(floats if kind is FeatureType.VECTOR else SCALARS)) if kind.is_nested else None
    )
    old, other = draw(one_feature(kind, inside)), draw(one_feature(kind, inside))
    return of(old), of(draw(mixed(old, other)))


@st.composite
def mixed(draw: Any, old: Feature, other: Feature) -> Feature:
    """The one feature with one or two things of the other: most differences hide behind a graver one otherwise."""
    differing = [name for name in LIMITS if getattr(old, name) != getattr(other, name)]
    taken = draw(st.lists(st.sampled_from(differing), min_size=1, max_size=2)) if differing else []
    new = replace(old, **{name: getattr(other, name) for name in taken})
    if old.item is None or other.item is None or draw(st.booleans()):
        return new
    inside = [name for name in ITEM_LIMITS if getattr(old.item, name) != getattr(other.item, name)]
    taken = draw(st.lists(st.sampled_from(inside), min_size=1, max_size=2)) if inside else []
    return replace(old, item=replace(old.item, **{name: getattr(other.item, name) for name in taken}))


@st.composite
def scalars(draw: Any, kind: FeatureType) -> Any:
    """A value of the type, at or near the limits that `limits_of` draws."""
    if kind is FeatureType.BOOLEAN:
        return draw(st.booleans())
    if kind is FeatureType.STRING:
        return draw(st.sampled_from(["", "a", "b", "ab", "ba", "abc", "xyz", "aaab"]))
    if kind in INTEGER_RANGES:
        return draw(st.integers(-5, 5))
    value = draw(
        numbers(kind) | st.sampled_from([5e-324, -1e-45, 3e38, float("nan"), float("inf"), -float("inf")])
    )
    return as_float32(value) if kind is FeatureType.FLOAT else value


@st.composite
def rows_of(draw: Any, part: Feature) -> dict[str, Any]:
    """A row of the feature's type."""
    row: dict[str, Any] = {"airport": "EWR", "terminal": 1, "event_time": 0}
    if draw(st.integers(0, 5)) == 0:
        return row | {"x": None}
    if part.item is None:
        return row | {"x": draw(scalars(part.type))}
    size = part.dimensions if part.dimensions and draw(st.integers(0, 4)) else draw(st.integers(0, 3))
    values = draw(st.lists(scalars(part.item.type), min_size=size, max_size=size))
    return row | {"x": dict(zip("abc", values, strict=False)) if part.type is FeatureType.MAP else values}


@given(two_contracts())
def test_a_contract_does_not_differ_from_itself(both):
    """Reflexive: no change, whatever the limits."""
    for contract in both:
        comparison = compare(contract, replace(contract, version=Version(1, 7)))

        assert comparison.changes == ()
        assert comparison.level is Level.NONE
        assert comparison.same_wire


@given(two_contracts())
def test_widening_and_narrowing_are_opposite(both):
    """What widens one way narrows the other way, and what moves moves both ways."""
    forth, back = ({change.rule for change in compare(*each).changes} for each in (both, both[::-1]))

    opposite = {"widened": "narrowed", "narrowed": "widened", "moved": "moved"}
    for rules, others in ((forth, back), (back, forth)):
        for rule in rules:
            head, _, how = rule.rpartition("-")
            if how in opposite:
                assert f"{head}-{opposite[how]}" in others
            if rule.endswith("values-added"):
                assert f"{head.removesuffix('values')}values-removed" in others
            if rule in ("made-required", "made-nullable"):
                assert ({"made-required", "made-nullable"} - {rule}) <= others
    assert ("range-rewritten" in forth) == ("range-rewritten" in back)


@pytest.mark.untraced
@settings(max_examples=200)
@given(st.data())
def test_what_is_not_major_lets_in_no_row_that_was_refused(data):
    """The row check is the oracle: MINOR or less, and every row that the new contract accepts keeps the old one."""
    old, new = data.draw(two_contracts())
    agrees_with_the_row_check(old, new, some_rows(data, old, new))


def some_rows(data: Any, old: Contract, new: Contract) -> list[dict[str, Any]]:
    """Rows at the limits of one or the other."""
    parts = (old.features[0], new.features[0])
    return data.draw(st.lists(rows_of(parts[0]) | rows_of(parts[1]), min_size=10, max_size=10))


def agrees_with_the_row_check(old: Contract, new: Contract, rows: list[dict[str, Any]]) -> None:
    """MINOR or less lets in no row that was refused; NONE refuses none, either."""
    was, now = compile_rows(old), compile_rows(new)
    comparison = compare(old, new)
    for row in rows:
        if comparison.level <= Level.MINOR and not now(row):
            assert not was(row), comparison
        if comparison.level is Level.NONE:
            assert bool(now(row)) == bool(was(row))


def kinds_with(limit: str) -> list[FeatureType]:
    """The scalar types that can have the limit."""
    if limit == "allowed":
        return [FeatureType.STRING, *INTEGER_RANGES]
    if limit == "finite":
        return [FeatureType.FLOAT, FeatureType.DOUBLE]
    if "length" in limit or limit == "pattern":
        return [FeatureType.STRING]
    return [kind for kind in SCALARS if kind.is_ordered]


@pytest.mark.parametrize("inside", [False, True], ids=["of the feature", "of what is inside"])
@pytest.mark.parametrize("limit", ITEM_LIMITS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_limit_that_alone_differs_lets_in_no_row_unseen(data, limit, inside):
    """With nothing graver beside it, each kind of limit is held to the row check by itself."""
    scalar = data.draw(st.sampled_from(kinds_with(limit)))
    plain = Feature("x", scalar, required=True)
    old, new = (
        replace(plain, **{limit: data.draw(limits_of(scalar)).get(limit, getattr(plain, limit))})
        for _ in "ab"
    )
    if inside:
        old, new = (
            Feature("x", FeatureType.LIST, required=True, item=Item(scalar, **{limit: getattr(each, limit)}))
            for each in (old, new)
        )

    agrees_with_the_row_check(of(old), of(new), some_rows(data, of(old), of(new)))


WHOLE = {
    "required": (True, False),
    "min_items": (None, 0, 1, 2),
    "max_items": (None, 2, 3),
    "unique_items": (True, False),
}
LISTS = [
    Feature("x", FeatureType.LIST, item=Item(FeatureType.LONG), **dict(zip(WHOLE, stated, strict=True)))
    for stated in itertools.product(*WHOLE.values())
]
VECTORS = [
    Feature("x", FeatureType.VECTOR, required=required, item=Item(FeatureType.DOUBLE), dimensions=count)
    for required in (True, False)
    for count in (1, 2, 3)
]


@pytest.mark.parametrize("limit", [*WHOLE, "dimensions"])
def test_a_limit_of_the_whole_that_alone_differs_lets_in_no_row_unseen(limit):
    """The same for null, numbers of items, unique items and dimensions: all pairs of a few, on all short lists."""
    lists = [None, *(list(items) for size in range(5) for items in itertools.product((1, 2), repeat=size))]
    rows = [{"airport": "EWR", "terminal": 1, "event_time": 0, "x": value} for value in [*lists, [1, 2, 3]]]
    parts = VECTORS if limit == "dimensions" else LISTS
    values = sorted({getattr(part, limit) for part in parts}, key=str)

    for old, value in itertools.product(parts, values):
        agrees_with_the_row_check(of(old), of(replace(old, **{limit: value})), rows)


@given(st.data())
def test_a_range_that_is_called_wider_lets_in_a_value_that_was_refused(data):
    """No MAJOR is asked for in vain: one end of the new range shows it."""
    kind = data.draw(st.sampled_from([kind for kind in FeatureType if kind.is_ordered]))
    old, new = (of(data.draw(one_feature(kind))) for _ in range(2))
    wider = {"range-widened", "range-moved", "values-added"} & {
        change.rule for change in compare(old, new).changes
    }

    if wider:
        part = new.features[0]
        bounds = closed_range(part)
        assert bounds is not None
        ends = list(part.allowed or bounds)
        ends += [
            as_float32(end) if kind is FeatureType.FLOAT else end for end in (-1.5, 0.1)
        ] * kind.is_floating
        ends += list(range(-4, 5)) * (kind in INTEGER_RANGES)
        rows = [{"airport": "EWR", "terminal": 1, "event_time": 0, "x": end} for end in ends]
        was, now = compile_rows(old), compile_rows(new)
        assert any(was(row) and not now(row) for row in rows)


@given(st.data())
def test_an_added_rule_is_narrower_and_an_added_default_compatible(data):
    """With what MINOR may add besides: rows accepted by the new contract, less what was added, keep the old one."""
    old = of(data.draw(one_feature(FeatureType.LONG)))
    added = Feature("y", FeatureType.DOUBLE, required=False, has_default=True, default=None)
    rule = Rule("few", "x < 2", ("x",))
    new = replace(old, features=(*old.features, added), rules=(rule,))
    row = data.draw(rows_of(old.features[0]))

    comparison = compare(old, new)

    assert [change.rule for change in comparison.changes] == ["feature-added", "rule-added"]
    assert comparison.level is Level.MINOR
    check = compile_rows(new)
    if not check(check.complete(row)):
        assert not compile_rows(old)(row)
