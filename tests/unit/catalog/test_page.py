"""docs/reference/catalog.md against the kinds of decisions and their schemas."""

from __future__ import annotations

import json
import re
import typing
from pathlib import Path

import pytest

from syncline.catalog.events import Payload

ROOT = Path(__file__).parents[3]
KINDS = sorted(kind.__name__ for kind in typing.get_args(Payload))


def sections() -> dict[str, str]:
    """Kind → what the page says of it."""
    page = (ROOT / "docs/reference/catalog.md").read_text("utf-8")
    return dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))


def fields(record: dict[str, typing.Any], path: str = "") -> set[str]:
    """The fields of a record, and those of the records that it has arrays of."""
    found = set()
    for member in record["fields"]:
        found.add(f"{path}{member['name']}")
        kind = member["type"]
        if isinstance(kind, dict) and kind["type"] == "array" and isinstance(kind["items"], dict):
            found |= fields(kind["items"], f"{path}{member['name']}[].")
    return found


def test_the_page_has_every_kind_of_decision_and_no_other() -> None:
    """The union that the catalog holds is the page's."""
    assert sorted(sections()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_every_field_and_says_when_it_counts(kind: str) -> None:
    """The tables are the schemas, as a reader of the bytes meets them."""
    file = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    schema = json.loads((ROOT / f"schemas/catalog/{file}.avsc").read_text("utf-8"))
    text = sections()[kind]

    rows = re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert told == fields(schema)
    assert re.search(r"^Counts\b", text, re.MULTILINE)
