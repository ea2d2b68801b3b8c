"""Days, moments, texts, lists, maps and vectors: from the document to the feature, and every contradiction in it."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.contracts.checks.rows import RowCheck
from syncline.contracts.model import Feature, FeatureType, Item
from syncline.contracts.odcs.document import contract_from_document
from tests.unit.contracts.odcs.documents import (
    contract_of,
    custom,
    feature_of,
    places,
    problems,
    with_feature,
)

DAY_2027 = 20_878
MOMENT_2027 = DAY_2027 * 86_400_000_000


def options(**stated: Any) -> dict[str, Any]:
    """The `logicalTypeOptions` of a property."""
    return {"logicalTypeOptions": stated}


def list_of(logical: str = "integer", *, item: dict[str, Any] | None = None, **stated: Any) -> dict[str, Any]:
    """A list's property."""
    return {"logicalType": "array", "items": {"logicalType": logical, **(item or {})}, **stated}


def map_of(logical: str = "integer", *, value: dict[str, Any] | None = None, **stated: Any) -> dict[str, Any]:
    """A map's property."""
    inside = {"key": {"logicalType": "string"}, "value": {"logicalType": logical, **(value or {})}}
    return {"logicalType": "map", "map": inside, **stated}


def vector(dimensions: object = 3, *, also: dict[str, Any] | None = None, **stated: Any) -> dict[str, Any]:
    """A vector's property."""
    return {"logicalType": "vector", **options(dimensions=dimensions, **(also or {})), **stated}


def feature(kind: FeatureType, **limits: Any) -> Feature:
    """A required feature `f`."""
    return Feature("f", kind, required=True, **limits)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (
            {"logicalType": "date", **options(minimum="2027-03-01", exclusiveMaximum="9999-12-31")},
            feature(FeatureType.DATE, minimum=DAY_2027, exclusive_maximum=2_932_896),
        ),
        (
            {"logicalType": "date", "enum": [{"value": "1970-01-01"}, {"value": "1969-12-31"}]},
            feature(FeatureType.DATE, allowed=(0, -1)),
        ),
        (
            {
                "logicalType": "timestamp",
                "physicalType": "timestamp-micros",
                **options(
                    minimum="2027-03-01T01:00:00.000001+01:00", timezone=True, defaultTimezone="Etc/UTC"
                ),
            },
            feature(FeatureType.TIMESTAMP, minimum=MOMENT_2027 + 1),
        ),
        (
            {"logicalType": "string", **options(minLength=1, maxLength=3.0, pattern="^[A-Z]+$")},
            feature(FeatureType.STRING, min_length=1, max_length=3, pattern="^[A-Z]+$"),
        ),
        (
            {"logicalType": "string", **options(minLength=2), "enum": [{"value": "ab"}]},
            feature(FeatureType.STRING, min_length=2, allowed=("ab",)),
        ),
        (
            list_of(item=options(minimum=0), **options(minItems=1, maxItems=24, uniqueItems=True)),
            feature(
                FeatureType.LIST,
                item=Item(FeatureType.LONG, minimum=0),
                min_items=1,
                max_items=24,
                unique_items=True,
            ),
        ),
        (
            list_of(
                "number", item={"physicalType": "float"}, customProperties=custom(finite=False, unit="min")
            ),
            feature(FeatureType.LIST, item=Item(FeatureType.FLOAT, finite=False), unit="min"),
        ),
        (
            list_of("string", item={"enum": [{"value": "A"}], "required": True}),
            feature(FeatureType.LIST, item=Item(FeatureType.STRING, allowed=("A",))),
        ),
        (
            list_of("date", customProperties=custom(itemMinimum="2027-03-01")),
            feature(FeatureType.LIST, item=Item(FeatureType.DATE, minimum=DAY_2027)),
        ),
        (
            map_of("string", value=options(maxLength=2), **options(maxItems=5)),
            feature(FeatureType.MAP, item=Item(FeatureType.STRING, max_length=2), max_items=5),
        ),
        (
            map_of("boolean", customProperties=custom(redact=True)),
            feature(FeatureType.MAP, item=Item(FeatureType.BOOLEAN), redact=True),
        ),
        (
            vector(768, customProperties=custom(itemMinimum=-1, itemMaximum=0.1)),
            feature(
                FeatureType.VECTOR,
                item=Item(FeatureType.FLOAT, minimum=-1.0, maximum=0.10000000149011612),
                dimensions=768,
            ),
        ),
        (
            vector(
                also={
                    "elementType": "float64",
                    "embeddingModel": "acme/routes",
                    "embeddingModelVersion": "2",
                    "distanceMetric": "cosine",
                    "normalized": True,
                }
            ),
            feature(
                FeatureType.VECTOR,
                item=Item(FeatureType.DOUBLE),
                dimensions=3,
                embedding_model="acme/routes 2",
            ),
        ),
    ],
)
def test_every_type_becomes_a_feature(stated: dict[str, Any], expected: Feature) -> None:
    """Each type with its limits stands in its feature; days and moments are whole numbers."""
    found = feature_of(with_feature(**stated))

    assert found == expected


