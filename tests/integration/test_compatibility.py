"""Our verdict about two versions of a contract beside that of a real registry under BACKWARD_TRANSITIVE."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from syncline.adapters.registry import ConfluentRegistry
from syncline.contracts.codec.avro import avro_text
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.compatibility.comparison import Level
from tests.unit.contracts.compatibility.pairs import Pair, pairs

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs/reference/compatibility.md"
STRICTER = "## What we refuse and a registry lets pass"
ENOUGH_PAIRS = 60


@pytest.fixture
def objections(registry_url, prefix):
    """What the registry says about the second contract under a subject that has the first alone."""
    registry = ConfluentRegistry(registry_url, timeout_s=20.0)

    def ask(number: int, pair: Pair) -> list[str]:
        subject = f"{prefix}{number}-value"
        registry.set_compatibility(subject, "BACKWARD_TRANSITIVE")
        registry.register(subject, avro_text(pair.old))
        return registry.check(subject, avro_text(pair.new))

    return ask


def documented() -> set[str]:
    """The rules that the page lists as ours alone."""
    _, _, rest = PAGE.read_text("utf-8").partition(STRICTER)
    section = rest.partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {rule for row in rows for rule in re.findall(r"`([a-z-]+)`", row)}


def test_we_never_say_minor_where_the_registry_says_incompatible(objections):
    """Over all pairs; where we are stricter the page says why, and it lists nothing that was not seen."""
    all_pairs = list(pairs())
    with ThreadPoolExecutor(4) as together:
        answers = list(together.map(objections, range(len(all_pairs)), all_pairs))

    too_lenient, stricter, both_refuse = [], set(), 0
    for pair, refused in zip(all_pairs, answers, strict=True):
        comparison = compare(pair.old, pair.new)
        if refused and comparison.level is not Level.MAJOR:
            too_lenient.append((pair.name, comparison.level.name, refused))
        elif refused:
            both_refuse += 1
        elif comparison.level is Level.MAJOR:
            stricter |= {change.rule for change in comparison.at(Level.MAJOR)}

    assert len(all_pairs) >= ENOUGH_PAIRS
    assert too_lenient == []
    assert both_refuse >= ENOUGH_PAIRS, "the registry does refuse"
    assert stricter == documented()


def test_a_feature_made_required_passes_because_its_union_stays(objections):
    """Without the union that stays, the registry would refuse what we call MINOR."""
    pair = next(pair for pair in pairs() if pair.name == "nullable, back")
    bare = Pair(
        pair.name,
        pair.old,
        pair.new.__class__(**{**_fields(pair.new), "union_stays": frozenset()}),
        *_says(pair),
    )

    assert objections(0, pair) == []
    assert objections(1, bare) != []


def _fields(contract):
    return {name: getattr(contract, name) for name in contract.__dataclass_fields__}


def _says(pair):
    return pair.level, pair.rule
