"""YAML text to JSON data with lines, or problems."""

from __future__ import annotations

import pytest

from syncline.contracts.odcs.located import Findings, Located, load_yaml, load_yaml_documents
from syncline.errors import DefinitionError, Problem


def refused(text: str) -> Problem:
    """The first problem of a text that must be refused."""
    with pytest.raises(DefinitionError) as caught:
        load_yaml(text, file="x.yaml")
    return caught.value.problems[0]


def test_scalars_stay_what_was_written() -> None:
    """Numbers, true, false and null are JSON's; `no`, `on`, dates and clock times stay text."""
    located = load_yaml(
        "a: [1, -2.5, 1e3, 0x1f, 0o17, true, null, ~, no, on, 2027-03-01, 12:30, 1_000, '1']", file="f"
    )

    assert located.data == {
        "a": [1, -2.5, 1000.0, 31, 15, True, None, None, "no", "on", "2027-03-01", "12:30", "1_000", "1"]
    }


def test_lines_are_known_for_every_part() -> None:
    """A part stands at its own line; one that is missing, at the line of what is around it."""
    located = load_yaml("a: 1\nb:\n  - c: 2\n\n  - d: 3\n", file="f")

    assert located.line(("b",)) == 2
    assert located.line(("b", 1, "d")) == 5
    assert located.line(("b", 1, "missing", 7)) == 5
    assert located.line(("missing",)) == 1


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        ("", "empty", None),
        ("---\n---\n", "empty", None),
        ("# only words", "empty", None),
        ("- 1", "mapping", 1),
        ("text", "mapping", 1),
        ("a: 1\n---\nb: 2", "several-documents", 3),
        ("a: 1\nb: 2\na: 3", "duplicate-key", 3),
        ("a: 1\n\tb: 2", "yaml", 2),
        ("a: {", "yaml", 1),
        ("a: *b", "yaml", 1),
        ("\x00\x01binary", "yaml", None),
        ("[" * 2_000, "yaml", None),
        ("a: &x [*x]", "nesting", 1),
        ("1: 2", "key", 1),
        ("? [a]\n: b", "key", 1),
        ("a: &x {b: 1}\nc:\n  <<: *x", "key", 3),
        ("a: .nan", "number", 1),
        ("a: -.inf", "number", 1),
        ("a: 1e999", "number", 1),
        ("a: " + "9" * 5_000, "number", 1),
        ("a: !!python/object/apply:os.system [x]", "tag", 1),
        ("a: !!binary aGk=", "tag", 1),
        ('a: "\\ud800"', "text", 1),
    ],
)
def test_what_is_no_plain_document_is_refused(text: str, rule: str, line: int | None) -> None:
    """Each kind of text that is no single mapping of JSON data has its rule, its line and a remedy."""
    problem = refused(text)

    assert (problem.file, problem.rule) == ("x.yaml", rule)
    assert line is None or problem.line == line
    assert problem.remedy


def test_tabs_have_their_own_remedy() -> None:
    """An indentation with tabs is told apart from other wrong syntax."""
    assert "never with tabs" in refused("a:\n\tb: 1").remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ('a: "^N\\d"', "in single quotes"),
        ("a: x ? y: z", "in quotes"),
        ("a: [1", "Correct the syntax here"),
    ],
)
def test_what_patterns_and_rules_do_to_yaml_has_its_own_remedy(text: str, remedy: str) -> None:
    """A backslash in double quotes, and a colon in a text without quotes, are told from other wrong syntax."""
    assert remedy in refused(text).remedy


def test_aliases_cannot_make_a_small_file_large() -> None:
    """Nine levels of tenfold aliases stand for a milliard values: refused after a bounded amount of work."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert refused("\n".join(lines)).rule == "size"


def test_several_documents_of_one_file() -> None:
    """Documents between `---` are read apart, each with the lines of the whole file; empty ones are left out."""
    first, second = load_yaml_documents("---\na: 1\n---\n---\nb: 2\n", file="f")

    assert (first.data, second.data) == ({"a": 1}, {"b": 2})
    assert second.line(("b",)) == 5


def test_problems_are_listed_in_file_order_without_repetition() -> None:
    """Problems come by line; where the standard objects to a value, ours stay silent about it."""
    findings = Findings(Located({}, "f", {(): 1, ("a",): 3, ("b",): 2}))
    findings.add(("a",), "odcs", "m", "r")
    findings.add(("a",), "type", "m", "r")
    findings.add(("b",), "type", "m", "r")
    findings.add(("b",), "type", "again", "r")

    assert [(p.path, p.rule, p.line) for p in findings.problems()] == [("b", "type", 2), ("a", "odcs", 3)]
    with pytest.raises(DefinitionError):
        findings.raise_if_any()
