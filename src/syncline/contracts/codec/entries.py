"""What may not be inside lists and maps, found for whole columns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from syncline.contracts.codec.arrow import items_of, numbers, validity

if TYPE_CHECKING:
    import numpy.typing as npt


def repeated_keys(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows of a map column name a key twice, one flag a row; a null row never does."""
    found = np.zeros(len(column), np.bool_)
    items = items_of(column)
    assert items.keys is not None, "only maps have keys"
    counts = np.diff(items.ends)
    if not (counts > 1).any():
        return found
    codes = numbers(items.keys.dictionary_encode().indices, np.int32).astype(np.int64)
    rows = np.repeat(np.arange(len(column), dtype=np.int64), counts)
    # One number for each pair of row and key: equal pairs stand side by side once sorted.
    pairs = np.sort(rows * (len(codes) + 1) + codes)
    again = pairs[1:][pairs[1:] == pairs[:-1]]
    found[again // (len(codes) + 1)] = True
    valid = validity(column)
    return found if valid is None else found & valid


def null_items(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows of a list or map column hold a null inside, one flag a row; a null row itself never does."""
    items = items_of(column)
    nulls = np.zeros(int(items.ends[-1]), np.bool_)
    for inside in (items.values, items.keys):
        there = None if inside is None else validity(inside)
        nulls |= False if there is None else ~there
    found = items.rows_with(nulls)
    valid = validity(column)
    return found if valid is None else found & valid
