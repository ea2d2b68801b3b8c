"""Files of data as batches of columns: Parquet and CSV, read piece by piece however large they are."""

from __future__ import annotations

import csv as python_csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from syncline.errors import DefinitionError, Problem
from syncline.inference.csv_types import CsvTypes

_BATCH_ROWS = 16_384
_BLOCK_BYTES = 4 << 20
_CSV_SUFFIXES = (".csv", ".tsv", ".txt")
_PACKED = (".gz", ".bz2", ".zst", ".lz4")
_DELIMITERS = ",;\t|"
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Source:
    """A file that can be read: its columns, and its rows in batches whose columns stand in the same order."""

    form: str
    """`Parquet` or `CSV`."""
    names: tuple[str, ...]
    """Of the columns, as the file has them: any text, perhaps twice."""
    types: tuple[pa.DataType, ...]
    batches: Callable[[], Iterator[list[pa.Array]]]
    """Reads the file from its beginning, each time it is called."""
    remarks: tuple[str, ...] = ()


def open_source(path: Path) -> Source:
    """The data in a file. Of a CSV file, which states no types, all rows are looked at once for them.

    Raises:
        DefinitionError: there is no such file, or it is neither Parquet nor CSV; one sentence says what to do.
    """
    if path.is_dir():
        raise refused(path, "it is a folder", "Name one of its files")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise refused(path, f"it cannot be read: {error.strerror}", "Name a Parquet or CSV file") from None
    if not magic:
        raise refused(path, "it is empty", "Name a file with at least the names of the columns")
    suffix = Path(path.stem).suffix if path.suffix.lower() in _PACKED else path.suffix
    if magic == _PARQUET_MAGIC:
        return _parquet(path)
    if suffix.lower() in _CSV_SUFFIXES:
        return _csv(path)
    if suffix.lower() in (".parquet", ".pq", ".parq"):
        raise refused(path, "it is no Parquet file", "Write it anew, or name another file")
    raise refused(path, "it is neither Parquet nor called .csv", "Convert it to Parquet or CSV, or rename it")


def refused(path: Path, message: str, remedy: str) -> DefinitionError:
    """The error that a file of data cannot be used."""
    return DefinitionError([Problem(str(path), "", "data", message, remedy)])


def _parquet(path: Path) -> Source:
    from pyarrow import parquet  # noqa: PLC0415  only for this form

    def opened() -> parquet.ParquetFile:
        # Small buffers and nothing ahead: a row group may be as large as the file.
        return parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)

    def batches() -> Iterator[list[pa.Array]]:
        try:
            with opened() as file:
                for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                    yield batch.columns
        except (pa.ArrowException, OSError) as error:
            raise refused(
                path, f"it is damaged: {_said(error)}", "Write it anew, or name another file"
            ) from None

    try:
        with opened() as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise refused(
            path, f"it is no Parquet file: {_said(error)}", "Write it anew, or name another file"
        ) from None
    return Source("Parquet", tuple(schema.names), tuple(schema.types), batches)


def _csv(path: Path) -> Source:
    names, delimiter, has_rows = _header(path)
    if not has_rows:
        return Source("CSV", names, (pa.null(),) * len(names), lambda: iter(()))
    types = CsvTypes(len(names))
    for block in _csv_blocks(path, [pa.string()] * len(names), delimiter):
        types.add(block)
    found = types.found()
    remarks = ("Empty fields, NA, NULL and the like were read as null.",)
    return Source("CSV", names, tuple(found), lambda: _csv_blocks(path, found, delimiter), remarks)


def _header(path: Path) -> tuple[tuple[str, ...], str, bool]:
    """The names of the columns, what stands between fields, and whether any row follows."""
    try:
        with pa.input_stream(str(path), compression="detect") as raw:
            text = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8-sig", newline="")
            first = text.readline(1 << 20)
            delimiter = "," if "," in first else max(_DELIMITERS, key=first.count)
            rows = python_csv.reader(_lines(first, text), delimiter=delimiter)
            names = next(rows, [])
            has_rows = any(any(row) for row in rows)
    except UnicodeDecodeError as error:
        raise refused(path, f"it is not UTF-8: {error.reason}", "Save it as UTF-8") from None
    except (python_csv.Error, pa.ArrowException, OSError) as error:
        raise refused(
            path, f"it is no CSV file: {_said(error)}", "Write it anew, or name another file"
        ) from None
    if not any(name.strip() for name in names):
        raise refused(path, "its first line names no columns", "Begin the file with the names of the columns")
    return tuple(names), delimiter, has_rows


def _lines(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _csv_blocks(path: Path, types: list[pa.DataType], delimiter: str) -> Iterator[list[pa.Array]]:
    from pyarrow import csv  # noqa: PLC0415  only for this form

    # By number, as two columns may have one name; the names themselves are then a row to be left out.
    numbers = [str(number) for number in range(len(types))]
    try:
        reader = csv.open_csv(
            str(path),
            read_options=csv.ReadOptions(
                column_names=numbers, skip_rows_after_names=1, block_size=_BLOCK_BYTES, use_threads=False
            ),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict(zip(numbers, types, strict=True)), strings_can_be_null=True
            ),
        )
        for batch in reader:
            yield batch.columns
    except (pa.ArrowException, OSError) as error:
        remedy = "Correct that row, or save the file as UTF-8 with a quote on both sides of each field that needs one"
        raise refused(path, f"it is no CSV file: {_said(error)}", remedy) from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
