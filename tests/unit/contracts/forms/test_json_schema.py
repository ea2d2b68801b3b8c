"""A contract as JSON Schema: other tools come to the row check's verdict, wherever JSON Schema can say the rule."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from syncline.contracts.checks.patterns import compile_pattern
from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.forms.ecma_pattern import ecma_pattern
from syncline.contracts.forms.json_schema import json_schema, json_value
from syncline.contracts.limits import DAYS, EVENT_TIMES
from syncline.contracts.model import Contract, Feature, FeatureType, Item, JoinKey, Rule, Version

FORMATS = FormatChecker(["date"])
WORDS = st.sampled_from(["", "a", "EWR", "JFK", "ab1", "Ö", "😀😀", "x y"])
PATTERNS = ["^[A-Z]{3}$", "a|Ö", r"^\w+$", "[^a-c]", r"\d", "."]
SCALARS = [kind for kind in FeatureType if not kind.is_nested]


def scalars(kind: FeatureType) -> st.SearchStrategy[Any]:
    """Values of a type that JSON can write, small and large; no 32-bit number is rounded by them."""
    if kind is FeatureType.BOOLEAN:
        return st.booleans()
    if kind is FeatureType.STRING:
        return WORDS
    if kind is FeatureType.DATE:
        return st.integers(-3, 3) | st.sampled_from(DAYS)
    if kind is FeatureType.TIMESTAMP:
        return st.integers(-3, 3) | st.sampled_from(EVENT_TIMES)
    if kind.is_floating:
        return st.integers(-12, 12).map(lambda quarter: quarter / 4)
    return st.integers(-4, 4)


@st.composite
def limited(draw: Any, kind: FeatureType) -> dict[str, Any]:
    """Limits that JSON Schema has words for."""
    found: dict[str, Any] = {}
    if kind.is_number:
        for limit in ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum"):
            if draw(st.integers(0, 3)) == 3:
                found[limit] = draw(scalars(kind))
    if kind is FeatureType.STRING:
        if draw(st.booleans()):
            found["min_length"], found["max_length"] = draw(
                st.sampled_from([(1, 2), (None, 1), (2, None), (0, 3)])
            )
        if draw(st.booleans()):
            found["pattern"] = draw(st.sampled_from(PATTERNS))
    if kind in (FeatureType.STRING, FeatureType.INT, FeatureType.LONG) and draw(st.integers(0, 3)) == 3:
        found["allowed"] = tuple(draw(st.lists(scalars(kind), min_size=1, max_size=3, unique=True)))
    return found


@st.composite
def features(draw: Any, name: str) -> Feature:
    """A feature of any type, nested ones included."""
    kind = draw(st.sampled_from(list(FeatureType)))
    required = draw(st.booleans())
    if not kind.is_nested:
        return Feature(name, kind, required, **draw(limited(kind)))
    if kind is FeatureType.VECTOR:
        inner = draw(st.sampled_from([FeatureType.FLOAT, FeatureType.DOUBLE]))
        return Feature(
            name, kind, required, item=Item(inner, **draw(limited(inner))), dimensions=draw(st.integers(1, 3))
        )
    inner = draw(st.sampled_from(SCALARS))
    counts = draw(st.sampled_from([(None, None), (1, 2), (None, 1), (2, None)]))
    unique = kind is FeatureType.LIST and not inner.is_floating and draw(st.booleans())
    item = Item(inner, **draw(limited(inner)))
    return Feature(
        name, kind, required, item=item, min_items=counts[0], max_items=counts[1], unique_items=unique
    )


def a_contract(*found: Feature, **more: Any) -> Contract:
    """A contract of these features."""
    keys = (JoinKey("airport", FeatureType.STRING, "IATA code"), JoinKey("gate", FeatureType.LONG))
    return Contract("v", Version(1, 3), "team", keys, "event_time", found, "syncline.features.v.v1", **more)


@st.composite
def cases(draw: Any) -> tuple[Contract, dict[str, Any], dict[str, Any]]:
    """A contract, a row of it that may break it, and the row in JSON form."""
    found = [draw(features(f"f{number}")) for number in range(draw(st.integers(1, 3)))]
    contract = a_contract(*found)
    row: dict[str, Any] = {
        "airport": draw(WORDS),
        "gate": draw(st.integers(-2, 2)),
        "event_time": draw(st.sampled_from([*EVENT_TIMES, 0, 1])),
    }
    document = {**row, "event_time": json_value(Feature("t", FeatureType.TIMESTAMP, True), row["event_time"])}
    for feature in found:
        if draw(st.integers(0, 12)) == 12:
            continue
        value, form = draw(values(feature))
        row[feature.name], document[feature.name] = value, form
    if draw(st.integers(0, 12)) == 12:
        row["stranger"] = document["stranger"] = 1
    return contract, row, document


@st.composite
def values(draw: Any, feature: Feature) -> tuple[Any, Any]:
    """A value in a checked row and in JSON: usually of the feature's type, sometimes null or of another."""
    how = draw(st.integers(0, 9))
    if how == 8:
        return None, None
    if how == 9:
        wrong = draw(st.sampled_from([object, "no such type", [None], {"a": None}, True, [[1]]]))
        if wrong is object or not _is_wrong(feature, wrong):
            return None, None
        return wrong, wrong
    if feature.item is None:
        value = draw(scalars(feature.type))
    elif feature.type is FeatureType.MAP:
        value = draw(st.dictionaries(WORDS, scalars(feature.item.type), max_size=3))
    else:
        value = draw(st.lists(scalars(feature.item.type), max_size=3))
    return value, json_value(feature, value)


