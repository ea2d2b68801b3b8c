"""Many model inputs, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from syncline.reader.model_input import ModelInput, age_of, age_us_of, event_time_of, event_time_us_of
from syncline.reader.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from syncline.catalog.serving import Serving
    from syncline.reader.selection import Resolved, SelectedView, Selection


@dataclass(frozen=True, slots=True)
class ResolvedColumn:
    """One alias over many rows: each of its entities once, and which of them a row asks for."""

    view: SelectedView
    resolved: Sequence[Resolved]
    codes: Sequence[int]


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The features of many requests, in their order, all of one release and of one moment of the store (P4).

    `inputs[3]` is the fourth as a `ModelInput`. Columns are made when asked for: `to_dict`, `to_arrow`, `to_pandas`.
    """

    _serving: Serving
    _selection: Selection
    _columns: tuple[ResolvedColumn, ...]
    _rows: int
    read_at_us: int
    """When they were read: microseconds since the epoch, by the reader's clock. Ages are relative to it."""

    @property
    def release(self) -> str:
        """`flight_inputs@7`."""
        return f"{self._serving.bundle}@{self._serving.release}"

    @property
    def epoch(self) -> int:
        """Catalog offset of what the agent enacted last."""
        return self._serving.epoch

    @property
    def cut(self) -> int | None:
        """The cut that introduced the release; None for a bundle's first."""
        return self._serving.cut

    @property
    def names(self) -> tuple[str, ...]:
        """The result names, in order."""
        return self._selection.names

    def __len__(self) -> int:
        """How many rows were asked for."""
        return self._rows

    def __getitem__(self, row: int) -> ModelInput:
        """One row, as `get` would have given it at that moment."""
        resolved = tuple(column.resolved[column.codes[range(self._rows)[row]]] for column in self._columns)
        return ModelInput.of(self._serving, self._selection, resolved, read_at_us=self.read_at_us)

    def __iter__(self) -> Iterator[ModelInput]:
        """Row by row."""
        return (self[row] for row in range(self._rows))

    def to_dict(self) -> dict[str, list[Any]]:
        """Result name → a value per row."""
        return self._per_row(lambda found, place: found.values[place])

    def statuses(self) -> dict[str, list[Status]]:
        """Result name → a status per row."""
        return self._per_row(lambda found, place: found.statuses[place])

    def ages(self) -> dict[str, list[timedelta | None]]:
        """Result name → an age per row; see `ModelInput.ages`."""
        return self._per_row(lambda found, _: age_of(found, self.read_at_us))

    def event_times(self) -> dict[str, list[datetime | None]]:
        """Result name → an event time per row; see `ModelInput.event_times`."""
        return self._per_row(lambda found, _: event_time_of(found))

    def to_arrow(self, *, details: bool = False) -> pa.Table:
        """A pyarrow.Table: one column a feature, of the contract's type, null where the value is None.

        With `details`, also `<name>__status` (dictionary of strings), `<name>__age` (duration[us]) and
        `<name>__event_time` (timestamp[us, UTC]) for each.
        """
        # Imported here: only who asks for a table needs Arrow.
        import pyarrow as pa  # noqa: PLC0415  see above

        from syncline.contracts.codec.arrow import arrow_type  # noqa: PLC0415  see above

        words = list(Status)
        number_of = {status: number for number, status in enumerate(words)}
        arrays: dict[str, Any] = {}
        for column in self._columns:
            codes = pa.array(column.codes, pa.int64())
            found = column.resolved
            ages = pa.array([age_us_of(one, self.read_at_us) for one in found], pa.duration("us"))
            times = pa.array([event_time_us_of(one) for one in found], pa.timestamp("us", tz="UTC"))
            for place, (name, feature) in enumerate(
                zip(column.view.names, column.view.features, strict=True)
            ):
                stated = column.view.feature(feature)
                kind = arrow_type(stated.type, stated.item.type if stated.item else None)
                values = [one.values[place] for one in found]
                arrays[name] = pa.array(values, kind).take(codes)
                if details:
                    numbers = pa.array([number_of[one.statuses[place]] for one in found], pa.int8()).take(
                        codes
                    )
                    arrays[f"{name}__status"] = pa.DictionaryArray.from_arrays(
                        numbers, pa.array(words, pa.string())
                    )
                    arrays[f"{name}__age"] = ages.take(codes)
                    arrays[f"{name}__event_time"] = times.take(codes)
        suffixes = ("", "__status", "__age", "__event_time") if details else ("",)
        return pa.table(
            {f"{name}{suffix}": arrays[f"{name}{suffix}"] for name in self.names for suffix in suffixes}
        )

    def to_pandas(self, *, details: bool = False) -> pd.DataFrame:
        """A pandas.DataFrame with the columns of `to_arrow`.

        Integers and booleans come as pandas' nullable types (Int32, Int64, boolean), so that a column's type never
        depends on whether a value happens to be missing; a float that is null is NaN. Dates are `datetime.date`, maps
        dicts, lists and vectors numpy arrays.
        """
        import pandas as pd  # noqa: PLC0415  only who asks for a frame needs it
        import pyarrow as pa  # noqa: PLC0415  see above

        nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        return self.to_arrow(details=details).to_pandas(types_mapper=nullable.get, maps_as_pydicts="strict")

    def _per_row(self, what: Callable[[Resolved, int], Any]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for column in self._columns:
            for place, name in enumerate(column.view.names):
                distinct = [what(one, place) for one in column.resolved]
                found[name] = [distinct[code] for code in column.codes]
        return {name: found[name] for name in self.names}
