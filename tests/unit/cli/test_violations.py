"""How violations are shown."""

from __future__ import annotations

import pytest

from syncline.cli.output import Output
from syncline.cli.violations import show_violations, violations_document
from syncline.inspection.violations import sum_up
from syncline.telemetry.violations import (
    AGENT,
    PUBLISHER,
    Reporter,
    RuleCount,
    ViewCounts,
    ViolationCounts,
)

START_US = 1_700_000_040_000_000
JOB, AGENT_A = Reporter(PUBLISHER, "job"), Reporter(AGENT, "model/a", "model")


def window(reporter: Reporter, judged: int, *rules: RuleCount, start_us: int = START_US) -> ViolationCounts:
    """A minute of one view."""
    broken = max((rule.count for rule in rules), default=0)
    return ViolationCounts(
        reporter, start_us, start_us + 60_000_000, (ViewCounts("delay@1.3", judged, broken, rules),)
    )


def shown(
    capsys: pytest.CaptureFixture[str], *windows: ViolationCounts, looked_from_us: int | None = None
) -> str:
    """What people see."""
    show_violations(sum_up(windows), Output("text"), looked_from_us=looked_from_us)
    return capsys.readouterr().out


def test_each_rule_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Feature, rule, action, rows, share, last window and who counted."""
    out = shown(
        capsys,
        window(JOB, 1_000, RuleCount("mean", "maximum", "observed", 25)),
        window(AGENT_A, 100_000, RuleCount("", "cel:order", "deadLettered", 1)),
    )

    heading, *table = out.splitlines()[1:]
    assert heading == (
        "Violations since 2023-11-14T22:14:00Z, where publishers judged 1,000 rows, agents of model judged "
        "100,000 rows:"
    )
    assert table == [
        "feature         rule       action        rows   share  last                  counted by",
        "delay@1.3:mean  maximum    observed        25   2.50%  2023-11-14T22:15:00Z  job",
        "delay@1.3       cel:order  deadLettered     1  <0.01%  2023-11-14T22:15:00Z  model/a",
    ]


def test_no_violations_are_one_line_that_says_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    """Health is said with the rows that it stands on."""
    assert (
        shown(capsys, window(JOB, 5))
        == "\nNo violations since 2023-11-14T22:14:00Z: publishers judged 5 rows.\n"
    )


def test_silence_is_told_from_health(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody reported anything, nothing is claimed."""
    assert shown(capsys) == "\nNo counts of violations were reported so far.\n"
    assert shown(capsys, looked_from_us=START_US) == (
        "\nNo counts of violations were reported since 2023-11-14T22:14:00Z.\n"
    )


def test_times_and_names_of_others_do_no_harm(capsys: pytest.CaptureFixture[str]) -> None:
    """Anyone can write to the topic: times beyond any calendar, names that steer a terminal, many reporters."""
    evil = RuleCount("\x1b[2J", "maximum", "observed", 1)
    jobs = [window(Reporter(PUBLISHER, f"job{number}"), 1, evil, start_us=2**62) for number in range(9)]

    out = shown(capsys, *jobs)

    assert "\x1b" not in out
    assert f"{2**62 - 2**62 % 1_000_000}" in out
    assert "job0, job1, job2 and 6 more" in out


def test_the_document_has_it_all() -> None:
    """JSON: judged rows by view version and side, and every rule with its newest window."""
    document = violations_document(sum_up([window(JOB, 40, RuleCount("mean", "maximum", "raised", 10))]))

    assert document == {
        "since_us": START_US,
        "views": [
            {
                "view_version": "delay@1.3",
                "consumer": None,
                "rows_judged": 40,
                "rows_broken": 10,
                "reporters": ["job"],
            }
        ],
        "rules": [
            {
                "view_version": "delay@1.3",
                "feature": "mean",
                "rule": "maximum",
                "action": "raised",
                "consumer": None,
                "count": 10,
                "rows_judged": 40,
                "share": 0.25,
                "reporters": ["job"],
                "newest_window": {"start_us": START_US, "end_us": START_US + 60_000_000},
            }
        ],
    }


def test_many_broken_rules_leave_the_fleet_in_sight(capsys: pytest.CaptureFixture[str]) -> None:
    """The twenty with most rows are shown, and how many are left out is said; JSON has all."""
    rules = [RuleCount(f"f{number:02}", "maximum", "observed", 100 - number) for number in range(23)]

    out = shown(capsys, window(JOB, 1_000, *rules)).splitlines()

    assert "f00" in out[3]
    assert "f19" in out[22]
    assert out[23:] == ["3 more with fewer rows are not shown; --output json has all."]
    assert len(violations_document(sum_up([window(JOB, 1_000, *rules)]))["rules"]) == 23
