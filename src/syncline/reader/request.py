"""The join keys of many rows, in whichever form they are given, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncline.errors import ReadError

if TYPE_CHECKING:
    from syncline.reader.feature_reader import ManyKeys


def key_columns(keys: ManyKeys) -> tuple[dict[str, list[Any]], int]:
    """(request name → a value per row, how many rows). A name that a row lacks is None there.

    Raises:
        ReadError: the columns have unequal lengths, or these are no join keys at all.
    """
    if isinstance(keys, Mapping):
        columns = {name: _as_list(name, values) for name, values in keys.items()}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            said = ", ".join(f"`{name}` {len(column)}" for name, column in columns.items())
            raise ReadError(f"the columns of join keys have unequal lengths: {said}")
        return columns, lengths.pop() if lengths else 0
    if type(keys).__module__.partition(".")[0] == "pandas" or hasattr(keys, "__arrow_c_stream__"):
        return _of_table(keys)
    if (
        not isinstance(keys, Sequence)
        or isinstance(keys, str | bytes)
        or not all(isinstance(k, Mapping) for k in keys)
    ):
        raise ReadError(
            f"join keys are given as {type(keys).__name__}; give a list of mappings, a mapping of columns, "
            "a pyarrow.Table or a pandas.DataFrame"
        )
    names: dict[str, None] = {}
    for row in keys:
        names.update(dict.fromkeys(row))
    return {name: [row.get(name) for row in keys] for name in names}, len(keys)


def _as_list(name: str, values: Any) -> list[Any]:  # noqa: ANN401  whatever a caller calls a column
    if isinstance(values, list):
        return values
    if isinstance(values, str | bytes | Mapping):
        raise ReadError(f"the column `{name}` is a {type(values).__name__}; give a list with a value per row")
    for method in ("to_pylist", "tolist"):
        if hasattr(values, method):
            # Numbers of numpy and Arrow become Python's own.
            return list(getattr(values, method)())
    try:
        return list(values)
    except TypeError:
        raise ReadError(
            f"the column `{name}` is a {type(values).__name__}; give a list with a value per row"
        ) from None


def _of_table(keys: Any) -> tuple[dict[str, list[Any]], int]:  # noqa: ANN401  a table of any library
    import pyarrow as pa  # noqa: PLC0415  only who reads with tables needs it

    try:
        if type(keys).__module__.partition(".")[0] == "pandas":
            # pandas marks a missing value as NaN; Arrow makes null of it.
            table = pa.Table.from_pandas(keys, preserve_index=False)
        else:
            table = pa.table(keys)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ReadError(f"the table of join keys cannot be read: {error}") from None
    return {name: table.column(name).to_pylist() for name in table.column_names}, table.num_rows
