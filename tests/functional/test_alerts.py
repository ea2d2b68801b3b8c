"""The rules in deploy/prometheus: promtool takes them, each alert was seen to fire and not to, and has a runbook."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
import yaml

from syncline.cli.main import cli
from syncline.telemetry.metrics import HISTOGRAM, METRICS
from tests.stack.prometheus import RULES, promtool, why_no_prometheus

ROOT = Path(__file__).parents[2]
RULE_FILES = sorted(RULES.glob("*.yml"))
RULE_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("syncline-*.md"))
PUBLISHED_AT = "https://github.com/syncline/syncline/blob/main/docs/runbooks/"
HEADINGS = [
    "What it means for models",
    "How bad",
    "Look first",
    "Likely causes",
    "Over when",
    "Who to tell",
]

RECORDED = [
    rule
    for file in RULE_FILES
    for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RECORDED if "alert" in rule}

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NO_METRIC = re.compile(
    r"""\{[^}]*\} | \[[^\]]*\]                # matchers, ranges
      | \b(?:and|or|unless|bool|offset)\b
      | [\w:]+\s*(?=\()                      # functions
      | (?<![\w:])[0-9][\w.]*                # numbers and durations""",
    re.VERBOSE,
)


@pytest.fixture
def _promtool():
    """Installed; where it is not, the test is skipped, and fails under CI."""
    missing = why_no_prometheus()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


def known_metrics() -> set[str]:
    """Every series name that exists: what the code exposes, what is recorded, and what each Python process has."""
    names = {
        name
        for metric in METRICS.values()
        for name in (
            [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
            if metric.kind == HISTOGRAM
            else [metric.name]
        )
    }
    recorded = {rule["record"] for rule in RECORDED if "record" in rule}
    process = {f"process_{name}" for name in ("cpu_seconds_total", "open_fds", "start_time_seconds")}
    memory = {"process_resident_memory_bytes", "process_virtual_memory_bytes"}
    return names | recorded | process | memory | {"python_gc_collections_total", "up", "ALERTS"}


def named_in(expression: str) -> set[str]:
    """The metrics that a PromQL expression names."""
    bare = _GROUPING.sub(" ", _without_texts(expression))
    return set(re.findall(r"[A-Za-z_:][\w:]*", _NO_METRIC.sub(" ", bare)))


def _without_texts(expression: str) -> str:
    """Texts may hold braces and words."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", '""', expression)


def labels_of(expression: str) -> list[tuple[str, str]]:
    """(metric, label) for each label that a selector of a PromQL expression names."""
    return [
        (metric, label)
        for metric, matchers in re.findall(r"([A-Za-z_:][\w:]*)\{([^}]*)\}", _without_texts(expression))
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
    ]


def wrong_labels(expression: str) -> list[tuple[str, str]]:
    """The labels in an expression that the metric they are asked of does not have."""
    own = {
        f"{metric.name}{part}": {*metric.labels, "job", "instance", "le"}
        for metric in METRICS.values()
        for part in ("", "_bucket", "_sum", "_count")
    }
    return [
        (metric, label) for metric, label in labels_of(expression) if label not in own.get(metric, {label})
    ]


def kebab(alert: str) -> str:
    """SynclineAgentDown → syncline-agent-down."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert).lower()


def queries_of(rule) -> list[str]:
    """The expression of a rule, and those that its annotations ask."""
    asked = [
        query.replace("%s", "x")
        for text in rule.get("annotations", {}).values()
        for query in re.findall(r'(?:printf|query) "([^"]+)"(?: \$labels\.\w+)* (?:\| query)?', text)
        if "(" in query or "{" in query
    ]
    return [rule["expr"], *asked]


@pytest.mark.usefixtures("_promtool")
def test_rules_are_correct():
    """Promtool finds nothing to object to, of what it knows to look for."""
    told = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULE_FILES))

    assert told.returncode == 0, told.stdout + told.stderr
    assert len(RULE_FILES) > 3


@pytest.mark.usefixtures("_promtool")
@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file):
    """Each alert fires with the words that are expected, and keeps quiet where something only looks like it."""
    told = promtool("test", "rules", file.name, folder=file.parent)

    assert told.returncode == 0, told.stdout + told.stderr


