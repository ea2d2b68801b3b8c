"""What a store keeps beside the cell of a traced update comes back, or is none: it never fails a read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.state.traced import Traced

TIMES_US = st.integers(-(2**63), 2**63 - 1)
TRACES = st.builds(
    Traced,
    trace_id=st.integers(0, 2**128 - 1),
    send_span_id=st.integers(0, 2**64 - 1),
    process_span_id=st.integers(0, 2**64 - 1),
    appended_us=TIMES_US,
    received_us=TIMES_US,
    applied_us=TIMES_US,
)
SIZE = 57


@given(traced=TRACES)
def test_what_is_packed_comes_back(traced: Traced) -> None:
    """To the last bit, in 57 bytes."""
    packed = traced.pack()

    assert len(packed) == SIZE
    assert Traced.unpack(packed) == traced


def test_the_bytes_are_what_they_were() -> None:
    """Stores of today are read by the Syncline of tomorrow: every byte at its place, big end first."""
    packed = Traced(0x0102, 0x0304, 0x0506, 7, -1, 9).pack()

    assert packed == b"".join(
        [
            b"\x01",
            bytes(14) + b"\x01\x02",
            bytes(6) + b"\x03\x04",
            bytes(6) + b"\x05\x06",
            bytes(7) + b"\x07",
            b"\xff" * 8,
            bytes(7) + b"\x09",
        ]
    )
    assert struct.calcsize(">B16s8s8sqqq") == SIZE


@given(junk=st.binary(max_size=80) | st.binary(min_size=SIZE, max_size=SIZE))
def test_what_another_version_keeps_is_none_and_no_error(junk: bytes) -> None:
    """A trace is worth no failed read."""
    found = Traced.unpack(junk)

    assert (found is not None) == (len(junk) == SIZE and junk[0] == 1)
    assert found is None or found.pack() == junk


@pytest.mark.parametrize("change", [lambda it: b"\x02" + it[1:], lambda it: it + b"\x00", lambda it: it[:-1]])
def test_what_a_later_version_writes_is_none(change: object) -> None:
    """Its first byte says so; so does its length."""
    packed = Traced(1, 2, 3, 4, 5, 6).pack()

    assert Traced.unpack(change(packed)) is None
