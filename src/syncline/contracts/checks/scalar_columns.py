"""The limits of a scalar feature, or of the items of a list, judged for a whole column at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncline.contracts.checks.patterns import compile_pattern
from syncline.contracts.codec.arrow import ARROW_TYPES, NUMPY_TYPES, numbers
from syncline.contracts.limits import INTEGER_RANGES, closed_range
from syncline.contracts.model import FeatureType

if TYPE_CHECKING:
    import numpy.typing as npt

    from syncline.contracts.checks.patterns import Pattern
    from syncline.contracts.model import Feature, Item

_FULL_WIDTH = (FeatureType.INT, FeatureType.LONG)
"""Types all of whose numbers their column can hold are values."""


class ScalarColumn:
    """Judges the values of one column; compile it once per feature or item."""

    def __init__(self, limits: Feature | Item) -> None:
        self._type = limits.type
        self._bounds = closed_range(limits)
        if limits.type in _FULL_WIDTH and self._bounds == INTEGER_RANGES[limits.type]:
            self._bounds = None
        self._nan_passes = limits.type.is_floating and not limits.finite
        self._lengths = (limits.min_length, limits.max_length)
        self._pattern = compile_pattern(limits.pattern) if limits.pattern is not None else None
        self._allowed = None
        if limits.allowed is not None:
            self._allowed = pa.array(limits.allowed, ARROW_TYPES[limits.type])

    def __call__(self, column: pa.Array) -> npt.NDArray[np.bool_] | None:
        """Which values keep every limit; None when all do. What it says of nulls means nothing."""
        passed: npt.NDArray[np.bool_] | None = None
        if self._bounds is not None:
            values: npt.NDArray[Any] = numbers(column, NUMPY_TYPES[self._type])
            passed = (values >= self._bounds[0]) & (values <= self._bounds[1])
            if self._nan_passes:
                passed |= np.isnan(values)
        lowest, highest = self._lengths
        if lowest is not None or highest is not None:
            lengths = numbers(pc.utf8_length(column), np.int32)
            if lowest is not None:
                passed = _both(passed, lengths >= lowest)
            if highest is not None:
                passed = _both(passed, lengths <= highest)
        if self._pattern is not None:
            passed = _both(passed, _found(self._pattern, column))
        if self._allowed is not None:
            passed = _both(passed, _among(column, self._allowed))
        return passed


def _both(one: npt.NDArray[np.bool_] | None, other: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return other if one is None else one & other


def _among(column: pa.Array, allowed: pa.Array) -> npt.NDArray[np.bool_]:
    if column.type != allowed.type:
        # A timestamp under another zone, or as int64: the same numbers.
        column, allowed = column.cast(pa.int64()), allowed.cast(pa.int64())
    return np.asarray(pc.is_in(column, value_set=allowed).to_numpy(zero_copy_only=False), np.bool_)


def _found(pattern: Pattern, column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which texts contain a match, each distinct one searched once by the very engine that rows use."""
    coded = column.dictionary_encode()
    found = [text is not None and pattern.found_in(text) for text in coded.dictionary.to_pylist()]
    # One more, false, for the null texts.
    codes = coded.indices.fill_null(len(found)) if coded.indices.null_count else coded.indices
    passed: npt.NDArray[np.bool_] = np.array([*found, False], np.bool_)[numbers(codes, np.int32)]
    return passed
