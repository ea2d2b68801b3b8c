"""Keys, and the partitions that Java's clients choose for them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.errors import WireError
from syncline.wire.keys import (
    KEY_BYTES_MAX,
    decode_key,
    encode_key,
    murmur2,
    partition_for,
    partitions_for,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
LONGS = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_the_java_client(key: bytes, expected: int) -> None:
    """The values of Kafka's own test (UtilsTest, testMurmur2), as Java's signed integers."""
    assert murmur2(key) == expected % 2**32


@pytest.mark.parametrize(
    ("key", "of_6", "of_12"),
    [
        (b"21", 0, 0),
        (b"foobar", 0, 6),
        (b"a-little-bit-long-string", 2, 8),
        (b"a-little-bit-longer-string", 5, 11),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5, 5),
        (b"abc", 3, 3),
    ],
)
def test_partitions_are_those_of_the_java_client(key: bytes, of_6: int, of_12: int) -> None:
    """`toPositive(murmur2(key)) % partitions`: the sign bit is cut off, not the absolute value taken."""
    assert (partition_for(key, 6), partition_for(key, 12)) == (of_6, of_12)


@given(
    keys=st.lists(st.binary(max_size=40) | st.binary(min_size=509, max_size=511)),
    partitions=st.integers(1, 99),
)
def test_the_columns_hash_is_the_scalar_one(keys: list[bytes], partitions: int) -> None:
    """Keys of all lengths, with every number of bytes after the last whole word, the empty key included."""
    expected = [partition_for(key, partitions) for key in keys]

    assert partitions_for(keys, partitions).tolist() == expected


@given(values=st.lists(TEXTS | LONGS, min_size=1, max_size=3))
def test_what_is_encoded_comes_back(values: list[str | int]) -> None:
    """A key can be read by its join keys' types alone."""
    try:
        key = encode_key(values)
    except WireError:
        assert len(values) == 1
        assert str(values[0]).startswith("\x00")
        return

    assert decode_key(key, [isinstance(value, int) for value in values]) == values


@given(
    key=st.binary(max_size=30) | TEXTS.map(str.encode),
    integer=st.lists(st.booleans(), min_size=1, max_size=3),
)
def test_a_key_has_one_spelling(key: bytes, integer: list[bool]) -> None:
    """Whatever decodes is what would have been encoded, so that no entity has two cells."""
    values = decode_key(key, integer)

    assert values is None or encode_key(values) == key


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (["EWR"], b"EWR"),
        ([17], b"17"),
        ([-17], b"-17"),
        (["17"], b"17"),
        (["Zürich"], "Zürich".encode()),
        (["🛫"], "🛫".encode()),
        (["[1]"], b"[1]"),
        ([" EWR "], b" EWR "),
        (["a\x00b"], b"a\x00b"),
        (["EWR", 5], b'["EWR",5]'),
        (["Zürich", "a/b"], '["Zürich","a/b"]'.encode()),
        (['say "hi"', "back\\slash"], b'["say \\"hi\\"","back\\\\slash"]'),
        (["\x00", ""], b'["\\u0000",""]'),
    ],
)
def test_odd_keys_have_the_bytes_that_log_md_says(values: list[str | int], key: bytes) -> None:
    """One join key: its UTF-8 text. Several: a canonical JSON array, in the contract's order."""
    assert encode_key(values) == key
    assert decode_key(key, [isinstance(value, int) for value in values]) == values


@pytest.mark.parametrize(
    "values", [[""], ["\x00x"], ["E" * 512], ["é" * 256], ["\ud800"], [2**63], [-(2**63) - 1], ["a", 2**63]]
)
def test_what_can_be_no_key_is_refused(values: list[str | int]) -> None:
    """Empty, too long, no Unicode, beyond 64 bits, or like a control record's."""
    with pytest.raises(WireError):
        encode_key(values)


def test_the_longest_key_is_a_key() -> None:
    """511 bytes fit; they are counted as bytes, not as characters."""
    assert len(encode_key(["E" * KEY_BYTES_MAX])) == 511
    assert len(encode_key(["é" * 255])) == 510


@pytest.mark.parametrize(
    ("key", "integer"),
    [
        (b'["EWR", 5]', [False, True]),
        (b'["EWR",5.0]', [False, True]),
        (b'["EWR",true]', [False, True]),
        (b'["EWR",null]', [False, True]),
        (b'["EWR"]', [False, True]),
        (b'{"a":"EWR"}', [False, True]),
        (b'["\\u00fcber",5]', [False, True]),
        (b'["\\ud800",5]', [False, True]),
        (b"[NaN,5]", [False, True]),
        (b"[" * 500, [False, False]),
        (b"007", [True]),
        (b" 7", [True]),
        (b"1_000", [True]),
        (b"-0", [True]),
        ("\u0667".encode(), [True]),
        (b"9223372036854775808", [True]),
        (b"9" * 5_000, [True]),
        (b"\xff", [False]),
        (b"", [False]),
    ],
)
def test_other_spellings_are_no_keys(key: bytes, integer: list[bool]) -> None:
    """Bytes that `encode_key` would not have written name no entity."""
    assert decode_key(key, integer) is None


@given(values=st.lists(TEXTS, min_size=2, max_size=3))
def test_arrays_are_json(values: list[str]) -> None:
    """Any JSON parser reads a composite key."""
    try:
        assert json.loads(encode_key(values)) == values
    except WireError:
        assert len(json.dumps(values, ensure_ascii=False).encode()) > KEY_BYTES_MAX
