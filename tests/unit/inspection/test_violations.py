"""Violations over all windows: publishers add up, replicas do not."""

from __future__ import annotations

from syncline.adapters.memory.log import MemoryLog
from syncline.clock import ManualClock
from syncline.inspection.fleet import read_reports
from syncline.inspection.violations import Broken, RuleSummary, ViewSummary, sum_up
from syncline.ports.log import TopicSpec
from syncline.telemetry.reports import encode_report
from syncline.telemetry.violations import (
    AGENT,
    PUBLISHER,
    Reporter,
    RuleCount,
    ViewCounts,
    ViolationCounts,
)
from syncline.wire.single_object import Format

MEAN = Broken("delay@1.0", "mean", "maximum", "observed")


def window(
    reporter: Reporter, start: int, judged: int, broken: int, action: str = "observed"
) -> ViolationCounts:
    """A window of ten microseconds in which `broken` of the judged rows broke the one rule."""
    rules = (RuleCount("mean", "maximum", action, broken),) if broken else ()
    return ViolationCounts(reporter, start, start + 10, (ViewCounts("delay@1.0", judged, broken, rules),))


JOBS = Reporter(PUBLISHER, "job"), Reporter(PUBLISHER, "other")
AGENTS = Reporter(AGENT, "model/a", "model"), Reporter(AGENT, "model/b", "model")
RIVAL = Reporter(AGENT, "rival/a", "rival")


def test_publishers_are_added_up() -> None:
    """Each row has one publisher: counts, judged rows and windows of all of them are summed."""
    found = sum_up([window(JOBS[0], 0, 100, 3), window(JOBS[0], 10, 50, 2), window(JOBS[1], 30, 50, 0)])

    assert found.since_us == 0
    assert found.views == (ViewSummary("delay@1.0", None, 200, 5, ("job", "other")),)
    assert found.rules == (RuleSummary(MEAN, None, 5, 200, ("job",), (10, 20)),)
    assert found.rules[0].share == 0.025


def test_of_a_consumers_agents_the_one_that_counted_most_stands() -> None:
    """Every replica judges every record: one that is behind or was killed must not lower the truth, nor double it."""
    found = sum_up(
        [
            window(AGENTS[0], 0, 100, 3),
            # The same rows, later, and in two windows.
            window(AGENTS[1], 10, 40, 1),
            window(AGENTS[1], 20, 20, 1),
            window(RIVAL, 0, 100, 3),
        ]
    )

    assert found.rules == (
        RuleSummary(MEAN, "model", 3, 100, ("model/a", "model/b"), (20, 30)),
        RuleSummary(MEAN, "rival", 3, 100, ("rival/a",), (0, 10)),
    )
    assert [(view.consumer, view.rows_judged) for view in found.views] == [("model", 100), ("rival", 100)]


def test_actions_and_sides_are_told_apart_and_the_most_frequent_comes_first() -> None:
    """What publishers observed and what agents dead-lettered of it are two lines."""
    found = sum_up([window(JOBS[0], 0, 10, 2), window(AGENTS[0], 0, 10, 5, "deadLettered")])

    assert [(rule.broken.action, rule.consumer, rule.count) for rule in found.rules] == [
        ("deadLettered", "model", 5),
        ("observed", None, 2),
    ]


def test_old_windows_and_other_consumers_are_left_out_when_asked() -> None:
    """`from_us` leaves out what ended by then, `consumer` the agents of others; publishers stay."""
    windows = [window(JOBS[0], 0, 10, 1), window(JOBS[0], 10, 10, 1), window(RIVAL, 10, 10, 1)]

    found = sum_up(windows, from_us=10, consumer="model")

    assert (found.since_us, [(rule.consumer, rule.count) for rule in found.rules]) == (10, [(None, 1)])


def test_without_windows_there_is_nothing_to_say() -> None:
    """No reports, or only of a kind of reporter that is not known: nothing, and no error."""
    for reports in ([], [window(Reporter("coordinator", "x"), 0, 5, 1)]):
        found = sum_up(reports)
        assert (found.since_us, found.views, found.rules) == (None, (), ())


def test_counts_that_make_no_sense_are_shown_and_not_believed() -> None:
    """The topic is anyone's to write: a share stays between 0 and 1."""
    found = sum_up([window(JOBS[0], 0, 0, 7)])

    assert found.rules[0].share == 1.0


def test_reports_of_all_kinds_are_read_and_the_others_counted() -> None:
    """Junk and kinds of a newer program are skipped, and said."""
    log = MemoryLog(ManualClock(0))
    log.create_topic(TopicSpec("reports", 2))
    newer = Format({"type": "record", "name": "New", "namespace": "syncline.reports", "fields": []})
    writer = log.writer(client_id="test")
    for value in (encode_report(window(JOBS[0], 0, 1, 1)), b"junk", newer.encode({}), None):
        writer.append("reports", key=b"k", value=value)
    writer.flush(1)

    found = read_reports(log, "reports", last=None)

    assert (found.agents, found.violations, found.skipped) == ([], [window(JOBS[0], 0, 1, 1)], 3)
