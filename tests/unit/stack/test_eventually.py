"""Asking until an answer holds."""

from __future__ import annotations

import pytest

from tests.stack.eventually import eventually


def test_gives_the_first_answer_that_holds():
    """Answers that do not hold are asked again, and nothing is asked after the one that does."""
    answers = iter([0, 1, 5, 9])

    assert eventually(lambda: next(answers), lambda answer: answer > 1) == 5
    assert next(answers) == 9


def test_asks_at_least_once():
    """Without any time it still takes an answer that holds."""
    assert eventually(lambda: "here", timeout_s=0) == "here"


def test_tells_the_last_answer():
    """What never holds is an error that says what it was in the end."""
    with pytest.raises(TimeoutError, match=r"not within 0 s; the last answer was \[\]"):
        eventually(list, timeout_s=0)
