"""Rules in CEL: what they say of values, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from syncline.contracts.checks.cel import LONGEST_EXPRESSION, compile_rule
from syncline.contracts.checks.rule_cost import ask_of_cost
from syncline.contracts.checks.rule_types import ask_of_types
from syncline.contracts.model import Feature, FeatureType, Item, JoinKey

NAMES = ("airport", "a", "b", "delays", "seen", "word")
DAY = datetime(2027, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "values", "broken"),
    [
        ("a < b", {"a": 1, "b": 2}, None),
        ("a < b", {"a": 2, "b": 2}, "it is false"),
        ("a < b", {"a": 1, "b": None}, None),
        ("b == null || a < b", {"a": 1, "b": None}, None),
        ("b != null", {"b": None}, "it is false"),
        ("a + b > 1", {"a": 2**63 - 1, "b": 1}, "it cannot be evaluated"),
        ("a / b > 1", {"a": 1, "b": 0}, "it cannot be evaluated"),
        ("a / b > 1.0", {"a": 1.0, "b": 0.0}, None),
        ("a < b", {"a": math.nan, "b": 1.0}, "it cannot be evaluated"),
        ("a + b", {"a": 1, "b": 1}, "it is neither true nor false"),
        ("a + 1.5 > b", {"a": 1, "b": 1}, "it cannot be evaluated"),
        ("delays.all(x, x >= 0.0)", {"delays": []}, None),
        ("delays.exists(x, x > a)", {"delays": [1.0, 2.0], "a": 1.5}, None),
        ("delays[3] > 0.0", {"delays": []}, "it cannot be evaluated"),
        ("seen - a > duration('1h')", {"seen": DAY, "a": datetime(2027, 2, 28, tzinfo=UTC)}, None),
        ("word == 'null' // null", {"word": None}, None),
        ("word == r'\\' || word == null", {"word": None}, None),
        ("word == 'a'", {"word": "a\x00"}, "it is false"),
    ],
)
def test_a_rule_is_kept_or_broken(expression: str, values: dict[str, Any], broken: str | None) -> None:
    """A rule is kept where it is true or, unless it speaks of null, where a value is null; it never raises."""
    found = compile_rule(expression, NAMES).broken(values)

    assert found is None if broken is None else (found or "").startswith(broken)


def test_a_rule_knows_what_it_names() -> None:
    """The names come in the contract's order, without the variables of macros."""
    rule = compile_rule("delays.all(x, x < b) && word == airport && 'seen' != word", NAMES)

    assert rule.names == ("airport", "b", "delays", "word")


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("a <", "no CEL: at line 1, character 4"),
        ("", "no CEL"),
        ("a < delay", "names `delay`, which is no join key and no feature: did you mean `delays`"),
        ("1 < 2", "names no feature"),
        ("lower(word) == word", "calls `lower`, which rules may not call"),
        ("word.startWith('a')", "did you mean `startsWith`"),
        ("word.matches('a')", "state `pattern` at the feature"),
        ("delays.map(x, x * 2.0).size() > 1", "`map` takes time quadratic"),
        ("delays.filter(x, x > 2.0).size() > 1", "`filter` takes time quadratic"),
        ("delays.all(x, delays.all(y, y >= x))", "`all` stands inside another macro"),
        ("delays.all(a, a > 1)", "`a` is a feature's name and a macro's variable"),
        ("a > 1" + " " * LONGEST_EXPRESSION, "at most 2000 characters"),
        ("(" * 900 + "a" + ")" * 900, "at most 1000 names, numbers and signs, this one 1801"),
        ("(" * 33 + "a > 1" + ")" * 33, "nested 33 deep"),
        ("a" + "[0]" * 400 + " == 1", "this one 1204: split it"),
        ("type(a) == int", "calls `type`"),
    ],
)
def test_rules_that_are_none_or_too_costly_are_refused(expression: str, sentence: str) -> None:
    """What is no rule, or would take more than time linear in the row, is refused with a sentence."""
    with pytest.raises(ValueError, match=sentence):
        compile_rule(expression, NAMES)


