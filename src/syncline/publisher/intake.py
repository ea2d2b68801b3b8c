"""What a job hands in, in any of its forms, judged and made ready to be sent."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from syncline.contracts.limits import INTEGER_RANGES
from syncline.contracts.model import Contract, FeatureType
from syncline.errors import WireError
from syncline.publisher.row_lane import BATCH_ROWS, Faulty, RowLane
from syncline.publisher.terms import Window, must_raise

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from syncline.publisher.column_lane import ColumnLane, JudgedColumns

_COLUMNS_ROWS_MIN = 200
"""Fewer rows are done one by one: a batch of columns has a price of its own."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Rows that may be published, in order: their numbers among those handed in, record keys and event times."""

    numbers: Sequence[int]
    keys: list[bytes]
    times_us: list[int]
    write: Callable[[list[int], bool], list[bytes]]
    """The records' values, given the event times to publish and whether any differs from `times_us`."""


@dataclass(slots=True)
class Taken:
    """The verdict on everything handed in at once."""

    parcels: list[Parcel] = field(default_factory=list)
    faulty: list[Faulty] = field(default_factory=list)
    """Rows that are not among the parcels."""
    observed: list[Faulty] = field(default_factory=list)
    """Rows among the parcels that break the contract, where the publisher only observes."""


