"""Cells: what is packed comes back, and nothing else does."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from syncline.errors import StoreCorrupt
from syncline.state.cell import (
    HEAD_BYTES,
    Cell,
    cell_hash,
    cell_hashes,
    cell_heads,
    key_buckets,
    mark_traced,
    pack_cells,
    recount,
    unpack_cell,
)

KEYS = st.binary(min_size=1, max_size=511)
CELLS = st.builds(
    Cell,
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**62 - 1),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=60),
    st.booleans(),
)


def packed(key: bytes, cell: Cell) -> bytes:
    """The cell's bytes."""
    cells, _ = pack_cells(
        [key],
        event_times_us=np.array([cell.event_time_us], np.int64),
        offsets=np.array([cell.offset], np.int64),
        deleted=np.array([cell.deleted]),
        schema_ids=np.array([cell.schema_id], np.int64),
        payloads=[cell.payload],
    )
    return mark_traced(cells[0]) if cell.traced else cells[0]


@given(cells=st.dictionaries(KEYS, CELLS, max_size=8))
def test_what_is_packed_comes_back_with_the_hash_that_promises_md_states(cells: dict[bytes, Cell]) -> None:
    """P2, P5: xxh3_64 of key length, key, event time, deleted, schema id and payload; no offset is in it."""
    keys, values = list(cells), list(cells.values())

    front, hashes = pack_cells(
        keys,
        event_times_us=np.array([cell.event_time_us for cell in values], np.int64),
        offsets=np.array([cell.offset for cell in values], np.int64),
        deleted=np.array([cell.deleted for cell in values], np.bool_),
        schema_ids=np.array([cell.schema_id for cell in values], np.int64),
        payloads=[cell.payload for cell in values],
    )
    front = [mark_traced(one) if cell.traced else one for one, cell in zip(front, values, strict=True)]
    heads = cell_heads(front)

    assert [unpack_cell(key, one) for key, one in zip(keys, front, strict=True)] == values
    told = [
        xxh3_64_intdigest(
            struct.pack("<H", len(key))
            + key
            + struct.pack("<qBI", cell.event_time_us, cell.deleted, cell.schema_id)
            + cell.payload
        )
        for key, cell in cells.items()
    ]
    assert hashes.tolist() == heads.hashes.tolist() == told
    assert [cell_hash(key, one) for key, one in zip(keys, front, strict=True)] == told
    assert heads.offsets.tolist() == [cell.offset for cell in values]
    assert heads.event_times_us.tolist() == [cell.event_time_us for cell in values]
    assert heads.deleted.tolist() == [cell.deleted for cell in values]
    assert heads.traced.tolist() == [cell.traced for cell in values]


@given(key=KEYS, cell=CELLS)
def test_marking_a_cell_traced_changes_nothing_else(key: bytes, cell: Cell) -> None:
    """P2: value, offset, hash and bucket stay, so that agents which sampled otherwise have the same digest."""
    plain = packed(key, cell._replace(traced=False))

    marked = mark_traced(plain)

    assert mark_traced(marked) == marked != plain
    assert unpack_cell(key, marked) == cell._replace(traced=True)
    assert cell_hash(key, marked) == cell_hash(key, plain)
    assert cell_hashes([key], [marked]).tolist() == cell_hashes([key], [plain]).tolist()
    heads, counted = cell_heads([plain, marked]), recount([(key, plain), (key, marked)])
    assert heads.offsets.tolist() == [cell.offset] * 2
    assert heads.traced.tolist() == [False, True]
    assert heads.hashes.tolist() == counted.hashes.tolist() == [cell_hash(key, plain)] * 2
    assert counted.broken.tolist() == [False, False]


@given(key=KEYS, cell=CELLS)
def test_a_flip_of_the_traced_bit_is_found(key: bytes, cell: Cell) -> None:
    """P5: no cell becomes traced, or untraced, by one wrong bit."""
    bad = bytearray(packed(key, cell))
    bad[7] ^= 0x40

    assert recount([(key, bytes(bad))]).broken.tolist() == [True]
    with pytest.raises(StoreCorrupt):
        unpack_cell(key, bytes(bad))


@settings(deadline=None)
@given(key=KEYS, cell=CELLS)
def test_a_change_of_any_byte_is_found(key: bytes, cell: Cell) -> None:
    """P5: every byte of a cell is protected, the offset and the guard themselves included."""
    good = packed(key, cell)

    for place in range(len(good)):
        for change in (0x01, 0x80, 0xFF):
            bad = bytearray(good)
            bad[place] ^= change
            with pytest.raises(StoreCorrupt):
                unpack_cell(key, bytes(bad))


@given(key=KEYS, cell=CELLS, cut=st.integers(0, 100), more=st.binary(min_size=1, max_size=3))
def test_a_cell_that_lost_or_gained_bytes_is_found(key: bytes, cell: Cell, cut: int, more: bytes) -> None:
    """P5: truncation and padding are no values."""
    good = packed(key, cell)

    for bad in (good[: min(cut, len(good) - 1)], good + more):
        with pytest.raises(StoreCorrupt):
            unpack_cell(key, bad)


@given(key=KEYS, other=KEYS, cell=CELLS)
def test_a_cell_under_another_key_is_found(key: bytes, other: bytes, cell: Cell) -> None:
    """P5: a cell that wandered to another entity is not served as its value."""
    if key != other:
        with pytest.raises(StoreCorrupt):
            unpack_cell(other, packed(key, cell))


def test_key_and_payload_cannot_trade_bytes() -> None:
    """The key's length is hashed, so a byte moved from key to body gives another hash."""
    assert HEAD_BYTES == 29
    with pytest.raises(StoreCorrupt):
        unpack_cell(b"a", packed(b"ab", Cell(1, 2, False, 3, b"")))


@given(keys=st.lists(KEYS, max_size=8))
def test_buckets_are_the_low_byte_of_the_keys_own_hash(keys: list[bytes]) -> None:
    """A divergence can be narrowed down by anyone who knows the keys."""
    assert key_buckets(keys).tolist() == [xxh3_64_intdigest(key) & 0xFF for key in keys]


def test_no_cells_are_no_trouble() -> None:
    """A batch in which every key is new has no old cells to look at."""
    assert cell_heads([]).offsets.tolist() == cell_heads([]).traced.tolist() == []


@given(cells=st.dictionaries(KEYS, CELLS, min_size=1, max_size=8), data=st.data())
def test_recounting_gives_what_the_bytes_say_and_who_does_not_fit_its_guard(
    cells: dict[bytes, Cell], data: st.DataObject
) -> None:
    """P5: bucket and hash of every cell; broken are exactly those that no reader would serve, cut off or changed."""
    found = {key: packed(key, cell) for key, cell in cells.items()}
    for key in data.draw(st.sets(st.sampled_from(sorted(found)))):
        whole = found[key]
        at = data.draw(st.integers(0, len(whole) - 1))
        found[key] = data.draw(
            st.sampled_from([whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]])
        )

    counted = recount(list(found.items()))

    assert counted.buckets.tolist() == key_buckets(list(found)).tolist()
    assert counted.hashes.tolist() == [cell_hash(key, cell) for key, cell in found.items()]
    assert counted.broken.tolist() == [not serves(key, cell) for key, cell in found.items()]


def serves(key: bytes, cell: bytes) -> bool:
    """Whether a reader takes the cell."""
    try:
        unpack_cell(key, cell)
    except StoreCorrupt:
        return False
    return True