@pytest.mark.parametrize(
    ("stated", "given", "expected"),
    [
        ({"logicalType": "date"}, "2027-03-01", DAY_2027),
        ({"logicalType": "timestamp"}, "2027-03-01T00:00Z", MOMENT_2027),
        ({"logicalType": "string", **options(pattern="^[a-z]$")}, "a", "a"),
        (list_of(), [3, 1, 3], [3, 1, 3]),
        (list_of("number"), [1], [1.0]),
        (list_of("date"), ["2027-03-01"], [DAY_2027]),
        (list_of(), [], []),
        (map_of(), {"a": 1, "": 2}, {"a": 1, "": 2}),
        (vector(), [0.1, 0, -1], [0.10000000149011612, 0.0, -1.0]),
        (vector(1, also={"elementType": "float64"}), [0.1], [0.1]),
    ],
)
def test_defaults_are_kept_as_checked_rows_hold_them(
    stated: dict[str, Any], given: Any, expected: Any
) -> None:
    """A default is in the form of its type (32 bits where the field has them), and a row that takes it is whole."""
    contract = contract_of(with_feature(**stated, customProperties=custom(default=given)))
    check = RowCheck(contract)
    found = contract.features[0]

    assert found.has_default
    assert repr(found.default) == repr(expected)
    assert not check(check.complete({"airport": "EWR"}))


@pytest.mark.parametrize(
    ("stated", "given", "place"),
    [
        ({"logicalType": "date"}, "2027-02-30", ""),
        ({"logicalType": "date"}, 20_878, ""),
        ({"logicalType": "date"}, "20270301", ""),
        ({"logicalType": "timestamp"}, "2027-03-01T00:00:00", ""),
        ({"logicalType": "timestamp"}, "0001-01-01T00:00:00+00:01", ""),
        ({"logicalType": "date", **options(minimum="2027-03-02")}, "2027-03-01", ""),
        ({"logicalType": "string", **options(maxLength=1)}, "ab", ""),
        ({"logicalType": "string", **options(minLength=3)}, "ab", ""),
        ({"logicalType": "string", **options(pattern="^b")}, "ab", ""),
        (list_of(), 3, ""),
        (list_of(), {"a": 1}, ""),
        (list_of(), [1, "x"], "[1]"),
        (list_of(), [1, None], "[1]"),
        (list_of(), [[1]], "[0]"),
        (list_of(item=options(maximum=1)), [2], "[0]"),
        (list_of(**options(minItems=2)), [1], ""),
        (list_of(**options(maxItems=2)), [1, 1, 1], ""),
        (list_of(**options(uniqueItems=True)), [1, 1], ""),
        (map_of(), [1], ""),
        (map_of(), {"a": 1.5}, ".a"),
        (map_of(**options(maxItems=1)), {"a": 1, "b": 1}, ""),
        (vector(), [1, 2], ""),
        (vector(), [1, 2, 1e39], "[2]"),
        (vector(customProperties=[]), "[1, 2, 3]", ""),
        (list_of(), None, ""),
    ],
)
def test_defaults_that_break_their_own_contract_are_named(
    stated: dict[str, Any], given: Any, place: str
) -> None:
    """A default is held to every limit of its feature, each item of a list to those of the items."""
    found = places(with_feature(**(stated | {"customProperties": custom(default=given)})))

    assert found == [(f"schema[0].properties[2].customProperties[0].value{place}", "default")]


