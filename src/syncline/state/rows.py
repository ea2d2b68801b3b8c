"""Records of one partition as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

import numpy as np
import numpy.typing as npt

from syncline.wire.control import is_control, is_marker


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one partition as columns, in offset order; `headers` by row number, where a record has any."""

    partition: int
    offsets: npt.NDArray[np.int64]
    timestamps_ms: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Mapping[int, Sequence[tuple[str, bytes | None]]]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.values)

    def first(self, count: int) -> Rows:
        """The first `count` rows."""
        if count == len(self):
            return self
        return Rows(
            self.partition,
            self.offsets[:count],
            self.timestamps_ms[:count],
            self.keys[:count],
            self.values[:count],
            self.headers,
        )

    def after(self, start: int) -> Rows:
        """The rows from `start` on."""
        return Rows(
            self.partition,
            self.offsets[start:],
            self.timestamps_ms[start:],
            self.keys[start:],
            self.values[start:],
            {row - start: headers for row, headers in self.headers.items() if row >= start},
        )


class RecordKind(IntEnum):
    """What a record of a feature topic is, by key and value alone."""

    VALUE = 0
    DELETE = 1
    CONTROL = 2
    """A control record other than a marker."""
    MARKER = 3


def kinds_of(rows: Rows) -> npt.NDArray[np.int8]:
    """The `RecordKind` of every row up to the first marker; nothing beyond it is looked at before it is passed."""
    kinds = np.zeros(len(rows), np.int8)
    if None in rows.values:
        for row, value in enumerate(rows.values):
            if value is None:
                key = rows.keys[row]
                if key is not None and is_control(key, value):
                    if is_marker(key):
                        kinds[row] = RecordKind.MARKER
                        break
                    kinds[row] = RecordKind.CONTROL
                else:
                    kinds[row] = RecordKind.DELETE
    return kinds


def filled(column: Sequence[bytes | None]) -> Sequence[bytes]:
    """The column with empty bytes for None; the column itself where it has none."""
    return [octets or b"" for octets in column] if None in column else cast("Sequence[bytes]", column)
