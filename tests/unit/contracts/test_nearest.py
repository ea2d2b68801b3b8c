"""What is proposed in place of an unknown name."""

from __future__ import annotations

import pytest

from syncline.contracts.nearest import close_to, nearest, nearest_word


@pytest.mark.parametrize(
    ("name", "known", "remedy"),
    [
        ("dep_dely", ["arr_delay", "dep_delay"], "Did you mean `dep_delay`?"),
        ("x", ["b", "a"], "Known are: a, b"),
        ("x", [], "Remove it"),
    ],
)
def test_a_remedy_names_the_nearest_or_all(name: str, known: list[str], remedy: str) -> None:
    """An unknown name is told with the one that was probably meant, else with all, in order; else it must go."""
    assert nearest(name, known) == remedy


def test_a_word_of_a_few_is_told_with_all_of_them() -> None:
    """The words keep their own order, as the nearest may not be the one that was meant."""
    assert (
        nearest_word("hallt", ("halt", "deadLetter")) == "Did you mean `halt`? Write one of: halt, deadLetter"
    )
    assert nearest_word("x", ("halt", "deadLetter")) == "Write one of: halt, deadLetter"


def test_how_alike_is_the_callers_to_say() -> None:
    """With 0 there always is a nearest name, as long as there is a name."""
    assert close_to("x", ["delay"]) is None
    assert close_to("x", ["delay"], cutoff=0) == "delay"
    assert close_to("x", [], cutoff=0) is None
