"""Violations counted by windows, and their way into a report."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.contracts.checks.tally import Action, Tally
from syncline.errors import LogError, UnknownFormat, Violation
from syncline.telemetry.reports import decode_report, encode_report
from syncline.telemetry.violation_reports import OnAnswer, ViolationReports
from syncline.telemetry.violations import (
    AGENT,
    ENTRIES_MAX,
    OTHER,
    PUBLISHER,
    WAITING_MAX,
    Reporter,
    RuleCount,
    ViewCounts,
    ViolationCounts,
    ViolationWindows,
)
from syncline.wire.single_object import Format

ROOT = Path(__file__).parents[3]
JOB = Reporter(PUBLISHER, "job")
MINUTE_US = 60_000_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
LONGS = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.builds(
    ViolationCounts,
    reporter=st.builds(Reporter, st.sampled_from([PUBLISHER, AGENT]), TEXTS, TEXTS),
    window_start_us=LONGS,
    window_end_us=LONGS,
    views=st.lists(
        st.builds(
            ViewCounts,
            TEXTS,
            LONGS,
            LONGS,
            st.lists(st.builds(RuleCount, TEXTS, TEXTS, TEXTS, LONGS), max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)


def broken(*rules: tuple[str, str], version: str = "delay@1.0", action: Action = Action.OBSERVED) -> Tally:
    """One row that was judged and broke these (feature, rule)."""
    tally = Tally()
    tally.add_judged(version, 1)
    tally.add_broken(version, [Violation(feature, rule, "", "") for feature, rule in rules], action)
    return tally


def drained(windows: ViolationWindows, now_us: int) -> list[ViolationCounts]:
    """Every finished window, in order."""
    found = []
    while (counts := windows.next_finished(now_us)) is not None:
        found.append(counts)
        windows.drop(counts)
    return found


@given(counts=COUNTS)
def test_counts_come_back(counts: ViolationCounts) -> None:
    """The one decoder tells kinds of reports apart by themselves."""
    assert decode_report(encode_report(counts)) == counts


def test_a_kind_that_only_a_newer_program_knows_is_said_to_be_one() -> None:
    """Readers skip it and count it, as any record that they cannot read."""
    newer = {"type": "record", "name": "New", "namespace": "syncline.reports", "fields": []}

    with pytest.raises(UnknownFormat, match="newer Syncline"):
        decode_report(Format(newer).encode({}))


def test_a_row_counts_once_for_each_rule_and_names_nothing_of_the_jobs() -> None:
    """A row that breaks a rule twice is one row; a name that the contract does not know could be an entity key."""
    tally = broken(("mean", "maximum"), ("mean", "maximum"), ("EWR", "unknown"), ("JFK", "unknown"))

    assert tally.broken == {"delay@1.0": 1}
    assert tally.violations == {
        ("delay@1.0", "mean", "maximum", "observed"): 1,
        ("delay@1.0", "", "unknown", "observed"): 1,
    }


def test_windows_are_aligned_to_the_clock() -> None:
    """Window n is [n·w, (n+1)·w): its first microsecond is in it, that of the next one is not."""
    windows = ViolationWindows(JOB, window_us=MINUTE_US)
    windows.add_kept("delay@1.0", 5, 7 * MINUTE_US)
    windows.add(broken(("mean", "maximum")), 8 * MINUTE_US - 1)
    assert windows.next_finished(8 * MINUTE_US - 1) is None
    windows.add_kept("delay@1.0", 2, 8 * MINUTE_US)

    (first,) = drained(windows, 8 * MINUTE_US)
    (second,) = drained(windows, 9 * MINUTE_US)

    rule = RuleCount("mean", "maximum", "observed", 1)
    assert first == ViolationCounts(
        JOB, 7 * MINUTE_US, 8 * MINUTE_US, (ViewCounts("delay@1.0", 6, 1, (rule,)),)
    )
    assert second == ViolationCounts(JOB, 8 * MINUTE_US, 9 * MINUTE_US, (ViewCounts("delay@1.0", 2, 0, ()),))


def test_a_window_in_which_nothing_was_judged_says_nothing() -> None:
    """Silence is told from health: rows that broke nothing are reported, no rows are not."""
    windows = ViolationWindows(JOB, window_us=MINUTE_US)
    windows.add(Tally(), 5)

    assert drained(windows, 100 * MINUTE_US) == []
    windows.end(100 * MINUTE_US)
    assert drained(windows, 100 * MINUTE_US) == []


def test_the_last_window_ends_when_its_reporter_does() -> None:
    """What was counted since the last full window is not lost."""
    windows = ViolationWindows(JOB, window_us=MINUTE_US)
    windows.add(broken(("mean", "maximum")), 7 * MINUTE_US + 1)
    windows.end(7 * MINUTE_US + 10)

    (last,) = drained(windows, 7 * MINUTE_US + 10)

    assert (last.window_start_us, last.window_end_us) == (7 * MINUTE_US, 7 * MINUTE_US + 10)


def test_a_clock_that_is_put_back_loses_nothing() -> None:
    """The window at hand ends, and an earlier one is counted anew: whoever reads adds up."""
    windows = ViolationWindows(JOB, window_us=MINUTE_US)
    for now_us in (70 * MINUTE_US, 10 * MINUTE_US, 70 * MINUTE_US):
        windows.add_kept("delay@1.0", 1, now_us)

    found = drained(windows, 71 * MINUTE_US)

    assert [counts.window_start_us // MINUTE_US for counts in found] == [70, 10, 70]
    assert sum(counts.views[0].rows_judged for counts in found) == 3


@given(
    steps=st.lists(
        st.tuples(
            st.integers(-5, 70),
            st.sampled_from(["a@1.0", "b@1.0"]),
            st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from(["null", "enum"])), max_size=3),
            st.sampled_from(list(Action)),
        ),
        max_size=30,
    )
)
def test_all_windows_together_are_all_that_was_counted(
    steps: list[tuple[int, str, list[tuple[str, str]], Action]],
) -> None:
    """Whatever the clock does, no row and no broken rule is lost or counted twice."""
    windows, whole, now_us = ViolationWindows(JOB, window_us=50), Tally(), 1_000
    for step, version, rules, action in steps:
        now_us += step
        if not rules:
            windows.add_kept(version, 1, now_us)
            whole.add_judged(version, 1)
            continue
        row = broken(*rules, version=version, action=action)
        windows.add(row, now_us)
        whole.judged += row.judged
        whole.broken += row.broken
        whole.violations += row.violations
    windows.end(now_us)

    found = Tally()
    for counts in drained(windows, now_us):
        assert counts.window_start_us <= counts.window_end_us <= counts.window_start_us + 50
        for view in counts.views:
            found.judged[view.view_version] += view.rows_judged
            found.broken[view.view_version] += view.rows_broken
            for each in view.violations:
                found.violations[view.view_version, each.feature, each.rule, each.action] += each.count
    assert (+found.judged, +found.broken, +found.violations) == (whole.judged, whole.broken, whole.violations)


def test_a_window_is_bounded_and_what_is_beyond_is_counted_together() -> None:
    """1,000 entries, and one for the rest: memory and reports stay small, and the sum stays true."""
    windows = ViolationWindows(JOB, window_us=MINUTE_US)
    for number in range(ENTRIES_MAX + 500):
        windows.add(broken((f"f{number}", "maximum")), 5)
    windows.add(broken(("f3", "maximum")), 5)

    (counts,) = drained(windows, MINUTE_US)

    entries = {view.view_version: view.violations for view in counts.views}
    assert len(entries["delay@1.0"]) == ENTRIES_MAX
    assert entries[OTHER] == (RuleCount(OTHER, OTHER, OTHER, 500),)
    assert Counter(each.count for each in entries["delay@1.0"]) == {1: ENTRIES_MAX - 1, 2: 1}
    assert sum(view.rows_judged for view in counts.views) == ENTRIES_MAX + 501
    assert len(encode_report(counts)) < 100_000


class Desk:
    """A reports topic that takes, refuses or answers as a test likes."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.answers: list[OnAnswer] = []
        self.refusal: BaseException | None = None

    def append(self, key: bytes, value: bytes, on_answer: OnAnswer) -> None:
        """See `ViolationReports`."""
        assert key == b"job"
        if self.refusal is not None:
            raise self.refusal
        self.taken.append(value)
        self.answers.append(on_answer)


