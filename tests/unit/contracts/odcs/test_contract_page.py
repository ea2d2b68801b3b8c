"""docs/reference/contract.md says what the parser reads: its examples are contracts, its words are known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from syncline.contracts.odcs.custom import DOCUMENT_SETTINGS, FEATURE_SETTINGS
from syncline.contracts.odcs.features import FEATURE_TYPES
from syncline.contracts.odcs.located import load_yaml
from tests.unit.contracts.odcs.documents import contract_of, document

PAGE = (Path(__file__).parents[4] / "docs/reference/contract.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def whole(example: str) -> dict[str, Any]:
    """The document that an example is, or is a part of: features, service levels, settings or rules."""
    if example.startswith("apiVersion"):
        return load_yaml(example, file="whole").data
    changed = document()
    schema = changed["schema"][0]
    if example.startswith("- "):
        properties = load_yaml(f"properties:\n{example}", file="features").data["properties"]
        is_whole_schema = any(each["name"] == "event_time" for each in properties)
        schema["properties"] = properties if is_whole_schema else schema["properties"] + properties
        return changed
    part = load_yaml(example, file="part").data
    if "quality" in part:
        counts = ("cancelled_24h", "departures_1h")
        schema["properties"] += [
            {"name": name, "logicalType": "integer", "required": True} for name in counts
        ]
        schema["quality"] = part.pop("quality")
    return changed | part


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_a_contract(example: str) -> None:
    """Each example of the page, put where it belongs, is accepted, and says something."""
    assert contract_of(whole(example)) != contract_of(document())


def test_the_page_has_an_example_of_each_level() -> None:
    """The page shows features, service levels, settings, rules, and one whole contract."""
    beginnings = {example.split()[0] for example in EXAMPLES}

    assert beginnings == {"-", "slaProperties:", "customProperties:", "quality:", "apiVersion:"}


def test_the_page_names_every_setting_and_type() -> None:
    """No setting and no type is left out."""
    words = [*DOCUMENT_SETTINGS, *FEATURE_SETTINGS, *FEATURE_TYPES]

    assert [word for word in words if f"`{word}" not in PAGE] == []
