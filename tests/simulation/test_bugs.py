"""The simulation is worth something: it catches every bug that is planted into what it runs on."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS, planted
from tests.simulation.directed import DIRECTED
from tests.simulation.histories import History
from tests.simulation.promises import BrokenPromise

SEEDS = 400
"""How many histories a bug may take until it is caught."""


@pytest.mark.untraced
@pytest.mark.parametrize("name", [name for name in BUGS if name not in DIRECTED])
def test_random_histories_catch(name):
    """A planted bug breaks a promise within so many random histories."""
    with planted(name), pytest.raises(BrokenPromise):
        _search()


@pytest.mark.parametrize("name", DIRECTED)
def test_a_directed_history_catches(name):
    """What random search seldom meets has a history of its own; without the bug it comes to a good end."""
    DIRECTED[name]()
    with planted(name), pytest.raises(AssertionError):
        DIRECTED[name]()


def _search():
    for seed in range(SEEDS):
        History(seed).run()
