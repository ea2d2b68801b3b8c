"""Trace context in record headers: what is taken, and what is none. Headers come from anyone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.wire.trace_context import TraceContext, event_id, looks_sampled, trace_context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01".encode()
NAMES = ("traceparent", "tracestate", "ce_traceparent", "ce_tracestate", "ce_id", "ce_time", "x")

TRACE_IDS = st.integers(1, 2**128 - 1)
SPAN_IDS = st.integers(1, 2**64 - 1)
# Of what W3C allows in a tracestate: a vendor's key and value.
STATES = st.from_regex(r"\A(?:[a-z][a-z0-9_]{0,9}=[!-+\--<>-~]{1,20})\Z")
CONTEXTS = st.builds(
    TraceContext, trace_id=TRACE_IDS, span_id=SPAN_IDS, flags=st.integers(0, 255), state=st.just("") | STATES
)
PARENTS = st.builds(
    lambda version, trace_id, span_id, flags: b"%02x-%032x-%016x-%02x" % (version, trace_id, span_id, flags),
    st.integers(0, 254),
    TRACE_IDS,
    SPAN_IDS,
    st.integers(0, 255),
)
JUNK = st.none() | st.binary(max_size=80) | st.text("0123456789abcdef-", max_size=70).map(str.encode)


@given(context=CONTEXTS)
def test_a_context_comes_back(context: TraceContext) -> None:
    """To the last bit of ids and flags, and with its state."""
    assert trace_context(context.headers()) == context


@given(context=CONTEXTS)
def test_exactly_one_header_each(context: TraceContext) -> None:
    """A record carries one traceparent, and a tracestate only where there is one."""
    names = [name for name, _ in context.headers()]

    assert names == ["traceparent"] + ["tracestate"] * bool(context.state)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "null"),
        (b"", "empty"),
        (b"00", "too short"),
        (GOOD[:-1], "one character short"),
        (GOOD + b"0", "one character long"),
        (GOOD + b"-", "version 00 with a tail"),
        (GOOD + b"-what-the-future-brings", "version 00 with a tail"),
        (GOOD.upper(), "upper case"),
        (b"00-" + TRACE.upper().encode() + b"-" + SPAN.encode() + b"-01", "upper-case trace id"),
        (b"ff" + GOOD[2:], "version ff"),
        (b"FF" + GOOD[2:], "version FF"),
        (b"0" + GOOD, "a digit before"),
        (b" " + GOOD, "a space before"),
        (GOOD + b" ", "a space after"),
        (GOOD + b"\n", "a line's end after"),
        (b"00-" + b"0" * 32 + b"-" + SPAN.encode() + b"-01", "trace id of zeros"),
        (b"00-" + TRACE.encode() + b"-" + b"0" * 16 + b"-01", "span id of zeros"),
        (GOOD.replace(b"-", b"_"), "other separators"),
        (GOOD.replace(b"a", "ä".encode()), "not ASCII"),
        ("\N{FULLWIDTH DIGIT ZERO}0".encode() + GOOD[2:], "digits of another script"),
        (b"0\xb2" + GOOD[2:], "a superscript"),
        (b"\xff" * 55, "no text at all"),
        (b"\x00" * 55, "zeros"),
        (b"0x" + GOOD[2:], "0x"),
        (b"00-" + b"+" + TRACE[1:].encode() + b"-" + SPAN.encode() + b"-01", "a sign"),
        (b"00-" + TRACE[:15].encode() + b"_" + TRACE[16:].encode() + b"-" + SPAN.encode() + b"-01", "1_0"),
    ],
)
def test_what_is_malformed_is_no_context(value: bytes | None, why: str) -> None:
    """And never an error: anyone may write to a topic."""
    assert trace_context([("traceparent", value)]) is None, why
    assert trace_context([("ce_traceparent", value)]) is None, why
    looks_sampled([("traceparent", value)])


@pytest.mark.parametrize("value", [b"01" + GOOD[2:], b"fe" + GOOD[2:], b"01" + GOOD[2:] + b"-more-\xff"])
def test_a_later_version_begins_the_same_way(value: bytes) -> None:
    """W3C, 2.2.2: what can be read of it is read, whatever follows."""
    found = trace_context([("traceparent", value)])

    assert found == TraceContext(int(TRACE, 16), int(SPAN, 16), 1)
    assert looks_sampled([("traceparent", value)])


@pytest.mark.parametrize(
    ("flags", "sampled"),
    [("00", False), ("01", True), ("02", False), ("03", True), ("fe", False), ("ff", True)],
)
def test_only_the_lowest_flag_says_sampled(flags: str, sampled: bool) -> None:
    """The others belong to later levels of the recommendation."""
    headers = [("traceparent", GOOD[:-2] + flags.encode())]

    found = trace_context(headers)

    assert found is not None
    assert found.is_sampled is sampled
    assert found.flags == int(flags, 16)
    assert looks_sampled(headers) is sampled


# Which of several counts.


@given(contexts=st.lists(CONTEXTS, min_size=1, max_size=4))
def test_of_duplicates_the_last_counts(contexts: list[TraceContext]) -> None:
    """An instrumented producer appends its own at each send, so the first is stale."""
    headers = [("traceparent", context.headers()[0][1]) for context in contexts]

    found = trace_context(headers)

    assert found is not None
    assert (found.trace_id, found.span_id) == (contexts[-1].trace_id, contexts[-1].span_id)
    assert looks_sampled(headers) == contexts[-1].is_sampled


def test_traceparent_counts_before_cloud_events_own_in_either_order() -> None:
    """CloudEvents' stays what it was when the event was made; that of the last hop is the other."""
    hop, made = GOOD[:-2] + b"00", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"

    for headers in (
        [("traceparent", hop), ("ce_traceparent", made)],
        [("ce_traceparent", made), ("traceparent", hop)],
    ):
        found = trace_context(headers)
        assert found is not None
        assert found.trace_id == int(TRACE, 16)
        assert looks_sampled(headers) is False


