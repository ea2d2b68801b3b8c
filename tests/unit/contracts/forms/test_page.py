"""The page of a view: everything it promises, in Markdown that shows texts as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from syncline.contracts.compatibility.compare import compare
from syncline.contracts.forms.limit_words import limit_words, type_words, value_words
from syncline.contracts.forms.markdown import block, code, paragraphs, prose, table
from syncline.contracts.forms.page import MARK, contract_page, index_page
from syncline.contracts.forms.page_model import Consumer, Step, Use, View
from syncline.contracts.model import (
    Contract,
    Feature,
    FeatureType,
    Item,
    JoinKey,
    OnViolation,
    Rule,
    Version,
    WhenStale,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    "`|*_<>[]()#\\~$!&+-.1 \nab", max_size=25
)

DELAY = Feature(
    "dep_delay",
    FeatureType.DOUBLE,
    False,
    minimum=-120.0,
    maximum=1000.0,
    unit="min",
    description="Mean delay | of the last <hour>.",
)
CONTRACT = Contract(
    view="airport_delay",
    version=Version(1, 3, 2),
    owner="flight-ops",
    keys=(JoinKey("airport", FeatureType.STRING, "IATA code."),),
    event_time="event_time",
    features=(DELAY, Feature("flights", FeatureType.INT, True, has_default=True, default=0, redact=True)),
    topic="syncline.features.airport_delay.v1",
    max_age_us=21_600_000_000,
    latency_us=5_000_000,
    frequency_us=3_600_000_000,
    late_arrival_us=60_000_000,
    description="How late an airport is.\n\nJust now.",
    rules=(Rule("late", "dep_delay > 0.0 || flights == 0", ("dep_delay", "flights"), "Somebody is late."),),
    document={
        "description": {"usage": "Predict delays.", "limitations": "New York only."},
        "schema": [
            {
                "quality": [{"type": "sql", "description": "Every airport of the list is there."}],
                "properties": [
                    {
                        "name": "dep_delay",
                        "quality": [
                            {"metric": "nullValues", "mustBeLessThan": 20, "unit": "percent"},
                            {"engine": "cel", "type": "custom", "implementation": "true"},
                        ],
                    }
                ],
            }
        ],
    },
)


def shown(markdown: str) -> str:
    """The text that a reader of the rendered page sees, on one line."""
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(markdown)
    parts = []
    for token in tokens:
        if token.type in ("fence", "html_block"):
            parts.append(token.content if token.type == "fence" else f"HTML({token.content})")
        for child in token.children or ():
            assert child.type in ("text", "code_inline", "softbreak"), (child.type, markdown)
            parts.append(" " if child.type == "softbreak" else child.content)
    return "".join(parts)


def as_seen(text: str) -> str:
    """A text as a page shows it: on one line, what is not printable escaped."""
    printable = "".join(
        each if each.isprintable() or each in "\n\t " else each.encode("unicode_escape").decode()
        for each in text
    )
    return " ".join(printable.split())


@given(TEXTS)
def test_prose_is_shown_as_it_was_written(text: str) -> None:
    """No text is markup, wherever it begins and whatever it holds."""
    assert shown(prose(text)) == as_seen(text)


@given(TEXTS, TEXTS)
def test_cells_hold_what_they_are_given(first: str, second: str) -> None:
    """Neither bars, nor backticks, nor line ends break a table."""
    rendered = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    tokens = rendered.parse(table(["A", "B"], [[prose(first), code(second, in_table=True)]]))
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert cells[2].content.strip() or not as_seen(first)
    assert "".join(child.content for child in cells[2].children or ()) == as_seen(first)
    seen = "".join(child.content for child in cells[3].children or ())
    assert " ".join(seen.split()) == as_seen(second).strip()


@given(TEXTS)
def test_blocks_of_code_hold_what_they_are_given(text: str) -> None:
    """A text with fences of its own stays in its block."""
    tokens = MarkdownIt().parse(block(text, "python"))
    assert [token.type for token in tokens] == ["fence"]


def test_a_page_tells_everything() -> None:
    """Owner, key, topic, features, rules, freshness, violations, quality, readers, programs and history."""
    earlier = replace(
        CONTRACT, version=Version(1, 2), features=(replace(DELAY, unit="s"), CONTRACT.features[1])
    )
    view = View(
        CONTRACT,
        uses=(
            Use(
                "inputs",
                "origin_delay",
                "1",
                (("airport", "origin"),),
                None,
                (Consumer("predictor", "compatible 1", "delay 12", True),),
            ),
        ),
        history=(
            Step("1.3", compare(earlier, CONTRACT), "2027-03-01 12:00 UTC", "ada", "minutes | now"),
            Step("1.2", None, "2027-02-01 12:00 UTC", "bob", ""),
        ),
        source="From the catalog and the folder.",
        majors=(("airport_delay@2", "airport_delay.md"),),
    )
    page = contract_page(view)
    assert page.startswith(MARK)
    for said in (
        "# airport_delay",
        "How late an airport is.\n\nJust now.",
        "| `airport_delay@1.3` (document 1.3.2)",
        "`airport` (text: IATA code)",
        "[airport_delay@2](airport_delay.md)",
        "-120 to 1000",
        "Mean delay \\| of the last &lt;hour&gt;.",
        "Redacted in reports.",
        "- **late**: `dep_delay > 0.0 || flights == 0`\n  Somebody is late.",
        "within **5 s** of its event",
        "every **1 h**",
        "older than **6 h** is stale: it is served all the same",
        "more than 1 min late",
        "among the dead letters",
        "- Every airport of the list is there.",
        "- `dep_delay`: the share of null is below 20 %",
        "`predictor` (policy compatible 1, model delay 12, must acknowledge breaking releases)",
        'view = publisher.view("airport_delay@1")',
        'reader.get("inputs", {"origin": "..."})',
        "### 1.3 (2027-03-01 12:00 UTC, by ada)\n\nminutes \\| now\n\n- **MAJOR** `dep_delay`: ",
        "The first version that is known here.",
        "From the catalog and the folder.",
    ):
        assert said in page, said
    assert "implementation" not in page
    assert page == contract_page(view)


def test_a_page_says_what_there_is_not() -> None:
    """No limits of age, no readers, no expectations: each is said, none is left to be guessed."""
    bare = replace(
        CONTRACT,
        rules=(),
        document={},
        max_age_us=None,
        latency_us=None,
        frequency_us=None,
        late_arrival_us=None,
    )
    page = contract_page(View(bare, source="The catalog could not be reached."))
    assert "No value is ever too old." in page
    assert "No bundle that is known here holds this view. The catalog could not be reached." in page
    assert "Nothing is expected of whole windows of messages." in page
    assert "Name it in a bundle first" in page
    assert "Rules between features" not in page


def test_every_word_of_the_contract_has_its_sentence() -> None:
    """What happens to stale values and to broken messages is said for every setting."""
    for stale, said in zip(
        WhenStale, ("all the same", "null is served", "default is served", "refused"), strict=True
    ):
        assert said in contract_page(View(replace(CONTRACT, when_stale=stale)))
    for broken, said in zip(
        OnViolation, ("dead letters", "hold the partition", "apply the message"), strict=True
    ):
        assert said in contract_page(View(replace(CONTRACT, on_violation=broken)))


def test_limits_in_words() -> None:
    """Limits are said as people say them."""

    def of(kind: FeatureType, **limits: Any) -> str:
        return limit_words(Feature("f", kind, True, **limits))

    assert of(FeatureType.DOUBLE, minimum=0.0, maximum=1.5) == "0 to 1.5"
    assert of(FeatureType.DOUBLE, exclusive_minimum=0.0, maximum=2.0) == "above 0 and at most 2"
    assert of(FeatureType.LONG, minimum=5, finite=False) == "at least 5"
    assert of(FeatureType.FLOAT, finite=False) == "NaN and infinities allowed"
    assert of(FeatureType.DATE, maximum=0) == "at most 1970-01-01"
    assert (
        of(FeatureType.STRING, min_length=3, max_length=3, pattern="a|b") == "3 characters, matches `a\\|b`"
    )
    assert of(FeatureType.STRING, max_length=1_000) == "at most 1,000 characters"
    assert of(FeatureType.INT, allowed=tuple(range(14))).endswith("`11` and 2 more")
    item = Item(FeatureType.FLOAT, minimum=-1.0, maximum=1.0)
    vector = Feature("f", FeatureType.VECTOR, True, item=item, dimensions=3, embedding_model="m")
    assert (type_words(vector), limit_words(vector)) == ("vector of 3 floats", "each -1 to 1, made by `m`")
    tags = Feature(
        "f",
        FeatureType.LIST,
        True,
        item=Item(FeatureType.STRING),
        min_items=1,
        max_items=5,
        unique_items=True,
    )
    assert (type_words(tags), limit_words(tags)) == ("list of string", "1 to 5 items, all different")
    shares = Feature("f", FeatureType.MAP, True, item=Item(FeatureType.DATE), max_items=2)
    assert (type_words(shares), limit_words(shares)) == ("map of text to date", "at most 2 entries")
    assert value_words(shares, {"a": 0}) == "`{a: 1970-01-01}`"
    assert value_words(tags, ["a"]) == "`[a]`"
    assert value_words(tags, None) == "null"


def test_programs_on_a_page_are_python() -> None:
    """Every example compiles, whatever the types of the features."""
    item = Item(FeatureType.DATE)
    kinds = [kind for kind in FeatureType if not kind.is_nested]
    features = [Feature(f"f{number}", kind, True) for number, kind in enumerate(kinds)]
    features.append(Feature("days", FeatureType.LIST, True, item=item, min_items=2))
    features.append(Feature("shares", FeatureType.MAP, True, item=Item(FeatureType.DOUBLE, minimum=2.0)))
    features.append(Feature("e", FeatureType.VECTOR, True, item=Item(FeatureType.FLOAT), dimensions=768))
    features.append(Feature("word", FeatureType.STRING, True, allowed=('a "b"',)))
    page = contract_page(View(replace(CONTRACT, features=tuple(features))))
    program = page.partition("```python\n")[2].partition("\n```")[0]
    compile(program, "page", "exec")
    assert '"shares": {"...": 2.0},' in program
    assert '"e": [0.0] * 768,' in program


def test_the_index_names_every_page() -> None:
    """One row a page, with its purpose in a sentence."""
    index = index_page([("airport_delay.md", View(CONTRACT))])
    assert "[airport_delay@1.3](airport_delay.md)" in index
    assert "How late an airport is." in index


def test_paragraphs_stay_apart() -> None:
    """An empty line of a description is one on the page."""
    assert paragraphs("a\nb\n\n- c") == "a b\n\n\\- c"
