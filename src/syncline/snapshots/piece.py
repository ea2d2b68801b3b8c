"""Cells as a file: Arrow IPC with the columns `key` and `cell`, compressed with zstd. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import pyarrow as pa

from syncline.errors import SnapshotRefused

CELLS_MAX = 100_000
"""How many cells a file has at most: restored, each is about one commit, and large commits are the fast ones."""
BYTES_MAX = 64 << 20
"""About how many bytes its keys and cells have at most."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some cells of one partition, by key; columns of equal length."""

    keys: Sequence[bytes]
    cells: Sequence[bytes]
    bytes: int
    """Of keys and cells together."""

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.keys)


def pieces(
    rows: Iterator[tuple[bytes, bytes]], *, cells_max: int = CELLS_MAX, bytes_max: int = BYTES_MAX
) -> Iterator[Piece]:
    """The (key, cell) rows in pieces of no more than `cells_max` cells and about `bytes_max` bytes."""
    keys: list[bytes] = []
    cells: list[bytes] = []
    size = 0
    while group := list(islice(rows, min(_GROUP, cells_max - len(keys)))):
        more_keys, more_cells = zip(*group, strict=True)
        keys += more_keys
        cells += more_cells
        size += sum(map(len, more_keys)) + sum(map(len, more_cells))
        if len(keys) >= cells_max or size >= bytes_max:
            yield Piece(keys, cells, size)
            keys, cells, size = [], [], 0
    if keys:
        yield Piece(keys, cells, size)


def pack(piece: Piece) -> bytes:
    """The piece as a file."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch(
        [pa.array(column, pa.binary()) for column in (piece.keys, piece.cells)], schema=_SCHEMA
    )
    with pa.ipc.new_file(sink, _SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(packed: bytes, *, where: str) -> Piece:
    """The piece that `pack` wrote. Give it only bytes whose hash was found right: Arrow is no judge of others.

    Raises:
        SnapshotRefused: it is no such file.
    """
    try:
        with pa.ipc.open_file(pa.py_buffer(packed)) as reader:
            if reader.num_record_batches != 1 or not reader.schema.equals(_SCHEMA):
                raise SnapshotRefused(f"{where} has other columns than key and cell: no Syncline wrote it")
            batch = reader.get_batch(0)
        # Only this proves that its offsets stay inside its bytes.
        batch.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise SnapshotRefused(f"{where} is no Arrow file ({error}): no Syncline wrote it") from None
    if batch.column(0).null_count or batch.column(1).null_count:
        raise SnapshotRefused(f"{where} has a null: no Syncline wrote it")
    keys, key_bytes = _values(batch.column(0))
    cells, cell_bytes = _values(batch.column(1))
    return Piece(keys, cells, key_bytes + cell_bytes)


def _values(column: pa.Array) -> tuple[list[bytes], int]:
    """The bytes of each row, and how many there are; three times as fast as Arrow's own way to Python."""
    if not len(column):
        return [], 0
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4).tolist()
    content = data.to_pybytes() if data is not None else b""
    values = [content[start:end] for start, end in pairwise(ends)]
    return values, ends[-1] - ends[0]


_GROUP = 64
"""Rows looked at between two questions whether a piece is full."""
_SCHEMA = pa.schema(
    [pa.field("key", pa.binary(), nullable=False), pa.field("cell", pa.binary(), nullable=False)]
)
