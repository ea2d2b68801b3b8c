"""Rules in CEL: read from the schema object and from properties, and refused where they cannot be held."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.contracts.model import Rule
from syncline.contracts.odcs.document import contract_from_document
from tests.unit.contracts.odcs.documents import contract_of, document, places, problems


def cel(expression: object = "f >= 0", name: object = "sane", **stated: Any) -> dict[str, Any]:
    """An entry of `quality`; None leaves a key out."""
    entry = {"type": "custom", "engine": "cel", "name": name, "implementation": expression, **stated}
    return {key: value for key, value in entry.items() if value is not None}


def with_rules(*on_schema: dict[str, Any], on_f: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A document with the features `f` and `g`, and rules on the schema object and on `f`."""
    changed = document()
    properties = changed["schema"][0]["properties"]
    number = {"logicalType": "number", "required": True}
    properties[2:] = [{"name": "f", **number, "quality": on_f or []}, {"name": "g", **number}]
    changed["schema"][0]["quality"] = list(on_schema)
    return changed


def test_rules_stand_in_the_contract() -> None:
    """Rules of the schema come first, then those of properties; each knows the features it names, in their order."""
    changed = with_rules(
        cel("g > f && airport != ''", "above", description="g is above f"),
        on_f=[cel("f >= 0.0", "positive", engine="CEL", severity="error")],
    )

    contract = contract_of(changed)

    assert contract.rules == (
        Rule("above", "g > f && airport != ''", ("f", "g"), "g is above f"),
        Rule("positive", "f >= 0.0", ("f",)),
    )
    assert contract_from_document(contract.document) == contract


def test_rules_for_other_engines_pass() -> None:
    """What another tool checks is not ours to judge."""
    other = {"type": "custom", "engine": "soda", "implementation": "checks: row_count > 0"}
    expectation = {"type": "library", "metric": "nullValues", "mustBeLessThan": 20, "unit": "percent"}

    assert contract_of(with_rules(other, on_f=[expectation])).rules == ()


SCHEMA = "schema[0].quality"
ON_F = "schema[0].properties[2].quality"


@pytest.mark.parametrize(
    ("broken", "place", "rule"),
    [
        (with_rules(cel(name=None)), f"{SCHEMA}[0]", "missing-name"),
        (with_rules(cel(name="f is sane")), f"{SCHEMA}[0].name", "name"),
        (with_rules(cel(), cel("g > 1.0")), f"{SCHEMA}[1].name", "duplicate-name"),
        (with_rules(cel(), on_f=[cel()]), f"{ON_F}[0].name", "duplicate-name"),
        (with_rules(cel("f >")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel(" ")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel({"rule": "f > 0"})), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel("1 < 2")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel("h > 1.0")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel("event_time > f")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel("airport == 'EWR'")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(cel("f" + " + f" * 1000 + " > 0.0")), f"{SCHEMA}[0].implementation", "cel"),
        (with_rules(on_f=[cel("g > 1.0")]), f"{ON_F}[0].implementation", "cel"),
        (with_rules(cel(severity="warning")), f"{SCHEMA}[0].severity", "cel"),
        (with_rules(cel(type="sql", query="SELECT 1", engine="cel")), f"{SCHEMA}[0].type", "cel"),
        (with_rules(*[cel(name=f"r{n}") for n in range(101)]), SCHEMA, "too-many"),
    ],
)
def test_a_rule_that_cannot_be_held_is_named(broken: dict[str, Any], place: str, rule: str) -> None:
    """A rule without a name, without a feature, with unknown names, or that is no CEL is named by its path."""
    assert (place, rule) in places(broken)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """A misspelt feature in a rule is told with the one that was probably meant."""
    changed = with_rules(cel("dep_dela > 1.0"))
    changed["schema"][0]["properties"][2]["name"] = "dep_delay"

    (only,) = problems(changed)

    assert "`dep_dela`" in only.message
    assert "`dep_delay`" in only.message


def test_a_rule_about_a_feature_with_a_problem_of_its_own_is_not_blamed() -> None:
    """A feature that is wrong itself is still a name that rules may use: one cause, one problem."""
    changed = with_rules(cel("f > g"))
    changed["schema"][0]["properties"][3]["logicalTypeOptions"] = {"minimum": 2, "maximum": 1}

    assert places(changed) == [("schema[0].properties[3].logicalTypeOptions", "empty-range")]


@pytest.mark.parametrize("expression", ["f = 1.0", "f > 1.0 and f < 2.0", "not (f > 1.0)", "f is null"])
def test_sql_and_python_are_told_what_cel_writes(expression: str) -> None:
    """The remedy names CEL's signs where a rule has those of another language."""
    (only,) = problems(with_rules(cel(expression)))

    assert "`&&`" in only.remedy
