"""Patterns of texts: what they match, and what is refused."""

from __future__ import annotations

import pytest

from syncline.contracts.checks.patterns import LONGEST_PATTERN, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("EWR", "xEWRx", True),
        ("^EWR$", "xEWR", False),
        ("^EWR$", "EWR\n", False),
        ("^.$", "😀", True),
        ("^.$", "e\u0301", False),
        ("^.$", "\n", False),
        ("(?s)^.$", "\n", True),
        (r"^\d+$", "٣", False),
        ("(a|b)+(?P<rest>c)", "abc", True),
        ("", "", True),
        (r"\Q\p{L}\E", r"a\p{L}", True),
        (r"\\p", r"\p", True),
        ("a\x00b", "a\x00b", True),
        ("(?-i)a", "A", False),
    ],
)
def test_a_pattern_is_searched(pattern: str, text: str, found: bool) -> None:
    """A text keeps a pattern where it contains a match, in whole characters, as JSON Schema has it."""
    assert compile_pattern(pattern).found_in(text) is found


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"(a)\1", "no back-references and no look-around"),
        ("(?=a)b", "no back-references and no look-around"),
        ("(?<!a)b", "no back-references and no look-around"),
        ("(a", r"missing \)"),
        ("a{1001}", "invalid repetition size"),
        ("^(.{0,100},){5}$", "steps once its repetitions are written out, and 3000 are allowed"),
        ("((a{100}){100}){100}", "RE2 does not compile it"),
        (r"\p{L}", "edition of Unicode"),
        (r"[\PL]", "edition of Unicode"),
        ("(?i)a", "write both cases"),
        ("(?si:a)", "write both cases"),
        (r"\C", "half a character"),
        ("\ud800", "half a surrogate pair"),
        ("a" * (LONGEST_PATTERN + 1), "at most 1000 characters"),
    ],
)
def test_patterns_that_could_explode_or_change_are_refused(pattern: str, sentence: str) -> None:
    """What could explode, or would mean something else under another edition of Unicode, is refused with a sentence."""
    with pytest.raises(ValueError, match=sentence):
        compile_pattern(pattern)


def test_a_slip_of_the_pen_is_not_blamed_on_the_engine() -> None:
    """An unclosed bracket is wrong in every engine: the sentence does not speak of look-around."""
    with pytest.raises(ValueError, match=r"^RE2 does not compile it: missing \]: \[0-9$"):
        compile_pattern("^N[0-9")


def test_a_pattern_that_explodes_elsewhere_is_judged() -> None:
    """Nested repetition over a long text ends: engines that go back would not end in a lifetime."""
    pattern = compile_pattern("^(a+)+$")

    assert pattern.found_in("a" * 50_000)
    assert not pattern.found_in("a" * 50_000 + "b")


def test_nothing_is_written_about_a_bad_pattern(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 does not write into the process's own output."""
    with pytest.raises(ValueError, match="missing"):
        compile_pattern("(a")

    assert capfd.readouterr() == ("", "")