def test_the_largest_rule_fits_a_small_thread() -> None:
    """The library recurses: what is taken must not end a process whose threads have little stack (P10)."""
    sums = "a" + "+a" * 496 + " > 0"
    deep = "(" * 32 + "a > 0" + ")" * 32
    program = f"""
import threading
from syncline.contracts.checks.cel import compile_rule
def judge():
    for rule in {[sums, deep]!r}:
        print(compile_rule(rule, ["a"]).broken({{"a": 1}}))
threading.stack_size(512 * 1024)
thread = threading.Thread(target=judge)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "None\nNone\n"), done.stderr


def test_macros_beside_each_other_are_fine() -> None:
    """Only a macro inside another one takes quadratic time; the variable may be the same."""
    rule = compile_rule("delays.all(x, (x > 0.0)) && delays.exists(x, x > 1.0)", NAMES)

    assert rule.broken({"delays": [1.0, 2.0]}) is None


FIELDS: dict[str, Feature | JoinKey] = {
    "airport": JoinKey("airport", FeatureType.STRING),
    "a": Feature("a", FeatureType.LONG, required=True),
    "b": Feature("b", FeatureType.DOUBLE, required=True),
    "delays": Feature("delays", FeatureType.LIST, required=True, item=Item(FeatureType.FLOAT)),
    "seen": Feature("seen", FeatureType.DATE, required=True),
    "word": Feature("word", FeatureType.STRING, required=True),
}


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("a + b > 1.0", "`a` is long, `b` is double.*`double"),
        ("seen > '2027-03-01'", "types do not fit"),
        ("a + 1", "neither true nor false"),
        ("size(word) > 1", "would count the bytes"),
        ("airport.size() == 3", "would count the bytes"),
        ("delays.all(x, x > 'a')", "types do not fit"),
    ],
)
def test_a_rule_that_does_not_fit_its_types_is_refused(expression: str, sentence: str) -> None:
    """A rule that every row would break for its types is refused before any row comes."""
    with pytest.raises(ValueError, match=sentence):
        ask_of_types(compile_rule(expression, NAMES), FIELDS)


@pytest.mark.parametrize(
    "expression",
    [
        "double(a) + b > 100.0",
        "a < b",
        "delays[9] > 1.0",
        "size(delays) > 90",
        "seen > timestamp('2027-03-01T00:00:00Z')",
        "a / 0 > 1",
    ],
)
def test_a_rule_that_fits_its_types_is_taken(expression: str) -> None:
    """What is only false, or fails for its values, is left to the rows."""
    ask_of_types(compile_rule(expression, NAMES), FIELDS)


LARGE: dict[str, Feature | JoinKey] = {
    **FIELDS,
    "words": Feature("words", FeatureType.LIST, required=True, item=Item(FeatureType.STRING)),
    "shares": Feature("shares", FeatureType.MAP, required=True, item=Item(FeatureType.DOUBLE)),
}


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("delays.all(x, x in delays)", "inside `all` all of `delays` would be looked at for each item"),
        ("delays.all(x, delays == delays)", "quadratic in the row"),
        ("delays.exists(x, [x] + delays != [x])", "quadratic in the row"),
        ("delays.exists(x, (delays) == [x])", "quadratic in the row"),
        ("shares.all(k, shares == {k: 1.0})", "all of `shares`"),
        ("words.all(x, word.contains(x))", "all of `word`"),
        ("words.all(x, x.contains(word))", "all of `word`"),
        ("words.all(x, x + word != '')", "all of `word`"),
        ("words.all(x, x == word + word)", "all of `word`"),
        ("words.all(x, (word) + x != '')", "all of `word`"),
        ("words.all(x, word == word)", "all of `word`"),
        ("words.all(x, size(bytes(word)) > 1)", "all of `word`"),
        ("words.all(x, shares[word] > 0.0)", "all of `word`"),
        ("word" + " + word" * 21 + " != ''", "21 `\\+`"),
        ("delays" + " + delays" * 30 + " != []", "30 `\\+`"),
    ],
)
def test_a_rule_that_takes_more_than_linear_time_is_refused(expression: str, sentence: str) -> None:
    """One record of a megabyte must not hold its partition for minutes (P10)."""
    with pytest.raises(ValueError, match=sentence):
        ask_of_cost(compile_rule(expression, tuple(LARGE)), LARGE)


@pytest.mark.parametrize(
    "expression",
    [
        "delays.all(x, x >= delays[0] && size(delays) < 9 && delays.size() > 1)",
        "delays.all(x, x > b)",
        "words.all(x, x != word && word > x && word == 'a')",
        "words.all(x, x in shares && shares[x] > 0.0 && shares.total > 0.0)",
        "words.exists(x, x.startsWith(word)) && word.contains('a')",
        "words.all(x, x != airport + 'X') && b in delays",
        "word" + " + word" * 20 + " != ''",
        "a" + " + a" * 30 + " > 0",
    ],
)
def test_a_rule_that_takes_linear_time_is_taken(expression: str) -> None:
    """What costs the same for each item may stand in a macro, and anything outside of it."""
    ask_of_cost(compile_rule(expression, tuple(LARGE)), LARGE)