@pytest.mark.parametrize(
    ("stated", "place", "rule"),
    [
        (
            {"logicalType": "date", **options(minimum="1 March 2027")},
            ".logicalTypeOptions.minimum",
            "limit-type",
        ),
        (
            {"logicalType": "timestamp", **options(maximum="2027-03-01 00:00:00")},
            ".logicalTypeOptions.maximum",
            "limit-type",
        ),
        (
            {"logicalType": "date", **options(minimum="2027-03-02", maximum="2027-03-01")},
            ".logicalTypeOptions",
            "empty-range",
        ),
        ({"logicalType": "date", "physicalType": "int"}, ".physicalType", "physical-type"),
        ({"logicalType": "string", **options(minLength=-1)}, ".logicalTypeOptions.minLength", "odcs"),
        (
            {"logicalType": "string", **options(maxLength=2**31)},
            ".logicalTypeOptions.maxLength",
            "limit-type",
        ),
        (
            {"logicalType": "string", **options(minLength=3, maxLength=2)},
            ".logicalTypeOptions",
            "empty-range",
        ),
        ({"logicalType": "string", **options(pattern="(a")}, ".logicalTypeOptions.pattern", "pattern"),
        ({"logicalType": "string", **options(pattern=r"(a)\1")}, ".logicalTypeOptions.pattern", "pattern"),
        ({"logicalType": "string", **options(pattern="(?=a)")}, ".logicalTypeOptions.pattern", "pattern"),
        ({"logicalType": "string", **options(pattern="")}, ".logicalTypeOptions.pattern", "pattern"),
        (
            {"logicalType": "string", **options(maxLength=1), "enum": [{"value": "ab"}]},
            ".enum[0]",
            "enum-limit",
        ),
        (
            {"logicalType": "string", **options(pattern="^b"), "enum": [{"value": "ab"}]},
            ".enum[0]",
            "enum-limit",
        ),
        (
            {"logicalType": "integer", **options(minimum=2), "enum": [{"value": 2}, {"value": 1}]},
            ".enum[1]",
            "enum-limit",
        ),
        ({"logicalType": "array"}, ".items", "items-unstated"),
        (list_of(physicalType="jsonb"), ".physicalType", "physical-type"),
        (vector(also={"minItems": 3}), ".logicalTypeOptions.minItems", "unknown-key"),
        ({"logicalType": "string", "physicalType": "varchar(3)"}, ".physicalType", "physical-type"),
        (list_of("object"), ".items.logicalType", "not-supported"),
        (list_of("array", item={"items": {"logicalType": "string"}}), ".items.logicalType", "not-supported"),
        ({"logicalType": "array", "items": {"required": True}}, ".items.logicalType", "type-unstated"),
        (list_of(item={"required": False}), ".items.required", "item-null"),
        (list_of(item={"primaryKey": True}), ".items.primaryKey", "not-supported"),
        (list_of(item={"customProperties": custom(unit="min")}), ".items.customProperties[0]", "misplaced"),
        (list_of(item={"customProperties": custom(redact=True)}), ".items.customProperties[0]", "misplaced"),
        (list_of("number", item=options(minimum=2, maximum=1)), ".items.logicalTypeOptions", "empty-range"),
        (
            list_of(item=options(maximum=1), customProperties=custom(itemMinimum=2)),
            ".items.logicalTypeOptions",
            "empty-range",
        ),
        (
            list_of(item=options(minimum=1), customProperties=custom(itemMinimum=1)),
            ".customProperties[0].value",
            "stated-twice",
        ),
        (
            list_of("string", customProperties=custom(itemMinimum=1)),
            ".customProperties[0].value",
            "limit-type",
        ),
        (list_of(customProperties=custom(itemMaximum=1.5)), ".customProperties[0].value", "limit-type"),
        (list_of(customProperties=custom(finite=True)), ".customProperties[0].value", "finite"),
        (list_of(**options(minItems=2, maxItems=1)), ".logicalTypeOptions", "empty-range"),
        (list_of(**options(minimum=2)), ".logicalTypeOptions.minimum", "unknown-key"),
        (list_of("number", **options(uniqueItems=True)), ".logicalTypeOptions.uniqueItems", "not-supported"),
        (list_of("boolean", **options(uniqueItems=True, minItems=3)), ".logicalTypeOptions", "empty-range"),
        (
            list_of(item=options(minimum=1, maximum=2), **options(uniqueItems=True, minItems=3)),
            ".logicalTypeOptions",
            "empty-range",
        ),
        (
            list_of("string", item={"enum": [{"value": "A"}]}, **options(uniqueItems=True, minItems=2)),
            ".logicalTypeOptions",
            "empty-range",
        ),
        (list_of(enum=[{"value": 1}]), ".enum", "not-supported"),
        (list_of(map={"key": {}, "value": {}}), ".map", "misplaced"),
        ({"items": {"logicalType": "number"}}, ".items", "misplaced"),
        ({"logicalType": "map"}, "", "missing-map"),
        (map_of("map"), ".map.value.logicalType", "not-supported"),
        (map_of(value={"required": False}), ".map.value.required", "item-null"),
        (
            {
                "logicalType": "map",
                "map": {"key": {"logicalType": "integer"}, "value": {"logicalType": "string"}},
            },
            ".map.key.logicalType",
            "map-key",
        ),
        (
            {
                "logicalType": "map",
                "map": {
                    "key": {"logicalType": "string", **options(maxLength=3)},
                    "value": {"logicalType": "string"},
                },
            },
            ".map.key.logicalTypeOptions.maxLength",
            "not-supported",
        ),
        (map_of(**options(uniqueItems=True)), ".logicalTypeOptions.uniqueItems", "not-supported"),
        ({"logicalType": "vector"}, ".logicalTypeOptions.dimensions", "dimensions"),
        (vector(0), ".logicalTypeOptions.dimensions", "odcs"),
        (vector(65_537), ".logicalTypeOptions.dimensions", "dimensions"),
        (vector("3"), ".logicalTypeOptions.dimensions", "odcs"),
        (vector(also={"elementType": "int8"}), ".logicalTypeOptions.elementType", "not-supported"),
        (vector(also={"elementType": "float128"}), ".logicalTypeOptions.elementType", "odcs"),
        (
            vector(also={"embeddingModelVersion": "2"}),
            ".logicalTypeOptions.embeddingModelVersion",
            "embedding-model",
        ),
        (vector(also={"embeddingModel": " "}), ".logicalTypeOptions.embeddingModel", "embedding-model"),
        (
            vector(customProperties=custom(itemMinimum=2, itemMaximum=1)),
            ".logicalTypeOptions",
            "empty-range",
        ),
        (vector(customProperties=custom(itemMinimum="0")), ".customProperties[0].value", "limit-type"),
        ({"customProperties": custom(itemMinimum=1)}, ".customProperties[0].value", "misplaced"),
    ],
)
def test_every_contradiction_is_named(stated: dict[str, Any], place: str, rule: str) -> None:
    """What no value can keep, and what does not belong there, is named by its path with a remedy."""
    assert (f"schema[0].properties[2]{place}", rule) in places(with_feature(**stated))


