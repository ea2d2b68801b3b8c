"""What is inside a column of lists, maps or vectors, judged for all its rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from syncline.contracts.checks.scalar_columns import ScalarColumn
from syncline.contracts.codec.arrow import items_of, numbers, validity
from syncline.contracts.codec.entries import repeated_keys

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from syncline.contracts.codec.arrow import Items
    from syncline.contracts.model import Feature, Item


class ItemColumn:
    """Judges the lists, maps or vectors of one column; compile it once per feature."""

    def __init__(self, feature: Feature, item: Item) -> None:
        self._judge_items = ScalarColumn(item)
        self._fewest, self._most = feature.min_items, feature.max_items
        self._dimensions = feature.dimensions
        self._unique = feature.unique_items

    def __call__(self, column: pa.Array) -> npt.NDArray[np.bool_]:
        """Which rows keep every limit on their number of items and on each item; of null rows it means nothing."""
        items = items_of(column)
        counts = np.diff(items.ends)
        passed = self._right_count(counts)
        good = self._judge_items(items.values)
        valid = validity(items.values)
        if valid is not None:
            good = valid if good is None else good & valid
        if good is not None:
            passed &= ~_any_in_row(~good, items.ends)
        if items.keys is not None:
            passed &= ~repeated_keys(column)
        if self._unique:
            passed &= ~_repeated(items, counts)
        return passed

    def _right_count(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        passed = np.ones(len(counts), np.bool_)
        if self._fewest is not None:
            passed &= counts >= self._fewest
        if self._most is not None:
            passed &= counts <= self._most
        if self._dimensions is not None:
            passed &= counts == self._dimensions
        return passed


def _any_in_row(flags: npt.NDArray[np.bool_], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows have a true flag; by sums, as `reduceat` gives an empty row its neighbour's item."""
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)])
    found: npt.NDArray[np.bool_] = sums[ends[1:]] > sums[ends[:-1]]
    return found


def _repeated(items: Items, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which rows hold an item twice."""
    found = np.zeros(len(counts), np.bool_)
    coded = items.values.dictionary_encode(null_encoding="encode")
    codes = numbers(coded.indices, np.int32).astype(np.int64)
    rows = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    # One number for each pair of row and item: equal pairs stand side by side once sorted.
    pairs = np.sort(rows * (len(coded.dictionary) + 1) + codes)
    again = pairs[1:][pairs[1:] == pairs[:-1]]
    found[again // (len(coded.dictionary) + 1)] = True
    return found
