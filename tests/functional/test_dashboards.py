"""The dashboards in deploy/grafana: they ask Prometheus for what exists, and stay at the addresses that alerts name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.test_alerts import (
    ALERTS,
    RUNBOOKS,
    kebab,
    known_metrics,
    named_in,
    why_not_parsed,
    wrong_labels,
)
from tests.stack.prometheus import why_no_prometheus

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
DASHBOARDS = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))}
PROMETHEUS = {"type": "prometheus", "uid": "syncline-prometheus"}

NEEDS_A_FAULT = {
    "fleet: Alerts firing": "any alert",
    "fleet: What fires": "any alert",
    "fleet: Violations": "a row that breaks its contract",
    "fleet: Dead letters": "a row that breaks its contract",
    "view: Violations by feature and rule": "a row that breaks its contract",
    "view: Dead letters by rule": "a row that breaks its contract",
    "release: Time to align": "a version change",
    "release: Rollouts open": "a version change",
    "release: Cuts given up": "an agent that cannot come to a cut in time",
    "release: Deprecated versions in use": "a version that is deprecated and in use",
    "release: Digest mismatches": "a cell that is changed behind the agent's back",
}
"""Panel → what has to happen before it shows anything. All others show data where all is well and models read."""


def panels() -> Iterator[tuple[str, dict]]:
    """(dashboard, panel), for every panel that is not a row."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield name, panel


def expressions() -> Iterator[tuple[str, str, str]]:
    """(dashboard, panel title, PromQL), with every variable of Grafana replaced so that it means all."""
    for name, panel in panels():
        for target in panel["targets"]:
            yield name, panel["title"], substituted(target["expr"])


def substituted(expression: str) -> str:
    """The expression as Grafana would send it with All chosen, and five minutes for a rate."""
    return re.sub(r"\$\{?\w+\}?", ".*", expression.replace("$__rate_interval", "5m"))


def test_dashboards_stay_where_alerts_say():
    """Four dashboards, each with the uid that its file is named after."""
    assert {name: dashboard["uid"] for name, dashboard in DASHBOARDS.items()} == {
        name: f"syncline-{name}" for name in ("agent", "fleet", "release", "view")
    }
    assert {alert["annotations"]["dashboard"] for alert in ALERTS.values()} == {"/d/syncline-fleet"}


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_dashboard_is_written_for_people(name):
    """JSON as `json.dumps(indent=2)` writes it; panels with unique ids and titles, a description, and no overlap."""
    dashboard = DASHBOARDS[name]
    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    taken = Counter(
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )

    text = (FOLDER / f"{name}.json").read_text("utf-8")
    assert text == json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"
    assert dashboard["tags"] == ["syncline"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert len({panel["title"] for panel in shown}) == len(shown)
    assert [panel["title"] for panel in shown if not panel["description"].endswith(".")] == []
    assert [place for place, times in taken.items() if times > 1 or place[0] > 23] == []


def test_everything_comes_from_the_provisioned_prometheus():
    """Panels, variables and annotations name the data source by its uid."""
    named = [
        each["datasource"]
        for dashboard in DASHBOARDS.values()
        for each in (*dashboard["templating"]["list"], *dashboard["annotations"]["list"])
    ] + [panel["datasource"] for _, panel in panels()]

    assert [source for source in named if source != PROMETHEUS] == []


def test_panels_ask_for_what_exists():
    """Every metric that a panel, a variable or an annotation names is exposed or recorded, and so is every label."""
    asked = [(f"{name}: {title}", expression) for name, title, expression in expressions()]
    for name, dashboard in DASHBOARDS.items():
        asked += [(f"{name}: {each['name']}", each["expr"]) for each in dashboard["annotations"]["list"]]
        for variable in dashboard["templating"]["list"]:
            of = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            asked.append((f"{name}: {variable['name']}", substituted(of[1])))
            metric = next(iter(named_in(of[1])))
            assert wrong_labels(f'{metric}{{{of[2]}=""}}') == []

    unknown = {where: named_in(query) - known_metrics() for where, query in asked}
    assert {where: names for where, names in unknown.items() if names} == {}
    assert [(where, wrong_labels(query)) for where, query in asked if wrong_labels(query)] == []


def test_variables_of_a_dashboard_are_its_own():
    """A panel uses variables that its dashboard has, and every variable is used."""
    for name, dashboard in DASHBOARDS.items():
        own = {variable["name"] for variable in dashboard["templating"]["list"]}
        texts = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        used = set(re.findall(r"\$\{?(?!__)(\w+)", " ".join(texts)))
        assert used == own, name


def test_expressions_parse(tmp_path):
    """Promtool reads every expression."""
    if why_no_prometheus() is not None:
        pytest.skip("told by test_alerts.py")

    assert why_not_parsed([expression for _, _, expression in expressions()], tmp_path) == ""


def test_histograms_show_examples_where_there_are_any():
    """Panels over the histograms that keep exemplars ask for them: that is the way to a trace."""
    without = [
        (name, panel["title"])
        for name, panel in panels()
        for target in panel["targets"]
        if re.search(r"syncline_(propagation|served_feature_age)_seconds_bucket", target["expr"])
        and not target.get("exemplar")
    ]

    assert without == []


def test_links_lead_somewhere():
    """A panel's runbook exists, every alert's runbook is linked from a panel, and dashboards link to one another."""
    texts = {name: json.dumps(dashboard) for name, dashboard in DASHBOARDS.items()}
    pages = set(re.findall(r"docs/runbooks/([\w-]+)\.md", " ".join(texts.values())))

    assert [page for page in sorted(pages) if not (RUNBOOKS / f"{page}.md").exists()] == []
    assert sorted(set(map(kebab, ALERTS)) - pages) == []
    assert set(re.findall(r"/d/syncline-(\w+)", " ".join(texts.values()))) <= DASHBOARDS.keys()
    assert [
        name for name, dashboard in DASHBOARDS.items() if dashboard["links"][0]["tags"] != ["syncline"]
    ] == []


def test_panels_that_need_a_fault_exist():
    """Each exception names a panel that is there."""
    assert sorted(NEEDS_A_FAULT.keys() - {f"{name}: {panel['title']}" for name, panel in panels()}) == []
