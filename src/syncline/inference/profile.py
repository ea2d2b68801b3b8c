"""What the values of one column were, summed up batch by batch in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from syncline.contracts.codec.arrow import items_of
from syncline.contracts.codec.entries import null_items, repeated_keys
from syncline.contracts.model import FeatureType
from syncline.inference.shapes import LONGEST_TEXT, Shape
from syncline.inference.types import ColumnType, Unfit, column_type, list_values, scalar_values

if TYPE_CHECKING:
    import numpy.typing as npt

KEPT_FOR_QUANTILES = 50_000
_FEWEST_FOR_QUANTILES = 1_000
MOST_TALLIED = 1_000
"""Of how many different texts the counts are kept; with more it is only known that there are many."""


@dataclass(slots=True)
class Spread:
    """The range of numbers, days (since 1970) or moments (µs since 1970)."""

    count: int = 0
    """Values that are neither null nor NaN nor infinite."""
    low: int | float | None = None
    high: int | float | None = None
    nan: int = 0
    infinite: int = 0
    whole: bool = True
    """Whether all of them are whole numbers."""
    _first: list[npt.NDArray[np.float64]] = field(default_factory=list)
    """The first values, for quantiles."""
    kept: int = 0
    """How many values the quantiles are of."""

    def add(self, values: pa.Array, kind: FeatureType) -> None:
        """Look at more values, none of them null."""
        if kind.is_moment:
            values = values.cast(pa.int32() if kind is FeatureType.DATE else pa.int64())
        if kind.is_floating:
            numbers = values.to_numpy()
            finite = numbers[np.isfinite(numbers)]
            nan = int(np.isnan(numbers).sum())
            self.nan += nan
            self.infinite += len(numbers) - len(finite) - nan
            self.whole = self.whole and bool((finite == np.rint(finite)).all())
            values = pa.array(finite)
        self.count += len(values)
        if self.kept < KEPT_FOR_QUANTILES:
            first = values.slice(0, KEPT_FOR_QUANTILES - self.kept).to_numpy().astype(np.float64)
            self._first.append(first)
            self.kept += len(first)
        seen = pc.min_max(values).as_py()
        if seen["min"] is not None:
            self.low = seen["min"] if self.low is None else min(self.low, seen["min"])
            self.high = seen["max"] if self.high is None else max(self.high, seen["max"])

    def usual(self) -> tuple[float, float] | None:
        """Where 998 of 1,000 values lie, if a few lie far outside; None where none do."""
        if self.kept < _FEWEST_FOR_QUANTILES or self.low is None or self.high is None:
            return None
        low, high = (float(edge) for edge in np.percentile(np.concatenate(self._first), [0.1, 99.9]))
        far = 3 * (high - low)
        return (low, high) if self.high > high + far or self.low < low - far else None


@dataclass(slots=True)
class Texts:
    """Lengths, shape and the different values of texts."""

    count: int = 0
    shortest: int | None = None
    """In characters."""
    longest: int | None = None
    longest_bytes: int = 0
    shape: Shape = field(default_factory=Shape)
    tally: dict[str, int] | None = field(default_factory=dict)
    """Value → how often; None once there were more than `MOST_TALLIED`."""

    def add(self, values: pa.Array) -> None:
        """Look at more texts, none of them null."""
        if not len(values):
            return
        self.count += len(values)
        seen = pc.min_max(pc.utf8_length(values)).as_py()
        self.shortest = seen["min"] if self.shortest is None else min(self.shortest, seen["min"])
        self.longest = seen["max"] if self.longest is None else max(self.longest, seen["max"])
        self.longest_bytes = max(self.longest_bytes, pc.max(pc.binary_length(values)).as_py())
        if self.tally is None and self.shape.lost:
            return
        counted = pc.value_counts(values)
        different = counted.field("values")
        self._look_at_shape(different)
        if self.tally is not None:
            for text, count in zip(different.to_pylist(), counted.field("counts").to_pylist(), strict=True):
                self.tally[text] = self.tally.get(text, 0) + count
            if len(self.tally) > MOST_TALLIED:
                self.tally = None

    def _look_at_shape(self, different: pa.Array) -> None:
        if self.shape.lost:
            return
        self.shape.add(different.slice(0, 1).to_pylist())
        expression = self.shape.expression()
        if expression is not None:
            # Those that fit already are told apart by Arrow, many times as fast.
            fitting = pc.and_(
                pc.match_substring_regex(different, expression),
                pc.less_equal(pc.utf8_length(different), LONGEST_TEXT),
            )
            different = different.filter(pc.invert(fitting))
        self.shape.add(different.to_pylist())


@dataclass(slots=True)
class Column:
    """One column of the file: its type, its nulls, and the spread or texts of its values (of its items, if nested)."""

    name: str
    position: int
    """From 0."""
    type: ColumnType | None
    left_out: str = ""
    """Why it cannot be a feature; empty where it can."""
    rows: int = 0
    nulls: int = 0
    spread: Spread = field(default_factory=Spread)
    texts: Texts = field(default_factory=Texts)
    fewest: int | None = None
    """Items of a list or map."""
    most: int | None = None
    true_count: int = 0

    @classmethod
    def of(cls, name: str, position: int, found: pa.DataType) -> Column:
        """A column of which no value was seen yet."""
        try:
            return cls(name, position, column_type(found))
        except Unfit as error:
            return cls(
                name, position, None, f"{found}: {error}" if str(found) not in str(error) else str(error)
            )

    @property
    def values(self) -> int:
        """How many values were not null."""
        return self.rows - self.nulls

    @property
    def scalar(self) -> FeatureType | None:
        """Its type where it has no items; None for all others."""
        return self.type.kind if self.type is not None and not self.type.kind.is_nested else None

    def add(self, column: pa.Array) -> pa.Array | None:
        """Look at more values; returns them in the type that checks take, where they have no items.

        A value that no contract can carry leaves the whole column out.
        """
        self.rows += len(column)
        if self.type is None:
            return None
        try:
            if self.type.kind.is_nested:
                self._add_nested(column, self.type)
                return None
            values = scalar_values(column, self.type.kind)
        except Unfit as error:
            self.left_out = f"{column.type}: {error}"
            self.type = None
            return None
        self.nulls += values.null_count
        self._add_scalars(values.drop_null(), self.type.kind)
        return values

    def _add_scalars(self, values: pa.Array, kind: FeatureType) -> None:
        if kind is FeatureType.STRING:
            self.texts.add(values)
        elif kind is FeatureType.BOOLEAN:
            self.true_count += values.true_count
        else:
            self.spread.add(values, kind)

    def _add_nested(self, column: pa.Array, kind: ColumnType) -> None:
        assert kind.item is not None
        column = list_values(column, kind)
        if null_items(column).any():
            raise Unfit("some of its values hold nulls, and items are never null: leave those items away")
        if kind.kind is FeatureType.MAP and repeated_keys(column).any():
            raise Unfit("some of its maps name a key twice: keep one of them")
        self.nulls += column.null_count
        column = column.drop_null()
        items = items_of(column)
        values = scalar_values(items.values, kind.item)
        counts = np.diff(items.ends)
        if len(counts):
            fewest, most = int(counts.min()), int(counts.max())
            self.fewest = fewest if self.fewest is None else min(self.fewest, fewest)
            self.most = most if self.most is None else max(self.most, most)
        self._add_scalars(values, kind.item)
