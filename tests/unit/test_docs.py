"""The documents say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncline.telemetry.metrics import METRICS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_table_of_bad_input_names_tests_that_exist() -> None:
    """Each row of docs/reference/bad-input.md names at least one test, and each named test is there."""
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    table = (ROOT / "docs/reference/bad-input.md").read_text("utf-8")
    rows = [line for line in table.splitlines() if line.startswith("| ") and "shown by" not in line]

    assert len(rows) > 30
    assert [row for row in rows if "`test_" not in row] == []
    assert sorted(set(re.findall(r"`(test_\w+)`", table)) - defined) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """A relative link in a document leads to a file or folder of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text("utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_table_of_metrics_is_the_code() -> None:
    """docs/reference/telemetry.md names every metric with its type and labels, and no other."""
    page = (ROOT / "docs/reference/telemetry.md").read_text("utf-8")
    rows = re.findall(r"^\| `((?:syncline|messaging)_\w+)` \| (\w+) \| ([\w, ]*)\| ", page, re.MULTILINE)

    assert {name: (kind, labels.strip()) for name, kind, labels in rows} == {
        name: (metric.kind, ", ".join(metric.labels)) for name, metric in METRICS.items()
    }