def reports_to(desk: Desk, said: list[str]) -> ViolationReports:
    """Reports of windows of a second."""
    return ViolationReports(JOB, window_s=1.0, append=desk.append, on_trouble=said.append)


def test_a_full_queue_delays_reports_and_loses_none() -> None:
    """Counts wait for room; they are sent once, oldest first."""
    desk, said = Desk(), []
    reports = reports_to(desk, said)
    desk.refusal = BufferError("the queue is full")
    for second in (1, 2):
        reports.count_kept("delay@1.0", second, second * 1_000_000)
        assert reports.send((second + 1) * 1_000_000) == 0
    desk.refusal = None

    assert reports.send(3_000_000) == 2
    assert reports.send(9_000_000) == 0
    found = [decode_report(value) for value in desk.taken]
    assert [each.views[0].rows_judged for each in found if isinstance(each, ViolationCounts)] == [1, 2]
    assert said == []


def test_a_queue_that_stays_full_costs_bounded_memory() -> None:
    """The oldest windows are given up."""
    desk, said = Desk(), []
    reports = reports_to(desk, said)
    desk.refusal = BufferError("the queue is full")
    for second in range(WAITING_MAX + 7):
        reports.count_kept("delay@1.0", 1, second * 1_000_000)
        reports.send(second * 1_000_000)
    desk.refusal = None

    assert reports.send(1_000_000_000) == WAITING_MAX


