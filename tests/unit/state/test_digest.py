"""The digest of a partition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.state.digest import Digest

CELLS = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1)), max_size=50)
NOTHING = ([], [])


def columns(cells: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The two columns that `changed` takes."""
    return [bucket for bucket, _ in cells], [cell_hash for _, cell_hash in cells]


def digest_of(cells: list[tuple[int, int]]) -> Digest:
    """The digest of exactly these cells."""
    return Digest.empty().changed(added=columns(cells), removed=NOTHING)


def test_an_empty_digest_is_zero() -> None:
    """The digest of no cells has total 0 and 256 zero sums."""
    empty = Digest.empty()

    assert (empty.total, empty.sums) == (0, (0,) * 256)


@given(cells=CELLS, order=st.randoms(use_true_random=False))
def test_order_does_not_matter(cells: list[tuple[int, int]], order) -> None:
    """P2: the same cells in any order, at once or one by one, have one digest."""
    shuffled = list(cells)
    order.shuffle(shuffled)
    one_by_one = Digest.empty()
    for cell in shuffled:
        one_by_one = one_by_one.changed(added=columns([cell]), removed=NOTHING)

    assert digest_of(cells) == digest_of(shuffled) == one_by_one
    assert hash(digest_of(cells)) == hash(one_by_one)


@given(kept=CELLS, gone=CELLS)
def test_removing_undoes_adding(kept: list[tuple[int, int]], gone: list[tuple[int, int]]) -> None:
    """P2: a cell that came and went leaves no trace."""
    both = digest_of(kept + gone)

    assert both.changed(added=NOTHING, removed=columns(gone)) == digest_of(kept)


@given(old=CELLS, new=CELLS)
def test_adding_and_removing_at_once_equals_one_after_the_other(
    old: list[tuple[int, int]], new: list[tuple[int, int]]
) -> None:
    """P2: a batch that replaces cells comes to the digest of the new ones, also as numpy columns."""
    added = (np.array(columns(new)[0], np.uint8), np.array(columns(new)[1], np.uint64))

    assert digest_of(old).changed(added=added, removed=columns(old)) == digest_of(new)


@given(cells=CELLS)
def test_sums_and_total_are_sums_mod_2_64(cells: list[tuple[int, int]]) -> None:
    """P2: each sub-digest is the sum of its bucket's hashes mod 2^64, as Python's integers reckon it."""
    expected = [0] * 256
    for bucket, cell_hash in cells:
        expected[bucket] = (expected[bucket] + cell_hash) % 2**64

    digest = digest_of(cells)

    assert digest.sums == tuple(expected)
    assert digest.total == sum(expected) % 2**64


@given(cells=CELLS)
def test_what_is_packed_comes_back(cells: list[tuple[int, int]]) -> None:
    """A digest is 2,048 bytes on disk, and the same one afterwards."""
    digest = digest_of(cells)

    packed = digest.pack()

    assert len(packed) == Digest.SIZE == 2048
    assert Digest.unpack(packed) == digest


@pytest.mark.untraced
@given(cells=CELLS, bucket=st.integers(0, 255), cell_hash=st.integers(1, 2**64 - 1))
def test_one_more_cell_changes_its_bucket_only(
    cells: list[tuple[int, int]], bucket: int, cell_hash: int
) -> None:
    """A divergence shows in the sub-digest of the key's bucket, and nowhere else."""
    before, after = digest_of(cells), digest_of([*cells, (bucket, cell_hash)])

    assert before != after
    assert [at for at in range(256) if before.sums[at] != after.sums[at]] == [bucket]


def test_changing_leaves_the_original_alone() -> None:
    """A digest is immutable: a plan that is thrown away leaves no mark."""
    digest = digest_of([(1, 5)])

    digest.changed(added=([1, 2], [7, 7]), removed=([1], [5]))

    assert digest == digest_of([(1, 5)])


def test_a_digest_equals_digests_only() -> None:
    """The total's number is not the digest."""
    assert Digest.empty() != 0
    assert repr(digest_of([(0, 255)])) == "Digest(00000000000000ff)"
