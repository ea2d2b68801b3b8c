"""Which updates are traced: the share, the cap, and what is said of those that were not."""

from __future__ import annotations

import itertools
import math
import random
import sys
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.telemetry.sampling import _STRETCH_MAX as STRETCH
from syncline.telemetry.sampling import Budget, RowSampler

INFINITE = math.inf
STEPS_S = st.lists(st.floats(0, 2, allow_nan=False), max_size=60)
BATCHES = st.lists(st.integers(0, 60), max_size=60)


def sampler(share: float, cap_per_s: float = INFINITE, *, seed: int = 1) -> tuple[RowSampler, list[int]]:
    """A sampler whose chance is repeatable, and what it says was over the cap."""
    capped: list[int] = []
    chance = random.Random(seed).random
    return RowSampler(share, cap_per_s, chance=chance, on_capped=capped.append), capped


def picked(found: RowSampler, batches: Sequence[int]) -> list[int]:
    """The numbers of the rows that are picked, counted over all batches."""
    rows, first = [], 0
    for count in batches:
        rows += [first + row for row in found.pick(count, 0.0)]
        first += count
    return rows


# The cap.


@given(per_s=st.floats(0, 100, allow_nan=False), steps_s=STEPS_S, wanted=st.integers(1, 30))
def test_in_no_window_is_more_granted_than_its_seconds_and_one_second_at_once(
    per_s: float, steps_s: list[float], wanted: int
) -> None:
    """Over any stretch of time the cap holds, but for the one second's worth that may be had at once."""
    budget = Budget(per_s)
    grants = [(now_s, budget.take(now_s, wanted)) for now_s in itertools.accumulate(steps_s)]

    burst = max(1.0, per_s) if per_s > 0 else 0.0
    for first, (began_s, _) in enumerate(grants):
        total = 0
        for now_s, granted in grants[first:]:
            total += granted
            assert total <= burst + (now_s - began_s) * per_s + 1e-6


@given(per_s=st.floats(0.1, 100), steps_s=STEPS_S, asked=st.integers(0, 30))
def test_what_is_allowed_is_granted_and_what_is_not_allowed_is_not(
    per_s: float, steps_s: list[float], asked: int
) -> None:
    """`allows` takes nothing, and says what `take` would do."""
    budget = Budget(per_s)
    for now_s in itertools.accumulate(steps_s):
        allowed = budget.allows(now_s)
        assert budget.allows(now_s) == allowed
        granted = budget.take(now_s, asked)
        assert 0 <= granted <= asked
        assert allowed or granted == 0
        assert granted or not allowed or not asked


def test_a_cap_below_one_grants_one_and_then_waits() -> None:
    """One in four seconds is one in four seconds, and not none for ever."""
    budget = Budget(0.25)

    assert [budget.take(now_s) for now_s in (0.0, 1.0, 3.9, 4.1, 5.0, 8.2)] == [1, 0, 0, 1, 0, 1]


def test_nothing_is_nothing_and_infinity_has_no_end() -> None:
    """The ends of the setting's range."""
    assert [Budget(0.0).take(now_s, 5) for now_s in (0.0, 1.0, 1e9)] == [0, 0, 0]
    assert not Budget(0.0).allows(1e9)
    assert Budget(INFINITE).take(0.0, 10**9) == 10**9
    assert Budget(INFINITE).allows(0.0)


def test_a_long_silence_saves_up_no_more_than_a_second() -> None:
    """After a night without updates the morning's first second is no flood."""
    budget = Budget(50)

    assert budget.take(0.0, 1_000) == 50
    assert budget.take(86_400.0, 1_000) == 50


def test_threads_whose_times_come_out_of_order_are_granted_no_more() -> None:
    """Each thread reads the clock before it waits for the lock: a millisecond backwards is everyday."""
    budget = Budget(50)
    budget.take(10.0, 50)

    granted = 0
    for _ in range(1_000):
        granted += budget.take(9.99) + budget.take(10.0)

    assert granted <= 1


# The share.