@pytest.mark.parametrize("refusal", [LogError("denied"), ValueError("what?")])
def test_nothing_is_raised_for_a_report_and_its_loss_is_told_once(refusal: Exception) -> None:
    """Reporting must not stop what it reports of; a reason is told again only after a report was taken."""
    desk, said = Desk(), []
    reports = reports_to(desk, said)
    desk.refusal = refusal
    for second in range(5):
        reports.count_kept("delay@1.0", 1, second * 1_000_000)
        reports.send(second * 1_000_000)
    assert said == [str(refusal)]
    assert reports.trouble == str(refusal)

    desk.refusal = None
    reports.end(5_000_000)
    desk.answers[-1](None)
    assert reports.trouble == ""
    desk.answers[-1]("gone")
    assert said == [str(refusal), "gone"]


@pytest.mark.parametrize("file", sorted(path.stem for path in (ROOT / "schemas/reports").glob("*.avsc")))
def test_the_tables_of_reports_are_the_schemas(file: str) -> None:
    """docs/reference/reports.md names every field of every record, and no other."""
    schema = json.loads((ROOT / f"schemas/reports/{file}.avsc").read_text("utf-8"))
    page = (ROOT / "docs/reference/reports.md").read_text("utf-8")

    def fields(record: dict[str, object], path: str) -> set[str]:
        found = set()
        members = record["fields"]
        assert isinstance(members, list)
        for member in members:
            kind = member["type"]
            found.add(f"{path}{member['name']}")
            if isinstance(kind, dict) and kind["type"] == "array" and isinstance(kind["items"], dict):
                found |= fields(kind["items"], f"{path}{member['name']}[].")
        return found

    table = page.split(f"## {schema['name']}\n")[1].split("| field |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == fields(schema, "")


def test_the_page_on_reports_names_every_action() -> None:
    """docs/reference/reports.md says what each action means."""
    page = (ROOT / "docs/reference/reports.md").read_text("utf-8")
    table = page.split("| action |")[1].split("\n\n")[0]

    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == [str(action) for action in Action]