def test_each_traceparent_goes_with_its_own_state() -> None:
    """The state of one trace is not passed on with another."""
    made = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"

    both = trace_context([("traceparent", GOOD), ("ce_traceparent", made), ("ce_tracestate", b"a=1")])
    only = trace_context([("ce_traceparent", made), ("tracestate", b"b=2"), ("ce_tracestate", b"a=1")])

    assert both == TraceContext(int(TRACE, 16), int(SPAN, 16), 1, "")
    assert only is not None
    assert only.state == "a=1"


def test_cloud_events_context_is_taken_where_the_other_is_none() -> None:
    """A malformed traceparent does not hide a good ce_traceparent."""
    found = trace_context([("traceparent", b"junk"), ("ce_traceparent", GOOD)])

    assert found == TraceContext(int(TRACE, 16), int(SPAN, 16), 1)


@given(headers=st.lists(st.tuples(st.sampled_from(NAMES), JUNK), max_size=6))
def test_junk_is_never_an_error(headers: list[tuple[str, bytes | None]]) -> None:
    """Neither for the peek nor for the parse, nor for the event's id."""
    found = trace_context(headers)

    assert found is None or (found.trace_id and found.span_id)
    assert looks_sampled(headers) in (True, False)
    event_id(headers)


@given(
    headers=st.lists(
        st.tuples(st.just("traceparent"), PARENTS)
        | st.tuples(st.sampled_from(["tracestate", "ce_tracestate", "ce_id", "x"]), JUNK),
        max_size=6,
    ),
    event=st.none() | PARENTS,
)
def test_the_peek_agrees_with_the_parse_on_what_is_well_formed(
    headers: list[tuple[str, bytes | None]], event: bytes | None
) -> None:
    """What looks sampled is sampled, and nothing that is sampled is missed."""
    if event is not None:
        headers = [*headers, ("ce_traceparent", event)]

    found = trace_context(headers)

    assert looks_sampled(headers) == (found is not None and found.is_sampled)


def test_the_peek_takes_the_last_of_two_cloud_events_contexts() -> None:
    """As the parse does: the trace goes on."""
    headers = [("ce_traceparent", GOOD[:-2] + b"00"), ("ce_traceparent", GOOD)]

    found = trace_context(headers)

    assert found is not None
    assert found.is_sampled
    assert looks_sampled(headers)


def test_the_peek_looks_past_a_malformed_traceparent() -> None:
    """A junk header of one hop does not hide the trace of the event."""
    headers = [("traceparent", b"junk"), ("ce_traceparent", GOOD)]

    assert trace_context(headers) is not None
    assert looks_sampled(headers)


# tracestate.


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (b"congo=t61rcWkgMzE", "congo=t61rcWkgMzE"),
        (b"a=" + b"x" * 252 + b",b=" + b"y" * 255, "a=" + "x" * 252 + ",b=" + "y" * 255),
        (b"a=" + b"x" * 252 + b",b=" + b"y" * 256, ""),
        (b"a=" + b"x" * 10_240, ""),
        (b"", ""),
        (None, ""),
        ("a=ä".encode(), ""),
        (b"a=\x00", ""),
        (b"a=1\nb=2", ""),
        (b"a=\xff\xfe", ""),
        (b"a=\x7f", ""),
    ],
)
def test_a_state_that_cannot_be_passed_on_is_left_out_and_the_trace_goes_on(
    state: bytes | None, kept: str
) -> None:
    """W3C, 3.3.1.5: 512 bytes at least must be passed on; more is refused here, never the trace with it."""
    found = trace_context([("traceparent", GOOD), ("tracestate", state)])

    assert found == TraceContext(int(TRACE, 16), int(SPAN, 16), 1, kept)


@given(state=st.binary(max_size=600))
def test_what_is_passed_on_is_printable_and_short(state: bytes) -> None:
    """Nothing else goes from one record's headers into another's."""
    found = trace_context([("traceparent", GOOD), ("tracestate", state)])

    assert found is not None
    assert len(found.state) <= 512
    assert found.state.isascii()
    assert not found.state or found.state.isprintable()
    assert found.state in ("", state.decode("latin-1"))


def test_a_huge_header_costs_no_more_than_a_look() -> None:
    """A megabyte of digits is refused at once."""
    assert trace_context([("traceparent", b"0" * 1_000_000)]) is None
    assert trace_context([("traceparent", b"00-" + b"a" * 1_000_000)]) is None


# The event's id.


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([("ce_id", None)], None),
        ([("ce_id", b"")], ""),
        ([("ce_id", b"a"), ("ce_id", b"b")], "b"),
        ([("ce_id", b"\xff")], "\N{REPLACEMENT CHARACTER}"),
        ([("ce_id", b"x" * 10_000)], "x" * 200),
        ([("ce_id", b"a"), ("ce_time", b"b")], "a"),
    ],
)
def test_the_id_of_the_event(headers: list[tuple[str, bytes | None]], found: str | None) -> None:
    """The last of several, shortened; bytes that are no text do no harm."""
    assert event_id(headers) == found