class Intake:
    """Judges rows for one view version, whole columns where it can."""

    def __init__(self, contract: Contract, schema_id: int, *, on_violation: str) -> None:
        self._contract = contract
        self._schema_id = schema_id
        self._observes = on_violation == "observe"
        self.row_lane = RowLane(contract, schema_id)

    @cached_property
    def _has_arrow(self) -> bool:
        return importlib.util.find_spec("pyarrow") is not None

    @cached_property
    def _column_lane(self) -> ColumnLane:
        # Arrow is an extra: only a job that has it comes here.
        from syncline.publisher.column_lane import ColumnLane  # noqa: PLC0415  see above

        return ColumnLane(self._contract, self._schema_id)

    def take(self, given: object, window: Window) -> Taken:
        """The verdict on rows in any form that `ViewPublisher.publish_many` takes.

        Raises:
            TypeError: it is none of them, or two of its columns have one name.
        """
        taken = Taken()
        pandas, arrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
        if pandas is not None and isinstance(given, pandas.DataFrame):
            _refuse_twice(given.columns)
            self._take_frame(given, window, taken)
        elif arrow is not None and isinstance(given, arrow.RecordBatch | arrow.Table):
            _refuse_twice(given.schema.names)
            self._take_arrow(given, window, taken)
        elif isinstance(given, Mapping | str | bytes) or not isinstance(given, Iterable):
            raise TypeError(
                f"publish_many takes an iterable of rows, an Arrow batch or table, or a pandas frame, "
                f"not a {type(given).__name__}"
            )
        else:
            self._take_rows(list(given), window, taken, first=0)
        return taken

    def take_row(self, row: Mapping[str, Any], window: Window) -> Taken:
        """The verdict on a single row."""
        taken = Taken()
        self._take_rows([row], window, taken, first=0)
        return taken

    def _take_rows(
        self, rows: Sequence[Mapping[str, Any]], window: Window, taken: Taken, *, first: int
    ) -> None:
        for start in range(0, len(rows), BATCH_ROWS):
            part = rows[start : start + BATCH_ROWS]
            if len(part) < _COLUMNS_ROWS_MIN or not self._take_as_columns(
                part, window, taken, first=first + start
            ):
                self._take_one_by_one(part, window, taken, first=first + start)

    def _take_as_columns(
        self, rows: Sequence[Mapping[str, Any]], window: Window, taken: Taken, *, first: int
    ) -> bool:
        if not self._has_arrow:
            return False
        batch = self._column_lane.from_rows(rows)
        judged = None if batch is None else self._column_lane.judge(batch, window, whole_floats=False)
        parcel = None if judged is None else self._column_parcel(judged, rows, window, taken, first=first)
        if parcel is None:
            return False
        if parcel.keys:
            taken.parcels.append(parcel)
        return True

    def _take_one_by_one(
        self, rows: Sequence[Mapping[str, Any]], window: Window, taken: Taken, *, first: int
    ) -> None:
        judged = self.row_lane.judge(rows, window, self._passes(taken))
        for faulty in judged.faulty:
            faulty.number += first
            taken.faulty.append(faulty)
        if judged.rows:
            good = judged.rows
            taken.parcels.append(
                Parcel(
                    [first + number for number in judged.numbers],
                    judged.keys,
                    judged.times_us,
                    lambda times_us, moved: self.row_lane.encode(good, times_us, moved=moved),
                )
            )

    def _take_frame(self, frame: pd.DataFrame, window: Window, taken: Taken) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415  only a job with pandas comes here, and it may have no Arrow
        except ImportError:
            batch = None
        else:
            try:
                batch = (
                    None
                    if self._has_objects(frame)
                    else pa.RecordBatch.from_pandas(frame, preserve_index=False)
                )
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                batch = None
        if batch is None:
            self._take_rows(list(_frame_rows(frame, self._contract)), window, taken, first=0)
            return
        self._take_arrow(batch, window, taken, frame=frame)

    def _has_objects(self, frame: pd.DataFrame) -> bool:
        """Whether times, or features whose values need converting, come as Python objects.

        Arrow would guess what they are by the first: a later naive time would get its zone, a datetime become a date.
        """
        guessed = self.row_lane.converted | {self._contract.event_time}
        return any(
            name in guessed and dtype.kind == "O"
            for name, dtype in zip(frame.columns, frame.dtypes, strict=True)
        )

    def _take_arrow(
        self,
        given: pa.RecordBatch | pa.Table,
        window: Window,
        taken: Taken,
        *,
        frame: pd.DataFrame | None = None,
    ) -> None:
        from syncline.publisher.column_lane import batches  # noqa: PLC0415  as in `_column_lane`

        first = 0
        for batch in batches(given):
            judged = self._column_lane.judge(batch, window, whole_floats=frame is not None)
            parcel = None if judged is None else self._column_parcel(judged, None, window, taken, first=first)
            if parcel is None:
                part = None if frame is None else frame.iloc[first : first + batch.num_rows]
                rows = (
                    self._column_lane.rows(batch) if part is None else list(_frame_rows(part, self._contract))
                )
                self._take_rows(rows, window, taken, first=first)
            elif parcel.keys:
                taken.parcels.append(parcel)
            first += batch.num_rows

    def _column_parcel(
        self,
        judged: JudgedColumns,
        rows: Sequence[Mapping[str, Any]] | None,
        window: Window,
        taken: Taken,
        *,
        first: int,
    ) -> Parcel | None:
        """The rows of a batch that may be published; None where its rows must be looked at one by one."""
        passes, observed = self._passes(taken), len(taken.observed)
        faulty = []
        for number in np.flatnonzero(~judged.keeps).tolist():
            row = self._column_lane.row(judged.batch, number) if rows is None else rows[number]
            found = self.row_lane.explain(number, row, window)
            if not found.violations or passes(found):
                judged.keeps[number] = True
            else:
                found.number += first
                faulty.append(found)
        batch, times_us = judged.batch, judged.times_us
        numbers: Sequence[int] = range(first, first + len(judged.keeps))
        if faulty:
            kept = np.flatnonzero(judged.keeps)
            batch, times_us = batch.take(kept), times_us[kept]
            numbers = (kept + first).tolist()
        try:
            keys = self._column_lane.keys(batch, self.row_lane.known_keys)
        except WireError:
            # The rows are looked at once more, one by one, and noted then.
            del taken.observed[observed:]
            return None
        taken.faulty += faulty
        lane = self._column_lane
        return Parcel(
            numbers, keys, times_us.tolist(), lambda times, moved: lane.encode(batch, times, moved=moved)
        )

    def _passes(self, taken: Taken) -> Callable[[Faulty], bool]:
        """Whether a row is published although it breaks its contract; if so, what it breaks is noted."""

        def passes(faulty: Faulty) -> bool:
            if not self._observes or must_raise(faulty.violations, on_violation="observe"):
                return False
            taken.observed.append(faulty)
            return True

        return passes


def _refuse_twice(names: Iterable[object]) -> None:
    """Which of two columns of one name is meant, no one knows."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TypeError(f"publish_many takes each column once, and the column {twice[0]!r} is there twice")


def _frame_rows(frame: pd.DataFrame, contract: Contract) -> Iterator[dict[str, Any]]:
    """A frame's rows as a job without pandas would write them: None for every kind of nothing, whole numbers whole."""
    nothing = frame.isna().to_numpy()
    names = [str(name) for name in frame.columns]
    whole = {key.name for key in contract.keys if key.type is FeatureType.LONG}
    whole |= {f.name for f in contract.features if f.type in INTEGER_RANGES}
    for number, values in enumerate(frame.itertuples(index=False, name=None)):
        row: dict[str, Any] = {}
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            if nothing[number, place]:
                row[name] = None
            elif isinstance(value, np.generic):
                row[name] = value.item()
            else:
                row[name] = value
            if name in whole and isinstance(row[name], float) and row[name].is_integer():
                row[name] = int(row[name])
        yield row
