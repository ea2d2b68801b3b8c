"""Which columns name the entity, and how often each entity gets new values: found in the first rows of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from syncline.contracts.model import FeatureType
from syncline.inference.names import words
from syncline.inference.profile import Column

SAMPLE_ROWS = 100_000
LONGEST_KEY_BYTES = 100
_MOST_CANDIDATES = 14
_MOST_COLUMNS = 3
_QUICK_ROWS = 3_000
_KEY_WORDS = frozenset(
    {"id", "key", "code", "uuid", "guid", "sku", "iata", "icao", "number", "no", "name", "symbol"}
)
_KEY_TYPES = (FeatureType.STRING, FeatureType.INT, FeatureType.LONG)

Codes = npt.NDArray[np.int64]


@dataclass(slots=True)
class Sample:
    """The first rows of the columns that could be keys or event times, as numbers: equal ones for equal values."""

    rows: int = 0
    _parts: dict[int, list[Codes]] = field(default_factory=dict)
    _numbers: dict[int, dict[str, int]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether it takes no more rows."""
        return self.rows >= SAMPLE_ROWS

    def add(self, column: Column, values: pa.Array) -> None:
        """Take the next values of a column, without nulls: one with nulls is no key and no event time by itself."""
        if column.nulls or column.scalar not in (*_KEY_TYPES, FeatureType.DATE, FeatureType.TIMESTAMP):
            self._parts.pop(column.position, None)
            return
        if column.scalar is FeatureType.STRING:
            if column.texts.longest_bytes > LONGEST_KEY_BYTES:
                self._parts.pop(column.position, None)
                self._numbers.pop(column.position, None)
                return
            codes = self._codes_of_texts(column.position, values)
        else:
            whole = pa.int32() if column.scalar in (FeatureType.DATE, FeatureType.INT) else pa.int64()
            codes = values.cast(whole).to_numpy().astype(np.int64)
        self._parts.setdefault(column.position, []).append(codes)

    def codes(self, position: int) -> Codes | None:
        """The numbers of a column; None where it had nulls, or is no key and no event time."""
        parts = self._parts.get(position)
        if parts is None:
            return np.zeros(0, np.int64) if self.rows == 0 else None
        joined = np.concatenate(parts)
        return joined if len(joined) == self.rows else None

    def _codes_of_texts(self, position: int, values: pa.Array) -> Codes:
        numbers = self._numbers.setdefault(position, {})
        encoded = values.dictionary_encode()
        of_entry = np.array(
            [numbers.setdefault(text, len(numbers)) for text in encoded.dictionary.to_pylist()], np.int64
        )
        return of_entry[encoded.indices.to_numpy()] if len(values) else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Cadence:
    """The gaps between the updates of a key, in µs."""

    gaps: int
    median_us: int
    most_us: int
    """95 of 100 gaps are no longer."""


def propose_key(columns: Sequence[Column], sample: Sample, event_time: int) -> tuple[int, ...] | None:
    """The cheapest combination of columns that no two rows share at one event time; None where there is none.

    Texts and names such as `id` or `code` are preferred, few columns are preferred to many, and columns whose values
    come again are preferred to those in which each value stands in one row, as those number rows.
    """
    times = sample.codes(event_time)
    if times is None:
        return None
    codes = {
        column.position: _dense(found)
        for column in columns
        if column.position != event_time and _may_be_key(column)
        for found in [sample.codes(column.position)]
        if found is not None
    }
    prices = {
        column.position: _price(column, codes[column.position])
        for column in columns
        if column.position in codes
    }
    cheapest = sorted(prices, key=lambda position: (prices[position], position))[:_MOST_CANDIDATES]
    choices = [
        choice for count in range(1, _MOST_COLUMNS + 1) for choice in combinations(sorted(cheapest), count)
    ]
    choices.sort(key=lambda choice: (sum(prices[each] + 2 for each in choice), len(choice), choice))
    for choice in choices:
        constant = len(choice) > 1 and any(codes[each].max(initial=0) == 0 for each in choice)
        if not constant and _are_unique(codes, choice, times):
            return choice
    return None


def shared_rows(sample: Sample, keys: Sequence[int], event_time: int) -> float | None:
    """The share of rows that have key and event time in common with an earlier one; None where that is not known."""
    found = [sample.codes(position) for position in (*keys, event_time)]
    if any(each is None for each in found) or not sample.rows:
        return None
    together = _joined([_dense(each) for each in found if each is not None])
    return 1 - len(np.unique(together)) / sample.rows


def find_cadence(sample: Sample, keys: Sequence[int], event_time: int, us_each: int) -> Cadence | None:
    """How often the keys get new values; None where no key has two.

    Args:
        sample: the first rows.
        keys: positions of the join keys.
        event_time: its position.
        us_each: how many µs one step of the event time is: a day for dates.
    """
    found, times = [sample.codes(position) for position in keys], sample.codes(event_time)
    if times is None or any(each is None for each in found) or not sample.rows:
        return None
    together = _joined([_dense(each) for each in found if each is not None])
    order = np.lexsort((times, together))
    gaps = np.diff(times[order])[np.diff(together[order]) == 0]
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return None
    median, most = np.percentile(gaps, [50, 95])
    return Cadence(len(gaps), round(float(median)) * us_each, round(float(most)) * us_each)


def _may_be_key(column: Column) -> bool:
    if column.scalar not in _KEY_TYPES or column.nulls:
        return False
    return column.scalar is not FeatureType.STRING or (
        column.texts.shortest != 0 and column.texts.longest_bytes <= LONGEST_KEY_BYTES
    )


def _price(column: Column, codes: Codes) -> int:
    price = 0 if words(column.name) & _KEY_WORDS else 1
    if column.scalar is not FeatureType.STRING:
        # Most whole numbers count something.
        price += price * 4
    numbers_rows = len(codes) > 1 and codes.max(initial=0) + 1 == len(codes)
    return price + (6 if numbers_rows else 0)


def _are_unique(codes: Mapping[int, Codes], choice: Sequence[int], times: Codes) -> bool:
    for rows in (_QUICK_ROWS, len(times)):
        parts = [codes[position][:rows] for position in choice] + [_dense(times[:rows])]
        together = _joined(parts)
        if len(np.unique(together)) != len(together):
            return False
    return True


def _dense(codes: Codes) -> Codes:
    """The same with numbers from 0."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _joined(parts: Sequence[Codes]) -> Codes:
    """One number for each combination; the numbers of each part are below 2^17, so that products stay exact."""
    together = parts[0]
    for part in parts[1:]:
        together = _dense(together) * (int(part.max(initial=0)) + 1) + part
    return together
