"""Avro bodies to Arrow columns in two lanes with one verdict.

The fast lane decodes a whole batch at once but forgives trailing bytes, overlong integers, bad UTF-8 and repeated
keys, and does not say which row failed. So its rows are believed only where their canonical length is the payload's
length; all others, and the neighbourhood of whatever makes it fail, go through `RowDecoder`, whose verdict is the
verdict.

Why the length is proof: the fast lane reads from left to right, and no part that it reads can be shorter than the
canonical form of what it read there. An integer in more bytes than it needs, or with bits beyond 64, takes more than
its value does. A list in several blocks takes at least what one block takes: w(a + b) <= w(a) + w(b) for the bytes of
counts a, b >= 1; a negative count saves at most the one byte that its size costs at least. Bytes left over only add.
So where the sum is equal each part is as long as its canonical form, and a row decoder reads the same values from it:
blocks of another layout but the same length are legal, and the size of a block is looked at by neither lane. What the
length cannot show is asked apart: integers beyond 32 bits (read as 64 here), UTF-8, keys that a map names twice.

Measured with pyruhvro 0.4: counts of 2^20 to 2^62, positive and negative, in payloads of a few bytes end as "end of
buffer" at once and within the memory of an idle process, for arrays and maps of every scalar: it allocates as it
reads. So nothing needs to be bounded before it is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyruhvro

from syncline.contracts.codec.arrow import arrow_schema, carries
from syncline.contracts.codec.decode_fast import as_type, beyond_32_bits, fast_field, fast_text, zero
from syncline.contracts.codec.decode_row import RowDecoder
from syncline.contracts.codec.entries import repeated_keys
from syncline.contracts.codec.fields import wire_fields
from syncline.contracts.codec.widths import field_widths
from syncline.contracts.model import FeatureType
from syncline.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_SMALLEST_FAST = 8
"""Below this many rows a call of the fast lane costs more than single rows do, and bisecting ends."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a batch of payloads turned out to be. Row numbers count the payloads from 0."""

    batch: pa.RecordBatch
    """The good rows, in order."""
    good: npt.NDArray[np.int64]
    """The row number of each row of `batch`, ascending."""
    bad: list[tuple[int, str]]
    """The row number and the reason of each row that is no record of the schema, ascending."""


class Decoder:
    """Decodes the payloads of one writer schema; compile it once per schema id, call it often."""

    def __init__(self, schema_text: str) -> None:
        self._fields = wire_fields(schema_text)
        self.schema: pa.Schema = arrow_schema(self._fields)
        """The columns of every batch: one per field, in wire order; moments are `timestamp[us, UTC]`."""
        self.decode_row = RowDecoder(schema_text)
        """The slow lane: one payload to a row dict, or `WireError`."""
        self._fast_text: str | None = fast_text(self._fields)
        self._fast_schema = arrow_schema([fast_field(field) for field in self._fields])
        if not self._probe():
            self._fast_text = None

    @property
    def has_fast_lane(self) -> bool:
        """Whether batches of this schema are decoded column by column."""
        return self._fast_text is not None

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode Avro bodies (without framing). Never raises for what is in a payload."""
        batches: list[pa.RecordBatch] = []
        rows: list[npt.NDArray[np.int64]] = []
        doubtful: list[int] = []
        open_ranges = [(0, len(payloads))]
        while open_ranges:
            start, stop = open_ranges.pop()
            fast = self._fast(payloads[start:stop]) if stop - start >= _SMALLEST_FAST else None
            if fast is not None:
                sure = self._sure(fast, payloads[start:stop])
                numbers_of_rows = np.arange(start, stop, dtype=np.int64)
                if sure.all():
                    rows.append(numbers_of_rows)
                else:
                    doubtful += numbers_of_rows[~sure].tolist()
                    rows.append(numbers_of_rows[sure])
                    fast = fast.filter(pa.array(sure))
                batches.append(self._shaped(fast))
            elif self._fast_text is None or stop - start < 2 * _SMALLEST_FAST:
                doubtful += range(start, stop)
            else:
                middle = (start + stop) // 2
                open_ranges += [(middle, stop), (start, middle)]
        slow, slow_rows, bad = self._slow(payloads, doubtful)
        if slow.num_rows or not batches:
            batches.append(slow)
            rows.append(slow_rows)
        batch, good = _in_order(batches, rows)
        return Decoded(batch, good, bad)

    def _fast(self, payloads: Sequence[bytes]) -> pa.RecordBatch | None:
        """The batch as the fast lane sees it, or None when it refuses any of the payloads."""
        if self._fast_text is None:
            return None
        try:
            batch = pyruhvro.deserialize_array(payloads, self._fast_text)
            batch.validate(full=True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001  a panic of the Rust code is a BaseException; the slow lane decides
            return None
        return batch if batch.num_rows == len(payloads) else None

    def _sure(self, batch: pa.RecordBatch, payloads: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Which rows the fast lane cannot have misread."""
        expected: Any = np.zeros(batch.num_rows, np.int64)
        sure = np.ones(batch.num_rows, np.bool_)
        for field, column in zip(self._fields, batch.columns, strict=True):
            expected = expected + field_widths(fast_field(field), column)
            if field.type is FeatureType.MAP:
                sure &= ~repeated_keys(column)
            beyond = beyond_32_bits(field, column)
            if beyond is not None:
                sure &= ~beyond
        sure &= expected == np.fromiter(map(len, payloads), np.int64, count=len(payloads))
        return sure

    def _shaped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The fast lane's columns with the types of `schema`."""
        columns = [
            as_type(column, field.type) for column, field in zip(batch.columns, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _slow(
        self, payloads: Sequence[bytes], doubtful: list[int]
    ) -> tuple[pa.RecordBatch, npt.NDArray[np.int64], list[tuple[int, str]]]:
        good: list[dict[str, Any]] = []
        rows: list[int] = []
        bad: list[tuple[int, str]] = []
        for row in sorted(doubtful):
            try:
                good.append(self.decode_row(payloads[row]))
                rows.append(row)
            except WireError as error:
                bad.append((row, str(error)))
        columns = [pa.array([row[field.name] for row in good], field.type) for field in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema), np.array(rows, np.int64), bad

    def _probe(self) -> bool:
        """Whether the fast lane knows this schema: it must give the expected columns for a sample."""
        sample = [b"".join(zero(field) for field in self._fields)] * 2
        batch = self._fast(sample)
        return (
            batch is not None
            and all(map(carries, [column.type for column in batch.columns], self._fast_schema.types))
            and bool(self._sure(batch, sample).all())
            and self._shaped(batch).to_pylist() == self._slow(sample, [0, 1])[0].to_pylist()
        )


def _in_order(
    batches: list[pa.RecordBatch], rows: list[npt.NDArray[np.int64]]
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    if len(batches) == 1:
        return batches[0], rows[0]
    numbers_of_rows = np.concatenate(rows)
    order = np.argsort(numbers_of_rows, kind="stable")
    table = pa.Table.from_batches(batches).combine_chunks()
    columns = [
        (column.chunk(0) if column.num_chunks else pa.array([], column.type)).take(pa.array(order))
        for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema), numbers_of_rows[order]
