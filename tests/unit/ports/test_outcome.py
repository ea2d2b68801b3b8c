"""What became of one append."""

from __future__ import annotations

import pytest

from syncline.ports.log import Outcome, OutcomeKind


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind is not OutcomeKind.ACKNOWLEDGED])
def test_only_what_was_acknowledged_is_no_trouble(kind: OutcomeKind) -> None:
    """P1: an append that is not known to be in the log always says why, if only by its kind."""
    assert Outcome(OutcomeKind.ACKNOWLEDGED, "t", reason="late").trouble is None
    assert Outcome(kind, "t", reason="the queue is full").trouble == "the queue is full"
    assert Outcome(kind, "t").trouble == str(kind)