def _is_wrong(feature: Feature, value: Any) -> bool:
    """Whether a value is of another type in a row and in JSON alike."""
    if isinstance(value, str):
        return feature.type is not FeatureType.STRING
    return not isinstance(value, bool) or feature.type is not FeatureType.BOOLEAN


@settings(deadline=None, max_examples=250)
@given(cases())
def test_other_tools_come_to_the_verdict_of_the_row_check(
    case: tuple[Contract, dict[str, Any], dict[str, Any]],
) -> None:
    """A row is valid under the JSON Schema exactly when it keeps its contract."""
    contract, row, document = case
    check = compile_rows(contract)
    broken = check(check.complete(row))
    validator = Draft202012Validator(json_schema(contract), format_checker=FORMATS)
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    event("broken" if broken else "kept")
    assert bool(errors) == bool(broken), (errors, broken)


@given(st.lists(features("f"), min_size=1, max_size=1))
def test_every_schema_is_one(found: list[Feature]) -> None:
    """The output keeps the standard's own schema of schemas."""
    Draft202012Validator.check_schema(json_schema(a_contract(*found)))


def test_a_whole_schema_reads_as_expected() -> None:
    """Everything that a contract says is there, what JSON Schema has no word for as an annotation."""
    embedding = Feature(
        "e",
        FeatureType.VECTOR,
        True,
        item=Item(FeatureType.FLOAT, minimum=-1.0, finite=False),
        dimensions=2,
        embedding_model="m 2",
        redact=True,
    )
    day = (date(2027, 3, 1) - date(1970, 1, 1)).days
    built = Feature(
        "built",
        FeatureType.DATE,
        False,
        minimum=day,
        has_default=True,
        default=day,
        description="When it was built.",
    )
    delay = Feature("delay", FeatureType.DOUBLE, False, exclusive_maximum=10.5, unit="min")
    rule = Rule("later", "delay > 0.0", ("delay",), "It is late")
    schema = json_schema(a_contract(embedding, built, delay, rules=(rule,), description="Delays."))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["$id"]) == ("v@1.3", "urn:syncline:contract:v:1.3")
    assert schema["required"] == ["airport", "gate", "event_time", "e", "delay"]
    assert schema["x-syncline-rules"] == [
        {"name": "later", "expression": "delay > 0.0", "description": "It is late"}
    ]
    properties = schema["properties"]
    assert properties["airport"] == {"description": "IATA code", "type": "string", "minLength": 1}
    assert (properties["e"]["minItems"], properties["e"]["maxItems"]) == (2, 2)
    assert properties["e"]["items"]["minimum"] == -1.0
    assert "NaN" in properties["e"]["items"]["description"]
    assert (properties["e"]["x-syncline-redact"], properties["e"]["x-syncline-embedding-model"]) == (
        True,
        "m 2",
    )
    assert (properties["built"]["default"], properties["built"]["x-syncline-minimum"]) == (
        "2027-03-01",
        "2027-03-01",
    )
    assert properties["built"]["description"].startswith("When it was built. A day of the years 1 to 9999")
    assert properties["delay"] == {
        "type": ["number", "null"],
        "exclusiveMaximum": 10.5,
        "x-syncline-unit": "min",
    }