@pytest.mark.parametrize(
    ("stated", "place"),
    [
        ({"logicalType": "string", **options(minLength=True)}, ".logicalTypeOptions.minLength"),
        (list_of(**options(minItems="1")), ".logicalTypeOptions.minItems"),
        (list_of(**options(uniqueItems="yes")), ".logicalTypeOptions.uniqueItems"),
        (list_of(**options(minimum=1)), ".logicalTypeOptions.minimum"),
        (vector("3"), ".logicalTypeOptions.dimensions"),
        ({"logicalType": "vector"}, ".logicalTypeOptions.dimensions"),
        ({"logicalType": "map"}, ".map"),
        ({"logicalType": "map", "map": {"value": {"logicalType": "string"}}}, ".map.key.logicalType"),
    ],
)
def test_the_catalog_judges_types_without_the_standard(stated: dict[str, Any], place: str) -> None:
    """Our own rules notice wrong types too, as a document of the catalog is not held to the standard's schema."""
    from syncline.errors import DefinitionError

    with pytest.raises(DefinitionError) as caught:
        contract_from_document(with_feature(**stated))

    assert f"schema[0].properties[2]{place}" in [problem.path for problem in caught.value.problems]


def test_a_sentence_about_a_moment_shows_it_as_text() -> None:
    """A default that breaks the limits of a moment is shown as people write moments."""
    stated = {
        "logicalType": "timestamp",
        **options(minimum="2027-03-01T00:00:00Z"),
        "customProperties": custom(default="2027-02-28T23:59:59.999999Z"),
    }

    (only,) = problems(with_feature(**stated))

    assert "2027-02-28T23:59:59.999999Z" in only.message
