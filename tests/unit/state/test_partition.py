"""A partition's state, and how it is packed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.errors import StoreCorrupt
from syncline.state.digest import Digest
from syncline.state.partition import RING_SIZE, PartitionState, RingEntry

SIGNED = st.integers(-(2**63), 2**63 - 1)
DIGESTS = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1)), max_size=9).map(
    lambda cells: Digest.empty().changed(
        added=([bucket for bucket, _ in cells], [cell_hash for _, cell_hash in cells]), removed=([], [])
    )
)
RINGS = st.lists(st.builds(RingEntry, SIGNED, st.integers(0, 2**64 - 1)), max_size=RING_SIZE).map(tuple)
STATES = st.builds(PartitionState, SIGNED, SIGNED, SIGNED, DIGESTS, RINGS, st.booleans())


@given(state=STATES)
def test_what_is_packed_comes_back(state: PartitionState) -> None:
    """P3: the state on disk is the state that was committed, to the last field."""
    assert PartitionState.unpack(state.pack()) == state


def test_a_new_partition_has_seen_nothing() -> None:
    """Offset 0 comes next, T is before every record, no cell, no proof."""
    state = PartitionState()

    assert (state.next_offset, state.t_ms, state.cells, state.ring, state.head_trimmed) == (
        0,
        -1,
        0,
        (),
        False,
    )
    assert state.digest == Digest.empty()


@given(state=STATES, cut=st.integers(1, 3000))
def test_a_state_cut_short_is_refused(state: PartitionState, cut: int) -> None:
    """P3: bytes lost at the end are noticed, wherever the cut falls."""
    packed = state.pack()

    with pytest.raises(StoreCorrupt):
        PartitionState.unpack(packed[: -min(cut, len(packed))])


@given(state=STATES, more=st.binary(min_size=1, max_size=40))
def test_a_state_with_bytes_too_many_is_refused(state: PartitionState, more: bytes) -> None:
    """P3: bytes added at the end are noticed."""
    with pytest.raises(StoreCorrupt, match="ring"):
        PartitionState.unpack(state.pack() + more)


def test_a_state_of_another_fold_is_refused() -> None:
    """P2: states of different folds are never compared, so never read as one's own."""
    packed = PartitionState().pack()

    with pytest.raises(StoreCorrupt, match="fold version 200"):
        PartitionState.unpack(b"\xc8" + packed[1:])


def test_the_ring_forgets_the_oldest_proof() -> None:
    """The last 64 markers are remembered, in their order; the original state is left alone."""
    state = PartitionState()
    for offset in range(RING_SIZE + 3):
        state = state.remember(RingEntry(offset, offset * 2))

    assert [entry.offset for entry in state.ring] == list(range(3, RING_SIZE + 3))
    assert PartitionState().ring == ()
