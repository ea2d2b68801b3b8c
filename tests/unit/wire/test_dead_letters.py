"""Dead letters: the original, untouched, with the reason; and nothing believed that a record says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.wire.dead_letters import CONNECT_HEADERS, DeadLetter, Reason

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = TEXTS.filter(lambda name: not name.startswith(("__connect.errors.", "syncline-error-")))
LONGS = st.integers(0, 2**59)
LETTERS = st.builds(
    DeadLetter,
    topic=TEXTS,
    partition=st.integers(0, 2**31 - 1),
    offset=LONGS,
    timestamp_ms=st.integers(-1, 2**59),
    key=st.none() | st.binary(max_size=9),
    value=st.none() | st.binary(max_size=9),
    headers=st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=9)), max_size=4),
    reason=st.builds(
        Reason,
        rule=TEXTS,
        feature=TEXTS,
        message=TEXTS,
        stage=TEXTS,
        view_version=TEXTS,
        schema_id=st.none() | st.integers(0, 2**32 - 1),
    ),
    agent=TEXTS,
    attempt=st.integers(1, 99),
)
LETTER = DeadLetter("t", 1, 2, 3, b"k", b"v", [], Reason("rule", "f", "why", "KEY"), "model/a")


@given(letter=LETTERS)
def test_a_letter_comes_back_whole(letter: DeadLetter) -> None:
    """Key, value, headers with duplicates and nulls, place, time and reason."""
    headers = letter.record_headers(attempt=letter.attempt)

    assert DeadLetter.parse(letter.key, letter.value, headers, 0) == letter


def test_a_letter_has_kafka_connects_headers() -> None:
    """Tools that list Connect's dead letters list ours."""
    names = [name for name, _ in LETTER.record_headers()]

    assert set(CONNECT_HEADERS) <= set(names)
    assert len(names) == len(set(names))


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([name for name, _ in LETTER.record_headers()]), st.binary(max_size=5))
    )
)
def test_headers_that_claim_to_be_ours_are_dropped(headers: list[tuple[str, bytes]]) -> None:
    """Never trust such headers on the way in: what a record says of itself before it is rejected is not kept."""
    letter = replace(LETTER, headers=[*headers, ("syncline-error-other", b"x"), ("mine", b"1")])

    written = letter.record_headers()

    assert DeadLetter.parse(b"k", b"v", written, 0) == replace(LETTER, headers=[("mine", b"1")])
    assert len({name for name, _ in written}) == len(written)


@pytest.mark.parametrize(
    "number", ["²".encode(), b"--5", b"9" * 5_000, b"", b"1.0", b" 1", "٣".encode(), b"\xff"]
)
def test_numbers_that_are_none_are_not_believed(number: bytes) -> None:
    """Anyone may write to a dead letter topic; listing it must go on."""
    true = LETTER.record_headers()

    for name in ("__connect.errors.partition", "__connect.errors.offset"):
        assert DeadLetter.parse(b"k", b"v", [*true, (name, number)], 7) is None
    for name in ("syncline-error-schema-id", "syncline-error-timestamp-ms", "syncline-error-attempt"):
        parsed = DeadLetter.parse(b"k", b"v", [*true, (name, number)], 7)
        assert parsed is not None
        assert parsed.reason.schema_id is None
        assert (parsed.timestamp_ms, parsed.attempt) in ((7, 1), (3, 1))


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([name for name, _ in LETTER.record_headers()]), st.none() | st.binary())
    )
)
def test_no_headers_raise(headers: list[tuple[str, bytes | None]]) -> None:
    """Either a letter or none, whatever the bytes are."""
    DeadLetter.parse(None, None, headers, 0)


def test_a_record_without_the_headers_is_no_letter() -> None:
    """Someone else's record in the topic is passed by."""
    assert DeadLetter.parse(b"k", b"v", [], 0) is None


def test_a_message_that_quotes_a_broken_text_is_written_all_the_same() -> None:
    """A value's own text must not stop its letter; very long messages are cut."""
    letter = replace(LETTER, reason=replace(LETTER.reason, message="\ud800" + "x" * 5_000))

    headers = dict(letter.record_headers())

    message = headers["__connect.errors.exception.message"]
    assert message is not None
    assert message.startswith(b"\\ud800xxx")
    assert len(message) < 2_100