def test_every_alert_is_tested_both_ways():
    """For each alert there is a series where it fires, and one where it does not."""
    cases = [
        case
        for file in RULE_TESTS
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]
        for case in test["alert_rule_test"]
    ]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    does_not = {case["alertname"] for case in cases if not case["exp_alerts"]}

    assert sorted(ALERTS.keys() - fires) == []
    assert sorted(ALERTS.keys() - does_not) == []
    assert sorted((fires | does_not) - ALERTS.keys()) == []


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_alert_says_how_bad_it_is_and_what_to_do(name):
    """An alert has a severity, words with values, its runbook and the dashboard to start from."""
    alert = ALERTS[name]
    said = alert["annotations"]

    assert alert["labels"].keys() == {"severity"}
    assert alert["labels"]["severity"] in {"page", "ticket", "info"}
    assert said.keys() == {"summary", "description", "runbook_url", "dashboard"}
    assert said["runbook_url"] == f"{PUBLISHED_AT}{kebab(name)}.md"
    assert said["dashboard"] == "/d/syncline-fleet"
    assert len(said["description"]) > len(said["summary"])


@pytest.mark.parametrize("rule", RECORDED, ids=lambda rule: rule.get("alert", rule.get("record")))
def test_rule_asks_for_what_exists(rule):
    """Every metric that a rule or its words name is exposed or recorded, and has the labels that are asked for."""
    for query in queries_of(rule):
        assert sorted(named_in(query) - known_metrics()) == []
        assert wrong_labels(query) == []


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    """The pages are those of the alerts, and the index names each with its severity."""
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| \[(\w+)\]\([\w-]+\.md\) \| (\w+) \|", index, re.MULTILINE))

    assert [page.stem for page in PAGES] == sorted(map(kebab, ALERTS))
    assert rows == {name: alert["labels"]["severity"] for name, alert in ALERTS.items()}


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_runbook_has_its_shape(name):
    """Each page has the same headings in the same order, and none of them is empty."""
    page = (RUNBOOKS / f"{kebab(name)}.md").read_text("utf-8")
    title, *parts = re.split(r"^## ", page, flags=re.MULTILINE)

    assert title.startswith(f"# {name}\n")
    assert f"Severity: {ALERTS[name]['labels']['severity']}." in title
    assert [part.partition("\n")[0] for part in parts] == HEADINGS
    assert [part for part in parts if not part.partition("\n")[2].strip()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_runbook_names_commands_that_exist(page):
    """Every `syncline …` on a page is a command of the command line, and its options are options of that command."""
    text = page.read_text("utf-8")
    lines = re.findall(r"`(syncline [^`\n]+)`|^ *(syncline [^\n#]+)", text, re.MULTILINE)

    assert lines
    for line in lines:
        words = next(filter(None, line)).split()[1:]
        command: click.Command = cli
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        assert not isinstance(command, click.Group), line
        options = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert [word for word in words if word.startswith("--") and word not in options] == [], line


def runbook_queries(page: Path) -> list[str]:
    """The PromQL on a page: one query a line."""
    blocks = re.findall(r"```promql\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.usefixtures("_promtool")
def test_runbooks_ask_for_what_exists(tmp_path):
    """The PromQL on every page parses, and names metrics and labels that there are."""
    queries = [(page.stem, query) for page in PAGES for query in runbook_queries(page)]

    assert len(queries) > len(PAGES)
    assert [
        (page, named_in(query) - known_metrics())
        for page, query in queries
        if named_in(query) - known_metrics()
    ] == []
    assert [(page, wrong_labels(query)) for page, query in queries if wrong_labels(query)] == []
    assert why_not_parsed([query for _, query in queries], tmp_path) == ""


def why_not_parsed(expressions: list[str], folder: Path) -> str:
    """What promtool says of expressions that do not parse; empty where all do."""
    rules = [{"record": f"parsed:{number}", "expr": each} for number, each in enumerate(expressions)]
    file = folder / "parsed.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "parsed", "rules": rules}]}))
    told = promtool("check", "rules", "--lint=none", str(file))
    return "" if told.returncode == 0 else told.stdout + told.stderr


def test_metrics_of_an_expression_are_found():
    """What holds rules and dashboards to the metrics does see each name, and takes no word of PromQL for one."""
    expression = """
      max by (topic) (last_over_time(a:b:c{x="d{e", y=~"f|g"}[6h] offset 5m)) * 1e3 > bool 0.5
      and on (job) group_left (z) (h_total unless on () label_replace(i, "cause", "j", "", ""))
    """

    assert named_in(expression) == {"a:b:c", "h_total", "i"}
    assert labels_of(expression) == [("a:b:c", "x"), ("a:b:c", "y")]
    assert wrong_labels('syncline_epoch{topic="x", bundle="y"}') == [("syncline_epoch", "topic")]
