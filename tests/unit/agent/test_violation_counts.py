"""What an agent does with rows that break a rule, in each form of `onViolation`, and what it reports of them."""

from __future__ import annotations

from collections import Counter

import pytest

from syncline.adapters.memory.log import MemoryWriter
from syncline.errors import TopicMissing
from syncline.ports.log import OutcomeKind
from syncline.state.cell import unpack_cell
from syncline.telemetry.violations import AGENT, Reporter, ViolationCounts
from tests.unit.agent.world import NOW_MS, REPORTS, Cluster, Host, many, registration
from tests.unit.state.world import MINUTE_MS, Record, Version, delete, heartbeat, marker

NOW_US = NOW_MS * 1_000
STATED = {"late_arrival": "10 min"}
FORMS = {name: Version.make(7, on_violation=name, **STATED) for name in ("deadLetter", "observe", "halt")}
VIEW = FORMS["deadLetter"]
TOPIC = VIEW.contract.topic
NAMED = "delay@1.0"
UNNAMED = "delay@1"
LATE_US = NOW_US - 11 * MINUTE_MS * 1_000
AHEAD_US = NOW_US + 6 * MINUTE_MS * 1_000


def counted(cluster: Cluster) -> tuple[Counter[str], Counter[str], Counter[tuple[str, str, str, str]]]:
    """Rows judged, rows broken by view version, and (version, feature, rule, action) → count, over all windows."""
    judged, broken, rules = Counter[str](), Counter[str](), Counter[tuple[str, str, str, str]]()
    for report in cluster.all_reports():
        if isinstance(report, ViolationCounts):
            assert report.reporter == Reporter(AGENT, "model/a", "model")
            for view in report.views:
                judged[view.view_version] += view.rows_judged
                broken[view.view_version] += view.rows_broken
                for each in view.violations:
                    rules[view.view_version, each.feature, each.rule, each.action] += each.count
    return judged, broken, rules


def stopped(host: Host) -> None:
    """The agent, told to stop."""
    host.stopping = True
    host.agent.run()


def served(host: Host) -> dict[bytes, int]:
    """Entity key → offset of the record that its cell holds."""
    with host.store.snapshot() as snapshot:
        return {key: unpack_cell(key, packed).offset for key, packed in snapshot.scan(TOPIC, 0)}


def mixture(version: Version) -> list[Record]:
    """Good rows, rows that break one or several feature rules, faults of time, key and framing, and deletes."""
    return [
        version.record("A", at_us=NOW_US),
        version.record("B", at_us=NOW_US, mean=101),
        version.record("C", at_us=NOW_US, mean=-101, count=1_001),
        version.record("D", at_us=LATE_US, ms=NOW_MS, mean=101),
        version.record("E", at_us=AHEAD_US, ms=NOW_MS),
        Record(b"other", version.record("F", at_us=NOW_US, mean=101).value, NOW_MS),
        Record(b"G", b"junk!", NOW_MS),
        delete("H", at_us=NOW_US),
        delete("I", at_us=LATE_US, ms=NOW_MS),
        heartbeat(ms=NOW_MS),
        marker(0, ms=NOW_MS),
        version.record("J", at_us=NOW_US),
    ]


def test_dead_letters_take_every_broken_row_and_count_every_rule() -> None:
    """`deadLetter`: a row that breaks several rules is one letter and one row, and counts under each rule."""
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, mixture(VIEW))
    host = Host(cluster)
    assert host.settle().state == "LIVE"
    stopped(host)

    assert served(host) == {b"A": 0, b"H": 7, b"J": 11}
    assert [letter.offset for letter in cluster.letters(VIEW)] == [1, 2, 3, 4, 5, 6, 8]
    judged, broken, rules = counted(cluster)
    assert judged == {NAMED: 7, UNNAMED: 3}
    assert broken == {NAMED: 5, UNNAMED: 2}
    assert rules == {
        (NAMED, "mean", "maximum", "deadLettered"): 3,
        (NAMED, "mean", "minimum", "deadLettered"): 1,
        (NAMED, "count", "maximum", "deadLettered"): 1,
        (NAMED, "event_time", "late", "deadLettered"): 1,
        (NAMED, "event_time", "ahead", "deadLettered"): 1,
        (NAMED, "", "key", "deadLettered"): 1,
        (UNNAMED, "", "framing", "deadLettered"): 1,
        (UNNAMED, "event_time", "late", "deadLettered"): 1,
    }


