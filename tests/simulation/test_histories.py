"""Random histories of the whole protocol over the shipped pure code."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import planted
from tests.simulation.histories import History
from tests.simulation.shortening import run

SEEDS = 2_000
A_TIME = 125


@pytest.mark.untraced
@pytest.mark.parametrize("first", range(0, SEEDS, A_TIME))
def test_every_promise_holds_in_every_history(first):
    """P2, P3, P4, P6, P8, P9: at every step; and when faults are over, every cohort stands at one decision (P10)."""
    _run_all(range(first, first + A_TIME))


@pytest.mark.untraced
def test_the_histories_are_about_something():
    """What is never simulated is never shown: cuts, aborts, Immediates, give-ups, snapshots, trimmed heads."""
    seen = dict.fromkeys(
        (
            "committed",
            "aborted",
            "immediate",
            "final",
            "rolled back",
            "given up",
            "restored",
            "trimmed",
            "void",
        ),
        0,
    )
    for seed in range(120):
        history = History(seed)
        history.run()
        standing = history.world.picture.coordination
        for cut in standing.cuts.values():
            seen[cut.state] += 1
        for rulings in standing.rulings.values():
            seen["immediate"] += sum(ruling.cut is None for ruling in rulings)
        for rollouts in standing.rollouts.values():
            for rollout in rollouts:
                if rollout.outcome is not None and rollout.rulings:
                    seen[str(rollout.outcome).replace("_", " ")] += 1
        promises = history.world.promises
        seen["given up"] += len(promises.given_up)
        seen["restored"] += len(promises.began_above)
        seen["void"] += len(history.world.picture.void)
        seen["trimmed"] += any(
            state.head_trimmed for agent in history.world.agents for state in agent.states.values()
        )
    assert all(count >= 5 for count in seen.values()), seen


def test_a_history_is_the_same_again():
    """A seed names a history: what failed once fails again."""
    histories = [History(7), History(7)]
    for history in histories:
        history.run()
    first, second = histories
    assert first.world.story() == second.world.story()
    assert len(first.world.story()) > 50


def test_a_failing_history_is_told_briefly():
    """Whoever meets one gets its seed, the promise, and the steps that it takes."""
    with planted("a late commit is enacted at once"), pytest.raises(AssertionError) as raised:
        _run_all(range(20))
    told = str(raised.value)
    assert "BrokenPromise: P4" in told
    assert " of 130 steps) ends with: P4" in told
    assert f"run({told.split()[1].rstrip(':')})" in told


def _run_all(seeds):
    for seed in seeds:
        run(seed)
