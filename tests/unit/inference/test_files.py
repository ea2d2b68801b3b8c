"""Files of data: Parquet and CSV in batches, whatever their names and types; and what is no such file."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from syncline.contracts.model import FeatureType
from syncline.contracts.odcs.document import parse_contract
from syncline.errors import DefinitionError
from syncline.inference import files
from syncline.inference.files import Source, open_source
from syncline.inference.infer import Wishes, infer


def rows(source: Source) -> list[list[object]]:
    """Every column of a source, over all its batches."""
    columns: list[list[object]] = [[] for _ in source.names]
    for batch in source.batches():
        for column, values in zip(columns, batch, strict=True):
            column.extend(values.to_pylist())
    return columns


def csv_file(folder: Path, text: str, name: str = "data.csv") -> Path:
    """A CSV file with this text."""
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_types_of_a_csv_file_come_from_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction, a date or a word far down in the file widens the type of its column."""
    monkeypatch.setattr(files, "_BLOCK_BYTES", 1_000)
    lines = [f"{row},{row},2027-01-01,{row},,true,{row % 2}" for row in range(500)]
    lines += ["1.5,x,2027-01-01 12:30:00,NA,7,false,1"]
    source = open_source(
        csv_file(tmp_path, "\n".join(["float,text,moment,int,late,flag,bit", *lines]) + "\n")
    )
    assert [str(found) for found in source.types] == [
        "double",
        "string",
        "timestamp[s]",
        "int64",
        "int64",
        "bool",
        "int64",
    ]
    assert len(list(source.batches())) > 1
    assert rows(source)[4][-2:] == [None, 7]


def test_digits_that_are_names_stay_text(tmp_path: Path) -> None:
    """Zeros in front and numbers beyond 64 bits would be lost in a number."""
    text = "zip,card,plain,small\n01234,12345678901234567890,0,0.5\n99999,1,10,00.5\n"
    source = open_source(csv_file(tmp_path, text))
    assert [str(found) for found in source.types] == ["string", "string", "int64", "double"]
    assert rows(source)[0] == ["01234", "99999"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a,b\n1,x\n", "data.csv"),
        ("\ufeffa,b\n1,x\n", "data.csv"),
        ("a;b\n1;x\n", "data.csv"),
        ("a\tb\n1\tx\n", "data.tsv"),
        ('"a","b"\r\n"1","x"\r\n', "DATA.CSV"),
    ],
)
def test_csv_files_of_many_hands_are_read(tmp_path: Path, text: str, name: str) -> None:
    """With other delimiters, line ends, quotes and a byte order mark."""
    source = open_source(csv_file(tmp_path, text, name))
    assert (source.names, rows(source)) == (("a", "b"), [[1], ["x"]])


def test_a_packed_csv_file_is_read(tmp_path: Path) -> None:
    """A name such as data.csv.gz says how it is packed."""
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"a,a\n1,2\n"))
    source = open_source(path)
    assert (source.names, rows(source)) == (("a", "a"), [[1], [2]])


def test_names_may_hold_anything(tmp_path: Path) -> None:
    """Line ends, quotes and the same name twice are names of columns, too."""
    source = open_source(csv_file(tmp_path, '"a\nb","c ""d""",c,c\n1,2,3,4\n'))
    assert source.names == ("a\nb", 'c "d"', "c", "c")
    assert rows(source) == [[1], [2], [3], [4]]


def test_a_file_with_names_alone_has_no_rows(tmp_path: Path) -> None:
    """Its columns have no types; that is said when a contract is asked for."""
    for text in ("a,b", "a,b\n", "a,b\n\n"):
        source = open_source(csv_file(tmp_path, text))
        assert (source.names, rows(source)) == (("a", "b"), [[], []])
        with pytest.raises(DefinitionError, match="it has no rows"):
            infer(source, tmp_path / "data.csv", Wishes())


def test_parquet_is_read_in_batches(tmp_path: Path) -> None:
    """A row group larger than a batch is not read at once, and nothing of it is lost."""
    path = tmp_path / "data.parquet"
    parquet.write_table(pa.table({"a b": pa.array(range(50_000)), "x": pa.array([1.5] * 50_000)}), path)
    source = open_source(path)
    assert [len(batch[0]) for batch in source.batches()] == [16_384, 16_384, 16_384, 848]
    assert rows(source)[0] == list(range(50_000))


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Three times as many rows in one row group need no more Arrow memory at once."""
    path = tmp_path / "data.parquet"
    peaks = []
    for count in (200_000, 600_000):
        moments = pa.array(range(0, count * 1_000_000, 1_000_000), pa.timestamp("us", tz="UTC"))
        ids = pa.array([f"e{row % 50_000}" for row in range(count)])
        parquet.write_table(
            pa.table({"id": ids, "ts": moments, "x": range(count)}), path, row_group_size=count
        )
        del moments, ids
        peaks.append(peak_bytes(path))
    assert peaks[1] < 1.3 * peaks[0]


def peak_bytes(path: Path) -> int:
    """The most that Arrow held at once while a contract was inferred."""
    before, most = pa.total_allocated_bytes(), 0
    source = open_source(path)

    def watched() -> Iterator[list[pa.Array]]:
        nonlocal most
        for batch in source.batches():
            most = max(most, pa.total_allocated_bytes() - before)
            yield batch

    infer(Source(source.form, source.names, source.types, watched), path, Wishes())
    return most


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.parquet", None, "No such file"),
        ("empty.csv", b"", "it is empty"),
        ("data.parquet", b"a,b\n1,2\n", "it is no Parquet file"),
        ("cut.parquet", b"PAR1 and then nothing", "it is no Parquet file"),
        ("data.xlsx", b"PK\x03\x04", "it is neither Parquet nor called .csv"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 columns, got 3"),
        ("latin.csv", "größe,b\n1,2\n".encode("latin-1"), "it is not UTF-8"),
        ("latin2.csv", b"a,b\n" + b"1,2\n" * 10 + b"\xe4,2\n", "UTF"),
        ("blank.csv", b"\n\n", "its first line names no columns"),
        ("packed.csv.gz", b"no gzip", "it is no CSV file"),
    ],
)
def test_what_is_no_file_of_data_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """The file is named, and what to do; nothing is a traceback."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DefinitionError) as caught:
        rows(open_source(path))
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert said in problem.message
    assert problem.remedy


def test_real_flights_make_a_contract_one_would_start_from(tmp_path: Path) -> None:
    """The weather of 2013 from CSV and from Parquet: key, event time, cadence and types are found; both agree."""
    from syncline.demo.flight_data import _folder

    path = _folder() / "weather.csv"
    source = open_source(path)
    copy = tmp_path / "weather.parquet"
    arrays = [pa.chunked_array(list(chunks)) for chunks in zip(*source.batches(), strict=True)]
    parquet.write_table(pa.table(arrays, names=list(source.names)), copy)
    contract = parse_contract(infer(source, path, Wishes()).text, file="weather.yaml")
    again = parse_contract(infer(open_source(copy), copy, Wishes()).text, file="weather.yaml")
    assert [key.name for key in contract.keys] == ["origin"]
    assert contract.frequency_us == 3_600_000_000
    humidity = contract.feature("humid")
    assert (humidity.type, humidity.minimum, humidity.maximum) == (FeatureType.DOUBLE, 0, 100)
    assert again.features == contract.features