@pytest.mark.parametrize(
    ("pattern", "portable"),
    [
        ("^[A-Z]{3}$", "^[A-Z]{3}$"),
        (r"\s", r"[\t\n\f\r ]"),
        (r"[\s_]", r"[\t\n\f\r _]"),
        (r"\Aa.b\z", r"^a[^\n]b$"),
        (r"(?P<code>a)(?:b)", "(a)(?:b)"),
        (r"x{,2}", r"x\{,2\}"),
        (r"[]a]", r"[\]a]"),
        (r"[^\-a]", r"[^\-a]"),
        (r"a\-b", "a-b"),
        (r"\x{1F600}", None),
        (r"(?s)a.b", None),
        (r"[[:alpha:]]", None),
        (r"\Qa.b\E", None),
    ],
)
def test_patterns_are_written_in_the_words_of_ecma(pattern: str, portable: str | None) -> None:
    """What both engines read alike stays, what differs is translated, the rest is left to the annotation."""
    assert ecma_pattern(pattern) == portable


_ATOMS = st.sampled_from(
    [
        "a",
        "b",
        ".",
        r"\d",
        r"\w",
        r"\s",
        r"\S",
        "[a-c]",
        "[^a-c]",
        r"[\d_]",
        "(?:a|1)",
        "(b)",
        r"\.",
        "-",
        r"\-",
        "]",
        "}",
    ]
)
_TIMES = st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}"])


@given(
    st.lists(st.tuples(_ATOMS, _TIMES), min_size=1, max_size=5),
    st.sampled_from(["", "^", "$", "^$"]),
    st.text("ab1._- ]}\n\t\x0bä ", max_size=6),
)
def test_translated_patterns_have_the_same_verdict(
    parts: list[tuple[str, str]], anchors: str, text: str
) -> None:
    """RE2's verdict on the original is Python's on the translation, but for a line's end before `$`."""
    import re

    body = "".join(atom + times for atom, times in parts)
    pattern = ("^" if "^" in anchors else "") + body + ("$" if "$" in anchors else "")
    portable = ecma_pattern(pattern)
    assert portable is not None
    if text.endswith("\n") and "$" in anchors:
        return
    assert compile_pattern(pattern).found_in(text) == bool(re.search(portable, text))


def test_a_value_in_json_form_keeps_its_meaning() -> None:
    """Days and moments become ISO texts, inside lists and maps too; null stays null."""
    days = Feature("d", FeatureType.LIST, True, item=Item(FeatureType.DATE))
    moments = Feature("m", FeatureType.MAP, True, item=Item(FeatureType.TIMESTAMP))
    assert json_value(days, [0, 1]) == ["1970-01-01", "1970-01-02"]
    assert json_value(moments, {"a": 1}) == {"a": "1970-01-01T00:00:00.000001Z"}
    assert json_value(days, None) is None
    assert math.isnan(json_value(Feature("x", FeatureType.DOUBLE, True), math.nan))