def test_observe_folds_rows_that_break_feature_rules_and_those_alone() -> None:
    """`observe`: late, ahead, key and framing faults are dead-lettered all the same, with every rule they break."""
    version = FORMS["observe"]
    cluster = Cluster.ready(version)
    cluster.put(TOPIC, mixture(version))
    host = Host(cluster)
    assert host.settle().state == "LIVE"
    stopped(host)

    assert served(host) == {b"A": 0, b"B": 1, b"C": 2, b"H": 7, b"J": 11}
    letters = {letter.offset: letter.reason for letter in cluster.letters(version)}
    assert {offset: reason.rule for offset, reason in letters.items()} == {
        3: "late",
        4: "ahead",
        5: "key",
        6: "framing",
        8: "late",
    }
    assert "mean: maximum: 101.0" in letters[3].message
    assert "mean: maximum: 101.0" in letters[5].message
    judged, broken, rules = counted(cluster)
    assert judged == {NAMED: 7, UNNAMED: 3}
    assert broken == {NAMED: 5, UNNAMED: 2}
    assert rules == {
        (NAMED, "mean", "maximum", "observed"): 1,
        (NAMED, "mean", "minimum", "observed"): 1,
        (NAMED, "count", "maximum", "observed"): 1,
        (NAMED, "mean", "maximum", "deadLettered"): 2,
        (NAMED, "event_time", "late", "deadLettered"): 1,
        (NAMED, "event_time", "ahead", "deadLettered"): 1,
        (NAMED, "", "key", "deadLettered"): 1,
        (UNNAMED, "", "framing", "deadLettered"): 1,
        (UNNAMED, "event_time", "late", "deadLettered"): 1,
    }


@pytest.mark.parametrize("flaw", range(1, 9))
def test_halt_holds_at_each_kind_of_fault_and_counts_it_once(flaw: int) -> None:
    """`halt`: feature rules, times, keys, framing and late deletes hold the partition there, however often asked."""
    version = FORMS["halt"]
    bad = mixture(version)[flaw]
    cluster = Cluster.ready(version)
    cluster.put(TOPIC, [*many(version, ["X"], 2), bad, *many(version, ["Y"], 2)])
    host = Host(cluster)
    status = host.settle()
    if flaw == 7:
        # The one delete among them that breaks nothing.
        assert (status.state, status.applied_rows) == ("LIVE", 5)
        return
    for minor in (1, 2):
        # Each decision of the catalog lets a held partition try again.
        cluster.decide(
            registration(Version.make(20 + minor, version=f"1.{minor}.0", on_violation="halt", **STATED))
        )
        status = host.settle()
    stopped(host)

    assert status.state == "HOLDING"
    assert (status.partitions[0].next_offset, cluster.letters(version)) == (2, [])
    assert served(host) == {b"X": 1}
    judged, broken, rules = counted(cluster)
    assert sum(judged.values()) == 3
    assert sum(broken.values()) == 1
    assert {action for _, _, _, action in rules} == {"halted"}
    assert max(rules.values()) == 1
    assert len(rules) == (2 if flaw in (2, 3, 5) else 1)


def test_nothing_is_counted_before_it_is_committed() -> None:
    """A batch that waits for its dead letters is judged again and again, and counted once."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    cluster.put(TOPIC, mixture(VIEW))
    cluster.log.fail_next_appends(30, OutcomeKind.FAILED)
    host.settle()
    stopped(host)

    judged, broken, _ = counted(cluster)

    assert (sum(judged.values()), sum(broken.values())) == (10, 7)


def test_each_window_is_reported_while_the_agent_works_on() -> None:
    """A window goes when it is over, also one in which nothing broke; one without rows says nothing."""
    cluster = Cluster.ready(VIEW)
    host = Host(cluster)
    host.settle()
    for _ in range(3):
        cluster.put(TOPIC, many(VIEW, ["EWR"], 5))
        host.settle()
        cluster.clock.advance(seconds=180)
        host.agent.step()

    found = [report for report in cluster.all_reports() if isinstance(report, ViolationCounts)]

    assert [(report.views[0].rows_judged, report.views[0].rows_broken) for report in found] == [(5, 0)] * 3
    assert all(report.window_end_us - report.window_start_us == 60_000_000 for report in found)


def test_counts_that_cannot_be_reported_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead letters and folding go on where the reports topic takes nothing."""
    append = MemoryWriter.append

    def refuse(writer: MemoryWriter, topic: str, **given: object) -> None:
        if topic == REPORTS:
            raise TopicMissing("there is no such topic")
        append(writer, topic, **given)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(MemoryWriter, "append", refuse)
    cluster = Cluster.ready(VIEW)
    cluster.put(TOPIC, mixture(VIEW))
    host = Host(cluster)
    status = host.settle()
    stopped(host)

    assert (status.state, status.partitions[0].next_offset, status.dead_letters) == ("LIVE", 12, 7)
    assert cluster.all_reports() == []