@given(
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.9, 1.0]),
    batches=BATCHES,
    seed=st.integers(0, 1_000),
)
def test_rows_are_picked_the_same_however_they_come_in_batches(
    share: float, batches: list[int], seed: int
) -> None:
    """One row at a time, or all at once: the same rows are traced."""
    total = sum(batches)
    (whole, _), (apart, _), (single, _) = (sampler(share, seed=seed) for _ in range(3))

    expected = picked(whole, [total])

    assert picked(apart, batches) == expected
    assert picked(single, [1] * total) == expected
    assert expected == sorted(set(expected))
    assert all(0 <= row < total for row in expected)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_the_share_is_met(share: float, batch: int) -> None:
    """Within five standard deviations, whatever the size of batches."""
    rows = 200_000 if batch > 1 else 50_000
    found, _ = sampler(share, seed=batch)

    count = len(picked(found, [batch] * (rows // batch)))

    total = rows // batch * batch
    assert abs(count - total * share) <= 5 * math.sqrt(total * share * (1 - share))


def test_each_place_in_a_batch_has_the_same_chance() -> None:
    """No key that always comes first in its batch is traced more than others."""
    found, _ = sampler(0.1, seed=3)
    places = [0] * 20
    for _ in range(20_000):
        for row in found.pick(20, 0.0):
            places[row] += 1

    # 20,000 times 0.1 = 2,000 each, with a standard deviation of 42.
    assert max(places) - min(places) < 400
    assert all(1_780 < count < 2_220 for count in places), places


def test_all_and_none() -> None:
    """The ends of the share's range, at which no chance is asked."""
    assert picked(sampler(1.0)[0], [3, 0, 2]) == [0, 1, 2, 3, 4]
    assert picked(sampler(0.0)[0], [1_000_000] * 3) == []


@given(share=st.just(0.0) | st.floats(1e-300, 1), chance=st.floats(0, 1, exclude_max=True))
def test_no_share_and_no_chance_is_an_error(share: float, chance: float) -> None:
    """A setting of 1e-300 is foolish, and must not end a job."""
    found = RowSampler(share, 50, chance=lambda: chance)

    assert len(found.pick(10, 0.0)) <= 10


def test_the_smallest_share_there_is_is_none() -> None:
    """The settings take it."""
    found = RowSampler(5e-324, 50, chance=lambda: 0.5)

    assert found.pick(10, 0.0) == ()


# Both.


@given(
    share=st.sampled_from([0.05, 0.5, 1.0]),
    cap=st.sampled_from([0.0, 0.5, 3.0, 50.0]),
    batches=st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1.5)), max_size=40),
)
def test_the_cap_holds_over_any_batching_and_what_is_over_it_is_told(
    share: float, cap: float, batches: list[tuple[int, float]]
) -> None:
    """No more rows than the cap in any window; every row that was due and not picked is accounted for, roughly."""
    found, capped = sampler(share, cap)
    now_s, picks = 0.0, []
    for count, wait_s in batches:
        now_s += wait_s
        rows = found.pick(count, now_s)
        picks.append((now_s, len(rows)))
        if share == 1.0:
            came = sum(count for count, _ in batches[: len(picks)])
            # Those that pass together are told when they have passed.
            assert 0 <= came - sum(count for _, count in picks) - sum(capped) < STRETCH

    burst = max(1.0, cap) if cap else 0.0
    for first, (began_s, _) in enumerate(picks):
        total = 0
        for at_s, count in picks[first:]:
            total += count
            assert total <= burst + (at_s - began_s) * cap + 1e-6
    assert all(count > 0 for count in capped)


def test_the_count_of_what_was_dropped_is_about_right() -> None:
    """What is over the cap is reckoned, not drawn: over many batches it adds up to what the share would have had."""
    found, capped = sampler(0.1, 10.0, seed=5)

    traced = sum(len(found.pick(1_000, second / 10)) for second in range(1_000))

    assert traced <= 10 + 100 * 10
    assert traced > 900
    assert abs(traced + sum(capped) - 100_000) < 5_000


@given(share=st.sampled_from([0.1, 0.5, 1.0]), count=st.integers(0, 50), passed=st.integers(0, 50))
def test_is_due_says_what_pick_will_do_and_changes_nothing(share: float, count: int, passed: int) -> None:
    """A step is traced where one of its updates will be."""
    found, _ = sampler(share, seed=passed)
    found.pick(passed, 0.0)

    due = found.is_due(count, 0.0)

    assert found.is_due(count, 0.0) == due
    assert bool(found.pick(count, 0.0)) == due


def test_one_that_comes_too_late_for_a_row_leaves_the_next_one_its_place() -> None:
    """Two threads find the same row due; the second one has passed the row by, and nothing more."""
    found, _ = sampler(0.01)
    found._ahead = 0
    assert found._picked(1, 0.0) == [0]
    ahead = found._ahead

    assert found._picked(1, 0.0) == []

    assert found._ahead == ahead - 1


def test_over_the_cap_nothing_is_due() -> None:
    """A step whose updates could not be traced is not begun."""
    found, _ = sampler(1.0, 2.0)
    assert found.is_due(1, 0.0)

    assert len(found.pick(9, 0.0)) == 2

    assert not found.is_due(1, 0.0)
    assert not found.is_due(1, 0.4)
    assert found.is_due(1, 0.6)


def test_others_choices_come_out_of_the_same_budget() -> None:
    """An agent traces what publishers chose, up to its cap; what is over it is told."""
    found, capped = sampler(0.0, 5.0)

    assert [found.take(0.0, 3), found.take(0.0, 3), found.take(0.0, 3), found.take(1.0, 9)] == [3, 2, 0, 5]
    assert capped == [1, 3, 4]


def test_threads_together_stay_under_the_cap() -> None:
    """A publisher is used by several threads; the cap is the process's."""
    found, capped = sampler(1.0, 50.0)
    counts: list[int] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work() -> None:
        counts.append(sum(len(found.pick(1, 0.0)) for _ in range(2_000)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)

    assert sum(counts) == 50
    # One row more or less of each thread, and of each that pass together.
    assert abs(4 * 2_000 - 50 - sum(capped)) < 4 * STRETCH
