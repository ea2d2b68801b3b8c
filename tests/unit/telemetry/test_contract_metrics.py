"""How rows fared, as counters: they add up, and never fall."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from syncline.contracts.checks.tally import Action, Tally
from syncline.errors import Violation
from syncline.telemetry.contract_metrics import contract_samples
from syncline.telemetry.metrics import METRICS
from syncline.telemetry.violations import ENTRIES_MAX, OTHER, PUBLISHER, Reporter, ViolationWindows

CHECKS, VIOLATIONS = "syncline_contract_checks_total", "syncline_contract_violations_total"
VERSIONS = st.sampled_from(["delay@1.0", "delay@1.1", "wind@2", OTHER])
ROWS = st.lists(
    st.tuples(
        VERSIONS,
        st.integers(1, 20),
        st.lists(st.tuples(st.sampled_from(list(Action)), st.sampled_from(["mean", "count"])), max_size=5),
    ),
    max_size=12,
)


def samples(tally: Tally) -> dict[tuple[str, tuple[str, ...]], float]:
    """What is exposed; each series once."""
    found = list(contract_samples(tally))
    assert all(len(labels) == len(METRICS[name].labels) for name, labels, _ in found)
    counted = Counter((name, labels) for name, labels, _ in found)
    assert max(counted.values(), default=1) == 1, counted
    return {(name, labels): value for name, labels, value in found}


def violation(feature: str = "mean", rule: str = "maximum") -> Violation:
    """One broken rule."""
    return Violation(feature, rule, "<= 1", "2")


def test_what_broke_nothing_passed() -> None:
    """Judged, less what was broken."""
    tally = Tally()
    tally.add_judged("delay@1.3", 10)
    tally.add_broken("delay@1.3", [violation()], Action.DEAD_LETTERED)
    tally.add_broken("delay@1.3", [violation(), violation("count", "minimum")], Action.OBSERVED)

    assert samples(tally) == {
        (CHECKS, ("delay", "1.3", "passed")): 8,
        (CHECKS, ("delay", "1.3", "dead_lettered")): 1,
        (CHECKS, ("delay", "1.3", "observed")): 1,
        (VIOLATIONS, ("delay", "mean", "maximum")): 2,
        (VIOLATIONS, ("delay", "count", "minimum")): 1,
    }


def test_each_action_has_its_word() -> None:
    """In snake case, as labels are."""
    tally = Tally()
    tally.add_judged("delay@1.3", 4)
    for action in Action:
        tally.add_broken("delay@1.3", [violation()], action)

    results = {labels[2] for name, labels in samples(tally) if name == CHECKS}

    assert results == {"passed", "raised", "dead_lettered", "observed", "halted"}


def test_violations_of_two_versions_are_added_up() -> None:
    """The view tells enough: a series less for each version there ever was."""
    tally = Tally()
    for version in ("delay@1.0", "delay@1.1"):
        tally.add_judged(version, 1)
        tally.add_broken(version, [violation()], Action.OBSERVED)

    assert samples(tally)[VIOLATIONS, ("delay", "mean", "maximum")] == 2


def test_a_row_that_halts_and_was_not_judged_makes_nothing_negative() -> None:
    """It is counted as broken before it is counted as judged."""
    tally = Tally()
    tally.add_broken("delay@1.0", [violation()], Action.HALTED)

    assert samples(tally) == {
        (CHECKS, ("delay", "1.0", "halted")): 1,
        (VIOLATIONS, ("delay", "mean", "maximum")): 1,
    }


@given(rows=ROWS)
def test_checks_add_up_to_what_was_judged_and_never_fall(
    rows: list[tuple[str, int, list[tuple[Action, str]]]],
) -> None:
    """A counter that fell would be taken for a restart."""
    windows = ViolationWindows(Reporter(PUBLISHER, "job"), window_us=1_000_000)
    before: dict[tuple[str, tuple[str, ...]], float] = {}
    judged: Counter[str] = Counter()
    for number, (version, count, broken) in enumerate(rows):
        tally = Tally()
        tally.add_judged(version, count + len(broken))
        for action, feature in broken:
            tally.add_broken(version, [violation(feature)], action)
        windows.add(tally, number * 100_000)
        judged[version] += count + len(broken)

        found = samples(windows.totals)

        assert all(found.get(series, -1) >= value for series, value in before.items())
        before = found
    by_version: Counter[str] = Counter()
    for (name, labels), value in before.items():
        if name == CHECKS:
            by_version["@".join(filter(None, labels[:2]))] += value
    assert by_version == judged


def test_series_are_bounded_whatever_a_job_hands_in() -> None:
    """A name of a feature comes from a contract; but contracts come and go for years."""
    windows = ViolationWindows(Reporter(PUBLISHER, "job"), window_us=1_000_000)
    for number in range(3 * ENTRIES_MAX):
        tally = Tally()
        tally.add_judged(f"v{number}@1.0", 1)
        tally.add_broken(f"v{number}@1.0", [violation(f"f{number}")], Action.OBSERVED)
        windows.add(tally, 0)

    assert len(samples(windows.totals)) <= 3 * (ENTRIES_MAX + 1)


def test_a_name_that_the_contract_does_not_know_is_no_label() -> None:
    """It is the job's own text, and may hold anything."""
    tally = Tally()
    tally.add_judged("delay@1.0", 1)
    tally.add_broken("delay@1.0", [violation("hunter2", "unknown")], Action.RAISED)

    assert not [labels for _, labels in samples(tally) if "hunter2" in labels]
