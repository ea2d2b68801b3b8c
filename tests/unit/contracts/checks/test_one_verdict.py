"""Rows, columns and both decode lanes give one verdict on thousands of generated contracts; planted faults show."""

from __future__ import annotations

import pytest

from tests.unit.contracts.checks import agreement
from tests.unit.contracts.checks.planted import FAULTS

pytestmark = pytest.mark.untraced

PAIRS = 2_048
ODD_ROWS = 400
SLICES = 4
SHOWS_AT = {"rules see 32-bit fields unrounded in rows": 1_869}
"""Where a fault that only a rare pair of rule and value shows is looked for first, as a search from 0 takes long."""


@pytest.mark.parametrize("part", range(SLICES))
def test_all_that_judges_says_the_same(part: int) -> None:
    """P5: over generated contracts and batches, both checks, slices and both decode lanes give one verdict."""
    mix = agreement.Mix()
    for seed in range(part, PAIRS, SLICES):
        of, rows = agreement.pair(seed)

        found = agreement.disagreement(of, rows, mix, lanes=True)

        assert found is None, f"seed {seed}: {agreement.smallest(of, rows, lanes=True)}"
    assert mix.pairs * SLICES >= 2_000
    assert mix.lanes > 0.9 * mix.pairs, "nearly every contract has a fast lane"
    _ask_for_the_mix(mix)


def _ask_for_the_mix(mix: agreement.Mix) -> None:
    """Enough rows pass and fail, and every rule is broken again and again: else agreement would say little."""
    total = sum(mix.rows.values())
    assert mix.rows["passes"] > total / 4
    assert mix.rows["breaks one"] > total / 5
    assert mix.rows["several"] > total / 12
    scalar = ["finite", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "minLength"]
    scalar += ["maxLength", "pattern"]
    items = [f"item{rule[0].upper()}{rule[1:]}" for rule in scalar]
    others = ["type", "null", "key", "range", "minItems", "maxItems", "uniqueItems", "dimensions", "itemType"]
    rare = {rule: mix.rules[rule] for rule in scalar + items + others if mix.rules[rule] < 4}
    assert not rare, "these rules are hardly ever broken"
    assert sum(count for rule, count in mix.rules.items() if rule.startswith("cel:")) > total / 12


def test_the_quick_pass_says_what_the_explanation_says() -> None:
    """For values and names of any kind, and missing or unknown ones, both agree, and nothing makes them raise."""
    for seed in range(ODD_ROWS):
        assert agreement.odd_disagreement(seed) is None, f"seed {seed}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_disagreement_is_found(fault: str) -> None:
    """A fault in one of the two forms shows within the seeds that the tests of agreement judge."""
    first = SHOWS_AT.get(fault, 0)
    with FAULTS[fault]():
        found = any(
            agreement.disagreement(*agreement.pair(seed), lanes=False)
            or (seed < ODD_ROWS and agreement.odd_disagreement(seed))
            for seed in (*range(first, PAIRS), *range(first))
        )

    assert found
