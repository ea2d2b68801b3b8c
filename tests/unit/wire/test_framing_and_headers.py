"""Framing, times in headers, and control records."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.clock import to_us
from syncline.errors import WireError
from syncline.wire.control import Heartbeat, Marker, UnknownControl, is_control, is_marker, parse_control
from syncline.wire.framing import prefix, schema_ids, unframe
from syncline.wire.headers import cloud_event, decode_time, encode_time, last

FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999."""


@given(schema_id=st.integers(0, 2**32 - 1), body=st.binary(max_size=20))
def test_what_is_framed_comes_back(schema_id: int, body: bytes) -> None:
    """Magic 0, four bytes big-endian, then the body."""
    framed = prefix(schema_id) + body

    assert framed[:5] == b"\x00" + schema_id.to_bytes(4, "big")
    assert unframe(framed) == (schema_id, body)


@given(values=st.lists(st.binary(max_size=8) | st.binary(max_size=7).map(lambda rest: b"\x00" + rest)))
def test_the_column_of_ids_is_what_unframe_says(values: list[bytes]) -> None:
    """-1 exactly where a single value would be refused: short ones that begin well included."""

    def scalar(value: bytes) -> int:
        try:
            return unframe(value)[0]
        except WireError:
            return -1

    assert schema_ids(values).tolist() == [scalar(value) for value in values]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"", "0 bytes"),
        (b"\x00\x00\x00\x01", "4 bytes"),
        (b"\xff\x00\x00\x00\x01", "byte 255"),
        (b"\x01" * 9, "byte 1"),
    ],
)
def test_what_is_not_framed_is_refused_with_the_reason(value: bytes, words: str) -> None:
    """The message says what is there instead."""
    with pytest.raises(WireError, match=words):
        unframe(value)


@given(us=st.integers(FIRST_US, LAST_US))
def test_a_time_comes_back_to_the_microsecond(us: int) -> None:
    """Every event time that a contract allows has a header, the first centuries too."""
    assert decode_time(encode_time(us)) == us


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2013-01-01T05:15:00Z", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        (b"2013-01-01t05:15:00z", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        (b"2013-01-01 05:15:00Z", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        (b"2013-01-01T00:15:00-05:00", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        (b"2013-01-01T10:45:00+05:30", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        (b"2013-01-01T05:15:00.5Z", datetime(2013, 1, 1, 5, 15, 0, 500_000, tzinfo=UTC)),
        (b"2013-01-01T05:15:00.000001Z", datetime(2013, 1, 1, 5, 15, 0, 1, tzinfo=UTC)),
        (b"2012-02-29T00:00:00Z", datetime(2012, 2, 29, tzinfo=UTC)),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: bytes, expected: datetime) -> None:
    """Other producers write other offsets and fewer digits."""
    assert decode_time(text) == to_us(expected)


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"",
        b"noon",
        b"1356998400",
        b"2013-01-01",
        b"2013-01-01T05:15Z",
        b"2013-01-01T05:15:00",
        b"2013-01-01T05:15:00.0000001Z",
        b"2013-01-01T05:15:00,5Z",
        b"2013-01-01T24:00:00Z",
        b"2013-01-01T05:15:60Z",
        b"2013-01-01T05:15:00+05:99",
        b"2013-01-01T05:15:00+24:00",
        b"2013-01-01T05:15:00+0500",
        b"2013-02-30T05:15:00Z",
        b"0000-01-01T05:15:00Z",
        b"0001-01-01T00:00:00+05:00",
        b"2013-01-01T05:15:00Z\n",
        "\uff12013-01-01T05:15:00Z".encode(),
        b"\xff\xfe",
    ],
)
def test_what_is_no_time_is_refused(text: bytes | None) -> None:
    """One answer on every Python version: verdicts must not differ between agents."""
    with pytest.raises(WireError):
        decode_time(text)


@given(text=st.binary(max_size=40))
def test_no_bytes_raise_anything_else(text: bytes) -> None:
    """A header is anyone's bytes."""
    with suppress(WireError):
        assert FIRST_US <= decode_time(text) <= LAST_US


def test_the_last_header_of_a_name_is_meant() -> None:
    """Kafka allows duplicates and null values."""
    headers = [("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", None)]

    assert (last(headers, "a"), last(headers, "c"), last(headers, "d")) == (b"3", None, None)


def test_cloud_events_are_in_kafkas_binary_form() -> None:
    """CloudEvents 1.0, Kafka protocol binding: attributes as `ce_` headers, the data's type as content-type."""
    headers = dict(cloud_event(event_id="1", source="s", kind="k", time_us=0))

    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"s",
        "ce_type": b"k",
        "ce_time": b"1970-01-01T00:00:00.000000Z",
        "content-type": b"application/avro",
    }


@given(cut_id=st.integers(0, 2**63 - 1))
def test_a_marker_comes_back(cut_id: int) -> None:
    """Its id stands in the key, after a zero byte."""
    key = Marker(cut_id).key()

    assert key == b"\x00syncline.cut.%d" % cut_id
    assert is_marker(key)
    assert is_control(key, None)
    assert parse_control(key, []) == Marker(cut_id)


@given(
    publisher=st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    watermark=st.none() | st.integers(-(2**63), 2**63 - 1),
    published=st.integers(0, 2**63 - 1),
)
def test_a_heartbeat_comes_back(publisher: str, watermark: int | None, published: int) -> None:
    """Also one from before the first update, and one whose events are older than 1970."""
    heartbeat = Heartbeat(publisher, watermark, published)

    assert parse_control(heartbeat.key(), heartbeat.headers()) == heartbeat
    assert not is_marker(heartbeat.key())


@given(
    rest=st.binary(max_size=20),
    headers=st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3))),
)
def test_no_control_record_raises_and_marker_means_the_same_everywhere(
    rest: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    """What cannot be read is unknown, and must never stop a partition."""
    for key in (b"\x00" + rest, b"\x00syncline.cut." + rest, b"\x00syncline.heartbeat." + rest):
        parsed = parse_control(key, headers)
        assert isinstance(parsed, Marker | Heartbeat | UnknownControl)
        assert isinstance(parsed, Marker) == is_marker(key)


@pytest.mark.parametrize(
    ("key", "value", "control"),
    [
        (b"\x00", None, True),
        (b"\x00x", None, True),
        (b"\x00x", b"", False),
        (b"x\x00", None, False),
        (b"", None, False),
        (None, None, False),
    ],
)
def test_only_a_null_value_under_a_zero_byte_is_control(
    key: bytes | None, value: bytes | None, *, control: bool
) -> None:
    """To any other consumer it is a delete of an entity it never saw."""
    assert is_control(key, value) is control
